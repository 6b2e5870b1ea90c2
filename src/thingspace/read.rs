//! What the operations read from an answer, where it takes more than its JSON.

use serde_json::Value;

use super::error::CallError;
use super::reply::Reply;
use super::request::RequestId;
use super::wire::{Accepted, CallbackListener, DeviceList, History, RequestStatus};

/// Codes for a device that is unknown, or not in the account that was asked about.
const NOT_FOUND: [&str; 2] = ["REQUEST_FAILED.DeviceNotFound", "INPUT_INVALID.Device.Account.Invalid"];

/// The name of an accepted request.
pub(super) fn accepted(reply: &Reply) -> Result<RequestId, CallError> {
    let accepted: Accepted = reply.json()?;
    RequestId::new(accepted.request_id).map_err(|_| reply.unreadable())
}

/// How far a request is; `None`: ThingSpace does not know it.
pub(super) fn request_status(reply: &Reply) -> Result<Option<RequestStatus>, CallError> {
    match reply.is_unknown_request() {
        true => Ok(None),
        false => reply.json().map(Some),
    }
}

/// The registrations of an account.
pub(super) fn callbacks(reply: &Reply) -> Result<Vec<CallbackListener>, CallError> {
    match reply.value()? {
        None => Ok(Vec::new()),
        // The official SDK reads one object, so one may come.
        Some(one @ Value::Object(_)) => serde_json::from_value(one).map(|one| vec![one]),
        Some(many) => serde_json::from_value(many),
    }
    .map_err(|_| reply.unreadable())
}

/// The devices that were looked for.
pub(super) fn devices(reply: &Reply) -> Result<DeviceList, CallError> {
    match reply.json::<Value>() {
        // Any object reads as an empty list, and "no such device" is too weighty to be guessed.
        Ok(list) if list.get("devices").or(list.get("hasMoreData")).is_none() => Err(reply.unreadable()),
        Ok(list) => serde_json::from_value(list).map_err(|_| reply.unreadable()),
        Err(error) if is_one_of(&error, &NOT_FOUND) => Ok(DeviceList::default()),
        Err(error) => Err(error),
    }
}

/// A device's past: nothing, for one that ThingSpace does not know.
pub(super) fn history(reply: &Reply) -> Result<History, CallError> {
    match reply.json() {
        Err(error) if is_one_of(&error, &NOT_FOUND) => Ok(History::default()),
        result => result,
    }
}

/// Whether ThingSpace refused with one of these codes.
pub(super) fn is_one_of(error: &CallError, codes: &[&str]) -> bool {
    matches!(error, CallError::Refused { code, .. } if codes.iter().any(|known| code.is(known)))
}
