//! What fuzzers and property tests feed with bytes: a callback's body, and an answer of ThingSpace, each from the wire
//! to the status that the API server would be given. Panics when anything is not as it should be.
//!
//! `fuzz/` holds the targets for cargo-fuzz; `tests` beside this file runs the same on generated bodies.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    activation::{Event, Outcome, Policy, Question, Subject, advance},
    api::{ActivationStatus, DeviceId, EuiccActivation, IdKind},
    callback::routes::report,
    controller::lookup,
    thingspace::{CallError, CallbackMessage, fuzz::read_all},
};

/// The longest text of a status: a sentence of ours around a few of ThingSpace's.
const LONGEST_TEXT: usize = 4_000;
/// The longest status of a resource with two devices.
const LONGEST_STATUS: usize = 64 * 1024;
/// The request that the resource waits for.
pub const REQUEST: &str = "d1f08526-5443-4054-9a29-4456490ea9f8";
/// The device that it names.
pub const EID: &str = "89034011560010000000000000000121";

/// A body that somebody posts to the sidecar.
pub fn callback(body: &[u8]) {
    let Ok(message) = CallbackMessage::parse(body) else { return };
    let report = report(message);
    for mut play in Play::all() {
        play.feed(&Event::Callback(Box::new(report.clone())));
        let before = play.status.clone();
        play.feed(&Event::Callback(Box::new(report.clone())));
        assert_eq!(play.status, before, "the same message twice says more than once");
    }
}

/// An answer of ThingSpace: the first two bytes are its status, the third its Retry-After, the rest its body.
pub fn answer(data: &[u8]) {
    let [high, low, wait, body @ ..] = data else { return };
    let status = u16::from_be_bytes([*high, *low]) % 500 + 100;
    let readings = read_all(status, (*wait > 0).then_some(u64::from(*wait)), body.to_vec());
    for error in &readings.errors {
        assert_bounded(error);
    }
    for mut play in Play::all() {
        if let Some(question) = Question::about(&play.status, play.now) {
            let progress =
                readings.progress.as_ref().map(|p| p.overall).unwrap_or(crate::thingspace::Progress::NotKnown);
            let line = readings.devices.as_ref().map(|records| records.first().map(lookup::found));
            let event = match (line, play.is_unknown()) {
                (Err(error), _) => Event::LookFailed { question, message: error.to_string() },
                (Ok(line), true) => {
                    Event::Observed { question, lines: vec![line.unwrap_or(crate::activation::Line::NotFound)] }
                }
                (Ok(line), false) => Event::Polled {
                    question,
                    devices: vec![(lookup::progress(progress), line.unwrap_or(crate::activation::Line::NotFound))],
                },
            };
            play.feed(&event);
        }
        play.feed(&Event::Sent { operation_id: "op".into(), outcome: outcome(&readings.accepted) });
    }
}

fn outcome(accepted: &Result<crate::thingspace::RequestId, CallError>) -> Outcome {
    match accepted {
        Ok(id) => Outcome::Accepted { request_id: id.as_str().into() },
        Err(CallError::NotSent { cause }) => Outcome::NotSent { message: cause.to_string() },
        Err(CallError::Refused { code, message }) => {
            Outcome::Refused { code: code.raw.clone(), message: message.clone() }
        }
        Err(CallError::Later { code, message, .. }) => {
            let (code, message) = (code.raw.clone(), message.clone());
            Outcome::Later { code, message, not_before: None, throttled: false }
        }
        Err(CallError::Unknown { cause }) => Outcome::Unknown { message: cause.clone() },
    }
}

/// A resource in some state, to which something happens.
struct Play {
    object: EuiccActivation,
    status: ActivationStatus,
    now: Timestamp,
}

impl Play {
    /// One about to be sent, one whose answer is waited for, one whose outcome is unknown.
    fn all() -> Vec<Self> {
        let sent = |outcome| Event::Sent { operation_id: "op".into(), outcome };
        let accepted = sent(Outcome::Accepted { request_id: REQUEST.into() });
        let unknown = sent(Outcome::Unknown { message: "no answer".into() });
        [None, Some(accepted), Some(unknown)].iter().map(|event| Self::after(event.as_ref())).collect()
    }

    fn after(event: Option<&Event>) -> Self {
        let mut play = Self { object: object(), status: ActivationStatus::default(), now: Timestamp::UNIX_EPOCH };
        play.feed(&Event::Claim { operation_id: "op".into(), generation: 1 });
        event.into_iter().for_each(|event| play.feed(event));
        play
    }

    fn is_unknown(&self) -> bool {
        self.status.operation.as_ref().is_some_and(|o| o.state == crate::api::OperationState::Unknown)
    }

    fn feed(&mut self, event: &Event) {
        let next = advance(Subject::from(&self.object), &self.status, event, self.now, &Policy::default());
        self.status = next.status;
        assert_sound(&self.status);
    }
}

#[allow(clippy::expect_used)] // a fixed text
fn object() -> EuiccActivation {
    serde_json::from_value(json!({
        "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
        "metadata": {"name": "forklift", "namespace": "fleet", "uid": "u-1", "generation": 1},
        "spec": {
            "connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "servicePlan": "HybridESim",
            "devices": [{"deviceIds": [{"kind": "eid", "id": EID}]}],
        },
    }))
    .expect("a manifest")
}

/// What the API server takes, and a terminal can show.
fn assert_sound(status: &ActivationStatus) {
    let value = serde_json::to_value(status).unwrap_or_default();
    assert!(value.to_string().len() < LONGEST_STATUS, "the status is too long");
    assert_all_bounded(&value);
    for id in status.devices.iter().flat_map(|d| &d.device_ids) {
        assert!(is_well_formed(id), "the API server refuses {id:?}");
    }
    assert!(status.devices.iter().all(|d| d.device_ids.len() <= 4), "each kind once");
    assert!(status.request_id.as_ref().is_none_or(|id| id.chars().count() <= 64));
}

fn assert_all_bounded(value: &Value) {
    match value {
        Value::String(text) => assert_bounded(text),
        Value::Array(items) => items.iter().for_each(assert_all_bounded),
        Value::Object(members) => members.values().for_each(assert_all_bounded),
        _ => {}
    }
}

fn assert_bounded(text: &str) {
    assert!(text.len() < LONGEST_TEXT, "a text of {} bytes", text.len());
    assert!(!text.contains(char::is_control), "a control character in {text:?}");
}

fn is_well_formed(id: &DeviceId) -> bool {
    let lengths: &[usize] = match id.kind {
        IdKind::Eid => &[32],
        IdKind::Iccid => &[19, 20],
        IdKind::Imei => &[15, 16],
        IdKind::Mdn => &[10],
    };
    lengths.contains(&id.id.len()) && id.id.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests;
