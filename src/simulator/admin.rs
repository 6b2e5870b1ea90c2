//! The admin API, outside `/api`: what a test or a demo needs to set the stage and to see what happened.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    auth::Auth,
    callbacks::{Message, deliver},
    errors::{ErrorCodes, Refusal},
    faults::{Shown, spec::Spec},
    journal::Entry,
    lock,
    world::{accounts::AccountSeed, lines::DeviceSeed},
};

type Sim = State<Arc<Shared>>;
type Refused = (StatusCode, Json<Value>);

/// The routes of the admin API.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/admin/journal", get(journal).delete(clear_journal))
        .route("/admin/devices", get(devices).put(put_devices))
        .route("/admin/accounts", get(accounts).put(put_accounts))
        .route("/admin/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/admin/faults/{id}", delete(remove_fault))
        .route("/admin/clock", get(clock).post(advance))
        .route("/admin/archive", get(archive))
        .route("/admin/resend", post(resend))
        .route("/admin/user", get(user).put(change_user))
        .route("/admin/user/unlock", post(unlock))
        .route("/admin/sessions", delete(drop_sessions))
        .route("/admin/tokens", delete(drop_token))
}

fn refused(message: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, Json(json!({"error": message.into()})))
}

fn refusal(refusal: &Refusal) -> Refused {
    (
        StatusCode::BAD_REQUEST,
        Json(serde_json::from_slice(refusal.reply(ErrorCodes::Dotted).bytes()).unwrap_or_default()),
    )
}

fn pairs(RawQuery(query): RawQuery) -> HashMap<String, String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// One or many of something.
#[derive(Deserialize)]
#[serde(untagged)]
enum Many<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Many<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

async fn journal(State(sim): Sim, query: RawQuery) -> Json<Vec<Entry>> {
    Json(lock(&sim.journal).entries(&pairs(query)))
}

async fn clear_journal(State(sim): Sim) -> StatusCode {
    lock(&sim.journal).clear();
    StatusCode::NO_CONTENT
}

async fn devices(State(sim): Sim, query: RawQuery) -> Json<Vec<DeviceSeed>> {
    let query = pairs(query);
    Json(lock(&sim.world).devices(query.get("id").map(String::as_str)))
}

async fn put_devices(State(sim): Sim, Json(seeds): Json<Many<DeviceSeed>>) -> Result<StatusCode, Refused> {
    let by = lock(&sim.auth).username.clone();
    let now = sim.clock.now();
    let mut world = lock(&sim.world);
    for seed in seeds.into_vec() {
        world.put_device(seed, &by, now).map_err(|error| refusal(&error))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn accounts(State(sim): Sim) -> Json<Vec<AccountSeed>> {
    Json(lock(&sim.world).accounts())
}

async fn put_accounts(State(sim): Sim, Json(seeds): Json<Many<AccountSeed>>) -> StatusCode {
    let mut world = lock(&sim.world);
    seeds.into_vec().into_iter().for_each(|seed| world.put_account(seed));
    StatusCode::NO_CONTENT
}

async fn faults(State(sim): Sim) -> Json<Vec<Shown>> {
    Json(lock(&sim.faults).shown())
}

async fn add_faults(State(sim): Sim, Json(specs): Json<Many<Value>>) -> Result<(StatusCode, Json<Value>), Refused> {
    let specs = specs.into_vec().iter().map(Spec::try_from).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let mut faults = lock(&sim.faults);
    let ids: Vec<u64> = specs.into_iter().map(|spec| faults.add(spec)).collect();
    Ok((StatusCode::CREATED, Json(json!({"ids": ids}))))
}

async fn clear_faults(State(sim): Sim) -> StatusCode {
    lock(&sim.faults).remove(None);
    StatusCode::NO_CONTENT
}

async fn remove_fault(State(sim): Sim, Path(id): Path<u64>) -> StatusCode {
    let removed = lock(&sim.faults).remove(Some(id));
    if removed == 0 { StatusCode::NOT_FOUND } else { StatusCode::NO_CONTENT }
}

async fn clock(State(sim): Sim) -> Json<Value> {
    Json(json!({"now": sim.clock.now()}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: f64,
}

async fn advance(State(sim): Sim, Json(wanted): Json<Advance>) -> Result<Json<Value>, Refused> {
    let by = Duration::try_from_secs_f64(wanted.advance_seconds)
        .map_err(|_| refused("advanceSeconds is not a positive number of seconds."))?;
    sim.clock.advance(by);
    Ok(Json(json!({"now": sim.clock.now()})))
}

async fn archive(State(sim): Sim) -> Json<Vec<Value>> {
    let archive = lock(&sim.archive);
    let shown = archive.iter().map(
        |report| json!({"requestId": report.request_id, "account": report.account, "deviceIds": report.ids.to_wire()}),
    );
    Json(shown.collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resend {
    request_id: String,
}

/// What Verizon's support does on request: every message of a request once more, undisturbed.
async fn resend(State(sim): Sim, Json(wanted): Json<Resend>) -> Result<(StatusCode, Json<Value>), Refused> {
    let reports = lock(&sim.world).reports(&wanted.request_id).ok_or_else(|| refused("There is no such request."))?;
    lock(&sim.archive).retain(|report| report.request_id != wanted.request_id);
    let sent = reports.len();
    for report in reports {
        let sim_2 = sim.clone();
        sim.spawn(async move { deliver(&sim_2, Message { report, struck: None }, None).await });
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"messages": sent}))))
}

async fn user(State(sim): Sim) -> Json<Value> {
    let auth = lock(&sim.auth);
    Json(json!({"username": auth.username, "clientId": auth.client_id, "locked": auth.locked()}))
}

/// What a rotation changes; what is left out stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    client_id: Option<String>,
    client_secret: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

async fn change_user(State(sim): Sim, Json(wanted): Json<Credentials>) -> StatusCode {
    let auth: &mut Auth = &mut lock(&sim.auth);
    let set = |own: &mut String, wanted: Option<String>| {
        if let Some(wanted) = wanted {
            *own = wanted;
        }
    };
    set(&mut auth.client_id, wanted.client_id);
    set(&mut auth.client_secret, wanted.client_secret);
    set(&mut auth.username, wanted.username);
    set(&mut auth.password, wanted.password);
    StatusCode::NO_CONTENT
}

async fn unlock(State(sim): Sim) -> StatusCode {
    lock(&sim.auth).unlock();
    StatusCode::NO_CONTENT
}

async fn drop_sessions(State(sim): Sim) -> StatusCode {
    lock(&sim.auth).drop_sessions();
    StatusCode::NO_CONTENT
}

async fn drop_token(State(sim): Sim) -> StatusCode {
    lock(&sim.auth).drop_token();
    StatusCode::NO_CONTENT
}
