//! What `helm install` makes runs: pods are started as its Deployments say, and `helm test` tells whether they are ready.

use std::{net::SocketAddr, path::Path, process::Command};

use euicc_operator::api::EuiccActivation;
use k8s_openapi::api::coordination::v1::Lease;
use reqwest::{Certificate, Client};
use rstest::rstest;
use serde_json::Value;

use crate::{
    callback_endpoint::failed,
    support::{HELD, Namespace, Output, Pod, QUICK, Release, SHORT, Simulator, eventually, fixtures, holds, status},
};

/// For a release that watches one namespace, on the cluster that tests share.
fn values(namespace: &Namespace, more: &str) -> String {
    format!("watchNamespaces: [{}]\n{more}", namespace.name)
}

#[rstest]
#[case::in_one_pod("sidecar")]
#[case::in_two_pods("standalone")]
#[tokio::test]
async fn helm_test_fails_with_the_reason_until_both_processes_are_ready(#[case] mode: &str) {
    let namespace = Namespace::new("helm-test").await;
    let release = Release::install(&namespace, &values(&namespace, &format!("callback: {{mode: {mode}}}"))).await;
    let (helm, pod) = release.test(&[]).await;
    assert!(helm.failure().contains("-ready"));
    let why = pod.failure();
    assert!(why.contains("not ready after 2s: nobody answers") && why.contains("/readyz"), "{why}");

    namespace.kubectl(&["delete", "role,rolebinding", &release.name]).await.success();
    let pods = Pod::start_all(&release).await;
    let (helm, pod) = release.test(&pods).await;
    helm.failure();
    let why = pod.failure();
    assert!(why.contains("says 503: euiccactivations.euicc-operator.io cannot be listed"), "{why}");

    release.helm("upgrade", &["CHART", "--reuse-values"], "").await.success();
    for pod in &pods {
        pod.ready().await;
    }
    let (helm, pod) = release.test(&pods).await;
    assert!(helm.success().contains("Succeeded"));
    assert_eq!(pod.success().lines().filter(|line| line.ends_with("is ready")).count(), 2);
    let left = namespace.kubectl(&["get", "pods", "-o", "name"]).await.success();
    assert_eq!(left, "", "what succeeded is not left behind");
}

#[tokio::test]
async fn callbacks_come_by_https_with_the_certificate_of_the_secret_and_the_renewed_one_is_picked_up() {
    let (namespace, simulator) = (Namespace::new("chart-tls").await, Simulator::start(HELD).await);
    let first = certificate(&namespace, "create").await;
    let release = Release::install(&namespace, &values(&namespace, "callback: {tls: {secretName: esim-tls}}")).await;
    let pods = Pod::start_all(&release).await;
    let url = format!("https://{HOST}:9001/v1/callbacks/{}/{}", namespace.name, fixtures::CONNECTION);
    namespace.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let waiting = namespace.until_reason("forklift", "AwaitingResult").await;
    let message = |password: &str| {
        let request_id = status(&waiting).request_id.unwrap();
        failed(&waiting.spec.devices[0], &request_id, "verizon", password)
    };
    let knock = async |trusted: &Certificate, message: &Value| {
        let address = SocketAddr::from((pods[0].address, pods[0].port("callback")));
        let http = Client::builder().no_proxy().tls_certs_only([trusted.clone()]).resolve(HOST, address);
        let url = url.replace(":9001", &format!(":{}", address.port()));
        let answer = http.build().unwrap().post(url).json(message).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}"))
    };
    assert_eq!(knock(&first, &message("wrong")).await, Ok(401));

    let second = certificate(&namespace, "replace").await;
    assert!(knock(&second, &message("wrong")).await.unwrap_err().contains("ertificate"));
    pods[0].refresh_volumes().await;
    eventually("the renewed certificate", SHORT, async || knock(&second, &message("wrong")).await).await;
    assert_eq!(knock(&second, &message(fixtures::CALLBACK_PASSWORD)).await, Ok(200));
    namespace.until("forklift", "what came by https", |o| holds(o, "Stalled")).await;
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_takes_over_when_it_fails() {
    let (namespace, simulator) = (Namespace::new("replicas").await, Simulator::start(HELD).await);
    let more = "replicaCount: 2\nleaderElection: {leaseDuration: 3s}\ncontroller: {pollAfter: 1s}\n";
    let release = Release::install(&namespace, &values(&namespace, more)).await;
    let mut pods = Pod::start_all(&release).await;
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        pod.ready().await;
    }
    namespace.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    let before = [create(&namespace, "before-1").await, create(&namespace, "before-2").await];
    for name in ["before-1", "before-2"] {
        namespace.until_reason(name, "AwaitingResult").await;
    }

    let leader = leader(&release).await;
    let failing = pods.iter_mut().find(|pod| pod.name == leader).expect("a pod leads, by its name");
    failing.kill().await;
    let after = create(&namespace, "after").await;
    simulator.let_finish().await;
    namespace.until_reason("after", "AwaitingResult").await;
    simulator.let_finish().await;
    for name in ["before-1", "before-2", "after"] {
        namespace.wait("Ready", &format!("euicc/{name}")).await;
    }
    let next = self::leader(&release).await;
    assert!(next != leader && pods.iter().any(|pod| pod.name == next), "{next}");
    let posts = simulator.activate_posts().await;
    for activation in before.iter().chain([&after]) {
        let eid = fixtures::eid_of(activation, 0);
        assert_eq!(posts.iter().filter(|post| post.is_about(&eid)).count(), 1, "{eid}");
    }
}

#[tokio::test]
async fn two_releases_in_one_namespace_work_each_for_namespaces_of_its_own() {
    let ops = Namespace::new("ops").await;
    let simulator = Simulator::start(QUICK).await;
    let mut all = Vec::new();
    for hint in ["north", "south"] {
        let team = Namespace::new(hint).await;
        let release =
            Release::install_as(&format!("euicc-operator-{hint}-{}", ops.name), &ops, &values(&team, "")).await;
        let pods = Pod::start_all(&release).await;
        let url = pods[0].callback_url(&team);
        team.apply(&fixtures::connection(&simulator.endpoint(), url.as_deref())).await;
        create(&team, "forklift").await;
        all.push((team, release, pods));
    }
    for (team, release, pods) in &all {
        team.wait("Ready", "tsc/verizon").await;
        assert_eq!(leader(release).await, pods[0].name);
    }
}

async fn create(namespace: &Namespace, name: &str) -> EuiccActivation {
    namespace.create(&fixtures::activation(name, 1)).await
}

/// Who holds the release's lease.
async fn leader(release: &Release) -> String {
    let lease = release.namespace.api::<Lease>().get(&release.name).await.unwrap();
    lease.spec.unwrap().holder_identity.unwrap()
}

const HOST: &str = "esim.example.com";

/// Writes a new certificate into the Secret `esim-tls`; it trusts itself.
async fn certificate(namespace: &Namespace, verb: &str) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (crt, key) = (file("tls.crt"), file("tls.key"));
    let mut openssl = Command::new("openssl");
    openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '));
    openssl.args([
        "-subj",
        "/CN=esim",
        "-addext",
        &format!("subjectAltName=DNS:{HOST}"),
        "-keyout",
        &key,
        "-out",
        &crt,
    ]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    Output::of(openssl, "").await.success();
    let secret =
        ["create", "secret", "tls", "esim-tls", "--cert", &crt, "--key", &key, "--dry-run=client", "-o", "yaml"];
    let secret = namespace.kubectl(&secret).await.success();
    namespace.kubectl_with(&[verb, "-f", "-"], &secret).await.success();
    Certificate::from_pem(&std::fs::read(Path::new(&crt)).unwrap()).unwrap()
}
