//! What the processes tell about themselves: logs, metrics, traces, health.

mod admin;
mod exposition;
mod logs;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod process;
mod readiness;
mod shown;
mod steps;
mod traces;
mod workqueue;

use std::sync::Arc;

pub use admin::{bind, serve};
pub use logs::{LogArgs, LogFormat};
pub use metrics::{Metrics, callback_outcome, connection_change, state_name};
pub use readiness::Readiness;
pub use shown::Shown;
pub use traces::{Kind, Span, TraceArgs, Traces, Value};
pub use workqueue::{Reconciled, Work, Workqueue, Workqueues};

/// To whom it is told what has happened.
#[derive(Clone)]
pub struct Telemetry {
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The steps of each attempt.
    pub traces: Traces,
}
