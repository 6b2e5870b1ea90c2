//! Leader election. It keeps replicas from doing the same work; that nothing is sent twice rests on the claim.

use std::{sync::Arc, time::Duration};

use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::args::ControllerArgs;
use crate::{
    cluster::Clients,
    telemetry::{Metrics, Readiness},
};

/// How soon a lease that cannot be looked at is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Being the one that works.
pub struct Leadership(Option<Held>);

struct Held {
    lease: String,
    leading: watch::Receiver<bool>,
    manager: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

/// Returns when this process leads; `None` when it was stopped before. Until the lease can be looked at, `/readyz` says
/// why not.
pub async fn campaign(
    args: &ControllerArgs,
    clients: &Clients,
    identity: &str,
    readiness: &Readiness,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Option<Leadership> {
    if !args.leader_elect {
        return Some(Leadership(None));
    }
    let namespace = args.leader_election_namespace.clone().unwrap_or_else(|| clients.namespace.clone());
    let lease = &args.leader_election_id;
    let duration = args.lease_duration.as_secs().max(2);
    let manager = loop {
        let built = LeaseManagerBuilder::new(clients.calls.clone(), lease)
            .with_namespace(namespace.as_str())
            .with_identity(identity)
            .with_duration(duration)
            .with_grace((duration / 3).max(1))
            .build();
        tokio::select! {
            () = stop.cancelled() => return None,
            built = built => match built {
                Ok(manager) => break manager,
                Err(error) => readiness.not_ready(why_not(&namespace, lease, &error)),
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    };
    let (mut leading, manager) = manager.watch().await;
    // A replica that stands by is a healthy one.
    readiness.ready();
    metrics.leads(lease, false);
    tracing::info!(lease, identity, "standing by for the lease");
    let led = tokio::select! {
        () = stop.cancelled() => false,
        led = leading.wait_for(|leads| *leads) => led.is_ok(),
    };
    let leadership = Leadership(Some(Held { lease: lease.clone(), leading, manager }));
    if !led {
        leadership.release().await;
        return None;
    }
    tracing::info!(lease, identity, "leading");
    metrics.leads(lease, true);
    Some(leadership)
}

fn why_not(namespace: &str, lease: &str, error: &LeaseManagerError) -> String {
    match error {
        LeaseManagerError::KubeError(kube::Error::Api(status)) if status.code == 403 => format!(
            "the lease {lease} in namespace {namespace} cannot be used, so nothing is sent: {}; give the service account get, \
             patch and create on leases there, or run a single replica without --leader-elect",
            status.message
        ),
        error => format!(
            "the lease {lease} in namespace {namespace} cannot be looked at, so nothing is sent; it is tried again by \
             itself: {error}"
        ),
    }
}

impl Leadership {
    /// A token that is cancelled with `stop`, or when the lease is lost.
    pub fn stop_when_lost(&self, stop: CancellationToken, metrics: &Arc<Metrics>) -> CancellationToken {
        let Some(held) = &self.0 else { return stop };
        let either = stop.child_token();
        let (lease, mut leading) = (held.lease.clone(), held.leading.clone());
        let (lost, metrics) = (either.clone(), Arc::clone(metrics));
        tokio::spawn(async move {
            tokio::select! {
                () = lost.cancelled() => return,
                _ = leading.wait_for(|leads| !leads) => {}
            }
            metrics.leads(&lease, false);
            tracing::warn!(lease, "the lease is lost: another replica may be working");
            lost.cancel();
        });
        either
    }

    /// Frees the lease for the next one.
    pub async fn release(self) {
        let Some(Held { leading, manager, .. }) = self.0 else { return };
        drop(leading);
        if let Ok(Err(error)) = manager.await {
            tracing::warn!(%error, "the lease could not be released; it runs out by itself");
        }
    }
}
