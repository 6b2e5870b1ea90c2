//! What is wrong with a connection is said where it is looked for, and nothing has to be restarted when it is mended.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Controller, LONG, Namespace, QUICK, Scene, Simulator, eventually, fixtures, holds, why};

/// Looks again every second.
const EAGER: &[&str] = &["--recheck-after", "1s", "--poll-after", "1s"];
/// What is watched is noticed at once; the operator's own patience is 30 seconds.
const AT_ONCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_wrong_secret_is_said_and_its_correction_sets_everything_going_at_once() {
    let (namespace, simulator) = (Namespace::new("secret").await, Simulator::start(QUICK).await);
    let manifests = fixtures::connection(&simulator.endpoint(), None);
    let (secrets, connection) = manifests.rsplit_once("---").unwrap();
    namespace.apply(connection).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let controller = Controller::start(&namespace, &["--poll-after", "1s"]).await;

    says(&namespace, "SecretInvalid", "Secret thingspace does not exist").await;
    held(&namespace, "Secret thingspace does not exist").await;
    let missing = secrets.replace("username: sim-user, ", "");
    correct(&namespace, "SecretInvalid", "Secret thingspace has no key username", &missing).await;
    held(&namespace, "has no key username").await;
    let wrong_key = secrets.replace("sim-secret", "wrong");
    correct(&namespace, "TokenRefused", "OAuth key and secret were refused", &wrong_key).await;
    held(&namespace, "OAuth key and secret").await;
    let wrong_password = secrets.replace(fixtures::LOGIN_PASSWORD, "wrong");
    correct(&namespace, "LoginRefused", "after two failed logins none is tried until it changes", &wrong_password)
        .await;
    held(&namespace, "login was refused").await;
    assert_eq!(simulator.logins().await.len(), 1);
    assert!(simulator.activate_posts().await.is_empty());

    let started = Instant::now();
    namespace.apply(secrets).await;
    namespace.wait("Ready", "tsc/verizon").await;
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    namespace.wait("Ready", "euicc/forklift").await;
    let tokens = simulator.journal().await.into_iter().filter(|e| e.path.ends_with("/oauth2/token")).count();
    assert!(tokens <= 6, "ThingSpace is not hammered: {tokens} token requests");
    assert!(controller.admin.metric("thingspace_requests_total", &[r#"operation="login""#]).await >= 2.0);
}

#[tokio::test]
async fn a_wrong_password_costs_two_logins_however_often_anything_is_tried_or_restarted() {
    let (namespace, simulator) = (Namespace::new("breaker").await, Simulator::start(QUICK).await);
    let manifests = fixtures::connection(&simulator.endpoint(), None);
    namespace.apply(&manifests.replace(fixtures::LOGIN_PASSWORD, "wrong")).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let mut controller = Controller::start(&namespace, EAGER).await;
    namespace.wait("Stalled", "tsc/verizon").await;
    says(&namespace, "LoginBlocked", "Correct the credentials Secret").await;
    assert_eq!(simulator.logins().await.len(), 2);

    controller.process.kill().await;
    let controller = Controller::start(&namespace, EAGER).await;
    // Not with each version of the Secret: with each version of what is in it.
    for label in ["touched=1", "touched=2"] {
        let rounds =
            async || controller.admin.metric("controller_runtime_reconcile_total", &["thingspaceconnection"]).await;
        let before = rounds().await;
        eventually("it is looked at again and again", LONG, async || rounds().await >= before + 3.0).await;
        assert_eq!(simulator.logins().await.len(), 2, "three more, and Verizon locks the user for good");
        namespace.kubectl(&["label", "--overwrite", "secret", "thingspace", label]).await.success();
    }
    says(&namespace, "LoginBlocked", "Correct the credentials Secret").await;

    namespace.apply(&manifests).await;
    namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(simulator.logins().await.len(), 3);
}

/// As after a failure of the login service itself: the credentials were right all the time.
#[tokio::test]
async fn logins_that_failed_through_no_fault_of_the_secret_are_tried_again_by_the_messages_command() {
    let (namespace, simulator) = (Namespace::new("outage").await, Simulator::start(QUICK).await);
    simulator.fault("login:status=503,count=2").await;
    namespace.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    let _controller = Controller::start(&namespace, EAGER).await;
    namespace.wait("Stalled", "tsc/verizon").await;
    assert_eq!(simulator.logins().await.len(), 2);
    let ready = condition(&connection(&namespace).await, "Ready");
    namespace.obey(ready["message"].as_str().unwrap()).await;
    namespace.wait("Ready", "tsc/verizon").await;
    assert_eq!(simulator.logins().await.len(), 3);
}

#[tokio::test]
async fn an_activation_without_its_connection_starts_by_itself_when_there_is_one() {
    let scene = Scene::start("orphan", QUICK, EAGER).await;
    let mut orphan = fixtures::activation("orphan", 1);
    orphan.spec.connection_ref.name = "later".into();
    scene.namespace.create(&orphan).await;
    let object = scene.namespace.until_reason("orphan", "ConnectionNotFound").await;
    assert!(why(&object).1.contains("no ThingSpaceConnection later"), "{:?}", why(&object));
    assert!(holds(&object, "Reconciling") && !holds(&object, "Stalled"), "it goes on by itself");
    let connection = fixtures::connection(&scene.simulator.endpoint(), None).replace("name: verizon", "name: later");
    scene.namespace.apply(&connection).await;
    scene.namespace.wait("Ready", "euicc/orphan").await;
}

#[tokio::test]
async fn an_account_that_the_connection_does_not_list_is_said_and_sent_when_it_does() {
    let scene = Scene::start("account", QUICK, &[]).await;
    accounts(&scene.namespace, &[fixtures::OTHER_ACCOUNT]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Stalled", "euicc/forklift").await;
    let (reason, message) = why(&scene.namespace.activation("forklift").await);
    assert_eq!(reason, "AccountNotAllowed");
    assert!(message.contains(fixtures::ACCOUNT) && message.contains("spec.accounts"), "{message}");
    scene.namespace.until_events("forklift", &["AccountNotAllowed"]).await;
    assert!(scene.simulator.activate_posts().await.is_empty());
    accounts(&scene.namespace, &[fixtures::OTHER_ACCOUNT, fixtures::ACCOUNT]).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn an_account_that_thingspace_does_not_know_is_named_by_the_connection() {
    let scene = Scene::start("stranger", QUICK, EAGER).await;
    let stranger = "0000999999-00001";
    accounts(&scene.namespace, &[fixtures::ACCOUNT, stranger]).await;
    says(&scene.namespace, "AccountRefused", stranger).await;
    accounts(&scene.namespace, &[fixtures::ACCOUNT]).await;
    scene.namespace.wait("Ready", "tsc/verizon").await;
}

#[tokio::test]
async fn a_thingspace_that_is_out_of_reach_is_said_and_found_again() {
    let (namespace, mut simulator) = (Namespace::new("away").await, Simulator::start(QUICK).await);
    let address = simulator.url.trim_start_matches("http://").to_owned();
    simulator.process.kill().await;
    namespace.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let _controller = Controller::start(&namespace, EAGER).await;
    says(&namespace, "Unreachable", "It is tried again").await;
    namespace.until_reason("forklift", "ConnectionNotReady").await;
    let _simulator = Simulator::start(&[&["--listen", &address], QUICK].concat()).await;
    namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn another_systems_listener_is_left_alone_until_the_user_says_otherwise() {
    let (namespace, simulator) = (Namespace::new("foreign").await, Simulator::start(QUICK).await);
    let theirs = json!({"name": "DeviceProfileService", "url": "https://crm.example.com/callbacks", "username": "u", "password": "p"});
    let path = format!("/callbacks/{}", fixtures::ACCOUNT);
    let (status, answer) = simulator.thingspace(Method::POST, &path, theirs).await;
    assert_eq!(status, 200, "{answer}");
    let callback = crate::support::Callback::start(&["--watch-namespace", &namespace.name]).await;
    let url = callback.url(&namespace, fixtures::CONNECTION);
    namespace.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
    let _controller = Controller::start(&namespace, &["--poll-after", "1s"]).await;
    let listener = async || simulator.thingspace(Method::GET, &path, Value::Null).await.1;

    says(&namespace, "ReadyWithoutCallback", "polled for").await;
    let status = connection(&namespace).await;
    let registered = condition(&status, "CallbackRegistered");
    assert_eq!((&registered["status"], &registered["reason"]), (&json!("False"), &json!("ForeignListener")));
    let message = registered["message"].as_str().unwrap();
    for said in [fixtures::ACCOUNT, "https://crm.example.com/callbacks", "takeOver"] {
        assert!(message.contains(said), "{message}");
    }
    assert!(listener().await.contains("crm.example.com"));
    namespace.create(&fixtures::activation("polled", 1)).await;
    namespace.wait("Ready", "euicc/polled").await;
    assert!(listener().await.contains("crm.example.com"), "nothing is displaced");

    let patch = json!({"spec": {"callback": {"takeOver": true}}}).to_string();
    namespace.kubectl(&["patch", "tsc", "verizon", "--type=merge", "--patch", &patch]).await.success();
    namespace.wait("CallbackRegistered", "tsc/verizon").await;
    assert!(listener().await.contains(&url));
    simulator.clear_journal().await;
    namespace.create(&fixtures::activation("told", 1)).await;
    namespace.wait("Ready", "euicc/told").await;
    assert!(simulator.deliveries().await.iter().any(|d| d.status == Some(200)));
}

#[tokio::test]
async fn a_new_callback_password_is_registered_and_the_old_one_counts_while_it_is_kept() {
    let scene = Scene::start("rotate", QUICK, &[]).await;
    let values = json!({"stringData": {"password": "the-next-one", "previousPassword": fixtures::CALLBACK_PASSWORD}});
    let patch = ["patch", "secret", "thingspace-callback", "--type=merge", "--patch", &values.to_string()];
    scene.namespace.kubectl(&patch).await.success();
    let path = format!("/callbacks/{}", fixtures::ACCOUNT);
    let registered =
        async || scene.simulator.thingspace(Method::GET, &path, Value::Null).await.1.contains("the-next-one");
    eventually("the new password is registered", LONG, registered).await;

    let (new, old) = (fixtures::activation("new", 1), fixtures::activation("old", 1));
    scene.simulator.fault(&format!("callback:password=old,device={}", fixtures::eid_of(&old, 0))).await;
    for activation in [new, old] {
        let name = activation.metadata.name.clone().unwrap();
        scene.namespace.create(&activation).await;
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
    }
    let answers = scene.simulator.deliveries().await;
    assert!(answers.iter().all(|d| d.status == Some(200)), "{answers:#?}");
}

/// Waits until Ready of the connection has this reason and a message with this in it.
async fn says(namespace: &Namespace, reason: &str, text: &str) {
    eventually(&format!("the connection says {reason}: {text}"), LONG, async || {
        let ready = condition(&connection(namespace).await, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        if ready["reason"] == reason && message.contains(text) { Ok(()) } else { Err(ready) }
    })
    .await;
}

/// Applies a Secret and waits for what the connection says of it, which it does at once.
async fn correct(namespace: &Namespace, reason: &str, text: &str, secret: &str) {
    let started = Instant::now();
    namespace.apply(secret).await;
    says(namespace, reason, text).await;
    assert!(started.elapsed() < AT_ONCE, "{text} after {:?}", started.elapsed());
}

/// Waits until the activation says that it is held by the connection, and why.
async fn held(namespace: &Namespace, text: &str) {
    let it_says = |o: &_| why(o).0 == "ConnectionNotReady" && why(o).1.contains(text);
    namespace.until("forklift", &format!("held: {text}"), it_says).await;
}

async fn accounts(namespace: &Namespace, accounts: &[&str]) {
    let patch = json!({"spec": {"accounts": accounts}}).to_string();
    namespace.kubectl(&["patch", "tsc", "verizon", "--type=merge", "--patch", &patch]).await.success();
}

async fn connection(namespace: &Namespace) -> Value {
    let object = namespace.connections().get(fixtures::CONNECTION).await.unwrap();
    json!(object.status.unwrap_or_default())
}

fn condition(status: &Value, type_: &str) -> Value {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|c| c["type"] == type_).unwrap_or_default()
}
