//! Flags of `euicc-operator controller`.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::{
    activation::Policy,
    telemetry::{LogArgs, TraceArgs},
    thingspace::ClientConfig,
};

/// The longest that a claim is good for sending.
const CLAIM_IS_FRESH: Duration = Duration::from_secs(15);

/// Flags of `euicc-operator controller`.
#[derive(Args, Clone, Debug)]
pub struct ControllerArgs {
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "EUICC_ADMIN_LISTEN", default_value = "0.0.0.0:8081")]
    pub admin_listen: SocketAddr,
    /// Work only while holding a lease, so that several replicas may run.
    #[arg(long, env = "EUICC_LEADER_ELECT", num_args = 0..=1, default_missing_value = "true", default_value_t = false, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Name of the lease: who shares it takes turns.
    #[arg(long, env = "EUICC_LEADER_ELECTION_ID", default_value = "euicc-operator-controller")]
    pub leader_election_id: String,
    /// Namespace of the lease; default: the namespace that this runs in.
    #[arg(long, env = "EUICC_LEADER_ELECTION_NAMESPACE")]
    pub leader_election_namespace: Option<String>,
    /// How long a leader that is silent stays leader.
    #[arg(long, env = "EUICC_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// Watch this namespace only; may be repeated. Default: all namespaces.
    #[arg(long, env = "EUICC_WATCH_NAMESPACE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub watch_namespace: Vec<String>,
    /// How long after its acceptance a request is asked about if no callback has come; doubling from there.
    #[arg(long, env = "EUICC_POLL_AFTER", default_value = "5m", value_parser = duration)]
    pub poll_after: Duration,
    /// How long a request whose outcome is unknown rests before its devices are looked at again.
    #[arg(long, env = "EUICC_SETTLE_TIME", default_value = "5m", value_parser = duration)]
    pub settle_time: Duration,
    /// How long one call of ThingSpace may take.
    #[arg(long, env = "EUICC_REQUEST_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How often a connection's credentials and callback registration are checked.
    #[arg(long, env = "EUICC_RECHECK_AFTER", default_value = "10m", value_parser = duration)]
    pub recheck_after: Duration,
    /// How long a deleted connection with callback.onDelete: Deregister waits for ThingSpace before it is let go.
    #[arg(long, env = "EUICC_DEREGISTER_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub deregister_timeout: Duration,
    /// Name of this process in leases and events; default: the pod's name.
    #[arg(long, env = "EUICC_POD_NAME")]
    pub pod_name: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub trace: TraceArgs,
}

/// A duration as Kubernetes writes it: 90s, 5m, 1h30m.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<kube::core::Duration>() {
        Ok(d) if d.is_negative() || Duration::from(d).is_zero() => Err("must be longer than nothing".into()),
        Ok(d) => Ok(d.into()),
        Err(_) => Err("is not a duration such as 90s, 5m or 1h30m".into()),
    }
}

impl ControllerArgs {
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
        self.pod_name.clone().unwrap_or_else(|| format!("controller-{}", uuid::Uuid::new_v4().simple()))
    }

    /// A claim that is older is not sent any more: its owner was paused, and others may have taken over.
    pub fn claim_is_fresh(&self) -> Duration {
        CLAIM_IS_FRESH.min(self.request_timeout)
    }

    /// How patient the state machine is. Whoever made a claim may need its freshness, one login and one request, and a
    /// second of each after a token has expired; then it cannot be sending any more.
    pub fn policy(&self) -> Policy {
        Policy {
            poll_after: self.poll_after,
            settle_time: self.settle_time,
            claim_expiry: self.claim_is_fresh() + 2 * self.request_timeout,
        }
    }

    /// Time limits of the ThingSpace client.
    pub fn client_config(&self) -> ClientConfig {
        let connect_timeout = ClientConfig::default().connect_timeout.min(self.request_timeout);
        ClientConfig { request_timeout: self.request_timeout, connect_timeout, ..ClientConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    #[test]
    fn a_namespace_that_is_named_twice_is_watched_once() {
        let flags = ["--watch-namespace=fleet,depot", "--watch-namespace=fleet"];
        let watched =
            |process: &str| match Cli::parse_from(["euicc-operator", process].into_iter().chain(flags)).command {
                Command::Controller(args) => args.namespaces(),
                Command::Callback(args) => args.namespaces(),
                _ => panic!("{process}"),
            };
        for process in ["controller", "callback"] {
            assert_eq!(watched(process), [Some("depot".to_owned()), Some("fleet".to_owned())]);
        }
    }
}
