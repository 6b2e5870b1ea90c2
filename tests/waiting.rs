//! `kubectl wait` returns when the device is active, however ThingSpace's answer comes, and whether or not it comes.

use euicc_operator::api::{ActivationStatus, DeviceResult, DeviceStatus, EuiccActivation};
use futures::TryStreamExt;
use kube::runtime::{WatchStreamExt, watcher};

use crate::support::{HELD, LONG, QUICK, Scene, condition, eventually, fixtures, holds, status, why};

/// Asked about soon, and then every few moments.
const POLLING: &[&str] = &["--poll-after", "1s"];

#[tokio::test]
async fn kubectl_wait_returns_when_the_callback_has_come() {
    let scene = Scene::start("wait", HELD, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let answer = async {
        scene.namespace.until_reason("forklift", "AwaitingResult").await;
        scene.simulator.let_finish().await;
    };
    tokio::join!(scene.namespace.wait("Ready", "euicc/forklift"), answer);
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).devices[0].result, DeviceResult::Active);
}

#[tokio::test]
async fn a_lost_callback_is_made_up_for_by_asking_and_leads_to_the_same_end() {
    let scene = Scene::start("lost", QUICK, POLLING).await;
    let (told, asked) = (fixtures::activation("told", 1), fixtures::activation("asked", 1));
    scene.simulator.fault(&format!("callback:lost,device={}", fixtures::eid_of(&asked, 0))).await;
    scene.namespace.create(&told).await;
    scene.namespace.create(&asked).await;
    tokio::join!(scene.namespace.wait("Ready", "euicc/told"), scene.namespace.wait("Ready", "euicc/asked"));

    let (told, asked) = (scene.namespace.activation("told").await, scene.namespace.activation("asked").await);
    assert_eq!(essence(&asked), essence(&told));
    assert!(status(&told).devices[0].profile_status.is_some(), "only a callback tells of the profile");
    assert!(status(&asked).devices[0].profile_status.is_none());
    assert_eq!(scene.simulator.activate_posts().await.len(), 2, "one each");
    assert_eq!(scene.namespace.until_events("asked", &["Activated"]).await.len(), 1);
}

#[tokio::test]
async fn without_a_callback_endpoint_results_are_asked_for() {
    let scene = Scene::start("deaf", QUICK, POLLING).await;
    let connection = fixtures::connection(&scene.simulator.endpoint(), None);
    scene.namespace.apply(&connection).await;
    scene.simulator.fault("callback:lost").await;
    scene.namespace.create(&fixtures::activation("forklift", 3)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).counts.unwrap().active, 3);
}

#[tokio::test]
async fn a_warning_is_not_an_end() {
    let scene = Scene::start("warned", HELD, &[]).await;
    scene.simulator.fault("callback:warning=10m").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    let warned = scene.namespace.until("forklift", "warned", |o| status(o).devices[0].euicc_status.is_some()).await;
    assert_eq!(status(&warned).devices[0].euicc_status.as_deref(), Some("EXECUTED_WITHWARNING"));
    assert!(holds(&warned, "Reconciling") && !holds(&warned, "Stalled"), "{:?}", why(&warned));

    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).devices[0].euicc_status.as_deref(), Some("EXECUTED_SUCCESS"));
    scene.namespace.until_events("forklift", &["Activated"]).await;
}

#[tokio::test]
async fn a_callback_that_is_faster_than_the_reply_counts() {
    let scene = Scene::start("early", HELD, &[]).await;
    // The reply comes a minute after the callback.
    scene.simulator.fault("callback:early").await;
    scene.simulator.fault("activate:delay=1m").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    let early = scene.namespace.activation("forklift").await;
    scene.simulator.advance(60).await;
    let answered = async || scene.simulator.activate_posts().await[0].status == Some(200);
    eventually("the reply has come", LONG, answered).await;
    scene.namespace.touch("forklift", &scene.controller.admin).await;
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(object.status, early.status, "the reply changes nothing any more");
    assert_eq!(status(&object).request_id, scene.simulator.activate_posts().await[0].request_id);
    assert!(scene.namespace.writes("euiccactivations", "forklift").len() <= 3);
    scene.namespace.until_events("forklift", &["Activated"]).await;
}

#[tokio::test]
async fn a_failure_that_is_faster_than_the_reply_counts_on_later_attempts_too() {
    let scene = Scene::start("early-no", QUICK, &[]).await;
    scene.simulator.fault("callback:error=REQUEST_FAILED.DeviceNotFound,count=1").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    scene.simulator.fault("callback:early,error=REQUEST_FAILED.AccountName,count=1").await;
    let retry = ["annotate", "euicc", "forklift", "euicc-operator.io/retry=1"];
    scene.namespace.kubectl(&retry).await.success();
    // Nothing is known of this request yet, so ThingSpace is asked to repeat it, and then it is.
    let told = |o: &EuiccActivation| holds(o, "Stalled") && why(o).1.contains("REQUEST_FAILED.AccountName");
    scene.namespace.until("forklift", "the second failure with its own code", told).await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 2);
}

#[tokio::test]
async fn a_callback_that_comes_again_changes_nothing() {
    let scene = Scene::start("again", HELD, &[]).await;
    scene.simulator.fault("callback:duplicate=2").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let waiting = scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let object = scene.namespace.activation("forklift").await;
    scene.simulator.resend(&status(&waiting).request_id.unwrap()).await; // by Verizon's support, much later
    let taken = eventually("all are delivered", LONG, async || {
        let deliveries = scene.simulator.deliveries().await;
        let answers: Vec<_> = deliveries.iter().filter_map(|d| d.status).collect();
        if answers.len() == 4 { Ok(answers) } else { Err(deliveries) }
    });
    assert_eq!(taken.await, [200; 4]);
    assert_eq!(
        scene.namespace.activation("forklift").await.metadata.resource_version,
        object.metadata.resource_version
    );
    let writes = scene.namespace.writes("euiccactivations", "forklift");
    assert_eq!(writes.iter().filter(|w| w.response_status.code == 200).count(), 3, "{writes:?}");
    scene.namespace.until_events("forklift", &["Activated"]).await;
}

#[tokio::test]
async fn callbacks_of_many_devices_may_come_in_any_order() {
    let scene = Scene::start("order", HELD, &[]).await;
    let activation = fixtures::activation("fleet", 5);
    for n in [0, 2] {
        let eid = fixtures::eid_of(&activation, n);
        scene.simulator.fault(&format!("callback:out-of-order,device={eid}")).await;
    }
    scene.namespace.create(&activation).await;
    scene.namespace.until_reason("fleet", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/fleet").await;
    let status = status(&scene.namespace.activation("fleet").await);
    for (n, device) in status.devices.iter().enumerate() {
        let eid = fixtures::eid_of(&activation, n);
        assert!(device.device_ids.iter().any(|id| id.id == eid), "device {n} is in its place");
        let delivered = scene.simulator.deliveries().await.into_iter().find(|d| d.is_about(&eid)).unwrap();
        assert!(device.device_ids.iter().all(|id| delivered.is_about(&id.id)), "device {n} has its own answer");
    }
}

#[tokio::test]
async fn flux_and_argo_see_progress_until_it_is_ready_and_never_anything_else() {
    let scene = Scene::start("kstatus", HELD, &[]).await;
    let events = watcher(scene.namespace.activations(), watcher::Config::default()).default_backoff();
    let (watching, watched) = tokio::sync::oneshot::channel();
    let seen = tokio::spawn(async move {
        let (mut seen, mut watching) = (Vec::new(), Some(watching));
        let mut events = std::pin::pin!(events);
        while !seen.last().is_some_and(|object| holds(object, "Ready")) {
            match events.try_next().await.unwrap() {
                Some(watcher::Event::InitDone) => watching.take().unwrap().send(()).unwrap(),
                Some(watcher::Event::Apply(object)) => seen.push(object),
                _ => {}
            }
        }
        seen
    });
    watched.await.unwrap();
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;

    let seen = seen.await.unwrap();
    assert!(seen.len() >= 4, "created, claimed, accepted, active: {seen:#?}");
    for object in &seen {
        let (generation, observed) = (object.metadata.generation, status(object).observed_generation);
        if observed == Some(-1) {
            continue; // in progress, says kstatus: the operator has not seen it
        }
        assert_eq!(observed, generation);
        assert!(holds(object, "Ready") != holds(object, "Reconciling"), "{object:?}");
        assert!(condition(object, "Stalled").is_none());
        let conditions = status(object).conditions;
        assert!(conditions.iter().all(|c| c.observed_generation == generation), "{conditions:?}");
        assert!(conditions.iter().all(|c| !c.message.is_empty() && !c.reason.is_empty()), "{conditions:?}");
    }
    assert_eq!(status(&seen[0]).observed_generation, Some(-1));
    let reasons: Vec<String> = seen.iter().skip(1).map(|o| why(o).0).collect();
    assert_eq!(reasons, ["Submitting", "AwaitingResult", "Activated"]);
}

/// What both ways to the end have in common: everything but times, ids and what only a callback tells.
fn essence(object: &EuiccActivation) -> (Vec<(String, String, String)>, Vec<DeviceStatus>, ActivationStatus) {
    let mut status = status(object);
    let conditions = std::mem::take(&mut status.conditions);
    let conditions = conditions.into_iter().map(|c| (c.type_, c.status, c.reason)).collect();
    let devices = std::mem::take(&mut status.devices);
    let devices = devices.into_iter().map(|mut d| {
        for id in &mut d.device_ids {
            id.id = "0".repeat(id.id.len());
        }
        d.device_ids.sort_by_key(|id| id.kind.as_str());
        let DeviceStatus { device_ids, result, state, carrier_name, fault_code, fault_text, .. } = d;
        DeviceStatus { device_ids, result, state, carrier_name, fault_code, fault_text, ..Default::default() }
    });
    let ActivationStatus { observed_generation, counts, last_error, last_handled_retry, .. } = status;
    let rest = ActivationStatus { observed_generation, counts, last_error, last_handled_retry, ..Default::default() };
    (conditions, devices.collect(), rest)
}
