//! The real helm.

use serde::Deserialize;
use serde_json::Value;

use super::{ControlPlane, Namespace, Output, repository};

/// An installed chart.
pub struct Release {
    /// Its name, which is that of its Deployment too.
    pub name: String,
    /// Where it is.
    pub namespace: Namespace,
}

/// Runs helm, with `values` as a values file; `CHART` stands for the operator's chart.
pub async fn helm(cluster: &ControlPlane, args: &[&str], values: &str) -> Output {
    let chart = repository("charts/euicc-operator").to_string_lossy().into_owned();
    let mut command = cluster.helm();
    command.args(args.iter().map(|arg| if *arg == "CHART" { &chart } else { *arg }));
    if !values.is_empty() {
        command.args(["--values", "-"]);
    }
    Output::of(command, values).await
}

impl Release {
    /// `helm install`, of the operator alone: its CRDs are there already.
    pub async fn install(namespace: &Namespace, values: &str) -> Self {
        // Names of ClusterRoles are for the whole cluster.
        let name = format!("euicc-operator-{}", namespace.name);
        let args = ["install", &name, "CHART", "--namespace", &namespace.name, "--set", "crds.enabled=false"];
        helm(namespace.cluster, &args, values).await.success();
        Self { name, namespace: namespace.clone() }
    }
}

/// The objects of a YAML stream.
pub fn objects(yaml: &str) -> Vec<Value> {
    let objects = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}
