//! An installation lives for years: upgrades bring new CRDs, and neither rollback nor uninstall loses an object.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::support::{ControlPlane, Namespace, Output, fixtures, helm, repository};

const CRD: &str = "thingspaceconnections.euicc-operator.io";

#[tokio::test]
async fn upgrade_rollback_uninstall_and_a_new_install_keep_every_activation_and_connection() {
    let cluster = tokio::task::spawn_blocking(|| ControlPlane::bare("upgrades")).await.unwrap();
    let cluster: &'static ControlPlane = Box::leak(Box::new(cluster)); // it ends with this test binary
    let ops = Namespace::new_on(cluster, "ops").await;
    let older = older_charts();
    let older = older.path().join("charts/euicc-operator").to_string_lossy().into_owned();
    let run = async |command: &str, chart: &str, flags: &[&str]| -> Output {
        let chart: &[&str] = if chart.is_empty() { &[] } else { &[chart] };
        let args = [&[command, "euicc-operator"], chart, &["--namespace", &ops.name], flags].concat();
        helm(cluster, &args, "").await
    };

    // With nothing but a name.
    run("install", &older, &[]).await.success();
    ops.kubectl(&["wait", "--for=condition=Established", "crd", CRD, "--timeout=30s"]).await.success();
    ops.apply(&fixtures::connection("http://127.0.0.1:1/api", None)).await;
    ops.apply(&fixtures::yaml(&fixtures::activation("forklift", 1))).await;
    let objects =
        async || ops.kubectl(&["get", "tsc,euicc", "-o", "jsonpath={.items[*].metadata.uid}"]).await.success();
    let kept = objects().await;
    assert_eq!(kept.split(' ').count(), 2);
    assert!(!knows_in_flight(&ops).await);

    run("upgrade", "CHART", &[]).await.success();
    assert!(knows_in_flight(&ops).await, "the new CRD");
    let before = versions(&ops).await;
    run("upgrade", "CHART", &[]).await.success();
    assert_eq!(versions(&ops).await, before, "the same values change nothing");

    run("rollback", "", &[]).await.success();
    run("rollback", "1", &[]).await.success();
    assert!(!knows_in_flight(&ops).await, "the old CRD");
    assert_eq!(objects().await, kept);

    run("uninstall", "", &[]).await.success();
    assert_eq!(objects().await, kept);
    let left = ops.kubectl(&["get", KINDS, "-A", "-o", "name", "-l", "app.kubernetes.io/name=euicc-operator"]).await;
    assert_eq!(left.success(), "", "but for its CRDs, all is gone");

    run("install", "CHART", &[]).await.success();
    assert!(knows_in_flight(&ops).await);
    assert_eq!(objects().await, kept);
    run("uninstall", "", &[]).await.success();

    // Somebody else's are not taken without a word.
    let other = ["install", "other", "CHART", "--namespace", &ops.name];
    let refused = helm(cluster, &other, "").await.failure();
    assert!(refused.contains("cannot be imported into the current release"), "{refused}");
    helm(cluster, &[&other[..], &["--take-ownership"]].concat(), "").await.success();
    assert_eq!(objects().await, kept);
}

#[tokio::test]
async fn connections_of_values_come_after_the_crds_and_stay_when_the_release_goes() {
    let cluster = tokio::task::spawn_blocking(|| ControlPlane::bare("connections")).await.unwrap();
    let cluster: &'static ControlPlane = Box::leak(Box::new(cluster)); // it ends with this test binary
    let ops = Namespace::new_on(cluster, "ops").await;
    let values =
        "connections: [{name: verizon, spec: {accounts: [0000123456-00001], credentialsSecretRef: {name: s}}}]";
    let install = ["install", "euicc-operator", "CHART", "--namespace", &ops.name];
    let refused = helm(cluster, &install, values).await.failure();
    assert!(refused.contains("ensure CRDs are installed first"), "{refused}");

    let crds = repository("charts/euicc-operator-crds").to_string_lossy().into_owned();
    helm(cluster, &["install", "crds", &crds, "--namespace", &ops.name], "").await.success();
    ops.kubectl(&["wait", "--for=condition=Established", "crd", CRD, "--timeout=30s"]).await.success();
    let apart = [&install[..], &["--set", "crds.enabled=false"]].concat();
    let typo = helm(cluster, &apart, &values.replace("accounts:", "acounts: [], accounts:")).await.failure();
    assert!(typo.contains(".spec.acounts: field not declared in schema"), "{typo}");
    helm(cluster, &["uninstall", "euicc-operator", "--namespace", &ops.name], "").await.success();
    helm(cluster, &apart, values).await.success();
    let uid = async || ops.kubectl(&["get", "tsc", "verizon", "-o", "jsonpath={.metadata.uid}"]).await.success();
    let kept = uid().await;
    for name in ["euicc-operator", "crds"] {
        helm(cluster, &["uninstall", name, "--namespace", &ops.name], "").await.success();
    }
    assert_eq!(uid().await, kept);
}

/// Kinds that a release has, but for CRDs.
const KINDS: &str =
    "deployments,services,serviceaccounts,networkpolicies,roles,rolebindings,clusterroles,clusterrolebindings";

/// The resource version of everything that the release has.
async fn versions(ops: &Namespace) -> String {
    let columns = "-o=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
    let kinds = format!("{KINDS},crds");
    let found =
        ops.kubectl(&["get", &kinds, "-A", "-l", "app.kubernetes.io/name=euicc-operator", columns]).await.success();
    assert!(found.lines().count() > 10, "{found}");
    found
}

async fn knows_in_flight(ops: &Namespace) -> bool {
    let crd: Value = serde_json::from_str(&ops.kubectl(&["get", "crd", CRD, "-o", "json"]).await.success()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    assert!(spec["limits"]["properties"]["activationsPerMinute"].is_object());
    spec["limits"]["properties"]["inFlight"].is_object()
}

/// The charts as they were when connections had no `limits.inFlight` yet.
fn older_charts() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(repository("charts")).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let charts = copy.path().join("charts");
    edit(&charts.join("euicc-operator-crds/files/thingspaceconnections.yaml"), |crd| {
        let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let limits = &mut spec["properties"]["limits"];
        limits["properties"].as_object_mut().unwrap().remove("inFlight").unwrap();
        limits["default"].as_object_mut().unwrap().remove("inFlight").unwrap();
    });
    for chart in ["euicc-operator", "euicc-operator-crds"] {
        edit(&charts.join(chart).join("Chart.yaml"), |about| about["appVersion"] = "0.0.9".into());
    }
    copy
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(file, serde_yaml_ng::to_string(&value).unwrap()).unwrap();
}
