//! What each call does once bearer, session and route are right.

use std::{collections::HashMap, sync::Arc};

use axum::http::{StatusCode, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    super::{Shared, actions::Action, callbacks, errors::Refusal, faults::Occasion, lock, reply::Reply, validate},
    Call, Route,
};
use crate::thingspace::wire::{Accepted, CallbackAction, HistoryRequest, LoginRequest, RegisterCallback};

/// The OAuth endpoint (contract section 2.1).
pub fn oauth(sim: &Shared, call: &Call, route: &Route) -> Result<Reply, Refusal> {
    let form: HashMap<_, _> = form_urlencoded::parse(&call.body).into_owned().collect();
    let refuse = |error, description| Refusal::OAuth { status: StatusCode::BAD_REQUEST, error, description };
    match form.get("grant_type").map(String::as_str) {
        None | Some("") => {
            return Err(refuse("invalid_request", "Missing grant_type parameter value"));
        }
        Some("client_credentials") => {}
        Some(_) => {
            return Err(refuse("unsupported_grant_type", "Unsupported grant_type value"));
        }
    }
    let client = basic(call);
    let client = client.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
    let mut auth = lock(&sim.auth);
    if *route == Route::Revoke {
        let token = form.get("token").ok_or_else(|| refuse("invalid_request", "Missing token parameter value"))?;
        auth.revoke(client, token)?;
        return Ok(Reply::empty());
    }
    Ok(Reply::ok(&auth.token(client, sim.clock.now())?))
}

/// Starts a session (contract section 2.2).
pub fn login(sim: &Shared, call: &Call) -> Result<Reply, Refusal> {
    let login: LoginRequest = call.read()?;
    Ok(Reply::ok(&lock(&sim.auth).login(&login.username, &login.password, sim.clock.now())?))
}

/// Everything that needs a session.
pub async fn session(sim: &Arc<Shared>, call: &Call, route: &Route) -> Result<Reply, Refusal> {
    Ok(match route {
        Route::Logout => Reply::ok(&lock(&sim.auth).logout(call.header("VZ-M2M-Token").unwrap_or_default())),
        Route::Action(action) => return order(sim, call, *action).await,
        Route::Status { account, request_id, version } => {
            Reply::ok(&lock(&sim.world).status(account, request_id, *version)?).about(request_id)
        }
        Route::List => {
            let found = lock(&sim.world).list(&call.read()?)?;
            let status = if found.has_more_data { StatusCode::ACCEPTED } else { StatusCode::OK };
            Reply::json(status, &without_nulls(serde_json::to_value(found).unwrap_or_default()))
        }
        Route::History => Reply::ok(&lock(&sim.world).history(&call.read::<HistoryRequest>()?)?),
        Route::Account { account } => Reply::ok(&lock(&sim.world).account(account)?.record()),
        Route::Plans { account } => Reply::ok(&lock(&sim.world).account(account)?.offers.service_plans),
        Route::Listeners { account } => {
            let listeners = lock(&sim.world).account(account)?.listeners();
            // Without a registration there is no body at all (contract section 6.1).
            if listeners.is_empty() { Reply::empty() } else { Reply::ok(&listeners) }
        }
        Route::Register { account } => {
            let wanted: RegisterCallback = call.read()?;
            let service_name = wanted.name.clone();
            let user = {
                let auth = lock(&sim.auth);
                (auth.username.clone(), auth.password.clone())
            };
            let (duplicate, any_port) = (sim.config.duplicate_registration, sim.config.any_callback_port);
            let mut world = lock(&sim.world);
            world.account_mut(account)?.register(wanted, duplicate, any_port, (&user.0, &user.1))?;
            Reply::ok(&CallbackAction { account_name: account.clone(), service_name })
        }
        Route::Deregister { account, service } => {
            lock(&sim.world).account_mut(account)?.deregister(service)?;
            Reply::ok(&CallbackAction { account_name: account.clone(), service_name: service.clone() })
        }
        Route::Token | Route::Revoke | Route::Login => return Err(Refusal::NO_RESOURCE),
    })
}

async fn order(sim: &Arc<Shared>, call: &Call, action: Action) -> Result<Reply, Refusal> {
    let order = validate::order(action, &validate::object(&call.body)?, sim.config.policy().rules)?;
    let account = order.account.clone();
    let by = lock(&sim.auth).username.clone();
    let (request_id, devices) = {
        let mut world = lock(&sim.world);
        let request_id = world.accept(action, order, &by, sim.clock.now())?;
        let devices = world.devices_of(&request_id);
        (request_id, devices)
    };
    let occasion =
        Occasion { operation: call.operation(), action: Some(action), account: Some(&account), devices: &devices };
    for delivered in callbacks::start(sim, &request_id, occasion) {
        // An error means that there was nothing to deliver: the reply need not wait.
        let _ = delivered.await;
    }
    Ok(Reply::ok(&Accepted { request_id: request_id.clone() }).about(request_id))
}

fn basic(call: &Call) -> Option<(String, String)> {
    let value = call.header(header::AUTHORIZATION.as_str())?;
    let (scheme, credentials) = value.split_once(' ')?;
    let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

impl Call {
    /// The body as one of the wire models.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let object = Value::Object(validate::object(&self.body)?);
        serde_json::from_value(object).map_err(|_| Refusal::malformed("A required element is absent or malformed."))
    }
}
