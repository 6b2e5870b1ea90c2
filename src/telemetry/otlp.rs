//! Sends the steps of attempts to a collector, by OTLP over HTTP, with OpenTelemetry's own batches: a queue of bounded
//! length, and what does not fit is dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use futures::{FutureExt, future::BoxFuture};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanData, SpanProcessor},
};
use uuid::Uuid;

use super::traces::{Kind, Span, Value};

/// How long the last batch may take when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long one batch may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One collector.
#[derive(Debug)]
pub struct Exporter {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Exporter {
    /// Sends to `endpoint`, as the signal's path below it says.
    ///
    /// # Errors
    /// When it is not a URL.
    pub fn start(endpoint: &str, service: &'static str, instance: &str) -> anyhow::Result<Self> {
        // Errors name the endpoint.
        let has_login =
            reqwest::Url::parse(endpoint).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        anyhow::ensure!(
            !has_login,
            "--otlp-endpoint must hold no user and password: give the collector's login by OTEL_EXPORTER_OTLP_HEADERS"
        );
        let cannot = || format!("--otlp-endpoint {endpoint:?} cannot be used: it is to be like http://collector:4318");
        let url = reqwest::Url::parse(endpoint).with_context(cannot)?;
        anyhow::ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), cannot());
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Http::new()?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .with_context(cannot)?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder().with_service_name(service).with_attributes([
            KeyValue::new("service.namespace", "euicc-operator"),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder("euicc-operator").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, scope })
    }

    /// Queues a step of an attempt.
    pub fn export(&self, operation_id: &str, span: Span) {
        let Ok(operation) = Uuid::try_parse(operation_id) else { return };
        self.processor.on_end(data(operation, span, self.scope.clone()));
    }

    /// Sends what is queued, in a few seconds or not at all.
    pub async fn flush(self: Arc<Self>) {
        let flushed = tokio::task::spawn_blocking(move || self.processor.shutdown_with_timeout(LAST_WORDS));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent to the collector");
        }
    }
}

/// The whole id of the attempt is the trace; its second half is the span that all others belong to, so that either
/// process can name it before it is over.
fn data(operation: Uuid, span: Span, instrumentation_scope: InstrumentationScope) -> SpanData {
    let (_, half) = operation.as_u64_pair();
    let root = SpanId::from(half);
    let (id, parent) = match span.kind {
        Kind::Root => (root, SpanId::INVALID),
        _ => (SpanId::from(rand::random::<u64>() | 1), root),
    };
    let trace = TraceId::from(operation.as_u128());
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: match span.kind {
            Kind::Root | Kind::Internal => SpanKind::Internal,
            Kind::Client => SpanKind::Client,
            Kind::Server => SpanKind::Server,
        },
        name: span.name,
        start_time: span.began,
        end_time: span.ended.max(span.began),
        attributes: span.attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status: span.error.map_or(Status::Unset, Status::error),
        instrumentation_scope,
    }
}

impl From<Value> for opentelemetry::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => text.into(),
            Value::Number(number) => number.into(),
        }
    }
}

/// The batches are sent from a thread of their own; the requests themselves run where the other ones do.
#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
    failing: AtomicBool,
}

impl Http {
    fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { client, runtime: tokio::runtime::Handle::current(), failing: AtomicBool::new(false) })
    }

    /// Said once, until it changes.
    fn note(&self, failure: Option<String>) {
        if self.failing.swap(failure.is_some(), Ordering::Relaxed) == failure.is_some() {
            return;
        }
        match failure {
            Some(error) => tracing::warn!(error, "the collector does not take traces; they are dropped until it does"),
            None => tracing::info!("the collector takes traces again"),
        }
    }
}

impl HttpClient for Http {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        async move {
            let (client, request) = (self.client.clone(), reqwest::Request::try_from(request)?);
            let exchange = self.runtime.spawn(async move {
                let answer = client.execute(request).await?;
                let status = answer.status();
                Ok::<_, reqwest::Error>((status, answer.bytes().await?))
            });
            let exchanged = exchange.await?;
            self.note(match &exchanged {
                Ok((status, _)) if status.is_success() => None,
                Ok((status, _)) => Some(format!("it answers {status}")),
                Err(error) => Some(format!("{error:?}")),
            });
            let (status, body) = exchanged?;
            Ok(Response::builder().status(status).body(body)?)
        }
        .boxed()
    }
}
