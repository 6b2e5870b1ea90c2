//! One activation is one trace, from `kubectl apply` to Ready, through both processes; and a collector that is not there
//! holds nothing up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{ResourceSpans, Span, span::SpanKind},
};
use prost::Message;

use crate::support::{Callback, Controller, HELD, LONG, QUICK, Scene, eventually, fixtures, operator, status};

#[tokio::test]
async fn one_activation_is_one_trace_through_both_processes() {
    let collector = Collector::start().await;
    let scene = traced("trace", HELD, &collector.url, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;

    let callback = "POST /v1/callbacks/{namespace}/{connection}";
    let expected = [
        ("euicc-operator-callback", callback, SpanKind::Server),
        ("euicc-operator-callback", "activation", SpanKind::Internal),
        ("euicc-operator-callback", "record", SpanKind::Internal),
        ("euicc-operator-controller", "POST activate", SpanKind::Client),
        ("euicc-operator-controller", "claim", SpanKind::Internal),
        ("euicc-operator-controller", "record", SpanKind::Internal),
        ("euicc-operator-controller", "wait", SpanKind::Internal),
    ];
    let spans = eventually("all steps have come", LONG, async || match collector.spans() {
        spans if spans.len() >= expected.len() => Ok(spans),
        spans => Err(spans),
    })
    .await;
    let mut steps: Vec<_> = spans.iter().map(|(who, s)| (who.as_str(), s.name.as_str(), s.kind())).collect();
    steps.sort_by_key(|(who, name, _)| (*who, *name));
    assert_eq!(steps, expected);

    let object = scene.namespace.activation("forklift").await;
    let status = status(&object);
    let operation = status.operation.unwrap();
    let trace = uuid::Uuid::parse_str(&operation.id).unwrap();
    assert!(spans.iter().all(|(_, span)| span.trace_id == trace.as_bytes()), "the operation is the trace");
    let (roots, others): (Vec<&Span>, Vec<&Span>) =
        spans.iter().map(|(_, span)| span).partition(|span| span.parent_span_id.is_empty());
    let [root] = roots[..] else { panic!("one root: {roots:#?}") };
    assert_eq!(root.name, "activation");
    assert!(others.iter().all(|span| span.parent_span_id == root.span_id));
    assert_eq!(spans.iter().map(|(_, s)| &s.span_id).collect::<BTreeSet<_>>().len(), spans.len());
    for span in &others {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        let within = root.start_time_unix_nano <= span.start_time_unix_nano;
        assert!(within, "from kubectl apply on: {root:?} {span:?}");
    }
    let said = attributes(root);
    assert_eq!(said["k8s.namespace.name"], scene.namespace.name);
    assert_eq!(said["euicc.activation.name"], "forklift");
    assert_eq!(said["euicc.request_id"], status.request_id.unwrap());
    assert_eq!((said["euicc.reason"].as_str(), said["euicc.attempt"].as_str()), ("Activated", "1"));
    let post = attributes(others.iter().find(|s| s.name == "POST activate").unwrap());
    assert_eq!((post["http.request.method"].as_str(), post["http.response.status_code"].as_str()), ("POST", "200"));
    assert!(post["url.full"].ends_with("/m2m/v1/devices/profile/actions/activate"), "{post:?}");
    assert!(scene.simulator.url.ends_with(&format!("{}:{}", post["server.address"], post["server.port"])), "{post:?}");

    let everything = format!("{:#?}", collector.received.lock().unwrap());
    let place = ["Lovelace", "Ada", "Market St", "San Francisco", "94105"];
    let secrets = [fixtures::LOGIN_PASSWORD, fixtures::CALLBACK_PASSWORD, "sim-secret", "Bearer", "sessionToken"];
    let devices = object.spec.devices[0].device_ids.iter().map(|id| id.id.as_str());
    for canary in place.into_iter().chain(secrets).chain(devices) {
        assert!(!everything.contains(canary), "{canary} is told");
    }
}

#[tokio::test]
async fn an_attempt_that_fails_is_a_trace_of_its_own_that_says_so() {
    let collector = Collector::start().await;
    let mut scene = traced("attempts", QUICK, &collector.url, &["--settle-time", "1s", "--poll-after", "1s"]).await;
    scene.simulator.fault("activate:status=429,retry-after=1,count=1").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    // What has not been sent yet is sent when the process ends.
    assert!(scene.controller.process.terminate(LONG).await.success());
    assert!(scene.callback.process.terminate(LONG).await.success());
    let spans = collector.spans();
    let roots: Vec<_> = spans.iter().map(|(_, s)| s).filter(|s| s.name == "activation").collect();
    let said: BTreeSet<_> =
        roots.iter().map(|s| (attributes(s)["euicc.attempt"].clone(), s.status.is_some())).collect();
    assert_eq!(said.len(), 2, "{roots:#?}");
    assert_ne!(roots[0].trace_id, roots[1].trace_id);
    let failed = roots.iter().find(|s| attributes(s)["euicc.attempt"] == "1").unwrap();
    assert_eq!(failed.status.as_ref().map(|s| s.message.as_str()), Some("RetryLater"));
    let turned_away = spans.iter().find(|(_, s)| s.name == "POST activate" && s.trace_id == failed.trace_id).unwrap();
    assert_eq!(attributes(&turned_away.1)["error.type"], "429");
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut scene = traced("nobody", QUICK, &nobody, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    scene.controller.process.word_after("the collector does not take traces", LONG).await;
    assert!(scene.controller.process.terminate(LONG).await.success());
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_said_at_once() {
    let _ = crate::support::Namespace::open("default").await; // so that there is a cluster
    for process in ["controller", "callback"] {
        let mut command = operator();
        command.arg(process).env("EUICC_OTLP_ENDPOINT", "collector:4318");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("--otlp-endpoint"), "{error}");
        assert!(error.contains("http://collector:4318"), "{error}");
    }
}

/// The whole stage, with both processes telling a collector at `url`.
async fn traced(hint: &str, simulator: &[&str], url: &str, flags: &[&str]) -> Scene {
    let mut scene = Scene::start(hint, simulator, &[]).await;
    scene.controller.process.terminate(LONG).await;
    scene.callback.process.terminate(LONG).await;
    let traced = |process: &str| {
        let mut command = operator();
        command.arg(process).args(["--watch-namespace", &scene.namespace.name]);
        command.env("EUICC_OTLP_ENDPOINT", url).env("OTEL_BSP_SCHEDULE_DELAY", "100");
        command
    };
    let callback = Callback::start_as(&mut traced("callback"), &["--listen", &scene.callback.address]).await;
    callback.admin.ready().await;
    let controller = Controller::start_as(&mut traced("controller"), flags).await;
    controller.admin.ready().await;
    (scene.callback, scene.controller) = (callback, controller);
    scene
}

/// An OpenTelemetry collector, as far as traces by OTLP over HTTP go.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Collector {
    async fn start() -> Self {
        let received: Arc<Mutex<Vec<ResourceSpans>>> = Arc::default();
        let take = |State(all): State<Arc<Mutex<Vec<ResourceSpans>>>>, body: Bytes| async move {
            all.lock().unwrap().extend(ExportTraceServiceRequest::decode(body).unwrap().resource_spans);
        };
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    /// Everything so far, each with the service that it came from.
    fn spans(&self) -> Vec<(String, Span)> {
        let received = self.received.lock().unwrap();
        let of_service = received.iter().flat_map(|resource| {
            let about = resource.resource.iter().flat_map(|r| &r.attributes);
            let name = about.clone().find(|a| a.key == "service.name").and_then(|a| a.value.clone());
            let name = name.map(|v| shown(v.value)).unwrap_or_default();
            resource.scope_spans.iter().flat_map(|scope| &scope.spans).map(move |span| (name.clone(), span.clone()))
        });
        of_service.collect()
    }
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let value = |a: &opentelemetry_proto::tonic::common::v1::KeyValue| a.value.clone().map(|v| shown(v.value));
    span.attributes.iter().map(|a| (a.key.clone(), value(a).unwrap_or_default())).collect()
}

fn shown(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
