//! The way of a request: note it, see whether a fault strikes, check bearer, session and route in this order
//! (contract section 13, point 3), do what it asks, answer.

pub mod limit;
pub mod route;

mod handlers;
mod strike;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::Value;

pub use self::route::Route;
use super::{
    Shared,
    actions::Action,
    connection::ResetHandle,
    errors::Refusal,
    faults::{Occasion, effect::Operation},
    identifiers::{Ids, Kind},
    journal::{Direction, Entry, Position},
    lock, refuse,
    reply::Reply,
};

/// Largest request: ten thousand devices fit.
const LARGEST: usize = 8 * 1024 * 1024;

/// A request, read but not judged.
struct Call {
    parts: Parts,
    body: Bytes,
    route: Option<Route>,
    account: Option<String>,
    devices: Vec<Ids>,
}

/// Answers every request outside `/admin`.
pub async fn handle(
    State(sim): State<Arc<Shared>>,
    ConnectInfo(reset): ConnectInfo<ResetHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return Reply::html(StatusCode::PAYLOAD_TOO_LARGE, "413 Request Entity Too Large").into_response();
    };
    let call = Call::read_from(&sim, parts, body);
    let position = lock(&sim.journal).push(call.entry(&sim));
    let struck = lock(&sim.faults).reply(call.occasion());
    match struck {
        Some(struck) => strike::strike(&sim, &call, position, struck, &reset).await,
        None => {
            let reply = call.reply(&sim).await;
            note(&sim, position, &reply, true);
            reply.into_response()
        }
    }
}

/// Completes the journal's entry; `answered` is whether the client sees the status.
fn note(sim: &Shared, position: Position, reply: &Reply, answered: bool) {
    lock(&sim.journal).update(position, |entry| {
        entry.status = answered.then(|| reply.status.as_u16());
        if entry.request_id.is_none() {
            entry.request_id.clone_from(&reply.request_id);
        }
    });
}

impl Call {
    fn read_from(sim: &Shared, parts: Parts, body: Bytes) -> Self {
        let route = Route::parse(&parts.method, parts.uri.path());
        let json: Value = match &route {
            Some(route) if route.takes_json() => serde_json::from_slice(&body).unwrap_or_default(),
            _ => Value::Null,
        };
        let in_body = json.get("accountName").and_then(Value::as_str);
        let account = route.as_ref().and_then(Route::account).or(in_body).map(str::to_owned);
        let world = lock(&sim.world);
        let devices = match &route {
            Some(Route::Status { request_id, .. }) => world.devices_of(request_id),
            _ => named(&json).iter().map(|ids| world.identify(ids)).collect(),
        };
        drop(world);
        Self { parts, body, route, account, devices }
    }

    fn entry(&self, sim: &Shared) -> Entry {
        let request_id = match &self.route {
            Some(Route::Status { request_id, .. }) => Some(request_id.clone()),
            _ => None,
        };
        Entry {
            account: self.account.clone(),
            device_ids: self.devices.iter().flat_map(Ids::to_wire).collect(),
            request_id,
            ..Entry::new(sim.clock.now(), Direction::In, self.parts.method.as_str(), self.parts.uri.path())
        }
    }

    fn operation(&self) -> Operation {
        self.route.as_ref().map_or(Operation::Any, Route::operation)
    }

    fn occasion(&self) -> Occasion<'_> {
        let action = match &self.route {
            Some(Route::Action(action)) => Some(*action),
            _ => None,
        };
        Occasion { operation: self.operation(), action, account: self.account.as_deref(), devices: &self.devices }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    async fn reply(&self, sim: &Arc<Shared>) -> Reply {
        self.judge(sim).await.unwrap_or_else(|refusal| refuse(sim, &refusal))
    }

    async fn judge(&self, sim: &Arc<Shared>) -> Result<Reply, Refusal> {
        if let Some(route @ (Route::Token | Route::Revoke)) = &self.route {
            return handlers::oauth(sim, self, route);
        }
        if !self.parts.uri.path().starts_with("/api/m2m/") {
            return Err(Refusal::NOT_FOUND);
        }
        let bearer = self.header(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        lock(&sim.auth).bearer(bearer.map(str::trim), sim.clock.now())?;
        if self.route == Some(Route::Login) {
            return handlers::login(sim, self);
        }
        let activates = matches!(self.route, Some(Route::Action(Action::Activate | Action::ActivateEnable)));
        if activates && !lock(&sim.activates).admit(sim.clock.now()) {
            return Err(Refusal::THROTTLED);
        }
        lock(&sim.auth).session(self.header("VZ-M2M-Token"), sim.clock.now())?;
        let route = self.route.as_ref().ok_or(Refusal::NO_RESOURCE)?;
        let content_type = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if route.takes_json() && !content_type.contains("json") {
            return Ok(strike::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        handlers::session(sim, self, route).await
    }
}

/// The devices that a body names, as far as it can be read: only for faults and the journal.
fn named(body: &Value) -> Vec<Ids> {
    let list = |value: &Value| -> Ids {
        let mut ids = Ids::default();
        for device_id in value.as_array().into_iter().flatten() {
            let field = |name: &str| device_id.get(name).and_then(Value::as_str);
            if let (Some(kind), Some(id)) = (field("kind").and_then(Kind::parse), field("id")) {
                ids.set(kind, Some(id.to_owned()));
            }
        }
        ids
    };
    let devices = body.get("devices").and_then(Value::as_array).into_iter().flatten();
    let one = body.get("deviceId").map(|device_id| Value::Array(vec![device_id.clone()]));
    devices
        .filter_map(|device| device.get("deviceIds").or_else(|| device.get("ids")))
        .map(list)
        .chain(one.iter().map(list))
        .collect()
}
