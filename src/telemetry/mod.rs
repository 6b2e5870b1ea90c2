//! What the processes tell about themselves: logs, metrics, health.

mod admin;
mod logs;
mod metrics;
mod readiness;

pub use admin::{bind, serve};
pub use logs::{LogArgs, LogFormat};
pub use metrics::{CallbackLabels, Metrics, connection_change};
pub use readiness::Readiness;
