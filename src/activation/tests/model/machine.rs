//! `advance`, asked once for each question: a model meets the same few hundred statuses again and again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::super::*;

/// Number of a status; equal statuses have equal numbers.
pub type StatusId = u32;

/// Patience in coarse steps, so that a run takes few of them; what matters is which comes before which.
pub const POLICY: Policy = Policy {
    poll_after: Duration::from_secs(8 * 3600),
    settle_time: Duration::from_secs(6 * 3600),
    claim_expiry: Duration::from_secs(120),
};
/// As `CLAIM_IS_FRESH` of the controller.
pub const FRESH: u32 = 15;

/// What has happened, as small as a model needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    Tick,
    Claim(u8),
    Sent(u8, Answer),
    Callback { request: u8, verdict: Told },
    Polled { asked: Asked, progress: Far, line: Seen },
    Observed { asked: Asked, line: Seen },
    LookFailed { asked: Asked },
}

/// What ThingSpace was asked about, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asked {
    pub operation: u8,
    pub request: Option<u8>,
    pub at: u32,
}

/// How a POST came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    Accepted(u8),
    NotSent,
    Refused,
    Unknown,
}

/// What a message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    Success,
    Warning,
    Failure,
    AlreadyActive,
    StateInvalid,
}

/// How far ThingSpace says that a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Far {
    Pending,
    Succeeded,
    Failed,
}

/// What the device list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seen {
    Active,
    Pending,
    Inactive,
}

/// What `advance` answers, less what nobody in the model reads.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    pub status: StatusId,
    pub queue: bool,
    pub send: bool,
    pub poll: bool,
    pub observe: bool,
    pub wake_at: Option<u32>,
}

/// What the model reads of a status.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub state: Option<OperationState>,
    pub operation: Option<u8>,
    pub ready: bool,
    pub stalled: bool,
    /// Nobody could say what became of it: the status says just that.
    pub in_doubt: bool,
    pub device_is_active: bool,
}

/// Numbers statuses and remembers answers.
pub struct Oracle {
    /// The resource, by how many values its retry annotation has had.
    objects: [EuiccActivation; 2],
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    statuses: Vec<(ActivationStatus, Facts)>,
    numbers: HashMap<String, StatusId>,
    answers: HashMap<(StatusId, u8, Said, u32), Next>,
}

const BEGINNING: i64 = 1_800_000_000;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_second(BEGINNING + i64::from(seconds)).unwrap()
}

/// Rounded up: whoever sleeps until then wakes after it, not before.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from((at.as_millisecond() + 999) / 1000 - BEGINNING).unwrap()
}

impl Oracle {
    pub fn new() -> Self {
        let objects = [0, 1].map(|retry| {
            let mut play = Play::one();
            if retry > 0 {
                play.ask_retry(&retry.to_string());
            }
            play.object
        });
        Self { objects, memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status of a new resource.
    pub fn fresh(&self) -> StatusId {
        self.memory().number(Play::one().status().clone())
    }

    /// `advance`; `retry` counts the values that the annotation has had.
    pub fn advance(&self, status: StatusId, retry: u8, said: Said, now: u32) -> Next {
        let mut memory = self.memory();
        let question = (status, retry, said, now);
        if let Some(answer) = memory.answers.get(&question) {
            return *answer;
        }
        let before = &memory.statuses[status as usize].0;
        let object = &self.objects[usize::from(retry)];
        let transition = super::super::advance(Subject::from(object), before, &event(said), at(now), &POLICY);
        let has = |effect: &Effect| transition.effects.contains(effect);
        let answer = Next {
            queue: has(&Effect::Queue),
            send: has(&Effect::Send),
            poll: has(&Effect::Poll),
            observe: has(&Effect::Observe),
            wake_at: transition.wake_at.map(seconds),
            status: memory.number(transition.status),
        };
        memory.answers.insert(question, answer);
        answer
    }

    /// What stands in a status.
    pub fn facts(&self, status: StatusId) -> Facts {
        self.memory().statuses[status as usize].1
    }

    /// The request that a status names.
    pub fn request(&self, status: StatusId) -> Option<u8> {
        let memory = self.memory();
        memory.statuses[status as usize].0.request_id.as_deref().map(|id| id[1..].parse().unwrap())
    }
}

impl Memory {
    fn number(&mut self, status: ActivationStatus) -> StatusId {
        let text = serde_json::to_string(&status).unwrap();
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = StatusId::try_from(self.statuses.len()).unwrap();
        let facts = facts(&status);
        self.statuses.push((status, facts));
        self.numbers.insert(text, number);
        number
    }
}

fn facts(status: &ActivationStatus) -> Facts {
    let condition = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_ && c.status == "True");
    let stalled = condition("Stalled");
    Facts {
        state: status.operation.as_ref().map(|o| o.state),
        operation: status.operation.as_ref().map(|o| o.id.parse().unwrap()),
        ready: condition("Ready").is_some(),
        stalled: stalled.is_some(),
        in_doubt: stalled.is_some_and(|c| matches!(c.reason.as_str(), "ResultTimeout" | "SubmissionUnknown")),
        device_is_active: status.devices.iter().any(|d| d.result == DeviceResult::Active),
    }
}

fn event(said: Said) -> Event {
    match said {
        Said::Tick => Event::Tick,
        Said::Claim(operation) => Event::Claim { operation_id: operation.to_string(), generation: 1 },
        Said::Sent(operation, answer) => Event::Sent { operation_id: operation.to_string(), outcome: outcome(answer) },
        Said::Callback { request, verdict } => callback(&name(request), "1", verdict_of(verdict)),
        Said::Polled { asked, progress, line } => {
            let progress = match progress {
                Far::Pending => Progress::Pending,
                Far::Succeeded => Progress::Succeeded,
                Far::Failed => Progress::Failed,
            };
            Event::Polled { question: question(asked), devices: vec![(progress, line_of(line))] }
        }
        Said::Observed { asked, line } => Event::Observed { question: question(asked), lines: vec![line_of(line)] },
        Said::LookFailed { asked } => Event::LookFailed { question: question(asked), message: "503".into() },
    }
}

fn question(asked: Asked) -> Question {
    Question { operation_id: asked.operation.to_string(), request_id: asked.request.map(name), asked_at: at(asked.at) }
}

fn name(request: u8) -> String {
    format!("r{request}")
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Accepted(request) => Outcome::Accepted { request_id: name(request) },
        Answer::NotSent => Outcome::NotSent { message: "no route".into() },
        Answer::Refused => Outcome::Refused { code: "INPUT_INVALID.X".into(), message: "no".into() },
        Answer::Unknown => unknown(),
    }
}

fn verdict_of(told: Told) -> Verdict {
    match told {
        Told::Success => Verdict::Success,
        Told::Warning => Verdict::Warning,
        Told::Failure => failure("REQUEST_FAILED.X"),
        Told::AlreadyActive => failure("REQUEST_FAILED.DeviceAlreadyActive"),
        Told::StateInvalid => failure("REQUEST_FAILED.DeviceState.Invalid"),
    }
}

fn line_of(seen: Seen) -> Line {
    found(match seen {
        Seen::Active => LineState::Active,
        Seen::Pending => LineState::Pending,
        Seen::Inactive => LineState::Inactive,
    })
}
