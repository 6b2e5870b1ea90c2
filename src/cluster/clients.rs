//! Two clients: a watch that shares one connection with many writers lags behind them.

use anyhow::Context;
use kube::{Client, Config};
use reqwest::header::{HeaderValue, USER_AGENT};

/// How audit logs and rate limits of the API server know us.
const NAME: HeaderValue = HeaderValue::from_static(concat!("euicc-operator/", env!("CARGO_PKG_VERSION")));

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
        Ok(Self { calls: Client::try_from(config.clone())?, watches: Client::try_from(config)?, namespace })
    }
}
