//! Kinds of others that the chart can make: Prometheus operator, cert-manager, gateways.

use serde_json::json;
use tokio::sync::OnceCell;

use super::Namespace;

/// As far as the API server must know them.
const FOREIGN: [(&str, &str, &str); 6] = [
    ("monitoring.coreos.com", "v1", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "PodMonitor"),
    ("monitoring.coreos.com", "v1", "PrometheusRule"),
    ("cert-manager.io", "v1", "Certificate"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
    ("gateway.envoyproxy.io", "v1alpha1", "SecurityPolicy"),
];

/// Has the API server know them. Once: tests that run side by side would race to create them.
pub async fn establish_foreign_kinds(namespace: &Namespace) {
    static ESTABLISHED: OnceCell<()> = OnceCell::const_new();
    ESTABLISHED.get_or_init(|| establish(namespace)).await;
}

async fn establish(namespace: &Namespace) {
    let kinds = foreign_kinds();
    namespace.apply(&kinds).await;
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "-f", "-"];
    namespace.kubectl_with(&wait, &kinds).await.success();
}

fn foreign_kinds() -> String {
    let kinds = FOREIGN.map(|(group, version, kind)| {
        let plural = if kind.ends_with('y') { kind.replace("Policy", "Policies") } else { format!("{kind}s") };
        let plural = plural.to_lowercase();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            // The Gateway API's group is protected, and says so.
            "metadata": {"name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {
                "group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": version, "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}],
            },
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": kinds}).to_string()
}
