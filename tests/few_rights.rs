//! With fewer rights than it needs the operator does what it can, and says what it cannot do and why.

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::*;

const OTHERS: &str = "events, secrets, thingspaceconnections/status";
const ALL: &str = "events, secrets, thingspaceconnections/status, euiccactivations/status";

/// Reads everything, and writes what `writes` lists.
fn rights(writes: &str) -> String {
    format!(
        r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: operator}}
rules:
- {{apiGroups: ["", euicc-operator.io], resources: ["*"], verbs: [get, list, watch]}}
- {{apiGroups: ["", events.k8s.io, euicc-operator.io], resources: [{writes}], verbs: [create, update, patch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: operator}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: operator}}]
"#
    )
}

/// Commands as the user of [`rights`].
struct Restricted(NamedTempFile);

impl Restricted {
    fn on(cluster: &ControlPlane) -> Self {
        let kubeconfig = fs::read_to_string(&cluster.kubeconfig).unwrap();
        let mut kubeconfig: Value = serde_yaml_ng::from_str(&kubeconfig).unwrap();
        kubeconfig["users"][0]["user"]["as"] = "operator".into();
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), kubeconfig.to_string()).unwrap();
        Self(file)
    }

    fn command(&self, process: &str, namespaces: &[&Namespace]) -> Command {
        let mut command = operator();
        command.env("KUBECONFIG", self.0.path()).arg(process);
        for namespace in namespaces {
            command.args(["--watch-namespace", &namespace.name]);
        }
        command
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_not_asked_for_again_and_again() {
    let mut scene = Scene::start("unrecorded", HELD, &[]).await;
    scene.controller.process.kill().await;
    scene.namespace.apply(&rights(ALL)).await;
    let restricted = Restricted::on(scene.namespace.cluster);
    let mut command = restricted.command("controller", &[&scene.namespace]);
    let controller = Controller::start_as(&mut command, &["--poll-after", "1s"]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;

    scene.namespace.apply(&rights(OTHERS)).await;
    let refusals = || controller.process.output().matches("cannot record yet what ThingSpace has answered").count();
    eventually("its answer is refused", LONG, async || refusals() >= 1).await;
    scene.simulator.clear_journal().await;
    eventually("and refused again", LONG, async || refusals() >= 6).await;
    let asked = scene.simulator.journal().await.iter().filter(|e| e.direction == "in").count();
    assert_eq!(asked, 0, "the answer is there, and only to be written");
    scene.namespace.apply(&rights(ALL)).await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 0, "nothing is sent again");
}

#[tokio::test]
async fn a_namespace_that_cannot_be_listed_holds_up_no_answer_and_is_named() {
    let mut scene = Scene::start("listed", HELD, &[]).await;
    let other = Namespace::new("and-unlisted").await;
    scene.namespace.create(&fixtures::activation("sent", 1)).await;
    scene.namespace.until_reason("sent", "AwaitingResult").await;
    scene.controller.process.kill().await;
    scene.callback.process.kill().await;

    scene.namespace.apply(&rights(ALL)).await;
    let restricted = Restricted::on(scene.namespace.cluster);
    let both = [&scene.namespace, &other];
    let listen = ["--listen", &scene.callback.address];
    let _callback = Callback::start_as(&mut restricted.command("callback", &both), &listen).await;
    let _controller = Controller::start_as(&mut restricted.command("controller", &both), &[]).await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/sent").await;
    scene.namespace.create(&fixtures::activation("new", 1)).await;
    let (_, message) = why(&scene.namespace.until_reason("new", "NamespaceNotListed").await);
    assert!(message.contains(&format!("euiccactivations of namespace {}", other.name)), "{message}");
    assert!(message.contains("User \"operator\" cannot list"), "{message}");
    assert_eq!(scene.simulator.activate_posts().await.len(), 1, "the other may have the device");

    let mut orphan = fixtures::activation("orphan", 1);
    orphan.spec.connection_ref.namespace = Some(other.name.clone());
    scene.namespace.create(&orphan).await;
    let (_, message) = why(&scene.namespace.until_reason("orphan", "NamespaceNotListed").await);
    assert!(message.contains(&format!("thingspaceconnections of namespace {}", other.name)), "{message}");

    other.apply(&rights(ALL)).await;
    scene.namespace.until_reason("new", "AwaitingResult").await;
    scene.namespace.until_reason("orphan", "ConnectionNotFound").await;
}
