//! ThingSpace's JSON, as it stands on the wire. Field names are ThingSpace's own; the section numbers in the
//! docs of this module are those of the ThingSpace contract in `docs/thingspace-contract.md`.
//!
//! Requests only serialize what is set: an absent field and an empty one are not the same to ThingSpace.

use serde::{Deserialize, Serialize};

mod accounts;
pub use accounts::{Account, IpPool, ServicePlan};

/// One identifier of a device. `kind` is lower case in requests; answers use any case (section 7.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceId {
    /// `eid`, `iccid`, `imei` or `mdn`; answers also know `msisdn`, `esn`, `meid`.
    #[serde(alias = "Kind")]
    pub kind: String,
    /// The identifier's digits.
    #[serde(alias = "Id", alias = "Identifier", alias = "identifier")]
    pub id: String,
}

/// All identifiers of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The identifiers. Some descriptions name this array `ids` (section 5.1); both are read.
    #[serde(alias = "ids")]
    pub device_ids: Vec<DeviceId>,
}

/// Body of `POST /m2m/v1/devices/profile/actions/activate` (section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivateRequest {
    /// The devices to activate.
    pub devices: Vec<Device>,
    /// The billing account.
    pub account_name: String,
    /// OID of the SM-SR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smsr_oid: Option<String>,
    /// The carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_name: Option<String>,
    /// The service plan's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_plan: Option<String>,
    /// ZIP code that the phone number is drawn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mdn_zip_code: Option<String>,
    /// The IP pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_ip_pool_name: Option<String>,
    /// Where the line is mainly used, for taxation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_place_of_use: Option<PlaceOfUse>,
}

/// Name and address for the taxation of a line (section 3.2: an object of two objects).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOfUse {
    /// Who uses the line.
    pub customer_name: CustomerName,
    /// Where.
    pub address: Address,
}

// A person's name and address are not for logs.
impl std::fmt::Debug for PlaceOfUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlaceOfUse(withheld)")
    }
}

/// A person's name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerName {
    /// For example "Ms".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// First name.
    pub first_name: String,
    /// Middle name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// Last name.
    pub last_name: String,
    /// For example "Jr".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// A physical address in the United States.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Street address. ThingSpace's table prints `addresLine1`; its samples and this field do not (section 3.2).
    pub address_line1: String,
    /// More of the street address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_line2: Option<String>,
    /// City.
    pub city: String,
    /// Two-letter code of the state.
    pub state: String,
    /// ZIP code.
    pub zip: String,
    /// ZIP+4 extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip4: Option<String>,
    /// `US` or `USA`.
    pub country: String,
}

/// Body of `POST /m2m/v1/devices/profile/actions/deactivate` (section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeactivateRequest {
    /// The devices.
    pub devices: Vec<Device>,
    /// The billing account.
    pub account_name: String,
    /// `FF`: general administration, the only value that Verizon lists.
    pub reason_code: String,
    /// Whether to ask for a waiver of the early termination fee: money, so always said.
    pub etf_waiver: bool,
    /// The carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_name: Option<String>,
}

/// Answer of every profile action: accepted, not done (section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Minted by the server; opaque, at most 64 characters.
    #[serde(alias = "RequestId")]
    pub request_id: String,
}

/// Answer of `GET .../accounts/{account}/requests/{requestId}/status`, v1 and v2 (section 9.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    /// The request.
    pub request_id: String,
    /// `Pending`, `Success`, `Failed` or `Failure`.
    pub status: String,
    /// One entry a device; v2 only.
    #[serde(default, alias = "subrequests", skip_serializing_if = "Vec::is_empty")]
    pub sub_requests: Vec<SubRequest>,
}

/// The part of a request that concerns one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubRequest {
    /// The device's identifiers: a list, or one object in some descriptions.
    #[serde(default, deserialize_with = "one_or_many")]
    pub ids: Vec<DeviceId>,
    /// As [`RequestStatus::status`].
    pub status: String,
}

/// Body of `POST /m2m/v1/devices/actions/list` for one device (section 9.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceListRequest {
    /// The billing account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The device looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
}

/// Answer of the device list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceList {
    /// More than fits one answer.
    #[serde(default)]
    pub has_more_data: bool,
    /// The devices found.
    #[serde(default)]
    pub devices: Vec<DeviceRecord>,
}

/// What ThingSpace knows of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceRecord {
    /// The account that the device is in.
    pub account_name: Option<String>,
    /// All known identifiers, the minted ones among them.
    pub device_ids: Vec<DeviceId>,
    /// Plan and state, one entry a carrier.
    pub carrier_informations: Vec<CarrierInformation>,
    /// Whether the device is connected now.
    pub connected: Option<bool>,
    /// When the device came into the account.
    pub created_at: Option<String>,
    /// Its address.
    pub ip_address: Option<String>,
    /// Its groups.
    pub group_names: Vec<String>,
    /// Who activated it last.
    pub last_activation_by: Option<String>,
    /// When it was activated last: RFC 3339.
    pub last_activation_date: Option<String>,
}

/// Plan and state of a device with one carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CarrierInformation {
    /// The carrier.
    pub carrier_name: Option<String>,
    /// The plan's code.
    pub service_plan: Option<String>,
    /// `active`, `deactive`, `pre-active`, `suspend`, `pending activation`, … in any case (section 8).
    pub state: Option<String>,
}

/// Body of `POST /m2m/v1/devices/history/actions/list` (section 9.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRequest {
    /// The device.
    pub device_id: DeviceId,
    /// Start of the window, RFC 3339.
    pub earliest: String,
    /// End of the window, RFC 3339.
    pub latest: String,
}

/// Answer of the provisioning history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// More than fits one answer.
    pub has_more_data: bool,
    /// What happened.
    pub provisioning_history: Vec<HistoryEntry>,
}

/// One provisioning event of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HistoryEntry {
    /// When, RFC 3339.
    pub occurred_at: Option<String>,
    /// `Success`, `Failed`, ….
    pub status: Option<String>,
    /// Who asked for it.
    pub event_by: Option<String>,
    /// `Activate`, `Activation Confirmed`, `Deactivate`, ….
    pub event_type: Option<String>,
    /// The plan's code.
    pub service_plan: Option<String>,
    /// The phone number.
    pub mdn: Option<String>,
    /// The phone number with its country code.
    pub msisdn: Option<String>,
}

/// Body of `POST /m2m/v1/callbacks/{account}` (section 6.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterCallback {
    /// The service, for example `DeviceProfileService`.
    pub name: String,
    /// Where ThingSpace delivers.
    pub url: String,
    /// Echoed in every message body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Echoed in every message body, in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// One entry of `GET /m2m/v1/callbacks/{account}`; ThingSpace shows the password in clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackListener {
    /// The account.
    #[serde(default)]
    pub account_name: Option<String>,
    /// The service.
    #[serde(alias = "name")]
    pub service_name: String,
    /// Where ThingSpace delivers.
    #[serde(default)]
    pub url: String,
    /// Echoed in every message body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Echoed in every message body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Answer of a registration and of its removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackAction {
    /// The account.
    pub account_name: String,
    /// The service.
    pub service_name: String,
}

/// Answer of the OAuth token endpoint (section 2.1). No `Debug`: it is a secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenReply {
    /// The bearer token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds that are left.
    pub expires_in: u64,
    /// What the token is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Body of `POST /m2m/v1/session/login` (section 2.2). No `Debug`: it is a secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginRequest {
    /// UWS user.
    pub username: String,
    /// UWS password.
    pub password: String,
}

/// Answer of login and logout. No `Debug`: it is a secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionReply {
    /// Value of the `VZ-M2M-Token` header.
    pub session_token: String,
}

/// The service that profile actions report on.
pub const PROFILE_SERVICE: &str = "DeviceProfileService";

fn one_or_many<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<DeviceId>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        Many(Vec<DeviceId>),
        One(DeviceId),
    }
    Ok(match Ids::deserialize(d)? {
        Ids::Many(ids) => ids,
        Ids::One(id) => vec![id],
    })
}
