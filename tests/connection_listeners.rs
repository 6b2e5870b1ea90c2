//! The callback listener of an account is shared with every other system of the customer: ours is kept in place, theirs
//! is left alone.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    connection_support::{CALLBACKS, EAGER, QUICK, condition, patch, says, told},
    support::{Callback, Controller, LONG, Namespace, SHORT, Scene, Simulator, eventually, fixtures},
};

const THEIRS: &str = "https://crm.example.com/in?token=canary";
const DEREGISTER: &str = "/callbacks/0000123456-00001/name/DeviceProfileService";

#[tokio::test]
async fn a_listener_that_vanished_is_noticed_and_put_back() {
    let scene = Scene::start("vanished", QUICK, EAGER).await;
    assert_eq!(scene.simulator.thingspace(Method::DELETE, DEREGISTER, Value::Null).await.0, 200);
    let url = scene.callback.url(&scene.namespace, fixtures::CONNECTION);
    eventually("it is registered again", LONG, async || listener(&scene.simulator).await == Some(url.clone())).await;
    let lost = told(&scene.namespace, "ListenerLost").await;
    assert!(lost.contains(fixtures::ACCOUNT) && lost.contains("put back"), "{lost}");
    told(&scene.namespace, "ListenerRestored").await;
    for change in ["registration_lost", "registration_restored"] {
        assert_eq!(changes(&scene.controller, change).await, 1.0, "{change}");
    }
}

#[tokio::test]
async fn a_listener_that_another_system_displaced_is_reported_and_theirs_left_until_the_user_says_otherwise() {
    let scene = Scene::start("displaced", QUICK, EAGER).await;
    displace(&scene.simulator).await;
    let registered = says(&scene.namespace, "CallbackRegistered", "ForeignListener").await;
    assert!(registered.message.contains("https://crm.example.com/in,"), "{registered:?}");
    assert!(!registered.message.contains("canary"), "whose it is, and none of their secrets: {registered:?}");
    assert!(told(&scene.namespace, "ListenerLost").await.contains("another system"));
    // Looked at several times more, it is still theirs, and said once.
    let looks = async || {
        scene.simulator.journal().await.iter().filter(|e| e.method == "GET" && e.path.ends_with(CALLBACKS)).count()
    };
    let before = looks().await;
    eventually("it is looked at again", LONG, async || looks().await >= before + 3).await;
    assert_eq!(listener(&scene.simulator).await.as_deref(), Some(THEIRS));
    assert_eq!(changes(&scene.controller, "registration_lost").await, 1.0);
    assert_eq!(condition(&scene.namespace, "Ready").await.unwrap().status, "True");
    scene.namespace.create(&fixtures::activation("polled", 1)).await;
    scene.namespace.wait("Ready", "euicc/polled").await;

    patch(&scene.namespace, json!({"callback": {"takeOver": true}})).await;
    says(&scene.namespace, "CallbackRegistered", "Registered").await;
    assert_eq!(listener(&scene.simulator).await, Some(scene.callback.url(&scene.namespace, fixtures::CONNECTION)));
    assert!(told(&scene.namespace, "ListenerTakenOver").await.contains("https://crm.example.com/in"));
    // From now on it is kept.
    displace(&scene.simulator).await;
    let url = scene.callback.url(&scene.namespace, fixtures::CONNECTION);
    eventually("it is ours again", LONG, async || listener(&scene.simulator).await == Some(url.clone())).await;
}

#[tokio::test]
async fn a_new_callback_url_takes_the_place_of_our_old_one_also_after_a_check_that_failed() {
    let scene = Scene::start("moved", QUICK, EAGER).await;
    scene.simulator.fault("any:status=503").await;
    says(&scene.namespace, "Ready", "Unreachable").await;
    let other = Callback::start(&["--watch-namespace", &scene.namespace.name]).await;
    let url = other.url(&scene.namespace, fixtures::CONNECTION);
    patch(&scene.namespace, json!({"callback": {"url": url}})).await;
    scene.simulator.clear_faults().await;
    eventually("the new URL is registered", LONG, async || listener(&scene.simulator).await == Some(url.clone())).await;
    scene.namespace.wait("Ready", "tsc/verizon").await;
}

#[tokio::test]
async fn deleting_a_connection_leaves_its_listener_unless_it_says_otherwise() {
    let scene = Scene::start("kept", QUICK, &[]).await;
    scene.namespace.kubectl(&["delete", "tsc", "verizon", "--timeout=20s"]).await.success();
    assert!(listener(&scene.simulator).await.is_some());
}

#[tokio::test]
async fn deleting_a_connection_deregisters_its_listeners_and_no_others() {
    let scene = Scene::start("dereg", QUICK, &[]).await;
    patch(&scene.namespace, json!({"callback": {"onDelete": "Deregister"}})).await;
    finalizer(&scene.namespace, true).await;
    // The other account's listener is another system's by now.
    let other = format!("/callbacks/{}", fixtures::OTHER_ACCOUNT);
    assert_eq!(scene.simulator.thingspace(Method::POST, &other, theirs()).await.0, 200);
    scene.namespace.kubectl(&["delete", "tsc/verizon", "secret/thingspace", "--timeout=20s"]).await.success();
    assert_eq!(listener(&scene.simulator).await, None);
    assert!(scene.simulator.thingspace(Method::GET, &other, Value::Null).await.1.contains("crm.example.com"));
    told(&scene.namespace, "ListenerDeregistered").await;
}

#[tokio::test]
async fn a_connection_whose_secret_is_gone_is_let_go() {
    let mut scene = Scene::start("secretless", QUICK, &[]).await;
    patch(&scene.namespace, json!({"callback": {"onDelete": "Deregister"}})).await;
    finalizer(&scene.namespace, true).await;
    scene.controller.process.kill().await;
    scene.namespace.kubectl(&["delete", "secret", "thingspace"]).await.success();
    scene.namespace.kubectl(&["delete", "tsc", "verizon", "--wait=false"]).await.success();
    let _controller = Controller::start(&scene.namespace, &[]).await;
    scene.namespace.kubectl(&["wait", "--for=delete", "tsc/verizon", "--timeout=20s"]).await.success();
    let note = told(&scene.namespace, "DeregistrationAbandoned").await;
    assert!(note.contains("Secret thingspace does not exist") && note.contains("at ThingSpace"), "{note}");
}

#[tokio::test]
async fn a_connection_whose_thingspace_is_out_of_reach_is_let_go_after_a_while() {
    let mut scene = Scene::start("farewell", QUICK, &["--deregister-timeout", "3s"]).await;
    patch(&scene.namespace, json!({"callback": {"onDelete": "Deregister"}})).await;
    finalizer(&scene.namespace, true).await;
    scene.simulator.process.kill().await;
    scene.namespace.kubectl(&["delete", "tsc", "verizon", "--timeout=30s"]).await.success();
    told(&scene.namespace, "DeregistrationAbandoned").await;
}

#[tokio::test]
async fn the_finalizer_goes_when_nobody_wants_it_any_more() {
    let scene = Scene::start("unwanted", QUICK, &[]).await;
    patch(&scene.namespace, json!({"callback": {"onDelete": "Deregister"}})).await;
    finalizer(&scene.namespace, true).await;
    patch(&scene.namespace, json!({"callback": {"onDelete": "Keep"}})).await;
    finalizer(&scene.namespace, false).await;
    assert!(listener(&scene.simulator).await.is_some());
}

/// Another system registers itself, as if ours were not there.
async fn displace(simulator: &Simulator) {
    let (status, answer) = simulator.thingspace(Method::POST, CALLBACKS, theirs()).await;
    assert_eq!(status, 200, "{answer}");
}

fn theirs() -> Value {
    json!({"name": "DeviceProfileService", "url": THEIRS, "username": "u", "password": "p"})
}

/// Where ThingSpace delivers now.
async fn listener(simulator: &Simulator) -> Option<String> {
    let (_, answer) = simulator.thingspace(Method::GET, CALLBACKS, Value::Null).await;
    let listeners: Value = serde_json::from_str(&answer).unwrap_or_default();
    Some(listeners.as_array()?.first()?["url"].as_str()?.to_owned())
}

async fn changes(controller: &Controller, change: &str) -> f64 {
    controller.admin.metric("euicc_connection_changes_total", &[&format!("change=\"{change}\"")]).await
}

async fn finalizer(namespace: &Namespace, wanted: bool) {
    eventually(&format!("the finalizer: {wanted}"), SHORT, async || {
        let finalizers = crate::connection_support::connection(namespace).await.metadata.finalizers.unwrap_or_default();
        finalizers.iter().any(|f| f == "euicc-operator.io/deregister") == wanted
    })
    .await;
}
