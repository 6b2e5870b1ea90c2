//! From the turn to send to ThingSpace's first word.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Effect, Machine, Outcome, Severity, fingerprint, in_the_last_day};
use crate::{
    api::{Action, Device, DeviceResult, DeviceStatus, Operation, OperationState},
    text::clean,
};

/// Longest wait before a request that was not acted on is sent again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30 * 60);
/// ThingSpace's word for a fault that it does not name (contract 4).
const UNEXPECTED: &str = "REQUEST_FAILED.UnexpectedError";

impl Machine<'_> {
    /// Writes the intent, if it is still due: the resource may have changed since it was queued, and what was found fit
    /// to be sent is the spec of `generation`.
    pub(super) fn claim(&mut self, operation_id: &str, generation: i64) {
        let present = self.status.operation.as_ref();
        if present.is_some_and(|o| o.id == operation_id && o.state == OperationState::Claimed) {
            return self.effects.push(Effect::Send); // the write was taken, only its answer was lost
        }
        if self.subject.generation != generation {
            return;
        }
        self.tick();
        let due = self.effects.contains(&Effect::Queue);
        self.effects.clear();
        if !due {
            return;
        }
        let action = self.next_action();
        let previous = self.status.operation.take();
        if action == Action::Activate {
            self.status.devices = self.devices_to_activate();
        } else {
            self.mark_devices_to_deactivate(previous.as_ref().is_some_and(|p| p.action == Action::Deactivate));
        }
        let today = in_the_last_day(self.status.submissions.iter().map(|t| t.0), self.now);
        self.status.submissions = today.into_iter().map(Time).collect();
        self.status.submissions.push(Time(self.now));
        self.status.request_id = None;
        self.status.last_handled_retry = self.subject.retry.map(Into::into);
        let same = previous.as_ref().filter(|p| p.action == action && p.state == OperationState::Released);
        self.status.operation = Some(Operation {
            id: operation_id.into(),
            action,
            attempt: previous.as_ref().map_or(0, |p| p.attempt) + 1,
            state: OperationState::Claimed,
            claimed_at: Time(self.now),
            submitted_at: None,
            deadline: Some(Time(self.now + self.result_timeout())),
            next_poll_time: None,
            retry_time: None,
            first_look: None,
            tries: same.map_or(0, |p| p.tries),
            failed_looks: 0,
            fingerprint: fingerprint::of(&self.subject),
        });
        self.progress("Submitting", "The request is being sent to ThingSpace.");
        self.effects.push(Effect::Send);
        if action == Action::Activate {
            self.advise();
        }
    }

    fn next_action(&self) -> Action {
        if self.subject.deleted_at.is_some() { Action::Deactivate } else { Action::Activate }
    }

    /// The spec's devices, each with what is known of it. A device that is active already is not sent again.
    fn devices_to_activate(&self) -> Vec<DeviceStatus> {
        let known = |device: &Device| {
            self.status
                .devices
                .iter()
                .find(|s| {
                    s.result == DeviceResult::Active && device.device_ids.iter().any(|i| s.device_ids.contains(i))
                })
                .cloned()
        };
        let fresh = |device: &Device| DeviceStatus { device_ids: device.device_ids.clone(), ..Default::default() };
        self.subject.spec.devices.iter().map(|d| known(d).unwrap_or_else(|| fresh(d))).collect()
    }

    /// Those that are active. Devices that never became active are of no concern any more, once deactivation begins.
    fn mark_devices_to_deactivate(&mut self, again: bool) {
        self.status.devices.retain(|d| again || d.result == DeviceResult::Active);
        for device in self.status.devices.iter_mut().filter(|d| d.result != DeviceResult::Deactivated) {
            device.result = DeviceResult::Pending;
            device.fault_code = None; // of an earlier attempt
            device.fault_text = None;
        }
    }

    pub(super) fn sent(&mut self, operation_id: &str, outcome: &Outcome) {
        // An answer that outlived its claim says nothing about the present one.
        let Some(operation) = self.status.operation.as_mut().filter(|o| o.id == operation_id) else { return };
        if let Outcome::Accepted { request_id } = outcome {
            return self.accepted(request_id);
        }
        match (operation.state, outcome) {
            (OperationState::Claimed, _) => {}
            // Whether a failure that was faster is one of our request, only the reply could have said.
            (OperationState::Failed, Outcome::Unknown { message }) => return self.doubt_failure(message),
            _ => return, // a callback was faster, and it knows more
        }
        match outcome {
            Outcome::Accepted { .. } => {}
            Outcome::NotSent { message } => {
                self.status.submissions.pop();
                self.released("NotSent", message, None);
            }
            // Contract 4: twice more after a while, and then it is for good.
            Outcome::Later { code, message, .. } if code.ends_with(UNEXPECTED) => match self.day_is_full() {
                Some(_) => self.refused(code, message),
                None => {
                    let settled = self.after(self.policy.settle_time, 0, self.policy.settle_time);
                    self.released("RetryLater", &format!("{code}: {message}"), Some(settled));
                }
            },
            Outcome::Later { code, message, not_before, throttled } => {
                if *throttled {
                    self.status.submissions.pop();
                }
                self.released("RetryLater", &format!("{code}: {message}"), *not_before);
            }
            Outcome::Refused { code, message } if calls_for_a_look(code) => {
                for device in self.status.devices.iter_mut().filter(|d| d.result == DeviceResult::Pending) {
                    device.fault_code = Some(clean(code));
                    device.fault_text = Some(clean(message));
                }
                self.unknown(&format!("ThingSpace answered {code}: {message}"));
            }
            Outcome::Refused { code, message } => self.refused(code, message),
            Outcome::Unknown { message } => self.unknown(message),
        }
    }

    fn accepted(&mut self, request_id: &str) {
        let next_poll = Time(self.after(self.policy.poll_after, 0, self.policy.poll_after));
        let now = Time(self.now);
        let Some(operation) = &mut self.status.operation else { return };
        operation.submitted_at.get_or_insert(now);
        let known = self.status.request_id.replace(request_id.into());
        match operation.state {
            OperationState::Claimed | OperationState::Unknown | OperationState::Released => {
                operation.state = OperationState::Accepted;
                operation.next_poll_time = Some(next_poll);
                operation.tries = 0;
                self.awaiting();
            }
            // Only an answer to an older request can have been faster under another id: its failures are not ours.
            OperationState::Accepted | OperationState::Failed if known.as_deref().is_some_and(|k| k != request_id) => {
                operation.state = OperationState::Accepted;
                operation.next_poll_time = Some(next_poll);
                for device in self.status.devices.iter_mut().filter(|d| d.result == DeviceResult::Failed) {
                    *device = DeviceStatus { device_ids: device.device_ids.clone(), ..Default::default() };
                }
                self.awaiting();
            }
            _ => {}
        }
    }

    pub(super) fn awaiting(&mut self) {
        let deactivates = self.status.operation.as_ref().is_some_and(|o| o.action == Action::Deactivate);
        let request = if deactivates { "deactivation" } else { "request" };
        let message = format!(
            "ThingSpace has accepted the {request} and reports the result of each device when it is done, usually in \
             minutes and at most in a day; without a report the operator asks."
        );
        self.progress("AwaitingResult", message);
    }

    /// ThingSpace did not act: the same is sent again after a while.
    fn released(&mut self, reason: &'static str, why: &str, not_before: Option<jiff::Timestamp>) {
        let base = Duration::from_secs(10).min(self.policy.settle_time);
        let tries = self.status.operation.as_ref().map_or(0, |o| o.tries);
        let retry = self.after(base, tries, LONGEST_BACKOFF).max(not_before.unwrap_or(self.now));
        if let Some(operation) = &mut self.status.operation {
            operation.state = OperationState::Released;
            operation.retry_time = Some(Time(retry));
            operation.tries += 1;
        }
        let why = clean(why);
        self.remember_error(reason, &why);
        let message = format!(
            "The request was not acted on ({why}); nothing was activated, and it is sent again by itself at \
             status.operation.retryTime."
        );
        if tries == 0 {
            self.tell(Severity::Warning, reason, message.clone());
        }
        self.progress(reason, message);
    }

    fn refused(&mut self, code: &str, why: &str) {
        for index in 0..self.status.devices.len() {
            if self.status.devices[index].result == DeviceResult::Pending {
                self.fail(index, code, why);
            }
        }
        self.conclude();
    }

    /// It failed before our reply was lost, perhaps for another system's request: the devices decide.
    fn doubt_failure(&mut self, why: &str) {
        for device in self.status.devices.iter_mut().filter(|d| d.result == DeviceResult::Failed) {
            device.result = DeviceResult::Pending; // its fault stands, unless the line is active
        }
        self.status.request_id = None;
        self.unknown(why);
    }

    /// The request may have been acted on: from here on the devices are the authority.
    pub(super) fn unknown(&mut self, why: &str) {
        let (now, why) = (Time(self.now), clean(why));
        if let Some(operation) = &mut self.status.operation {
            operation.state = OperationState::Unknown;
            operation.next_poll_time = Some(now);
            operation.first_look = None;
            operation.tries = 0;
            operation.failed_looks = 0;
        }
        self.remember_error("SubmissionUnknown", &why);
        self.tell(
            Severity::Warning,
            "SubmissionUnknown",
            format!("It is not known whether ThingSpace acted on the request ({why}); the operator looks at the devices before anything is sent again."),
        );
        self.progress(
            "SubmissionUnknown",
            format!(
                "It is not known whether ThingSpace acted on the request ({why}); the operator looks at the devices, \
                 adopts those that are active, and sends again only when it is sure that nothing happened."
            ),
        );
    }

    /// What the schema cannot say (contract 10, 3.1): said once, and never in the way.
    fn advise(&mut self) {
        let advice = crate::api::advice(self.subject.spec);
        if !advice.is_empty() && self.status.operation.as_ref().is_some_and(|o| o.attempt == 1) {
            self.tell(
                Severity::Warning,
                "Advice",
                advice.iter().map(|a| a.sentence.as_str()).collect::<Vec<_>>().join(" "),
            );
        }
    }
}

/// Answers that say something about the line rather than about the request (contract 4): look before you judge.
pub(super) fn calls_for_a_look(code: &str) -> bool {
    ["DeviceAlreadyActive", "DeviceState.Invalid"].iter().any(|c| code.ends_with(c))
}
