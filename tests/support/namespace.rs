//! A namespace of its own for each test, and kubectl in it.

use std::{
    fmt::{self, Debug},
    io::Write,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use euicc_operator::api::{EuiccActivation, ThingSpaceConnection};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Secret};
use kube::{Api, Client, Config, Resource, config::Kubeconfig};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{AuditEvent, ControlPlane, control_plane, requests};

/// A fresh namespace.
#[derive(Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The administrator's client; each test has its own, since a client lives and dies with its runtime.
    pub client: Client,
    /// The cluster that it is in.
    pub cluster: &'static ControlPlane,
}

/// What a command answered, mostly kubectl.
#[derive(Clone)]
pub struct Output {
    /// Whether it succeeded.
    pub ok: bool,
    /// Its standard output, trimmed.
    pub stdout: String,
    /// Its standard error, trimmed.
    pub stderr: String,
}

impl Namespace {
    /// Creates a namespace whose name starts with `hint`.
    pub async fn new(hint: &str) -> Self {
        Self::new_on(shared().await, hint).await
    }

    /// Creates a namespace in another cluster.
    pub async fn new_on(cluster: &'static ControlPlane, hint: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let this = Self::open_on(cluster, &format!("{hint}-{}-{count}", std::process::id())).await;
        this.kubectl(&["create", "namespace", &this.name]).await.success();
        this
    }

    /// The namespace of that name, which need not exist yet.
    pub async fn open(name: &str) -> Self {
        Self::open_on(shared().await, name).await
    }

    /// The same in another cluster.
    pub async fn open_on(cluster: &'static ControlPlane, name: &str) -> Self {
        let config = configuration(cluster, name).await;
        Self { client: Client::try_from(config).unwrap(), name: name.into(), cluster }
    }

    /// How its administrator reaches the API server.
    pub async fn config(&self) -> Config {
        configuration(self.cluster, &self.name).await
    }

    /// Runs kubectl in this namespace.
    pub async fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(args, "").await
    }

    /// Runs kubectl in this namespace, with `input` on its standard input (`-f -`).
    pub async fn kubectl_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.cluster.kubectl();
        command.args(["--namespace", &self.name]).args(args);
        Output::of(command, input).await
    }

    /// `kubectl apply -f -`, which must succeed.
    pub async fn apply(&self, yaml: &str) {
        self.kubectl_with(&["apply", "-f", "-"], yaml).await.success();
    }

    /// Creates a typed object in this namespace.
    pub async fn create<K>(&self, object: &K) -> K
    where
        K: Resource<Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + Debug,
        K::DynamicType: Default,
    {
        self.api().create(&Default::default(), object).await.unwrap_or_else(|e| panic!("cannot create {object:?}: {e}"))
    }

    /// Typed objects of this namespace.
    pub fn api<K: Resource<Scope = NamespaceResourceScope>>(&self) -> Api<K>
    where
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Its activations.
    pub fn activations(&self) -> Api<EuiccActivation> {
        self.api()
    }

    /// Its connections.
    pub fn connections(&self) -> Api<ThingSpaceConnection> {
        self.api()
    }

    /// Its Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        self.api()
    }

    /// The activation of that name, as it stands now.
    pub async fn activation(&self, name: &str) -> EuiccActivation {
        self.activations().get(name).await.unwrap_or_else(|e| panic!("activation {name}: {e}"))
    }

    /// Merges into the status of an activation, as the operator would.
    pub async fn set_status(&self, name: &str, status: Value) {
        let patch = json!({ "status": status }).to_string();
        let args = ["patch", "euicc", name, "--subresource=status", "--type=merge", "--patch", &patch];
        self.kubectl(&args).await.success();
    }

    /// What the API server was asked about this namespace so far.
    pub fn requests(&self) -> Vec<AuditEvent> {
        requests(self.cluster, &self.name)
    }

    /// The operator's writes to one object so far, its subresources included.
    pub fn writes(&self, resource: &str, name: &str) -> Vec<AuditEvent> {
        let about = |e: &AuditEvent| e.object_ref.resource == resource && e.object_ref.name == name;
        self.requests().into_iter().filter(|e| e.is_write() && e.is_by_operator() && about(e)).collect()
    }
}

async fn configuration(cluster: &ControlPlane, namespace: &str) -> Config {
    let kubeconfig = Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    config.proxy_url = None;
    config.default_namespace = namespace.into();
    config
}

async fn shared() -> &'static ControlPlane {
    tokio::task::spawn_blocking(control_plane).await.unwrap()
}

impl Output {
    /// Runs a command to its end, with `input` on its standard input.
    pub async fn of(mut command: Command, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
            // A program that refuses its arguments does not read what we write.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Self { ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The standard output of a command that must succeed.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.ok, "the command failed: {}", self.stderr);
        self.stdout
    }

    /// The error of a command that must fail.
    #[track_caller]
    pub fn failure(self) -> String {
        assert!(!self.ok, "the command succeeded: {}", self.stdout);
        self.stderr
    }
}

impl Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.stdout, self.stderr)
    }
}
