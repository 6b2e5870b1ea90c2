//! `POST /v1/callbacks/{namespace}/{connection}`: from the body to the answer (contract 6.2).

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::post,
};

use super::{
    authenticate::Authenticator,
    deliver::{Delivered, Deliveries},
    matching::{Finder, Found},
    watch::Cache,
};
use crate::{
    activation::{Profile, Report, Verdict},
    api::{DeviceId, EuiccActivation, IdKind},
    fault_points::fault_point,
    telemetry::{Kind, Span, Telemetry, callback_outcome as outcome},
    thingspace::{self, CallbackMessage, MAX_CALLBACK_BODY},
};

const ROUTE: &str = "/v1/callbacks/{namespace}/{connection}";
/// ThingSpace sends again after about four seconds of silence (contract 6.2).
const ANSWER_WITHIN: Duration = Duration::from_millis(1800);

/// Everything that an answer takes.
pub struct Receiver {
    pub authenticator: Authenticator,
    pub finder: Finder,
    pub deliveries: Deliveries,
    pub cache: Cache,
    pub telemetry: Telemetry,
}

/// What became of a callback: a label for the metrics and a status for ThingSpace. Refusals tell no detail.
type Outcome = (&'static str, StatusCode);

const UNAUTHORIZED: Outcome = (outcome::UNAUTHORIZED, StatusCode::UNAUTHORIZED);
const UNAVAILABLE: Outcome = (outcome::UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE);

/// The sidecar's routes.
pub fn router(receiver: Receiver) -> Router {
    Router::new()
        .route(ROUTE, post(receive))
        .layer(DefaultBodyLimit::max(MAX_CALLBACK_BODY))
        .with_state(Arc::new(receiver))
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    Path((namespace, connection)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let arrived = Instant::now();
    let work = answer(&receiver, &namespace, &connection, &body);
    let (outcome, status) = tokio::time::timeout(ANSWER_WITHIN, work).await.unwrap_or(UNAVAILABLE);
    receiver.telemetry.metrics.callback(outcome, arrived.elapsed());
    fault_point(|| format!("answer.{outcome}"));
    status
}

async fn answer(receiver: &Receiver, namespace: &str, connection: &str, body: &[u8]) -> Outcome {
    let arrived = SystemTime::now();
    let Ok(message) = CallbackMessage::parse(body) else { return (outcome::UNREADABLE, StatusCode::BAD_REQUEST) };
    let Some(callback) = receiver.cache.callback_of(namespace, connection) else {
        return if receiver.cache.knows_connections() { UNAUTHORIZED } else { UNAVAILABLE };
    };
    let secret = &callback.credentials_secret_ref.name;
    match receiver.authenticator.admits(namespace, secret, &message.credentials).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(namespace, connection, "a callback with a wrong user or password was refused");
            return UNAUTHORIZED;
        }
        Err(error) => {
            tracing::warn!(%error, namespace, connection, "the callback Secret cannot be read");
            return UNAVAILABLE;
        }
    }
    let report = report(message);
    let request_id = report.request_id.clone();
    let outcome = match receiver.finder.find(namespace, connection, &report).await {
        Ok(Found::Awaiting(object)) => match receiver.deliveries.deliver(object, report).await {
            Delivered::Recorded(object) => {
                trace(receiver, &object, arrived);
                (outcome::RECORDED, StatusCode::OK)
            }
            Delivered::Unchanged => (outcome::UNCHANGED, StatusCode::OK),
            Delivered::Gone => (outcome::UNMATCHED, StatusCode::OK),
            Delivered::Unavailable => UNAVAILABLE,
        },
        Ok(Found::Done) => (outcome::UNCHANGED, StatusCode::OK),
        Ok(Found::Unclear) => UNAVAILABLE,
        // A repetition could not help, so it is not asked for.
        Ok(Found::Nobody) => (outcome::UNMATCHED, StatusCode::OK),
        Err(error) => {
            tracing::warn!(%error, "the API server cannot say whom a callback is for");
            UNAVAILABLE
        }
    };
    tracing::debug!(namespace, connection, request_id, outcome = outcome.0, "callback");
    outcome
}

/// The callback as a step of the attempt that it has brought on.
fn trace(receiver: &Receiver, object: &EuiccActivation, arrived: SystemTime) {
    let Some(operation) = object.operation() else { return };
    receiver.telemetry.traces.tell(&operation.id, || Span {
        name: format!("POST {ROUTE}").into(),
        kind: Kind::Server,
        began: arrived,
        ended: SystemTime::now(),
        attributes: vec![
            ("http.request.method", "POST".into()),
            ("http.route", ROUTE.into()),
            ("http.response.status_code", 200.into()),
        ],
        error: None,
    });
}

/// From ThingSpace's words to the state machine's.
pub(crate) fn report(message: CallbackMessage) -> Report {
    let verdict_of_deactivation = verdict(message.verdict_of_deactivation());
    let profile = message.profile.unwrap_or_default();
    Report {
        request_id: message.request_id.map(|id| id.as_str().to_owned()),
        device_ids: message
            .device_ids
            .into_iter()
            .filter_map(|i| Some(DeviceId { kind: IdKind::from_wire(&i.kind)?, id: i.id }))
            .collect(),
        verdict: verdict(message.verdict),
        verdict_of_deactivation,
        profile: Profile {
            state: profile.state,
            profile_status: profile.profile_status,
            euicc_status: profile.euicc_status,
            euicc_status_code: profile.euicc_status_code,
            euicc_status_desc: profile.euicc_status_desc,
            address_status: profile.address_update_status,
            address_status_code: profile.address_update_code,
            address_status_desc: profile.address_update_desc,
            carrier_name: profile.carrier_name,
            profile_role: profile.profile_role,
        },
    }
}

fn verdict(verdict: thingspace::Verdict) -> Verdict {
    match verdict {
        thingspace::Verdict::Success => Verdict::Success,
        thingspace::Verdict::Warning { .. } => Verdict::Warning,
        thingspace::Verdict::Failure { code, text } => {
            Verdict::Failure { code: code.map_or_else(|| "Failed".into(), |c| c.raw), text }
        }
    }
}
