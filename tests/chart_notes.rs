//! What helm prints after an installation: its commands work as they stand, and it warns of what matters.

use rstest::rstest;

use crate::support::{
    ControlPlane, Namespace, Output, Pod, QUICK, Release, Simulator, control_plane, helm, hook, report,
};

const INGRESS: &str = "{ingress: {enabled: true, hosts: [esim.example.com]}}";

#[rstest]
#[case::nothing_given("{}")]
#[case::with_an_ingress("callback: INGRESS")]
#[tokio::test]
async fn who_does_what_helm_says_has_a_connection_that_is_ready(#[case] values: &str) {
    // It watches all namespaces, so the cluster is its own.
    let cluster =
        tokio::task::spawn_blocking(|| ControlPlane::bare(&format!("notes-{}", crate::support::fixtures::next())));
    let cluster: &'static ControlPlane = Box::leak(Box::new(cluster.await.unwrap())); // it ends with this test binary
    let ops = Namespace::new_on(cluster, "ops").await;
    let simulator = Simulator::start(QUICK).await;
    let install = ["install", "euicc-operator", "CHART", "--namespace", &ops.name];
    let notes = helm(cluster, &install, &values.replace("INGRESS", INGRESS)).await.success();
    let release = Release { name: "euicc-operator".into(), namespace: ops.clone() };
    let pods = Pod::start_all(&release).await;
    report(&release, &pods).await;

    let script = commands(&notes)
        .replace("clientId=…", "clientId=sim-key")
        .replace("clientSecret=…", "clientSecret=sim-secret")
        .replace("username=…", "username=sim-user")
        .replacen("password=…", "password=sim-pass", 1)
        .replace("password=…", "password=of-our-choice")
        .replace("spec:\n", &format!("spec:\n  endpoint: {}\n  insecureEndpoint: true\n", simulator.endpoint()));
    assert!(!script.contains('…'), "{script}");
    assert_eq!(script.contains("url: https://esim.example.com/v1/callbacks/fleet/verizon"), values.contains("INGRESS"));
    let mut shell = cluster.program("sh");
    shell.args(["-ec", &script]);
    let (said, tested) = tokio::join!(Output::of(shell, ""), hook::run(&release, &pods));
    tested.success();
    let said = said.success();
    assert!(said.contains("thingspaceconnection.euicc-operator.io/verizon condition met"), "{said}");
    assert!(said.contains("successfully rolled out") && said.contains("mdnZipCode"), "{said}");
}

/// Values, and what each warning begins with.
#[rstest]
#[case::nothing_given("{}", &["ThingSpace cannot reach the callback endpoint"])]
#[case::ingress("callback: INGRESS", &[])]
#[case::gateway("callback: {httpRoute: {enabled: true, parentRefs: [{name: gateway}], hostnames: [esim.example.com]}}", &[])]
#[case::load_balancer("callback: {service: {type: LoadBalancer}}", &["the callback endpoint speaks plain HTTP"])]
#[case::load_balancer_with_tls("callback: {service: {type: LoadBalancer}, tls: {secretName: t}}", &[])]
#[case::tls_twice(
    "callback: {tls: {secretName: t}, httpRoute: {enabled: true, parentRefs: [{name: gateway}]}}",
    &["the callback endpoint speaks https itself"]
)]
#[case::polling("callback: {enabled: false}", &[])]
#[case::a_connection("connections: [{name: verizon, spec: {accounts: [a], credentialsSecretRef: {name: s}}}]\ncallback: INGRESS", &[])]
#[case::all_that_is_unwise(
    "crds: {keep: false}\nnetworkPolicy: {enabled: false}\ncallback: {allowedSources: [], service: {type: NodePort}}",
    &["the callback endpoint speaks plain HTTP", "callback.allowedSources is empty", "networkPolicy.enabled is false",
      "crds.keep is false"]
)]
#[tokio::test]
async fn helm_warns_of_what_matters_and_of_nothing_else(#[case] values: &str, #[case] warnings: &[&str]) {
    let cluster = tokio::task::spawn_blocking(control_plane).await.unwrap();
    let install = ["install", "euicc-operator", "CHART", "--namespace", "ops", "--dry-run=client"];
    let said = helm(cluster, &install, &values.replace("INGRESS", INGRESS)).await.success();
    let (_, notes) = said.split_once("NOTES:\n").unwrap();
    let warned: Vec<_> = notes.lines().filter_map(|line| line.strip_prefix("WARNING: ")).collect();
    assert_eq!(warned.len(), warnings.len(), "{warned:?}");
    for (warned, expected) in warned.iter().zip(warnings) {
        assert!(warned.starts_with(expected), "{warned}");
    }
    assert_eq!(notes.contains("the operator polls for results"), values == "callback: {enabled: false}");
    assert!(!notes.contains("<no value>") && !notes.contains("\n\n\n"), "{notes}");
}

/// The commands among the prose, with what belongs to them.
fn commands(notes: &str) -> String {
    let (mut script, mut document, mut more) = (String::new(), false, false);
    for line in notes.lines() {
        let begins = ["kubectl ", "helm "].iter().any(|program| line.trim_start().starts_with(program));
        if begins || document || more {
            script += line;
            script += "\n";
            document = (document && line != "EOF") || line.ends_with("<<EOF");
            more = line.ends_with('\\');
        }
    }
    script
}
