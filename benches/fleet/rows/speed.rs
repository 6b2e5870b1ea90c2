//! How long a fleet takes that exists when the controller starts, and what it costs.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::counts::{EVENTS, READS, WRITES, all_ready, taken};
use crate::{
    audit::{Asked, Since, sum},
    bare::Took,
    crowd::{self, Stand},
    gauge::Gauge,
    stage::{Stage, settle},
    support::{control_plane, eventually},
    table::Line,
};

/// Connections: one takes at most 10,000 requests a minute, which would be the limit here.
const LANES: usize = 4;
/// Requests under way at the same time, in both.
const AT_ONCE: usize = 64;

/// How soon the end is seen, at most.
const LOOK: Duration = Duration::from_millis(50);

/// The operator and the bare loop, one after the other on the same cluster.
#[derive(Serialize, Deserialize)]
pub struct Pair {
    bare: Took,
    operator: Took,
    callback_cpu: f64,
    /// CPU-seconds of the API server and etcd.
    server_cpu: [f64; 2],
    /// Megabytes of the controller and of the callback endpoint when all is done.
    memory: [f64; 2],
    asked: Asked,
    posts: usize,
}

/// One pair.
pub async fn pair(count: usize, bare_first: bool) -> Pair {
    let mut bare = None;
    if bare_first {
        bare = Some(run_bare(count).await);
    }
    let mut pair = run_operator(count).await;
    let (took, server_cpu) = match bare {
        Some(bare) => bare,
        None => run_bare(count).await,
    };
    (pair.bare, pair.server_cpu[0]) = (took, server_cpu);
    pair
}

fn server() -> f64 {
    let pid = |name: &str| std::fs::read_to_string(control_plane().file(name)).expect("a pid").trim().parse();
    ["server.pid", "etcd.pid"].map(|name| Gauge(pid(name).expect("a number")).cpu()).iter().sum()
}

async fn run_bare(count: usize) -> (Took, f64) {
    let stage = Stage::new(LANES, &["--fault", "callback:lost"]).await;
    crowd::create(&stage.namespace, 0..count, LANES, Stand::New).await;
    settle().await;
    let before = server();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["bare", &stage.namespace.name, &stage.simulator.endpoint(), &AT_ONCE.to_string()]);
    command.env("KUBECONFIG", &control_plane().kubeconfig).env("NO_PROXY", "127.0.0.1,localhost");
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let took = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("the bare loop failed: {error}"));
    let server_cpu = server() - before;
    all_ready(&stage, count).await;
    (took, server_cpu)
}

async fn run_operator(count: usize) -> Pair {
    let stage = Stage::new(LANES, &["--activation-time", "1s"]).await;
    crowd::create(&stage.namespace, 0..count, LANES, Stand::New).await;
    let callback = stage.callback().await;
    stage.connect(Some(&callback), AT_ONCE).await;
    settle().await;
    let (since, before, sidecar) = (Since::now(), server(), Gauge(callback.process.pid()));
    let callback_before = sidecar.cpu();

    let began = Instant::now();
    let controller = stage.controller(&[]).await;
    eventually("all callbacks are taken", Duration::from_secs(1800), async || {
        let taken = taken(&callback.admin).await;
        if taken >= count {
            return Ok(());
        }
        // To look is work for the callback endpoint: the more often, the nearer the end.
        tokio::time::sleep(Duration::from_millis(4 * (count - taken) as u64).max(LOOK)).await;
        Err(taken)
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    // Events are told beside the work, and belong to its cost.
    let gauge = Gauge(controller.process.pid());
    let (cpu, callback_cpu) = (gauge.idle().await, sidecar.idle().await - callback_before);
    let server_cpu = [0.0, server() - before];
    let memory = [gauge.resident(), sidecar.resident()];
    all_ready(&stage, count).await;
    let asked = since.asked(&stage.namespace.name);
    let posts = stage.simulator.activate_posts().await.len();
    let operator = Took { seconds, cpu };
    Pair { bare: Took::default(), operator, callback_cpu, server_cpu, memory, asked, posts }
}

/// What several pairs say.
pub fn lines(count: usize, pairs: &[Pair]) -> Vec<Line> {
    let thousands = count as f64 / 1000.0;
    let seconds = [median(pairs, |p| p.operator.seconds), median(pairs, |p| p.bare.seconds)];
    let ours = |p: &Pair| (p.operator.cpu + p.callback_cpu) / thousands;
    let cpu = [median(pairs, ours), median(pairs, |p| p.bare.cpu / thousands)];
    let server = [1, 0].map(|n| median(pairs, |p| p.server_cpu[n] / thousands));
    let each = |words: &[&str]| median(pairs, |p| sum(&p.asked, words) as f64) / count as f64;
    let refused = |p: &Pair| p.asked.iter().filter(|(what, _)| what.ends_with(')')).map(|(_, n)| *n as f64).sum();
    let conflicts: f64 = median(pairs, refused) / count as f64;
    let posts = median(pairs, |p| p.posts as f64) / count as f64;
    let runs = if pairs.len() == 1 { " (one run)" } else { "" };
    vec![
        Line::shown(
            format!("{count} activations that exist at the start → all Ready{runs}"),
            format!("{:.1} s, bare loop {:.1} s", seconds[0], seconds[1]),
        )
        .ratio(seconds[0] / seconds[1])
        .reach("at most 1.1 × the bare loop", seconds[0] <= 1.1 * seconds[1]),
        Line::shown(
            format!("CPU of controller + callback per 1,000, {count} of them{runs}"),
            format!("{:.2} CPU-s, bare loop {:.2}", cpu[0], cpu[1]),
        )
        .ratio(cpu[0] / cpu[1])
        .reach("at most 1.3 × the bare loop", cpu[0] <= 1.3 * cpu[1]),
        Line::shown(
            format!("CPU of API server + etcd per 1,000, {count} of them{runs}"),
            format!("{:.2} CPU-s, under the bare loop {:.2}", server[0], server[1]),
        )
        .ratio(server[0] / server[1]),
        Line::shown(
            format!("requests for each of {count}{runs}"),
            format!(
                "{:.3} writes ({conflicts:.3} refused), {:.3} events, {posts:.3} POSTs, {:.3} reads",
                each(WRITES),
                each(EVENTS),
                each(READS)
            ),
        )
        .reach("as for one", (each(WRITES) - 3.0).abs() < 0.03 && posts == 1.0 && each(READS) < 0.03),
        Line::shown(
            format!("resident memory after sending {count}{runs}"),
            format!(
                "controller {:.1} MB, callback {:.1} MB",
                median(pairs, |p| p.memory[0]),
                median(pairs, |p| p.memory[1])
            ),
        ),
    ]
}

fn median(pairs: &[Pair], of: impl Fn(&Pair) -> f64) -> f64 {
    let mut values: Vec<f64> = pairs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// ThingSpace takes a second for each answer: so many at the same time is so many a second.
pub async fn slow() -> Vec<Line> {
    const CAP: usize = 50;
    const COUNT: usize = 600;
    let stage = Stage::new(1, &["--fault", "activate:delay=1s", "--activation-time", "20ms"]).await;
    crowd::create(&stage.namespace, 0..COUNT, 1, Stand::New).await;
    let callback = stage.callback().await;
    stage.connect(Some(&callback), CAP).await;
    let _controller = stage.controller(&[]).await;
    all_ready(&stage, COUNT).await;
    let posts = stage.simulator.activate_posts().await;
    let at = |n: usize| posts[n].at.parse::<Timestamp>().expect("a time");
    let between = at(COUNT - 1).duration_since(at(0)).as_secs_f64();
    let rate = (COUNT - CAP) as f64 / between;
    vec![
        Line::shown(
            format!("{COUNT} with ThingSpace answering in 1 s, inFlight {CAP}"),
            format!("{rate:.1} a second, {} POSTs", posts.len()),
        )
        .ratio(rate / CAP as f64)
        .reach("inFlight ÷ 1 s, within 10 %", rate >= 0.9 * CAP as f64 && posts.len() == COUNT),
    ]
}
