//! The rights in `deploy/rbac.yaml` are enough: both processes work with them, and are refused nothing.

use std::path::PathBuf;

use crate::support::*;

/// Writes a kubeconfig of a service account; the account must exist.
fn kubeconfig(account: &str) -> PathBuf {
    let folder = control_plane().kubeconfig.parent().unwrap().to_owned();
    let user = format!("system:serviceaccount:euicc-operator:{account}");
    let script = repository("tests/controlplane/kubeconfig.sh");
    let made = control_plane().program(script.to_str().unwrap()).arg(&folder).arg(user).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = folder.join(format!("{account}.kubeconfig"));
    std::fs::write(&file, made.stdout).unwrap();
    file
}

#[tokio::test]
async fn both_processes_work_with_their_service_accounts_and_are_refused_nothing() {
    let namespace = Namespace::new("rights").await;
    let rbac = repository("deploy/rbac.yaml");
    let applied = control_plane().kubectl().args(["apply", "-f"]).arg(&rbac).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let process = |account: &str, name: &str| {
        let mut command = operator();
        command.env("KUBECONFIG", kubeconfig(account)).args([name, "--watch-namespace", &namespace.name]);
        command
    };
    let simulator = Simulator::start(QUICK).await;
    let callback = Callback::start_as(&mut process("euicc-operator-callback", "callback"), &[]).await;
    callback.admin.ready().await;
    let url = callback.url(&namespace, fixtures::CONNECTION);
    namespace.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
    let mut controller = process("euicc-operator-controller", "controller");
    controller.args(["--leader-elect", "true", "--leader-election-namespace", "euicc-operator"]);
    let controller = Controller::start_as(&mut controller, &[]).await;
    controller.admin.ready().await;

    let mut object = fixtures::activation("forklift", 1);
    object.spec.deletion_policy = euicc_operator::api::DeletionPolicy::Deactivate;
    object.spec.deactivation =
        Some(euicc_operator::api::Deactivation { reason_code: euicc_operator::api::ReasonCode::FF, etf_waiver: false });
    namespace.create(&object).await;
    namespace.until("forklift", "Ready", |o| holds(o, "Ready")).await;
    namespace.until_events("forklift", &["Activated"]).await;
    namespace.kubectl(&["delete", "euicc", "forklift", "--timeout=60s"]).await.success();

    let refused: Vec<_> = namespace.requests().into_iter().filter(|e| e.response_status.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for process in [&controller.process, &callback.process] {
        assert!(!process.output().contains("orbidden"), "{}", process.output());
    }
}
