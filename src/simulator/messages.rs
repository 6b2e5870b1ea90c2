//! The bodies of DeviceProfileService callbacks (contract section 7), and the ways in which they come out odd.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::Rng;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{actions::State, errors::dotted, identifiers::Ids};

/// Most deliveries of a message, as every message says.
pub const THRESHOLD: u32 = 4;

/// What is to be told about one device of a request.
#[derive(Debug)]
pub struct Report {
    /// The request.
    pub request_id: String,
    /// The account whose listener is told.
    pub account: String,
    /// The device.
    pub ids: Ids,
    /// How it went.
    pub outcome: Outcome,
    /// How often it was sent.
    pub sent: AtomicU32,
}

/// How an action went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It reached the device, or is still on the way to it.
    Device {
        /// Success, warning or failure.
        result: Ending,
        /// The line's state.
        state: State,
        /// The profile on the card.
        profile_status: Option<String>,
        /// Whether the address could be updated; `None` when the request named none.
        address_updated: Option<bool>,
        /// The carrier.
        carrier: Option<String>,
    },
    /// It was not done.
    Fault {
        /// Dotted code.
        code: String,
        /// For people.
        text: String,
    },
}

/// The three ends of a `deviceProfileResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Success,
    /// The device could not be reached yet; another message follows.
    Warning,
    /// Not done.
    Failed,
}

impl Ending {
    /// `euiccStatus`, its code and its description.
    const fn euicc(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Success => ("EXECUTED_SUCCESS", "1.2.365", "EUICC device profile has been updated"),
            Self::Warning => ("EXECUTED_WITHWARNING", "1.6.5.4", "The device has not answered yet"),
            Self::Failed => ("FAILED", "1.2.4.2", "EUICC device profile has not been updated"),
        }
    }

    const fn status(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Failed => "Failed",
        }
    }
}

/// Oddities of form, each met or to be expected on the real platform (contract section 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `RequestId`, `Device: [{Kind, Identifier}]`.
    pub pascal: bool,
    /// Counters as strings.
    pub strings: bool,
    /// `kind` as `Iccid`, `IMEI`.
    pub odd_kinds: bool,
    /// Without the optional fields.
    pub bare: bool,
    /// With fields that nobody knows.
    pub extra: bool,
    /// `deviceResponse` as an array of one.
    pub array: bool,
    /// With a `requestId` that was never given out.
    pub unknown_request: bool,
}

impl Report {
    /// A report that was not sent yet.
    #[must_use]
    pub const fn new(request_id: String, account: String, ids: Ids, outcome: Outcome) -> Self {
        Self { request_id, account, ids, outcome, sent: AtomicU32::new(0) }
    }

    /// Whether the action was done.
    #[must_use]
    pub const fn succeeded(&self) -> bool {
        matches!(self.outcome, Outcome::Device { result: Ending::Success, .. })
    }

    /// Counts a delivery and returns its `callbackCount`.
    pub fn count(&self) -> u32 {
        self.sent.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The body of a delivery.
    #[must_use]
    pub fn body(&self, username: &str, password: &str, count: u32, form: Form) -> Value {
        let ids = || {
            Value::Array(self.ids.iter().map(|(kind, id)| json!({"id": id, "kind": odd(kind.name(), form)})).collect())
        };
        let request_id = if form.unknown_request { Uuid::new_v4().to_string() } else { self.request_id.clone() };
        let mut body = Map::new();
        let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
        set("username", username.into());
        set("password", password.into());
        set("requestId", request_id.into());
        set("deviceIds", ids());
        let status = match &self.outcome {
            Outcome::Device { result, .. } => {
                let mut profile = json!({"deviceProfileResponse": self.profile(ids(), form)});
                if form.extra {
                    profile["resourceVersion"] = 7.into();
                }
                set("deviceResponse", if form.array { json!([profile]) } else { profile });
                result.status()
            }
            Outcome::Fault { code, text } => {
                set("faultResponse", json!({"faultcode": dotted(code), "faultstring": text}));
                "Failed"
            }
        };
        set("status", status.into());
        let counter = |n: u32| {
            if form.strings { n.to_string().into() } else { n.into() }
        };
        set("callbackCount", counter(count));
        set("maxCallbackThreshold", counter(THRESHOLD));
        if form.extra {
            set("correlation", json!({"node": "uws-7", "hops": [1, 2]}));
        }
        if form.bare {
            body.retain(|key, _| !["deviceIds", "maxCallbackThreshold"].contains(&key.as_str()));
        }
        let body = Value::Object(body);
        if form.pascal { pascal(body) } else { body }
    }

    fn profile(&self, ids: Value, form: Form) -> Value {
        let Outcome::Device { result, state, profile_status, address_updated, carrier } = &self.outcome else {
            return Value::Null;
        };
        let (status, code, text) = result.euicc();
        let mut profile = json!({
            "deviceIdentifierCollection": ids,
            "state": state.reported(),
            "euiccStatus": status,
        });
        if form.bare {
            return profile;
        }
        profile["euiccStatusCode"] = code.into();
        profile["euiccStatusDesc"] = text.into();
        if let Some(profile_status) = profile_status {
            profile["profileStatus"] = profile_status.as_str().into();
        }
        if let Some(updated) = address_updated {
            let (status, code, text) = if *updated {
                ("EXECUTED_SUCCESS", "1", "SUCCESS: Address has been updated")
            } else {
                ("FAILED", "2", "FAILURE: Address could not be updated")
            };
            profile["euiccSubAddressUpdateStatus"] = status.into();
            profile["euiccSubAddressUpdateStatusCode"] = code.into();
            profile["euiccSubAddressUpdateStatusDesc"] = text.into();
        }
        if let Some(carrier) = carrier {
            profile["carrierName"] = carrier.as_str().into();
        }
        profile["profileRole"] = "LEAD".into();
        profile
    }
}

fn odd(kind: &str, form: Form) -> String {
    match (form.odd_kinds, kind) {
        (true, "imei" | "eid") => kind.to_uppercase(),
        (true, _) => capitalized(kind),
        (false, _) => kind.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The spelling of the fallback sample: capital keys, `Device` for the identifiers, `Identifier` for `id`.
fn pascal(value: Value) -> Value {
    let rename = |key: &str| match key {
        "deviceIds" => "Device".to_owned(),
        "id" => "Identifier".to_owned(),
        key => capitalized(key),
    };
    match value {
        Value::Object(object) => object.into_iter().map(|(key, value)| (rename(&key), pascal(value))).collect(),
        Value::Array(list) => list.into_iter().map(pascal).collect(),
        other => other,
    }
}

/// A password that is not the right one, and does not look like a mistake of the simulator.
#[must_use]
pub fn wrong_password() -> String {
    format!("wrong-{:08x}", rand::rng().random::<u32>())
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
