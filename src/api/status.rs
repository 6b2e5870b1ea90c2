//! Status of an `EuiccActivation`: what was sent, what ThingSpace answered, what is waited for.
//! Place of use and credentials never enter it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceId, IdKind};

/// What became of the activation.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationStatus {
    /// The generation that this status is about; -1 before the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready: every device is active. Reconciling: the operator is at work or waits for ThingSpace. Stalled: it has
    /// failed and nothing more happens until someone acts. The message of Ready always says what is waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// ThingSpace's id of the request that was accepted. Give it to Verizon's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub request_id: Option<String>,

    /// The request that is under way or was the last: intent is written here before anything is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,

    /// How many devices, for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<DeviceCounts>,

    /// The outcome of each device, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub devices: Vec<DeviceStatus>,

    /// The last thing that went wrong, kept for reading after recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,

    /// When requests for these devices were sent in the last 24 hours: there are at most three a day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub submissions: Vec<Time>,

    /// The value of the annotation euicc-operator.io/retry that was acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_retry: Option<String>,
}

/// One request to ThingSpace, from the intent to its end.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Identifies the attempt; minted by the operator before anything is sent.
    pub id: String,
    /// Whether lines are activated, or deactivated because the resource is being deleted.
    pub action: Action,
    /// Counts the attempts since the resource was created, from 1.
    pub attempt: i32,
    /// Where the attempt stands. Claimed: about to be sent or being sent. Accepted: ThingSpace has it and its result is
    /// awaited. Unknown: it may or may not have reached ThingSpace; the devices are being looked at. Released: it was
    /// not acted on and is sent again at retryTime. Succeeded, Failed: final. TimedOut: no answer within resultTimeout.
    pub state: OperationState,
    /// When the intent was written.
    pub claimed_at: Time,
    /// When ThingSpace accepted the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Time>,
    /// When waiting for the result ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// When ThingSpace is asked about it next, if no callback comes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_poll_time: Option<Time>,
    /// When a released attempt is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_time: Option<Time>,
    /// When the devices of an unknown outcome were first seen untouched: seen so once more after the settle time, the
    /// request is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_look: Option<Time>,
    /// How often in a row this request has been looked at, or released, without an end: it sets the back-off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: i32,
    /// How many looks at it have failed in a row: ThingSpace could not be asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_looks: i32,
    /// Fingerprint of what is sent, salted with the resource's uid: an edit of a failed activation is a new attempt.
    pub fingerprint: String,
}

fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// What a request does.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Action {
    Activate,
    Deactivate,
}

/// Where an attempt stands; see [`Operation::state`].
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum OperationState {
    Claimed,
    Accepted,
    Unknown,
    Released,
    Succeeded,
    Failed,
    TimedOut,
}

impl OperationState {
    /// Whether a request is on its way, or may be.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Claimed | Self::Accepted | Self::Unknown)
    }

    /// Whether the attempt has its end: no answer changes it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Devices by outcome.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCounts {
    /// All devices of the resource.
    pub devices: i32,
    /// Devices that are active.
    pub active: i32,
    /// Devices whose activation has failed.
    pub failed: i32,
}

/// What became of one device. Field names and values are ThingSpace's own.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// The identifiers that were given, and those that ThingSpace minted: ICCID and MDN.
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub device_ids: Vec<DeviceId>,
    /// Pending, Active, Failed, or Deactivated.
    pub result: DeviceResult,
    /// State of the line, for example Active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// State of the profile on the chip, for example ENABLE or NOT_DOWNLOADED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_status: Option<String>,
    /// How the eUICC answered, for example EXECUTED_SUCCESS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_status: Option<String>,
    /// Code of euiccStatus, for example 1.2.365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_status_code: Option<String>,
    /// Description of euiccStatusCode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_status_desc: Option<String>,
    /// How the update of the place of use went. A line can be active although it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_sub_address_update_status: Option<String>,
    /// Code of euiccSubAddressUpdateStatus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_sub_address_update_status_code: Option<String>,
    /// Description of euiccSubAddressUpdateStatusCode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc_sub_address_update_status_desc: Option<String>,
    /// Carrier of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_name: Option<String>,
    /// Role of the profile, for example LEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_role: Option<String>,
    /// ThingSpace's code of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_code: Option<String>,
    /// ThingSpace's text of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_text: Option<String>,
}

impl DeviceStatus {
    /// The identifier of that kind.
    pub fn id(&self, kind: IdKind) -> Option<&str> {
        self.device_ids.iter().find(|i| i.kind == kind).map(|i| i.id.as_str())
    }
}

/// Outcome of one device.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum DeviceResult {
    #[default]
    Pending,
    Active,
    Failed,
    Deactivated,
}

/// An error, in ThingSpace's words where it spoke.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// ThingSpace's code, or the operator's reason.
    pub code: String,
    /// What happened.
    pub message: String,
    /// When.
    pub time: Time,
}
