//! The controller: gathers facts, advances the state machine, carries out what it asks for.
//!
//! ```text
//!  watch ──► activations (reconcile) ──► dispatch (whose turn, how fast) ──► submit (claim, POST, record)
//!                     │                                                            │
//!                     └──► lookup (poll, observe) ◄────── links (one a connection) ┘
//!                                                              ▲
//!  watch ──► connections (reconcile) ──► check (accounts, callback registration) ──► report (status, events)
//! ```

mod activations;
mod args;
mod check;
mod connections;
mod context;
mod departed;
mod devices;
mod dispatch;
mod farewell;
mod fleet;
mod leader;
mod ledger;
mod links;
pub(crate) mod lookup;
mod material;
mod pace;
mod preflight;
mod queue;
mod registration;
mod report;
mod request;
mod secrets;
mod streams;
mod submit;
mod tenancy;
mod unlisted;
mod waits;

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use args::ControllerArgs;

use crate::{
    cluster::{Clients, Publisher, Recorder, wait_for_crds},
    telemetry::{Metrics, Readiness, Telemetry, Traces, bind, serve},
};

/// Runs until `stop`, then lets what has been begun end.
///
/// # Errors
/// When the cluster cannot be found, or a port cannot be had.
pub async fn run(args: ControllerArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let instance = args.identity();
    // Before anything is waited for: what is wrong with a flag is said at once.
    let traces = Traces::start(&args.trace, "euicc-operator-controller", &instance)?;
    let clients = Clients::infer().await?;
    let (readiness, metrics) = (Readiness::default(), Arc::new(Metrics::of_controller()));
    let admin = bind("--admin-listen", args.admin_listen).await?;
    let admin = tokio::spawn(serve(admin, readiness.clone(), Arc::clone(&metrics), CancellationToken::new()));

    let namespaces = args.namespaces();
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = wait_for_crds(&clients.calls, &namespaces, &readiness) => {}
    }
    let tasks = TaskTracker::new();
    let leadership = leader::campaign(&args, &clients, &instance, &readiness, &metrics, &stop).await;
    let Some(leadership) = leadership else { return Ok(()) };
    let stop = leadership.stop_when_lost(stop, &metrics);

    let telemetry = Telemetry { metrics: Arc::clone(&metrics), traces: traces.clone() };
    let publisher = Publisher::new(clients.calls.clone(), "euicc-operator", instance, tasks.clone());
    let recorder = Recorder::new(clients.calls.clone(), publisher.clone(), args.policy(), telemetry.clone());
    let context = context::Context::new(clients, recorder, publisher, telemetry, tasks.clone(), stop.clone(), &args);
    metrics.add(fleet::Fleet::of(&context));
    readiness.ready();
    streams::run(Arc::clone(&context), &namespaces, &stop).await;

    // A submission is never cut: what has been claimed is sent and recorded first.
    tracing::info!(open = tasks.len(), "stopping: waiting for what has been begun");
    tasks.close();
    tasks.wait().await;
    leadership.release().await;
    traces.flush().await;
    admin.abort();
    tracing::info!("stopped");
    Ok(())
}
