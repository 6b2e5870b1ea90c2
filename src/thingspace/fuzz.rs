//! Every reader of ThingSpace's answers, on any answer.

use std::time::Duration;

use reqwest::StatusCode;

use super::credentials::{Credentials, Redactor};
use super::error::CallError;
use super::read;
use super::reply::Reply;
use super::request::{RequestId, RequestProgress};
use super::transport::Answer;
use super::wire::{Account, DeviceList, DeviceRecord, History, ServicePlan, SessionReply, TokenReply};

/// What the operations make of one answer.
pub(crate) struct Readings {
    pub(crate) accepted: Result<RequestId, CallError>,
    pub(crate) progress: Result<RequestProgress, CallError>,
    pub(crate) devices: Result<Vec<DeviceRecord>, CallError>,
    /// What went wrong with the others, in words.
    pub(crate) errors: Vec<String>,
}

/// Reads an answer in all ways.
pub(crate) fn read_all(status: u16, retry_after: Option<u64>, body: Vec<u8>) -> Readings {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let answer = Answer { status, retry_after: retry_after.map(Duration::from_secs), body };
    let credentials = Credentials {
        client_id: "canary-id".into(),
        client_secret: "canary-secret".into(),
        username: "canary-user".into(),
        password: "canary-password".into(),
        version: "1".into(),
    };
    let reply = Reply::new(answer, Redactor::new(&credentials));
    let _ = (reply.access_refusal(), reply.is_throttled(), reply.is_unknown_request());
    let errors = [
        reply.done().err(),
        read::callbacks(&reply).err(),
        read::history(&reply).err(),
        reply.json::<Account>().err(),
        reply.json::<Vec<ServicePlan>>().err(),
        reply.json::<TokenReply>().err(),
        reply.json::<SessionReply>().err(),
    ];
    let errors = errors.into_iter().flatten().map(|error| error.to_string()).chain([reply.message()]).collect();
    let _: (Result<History, _>, Result<DeviceList, _>) = (reply.json(), reply.json());
    Readings {
        accepted: read::accepted(&reply),
        progress: read::request_status(&reply).map(|s| s.map_or_else(RequestProgress::not_known, Into::into)),
        devices: read::devices(&reply).map(|list| list.devices),
        errors,
    }
}
