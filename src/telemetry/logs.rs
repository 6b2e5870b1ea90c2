//! Structured logs on standard error.

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// What our lines say already: it opens a span for each reconciliation.
const QUIET: &str = "kube_runtime=warn";

/// Flags that every process has.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// How log lines look.
    #[arg(long, env = "EUICC_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, for all or a module, for example
    /// info,euicc_operator::thingspace=debug. Of kube_runtime warnings only, unless it is named.
    #[arg(long, env = "EUICC_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl LogArgs {
    /// Starts logging.
    ///
    /// # Errors
    /// When the level cannot be read, or logging was started before.
    pub fn init(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(format!("{QUIET},{}", self.log_level))
            .map_err(|e| anyhow::anyhow!("--log-level {:?} cannot be read: {e}", self.log_level))?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        let registry = tracing_subscriber::registry().with(filter);
        match self.log_format {
            // The innermost span names the object; the list of all would say it twice.
            LogFormat::Json => registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init()?,
            LogFormat::Text => registry.with(lines.with_target(false)).try_init()?,
        }
        Ok(())
    }
}
