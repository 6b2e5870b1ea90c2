//! `EuiccActivation`: one activate request: some devices, an account, a place of use.

use kube::{
    CustomResource, KubeSchema, ResourceExt,
    core::{Message, Rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActivationStatus, Operation, rules};

/// One activate request to ThingSpace: some devices, a billing account and a primary place of use. It is sent once;
/// what was sent cannot be edited while it is in flight or done. The field names are ThingSpace's own.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "euicc-operator.io",
    version = "v1alpha1",
    kind = "EuiccActivation",
    plural = "euiccactivations",
    shortname = "euicc",
    category = "thingspace",
    namespaced,
    status = "ActivationStatus",
    derive = "PartialEq",
    doc = "One request to activate eSIM devices through Verizon ThingSpace: some devices, a billing account and a primary place of use. It is sent once. Wait for it with: kubectl wait --for=condition=Ready euicc/NAME",
    selectable = ".spec.accountName",
    selectable = ".status.requestId",
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.accountName"),
    printcolumn(name = "Devices", type_ = "integer", json_path = ".status.counts.devices"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.counts.active"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.counts.failed"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "RequestID", type_ = "string", json_path = ".status.requestId", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    validation = frozen()
)]
#[x_kube(validation = Rule::new("self.deletionPolicy == 'Deactivate' ? has(self.deactivation) : !has(self.deactivation)")
    .message("deactivation must be given when deletionPolicy is Deactivate, and only then: it decides about a fee")
    .field_path(".deactivation"))]
#[serde(rename_all = "camelCase")]
pub struct EuiccActivationSpec {
    /// The ThingSpaceConnection that this activation is sent through.
    pub connection_ref: ConnectionRef,

    /// Billing account of the lines: ten digits, a hyphen, five digits, leading zeros kept, for example
    /// 0000123456-00001. The connection must list it.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::account_name())]
    pub account_name: String,

    /// The devices to activate, all in one request with one requestId. One device a resource is recommended: each then
    /// has its own request status at ThingSpace. No identifier may stand twice.
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(d, d.deviceIds.all(i, self.exists_one(e, i in e.deviceIds)))")
            .message("no identifier may stand twice: each one is of exactly one device")
    )]
    pub devices: Vec<Device>,

    /// OID of the SM-SR (subscription manager, secure routing), if ThingSpace gave you one: 3 to 46 digits and dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::smsr_oid())]
    pub smsr_oid: Option<String>,

    /// Carrier of the line, for example Verizon Wireless.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::filled(), validation = rules::text())]
    pub carrier_name: Option<String>,

    /// Code of the service plan (not its display name): it drives the bill. HybridESim for consumer eSIM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::plan_code())]
    pub service_plan: Option<String>,

    /// ZIP code, five digits, that the phone number (MDN) is drawn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::zip())]
    pub mdn_zip_code: Option<String>,

    /// Pool that the line's IP address is taken from. Empty is the same as not given: the account's default pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::text())]
    pub carrier_ip_pool_name: Option<String>,

    /// Where the lines are mainly used, for taxation; applies to every device. Whole or absent: without it, ThingSpace
    /// takes the address of the account's profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_place_of_use: Option<PlaceOfUse>,

    /// What deleting this resource does to the lines. Retain: nothing, they stay active and billed. Deactivate: they are
    /// deactivated first, as `deactivation` says; the phone numbers are lost and a fee may fall due.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How to deactivate; required with deletionPolicy Deactivate, and only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deactivation: Option<Deactivation>,

    /// While true, nothing new is sent. What is already sent is followed to its end.
    #[serde(default)]
    pub suspend: bool,

    /// How long to wait for ThingSpace's final answer before the activation is reported as failed: a duration from 1m
    /// to 168h, for example 24h. ThingSpace answers in minutes to a day.
    #[serde(default = "default_result_timeout")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new(
        "self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && self != '' && duration(self) >= duration('1m') && duration(self) <= duration('168h')")
        .message("must be a duration from 1m to 168h in hours, minutes and seconds, for example 24h or 1h30m"))]
    pub result_timeout: String,
}

fn default_result_timeout() -> String {
    "24h".into()
}

/// The fields that are sent, and which of them may be left out.
const SENT: [(&str, bool); 9] = [
    ("connectionRef", false),
    ("accountName", false),
    ("devices", false),
    ("smsrOid", true),
    ("carrierName", true),
    ("servicePlan", true),
    ("mdnZipCode", true),
    ("carrierIpPoolName", true),
    ("primaryPlaceOfUse", true),
];

const INSTEAD: &str =
    "Edit it when the request has failed, or create another EuiccActivation to activate something else";

/// What [`frozen`] says, whatever the field: for readers, and for when the API server cannot say which.
pub(super) fn frozen_in_words() -> String {
    let fields = SENT.map(|(field, _)| field).join(", ");
    format!("what has been sent to ThingSpace cannot be edited ({fields}). {INSTEAD}")
}

/// What is sent cannot change from the claim on, until that attempt has failed.
///
/// The API server asks this at every write of a status, too, three times in each activation's life, and each property
/// that it looks up costs it microseconds. A write that moves the state is one of a status, which leaves the spec as it
/// is: so the fields, all of them in one rule, come last.
fn frozen() -> Rule {
    let same = |(field, optional): (&str, bool)| match optional {
        false => format!("self.spec.{field} == oldSelf.spec.{field}"),
        true => format!(
            "(has(self.spec.{field}) ? has(oldSelf.spec.{field}) && self.spec.{field} == oldSelf.spec.{field} : \
             !has(oldSelf.spec.{field}))"
        ),
    };
    let edited = |next: String, sent: (&str, bool)| format!("!({}) ? '{}' : {next}", same(sent), sent.0);
    let first_edited = SENT.into_iter().rfold("''".to_owned(), edited);
    Rule::new(format!(
        "!has(self.status) || !has(self.status.operation) || \
         self.status.operation.state in ['Released', 'Failed', 'TimedOut'] || \
         !has(oldSelf.status) || !has(oldSelf.status.operation) || \
         self.status.operation.state != oldSelf.status.operation.state || \
         ({})",
        SENT.map(same).join(" && ")
    ))
    .message(Message::Expression(format!(
        "({first_edited}) + ' cannot be edited: it has been sent to ThingSpace. {INSTEAD}'"
    )))
    .field_path(".spec")
}

/// Names a ThingSpaceConnection.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectionRef {
    /// Name of the ThingSpaceConnection.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Its namespace, where it is not this one. The connection must admit this namespace in spec.allowedNamespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::namespace_name())]
    pub namespace: Option<String>,
}

impl EuiccActivation {
    /// The request that is under way or was the last.
    pub fn operation(&self) -> Option<&Operation> {
        self.status.as_ref()?.operation.as_ref()
    }

    /// Namespace and name.
    pub fn key(&self) -> (String, String) {
        (self.namespace().unwrap_or_default(), self.name_any())
    }

    /// Namespace and name of the connection that it is sent through.
    pub fn connection_key(&self) -> (String, String) {
        let reference = &self.spec.connection_ref;
        let own = || self.metadata.namespace.clone().unwrap_or_default();
        (reference.namespace.clone().unwrap_or_else(own), reference.name.clone())
    }
}

/// One device: all of its identifiers.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("self.deviceIds.exists(i, i.kind in ['eid', 'iccid', 'imei'])")
    .message("must hold an eid, an iccid or an imei: ThingSpace cannot find the device by its mdn alone")
    .field_path(".deviceIds"))]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The identifiers of this one device, each kind at most once. Give every one you know: ThingSpace wants the eid, and
    /// the iccid or the imei with it.
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub device_ids: Vec<DeviceId>,
}

/// One identifier of a device.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[x_kube(
    validation = rules::id_shape("eid", "32", "32 digits"),
    validation = rules::id_shape("iccid", "19,20", "19 or 20 digits"),
    validation = rules::id_shape("imei", "15,16", "15 digits, or 16 with the software version (IMEISV)"),
    validation = rules::id_shape("mdn", "10", "10 digits")
)]
pub struct DeviceId {
    /// What the identifier is: eid (the eSIM chip), iccid (the profile), imei (the modem) or mdn (the phone number).
    pub kind: IdKind,
    /// The digits. Quote them: YAML takes bare digits for a number.
    #[schemars(length(max = 64))]
    pub id: String,
}

/// Kinds of identifiers (contract 10).
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    // Plain comments: a doc comment on a variant would turn the enum into a oneOf, which is no structural schema.
    // The eSIM chip: 32 digits.
    #[allow(missing_docs)]
    Eid,
    // The profile: 19 or 20 digits.
    #[allow(missing_docs)]
    Iccid,
    // The modem: 15 or 16 digits.
    #[allow(missing_docs)]
    Imei,
    // The phone number: 10 digits.
    #[allow(missing_docs)]
    Mdn,
}

impl IdKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eid => "eid",
            Self::Iccid => "iccid",
            Self::Imei => "imei",
            Self::Mdn => "mdn",
        }
    }

    /// The kind of that name, in any case; `None` for kinds that this resource does not know.
    pub fn from_wire(name: &str) -> Option<Self> {
        [Self::Eid, Self::Iccid, Self::Imei, Self::Mdn]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// Name and address for the taxation of the lines.
#[derive(KubeSchema, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOfUse {
    /// Who uses the lines.
    pub customer_name: CustomerName,
    /// Where: a physical address in the United States.
    pub address: Address,
}

// A person's name and address are not for logs.
impl std::fmt::Debug for PlaceOfUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlaceOfUse(withheld)")
    }
}

/// A person's name.
#[derive(KubeSchema, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerName {
    /// For example Ms or Dr.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 25))]
    #[x_kube(validation = rules::text())]
    pub title: Option<String>,
    /// First name: 1 to 20 letters, digits, spaces, dashes, exclamation marks and pound signs.
    #[schemars(length(max = 20))]
    #[x_kube(validation = rules::filled(), validation = rules::name())]
    pub first_name: String,
    /// Middle name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 25))]
    #[x_kube(validation = rules::text())]
    pub middle_name: Option<String>,
    /// Last name: 1 to 25 letters, digits, spaces, dashes, exclamation marks and pound signs. Write OBrien for O'Brien.
    #[schemars(length(max = 25))]
    #[x_kube(validation = rules::filled(), validation = rules::name())]
    pub last_name: String,
    /// For example Jr or III.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 25))]
    #[x_kube(validation = rules::text())]
    pub suffix: Option<String>,
}

/// A physical address in the United States.
#[derive(KubeSchema, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Street and number; not a P.O. box.
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::filled(), validation = rules::text(), validation = rules::street())]
    pub address_line1: String,
    /// More of the street address, for example a suite; not a P.O. box.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::text(), validation = rules::street())]
    pub address_line2: Option<String>,
    /// City.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::filled(), validation = rules::text())]
    pub city: String,
    /// Two-letter code, upper case, of one of the 50 states, DC, or a territory (AS, GU, MP, PR, UM, VI).
    pub state: UsState,
    /// ZIP code: five digits.
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::zip())]
    pub zip: String,
    /// ZIP+4 extension: four digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::zip4())]
    pub zip4: Option<String>,
    /// US or USA.
    pub country: Country,
}

/// The countries that ThingSpace takes (contract 3.1).
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
#[serde(rename_all = "UPPERCASE")]
pub enum Country {
    Us,
    Usa,
}

/// ISO 3166-2:US.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::upper_case_acronyms)]
#[rustfmt::skip]
pub enum UsState {
    AL, AK, AZ, AR, CA, CO, CT, DE, FL, GA, HI, ID, IL, IN, IA, KS, KY, LA, ME, MD, MA, MI, MN, MS, MO, MT, NE, NV,
    NH, NJ, NM, NY, NC, ND, OH, OK, OR, PA, RI, SC, SD, TN, TX, UT, VT, VA, WA, WV, WI, WY, DC, AS, GU, MP, PR, UM, VI,
}

/// What deleting the resource does to its lines.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum DeletionPolicy {
    #[default]
    Retain,
    Deactivate,
}

/// How to deactivate (contract 5.1).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deactivation {
    /// Verizon lists one value: FF, general administration and maintenance.
    #[serde(default)]
    pub reason_code: ReasonCode,
    /// Whether to ask Verizon to waive the early termination fee. Money: so it has no default.
    pub etf_waiver: bool,
}

/// Reasons of a deactivation (contract 5.1).
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, clippy::upper_case_acronyms)]
pub enum ReasonCode {
    #[default]
    FF,
}
