//! Two clients: a watch that shares one connection with many writers lags behind them.

use std::time::Duration;

use anyhow::Context;
use kube::{Client, Config};
use reqwest::header::{HeaderValue, USER_AGENT};

/// How audit logs and rate limits of the API server know us.
const NAME: HeaderValue = HeaderValue::from_static(concat!("euicc-operator/", env!("CARGO_PKG_VERSION")));

/// How long an answer may take: a dead connection must not hold up for ever who waits for it. (A watch may be silent for
/// longer, and has a limit of its own.)
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The process's Kubernetes clients.
#[derive(Clone)]
pub struct Clients {
    /// For reads and writes of single objects.
    pub calls: Client,
    /// For lists and watches.
    pub watches: Client,
    /// The namespace that the process runs in, or that the kubeconfig names.
    pub namespace: String,
}

impl Clients {
    /// From the pod's service account or the kubeconfig.
    ///
    /// # Errors
    /// When there is neither, or it cannot be read.
    pub async fn infer() -> anyhow::Result<Self> {
        let mut config =
            Config::infer().await.context("no Kubernetes cluster is configured: set KUBECONFIG, or run in a pod")?;
        // A write that is repeated below us would come back as a conflict with ourselves.
        config.default_retry = false;
        config.headers.push((USER_AGENT, NAME));
        let namespace = config.default_namespace.clone();
        Ok(Self { calls: answering(config.clone())?, watches: Client::try_from(config)?, namespace })
    }
}

/// A client whose calls end.
fn answering(mut config: Config) -> kube::Result<Client> {
    config.read_timeout = Some(ANSWER_WITHIN);
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_ends() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap(); // takes connections, and never answers
        let config = Config::new(format!("http://{}", silent.local_addr().unwrap()).parse().unwrap());
        let api: Api<ConfigMap> = Api::namespaced(answering(config).unwrap(), "fleet");
        let asked = tokio::time::timeout(2 * ANSWER_WITHIN, api.get("forklift")).await;
        assert!(asked.expect("it ends by itself").is_err());
    }
}
