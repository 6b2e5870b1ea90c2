//! A connection is its owner's: other namespaces use it only where it admits them.

use std::process::Command;

use euicc_operator::api::EuiccActivation;
use serde_json::json;

use crate::{
    connection_support::{QUICK, condition, patch, says},
    support::{
        Callback, Controller, LONG, Namespace, SHORT, Simulator, control_plane, eventually, fixtures, holds, operator,
        repository, why,
    },
};

/// A platform team with a connection, and a team that wants to use it.
struct Tenants {
    platform: Namespace,
    team: Namespace,
    simulator: Simulator,
    _callback: Callback,
}

impl Tenants {
    async fn move_in() -> Self {
        Self::move_in_before(QUICK).await
    }

    /// The same with a ThingSpace of one's own making.
    async fn move_in_before(simulator: &[&str]) -> Self {
        let (platform, team) = (Namespace::new("platform").await, Namespace::new("tenant").await);
        let simulator = Simulator::start(simulator).await;
        let callback = Callback::start(&["--watch-namespace", &platform.name, "--watch-namespace", &team.name]).await;
        callback.admin.ready().await;
        let url = callback.url(&platform, fixtures::CONNECTION);
        platform.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
        Self { platform, team, simulator, _callback: callback }
    }

    /// A controller that watches both, and never polls.
    async fn controller(&self) -> Controller {
        let flags = ["--watch-namespace", &self.team.name, "--poll-after", "1h"];
        let controller = Controller::start(&self.platform, &flags).await;
        self.platform.wait("Ready", "tsc/verizon").await;
        controller
    }

    async fn activate(&self, name: &str) {
        self.team.create(&self.as_guest(&fixtures::activation(name, 1), name)).await;
    }

    /// The same devices by the platform's connection, for another namespace.
    fn as_guest(&self, activation: &EuiccActivation, name: &str) -> EuiccActivation {
        let mut guest = activation.clone();
        guest.metadata.name = Some(name.into());
        guest.spec.connection_ref.namespace = Some(self.platform.name.clone());
        guest
    }
}

#[tokio::test]
async fn another_namespace_is_refused_until_the_connection_admits_it_by_name() {
    let tenants = Tenants::move_in().await;
    let _controller = tenants.controller().await;
    tenants.activate("forklift").await;
    let object = tenants.team.until_reason("forklift", "ConnectionNotAllowed").await;
    let message = why(&object).1;
    assert!(holds(&object, "Stalled"));
    for said in [&format!("{}/verizon", tenants.platform.name), &tenants.team.name, "spec.allowedNamespaces"] {
        assert!(message.contains(said), "{message}");
    }
    assert!(tenants.simulator.activate_posts().await.is_empty());
    patch(&tenants.platform, json!({"allowedNamespaces": {"names": [tenants.team.name]}})).await;
    // Its answer comes by the callback of the platform's connection, and nobody polls.
    tenants.team.wait("Ready", "euicc/forklift").await;
    assert!(tenants.simulator.deliveries().await.iter().all(|d| d.status == Some(200)));

    patch(&tenants.platform, json!({"allowedNamespaces": null})).await;
    tenants.activate("late").await;
    tenants.team.until_reason("late", "ConnectionNotAllowed").await;
    assert_eq!(tenants.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn another_namespace_is_admitted_by_its_labels_and_refused_again_without_them() {
    let tenants = Tenants::move_in().await;
    let _controller = tenants.controller().await;
    let label = format!("activates=for-{}", tenants.platform.name);
    let (key, value) = label.split_once('=').unwrap();
    patch(&tenants.platform, json!({"allowedNamespaces": {"selector": {"matchLabels": {key: value}}}})).await;
    says(&tenants.platform, "NamespacesSelected", "NamespacesRead").await;
    tenants.activate("forklift").await;
    tenants.team.until_reason("forklift", "ConnectionNotAllowed").await;
    tenants.team.kubectl(&["label", "namespace", &tenants.team.name, &label]).await.success();
    tenants.team.wait("Ready", "euicc/forklift").await;
    tenants.team.kubectl(&["label", "namespace", &tenants.team.name, "activates-"]).await.success();
    tenants.team.kubectl(&["label", "namespace", &tenants.team.name, "activates=nothing"]).await.success();
    tenants.activate("late").await;
    tenants.team.until_reason("late", "ConnectionNotAllowed").await;
    assert_eq!(tenants.simulator.activate_posts().await.len(), 1);
    patch(&tenants.platform, json!({"allowedNamespaces": null})).await;
    eventually("no selector, no condition", SHORT, async || {
        condition(&tenants.platform, "NamespacesSelected").await.is_none()
    })
    .await;
}

#[tokio::test]
async fn an_operator_that_may_not_list_namespaces_says_so_and_admits_by_name() {
    let tenants = Tenants::move_in().await;
    patch(&tenants.platform, json!({"allowedNamespaces": {"selector": {}}})).await;
    let user = format!("roles-only-{}", tenants.platform.name);
    for namespace in [&tenants.platform, &tenants.team] {
        let rules =
            ["create", "role", "all", "--verb=*", "--resource=*.euicc-operator.io,secrets,events.events.k8s.io"];
        namespace.kubectl(&rules).await.success();
        namespace.kubectl(&["create", "rolebinding", "all", "--role=all", &format!("--user={user}")]).await.success();
    }
    let mut command = operator();
    command.env("KUBECONFIG", kubeconfig(&user)).arg("controller");
    let flags = ["--watch-namespace", &tenants.platform.name, "--watch-namespace", &tenants.team.name];
    let _controller = Controller::start_as(&mut command, &flags).await;
    let unread = eventually("it says what to do", LONG, async || {
        condition(&tenants.platform, "NamespacesSelected").await.filter(|c| c.message.contains("ClusterRole"))
    });
    assert_eq!(unread.await.reason, "NamespacesUnread");
    tenants.platform.wait("Ready", "tsc/verizon").await;
    tenants.activate("forklift").await;
    let object = tenants.team.until_reason("forklift", "NamespacesUnread").await;
    assert!(holds(&object, "Reconciling"), "it may be admitted yet");
    patch(&tenants.platform, json!({"allowedNamespaces": {"names": [tenants.team.name]}})).await;
    tenants.team.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn a_connection_of_a_namespace_that_the_operator_does_not_watch_is_named() {
    let tenants = Tenants::move_in().await;
    let _controller = Controller::start(&tenants.team, &[]).await;
    tenants.activate("forklift").await;
    let object = tenants.team.until_reason("forklift", "ConnectionNotFound").await;
    assert!(why(&object).1.contains("--watch-namespace"), "{:?}", why(&object));
}

#[tokio::test]
async fn a_device_of_another_namespace_is_told_to_nobody_who_was_not_admitted() {
    let tenants = Tenants::move_in().await;
    let _controller = tenants.controller().await;
    let owned = fixtures::activation("owned", 1);
    // A stranger names the same device and the same connection, and has never been admitted.
    tenants.team.create(&tenants.as_guest(&owned, "stranger")).await;
    tenants.team.until_reason("stranger", "ConnectionNotAllowed").await;
    tenants.platform.create(&owned).await;
    tenants.platform.wait("Ready", "euicc/owned").await;
    let request = tenants.platform.activation("owned").await.status.unwrap().request_id.unwrap();
    tenants.platform.kubectl(&["delete", "euicc", "owned"]).await.success();
    tenants.simulator.resend(&request).await;
    eventually("the message came again", LONG, async || {
        tenants.simulator.deliveries().await.iter().filter(|d| d.status == Some(200)).count() >= 2
    })
    .await;
    let status = tenants.team.activation("stranger").await.status.unwrap();
    assert!(status.request_id.is_none() && status.devices.is_empty(), "{status:?}");
}

#[tokio::test]
async fn who_has_a_device_in_another_namespace_stands_in_the_operators_log_and_nowhere_else() {
    let tenants = Tenants::move_in().await;
    let controller = tenants.controller().await;
    let owned = fixtures::activation("canary-owned", 1);
    tenants.platform.create(&owned).await;
    tenants.platform.wait("Ready", "euicc/canary-owned").await;

    // Who is not admitted learns nothing of the device at all.
    tenants.team.create(&tenants.as_guest(&owned, "guest")).await;
    tenants.team.until_reason("guest", "ConnectionNotAllowed").await;
    let mut lost = owned.clone();
    lost.metadata.name = Some("lost".into());
    tenants.team.create(&lost).await;
    tenants.team.until_reason("lost", "ConnectionNotFound").await;

    patch(&tenants.platform, json!({"allowedNamespaces": {"names": [tenants.team.name]}})).await;
    let held = tenants.team.until_reason("guest", "DeviceConflict").await;
    assert!(holds(&held, "Stalled"));
    let message = why(&held).1;
    assert!(
        message.contains("an EuiccActivation of another namespace, whose name is in the operator's log"),
        "{message}"
    );
    tenants.team.until_events("guest", &["ConnectionNotAllowed", "DeviceConflict"]).await;
    let told = tenants.team.kubectl(&["get", "euicc,events", "-o", "yaml"]).await.success();
    assert!(!told.contains("canary-owned"), "{told}");
    let logged = format!("{}/canary-owned", tenants.platform.name);
    tenants.team.touch("guest", &controller.admin).await;
    let log = controller.process.output();
    assert_eq!(log.lines().filter(|line| line.contains(&logged) && line.contains("guest")).count(), 1, "{log}");
    assert_eq!(tenants.simulator.activate_posts().await.len(), 1);
}

/// Neither of two controllers sees in time what the other sends, so ThingSpace's refusal is the last guard.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_namespaces_that_race_for_a_line_the_loser_is_not_told_who_won() {
    let tenants = Tenants::move_in_before(&["--activation-time", "1s"]).await;
    patch(&tenants.platform, json!({"allowedNamespaces": {"names": [tenants.team.name]}})).await;
    let flags = ["--watch-namespace", &tenants.team.name, "--poll-after", "5s", "--settle-time", "2s"];
    let _first = Controller::start(&tenants.platform, &flags).await;
    let second = Controller::start(&tenants.platform, &flags).await;
    tenants.platform.wait("Ready", "tsc/verizon").await;
    second.admin.ready().await;

    let ours: Vec<_> = (0..8).map(|i| fixtures::activation(&format!("ours-{i}"), 1)).collect();
    let both = ours.iter().enumerate().map(async |(i, ours)| {
        let theirs = tenants.as_guest(ours, &format!("theirs-{i}"));
        tokio::join!(tenants.platform.create(ours), tenants.team.create(&theirs));
    });
    futures::future::join_all(both).await;
    for i in 0..ours.len() {
        let [ours, theirs] = [(&tenants.platform, format!("ours-{i}")), (&tenants.team, format!("theirs-{i}"))];
        let ended = async |(namespace, name): &(&Namespace, String)| {
            namespace.until(name, "an end", |o| holds(o, "Ready") || holds(o, "Stalled")).await
        };
        let ends = [ended(&ours).await, ended(&theirs).await];
        assert_eq!(ends.iter().filter(|end| holds(end, "Ready")).count(), 1, "{ends:?}");
        for (end, other) in ends.iter().zip([&theirs, &ours]) {
            let status = serde_json::to_string(&end.status).unwrap();
            assert!(!status.contains(&other.1), "{status}");
        }
    }
}

fn kubeconfig(user: &str) -> std::path::PathBuf {
    let dir = control_plane().kubeconfig.parent().unwrap().to_owned();
    let text = Command::new(repository("tests/controlplane/kubeconfig.sh")).arg(&dir).arg(user).output().unwrap();
    let file = dir.join(user);
    std::fs::write(&file, text.stdout).unwrap();
    file
}
