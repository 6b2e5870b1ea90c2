//! What is due: the level-triggered look at spec, status and clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Effect, Hold, Machine, POSTS_A_DAY, Severity, fingerprint};
use crate::api::{DeletionPolicy, DeviceResult, Operation, OperationState};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Those requests that count to the day's limit.
pub fn in_the_last_day(submissions: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Vec<Timestamp> {
    submissions.into_iter().filter(|t| *t + DAY > now).collect()
}

impl Machine<'_> {
    pub(super) fn tick(&mut self) {
        self.acknowledge_if_seen();
        if self.subject.deleted_at.is_some() {
            return self.tick_deleted();
        }
        match (self.subject.spec.deletion_policy, self.subject.finalizer) {
            (DeletionPolicy::Retain, true) => self.effects.push(Effect::RemoveFinalizer),
            // Chosen after something was sent: a deletion must not leave the lines active and billed.
            (DeletionPolicy::Deactivate, false) if self.status.operation.is_some() => {
                return self.effects.push(Effect::AddFinalizer); // and then comes the next tick
            }
            _ => {}
        }
        self.tick_operation();
    }

    /// The part that goes on whether or not the resource is being deleted: an operation is followed to its end.
    pub(super) fn tick_operation(&mut self) {
        let Some(operation) = self.status.operation.clone() else {
            return self.may_send();
        };
        match operation.state {
            OperationState::Claimed if self.now >= self.claim_expiry(&operation) => {
                self.unknown("whoever was sending it stopped before the answer was recorded");
                self.effects.push(Effect::Observe);
            }
            OperationState::Accepted => {
                self.follow_result_timeout(&operation);
                if self.is_past(self.poll_time()) {
                    self.effects.push(Effect::Poll);
                }
            }
            OperationState::Unknown if self.is_told_that_nothing_is_active() => self.may_send(),
            OperationState::Unknown if self.is_past(operation.next_poll_time) => self.effects.push(Effect::Observe),
            OperationState::Released if self.is_past(operation.retry_time.clone()) || self.edited() => self.may_send(),
            OperationState::Failed if self.edited() || self.retry_asked() => self.may_send(),
            // An edit or a retry that was held up has been taken back.
            OperationState::Failed if !self.says_failed() => drop(self.failed()),
            OperationState::TimedOut if self.edited() || self.retry_asked() => {
                self.look_after_all(
                    "no answer came in time, so the devices are looked at before anything is sent again",
                );
            }
            _ => {}
        }
    }

    /// Looks at the devices of a request that was given up.
    pub(super) fn look_after_all(&mut self, why: &str) {
        self.status.last_handled_retry = self.subject.retry.map(Into::into);
        let deadline = Time(self.now + self.result_timeout());
        if let Some(operation) = &mut self.status.operation {
            operation.deadline = Some(deadline);
        }
        self.acquit();
        self.unknown(why);
        self.effects.push(Effect::Observe);
    }

    /// A person has been asked, and has answered.
    pub(super) fn is_told_that_nothing_is_active(&self) -> bool {
        self.retry_asked() && self.reason() == Some("SubmissionUnknown") && self.is_stalled()
    }

    /// Everything that the resource itself can say against sending; the rest is the controller's (connection, limits).
    fn may_send(&mut self) {
        if self.subject.spec.suspend {
            return self.paused(
                "Suspended",
                "Nothing is sent while spec.suspend is true; set it to false to send the request.",
            );
        }
        if let Some(free_at) = self.day_is_full() {
            return self.wait_for_tomorrow(free_at);
        }
        if self.subject.spec.deletion_policy == DeletionPolicy::Deactivate && !self.subject.finalizer {
            return self.effects.push(Effect::AddFinalizer);
        }
        self.effects.push(Effect::Queue);
    }

    /// When the day's requests are used up: when the oldest of them no longer counts.
    pub(super) fn day_is_full(&self) -> Option<Timestamp> {
        let today = in_the_last_day(self.status.submissions.iter().map(|t| t.0), self.now);
        (today.len() >= POSTS_A_DAY).then(|| today[today.len() - POSTS_A_DAY] + DAY)
    }

    fn wait_for_tomorrow(&mut self, free_at: Timestamp) {
        let first = self.reason() != Some("DailyLimit");
        if let Some(operation) = &mut self.status.operation {
            operation.state = OperationState::Released;
            operation.retry_time = Some(Time(free_at));
        }
        let message = "Three requests for these devices were sent in the last 24 hours, and ThingSpace takes only five \
                       provisioning actions a line and day; it is sent again by itself at status.operation.retryTime.";
        self.progress("DailyLimit", message);
        if first {
            self.tell(Severity::Warning, "DailyLimit", message);
        }
    }

    /// Says what stands against sending, if sending is due at all.
    pub(super) fn hold(&mut self, hold: &Hold) {
        self.tick();
        if !self.effects.contains(&Effect::Queue) {
            return;
        }
        self.effects.clear();
        if !hold.stalled {
            return self.progress(hold.reason, hold.message.clone());
        }
        if self.reason() != Some(hold.reason) {
            self.tell(Severity::Warning, hold.reason, hold.message.clone());
        }
        self.stalled(hold.reason, hold.message.clone());
    }

    /// An edit of a resource that nothing is to be done about is still to be acknowledged.
    fn acknowledge_if_seen(&mut self) {
        if self.status.operation.is_some() && !self.edited() {
            self.acknowledge();
        }
    }

    fn follow_result_timeout(&mut self, operation: &Operation) {
        let deadline = Time(operation.claimed_at.0 + self.result_timeout());
        if let Some(current) = &mut self.status.operation
            && current.deadline.as_ref() != Some(&deadline)
        {
            current.deadline = Some(deadline);
        }
    }

    /// The spec's, or a day where the API server let something through that we cannot read.
    pub(super) fn result_timeout(&self) -> SignedDuration {
        self.subject
            .spec
            .result_timeout
            .parse::<kube::core::Duration>()
            .ok()
            .and_then(|d| SignedDuration::try_from(Duration::from(d)).ok())
            .unwrap_or(DAY)
    }

    pub(super) fn claim_expiry(&self, operation: &Operation) -> Timestamp {
        let expiry = SignedDuration::try_from(self.policy.claim_expiry).unwrap_or(DAY);
        operation.claimed_at.0 + expiry
    }

    /// When an accepted request is asked about: in its turn, and once more when its time is over.
    fn poll_time(&self) -> Option<Time> {
        let operation = self.status.operation.as_ref()?;
        [&operation.next_poll_time, &operation.deadline].into_iter().flatten().min_by_key(|t| t.0).cloned()
    }

    fn is_past(&self, time: Option<Time>) -> bool {
        time.is_none_or(|t| self.now >= t.0)
    }

    /// Whether the spec is another request than the last one. Only an attempt that is over can be edited at all.
    pub(super) fn edited(&self) -> bool {
        use OperationState::{Failed, Released, TimedOut};
        self.status.operation.as_ref().is_some_and(|o| {
            matches!(o.state, Released | Failed | TimedOut) && o.fingerprint != fingerprint::of(&self.subject)
        })
    }

    pub(super) fn retry_asked(&self) -> bool {
        self.subject.retry.is_some() && self.subject.retry != self.status.last_handled_retry.as_deref()
    }

    fn says_failed(&self) -> bool {
        matches!(self.reason(), Some("Refused" | "ActivationFailed" | "DeactivationFailed"))
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.status.conditions.iter().any(|c| c.type_ == "Stalled" && c.status == "True")
    }

    /// When to look again if nothing happens before.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let operation = self.status.operation.as_ref()?;
        let own = match operation.state {
            OperationState::Claimed => Some(self.claim_expiry(operation)),
            OperationState::Accepted => self.poll_time().map(|t| t.0),
            OperationState::Unknown => operation.next_poll_time.as_ref().map(|t| t.0),
            OperationState::Released if !self.subject.spec.suspend => operation.retry_time.as_ref().map(|t| t.0),
            _ => None,
        };
        [own, self.finalizer_deadline()].into_iter().flatten().min()
    }

    /// Whether any line of this resource is in service.
    pub(super) fn any_active(&self) -> bool {
        self.status.devices.iter().any(|d| d.result == DeviceResult::Active)
    }
}
