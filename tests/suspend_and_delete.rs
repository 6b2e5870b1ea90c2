//! Suspending holds what is not sent yet; deleting does to the lines what the resource says, and nothing holds it for ever.

use euicc_operator::api::{DeletionPolicy, DeviceResult, EuiccActivation, OperationState};
use serde_json::json;

use crate::support::{
    ACTIVATE, CLOSED_BOOKS, HELD, LONG, Namespace, QUICK, Scene, eventually, fixtures, holds, state, status, why,
};

const DEACTIVATE: &str = "/devices/profile/actions/deactivate";

#[tokio::test]
async fn what_is_suspended_is_not_sent_until_it_is_released() {
    let scene = Scene::start("suspend", HELD, &[]).await;
    let mut activation = fixtures::activation("forklift", 1);
    activation.spec.suspend = true;
    scene.namespace.create(&activation).await;
    let object = scene.namespace.until_reason("forklift", "Suspended").await;
    assert!(!holds(&object, "Ready") && !holds(&object, "Reconciling") && !holds(&object, "Stalled"));
    assert!(why(&object).1.contains("spec.suspend"), "{:?}", why(&object));
    scene.namespace.touch("forklift", &scene.controller.admin).await;
    assert!(scene.simulator.activate_posts().await.is_empty());

    suspend(&scene.namespace, false).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    // What is sent already is followed to its end.
    suspend(&scene.namespace, true).await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn what_is_suspended_while_it_waits_for_its_turn_leaves_its_device_to_others() {
    let scene = Scene::start("suspended-in-line", QUICK, &[]).await;
    scene.simulator.fault("activate:status=429,retry-after=3,count=1").await;
    scene.namespace.create(&fixtures::activation("first", 1)).await;
    scene.namespace.until_reason("first", "RetryLater").await;
    let forklift = scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let waiting = async || scene.controller.admin.metric("euicc_submissions_waiting", &[]).await;
    eventually("it waits for its turn", LONG, async || waiting().await >= 1.0).await;
    suspend(&scene.namespace, true).await;
    scene.namespace.until_reason("forklift", "Suspended").await;
    eventually("its turn has come", LONG, async || waiting().await == 0.0).await;

    let mut other = fixtures::activation("other", 1);
    other.spec.devices = forklift.spec.devices;
    scene.namespace.create(&other).await;
    scene.namespace.wait("Ready", "euicc/other").await;
}

#[tokio::test]
async fn deleting_leaves_the_lines_alone_and_waits_for_nothing_unless_asked() {
    let scene = Scene::start("retain", HELD, &[]).await;
    scene.namespace.create(&fixtures::activation("done", 1)).await;
    scene.namespace.until_reason("done", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/done").await;
    scene.namespace.create(&fixtures::activation("in-flight", 1)).await;
    scene.namespace.until_reason("in-flight", "AwaitingResult").await;
    for name in ["done", "in-flight"] {
        scene.namespace.kubectl(&["delete", "euicc", name, "--timeout=10s"]).await.success();
    }
    scene.simulator.let_finish().await;
    let delivered = async || scene.simulator.deliveries().await.iter().filter(|d| d.status == Some(200)).count() == 2;
    eventually("the answer that nobody waits for is acknowledged", LONG, delivered).await;
    assert_eq!(deactivate_posts(&scene).await, 0);
    assert_eq!(lines(&scene, "active").await, 2);
}

#[tokio::test]
async fn a_manifest_that_is_applied_anew_finds_its_line_active() {
    let scene = Scene::start("anew", QUICK, &[]).await;
    let manifest = fixtures::yaml(&fixtures::activation("forklift", 1));
    scene.namespace.apply(&manifest).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift"]).await.success();
    scene.namespace.apply(&manifest).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let devices = scene.simulator.devices().await;
    let activations: u64 = devices.as_array().unwrap().iter().filter_map(|d| d["activations"].as_u64()).sum();
    assert_eq!(activations, 1, "no second bill");
}

#[tokio::test]
async fn deleting_deactivates_once_as_the_resource_says_and_waits_for_the_outcome() {
    for etf_waiver in [true, false] {
        let scene = Scene::start("deactivate", HELD, &[]).await;
        let tap = scene.listen_in().await;
        scene.namespace.create(&deactivated(etf_waiver)).await;
        let sent = scene.namespace.until_reason("forklift", "AwaitingResult").await;
        assert!(sent.metadata.finalizers.is_some(), "set before anything was sent");
        scene.simulator.let_finish().await;
        scene.namespace.wait("Ready", "euicc/forklift").await;

        scene.namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
        let asked = async || deactivate_posts(&scene).await == 1;
        eventually("the line is being deactivated", LONG, asked).await;
        scene.namespace.until_reason("forklift", "AwaitingResult").await;
        scene.namespace.touch("forklift", &scene.controller.admin).await;
        scene.simulator.let_finish().await;
        gone(&scene.namespace).await;

        let [body] = &tap.heard(DEACTIVATE)[..] else { panic!("once: {:?}", tap.heard(DEACTIVATE)) };
        assert_eq!((&body["reasonCode"], &body["etfWaiver"]), (&json!("FF"), &json!(etf_waiver)));
        assert_eq!((&body["accountName"], &body["primaryPlaceOfUse"]), (&json!(fixtures::ACCOUNT), &json!(null)));
        assert_eq!((tap.heard(ACTIVATE).len(), lines(&scene, "active").await), (1, 0));
        scene.namespace.until_events("forklift", &["Activated", "Deactivated"]).await;
    }
}

#[tokio::test]
async fn the_success_of_the_activation_told_again_lets_nothing_go_that_is_still_billed() {
    let scene = Scene::start("told-again", HELD, &[]).await;
    scene.namespace.create(&deactivated(false)).await;
    let sent = scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
    eventually("the line is being deactivated", LONG, async || deactivate_posts(&scene).await == 1).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;

    let delivered = async || scene.simulator.deliveries().await.iter().filter(|d| d.status == Some(200)).count();
    let before = delivered().await;
    scene.simulator.resend(&status(&sent).request_id.unwrap()).await;
    eventually("it is told again", LONG, async || delivered().await > before).await;
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).devices[0].result, DeviceResult::Pending);
    assert!(object.metadata.finalizers.is_some_and(|f| !f.is_empty()));
    scene.simulator.let_finish().await;
    gone(&scene.namespace).await;
    assert_eq!(lines(&scene, "deactive").await, 1);
}

#[tokio::test]
async fn deactivation_may_be_chosen_when_the_lines_are_active() {
    let scene = Scene::start("late-choice", QUICK, &[]).await;
    let wanted = deactivated(false);
    let mut manifest = wanted.clone();
    manifest.spec.deletion_policy = DeletionPolicy::Retain;
    manifest.spec.deactivation = None;
    scene.namespace.apply(&fixtures::yaml(&manifest)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.apply(&fixtures::yaml(&wanted)).await;
    let armed = async || scene.namespace.activation("forklift").await.metadata.finalizers.is_some();
    eventually("deletion waits for the deactivation", LONG, armed).await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--timeout=60s"]).await.success();
    assert_eq!((deactivate_posts(&scene).await, lines(&scene, "active").await), (1, 0));
}

#[tokio::test]
async fn a_deactivation_whose_callback_is_lost_is_asked_for() {
    let scene = Scene::start("quiet", QUICK, &["--poll-after", "1s"]).await;
    scene.simulator.fault("callback:lost,action=deactivate").await;
    scene.namespace.create(&deactivated(false)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--timeout=60s"]).await.success();
    assert_eq!((deactivate_posts(&scene).await, lines(&scene, "active").await), (1, 0));
}

#[tokio::test]
async fn an_activation_under_way_is_first_followed_to_its_end_and_then_undone() {
    let scene = Scene::start("regret", HELD, &[]).await;
    scene.namespace.create(&deactivated(false)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
    scene.namespace.touch("forklift", &scene.controller.admin).await;
    assert_eq!(deactivate_posts(&scene).await, 0, "a pending line takes no order");
    scene.simulator.let_finish().await;
    let asked = async || deactivate_posts(&scene).await == 1;
    eventually("the line is being deactivated", LONG, asked).await;
    scene.namespace.until("forklift", "accepted", |o| state(o) == Some(OperationState::Accepted)).await;
    scene.simulator.let_finish().await;
    gone(&scene.namespace).await;
    assert_eq!((deactivate_posts(&scene).await, lines(&scene, "active").await), (1, 0));
}

#[tokio::test]
async fn what_never_became_active_is_deleted_without_a_word_to_thingspace() {
    let scene = Scene::start("stillborn", &[QUICK, CLOSED_BOOKS].concat(), &[]).await;
    let mut refused = deactivated(true);
    refused.spec.service_plan = Some("NoSuchPlan".into());
    scene.namespace.create(&refused).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--timeout=30s"]).await.success();
    assert_eq!(deactivate_posts(&scene).await, 0);
}

#[tokio::test]
async fn a_deactivation_that_fails_says_so_and_can_be_tried_again() {
    let scene = Scene::start("stuck", QUICK, &[]).await;
    scene.simulator.fault("callback:error=REQUEST_FAILED.UnexpectedError,action=deactivate,count=1").await;
    scene.namespace.create(&deactivated(false)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
    let object = scene.namespace.until_reason("forklift", "DeactivationFailed").await;
    let (_, message) = why(&object);
    assert!(holds(&object, "Stalled") && message.contains("REQUEST_FAILED.UnexpectedError"), "{message}");
    let retry = ["annotate", "euicc", "forklift", "euicc-operator.io/retry=1"];
    scene.namespace.kubectl(&retry).await.success();
    gone(&scene.namespace).await;
    assert_eq!((deactivate_posts(&scene).await, lines(&scene, "active").await), (2, 0));
}

#[tokio::test]
async fn a_resource_that_cannot_be_undone_is_let_go_after_its_time() {
    let scene = Scene::start("letgo", QUICK, &[]).await;
    let mut activation = deactivated(false);
    activation.spec.result_timeout = "1m".into(); // the shortest there is
    scene.namespace.create(&activation).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.namespace.kubectl(&["delete", "tsc", "verizon"]).await.success();
    scene.namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
    let object = scene.namespace.until_reason("forklift", "ConnectionNotFound").await;
    assert!(object.metadata.deletion_timestamp.is_some());
    scene.namespace.kubectl(&["wait", "--for=delete", "euicc/forklift", "--timeout=120s"]).await.success();
    assert_eq!(deactivate_posts(&scene).await, 0);
    let notes = scene.namespace.until_events("forklift", &["Activated", "FinalizerReleased"]).await;
    assert!(notes[1].contains("still be active and billed"), "{notes:?}");
}

#[tokio::test]
async fn a_device_is_sent_three_times_a_day_at_most() {
    let scene = Scene::start("limit", QUICK, &[]).await;
    scene.simulator.fault("callback:error=REQUEST_FAILED.DeviceNotFound").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    for attempt in 1..=3 {
        let ended =
            |o: &EuiccActivation| holds(o, "Stalled") && status(o).operation.map(|op| op.attempt) == Some(attempt);
        scene.namespace.until("forklift", &format!("attempt {attempt} has failed"), ended).await;
        let retry = format!("euicc-operator.io/retry={attempt}");
        scene.namespace.kubectl(&["annotate", "--overwrite", "euicc", "forklift", &retry]).await.success();
    }
    let object = scene.namespace.until_reason("forklift", "DailyLimit").await;
    assert!(holds(&object, "Reconciling"), "it is sent by itself when the day is over");
    scene.namespace.touch("forklift", &scene.controller.admin).await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 3);
    let operation = status(&object).operation.unwrap();
    let in_hours = operation.retry_time.unwrap().0.duration_since(operation.claimed_at.0).as_hours();
    assert!((23..=24).contains(&in_hours), "{in_hours}");
}

/// An activation of one device that is deactivated when it is deleted.
fn deactivated(etf_waiver: bool) -> EuiccActivation {
    let mut activation = fixtures::activation("forklift", 1);
    activation.spec.deletion_policy = DeletionPolicy::Deactivate;
    activation.spec.deactivation = serde_json::from_value(json!({"etfWaiver": etf_waiver})).unwrap();
    activation
}

async fn suspend(namespace: &Namespace, suspend: bool) {
    let patch = json!({"spec": {"suspend": suspend}}).to_string();
    namespace.kubectl(&["patch", "euicc", "forklift", "--type=merge", "--patch", &patch]).await.success();
}

async fn gone(namespace: &Namespace) {
    namespace.kubectl(&["wait", "--for=delete", "euicc/forklift", "--timeout=60s"]).await.success();
}

async fn deactivate_posts(scene: &Scene) -> usize {
    scene.simulator.journal().await.iter().filter(|e| e.path.ends_with(DEACTIVATE)).count()
}

/// How many lines are in a state.
async fn lines(scene: &Scene, state: &str) -> usize {
    let devices = scene.simulator.devices().await;
    let seeded = |d: &&serde_json::Value| d["activations"].as_u64() != Some(0);
    devices.as_array().unwrap().iter().filter(seeded).filter(|d| d["state"] == state).count()
}
