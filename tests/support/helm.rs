//! The real helm.

use serde::Deserialize;
use serde_json::Value;

use super::{ControlPlane, Namespace, Output, Pod, hook, repository};

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
        Self::install_as(&format!("euicc-operator-{}", namespace.name), namespace, values).await
    }

    /// The same under a name of one's own.
    pub async fn install_as(name: &str, namespace: &Namespace, values: &str) -> Self {
        let release = Self { name: name.into(), namespace: namespace.clone() };
        release.helm("install", &["CHART", "--set", "crds.enabled=false"], values).await.success();
        release
    }

    /// Runs a command of helm about this release.
    pub async fn helm(&self, command: &str, args: &[&str], values: &str) -> Output {
        let args = [&[command, &self.name], args, &["--namespace", &self.namespace.name]].concat();
        helm(self.namespace.cluster, &args, values).await
    }

    /// `helm test`, and beside it what runs its pod. Returns what either said.
    pub async fn test(&self, pods: &[Pod]) -> (Output, Output) {
        tokio::join!(self.helm("test", &["--timeout", "60s"], ""), hook::run(self, pods))
    }
}

/// The objects of a YAML stream.
pub fn objects(yaml: &str) -> Vec<Value> {
    let objects = serde_yaml_ng::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}
