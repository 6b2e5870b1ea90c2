//! Reading the messages that ThingSpace delivers to a DeviceProfileService listener (contract 7).

use secrecy::SecretString;

use super::error::ErrorCode;
use super::request::RequestId;
use super::wire::DeviceId;

/// The longest body that [`CallbackMessage::parse`] reads: over a hundred times a usual message.
pub const MAX_CALLBACK_BODY: usize = 256 * 1024;

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

impl CallbackMessage {
    /// Reads a body. Only what is no JSON object is refused; whatever is absent or odd in one is left out.
    pub fn parse(body: &[u8]) -> Result<Self, UnreadableCallback> {
        let _ = body;
        todo!()
    }

    /// What the same message says when a deactivation was asked for.
    pub fn verdict_of_deactivation(&self) -> Verdict {
        todo!()
    }
}
