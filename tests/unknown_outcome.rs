//! When nobody knows whether ThingSpace acted, nothing is sent before it is known that it did not.

use std::time::Duration;

use euicc_operator::api::{DeviceResult, EuiccActivation, OperationState};
use serde_json::Value;

use crate::support::{ACTIVATE, HELD, LONG, QUICK, Scene, eventually, fixtures, holds, state, status, why};

/// Looks at the devices at once, and again after a second.
const PROMPT: &[&str] = &["--settle-time", "1s", "--request-timeout", "2s", "--poll-after", "1s"];
const LIST: &str = "/devices/actions/list";

#[tokio::test]
async fn an_activation_whose_reply_was_lost_is_adopted_and_not_sent_again() {
    let scene = Scene::start("lost-reply", QUICK, PROMPT).await;
    scene.simulator.fault("callback:lost").await;
    let faults =
        [("reset", "activate:reset,after"), ("proxy", "activate:status=503,after"), ("mute", "activate:hang,after")];
    let eids = meet(&scene, &faults).await;
    for ((name, _), eid) in faults.iter().zip(&eids) {
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
        let status = status(&scene.namespace.activation(name).await);
        assert_eq!(status.devices[0].result, DeviceResult::Active);
        assert_eq!(status.devices[0].device_ids.len(), 4, "with the minted ICCID and MDN");
        assert_eq!((posts(&scene, eid).await, status.operation.map(|o| o.attempt)), (1, Some(1)), "{name}");
        scene.namespace.until_events(name, &["SubmissionUnknown", "Activated"]).await;
    }
}

#[tokio::test]
async fn a_callback_tells_the_request_id_that_the_lost_reply_did_not() {
    let scene = Scene::start("learned", HELD, &["--settle-time", "1s", "--request-timeout", "2s"]).await;
    scene.simulator.fault("activate:reset,after").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "SubmissionUnknown").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    let told = scene.simulator.deliveries().await[0].request_id.clone();
    let status = status(&scene.namespace.activation("forklift").await);
    assert!(status.request_id.is_none() || status.request_id == told, "{status:?}");
}

#[tokio::test]
async fn an_activation_that_is_slow_after_a_lost_reply_is_waited_for() {
    let scene = Scene::start("slow", HELD, PROMPT).await;
    scene.simulator.fault("activate:reset,after").await;
    scene.simulator.fault("callback:lost").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    // Long enough for three looks: each finds the line pending.
    let looks = async || scene.simulator.journal().await.iter().filter(|e| e.path.ends_with(LIST)).count() >= 3;
    eventually("the device is looked at", LONG, looks).await;
    assert!(holds(&scene.namespace.activation("forklift").await, "Reconciling"));
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_sent_once_more_after_two_looks() {
    let scene = Scene::start("lost-post", QUICK, PROMPT).await;
    let faults =
        [("cut", "activate:reset,count=1"), ("down", "activate:status=503,count=1"), ("mute", "activate:hang,count=1")];
    let eids = meet(&scene, &faults).await;
    for ((name, _), eid) in faults.iter().zip(&eids) {
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
        let journal = scene.simulator.journal().await;
        let own = journal.iter().filter(|e| e.direction == "in" && e.is_about(eid));
        let paths: Vec<_> = own.map(|e| e.path.rsplit_once("/m2m/v1").unwrap_or_default().1).collect();
        let sent: Vec<_> = (0..paths.len()).filter(|n| paths[*n] == ACTIVATE).collect();
        let [first, second] = sent[..] else { panic!("{name}: sent twice, no more: {paths:?}") };
        let looks = paths[first..second].iter().filter(|p| **p == LIST).count();
        assert!(looks >= 2, "{name}: looked at twice before it is sent again: {paths:?}");
        assert_eq!(bills(&scene, eid).await, 1, "{name}");
        scene.namespace.until_events(name, &["SubmissionUnknown", "SendingAgain", "Activated"]).await;
    }
}

#[tokio::test]
async fn a_controller_that_is_killed_while_sending_leaves_one_activation() {
    let mut scene = Scene::start("crash", QUICK, &[]).await;
    scene.simulator.fault("callback:lost").await;
    let faults = [("arrived", "activate:hang,after,count=1"), ("cut", "activate:hang,count=1")];
    let eids = meet(&scene, &faults).await;
    let sent = async || scene.simulator.activate_posts().await.len() == 2;
    eventually("both requests are under way", LONG, sent).await;
    scene.crash_controller(PROMPT).await;

    // A claim is believed until its owner cannot be sending any more: a quarter of a minute and two time-outs.
    for (name, _) in &faults {
        assert_eq!(state(&scene.namespace.activation(name).await), Some(OperationState::Claimed));
    }
    for ((name, _), eid) in faults.iter().zip(&eids) {
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
        assert_eq!(bills(&scene, eid).await, 1, "{name}");
        assert_eq!(posts(&scene, eid).await, if *name == "arrived" { 1 } else { 2 }, "{name}");
    }
}

#[tokio::test]
async fn a_callback_sidecar_that_is_killed_costs_nothing_but_time() {
    let mut scene = Scene::start("sidecar", &["--activation-time", "10m"], &["--poll-after", "1h"]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.callback.process.kill().await;
    scene.simulator.let_finish().await;
    let tried = async || !scene.simulator.deliveries().await.is_empty();
    eventually("the callback finds nobody", LONG, tried).await;
    scene.restart_callback().await;
    scene.simulator.advance(300).await; // ThingSpace tries again after five minutes
    scene.namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn what_cannot_be_found_out_is_said_with_the_command_that_resolves_it() {
    let scene = Scene::start("blind", QUICK, PROMPT).await;
    scene.simulator.fault("activate:reset,count=1").await;
    scene.simulator.fault("list:status=500").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let object = scene.namespace.until("forklift", "stalled", |o| holds(o, "Stalled")).await;
    let (reason, message) = why(&object);
    assert_eq!(reason, "SubmissionUnknown");
    assert!(message.contains("cannot be asked") && message.contains("500"), "{message}");
    let posts = async || scene.simulator.activate_posts().await.len();
    assert_eq!(posts().await, 1, "nothing is sent on suspicion");

    scene.namespace.obey(&message).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(posts().await, 2);
}

#[tokio::test]
async fn a_connection_without_its_secret_does_not_leave_the_reader_in_the_dark() {
    let scene = Scene::start("no-secret", HELD, &["--settle-time", "1s", "--poll-after", "1s"]).await;
    scene.namespace.create(&fixtures::activation("accepted", 1)).await;
    scene.namespace.until_reason("accepted", "AwaitingResult").await;
    scene.simulator.fault("activate:reset,after").await;
    scene.namespace.create(&fixtures::activation("unknown", 1)).await;
    scene.namespace.until_reason("unknown", "SubmissionUnknown").await;
    scene.namespace.kubectl(&["delete", "secret", "thingspace"]).await.success();

    let stalled = scene.namespace.until("unknown", "Stalled", |o| holds(o, "Stalled")).await;
    let (reason, message) = why(&stalled);
    assert!(reason == "SubmissionUnknown" && message.contains("Secret thingspace"), "{reason}: {message}");
    scene.namespace.obey(&message).await;
    scene.namespace.until_reason("unknown", "ConnectionNotReady").await;
    let failed = |o: &EuiccActivation| status(o).last_error.is_some_and(|e| e.message.contains("Secret thingspace"));
    scene.namespace.until("accepted", "why it cannot be asked for", failed).await;
}

#[tokio::test]
async fn a_thingspace_that_can_be_asked_again_resolves_it_without_anybody() {
    let scene = Scene::start("blink", QUICK, PROMPT).await;
    scene.simulator.fault("activate:reset,after").await;
    scene.simulator.fault("callback:lost").await;
    scene.simulator.fault("list:status=500").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    scene.simulator.clear_faults().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn too_many_requests_and_refusals_for_now_are_obeyed_and_cost_no_attempt() {
    let scene = Scene::start("throttled", QUICK, PROMPT).await;
    scene.simulator.fault("activate:status=429,retry-after=2,count=1").await;
    let started = std::time::Instant::now();
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert!(started.elapsed() >= Duration::from_secs(2), "not before ThingSpace wants it");
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).submissions.len(), 1, "what was turned away does not count to the day's three");
    let eid = &scene.simulator.activate_posts().await[0].device_ids[0].id;
    assert_eq!(bills(&scene, eid).await, 1);
    scene.namespace.until_events("forklift", &["RetryLater", "Activated"]).await;
}

/// Creates an activation for each fault, whose device meets it; returns their eids.
async fn meet(scene: &Scene, faults: &[(&str, &str)]) -> Vec<String> {
    let mut eids = Vec::new();
    for (name, fault) in faults {
        let activation = fixtures::activation(name, 1);
        let eid = fixtures::eid_of(&activation, 0);
        scene.simulator.fault(&format!("{fault},device={eid}")).await;
        scene.namespace.create(&activation).await;
        eids.push(eid);
    }
    eids
}

/// How often ThingSpace brought a line to life: each time is a bill.
async fn bills(scene: &Scene, eid: &str) -> u64 {
    let devices = scene.simulator.devices().await;
    let of_it = |d: &&Value| d["deviceIds"].to_string().contains(eid);
    devices.as_array().unwrap().iter().find(of_it).and_then(|d| d["activations"].as_u64()).unwrap()
}

/// How often a device was sent.
async fn posts(scene: &Scene, eid: &str) -> usize {
    scene.simulator.activate_posts().await.iter().filter(|e| e.is_about(eid)).count()
}
