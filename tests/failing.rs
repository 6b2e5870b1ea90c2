//! A failure says what happened and what to do, once; nothing more is sent until someone asks for it.

use euicc_operator::api::{DeviceResult, EuiccActivation};
use serde_json::json;

use crate::support::{CLOSED_BOOKS, Controller, LONG, QUICK, Scene, eventually, fixtures, holds, state, status, why};

#[tokio::test]
async fn a_refused_activation_says_why_once_and_is_sent_again_when_the_spec_is_corrected() {
    let scene = Scene::start("refused", &[QUICK, CLOSED_BOOKS].concat(), &[]).await;
    scene.namespace.create(&with_plan("forklift", "NoSuchPlan")).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    shows(&scene, "forklift", "Refused", "REQUEST_FAILED.NoSuchPlan.NotFound").await;
    nothing_more_is_sent(&scene, "forklift", 1).await;

    let patch = json!({"spec": {"servicePlan": "HybridESim"}}).to_string();
    scene.namespace.kubectl(&["patch", "euicc", "forklift", "--type=merge", "--patch", &patch]).await.success();
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let posts = scene.simulator.activate_posts().await;
    assert_eq!(posts.iter().map(|p| p.status).collect::<Vec<_>>(), [Some(400), Some(200)]);
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).observed_generation, object.metadata.generation);
    assert_eq!(status(&object).counts.map(|c| (c.active, c.failed)), Some((1, 0)));
    assert!(status(&object).last_error.is_some(), "kept for reading after recovery");
    scene.namespace.until_events("forklift", &["Refused", "Activated"]).await;
}

#[tokio::test]
async fn a_failure_by_callback_says_why_once_and_its_own_command_sends_it_again() {
    let scene = Scene::start("failed", QUICK, &[]).await;
    scene.simulator.fault("callback:error=REQUEST_FAILED.DeviceNotFound,count=1").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    let message = shows(&scene, "forklift", "ActivationFailed", "REQUEST_FAILED.DeviceNotFound").await;
    let device = &status(&scene.namespace.activation("forklift").await).devices[0];
    assert!(device.fault_code.as_deref().unwrap().ends_with("REQUEST_FAILED.DeviceNotFound"), "{device:?}");
    assert!(device.fault_text.is_some());
    nothing_more_is_sent(&scene, "forklift", 1).await;

    scene.namespace.obey(&message).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 2);
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).devices[0].fault_code, None);
    scene.namespace.until_events("forklift", &["ActivationFailed", "Activated"]).await;
}

#[tokio::test]
async fn a_profile_that_the_device_refused_is_a_failure() {
    let scene = Scene::start("profile", QUICK, &[]).await;
    scene.simulator.fault("callback:failed,count=1").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).devices[0].euicc_status.as_deref(), Some("FAILED"));
    let (reason, message) = why(&object);
    assert_eq!(reason, "ActivationFailed");
    assert!(message.contains("EUICC device profile has not been updated"), "{message}");
}

#[tokio::test]
async fn each_new_value_of_the_retry_annotation_sends_once_and_the_same_value_never() {
    let scene = Scene::start("retry", QUICK, &[]).await;
    scene.simulator.fault("callback:error=REQUEST_FAILED.DeviceNotFound,count=2").await;
    let mut activation = fixtures::activation("forklift", 1);
    // A value from before the first attempt asks for nothing.
    activation.metadata.annotations = Some([("euicc-operator.io/retry".into(), "0".into())].into());
    scene.namespace.create(&activation).await;
    let attempt = |o: &EuiccActivation| status(o).operation.map_or(0, |op| op.attempt);
    scene.namespace.until("forklift", "failed", |o| holds(o, "Stalled") && attempt(o) == 1).await;
    nothing_more_is_sent(&scene, "forklift", 1).await;

    let retry = async |value: &str| {
        let annotation = format!("euicc-operator.io/retry={value}");
        scene.namespace.kubectl(&["annotate", "--overwrite", "euicc", "forklift", &annotation]).await.success();
    };
    retry("1").await;
    scene.namespace.until("forklift", "failed again", |o| holds(o, "Stalled") && attempt(o) == 2).await;
    retry("1").await;
    nothing_more_is_sent(&scene, "forklift", 2).await;
    retry("2").await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    retry("3").await; // of one that is active: nothing to do
    scene.namespace.touch("forklift", &scene.controller.admin).await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 3);
    assert!(holds(&scene.namespace.activation("forklift").await, "Ready"));
}

#[tokio::test]
async fn of_several_devices_only_those_that_failed_are_sent_again() {
    let scene = Scene::start("partial", QUICK, &[]).await;
    let activation = fixtures::activation("fleet", 3);
    let unlucky = fixtures::eid_of(&activation, 1);
    let fault = format!("callback:error=REQUEST_FAILED.DeviceNotFound,count=1,device={unlucky}");
    scene.simulator.fault(&fault).await;
    scene.namespace.create(&activation).await;
    scene.namespace.wait("Stalled", "euicc/fleet").await;
    let failed = scene.namespace.activation("fleet").await;
    assert_eq!(status(&failed).counts.map(|c| (c.devices, c.active, c.failed)), Some((3, 2, 1)));
    let (_, message) = why(&failed);
    assert!(message.contains("1 of 3 devices"), "{message}");

    scene.namespace.obey(&message).await;
    scene.namespace.wait("Ready", "euicc/fleet").await;
    let posts = scene.simulator.activate_posts().await;
    assert_eq!(posts.len(), 2);
    for n in 0..3 {
        let eid = fixtures::eid_of(&activation, n);
        assert!(posts[0].is_about(&eid));
        assert_eq!(posts[1].is_about(&eid), eid == unlucky, "device {n}");
    }
    let object = scene.namespace.activation("fleet").await;
    let kept = |n: usize| status(&object).devices[n].clone();
    assert_eq!((kept(0), kept(2)), (status(&failed).devices[0].clone(), status(&failed).devices[2].clone()));
}

#[tokio::test]
async fn a_device_that_is_active_already_is_looked_at_and_is_ready() {
    for (hint, how) in [("told", "callback"), ("answered", "reply")] {
        let scene = Scene::start(hint, &[QUICK, &["--already-active", how]].concat(), &["--settle-time", "1s"]).await;
        let (same, other) = (fixtures::activation("same", 1), with_plan("other", "M2M5MB"));
        for activation in [&same, &other] {
            let ids = json!(activation.spec.devices[0].device_ids);
            let line = json!({"accountName": fixtures::ACCOUNT, "deviceIds": ids, "state": "active", "servicePlan": "HybridESim"});
            scene.simulator.put_devices(json!([line])).await;
            scene.namespace.create(activation).await;
        }
        scene.namespace.wait("Ready", "euicc/same").await;
        let object = scene.namespace.activation("same").await;
        assert_eq!(status(&object).devices[0].result, DeviceResult::Active);
        assert!(why(&object).1.contains("MDN"), "what ThingSpace knows of it is taken over");

        // On another plan it is not what was asked for, and says so.
        scene.namespace.wait("Stalled", "euicc/other").await;
        let (_, message) = why(&scene.namespace.activation("other").await);
        assert!(
            message.contains("DeviceAlreadyActive") && message.contains("HybridESim instead of M2M5MB"),
            "{message}"
        );
        assert_eq!(scene.simulator.activate_posts().await.len(), 2, "{how}: one each");
    }
}

/// `kubectl describe` shows code and sentence, in the condition and in exactly one event. Returns the sentence.
async fn shows(scene: &Scene, name: &str, reason: &str, code: &str) -> String {
    let object = scene.namespace.activation(name).await;
    assert!(!holds(&object, "Ready") && !holds(&object, "Reconciling") && holds(&object, "Stalled"));
    assert_eq!(status(&object).counts.map(|c| (c.active, c.failed)), Some((0, 1)));
    let (seen, message) = why(&object);
    assert_eq!(seen, reason);
    assert!(message.contains(code), "{message}");
    assert_eq!(scene.namespace.until_events(name, &[reason]).await, std::slice::from_ref(&message));

    let described = scene.namespace.kubectl(&["describe", "euicc", name]).await.success();
    let (above, events) = described.split_once("\nEvents:").expect("events are described");
    assert!(above.split_whitespace().collect::<Vec<_>>().join(" ").contains(&message), "{described}");
    assert!(events.contains("Warning") && events.contains(reason) && events.contains(&message), "{described}");
    message
}

/// Not when it is touched, not when its connection is checked, not when the controller starts anew.
async fn nothing_more_is_sent(scene: &Scene, name: &str, posts: usize) {
    let before = scene.namespace.activation(name).await;
    scene.namespace.touch(name, &scene.controller.admin).await;
    scene.namespace.kubectl(&["annotate", "--overwrite", "tsc", "verizon", "touched=yes"]).await.success();
    let mut second = Controller::start(&scene.namespace, &[]).await;
    let looked = async || crate::support::reconciles(&second.admin).await > 0.0;
    eventually("another controller has looked at it", LONG, looked).await;
    second.process.terminate(LONG).await;
    assert_eq!(scene.simulator.activate_posts().await.len(), posts, "nothing is sent by itself");
    assert_eq!(state(&scene.namespace.activation(name).await), state(&before));
}

fn with_plan(name: &str, plan: &str) -> EuiccActivation {
    let mut activation = fixtures::activation(name, 1);
    activation.spec.service_plan = Some(plan.into());
    activation
}
