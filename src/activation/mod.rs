//! The state machine of one activation: pure decisions, no I/O, no clock of its own, no Kubernetes client.
//!
//! [`advance`] takes what is known (spec and status), what has happened (an [`Event`]) and the time, and says what the
//! status becomes, what is to be done ([`Effect`]) and when to look again. The controller and the callback sidecar both
//! feed it and both write its result with compare-and-swap, so what an answer of ThingSpace means is decided here only.
//!
//! ```text
//!            Claim          Accepted              every device has its answer
//!  (nothing) ─────► Claimed ────────► Accepted ──────────────────────────────► Succeeded | Failed
//!     ▲                │ │               │ resultTimeout
//!     │       not sent │ │ no answer     └────────────► TimedOut (late answers still count)
//!     │                ▼ ▼
//!     └──────── Released  Unknown ── devices are looked at ──► Succeeded, Released (again), or TimedOut
//! ```

mod answer;
mod conditions;
mod delete;
mod due;
mod event;
mod fingerprint;
mod lookup;
mod send;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use due::in_the_last_day;
pub use event::*;

use crate::api::{ActivationStatus, EuiccActivation, EuiccActivationSpec, FINALIZER, RETRY_ANNOTATION};

/// At most so many requests that may have been acted on, for one device in 24 hours: ThingSpace takes five
/// provisioning actions a line and day, and failed ones may count (contract 11, 12 #18).
pub const POSTS_A_DAY: usize = 3;

/// How patient the operator is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// From acceptance to the first poll of the request status; doubling from there.
    pub poll_after: Duration,
    /// How long an unknown outcome rests between two looks at the devices.
    pub settle_time: Duration,
    /// From a claim to the moment when whoever made it cannot be sending any more.
    pub claim_expiry: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            poll_after: Duration::from_secs(5 * 60),
            settle_time: Duration::from_secs(5 * 60),
            claim_expiry: Duration::from_secs(120),
        }
    }
}

/// The resource, as far as decisions need it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Namespace, for the commands in messages.
    pub namespace: &'a str,
    /// Name, for the commands in messages.
    pub name: &'a str,
    /// Salt of the fingerprint and source of jitter.
    pub uid: &'a str,
    /// Generation of the spec.
    pub generation: i64,
    /// Value of the retry annotation.
    pub retry: Option<&'a str>,
    /// When deletion was asked for.
    pub deleted_at: Option<Timestamp>,
    /// Whether our finalizer is set.
    pub finalizer: bool,
    /// What is wanted.
    pub spec: &'a EuiccActivationSpec,
}

impl<'a> From<&'a EuiccActivation> for Subject<'a> {
    fn from(object: &'a EuiccActivation) -> Self {
        let meta = &object.metadata;
        Self {
            namespace: meta.namespace.as_deref().unwrap_or_default(),
            name: meta.name.as_deref().unwrap_or_default(),
            uid: meta.uid.as_deref().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            retry: meta.annotations.as_ref().and_then(|a| a.get(RETRY_ANNOTATION)).map(String::as_str),
            deleted_at: meta.deletion_timestamp.as_ref().map(|t| t.0),
            finalizer: meta.finalizers.iter().flatten().any(|f| f == FINALIZER),
            spec: &object.spec,
        }
    }
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The status from now on; equal to the old one when nothing has changed, and then nothing is written.
    pub status: ActivationStatus,
    /// What to do once the status is written.
    pub effects: Vec<Effect>,
    /// When to look again if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

/// Says what `event` makes of an activation.
pub fn advance(
    subject: Subject<'_>,
    status: &ActivationStatus,
    event: &Event,
    now: Timestamp,
    policy: &Policy,
) -> Transition {
    let mut machine = Machine { subject, status: status.clone(), now, policy, effects: Vec::new() };
    machine.apply(event);
    machine.count();
    let wake_at = machine.wake_at();
    Transition { status: machine.status, effects: machine.effects, wake_at }
}

/// One call of [`advance`]: the status in the making.
struct Machine<'a> {
    subject: Subject<'a>,
    status: ActivationStatus,
    now: Timestamp,
    policy: &'a Policy,
    effects: Vec<Effect>,
}

impl Machine<'_> {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Tick => self.tick(),
            Event::Held(hold) => self.hold(hold),
            Event::Claim { operation_id, generation } => self.claim(operation_id, *generation),
            Event::Sent { operation_id, outcome } => self.sent(operation_id, outcome),
            Event::Callback(report) => self.callback(report),
            // An answer that outlived its question says nothing about the present one.
            Event::Polled { question, .. } | Event::Observed { question, .. } | Event::LookFailed { question, .. }
                if !self.is_about_the_present(question) => {}
            Event::Polled { devices, .. } => self.polled(devices),
            Event::Observed { question, lines } => self.observed(lines, question.asked_at),
            Event::LookFailed { message, .. } => self.look_failed(message),
        }
    }

    fn tell(&mut self, severity: Severity, reason: &'static str, message: impl Into<String>) {
        self.effects.push(Effect::Tell(Note { severity, reason, message: message.into() }));
    }

    /// `base`, doubled `tries` times, at most `cap`, and up to a quarter more by the resource's own jitter, so that a
    /// fleet that failed together does not come back together.
    fn after(&self, base: Duration, tries: i32, cap: Duration) -> Timestamp {
        let doubled = base.saturating_mul(1 << tries.clamp(0, 16)).min(cap.max(base));
        let jittered = doubled.mul_f64(1.0 + 0.25 * fingerprint::jitter(self.subject.uid));
        self.now
            .saturating_add(SignedDuration::try_from(jittered).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }
}
