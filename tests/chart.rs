//! The Helm charts: what they make of values, what they refuse, and what they are made from.

use std::{collections::BTreeSet, path::Path, process::Command};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Namespace, Output, control_plane, establish_foreign_kinds, helm, objects, repository};

/// What every installation has, by kind and by what follows the release's name.
const CORE: &[&str] = &[
    "ServiceAccount",
    "Deployment",
    "Service-callback",
    "Service-metrics",
    "NetworkPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterRole-namespaces",
    "ClusterRoleBinding-namespaces",
    "ClusterRole-view",
    "ClusterRole-edit",
    "ClusterRole-admin",
    "Role-leader-election",
    "RoleBinding-leader-election",
    "Pod-ready",
];

/// Values, what they add to [`CORE`], and what they take away.
#[rstest]
#[case::nothing_given("{}", &[], &[])]
#[case::polling_only("callback: {enabled: false}", &[], &["Service-callback"])]
#[case::standalone(
    "callback: {mode: standalone, podDisruptionBudget: {enabled: true}}",
    &["ServiceAccount-callback", "Deployment-callback", "Service-callback-metrics", "NetworkPolicy-callback",
      "ClusterRole-callback", "ClusterRoleBinding-callback", "PodDisruptionBudget-callback"],
    &[]
)]
#[case::several_replicas("replicaCount: 3\npodDisruptionBudget: {enabled: true, maxUnavailable: 50%}", &["PodDisruptionBudget"], &[])]
#[case::without_leader_election("leaderElection: {enabled: false}", &[], &["Role-leader-election", "RoleBinding-leader-election"])]
#[case::one_namespace(
    "watchNamespaces: [NAMESPACE]",
    &["Role", "RoleBinding"],
    &["ClusterRole", "ClusterRoleBinding", "ClusterRole-namespaces", "ClusterRoleBinding-namespaces",
      "ClusterRole-view", "ClusterRole-edit", "ClusterRole-admin"]
)]
#[case::rights_from_elsewhere(
    "rbac: {create: false}\nserviceAccount: {create: false, name: theirs}\nnetworkPolicy: {enabled: false}\nmetrics: {service: {enabled: false}}",
    &[],
    &["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ClusterRole-namespaces", "ClusterRoleBinding-namespaces",
      "ClusterRole-view", "ClusterRole-edit", "ClusterRole-admin", "Role-leader-election", "RoleBinding-leader-election",
      "NetworkPolicy", "Service-metrics", "Pod-ready"]
)]
#[case::ingress("callback: {ingress: {enabled: true, className: nginx, hosts: [esim.example.com], tls: [{secretName: t}]}}", &["Ingress-callback"], &[])]
#[case::gateway(
    "callback: {httpRoute: {enabled: true, parentRefs: [{name: gateway}], hostnames: [esim.example.com], envoySecurityPolicy: true}}",
    &["HTTPRoute-callback", "SecurityPolicy-callback"],
    &[]
)]
#[case::load_balancer_with_certificate(
    "callback: {service: {type: LoadBalancer, nodePort: 30443, ipFamilies: [IPv4]}, tls: {certManager: {enabled: true, issuerRef: {name: public, kind: ClusterIssuer}, dnsNames: [esim.example.com], duration: 2160h}}}",
    &["Certificate-callback"],
    &[]
)]
#[case::monitored(
    "metrics: {serviceMonitor: {enabled: true, interval: 30s, labels: {release: prometheus}}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}",
    &["ServiceMonitor", "PrometheusRule", "ConfigMap-dashboard"],
    &[]
)]
#[case::monitored_by_pod("metrics: {podMonitor: {enabled: true}}", &["PodMonitor"], &[])]
#[case::with_a_connection(
    "connections: [{name: verizon, spec: {accounts: [0000123456-00001], credentialsSecretRef: {name: thingspace}}}]",
    &["ThingSpaceConnection:verizon"],
    &[]
)]
#[case::with_all_that_pods_can_have(
    "
commonLabels: {team: fleet}
commonAnnotations: {owner: fleet}
global: {imagePullSecrets: [{name: a}], imageRegistry: registry.example.com}
imagePullSecrets: [{name: b}]
image: {digest: 'sha256:0123456789012345678901234567890123456789012345678901234567890123'}
podLabels: {a: b}
podAnnotations: {a: b}
priorityClassName: high
runtimeClassName: gvisor
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.1]}
hostAliases: [{ip: 192.0.2.1, hostnames: [thingspace.verizon.com]}]
otlp: {endpoint: 'http://collector:4317'}
extraArgs: [--poll-after=1m]
extraEnv: [{name: HTTPS_PROXY, value: 'http://proxy:3128'}]
extraVolumes: [{name: a, emptyDir: {}}]
extraVolumeMounts: [{name: a, mountPath: /a}]
callback: {extraEnv: [{name: A, value: b}], extraVolumeMounts: [{name: a, mountPath: /a}], tls: {secretName: t}}
extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: \"{{ .Release.Name }}-more\"}}]
",
    &["ConfigMap-more"],
    &[]
)]
#[tokio::test]
async fn what_values_make_is_complete_and_accepted_by_the_api_server(
    #[case] values: &str,
    #[case] more: &[&str],
    #[case] less: &[&str],
) {
    let namespace = Namespace::new("render").await;
    let manifest = render(&namespace, &values.replace("NAMESPACE", &namespace.name)).await.success();
    let name_of = |o: &Value| {
        let name = o["metadata"]["name"].as_str().unwrap();
        let (kind, rest) = (o["kind"].as_str().unwrap(), name.strip_prefix("euicc-operator"));
        rest.map_or(format!("{kind}:{name}"), |rest| format!("{kind}{rest}"))
    };
    let found: BTreeSet<_> = objects(&manifest).iter().map(name_of).collect();
    let expected = CORE.iter().filter(|name| !less.contains(name)).chain(more).map(|&name| name.to_owned());
    assert_eq!(found, expected.collect::<BTreeSet<_>>());

    establish_foreign_kinds(&namespace).await;
    let accepted =
        namespace.kubectl_with(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], &manifest).await;
    accepted.success();
}

/// A word in values that is wrong, and what is said of it.
#[rstest]
#[case("replicas=2", "'replicas' not allowed")]
#[case("callback.ingres.enabled=true", "'/callback': additional properties 'ingres' not allowed")]
#[case("networkPolicy.dns.port=53", "'port' not allowed")]
#[case("serviceAccount.anotations.a=b", "'anotations' not allowed")]
#[case("metrics.serviceMonitor.intervall=30s", "'intervall' not allowed")]
#[case("crds.kep=true", "'kep' not allowed")]
#[case("callback.mode=side-car", "'/callback/mode': value must be one of 'sidecar', 'standalone'")]
#[case("image.tag=1", "'/image/tag': got number, want string")]
#[case("metrics.port=0", "'/metrics/port': minimum: got 0, want 1")]
#[case("controller.pollAfter=5 minutes", "'/controller/pollAfter'")]
#[case("callback.allowedSources[0]=everybody", "'/callback/allowedSources/0'")]
#[case("connections[0].name=verizon", "'/connections/0': missing property 'spec'")]
#[case("replicaCount=2,leaderElection.enabled=false", "replicaCount above 1 needs leaderElection.enabled=true")]
#[case(
    "replicaCount=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=1",
    "Remove one."
)]
#[case("podDisruptionBudget.enabled=true", "would hold up every drain")]
#[case("callback.podDisruptionBudget.enabled=true,callback.replicaCount=1", "would hold up every drain")]
#[case(
    "replicaCount=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=2",
    "would hold up every drain"
)]
#[case(
    "replicaCount=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=100%",
    "would hold up every drain"
)]
#[case(
    "replicaCount=2,podDisruptionBudget.enabled=true,podDisruptionBudget.maxUnavailable=0",
    "would hold up every drain"
)]
#[case("metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true", "twice. Enable one of them.")]
#[case("metrics.serviceMonitor.enabled=true,metrics.service.enabled=false", "needs metrics.service.enabled=true")]
#[case("callback.ingress.enabled=true", "needs callback.ingress.hosts")]
#[case("callback.httpRoute.enabled=true", "needs callback.httpRoute.parentRefs")]
#[case("callback.tls.certManager.enabled=true", "needs issuerRef.name and dnsNames")]
#[tokio::test]
async fn what_is_wrong_in_values_is_refused_and_named(#[case] wrong: &str, #[case] said: &str) {
    let refused = helm(control_plane_of().await, &["template", "euicc-operator", "CHART", "--set", wrong], "").await;
    let message = refused.failure();
    assert!(message.contains(said), "{message}");
}

#[tokio::test]
async fn alerts_link_to_the_runbooks_where_they_are() {
    let values = "metrics: {prometheusRule: {enabled: true, runbookUrl: 'https://wiki.example.com/euicc'}}";
    let namespace = Namespace::new("render").await;
    let manifest = render(&namespace, values).await.success();
    assert!(manifest.contains("runbook_url: https://wiki.example.com/euicc#euicccontrollerdown"), "{manifest}");
    assert!(!manifest.contains("runbook_url: docs/"), "{manifest}");
}

#[tokio::test]
async fn a_connection_that_nobody_would_watch_is_refused() {
    let values = "watchNamespaces: [fleet]\n\
                  connections: [{name: verizon, namespace: depot, spec: {accounts: [a], credentialsSecretRef: {name: s}}}]";
    let namespace = Namespace::new("render").await;
    let message = render(&namespace, values).await.failure();
    assert!(
        message.contains("connection verizon is for namespace depot, which is not in watchNamespaces"),
        "{message}"
    );
}

#[tokio::test]
async fn helm_lint_has_nothing_to_say() {
    for chart in ["charts/euicc-operator", "charts/euicc-operator-crds"] {
        let chart = repository(chart).to_string_lossy().into_owned();
        let said = helm(control_plane_of().await, &["lint", "--strict", &chart], "").await.success();
        assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
    }
}

/// The rules of Pod Security's level `restricted`, and more.
#[tokio::test]
async fn no_pod_may_more_than_it_needs() {
    let namespace = Namespace::new("render").await;
    let manifest = render(&namespace, "callback: {mode: standalone}").await.success();
    let pods: Vec<Value> = objects(&manifest)
        .into_iter()
        .filter_map(|o| match o["kind"].as_str().unwrap() {
            "Deployment" => Some(o["spec"]["template"].clone()),
            "Pod" => Some(o),
            _ => None,
        })
        .collect();
    assert_eq!(pods.len(), 3);
    for pod in pods {
        let spec = &pod["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["securityContext"]["runAsUser"], 65532);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert!(spec["hostNetwork"].is_null() && spec["hostPID"].is_null());
        for container in spec["containers"].as_array().unwrap() {
            let may = &container["securityContext"];
            assert_eq!(may["allowPrivilegeEscalation"], false);
            assert_eq!(may["readOnlyRootFilesystem"], true);
            assert_eq!(may["capabilities"], json!({"drop": ["ALL"]}));
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
}

#[tokio::test]
async fn thingspace_alone_is_let_in_by_every_way() {
    let contract = std::fs::read_to_string(repository("docs/thingspace-contract.md")).unwrap();
    let row = contract.lines().find(|line| line.contains("Source addresses:")).unwrap();
    let addresses: Vec<_> = row
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .filter(|word| word.parse::<std::net::Ipv4Addr>().is_ok())
        .map(|address| format!("{address}/32"))
        .collect();
    assert_eq!(addresses.len(), 8, "{row}");

    let namespace = Namespace::new("render").await;
    let values = "callback: {service: {type: LoadBalancer}}";
    let made = objects(&render(&namespace, values).await.success());
    let find = |made: &[Value], kind: &str, name: &str| {
        made.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name).unwrap().clone()
    };
    let service = find(&made, "Service", "euicc-operator-callback");
    assert_eq!(service["spec"]["loadBalancerSourceRanges"], json!(addresses));
    assert_eq!(service["spec"]["externalTrafficPolicy"], "Local", "else the caller's address is lost");
    let policy = find(&made, "NetworkPolicy", "euicc-operator");
    let callers = |policy: &Value| {
        let mut rules = policy["spec"]["ingress"].as_array().unwrap().iter();
        rules.find(|rule| rule["ports"][0]["port"] == "callback").unwrap()["from"].clone()
    };
    let peers: Vec<_> = addresses.iter().map(|address| json!({"ipBlock": {"cidr": address}})).collect();
    assert_eq!(callers(&policy), json!(peers));
    let values = "callback: {service: {type: LoadBalancer, externalTrafficPolicy: Cluster}}";
    let made = objects(&render(&namespace, values).await.success());
    let policy = find(&made, "NetworkPolicy", "euicc-operator");
    assert_eq!(callers(&policy), Value::Null, "nodes pass the calls on, under addresses of their own");

    let values = "callback: {ingress: {enabled: true, hosts: [a.example]}, \
                  httpRoute: {enabled: true, parentRefs: [{name: g}], envoySecurityPolicy: true}}";
    let made = objects(&render(&namespace, values).await.success());
    let ingress = find(&made, "Ingress", "euicc-operator-callback");
    let annotation = &ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/whitelist-source-range"];
    assert_eq!(annotation, &json!(addresses.join(",")));
    let policy = find(&made, "SecurityPolicy", "euicc-operator-callback");
    assert_eq!(policy["spec"]["authorization"]["rules"][0]["principal"]["clientCIDRs"], json!(addresses));
    assert_eq!(policy["spec"]["authorization"]["defaultAction"], "Deny");
}

#[tokio::test]
async fn helm_test_is_let_in_where_only_prometheus_may_read_metrics() {
    let namespace = Namespace::new("render").await;
    let values = "networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}";
    let made = objects(&render(&namespace, values).await.success());
    let of_kind = |kind: &str| made.iter().find(|o| o["kind"] == kind).unwrap();
    let labels = of_kind("Pod")["metadata"]["labels"].as_object().unwrap();
    for port in ["metrics", "callback-admin"] {
        let rules = of_kind("NetworkPolicy")["spec"]["ingress"].as_array().unwrap();
        let peers = rules.iter().find(|rule| rule["ports"][0]["port"] == port).unwrap()["from"].as_array().unwrap();
        let [_, test] = &peers[..] else { panic!("{peers:?}") };
        let selected = test["podSelector"]["matchLabels"].as_object().unwrap();
        assert!(selected.iter().all(|(name, value)| labels.get(name) == Some(value)), "{selected:?}");
    }
}

#[tokio::test]
async fn every_value_is_explained_and_known_to_the_schema() {
    for chart in ["charts/euicc-operator", "charts/euicc-operator-crds"] {
        let read = |name: &str| std::fs::read_to_string(repository(chart).join(name)).unwrap();
        let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
        let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
        let readme = read("README.md");
        let explained: Vec<_> =
            readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        let mut leaves = Vec::new();
        compare(&values, &schema, &schema, "", &explained, &mut leaves);
        let [leaves, explained] = [leaves, explained.iter().map(|&name| name.to_owned()).collect()]
            .map(|names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>());
        assert_eq!(leaves, explained, "{chart}");
    }
}

/// Walks down values and schema together, until a value is explained; objects on the way refuse what they do not know.
fn compare(value: &Value, schema: &Value, root: &Value, path: &str, explained: &[&str], leaves: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(place) => &root.pointer(place.trim_start_matches('#')).unwrap(),
        None => &schema,
    };
    if explained.contains(&path) {
        leaves.push(path.to_owned());
        return;
    }
    let fields = value.as_object().unwrap_or_else(|| panic!("{path} is not explained"));
    if path != "global" {
        assert_eq!(schema["additionalProperties"], false, "{path} admits typos");
    }
    for (name, field) in fields {
        let known = &schema["properties"][name];
        assert!(known.is_object(), "the schema does not know {path}.{name}");
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        compare(field, known, root, &path, explained, leaves);
    }
}

#[tokio::test]
async fn the_charts_are_those_that_make_generate_writes() {
    let copy = tempfile::tempdir().unwrap();
    let run = |program: &str, args: &[&str], folder: &Path| {
        let done = Command::new(program).args(args).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run("cp", &["-r", "charts", "scripts", copy.path().to_str().unwrap()], &repository("."));
    run("scripts/chart-readme.sh", &[], copy.path());
    for kind in ["euiccactivations", "thingspaceconnections"] {
        let crd = |path: &str| std::fs::read_to_string(repository(path).join(format!("{kind}.yaml"))).unwrap();
        assert!(crd("crds") == crd("charts/euicc-operator-crds/files"), "{kind}: run `make generate`");
    }
    for chart in ["euicc-operator", "euicc-operator-crds"] {
        let read =
            |root: &Path, file: &str| std::fs::read_to_string(root.join("charts").join(chart).join(file)).unwrap();
        let readme = "README.md";
        assert!(read(copy.path(), readme) == read(&repository("."), readme), "{chart}: run `make generate`");
        let about: Value = serde_yaml_ng::from_str(&read(&repository("."), "Chart.yaml")).unwrap();
        assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
        assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn the_crds_of_the_chart_are_those_of_the_types_and_stay_unless_told_otherwise() {
    let chart = repository("charts/euicc-operator-crds").to_string_lossy().into_owned();
    let template = async |flags: &[&str]| {
        let args = [&["template", "crds", &chart], flags].concat();
        objects(&helm(control_plane_of().await, &args, "").await.success())
    };
    let made = template(&[]).await;
    let types: Vec<_> =
        euicc_operator::api::crds().unwrap().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    assert_eq!(made.len(), types.len());
    for (made, of_type) in made.iter().zip(types) {
        assert_eq!(made["metadata"]["name"], of_type["metadata"]["name"]);
        assert_eq!(made["spec"], whole(&of_type["spec"]));
        assert_eq!(made["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
    }
    let loose = template(&["--set", "keep=false,labels.team=fleet,annotations.owner=fleet"]).await;
    assert_eq!(loose[0]["metadata"]["annotations"], json!({"owner": "fleet"}));
    assert_eq!(loose[0]["metadata"]["labels"]["team"], "fleet");
}

/// The same, with 1 for 1.0.
fn whole(value: &Value) -> Value {
    match value {
        Value::Number(n) if n.as_f64().unwrap().fract() == 0.0 => json!(n.as_f64().unwrap() as i64),
        Value::Array(list) => list.iter().map(whole).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), whole(value))).collect(),
        other => other.clone(),
    }
}

async fn control_plane_of() -> &'static crate::support::ControlPlane {
    tokio::task::spawn_blocking(control_plane).await.unwrap()
}

/// Without CRDs: the shared cluster has them.
async fn render(namespace: &Namespace, values: &str) -> Output {
    let args = ["template", "euicc-operator", "CHART", "--namespace", &namespace.name, "--set", "crds.enabled=false"];
    helm(namespace.cluster, &args, values).await
}
