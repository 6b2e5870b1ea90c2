//! Leader election. It keeps replicas from doing the same work; that nothing is sent twice rests on the claim.

use std::sync::Arc;

use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::args::ControllerArgs;
use crate::{
    cluster::Clients,
    telemetry::{Metrics, Readiness},
};

/// Being the one that works.
pub struct Leadership(Option<Held>);

struct Held {
    lease: String,
    leading: watch::Receiver<bool>,
    manager: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

/// Returns when this process leads; `None` when it was stopped before.
///
/// # Errors
/// When the lease cannot be looked at: mostly a missing Role.
pub async fn campaign(
    args: &ControllerArgs,
    clients: &Clients,
    identity: &str,
    readiness: &Readiness,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Leadership>> {
    if !args.leader_elect {
        return Ok(Some(Leadership(None)));
    }
    let namespace = args.leader_election_namespace.clone().unwrap_or_else(|| clients.namespace.clone());
    let lease = &args.leader_election_id;
    let duration = args.lease_duration.as_secs().max(2);
    let manager = LeaseManagerBuilder::new(clients.calls.clone(), lease)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(duration)
        .with_grace((duration / 3).max(1))
        .build()
        .await?;
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
        return Ok(None);
    }
    tracing::info!(lease, identity, "leading");
    metrics.leads(lease, true);
    Ok(Some(leadership))
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
