//! GitOps tools know at every moment how an object is: kstatus (Flux, `kubectl`, kpt) and Argo CD judge every version
//! that it ever had, and never call one done that is not.

use serde_json::{Value, json};

use crate::support::{
    ArgoCd, CLOSED_BOOKS, Controller, HELD, Kstatus, LONG, Namespace, QUICK, Scene, Simulator, Versions, eventually,
    fixtures, kstatus,
};

#[tokio::test]
async fn an_activation_is_in_progress_from_its_first_version_and_current_when_every_device_is_active() {
    let scene = Scene::start("gitops-life", HELD, &[]).await;
    let (namespace, versions) = (&scene.namespace, activations(&scene.namespace).await);
    let mut activation = fixtures::activation("forklift", 2);
    activation.spec.deletion_policy = euicc_operator::api::DeletionPolicy::Deactivate;
    activation.spec.deactivation =
        Some(serde_json::from_value(json!({"reasonCode": "FF", "etfWaiver": false})).unwrap());
    namespace.apply(&fixtures::yaml(&activation)).await;
    versions.until("forklift", "awaits its result", |v| reason(v) == "AwaitingResult").await;
    scene.simulator.let_finish().await;
    versions.until("forklift", "is current", |v| kstatus(v) == Kstatus::Current).await;
    // An edit that is admitted at any time: done is what the operator has seen.
    merge(namespace, "euicc/forklift", json!({"spec": {"resultTimeout": "12h"}})).await;
    versions.until("forklift", "is current again", |v| kstatus(v) == Kstatus::Current && generation(v) == 2).await;
    namespace.kubectl(&["delete", "euicc", "forklift", "--wait=false"]).await.success();
    versions.until("forklift", "is being deactivated", |v| reason(v) == "AwaitingResult").await;
    scene.simulator.let_finish().await;
    namespace.kubectl(&["wait", "--for=delete", "--timeout=60s", "euicc/forklift"]).await.success();
    let all = versions.named("forklift");

    use Kstatus::{Current, InProgress, Terminating};
    assert_eq!(story(&all), [InProgress, Current, InProgress, Current, Terminating]);
    assert_eq!(all[0]["status"], json!({"observedGeneration": -1}), "no operator has seen the first version");
    for version in all.iter().filter(|v| kstatus(v) == Current) {
        assert_eq!(version["status"]["counts"]["active"], 2, "{version:#}");
    }
    judged_alike(&all);
}

#[tokio::test]
async fn an_activation_that_fails_is_failed_until_somebody_acts_and_then_in_progress() {
    let scene = Scene::start("gitops-fail", &[QUICK, CLOSED_BOOKS].concat(), &[]).await;
    let (namespace, versions) = (&scene.namespace, activations(&scene.namespace).await);
    let mut activation = fixtures::activation("forklift", 1);
    activation.spec.service_plan = Some("NoSuchPlan".into());
    namespace.apply(&fixtures::yaml(&activation)).await;
    versions.until("forklift", "has failed", |v| kstatus(v) == Kstatus::Failed).await;
    activation.spec.service_plan = Some("HybridESim".into());
    namespace.apply(&fixtures::yaml(&activation)).await;
    let all = versions.until("forklift", "is current", |v| kstatus(v) == Kstatus::Current).await;
    assert_eq!(story(&all), [Kstatus::InProgress, Kstatus::Failed, Kstatus::InProgress, Kstatus::Current]);
    judged_alike(&all);
}

#[tokio::test]
async fn what_waits_is_in_progress_what_is_held_is_suspended_and_what_nobody_will_send_has_failed() {
    let namespace = Namespace::new("gitops-wait").await;
    let simulator = Simulator::start(QUICK).await;
    let controller = Controller::start(&namespace, &[]).await;
    controller.admin.ready().await;
    let versions = activations(&namespace).await;
    let mut held = fixtures::activation("held", 1);
    held.spec.suspend = true;
    let mut foreign = fixtures::activation("foreign", 1);
    foreign.spec.account_name = "0000999999-00001".into();
    for activation in [&held, &foreign, &fixtures::activation("early", 1)] {
        namespace.create(activation).await;
    }
    versions.until("early", "waits for its connection", |v| reason(v) == "ConnectionNotFound").await;
    namespace.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    versions.until("foreign", "has failed", |v| kstatus(v) == Kstatus::Failed).await;
    let held = versions.until("held", "is held", |v| reason(v) == "Suspended").await;
    let argo = ArgoCd::read();
    assert_eq!(argo.health(held.last().unwrap()).0, "Suspended");
    assert_eq!(story(&held), [Kstatus::InProgress], "what is suspended is not done");
    assert_eq!(story(&versions.named("foreign")), [Kstatus::InProgress, Kstatus::Failed]);
    assert_eq!(story(&versions.named("early")), [Kstatus::InProgress]);
    for name in ["held", "foreign", "early"] {
        judged_alike(&versions.named(name));
    }
}

#[tokio::test]
async fn a_connection_is_current_when_activations_can_be_sent_and_failed_when_someone_must_act() {
    let scene = Scene::start("gitops-tsc", QUICK, &[]).await;
    let namespace = &scene.namespace;
    let versions = Versions::of(namespace, "ThingSpaceConnection", "thingspaceconnections").await;
    let mut wanted = serde_json::to_value(namespace.connections().get("verizon").await.unwrap()).unwrap();
    wanted["metadata"] = json!({"name": "second", "namespace": namespace.name});
    wanted["spec"]["credentialsSecretRef"]["name"] = json!("second");
    wanted["spec"]["callback"] = json!({
        "url": scene.callback.url(namespace, "second"), "onDelete": "Deregister",
        "credentialsSecretRef": {"name": "thingspace-callback"},
    });
    wanted.as_object_mut().unwrap().remove("status");
    namespace.apply(&wanted.to_string()).await;
    versions.until("second", "waits for its Secret", |v| reason(v) == "SecretInvalid").await;
    let password = |password: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}, "stringData": {
            "clientId": "sim-key", "clientSecret": "sim-secret", "username": "sim-user", "password": password}})
        .to_string()
    };
    namespace.apply(&password(fixtures::LOGIN_PASSWORD)).await;
    versions.until("second", "is current", |v| kstatus(v) == Kstatus::Current).await;
    merge(namespace, "tsc/second", json!({"spec": {"accounts": [fixtures::ACCOUNT]}})).await;
    versions
        .until("second", "is current again", |v| {
            kstatus(v) == Kstatus::Current && v["spec"]["accounts"] == json!([fixtures::ACCOUNT])
        })
        .await;
    namespace.apply(&password("wrong")).await;
    versions.until("second", "has failed", |v| reason(v) == "LoginBlocked").await;
    namespace.apply(&password(fixtures::LOGIN_PASSWORD)).await;
    versions.until("second", "has recovered", |v| kstatus(v) == Kstatus::Current).await;
    namespace.kubectl(&["delete", "tsc", "second", "--timeout=60s"]).await.success();
    let all = versions.until("second", "is gone", |v| v["metadata"]["deletionTimestamp"].is_string()).await;

    let mut story = story(&all);
    // Between the two failed logins it is in progress; whether the first one is reported is a matter of time.
    let blocked = story.iter().position(|s| *s == Kstatus::Failed).unwrap();
    if story[blocked - 1] == Kstatus::InProgress {
        story.remove(blocked - 1);
    }
    story.retain(|s| *s != Kstatus::InProgress);
    assert_eq!(story, [Kstatus::Current, Kstatus::Current, Kstatus::Failed, Kstatus::Current, Kstatus::Terminating]);
    assert_eq!(kstatus(&all[0]), Kstatus::InProgress);
    judged_alike(&all);
}

#[tokio::test]
async fn argo_cds_actions_hold_release_and_retry_an_activation() {
    let scene = Scene::start("gitops-actions", &[QUICK, CLOSED_BOOKS].concat(), &[]).await;
    let (namespace, argo) = (&scene.namespace, ArgoCd::read());
    let live = async || serde_json::to_value(namespace.activation("forklift").await).map(typed).unwrap();
    let posts = async || scene.simulator.activate_posts().await.len();
    let act = async |action: &str| {
        let object = live().await;
        assert!(argo.actions(&object).contains(&action.to_owned()), "{action}: {:?}", argo.actions(&object));
        let made = argo.act(action, &object);
        let (metadata, spec) = (&made["metadata"]["annotations"], &made["spec"]["suspend"]);
        let patch = json!({"metadata": {"annotations": metadata}, "spec": {"suspend": spec}});
        merge(namespace, "euicc/forklift", patch).await;
    };
    let mut activation = fixtures::activation("forklift", 1);
    activation.spec.service_plan = Some("NoSuchPlan".into());
    activation.spec.suspend = true;
    namespace.create(&activation).await;
    namespace.until_reason("forklift", "Suspended").await;
    assert_eq!((argo.actions(&live().await), posts().await), (vec!["resume".to_owned()], 0));
    act("resume").await;
    namespace.wait("Stalled", "euicc/forklift").await;
    assert_eq!((argo.actions(&live().await), posts().await), (vec!["retry".to_owned(), "suspend".to_owned()], 1));
    act("retry").await;
    eventually("it is sent once more", LONG, async || posts().await == 2).await;
    namespace.wait("Stalled", "euicc/forklift").await;
    act("suspend").await;
    assert!(namespace.activation("forklift").await.spec.suspend);
}

async fn activations(namespace: &Namespace) -> Versions {
    Versions::of(namespace, "EuiccActivation", "euiccactivations").await
}

async fn merge(namespace: &Namespace, object: &str, patch: Value) {
    namespace.kubectl(&["patch", object, "--type=merge", "--patch", &patch.to_string()]).await.success();
}

/// As it comes from the API server: with apiVersion and kind.
fn typed(mut object: Value) -> Value {
    object["apiVersion"] = json!("euicc-operator.io/v1alpha1");
    object["kind"] = json!("EuiccActivation");
    object
}

fn reason(version: &Value) -> &str {
    ready(version).and_then(|c| c["reason"].as_str()).unwrap_or_default()
}

fn ready(version: &Value) -> Option<&Value> {
    version["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "Ready")
}

fn generation(version: &Value) -> i64 {
    version["metadata"]["generation"].as_i64().unwrap()
}

/// What kstatus makes of one version after the other, repetitions left out.
fn story(versions: &[Value]) -> Vec<Kstatus> {
    let mut story: Vec<Kstatus> = versions.iter().map(kstatus).collect();
    story.dedup();
    story
}

/// Nothing is done before it is Ready, and Argo CD says the same as kstatus, in the operator's words.
fn judged_alike(versions: &[Value]) {
    let argo = ArgoCd::read();
    for version in versions {
        let is_ready = ready(version).is_some_and(|c| c["status"] == "True");
        let (health, message) = argo.health(version);
        let alike: &[&str] = match kstatus(version) {
            Kstatus::Current => &["Healthy"],
            Kstatus::InProgress => &["Progressing", "Suspended"],
            Kstatus::Failed => &["Degraded"],
            Kstatus::Terminating => continue, // Argo CD asks nobody: it is Progressing
        };
        assert!(alike.contains(&health.as_str()), "{health}: {version:#}");
        assert!(kstatus(version) != Kstatus::Current || is_ready, "done, and not Ready: {version:#}");
        let sentence = ready(version).filter(|_| version["status"]["observedGeneration"] == generation(version));
        let sentence = sentence.map_or("Waiting for euicc-operator", |c| c["message"].as_str().unwrap());
        assert_eq!(message, sentence);
    }
}
