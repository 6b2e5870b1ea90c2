//! What `/metrics` shows is what has happened, in a form that Prometheus' own checker finds nothing wrong with, and all
//! of it is documented and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::{
    CLOSED_BOOKS, Controller, HELD, LONG, QUICK, Scene, control_plane, eventually, fixtures, http_client, repository,
};

#[tokio::test]
async fn the_metrics_of_a_life_with_trouble_are_sound_true_and_documented() {
    let scene = troubled().await;
    let (controller, callback) = (scene.controller.admin.metrics().await, scene.callback.admin.metrics().await);
    for page in [&controller, &callback] {
        assert_eq!(promtool(&["check", "metrics"], page), "", "{page}");
    }
    let value = async |name: &str, labels: &[&str]| scene.controller.admin.metric(name, labels).await;
    // What was done: two activations came to their end, one is refused, one never had an answer.
    assert_eq!(value("euicc_activations", &[r#"state="Succeeded""#, r#"reason="Activated""#]).await, 2.0);
    assert_eq!(value("euicc_activations", &[r#"state="Failed""#]).await, 1.0);
    assert_eq!(value("euicc_activations", &[r#"state="Unknown""#, r#"reason="SubmissionUnknown""#]).await, 1.0);
    assert_eq!(value("euicc_unknown_outcomes_total", &[]).await, 1.0);
    assert_eq!(value("thingspace_requests_total", &[r#"operation="activate""#, r#"outcome="done""#]).await, 2.0);
    assert_eq!(value("thingspace_requests_total", &[r#"operation="activate""#, r#"outcome="unknown""#]).await, 1.0);
    assert_eq!(value("euicc_submission_wait_seconds_count", &[]).await, 4.0);
    assert_eq!(value("euicc_submissions_waiting", &[]).await, 0.0);
    assert_eq!(value("euicc_connections", &[r#"condition="Ready""#, r#"status="True""#]).await, 1.0);
    assert_eq!(value("euicc_login_breakers_open", &[]).await, 0.0);
    assert_eq!(value("leader_election_master_status", &[]).await, 1.0);
    let oldest = value("euicc_activations_oldest_timestamp_seconds", &[r#"state="Unknown""#]).await;
    assert!((now() - oldest).abs() < 120.0, "{oldest}");
    assert_eq!(scene.callback.admin.metric("euicc_callbacks_total", &[r#"outcome="recorded""#]).await, 2.0);
    let took = scene.callback.admin.metric("euicc_callback_duration_seconds_count", &[r#"outcome="recorded""#]).await;
    assert_eq!(took, 2.0);
    let ended = ["euicc_activation_duration_seconds_count", r#"result="Succeeded""#];
    let by_callback = scene.callback.admin.metric(ended[0], &[ended[1]]).await;
    assert_eq!(by_callback + value(ended[0], &[ended[1]]).await, 2.0, "whichever process wrote it");
    assert_eq!(scene.callback.admin.metric("euicc_callback_index_activations", &[]).await, 4.0);

    // The queue is that of the controller: all that came in went out; what was active by its turn had no work.
    let of = |name: &str| (name.to_owned(), [r#"name="euiccactivation""#]);
    let (adds, labels) = of("workqueue_adds_total");
    let (done, _) = of("workqueue_work_duration_seconds_count");
    eventually("the queue is empty", LONG, async || {
        let (adds, done) = (value(&adds, &labels).await, value(&done, &labels).await);
        let left = value("workqueue_depth", &labels).await + value("workqueue_unfinished_work_seconds", &labels).await;
        (adds >= done && done >= 4.0 && left == 0.0).then_some(()).ok_or((adds, done, left))
    })
    .await;
    for admin in [&scene.controller.admin, &scene.callback.admin] {
        assert!(admin.metric("process_resident_memory_bytes", &[]).await > 1e6);
        assert!(admin.metric("process_cpu_seconds_total", &[]).await > 0.0);
        assert!((now() - admin.metric("process_start_time_seconds", &[]).await).abs() < 300.0);
        assert!(admin.metric("process_open_fds", &[]).await > 5.0);
    }

    let shown: BTreeMap<_, _> = described(&controller).into_iter().chain(described(&callback)).collect();
    let page = std::fs::read_to_string(repository("docs/observability.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeMap<_, _> = rows
        .filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once(" |")?.0.to_owned())))
        .filter(|(_, kind)| ["counter", "gauge", "histogram"].contains(&kind.as_str()))
        .collect();
    assert_eq!(documented, shown, "docs/observability.md and /metrics");

    let named = everything_that_rules_and_dashboard_name();
    assert!(named.len() > 20, "{named:?}");
    let unknown: BTreeSet<_> = named.iter().filter(|name| !samples(&controller, &callback).contains(*name)).collect();
    assert_eq!(unknown, BTreeSet::new(), "alerts and dashboard ask for what /metrics does not show");
}

#[tokio::test]
async fn prometheus_gets_open_metrics_and_everybody_else_the_classic_text() {
    let scene = Scene::start("formats", QUICK, &[]).await;
    for admin in [&scene.controller.admin, &scene.callback.admin] {
        let accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let (kind, page) = admin.metrics_as(accept).await;
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        // Prometheus' own parser reads OpenMetrics from files only, and there it wants to know when.
        let timed = |line: &str| if line.starts_with('#') { line.to_owned() } else { format!("{line} 1700000000") };
        let dir = tempfile::tempdir().unwrap();
        let (file, blocks) = (dir.path().join("page"), dir.path().join("blocks"));
        std::fs::write(&file, page.lines().map(|line| timed(line) + "\n").collect::<String>()).unwrap();
        let paths = [file, blocks].map(|path| path.to_string_lossy().into_owned());
        let said = promtool(&["tsdb", "create-blocks-from", "openmetrics", &paths[0], &paths[1]], "");
        assert!(!said.contains("exit status"), "{said}\n{page}");
        let (kind, page) = admin.metrics_as("*/*").await;
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        assert!(!page.contains("# EOF") && !page.contains("# UNIT"), "{page}");
    }
}

#[tokio::test]
async fn a_login_that_is_blocked_shows_in_the_metrics_and_so_does_its_end() {
    let scene = Scene::start("gauges", QUICK, &["--recheck-after", "1s"]).await;
    let admin = &scene.controller.admin;
    let secret = json!({"stringData": {"password": "wrong"}}).to_string();
    scene.namespace.kubectl(&["patch", "secret", "thingspace", "--type=merge", "--patch", &secret]).await.success();
    scene.namespace.wait("Stalled", "tsc/verizon").await;
    let is = async |name: &str, labels: &[&str], wanted: f64| {
        let what = format!("{name}{labels:?} is {wanted}");
        eventually(&what, LONG, async || match admin.metric(name, labels).await {
            value if value == wanted => Ok(()),
            value => Err(value),
        })
        .await;
    };
    is("euicc_login_breakers_open", &[], 1.0).await;
    is("euicc_connections", &[r#"condition="Ready""#, r#"status="False""#], 1.0).await;
    is("euicc_connection_changes_total", &[r#"change="breaker_opened""#], 1.0).await;

    let secret = json!({"stringData": {"password": fixtures::LOGIN_PASSWORD}}).to_string();
    scene.namespace.kubectl(&["patch", "secret", "thingspace", "--type=merge", "--patch", &secret]).await.success();
    is("euicc_login_breakers_open", &[], 0.0).await;
    is("euicc_connections", &[r#"condition="Ready""#, r#"status="True""#], 1.0).await;
}

#[tokio::test]
async fn those_who_wait_for_their_turn_are_counted() {
    let scene = Scene::start("turns", HELD, &[]).await;
    let limits = json!({"spec": {"limits": {"activationsPerMinute": 10, "inFlight": 1}}}).to_string();
    scene.namespace.kubectl(&["patch", "tsc", "verizon", "--type=merge", "--patch", &limits]).await.success();
    scene.simulator.fault("activate:delay=5m").await;
    for n in 0..3 {
        scene.namespace.create(&fixtures::activation(&format!("forklift-{n}"), 1)).await;
    }
    let admin = &scene.controller.admin;
    let counted = async || {
        let names = ["euicc_submissions_in_flight", "euicc_submissions_waiting"];
        let seen = (admin.metric(names[0], &[]).await, admin.metric(names[1], &[]).await);
        if seen == (1.0, 2.0) { Ok(()) } else { Err(seen) }
    };
    eventually("one is sent, two wait", LONG, counted).await;
    scene.simulator.advance(300).await;
}

/// A life in which everything happens that is counted: success, refusal, a lost answer, strangers, a lease.
async fn troubled() -> Scene {
    let mut scene = Scene::start("counted", &[QUICK, CLOSED_BOOKS].concat(), &[]).await;
    scene.controller.process.terminate(LONG).await;
    let namespace = scene.namespace.name.clone();
    let lease = ["--leader-elect", "--leader-election-namespace", &namespace, "--settle-time", "10m"];
    scene.controller = Controller::start(&scene.namespace, &lease).await;
    for name in ["forklift", "crane"] {
        scene.namespace.create(&fixtures::activation(name, 1)).await;
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
    }
    let mut refused = fixtures::activation("refused", 1);
    refused.spec.service_plan = Some("NoSuchPlan".into());
    scene.namespace.create(&refused).await;
    scene.namespace.wait("Stalled", "euicc/refused").await;
    scene.simulator.fault("activate:reset").await;
    scene.namespace.create(&fixtures::activation("lost", 1)).await;
    scene.namespace.until_reason("lost", "SubmissionUnknown").await;
    let looked = async || scene.controller.admin.metric("workqueue_retries_total", &[]).await > 0.0;
    eventually("it is looked at again later", LONG, looked).await;
    let url = scene.callback.url(&scene.namespace, fixtures::CONNECTION);
    let stranger = http_client().post(url).body("no message").send().await.unwrap();
    assert_eq!(stranger.status().as_u16(), 400);
    scene
}

/// Name and type of everything that a page describes.
fn described(page: &str) -> BTreeMap<String, String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The names of all samples.
fn samples(controller: &str, callback: &str) -> BTreeSet<String> {
    let lines = controller.lines().chain(callback.lines()).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

/// The metrics of ours that alerts and dashboard ask for.
fn everything_that_rules_and_dashboard_name() -> BTreeSet<String> {
    let files = ["charts/euicc-operator/files/alerts.yaml", "charts/euicc-operator/files/dashboard.json"];
    let text: String = files.iter().map(|file| std::fs::read_to_string(repository(file)).unwrap()).collect();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let prefixes = ["euicc_", "thingspace_", "controller_runtime_", "workqueue_", "process_", "leader_election_"];
    words.filter(|word| prefixes.iter().any(|p| word.starts_with(p))).map(Into::into).collect()
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// What promtool has to say about `input`.
fn promtool(args: &[&str], input: &str) -> String {
    let mut promtool: Command = control_plane().program("promtool");
    promtool.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool: tests/controlplane/setup.sh --helm brings it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    if output.status.success() { said.trim().to_owned() } else { format!("{}: {said}", output.status) }
}
