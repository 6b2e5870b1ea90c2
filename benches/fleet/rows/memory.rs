//! A fleet at rest: what is resident, what is asked, and what a restart takes.

use std::time::Duration;

use super::counts::{EVENTS, WRITES};
use crate::{
    audit::{Since, sum},
    crowd::{self, Stand},
    gauge::Gauge,
    stage::{Stage, settle},
    table::Line,
};

/// Where the figures are asked for.
const REFERENCE: usize = 10_000;
/// Requests under way at the restart.
const IN_FLIGHT: usize = 1000;

/// Memory with so many final activations, in ascending order; and at the reference size what rest and a restart cost.
pub async fn rest(sizes: &[usize]) -> Vec<Line> {
    let stage = Stage::new(1, &[]).await;
    let mut lines = Vec::new();
    let (mut at, mut reference): (usize, Option<[f64; 2]>) = (0, None);
    for &size in sizes {
        crowd::create(&stage.namespace, at..size, 1, Stand::Done).await;
        at = size;
        let callback = stage.callback().await;
        stage.connect(Some(&callback), 50).await;
        let mut controller = stage.controller(&[]).await;
        stage.connected().await;
        let gauges = [Gauge(controller.process.pid()), Gauge(callback.process.pid())];
        let mut cpu = [0.0; 2];
        for (n, gauge) in gauges.iter().enumerate() {
            cpu[n] = gauge.idle().await;
        }
        let resident = gauges.map(Gauge::resident);
        let peak = gauges.map(Gauge::peak);
        for (n, name) in ["controller", "callback sidecar"].into_iter().enumerate() {
            let (most, each) = [(40.0, 2.5), (25.0, 0.5)][n];
            let measured = format!("{:.1} MB (peak {:.1}), read in {:.2} CPU-s", resident[n], peak[n], cpu[n]);
            let line = Line::shown(format!("resident memory, {name}, {size} final"), measured);
            lines.push(match reference {
                _ if size == REFERENCE => line.reach(&format!("under {most} MB"), resident[n] < most),
                Some(before) if size > REFERENCE => {
                    let grown = (resident[n] - before[n]) * 1e3 / (size - REFERENCE) as f64;
                    let mut line = line.reach(&format!("under {each} KB more an object"), grown < each);
                    line.ratio = format!("{grown:.2} KB");
                    line
                }
                _ => line,
            });
        }
        if size == REFERENCE {
            reference = Some(resident);
            lines.push(idle(&stage, gauges).await);
            controller.process.terminate(Duration::from_secs(30)).await;
            lines.push(restart(&stage, size).await);
        }
    }
    lines
}

/// Memory with so many activations that are not at their end: none of them sent, for there is no connection yet, and
/// all of them waiting for their result.
pub async fn open() -> Vec<Line> {
    let mut lines = Vec::new();
    for (stand, words) in [(Stand::New, "waiting for a connection"), (Stand::Accepted, "waiting for their result")] {
        let stage = Stage::new(1, &[]).await;
        crowd::create(&stage.namespace, 0..REFERENCE, 1, stand).await;
        let callback = stage.callback().await;
        if stand == Stand::Accepted {
            stage.connect(Some(&callback), 50).await;
        }
        let controller = stage.controller(&[]).await;
        let gauges = [Gauge(controller.process.pid()), Gauge(callback.process.pid())];
        for gauge in &gauges {
            gauge.idle().await;
        }
        let [controller, callback] = gauges.map(Gauge::resident);
        let measured = format!("controller {controller:.1} MB, callback {callback:.1} MB");
        lines.push(Line::shown(format!("resident memory with {REFERENCE} {words}"), measured));
    }
    lines
}

async fn idle(stage: &Stage, gauges: [Gauge; 2]) -> Line {
    let (since, before) = (Since::now(), gauges.map(Gauge::cpu));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let used = [0, 1].map(|n| gauges[n].cpu() - before[n]);
    let asked = since.asked(&stage.namespace.name);
    let other = asked.keys().filter(|what| !what.contains("leases") && !what.starts_with("watch")).count();
    let words: Vec<_> = asked.iter().map(|(what, n)| format!("{n} × {what}")).collect();
    let measured = format!(
        "controller {:.2}, callback {:.2} CPU-s a minute; {}",
        used[0],
        used[1],
        if words.is_empty() { "no request".to_owned() } else { words.join(", ") }
    );
    Line::shown(format!("idle with {REFERENCE} final"), measured)
        .reach("no request but the lease and watch upkeep; under 0.05 CPU-s a minute", other == 0 && used[0] < 0.05)
}

async fn restart(stage: &Stage, at: usize) -> Line {
    let under_way = crowd::create(&stage.namespace, at..at + IN_FLIGHT, 1, Stand::Accepted).await;
    stage.simulator.clear_journal().await;
    settle().await;
    let since = Since::now();
    let controller = stage.controller(&[]).await;
    stage.connected().await;
    let cpu = Gauge(controller.process.pid()).idle().await;
    let asked = since.asked(&stage.namespace.name);
    let journal = stage.simulator.journal().await;
    let posts = journal.iter().filter(|e| e.path.ends_with("/activate")).count();
    let polls = journal.iter().filter(|e| e.path.contains("/requests/")).count();
    let writes = sum(&asked, WRITES) + sum(&asked, EVENTS);
    drop(controller);
    for object in under_way {
        let name = object.metadata.name.expect("a name");
        stage.namespace.activations().delete(&name, &Default::default()).await.expect("deleted");
    }
    Line::shown(
        format!("restart with {at} final and {IN_FLIGHT} in flight"),
        format!("{cpu:.2} CPU-s until idle; {posts} POSTs, {writes} writes and events, {polls} polls"),
    )
    .reach("under 0.7 CPU-s until idle; 0 POSTs, 0 writes, no burst of polls", {
        cpu < 0.7 && posts + writes + polls == 0
    })
}
