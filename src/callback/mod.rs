//! The callback sidecar: takes ThingSpace's answers and writes them onto the resources.
//!
//! An answer is acknowledged only after the API server has taken the write; when it cannot, the answer is 503 and
//! ThingSpace, or the controller's polling, comes back to it. The sidecar never logs in to ThingSpace.
//!
//! ```text
//!  POST ──► routes ──► authenticate (password in the body) ──► index (which activation?) ──► deliver (advance, write)
//! ```

mod args;
mod authenticate;
mod deliver;
pub mod index;
mod matching;
pub(crate) mod routes;
mod tls;
mod watch;

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use args::CallbackArgs;

use crate::{
    activation::Policy,
    cluster::{Clients, Publisher, Recorder, wait_for_crds},
    telemetry::{Metrics, Readiness, Telemetry, Traces, bind, serve},
};

/// Runs until `stop`, then lets what has been begun end.
///
/// # Errors
/// When the cluster cannot be found, a port cannot be had, or the certificate cannot be read.
pub async fn run(args: CallbackArgs, stop: CancellationToken) -> anyhow::Result<()> {
    // Before anything is waited for: what is wrong with a flag is said at once.
    let certificate = tls::Certificate::load(&args).await?;
    let instance = args.identity();
    let traces = Traces::start(&args.trace, "euicc-operator-callback", &instance)?;
    let clients = Clients::infer().await?;
    let (readiness, metrics) = (Readiness::default(), Arc::new(Metrics::of_callback()));
    let admin = bind("--admin-listen", args.admin_listen).await?;
    let admin = tokio::spawn(serve(admin, readiness.clone(), Arc::clone(&metrics), CancellationToken::new()));
    let listener = bind("--listen", args.listen).await?.into_std()?;

    let namespaces = args.namespaces();
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = wait_for_crds(&clients.calls, &namespaces, &readiness) => {}
    }
    let tasks = TaskTracker::new();
    let publisher = Publisher::new(clients.calls.clone(), "euicc-operator", instance, tasks.clone());
    let telemetry = Telemetry { metrics: Arc::clone(&metrics), traces: traces.clone() };
    let recorder = Recorder::new(clients.calls.clone(), publisher, Policy::default(), telemetry.clone());
    let cache = watch::Cache::default();
    metrics.add(watch::IndexSize(cache.clone()));
    let mut watches = watch::start(&clients.watches, &namespaces, &cache, &stop);
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = cache.ready(&namespaces) => readiness.ready(),
    }
    let state = routes::Receiver {
        authenticator: authenticate::Authenticator::new(clients.calls.clone()),
        finder: matching::Finder::new(clients.calls, cache.clone(), namespaces),
        deliveries: deliver::Deliveries::new(recorder, tasks.clone()),
        cache,
        telemetry,
    };
    tracing::info!(tls = certificate.is_some(), "callbacks listening on {}", listener.local_addr()?);
    tls::serve(listener, routes::router(state), certificate, &stop).await?;
    watches.abort_all();
    tasks.close();
    tasks.wait().await;
    traces.flush().await;
    admin.abort();
    tracing::info!("stopped");
    Ok(())
}
