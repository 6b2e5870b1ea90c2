//! Traces: the steps of one attempt, through both processes, by OTLP.
//!
//! Each attempt has an id that is written with its claim, and that is as long as a trace's. So both processes know the
//! trace of an attempt without telling each other, and nothing more is written to Kubernetes for it.

use std::{borrow::Cow, future::Future, time::SystemTime};

use clap::Args;

/// Flags that every process has.
#[derive(Args, Clone, Debug, Default)]
pub struct TraceArgs {
    /// An OpenTelemetry collector that traces are sent to by OTLP over HTTP, for example http://collector:4318. Default:
    /// no traces.
    #[arg(long, env = "EUICC_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// One step of an attempt.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it was: one of a few names.
    pub name: Cow<'static, str>,
    /// How it relates to other programs.
    pub kind: Kind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What else is known, by the names of OpenTelemetry's conventions where they have one. Never what is personal.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, in a word.
    pub error: Option<String>,
}

/// How a step relates to other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The attempt as a whole: the parent of all others.
    Root,
    /// Our own work.
    Internal,
    /// We asked.
    Client,
    /// We were asked.
    Server,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Where steps are told, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otlp")]
    exporter: Option<std::sync::Arc<super::otlp::Exporter>>,
}

tokio::task_local! {
    /// The attempt that the present task works for.
    static OPERATION: String;
}

#[cfg(feature = "otlp")]
impl Traces {
    /// Traces of `service`, whose instance is called `instance`.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn start(args: &TraceArgs, service: &'static str, instance: &str) -> anyhow::Result<Self> {
        let Some(endpoint) = &args.otlp_endpoint else { return Ok(Self::default()) };
        let exporter = super::otlp::Exporter::start(endpoint, service, instance)?;
        Ok(Self { exporter: Some(std::sync::Arc::new(exporter)) })
    }

    /// Whether anybody listens.
    pub fn is_on(&self) -> bool {
        self.exporter.is_some()
    }

    /// Tells of a step of an attempt. Never waits: what the collector does not take in time is dropped.
    pub fn tell(&self, operation_id: &str, span: impl FnOnce() -> Span) {
        if let Some(exporter) = &self.exporter {
            exporter.export(operation_id, span());
        }
    }

    /// Sends what has not been sent yet, for a moment.
    pub async fn flush(&self) {
        if let Some(exporter) = self.exporter.clone() {
            exporter.flush().await;
        }
    }
}

#[cfg(not(feature = "otlp"))]
impl Traces {
    /// No traces.
    ///
    /// # Errors
    /// When traces are asked for: this program was built without them.
    pub fn start(args: &TraceArgs, _: &'static str, _: &str) -> anyhow::Result<Self> {
        match &args.otlp_endpoint {
            None => Ok(Self::default()),
            Some(_) => anyhow::bail!(
                "--otlp-endpoint is set, but this euicc-operator was built without traces: take the flag away \
                 (EUICC_OTLP_ENDPOINT), or build with --features otlp"
            ),
        }
    }

    /// Nobody listens.
    pub fn is_on(&self) -> bool {
        false
    }

    /// Does nothing.
    pub fn tell(&self, _: &str, _: impl FnOnce() -> Span) {}

    /// Does nothing.
    pub async fn flush(&self) {}
}

impl Traces {
    /// Carries out `work` for an attempt, so that [`Traces::tell_present`] knows whose step it is.
    pub async fn during<T>(&self, operation_id: &str, work: impl Future<Output = T>) -> T {
        match self.is_on() {
            true => OPERATION.scope(operation_id.to_owned(), work).await,
            false => work.await,
        }
    }

    /// Tells of a step of the attempt that the present task works for, if it works for one.
    pub fn tell_present(&self, span: impl FnOnce() -> Span) {
        let _ = OPERATION.try_with(|operation_id| self.tell(operation_id, span));
    }
}
