//! A connection is its owner's: other namespaces use it only where it admits them.

use std::process::Command;

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
        let (platform, team) = (Namespace::new("platform").await, Namespace::new("tenant").await);
        let simulator = Simulator::start(QUICK).await;
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
        let mut activation = fixtures::activation(name, 1);
        activation.spec.connection_ref.namespace = Some(self.platform.name.clone());
        self.team.create(&activation).await;
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
    let mut stranger = owned.clone();
    stranger.metadata.name = Some("stranger".into());
    stranger.spec.connection_ref.namespace = Some(tenants.platform.name.clone());
    tenants.team.create(&stranger).await;
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

fn kubeconfig(user: &str) -> std::path::PathBuf {
    let dir = control_plane().kubeconfig.parent().unwrap().to_owned();
    let text = Command::new(repository("tests/controlplane/kubeconfig.sh")).arg(&dir).arg(user).output().unwrap();
    let file = dir.join(user);
    std::fs::write(&file, text.stdout).unwrap();
    file
}
