//! Flags of `euicc-operator callback`.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::telemetry::{LogArgs, TraceArgs};

/// Flags of `euicc-operator callback`.
#[derive(Args, Clone, Debug)]
pub struct CallbackArgs {
    /// Where ThingSpace's callbacks are taken: POST /v1/callbacks/NAMESPACE/CONNECTION.
    #[arg(long, env = "EUICC_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Certificate chain, PEM; read again when it changes. Without it, plain HTTP: for a proxy that ends TLS.
    #[arg(long, env = "EUICC_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM; read again when it changes.
    #[arg(long, env = "EUICC_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "EUICC_ADMIN_LISTEN", default_value = "0.0.0.0:8082")]
    pub admin_listen: SocketAddr,
    /// Watch this namespace only; may be repeated. Default: all namespaces.
    #[arg(long, env = "EUICC_WATCH_NAMESPACE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub watch_namespace: Vec<String>,
    /// Name of this process in events; default: something unique.
    #[arg(long, env = "EUICC_POD_NAME")]
    pub pod_name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub trace: TraceArgs,
}

impl CallbackArgs {
    /// The namespaces to watch; `None` is all of them.
    pub fn namespaces(&self) -> Vec<Option<String>> {
        if self.watch_namespace.is_empty() {
            return vec![None];
        }
        // Two watches of one namespace would each take the other's list for its own.
        self.watch_namespace.iter().collect::<BTreeSet<_>>().into_iter().cloned().map(Some).collect()
    }

    /// The pod, or something that no other process is called.
    pub fn identity(&self) -> String {
        self.pod_name.clone().unwrap_or_else(|| format!("callback-{}", uuid::Uuid::new_v4().simple()))
    }
}
