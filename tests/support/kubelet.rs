//! What a kubelet does with a Deployment's pod: runs its containers with their arguments, their environment, and the
//! token of their service account. Images are the binary under test.

use std::{net::TcpListener, path::PathBuf, process::Command};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Container};
use kube::{ResourceExt, api::ListParams};

use super::{Admin, Namespace, Output, Process, Release, repository};

/// A pod that runs.
pub struct Pod {
    /// `controller` or `callback`, as its label says.
    pub component: String,
    /// The user that the API server knows it as.
    pub user: String,
    /// Its containers by name.
    pub containers: Vec<(String, Process, Admin)>,
}

impl Pod {
    /// Starts a pod of each Deployment of a release; does not wait until they are ready.
    pub async fn start_all(release: &Release) -> Vec<Self> {
        let of_release = ListParams::default().labels(&format!("app.kubernetes.io/instance={}", release.name));
        let deployments = release.namespace.api::<Deployment>().list(&of_release).await.unwrap();
        let mut pods = Vec::new();
        for deployment in deployments {
            pods.push(Self::start(&release.namespace, deployment).await);
        }
        pods
    }

    async fn start(namespace: &Namespace, deployment: Deployment) -> Self {
        let name = deployment.name_any();
        let component = deployment.labels()["app.kubernetes.io/component"].clone();
        let spec = deployment.spec.unwrap().template.spec.unwrap();
        let user = format!("system:serviceaccount:{}:{}", namespace.name, spec.service_account_name.unwrap());
        let kubeconfig = kubeconfig(namespace, &user).await;
        let mut containers = Vec::new();
        for container in spec.containers {
            let mut command = command(&container, namespace, &name);
            command.env("KUBECONFIG", &kubeconfig);
            let mut process = Process::start(&container.name, &command);
            let admin = Admin::of(&mut process).await;
            containers.push((container.name, process, admin));
        }
        Self { component, user, containers }
    }
}

fn command(container: &Container, namespace: &Namespace, deployment: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_euicc-operator"));
    command.args(container.args.iter().flatten());
    for env in container.env.iter().flatten() {
        let field = env.value_from.as_ref().and_then(|from| from.field_ref.as_ref()).map(|f| f.field_path.as_str());
        let value = match (&env.value, field) {
            (Some(value), _) => value.clone(),
            (None, Some("metadata.name")) => format!("{deployment}-0"),
            (None, Some("metadata.namespace")) => namespace.name.clone(),
            other => panic!("{}: {other:?}", env.name),
        };
        command.env(&env.name, value);
    }
    command
}

/// A kubeconfig with a real token of the service account.
async fn kubeconfig(namespace: &Namespace, user: &str) -> PathBuf {
    let folder = namespace.cluster.kubeconfig.parent().unwrap();
    let mut command = namespace.cluster.program(repository("tests/controlplane/kubeconfig.sh").to_str().unwrap());
    command.arg(folder).arg(user);
    let file = folder.join(format!("{}.kubeconfig", user.replace(':', "-")));
    std::fs::write(&file, Output::of(command, "").await.success()).unwrap();
    file
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
