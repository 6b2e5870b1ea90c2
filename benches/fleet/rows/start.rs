//! From the start of the process to the first thing that it does.

use std::time::{Duration, Instant};

use crate::{
    crowd::{self, Stand},
    stage::Stage,
    support::{Controller, eventually, why},
    table::Line,
};

/// The cluster is empty but for one activation, which has no connection: the controller says so, and is timed by it.
pub async fn start() -> Vec<Line> {
    const TRIES: usize = 5;
    let mut took = [Vec::new(), Vec::new()];
    for n in 0..2 * TRIES {
        let stage = Stage::new(1, &[]).await;
        crowd::create(&stage.namespace, 0..1, 1, Stand::New).await;
        let began = Instant::now();
        let leads = n % 2 == 1;
        let mut controller = match leads {
            true => stage.controller(&[]).await,
            false => Controller::start(&stage.namespace, &[]).await,
        };
        eventually("the first reconciliation", Duration::from_secs(20), async || {
            why(&stage.namespace.activation("unit-000000").await).0 == "ConnectionNotFound"
        })
        .await;
        took[usize::from(leads)].push(began.elapsed().as_secs_f64() * 1e3);
        controller.process.terminate(Duration::from_secs(20)).await;
    }
    let [alone, leading] = took.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[TRIES / 2]
    });
    vec![
        Line::shown(
            "start of the process → first reconciliation written, empty cluster",
            format!("{alone:.0} ms; with --leader-elect {leading:.0} ms (median of {TRIES})"),
        )
        .reach("under 300 ms", alone < 300.0),
    ]
}
