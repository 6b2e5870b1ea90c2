//! When no answer came: what ThingSpace says when asked.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Line, LineState, Machine, Progress, Question, Severity, answer::merge_ids, send::calls_for_a_look};
use crate::{
    api::{Action, DeviceResult, OperationState},
    text::clean,
};

/// Longest wait between two polls of one request.
const LONGEST_POLL: Duration = Duration::from_secs(6 * 3600);
/// Longest wait between two looks at the devices of one request.
const LONGEST_LOOK: Duration = Duration::from_secs(3600);
/// After so many looks in a row that failed, a person is asked.
const LOOKS_BEFORE_STALLED: i32 = 3;

impl Machine<'_> {
    pub(super) fn is_about_the_present(&self, question: &Question) -> bool {
        self.status.operation.as_ref().is_some_and(|o| o.id == question.operation_id)
            && self.status.request_id == question.request_id
    }

    /// The answer to [`super::Effect::Poll`].
    pub(super) fn polled(&mut self, devices: &[(Progress, Line)]) {
        if !self.is(OperationState::Accepted) {
            return;
        }
        self.has_looked();
        for index in self.pending() {
            let Some((progress, line)) = devices.get(index) else { continue };
            self.judge(index, *progress, line);
        }
        self.conclude();
        if self.is(OperationState::Accepted) && !self.timed_out() {
            self.look_later(self.policy.poll_after, LONGEST_POLL);
        }
    }

    /// One device of a poll. The line is the authority: the request's status tells neither ids nor reasons.
    fn judge(&mut self, index: usize, progress: Progress, line: &Line) {
        if self.settle_by_line(index, line) {
            return;
        }
        // A fault that called for a look stands when the look does not show the line active.
        let fault = self.status.devices[index].fault_code.clone();
        match (progress, line) {
            (_, Line::Found { state: LineState::Pending, .. }) | (_, Line::NotAsked) => {}
            (Progress::Failed, _) => {
                let code = fault.unwrap_or_else(|| "REQUEST_FAILED".into());
                self.fail(index, &code, "ThingSpace reports that the request failed, and tells no reason when asked");
            }
            (_, _) if fault.is_some() => {
                let code = fault.unwrap_or_default();
                self.fail(index, &code, "the state of the line did not allow the action");
            }
            _ => {}
        }
    }

    /// Takes the line's own state for the answer, where it is one. True when the device has its result.
    fn settle_by_line(&mut self, index: usize, line: &Line) -> bool {
        let Line::Found { state, device_ids, service_plan, carrier_name, owner, .. } = line else { return false };
        let action = self.status.operation.as_ref().map_or(Action::Activate, |o| o.action);
        match (action, state) {
            (Action::Activate, LineState::Active) => {
                if let Some(owner) = owner {
                    let text = format!("the line is active already, and belongs to {owner}");
                    self.fail(index, "REQUEST_FAILED.DeviceAlreadyActive", &text);
                    return true;
                }
                if let (Some(wanted), Some(actual)) = (&self.subject.spec.service_plan, service_plan)
                    && wanted != actual
                {
                    let text =
                        format!("the line is active already, on service plan {} instead of {wanted}", clean(actual));
                    self.fail(index, "REQUEST_FAILED.DeviceAlreadyActive", &text);
                    return true;
                }
                let device = &mut self.status.devices[index];
                merge_ids(device, device_ids);
                device.state = Some("Active".into());
                if device.carrier_name.is_none() {
                    device.carrier_name = carrier_name.as_deref().map(clean);
                }
            }
            (Action::Deactivate, LineState::Inactive) => self.status.devices[index].state = Some("Deactive".into()),
            _ => return false,
        }
        self.succeed(index);
        true
    }

    /// The answer to [`super::Effect::Observe`] (contract 9.4): adopt, wait, look again, and only then send again.
    pub(super) fn observed(&mut self, lines: &[Line], asked_at: Timestamp) {
        if !self.is(OperationState::Unknown) {
            return;
        }
        self.has_looked();
        for index in self.pending() {
            let refused = self.status.devices[index].fault_code.is_some();
            let settled = lines.get(index).is_some_and(|line| self.settle_by_line(index, line));
            if settled && refused && self.status.devices[index].result != DeviceResult::Failed {
                self.acquit(); // that was why, and it is not sent again
            }
        }
        self.conclude();
        if !self.is(OperationState::Unknown) || self.timed_out() {
            return;
        }
        let open = self.pending();
        let moving = open.iter().any(|i| {
            matches!(
                lines.get(*i),
                Some(Line::Found { state: LineState::Pending, .. } | Line::Found { attempted: true, .. })
            )
        });
        if moving {
            // It did arrive, and is not done.
            self.set_first_look(None);
            self.waiting_for_the_line();
            return self.look_later(self.policy.settle_time, LONGEST_LOOK);
        }
        let settled = self.status.operation.as_ref().and_then(|o| o.first_look.clone());
        match settled {
            Some(first) if self.had_settled(&first, asked_at) => self.nothing_has_happened(&open),
            Some(_) => self.look_later(self.policy.settle_time, self.policy.settle_time),
            None => {
                self.set_first_look(Some(Time(self.now)));
                self.waiting_for_the_line();
                self.look_later(self.policy.settle_time, self.policy.settle_time);
            }
        }
    }

    /// What ThingSpace has refused, or failed, would be so again; else the request is as good as never sent.
    fn nothing_has_happened(&mut self, open: &[usize]) {
        let fault = |index: &usize| {
            let device = &self.status.devices[*index];
            Some((*index, device.fault_code.clone()?, device.fault_text.clone().unwrap_or_default()))
        };
        let faults: Option<Vec<_>> = open.iter().map(fault).collect();
        let Some(faults) = faults else { return self.send_again() };
        for (index, code, text) in faults {
            self.fail(index, &code, &text);
        }
        self.conclude();
    }

    /// Of several devices one stood in the way of all: what the others were refused for is none of their faults.
    pub(super) fn acquit(&mut self) {
        for device in self.status.devices.iter_mut().filter(|d| d.result == DeviceResult::Pending) {
            if device.fault_code.as_deref().is_some_and(calls_for_a_look) {
                device.fault_code = None;
                device.fault_text = None;
            }
        }
    }

    fn waiting_for_the_line(&mut self) {
        if self.is_stalled() {
            self.progress(
                "SubmissionUnknown",
                "It is not known whether ThingSpace acted on the request; the operator looks at the devices again \
                 before anything is sent.",
            );
        }
    }

    /// Whether the first look was long enough ago when the second was begun: it may have come here slowly.
    fn had_settled(&self, first: &Time, asked_at: Timestamp) -> bool {
        asked_at >= first.0 + jiff::SignedDuration::try_from(self.policy.settle_time).unwrap_or_default()
    }

    fn set_first_look(&mut self, at: Option<Time>) {
        if let Some(operation) = &mut self.status.operation {
            operation.first_look = at;
        }
    }

    /// After two looks.
    fn send_again(&mut self) {
        let now = Time(self.now);
        if let Some(operation) = &mut self.status.operation {
            operation.state = OperationState::Released;
            operation.retry_time = Some(now);
            operation.next_poll_time = None;
            operation.tries = 0;
        }
        let activates = self.status.operation.as_ref().is_some_and(|o| o.action == Action::Activate);
        if activates && self.subject.deleted_at.is_some() {
            return; // what is being deleted is not activated any more
        }
        let message =
            "The devices were looked at twice and nothing has happened to them, so the request is sent once more.";
        self.tell(Severity::Normal, "SendingAgain", message);
        self.progress("SendingAgain", message);
        self.effects.push(super::Effect::Queue);
    }

    /// ThingSpace could not be asked: neither bad news nor good.
    pub(super) fn look_failed(&mut self, message: &str) {
        if !self.is(OperationState::Accepted) && !self.is(OperationState::Unknown) {
            return;
        }
        let message = clean(message);
        self.remember_error("LookFailed", &message);
        if self.timed_out() {
            return;
        }
        let base = if self.is(OperationState::Accepted) { self.policy.poll_after } else { self.policy.settle_time };
        self.look_later(base, LONGEST_LOOK);
        let failed = self.status.operation.as_mut().map_or(0, |operation| {
            operation.failed_looks += 1;
            operation.failed_looks
        });
        if self.is(OperationState::Unknown) && failed >= LOOKS_BEFORE_STALLED && !self.is_stalled() {
            // A retry that was asked for before this question is no answer to it.
            self.status.last_handled_retry = self.subject.retry.map(Into::into);
            let super::Subject { namespace, name, .. } = self.subject;
            let text = format!(
                "It is not known whether ThingSpace acted on the request, and ThingSpace cannot be asked ({message}). \
                 The operator goes on asking. If you know that the line is not active, send the request again with: \
                 kubectl -n {namespace} annotate euicc {name} --overwrite euicc-operator.io/retry=\"$(date +%s)\""
            );
            self.stalled("SubmissionUnknown", text.clone());
            self.tell(Severity::Warning, "SubmissionUnknown", text);
        }
    }

    /// Ends the waiting when its time is over. Late answers still count.
    fn timed_out(&mut self) -> bool {
        let Some(operation) = &mut self.status.operation else { return false };
        if operation.deadline.as_ref().is_none_or(|d| self.now < d.0) {
            return false;
        }
        operation.state = OperationState::TimedOut;
        operation.next_poll_time = None;
        self.status.last_handled_retry = self.subject.retry.map(Into::into);
        let super::Subject { namespace, name, .. } = self.subject;
        let message = format!(
            "ThingSpace has reported no result within spec.resultTimeout. A late report still counts. Ask Verizon with \
             status.requestId, or have the devices looked at, and the request sent again if they are not active, with: \
             kubectl -n {namespace} annotate euicc {name} --overwrite euicc-operator.io/retry=\"$(date +%s)\""
        );
        self.remember_error("ResultTimeout", "no result within spec.resultTimeout");
        self.stalled("ResultTimeout", message.clone());
        self.tell(Severity::Warning, "ResultTimeout", message);
        true
    }

    fn has_looked(&mut self) {
        if let Some(operation) = &mut self.status.operation {
            operation.failed_looks = 0;
        }
    }

    fn look_later(&mut self, base: Duration, cap: Duration) {
        let tries = self.status.operation.as_ref().map_or(0, |o| o.tries);
        let next = Time(self.after(base, tries + i32::from(self.is(OperationState::Accepted)), cap));
        if let Some(operation) = &mut self.status.operation {
            operation.next_poll_time = Some(next);
            operation.tries += 1;
        }
    }

    fn is(&self, state: OperationState) -> bool {
        self.status.operation.as_ref().is_some_and(|o| o.state == state)
    }

    fn pending(&self) -> Vec<usize> {
        let devices = self.status.devices.iter().enumerate();
        devices.filter(|(_, d)| d.result == DeviceResult::Pending).map(|(i, _)| i).collect()
    }
}
