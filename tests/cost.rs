//! What a fleet costs: requests are counted, here for a few; `make bench` does it for thousands.

use std::collections::BTreeMap;

use euicc_operator::api::{EuiccActivation, OperationState};

use crate::support::{
    Callback, Controller, HELD, LONG, Namespace, Scene, eventually, fixtures, holds, reconciles, state, status,
};

const WRITES: &str = "update euiccactivations/status";
const EVENTS: &str = "create events";

#[tokio::test]
async fn twenty_activations_cost_twenty_posts_sixty_writes_twenty_events_and_no_read() {
    let scene = Scene::start("twenty", HELD, &[]).await;
    let namespace = &scene.namespace;
    let told = async || namespace.asked(0).contains_key(EVENTS);
    eventually("the connection has nothing more to say", LONG, told).await;
    let before = namespace.requests().len();
    create(namespace, 20).await;
    all(namespace, 20, "accepted", |o| state(o) == Some(OperationState::Accepted)).await;
    scene.simulator.let_finish().await;
    all(namespace, 20, "ready", |o| holds(o, "Ready")).await;

    assert_eq!(scene.simulator.activate_posts().await.len(), 20);
    for n in 0..20 {
        namespace.until_events(&format!("unit-{n}"), &["Activated"]).await;
    }
    let mut asked = namespace.asked(before);
    asked.remove(EVENTS); // the connection tells some, too
    assert_eq!(asked, BTreeMap::from([(WRITES.to_owned(), 60)]));
}

#[tokio::test]
async fn a_hundred_devices_of_one_resource_cost_one_post_and_a_handful_of_writes() {
    let scene = Scene::start("hundred", HELD, &[]).await;
    let namespace = &scene.namespace;
    namespace.create(&fixtures::activation("fleet", 100)).await;
    namespace.until_reason("fleet", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    let object = namespace.until("fleet", "ready", |o| holds(o, "Ready")).await;

    assert_eq!(status(&object).counts.map(|c| c.active), Some(100), "no callback is lost");
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    let writes = namespace.writes("euiccactivations", "fleet");
    let taken = writes.iter().filter(|w| w.response_status.code == 200).count();
    // Claim, requestId, and what a hundred callbacks are gathered into; a loaded machine gathers fewer at a time.
    assert!(taken <= 2 + 20, "{taken} writes");
}

#[tokio::test]
async fn a_restart_sends_nothing_writes_nothing_and_looks_only_at_what_is_under_way() {
    const AT_REST: usize = 20;
    let mut scene = Scene::start("restart", HELD, &[]).await;
    let namespace = scene.namespace.clone();
    create(&namespace, AT_REST).await;
    all(&namespace, AT_REST, "accepted", |o| state(o) == Some(OperationState::Accepted)).await;
    scene.simulator.let_finish().await;
    all(&namespace, AT_REST, "ready", |o| holds(o, "Ready")).await;
    for name in ["late-1", "late-2"] {
        namespace.create(&fixtures::activation(name, 1)).await;
        namespace.until_reason(name, "AwaitingResult").await;
    }
    let told = async || namespace.asked(0).get(EVENTS).is_some_and(|n| *n > AT_REST);
    eventually("every event is told", LONG, told).await;
    scene.controller.process.terminate(LONG).await;
    scene.callback.process.terminate(LONG).await;
    let before = namespace.requests().len();
    scene.simulator.clear_journal().await;

    let controller = Controller::start(&namespace, &[]).await;
    let flags = ["--watch-namespace", &namespace.name, "--listen", &scene.callback.address];
    let callback = Callback::start(&flags).await;
    callback.admin.ready().await;
    let looked = async || reconciles(&controller.admin).await >= 2.0;
    eventually("what is under way is looked at", LONG, looked).await;
    let checked = async || scene.simulator.journal().await.iter().any(|e| e.path.contains("/callbacks/"));
    eventually("the connection is checked", LONG, checked).await;
    namespace.touch("late-2", &controller.admin).await;

    let looks = reconciles(&controller.admin).await;
    assert!(looks < AT_REST as f64, "{looks}: two at the start, when their connection is ready, and when touched");
    let asked = namespace.asked(before);
    // A login is counted on the connection; the activations are only listed.
    let is_theirs = |what: &str| what.contains("euiccactivations") || what.contains("events");
    let others: Vec<_> = asked.keys().filter(|what| is_theirs(what) && !what.starts_with("list ")).collect();
    assert!(others.is_empty(), "{asked:?}");
    let journal = scene.simulator.journal().await;
    let about_requests: Vec<_> =
        journal.iter().filter(|e| e.path.contains("/devices/") || e.path.contains("/requests/")).collect();
    assert!(about_requests.is_empty(), "{about_requests:?}");

    // And it is there for what follows.
    scene.simulator.let_finish().await;
    all(&namespace, AT_REST + 2, "ready", |o| holds(o, "Ready")).await;
}

async fn create(namespace: &Namespace, count: usize) {
    for n in 0..count {
        namespace.create(&fixtures::activation(&format!("unit-{n}"), 1)).await;
    }
}

async fn all(namespace: &Namespace, count: usize, what: &str, is: impl Fn(&EuiccActivation) -> bool) {
    eventually(&format!("all are {what}"), LONG, async || {
        let objects = namespace.activations().list(&Default::default()).await.unwrap().items;
        let those = objects.iter().filter(|o| is(o)).count();
        if those == count { Ok(()) } else { Err(format!("{those} of {}", objects.len())) }
    })
    .await;
}
