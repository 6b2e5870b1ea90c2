//! What happens in a cluster with a Deployment: its pods' containers are run with their arguments, their environment, the
//! token of their service account and their Secrets. Images are the binary under test; each pod has an address of its own.

use std::{
    net::Ipv4Addr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Container, PodSpec, PodTemplateSpec, Secret},
};
use kube::{ResourceExt, api::ListParams};
use serde_json::json;
use tempfile::TempDir;

use super::{Admin, Namespace, Output, Process, Release, fixtures, repository};

/// A pod that runs.
pub struct Pod {
    /// Its name, which the processes know.
    pub name: String,
    /// `controller` or `callback`, as its label says.
    pub component: String,
    /// The user that the API server knows it as.
    pub user: String,
    /// What its ports are on.
    pub address: Ipv4Addr,
    /// As its Deployment wants it.
    pub template: PodTemplateSpec,
    /// Its containers by name.
    pub containers: Vec<(String, Process, Admin)>,
    namespace: Namespace,
    volumes: TempDir,
}

impl Pod {
    /// Starts the pods of each Deployment of a release; does not wait until they are ready.
    pub async fn start_all(release: &Release) -> Vec<Self> {
        let of_release = ListParams::default().labels(&format!("app.kubernetes.io/instance={}", release.name));
        let deployments = release.namespace.api::<Deployment>().list(&of_release).await.unwrap();
        let mut pods = Vec::new();
        for deployment in deployments {
            let spec = deployment.spec.clone().unwrap();
            for n in 0..spec.replicas.unwrap() {
                let name = format!("{}-{n}", deployment.name_any());
                pods.push(Self::start(&release.namespace, name, spec.template.clone()).await);
            }
        }
        pods
    }

    async fn start(namespace: &Namespace, name: String, template: PodTemplateSpec) -> Self {
        let component =
            template.metadata.as_ref().unwrap().labels.as_ref().unwrap()["app.kubernetes.io/component"].clone();
        let account = template.spec.as_ref().unwrap().service_account_name.clone().unwrap();
        let mut pod = Self {
            name,
            component,
            user: format!("system:serviceaccount:{}:{account}", namespace.name),
            address: address(),
            template,
            containers: Vec::new(),
            namespace: namespace.clone(),
            volumes: tempfile::tempdir().unwrap(),
        };
        pod.refresh_volumes().await;
        let kubeconfig = kubeconfig(namespace, &pod.user).await;
        for container in pod.spec().containers.clone() {
            let mut command = pod.command(&container);
            command.env("KUBECONFIG", &kubeconfig);
            let mut process = Process::start(&format!("{} in {}", container.name, pod.name), &command);
            let admin = Admin::of(&mut process).await;
            pod.containers.push((container.name, process, admin));
        }
        pod
    }

    /// Waits until all of its containers are ready.
    pub async fn ready(&self) {
        for (_, _, admin) in &self.containers {
            admin.ready().await;
        }
    }

    /// Whether they are.
    pub async fn is_ready(&self) -> bool {
        for (_, _, admin) in &self.containers {
            if admin.get("/readyz").await.map(|(status, _)| status) != Ok(200) {
                return false;
            }
        }
        true
    }

    /// Ends it in the middle of whatever it does, as a node that fails.
    pub async fn kill(&mut self) {
        for (_, process, _) in &mut self.containers {
            process.kill().await;
        }
    }

    /// Brings mounted Secrets up to date: all files of one at once, by a link.
    pub async fn refresh_volumes(&self) {
        for volume in self.spec().volumes.iter().flatten() {
            let Some(source) = &volume.secret else { continue };
            let secret: Secret = self.namespace.secrets().get(source.secret_name.as_ref().unwrap()).await.unwrap();
            let folder = self.volume(&volume.name);
            let version = folder.join(format!("..{}", secret.resource_version().unwrap()));
            std::fs::create_dir_all(&version).unwrap();
            for (file, content) in secret.data.iter().flatten() {
                std::fs::write(version.join(file), &content.0).unwrap();
                let link = folder.join(file);
                if !link.is_symlink() {
                    symlink(Path::new("..data").join(file), link).unwrap();
                }
            }
            symlink(&version, folder.join("..new")).unwrap();
            std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
        }
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.volumes.path().join(name)
    }

    fn spec(&self) -> &PodSpec {
        self.template.spec.as_ref().unwrap()
    }

    /// The number of one of its ports.
    pub fn port(&self, name: &str) -> u16 {
        let ports = self.spec().containers.iter().flat_map(|c| c.ports.iter().flatten());
        let port = ports.into_iter().find(|port| port.name.as_deref() == Some(name));
        port.unwrap_or_else(|| panic!("{} has no port {name}", self.name)).container_port.try_into().unwrap()
    }

    /// What its callback endpoint tells of itself, if it has one.
    pub fn callback(&self) -> Option<&Admin> {
        self.containers.iter().find_map(|(name, _, admin)| (name == "callback").then_some(admin))
    }

    /// Where ThingSpace reaches it for the connection of a namespace, if it takes callbacks.
    pub fn callback_url(&self, namespace: &Namespace) -> Option<String> {
        self.callback().map(|_| {
            let authority = format!("{}:{}", self.address, self.port("callback"));
            format!("http://{authority}/v1/callbacks/{}/{}", namespace.name, fixtures::CONNECTION)
        })
    }

    fn command(&self, container: &Container) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_euicc-operator"));
        for arg in container.args.iter().flatten() {
            let mut arg = arg.replace("=0.0.0.0:", &format!("={}:", self.address));
            for mount in container.volume_mounts.iter().flatten() {
                arg = arg.replace(&mount.mount_path, self.volume(&mount.name).to_str().unwrap());
            }
            command.arg(arg);
        }
        for env in container.env.iter().flatten() {
            let field = env.value_from.as_ref().and_then(|from| from.field_ref.as_ref()).map(|f| f.field_path.as_str());
            let value = match (&env.value, field) {
                (Some(value), _) => value.clone(),
                (None, Some("metadata.name")) => self.name.clone(),
                (None, Some("metadata.namespace")) => self.namespace.name.clone(),
                other => panic!("{}: {other:?}", env.name),
            };
            command.env(&env.name, value);
        }
        command
    }
}

/// Tells Kubernetes that all pods of a release are available, as its controllers do.
pub async fn report(release: &Release, pods: &[Pod]) {
    for pod in pods {
        pod.ready().await;
    }
    let of_release = ListParams::default().labels(&format!("app.kubernetes.io/instance={}", release.name));
    for deployment in release.namespace.api::<Deployment>().list(&of_release).await.unwrap() {
        let (all, generation) = (deployment.spec.as_ref().unwrap().replicas, deployment.metadata.generation);
        let status = json!({
            "observedGeneration": generation, "replicas": all, "updatedReplicas": all, "readyReplicas": all,
            "availableReplicas": all,
        });
        let patch = json!({ "status": status }).to_string();
        let name = deployment.name_any();
        let args = ["patch", "deployment", &name, "--subresource=status", "--type=merge", "--patch", &patch];
        release.namespace.kubectl(&args).await.success();
    }
}

/// On loopback, and nobody else's.
fn address() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    assert_ne!(count, 0, "more than 255 pods in one run");
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high, low, count)
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
