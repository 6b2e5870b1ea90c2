//! Reading the messages that ThingSpace delivers to a DeviceProfileService listener (contract 7).

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::error::{ErrorClass, ErrorCode};
use super::line_state::LineState;
use super::request::RequestId;
use super::wire::DeviceId;
use crate::text;

/// The longest body that [`CallbackMessage::parse`] reads: over a hundred times a usual message.
pub const MAX_CALLBACK_BODY: usize = 256 * 1024;
/// The most identifiers that are kept: a device has about five.
const MAX_IDS: usize = 100;
/// The longest identifier that is kept: an EID has 32 digits.
const MAX_ID_LENGTH: usize = 64;
/// Values of `euiccStatus` for an operation that did not come to pass (contract 8).
const CARD_FAILURES: [&str; 2] = ["FAILED", "EXPIRED"];

/// One message about one device.
#[derive(Clone, Debug)]
pub struct CallbackMessage {
    /// What the sender presents as its right to send.
    pub credentials: CallbackCredentials,
    /// The request that this answers.
    pub request_id: Option<RequestId>,
    /// All identifiers that the message names, kinds in lower case, each once.
    pub device_ids: Vec<DeviceId>,
    /// What the message says of an activation.
    pub verdict: Verdict,
    /// The profile's state, where the message holds one.
    pub profile: Option<DeviceProfile>,
    /// How often this message has been sent.
    pub callback_count: Option<u32>,
    /// How often it will be sent at most.
    pub max_callback_threshold: Option<u32>,
    said: Said,
}

/// The registered user and password, echoed; empty when the message has none. Not printable.
#[derive(Clone, Debug, Default)]
pub struct CallbackCredentials {
    /// The user.
    pub username: SecretString,
    /// The password.
    pub password: SecretString,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Success,
    /// Not final: another message, or the request's status, will tell (contract 6.2).
    Warning {
        /// Why, in ThingSpace's words, cleaned.
        text: String,
    },
    /// Failed for good.
    Failure {
        /// ThingSpace's name for it.
        code: Option<ErrorCode>,
        /// Why, in ThingSpace's words, cleaned.
        text: String,
    },
}

/// `deviceProfileResponse` (contract 7.1); every text is cleaned and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceProfile {
    /// State of the line, for example `Active`.
    pub state: Option<String>,
    /// State of the profile on the card, for example `ENABLE`.
    pub profile_status: Option<String>,
    /// How the card's operation ended.
    pub euicc_status: Option<String>,
    /// Its code, opaque.
    pub euicc_status_code: Option<String>,
    /// The same in words.
    pub euicc_status_desc: Option<String>,
    /// How the update of the place of use ended: apart from the line (contract 7.3).
    pub address_update_status: Option<String>,
    /// Its code, opaque.
    pub address_update_code: Option<String>,
    /// The same in words.
    pub address_update_desc: Option<String>,
    /// The carrier.
    pub carrier_name: Option<String>,
    /// `LEAD` or `LOCAL`.
    pub profile_role: Option<String>,
}

/// Why a body is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableCallback {
    /// Longer than [`MAX_CALLBACK_BODY`].
    #[error("The callback's body is too long")]
    TooLong,
    /// Not JSON, or not an object.
    #[error("The callback's body is not a JSON object")]
    NotAnObject,
}

/// A message before it is known what was asked for.
#[derive(Clone, Debug)]
enum Said {
    /// Status SUCCESS, no fault.
    Succeeded,
    NotFinal {
        text: String,
    },
    Failed {
        code: Option<ErrorCode>,
        text: String,
    },
}

impl CallbackMessage {
    /// Reads a body. Only what is no JSON object is refused; whatever is absent or odd in one is left out.
    pub fn parse(body: &[u8]) -> Result<Self, UnreadableCallback> {
        if body.len() > MAX_CALLBACK_BODY {
            return Err(UnreadableCallback::TooLong);
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(UnreadableCallback::NotAnObject);
        };
        let message = Lenient(&object);
        let response = message.object("deviceResponse").and_then(|r| r.object("deviceProfileResponse"));
        let profile = response.map(DeviceProfile::read);
        let said = Said::read(message, profile.as_ref());
        Ok(Self {
            credentials: CallbackCredentials {
                username: message.word("username").unwrap_or_default().into(),
                password: message.word("password").unwrap_or_default().into(),
            },
            request_id: message.word("requestId").and_then(|id| RequestId::new(id.trim()).ok()),
            device_ids: device_ids(message, response),
            verdict: said.verdict(profile.as_ref(), LineState::Active),
            callback_count: message.number("callbackCount"),
            max_callback_threshold: message.number("maxCallbackThreshold"),
            profile,
            said,
        })
    }

    /// What the same message says when a deactivation was asked for.
    pub fn verdict_of_deactivation(&self) -> Verdict {
        self.said.verdict(self.profile.as_ref(), LineState::Deactive)
    }
}

impl Said {
    /// The success test of contract 7.3, but for the state; contract 12 #1 and #2 for everything else.
    fn read(message: Lenient<'_>, profile: Option<&DeviceProfile>) -> Self {
        let status = message.text("status").unwrap_or_default().to_ascii_uppercase();
        let fault = message.object("faultResponse");
        let fault_code = fault.and_then(|fault| fault.text("faultcode"));
        let card = |field: fn(&DeviceProfile) -> &Option<String>| profile.and_then(|profile| field(profile).clone());
        let code = fault_code.or_else(|| card(|profile| &profile.euicc_status_code));
        let code = code.map(|code| ErrorCode::new(&code));
        let text = fault
            .and_then(|fault| fault.text("faultstring"))
            .or_else(|| message.text("faultResponse"))
            .or_else(|| card(|profile| &profile.euicc_status_desc))
            .unwrap_or_else(|| match status.as_str() {
                "" => "ThingSpace gives no status".into(),
                status => format!("ThingSpace gives the status {status} and no reason"),
            });
        let on_hold = code.as_ref().is_some_and(|code| code.class == ErrorClass::RequestOnHold);
        let card_failed = card(|profile| &profile.euicc_status)
            .is_some_and(|status| CARD_FAILURES.iter().any(|known| status.eq_ignore_ascii_case(known)));
        let stateless = card(|profile| &profile.state).is_none();
        match status.as_str() {
            _ if on_hold => Self::NotFinal { text },
            _ if message.holds("faultResponse") => Self::Failed { code, text },
            "SUCCESS" if !(card_failed && stateless) => Self::Succeeded,
            "WARNING" | "PENDING" => Self::NotFinal { text },
            // No status at all says nothing that could be final.
            "" if !card_failed => Self::NotFinal { text },
            _ => Self::Failed { code, text },
        }
    }

    fn verdict(&self, profile: Option<&DeviceProfile>, wanted: LineState) -> Verdict {
        match self {
            Self::NotFinal { text } => Verdict::Warning { text: text.clone() },
            Self::Failed { code, text } => Verdict::Failure { code: code.clone(), text: text.clone() },
            Self::Succeeded => match profile.and_then(|profile| profile.state.as_deref()) {
                None => Verdict::Success,
                Some(state) => match LineState::parse(state) {
                    reached if reached == wanted => Verdict::Success,
                    pending if pending.is_pending() => Verdict::Warning { text: format!("the line is {state}") },
                    _ => Verdict::Failure {
                        code: None,
                        text: format!("ThingSpace reports success, but the line is {state}"),
                    },
                },
            },
        }
    }
}

impl DeviceProfile {
    fn read(response: Lenient<'_>) -> Self {
        Self {
            state: response.text("state"),
            profile_status: response.text("profileStatus"),
            euicc_status: response.text("euiccStatus"),
            euicc_status_code: response.text("euiccStatusCode"),
            euicc_status_desc: response.text("euiccStatusDesc"),
            address_update_status: response.text("euiccSubAddressUpdateStatus"),
            address_update_code: response.text("euiccSubAddressUpdateStatusCode"),
            address_update_desc: response.text("euiccSubAddressUpdateStatusDesc"),
            carrier_name: response.text("carrierName"),
            profile_role: response.text("profileRole"),
        }
    }
}

fn device_ids(message: Lenient<'_>, response: Option<Lenient<'_>>) -> Vec<DeviceId> {
    let named = ["deviceIds", "device"].into_iter().flat_map(|key| message.objects(key));
    let collected = response.into_iter().flat_map(|response| response.objects("deviceIdentifierCollection"));
    let mut ids: Vec<DeviceId> = Vec::new();
    for id in named.chain(collected).filter_map(device_id) {
        if ids.len() < MAX_IDS && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn device_id(object: Lenient<'_>) -> Option<DeviceId> {
    let kind = object.text("kind")?.to_ascii_lowercase();
    let id = object.text("id").or_else(|| object.text("identifier"))?;
    [&kind, &id].iter().all(|text| text.len() <= MAX_ID_LENGTH).then_some(DeviceId { kind, id })
}

/// An object whose keys are found in any case, and whose values are taken as they come (contract 7.3).
#[derive(Clone, Copy)]
struct Lenient<'a>(&'a Map<String, Value>);

impl<'a> Lenient<'a> {
    fn value(self, key: &str) -> Option<&'a Value> {
        let exact = self.0.get(key);
        exact.or_else(|| self.0.iter().find_map(|(known, value)| known.eq_ignore_ascii_case(key).then_some(value)))
    }

    /// Whether there is anything but nothing.
    fn holds(self, key: &str) -> bool {
        self.value(key).is_some_and(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        })
    }

    /// The objects in an array, or the one object that stands in its place.
    fn objects(self, key: &str) -> impl Iterator<Item = Lenient<'a>> + use<'a> {
        let items = match self.value(key) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        items.iter().filter_map(Value::as_object).map(Lenient)
    }

    fn object(self, key: &str) -> Option<Lenient<'a>> {
        self.objects(key).next()
    }

    /// A text or a number, untouched.
    fn word(self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A text fit for people; `None` when nothing of it is left.
    fn text(self, key: &str) -> Option<String> {
        self.word(key).map(|word| text::clean(&word)).filter(|text| !text.is_empty())
    }

    fn number(self, key: &str) -> Option<u32> {
        self.word(key)?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests;
