//! The operator's two processes.

use std::process::Command;

use reqwest::Client;

use super::{LONG, Namespace, Process, SHORT, control_plane, eventually, simulator::http_client};

/// `euicc-operator controller`, watching one namespace.
pub struct Controller {
    /// For its output and for signals.
    pub process: Process,
    /// Health and metrics.
    pub admin: Admin,
}

/// `euicc-operator callback`.
pub struct Callback {
    /// For its output and for signals.
    pub process: Process,
    /// Health and metrics.
    pub admin: Admin,
    /// Where it takes callbacks: `127.0.0.1:PORT`. Start the next one with `--listen` on it, and its URLs stay good.
    pub address: String,
}

/// The admin port of a process.
pub struct Admin {
    url: String,
    http: Client,
}

impl Controller {
    /// Starts it; does not wait until it is ready, see [`Admin::ready`].
    pub async fn start(namespace: &Namespace, flags: &[&str]) -> Self {
        Self::start_as(operator().arg("controller").args(["--watch-namespace", &namespace.name]), flags).await
    }

    /// Starts a command of one's own making, for example as another user.
    pub async fn start_as(command: &mut Command, flags: &[&str]) -> Self {
        command.args(defaults(flags, &["--admin-listen"])).args(flags);
        let mut process = Process::start("euicc-operator controller", command);
        let admin = Admin::of(&mut process).await;
        Self { process, admin }
    }
}

impl Callback {
    /// Starts it; does not wait until it is ready, see [`Admin::ready`].
    pub async fn start(flags: &[&str]) -> Self {
        Self::start_as(operator().arg("callback"), flags).await
    }

    /// Starts a command of one's own making, for example as another user.
    pub async fn start_as(command: &mut Command, flags: &[&str]) -> Self {
        command.args(defaults(flags, &["--admin-listen", "--listen"])).args(flags);
        let mut process = Process::start("euicc-operator callback", command);
        // It has listed all activations then.
        let address = process.word_after("callbacks listening on ", 3 * LONG).await;
        let admin = Admin::of(&mut process).await;
        Self { process, admin, address }
    }

    /// The callback URL of a connection, for `spec.callback.url`.
    pub fn url(&self, namespace: &Namespace, connection: &str) -> String {
        format!("http://{}/v1/callbacks/{}/{connection}", self.address, namespace.name)
    }
}

impl Admin {
    /// Of a process that says where it listens.
    pub async fn of(process: &mut Process) -> Self {
        let address = process.word_after("admin listening on ", SHORT).await;
        Self { url: format!("http://{address}"), http: http_client() }
    }

    /// Status and body of a path: `/livez`, `/readyz`, `/metrics`; the error in words when nobody answers.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|e| e.to_string())?))
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&self) {
        eventually("the process is ready", SHORT, async || match self.get("/readyz").await {
            Ok((200, _)) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// Content type and text of the metrics page, for somebody who accepts this.
    pub async fn metrics_as(&self, accept: &str) -> (String, String) {
        let answer = self.http.get(format!("{}/metrics", self.url)).header("accept", accept).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    }

    /// The metrics page.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.unwrap().1
    }

    /// The sum of a metric over its label sets that hold all of `labels`, for example `result="accepted"`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.metrics().await;
        let samples = page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let of_name = samples.filter(|(set, _)| set.is_empty() || set.starts_with('{'));
        of_name
            .filter(|(set, _)| labels.iter().all(|l| set.contains(l)))
            .filter_map(|(_, n)| n.parse::<f64>().ok())
            .sum()
    }
}

/// The operator, as the administrator of the cluster.
pub fn operator() -> Command {
    let other = std::env::var_os("EUICC_TEST_OPERATOR");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_euicc-operator").into()));
    command.env("KUBECONFIG", &control_plane().kubeconfig);
    command
}

/// A free port for each listener that the flags do not place.
pub(super) fn defaults(flags: &[&str], listeners: &[&'static str]) -> Vec<&'static str> {
    listeners.iter().filter(|name| !flags.contains(name)).flat_map(|name| [name, "127.0.0.1:0"]).collect()
}
