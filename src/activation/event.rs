//! What can happen to an activation, and what it can ask for.

use jiff::Timestamp;

use crate::api::{ActivationStatus, DeviceId};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Nothing but time, or an edit of the resource: what is due?
    Tick,
    /// It cannot be sent now, for a reason outside of it.
    Held(Hold),
    /// Its turn has come: intent is to be written. Whoever writes it first may send.
    Claim {
        /// Minted by the claimant.
        operation_id: String,
        /// Generation of the spec that was found fit to be sent: another one has to be looked at first.
        generation: i64,
    },
    /// The claimed request came back, one way or the other.
    Sent {
        /// The claim that this belongs to.
        operation_id: String,
        /// How it came back.
        outcome: Outcome,
    },
    /// ThingSpace delivered an answer for one device.
    Callback(Box<Report>),
    /// ThingSpace was asked for the request's status.
    Polled {
        /// What it was asked about.
        question: Question,
        /// Each device of the status: its progress and, where it was looked up, its line.
        devices: Vec<(Progress, Line)>,
    },
    /// The devices of a request whose outcome is unknown were looked at.
    Observed {
        /// What it was about.
        question: Question,
        /// One entry a device of the status.
        lines: Vec<Line>,
    },
    /// ThingSpace could not be asked.
    LookFailed {
        /// What it was to be asked about.
        question: Question,
        /// Why.
        message: String,
    },
}

/// Why an activation cannot be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What happened, what comes next, what the reader can do.
    pub message: String,
    /// Whether someone must act, or it goes on by itself.
    pub stalled: bool,
}

/// How a request came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// ThingSpace has it.
    Accepted {
        /// ThingSpace's id of it.
        request_id: String,
    },
    /// It never left.
    NotSent {
        /// Why.
        message: String,
    },
    /// ThingSpace refused it for good; it did not act.
    Refused {
        /// ThingSpace's code.
        code: String,
        /// ThingSpace's words.
        message: String,
    },
    /// ThingSpace refused it for now.
    Later {
        /// ThingSpace's code.
        code: String,
        /// ThingSpace's words.
        message: String,
        /// Not before.
        not_before: Option<Timestamp>,
        /// Whether the request itself was never looked at (too many requests), so that it does not count to the day's.
        throttled: bool,
    },
    /// It may or may not have been acted on.
    Unknown {
        /// What happened.
        message: String,
    },
}

/// One answer for one device (contract 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The request that it answers.
    pub request_id: Option<String>,
    /// The device, with what ThingSpace minted.
    pub device_ids: Vec<DeviceId>,
    /// What it says of an activation.
    pub verdict: Verdict,
    /// What it says of a deactivation: the same words, of a line that is not to be active.
    pub verdict_of_deactivation: Verdict,
    /// What else it says.
    pub profile: Profile,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Success,
    /// Not final (contract 6.2).
    Warning,
    /// Not done.
    Failure {
        /// ThingSpace's code.
        code: String,
        /// ThingSpace's words.
        text: String,
    },
}

/// The details of an answer, as ThingSpace names them (contract 7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Profile {
    pub state: Option<String>,
    pub profile_status: Option<String>,
    pub euicc_status: Option<String>,
    pub euicc_status_code: Option<String>,
    pub euicc_status_desc: Option<String>,
    pub address_status: Option<String>,
    pub address_status_code: Option<String>,
    pub address_status_desc: Option<String>,
    pub carrier_name: Option<String>,
    pub profile_role: Option<String>,
}

/// What ThingSpace was asked about, and when. Answers take time, and whoever brings one may be paused on the way: what
/// was true of an earlier attempt, or at an earlier time, must not decide about the present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The operation that was under way.
    pub operation_id: String,
    /// The request that it had.
    pub request_id: Option<String>,
    /// When the question was begun.
    pub asked_at: Timestamp,
}

impl Question {
    /// A question about what is under way. `None`: nothing is.
    pub fn about(status: &ActivationStatus, asked_at: Timestamp) -> Option<Self> {
        let operation_id = status.operation.as_ref()?.id.clone();
        Some(Self { operation_id, request_id: status.request_id.clone(), asked_at })
    }
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not done.
    Pending,
    /// Done.
    Succeeded,
    /// Failed; ThingSpace tells no reason (contract 9.1).
    Failed,
    /// ThingSpace does not know the request (any more).
    NotKnown,
}

/// What the device list says of a device (contract 9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// It was not looked up.
    NotAsked,
    /// ThingSpace does not list it.
    NotFound,
    /// It is listed.
    Found {
        /// State of the line.
        state: LineState,
        /// Its identifiers, the minted ones among them.
        device_ids: Vec<DeviceId>,
        /// Its plan.
        service_plan: Option<String>,
        /// Its carrier.
        carrier_name: Option<String>,
        /// Whether the provisioning history shows an attempt since the claim.
        attempted: bool,
        /// Another activation that the line belongs to, as this one may be told.
        owner: Option<String>,
    },
}

/// State of a line (contract 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// In service.
    Active,
    /// On its way to some other state: it takes no order until it is there (contract 11).
    Pending,
    /// Out of service: it can be activated.
    Inactive,
    /// Suspended, or a state that we do not know.
    Other,
}

/// Something to be done, after the status is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask for a turn to send; the turn is an [`Event::Claim`].
    Queue,
    /// Send what has been claimed.
    Send,
    /// Ask ThingSpace for the request's status.
    Poll,
    /// Look at the devices.
    Observe,
    /// Set the finalizer, before anything is sent.
    AddFinalizer,
    /// Let a deleted resource go.
    RemoveFinalizer,
    /// Publish a Kubernetes event.
    Tell(Note),
}

/// A Kubernetes event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Normal or Warning.
    pub severity: Severity,
    /// CamelCase.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

/// Severity of a [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Severity {
    Normal,
    Warning,
}
