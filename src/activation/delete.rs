//! Deletion. `Retain` holds nothing up; `Deactivate` sends one deactivate by the same rules as an activation, and
//! nothing that vanishes can hold the finalizer for ever.

use jiff::Timestamp;

use super::{Effect, Machine, Severity, Subject};
use crate::api::{Action, DeletionPolicy, DeviceStatus, OperationState};

impl Machine<'_> {
    pub(super) fn tick_deleted(&mut self) {
        if !self.subject.finalizer {
            return;
        }
        if self.subject.spec.deletion_policy == DeletionPolicy::Retain {
            return self.effects.push(Effect::RemoveFinalizer);
        }
        if self.finalizer_deadline().is_some_and(|d| self.now >= d) {
            self.tell(
                Severity::Warning,
                "FinalizerReleased",
                "The lines could not be deactivated within spec.resultTimeout of the deletion; the resource is let go, \
                 and its lines may still be active and billed: deactivate them at ThingSpace.",
            );
            return self.effects.push(Effect::RemoveFinalizer);
        }
        let Some(operation) = &self.status.operation else {
            return self.effects.push(Effect::RemoveFinalizer);
        };
        match (operation.action, operation.state) {
            (Action::Deactivate, OperationState::Succeeded) => self.effects.push(Effect::RemoveFinalizer),
            (Action::Activate, OperationState::TimedOut) => self.look_after_all(
                "no answer came in time, so the devices are looked at before the resource is let go: lines that are \
                 active are deactivated",
            ),
            (Action::Activate, OperationState::Released | OperationState::Succeeded | OperationState::Failed) => {
                self.deactivate_or_let_go();
            }
            (Action::Activate, OperationState::Unknown) if self.is_told_that_nothing_is_active() => {
                self.deactivate_or_let_go();
            }
            // A pending line takes no order (contract 11): an activation under way is first followed to its end.
            _ => self.tick_operation(),
        }
    }

    fn deactivate_or_let_go(&mut self) {
        self.effects.push(if self.any_active() { Effect::Queue } else { Effect::RemoveFinalizer });
    }

    /// When a deleted resource is let go whatever has happened.
    pub(super) fn finalizer_deadline(&self) -> Option<Timestamp> {
        let deleted = self.subject.deleted_at.filter(|_| self.subject.finalizer)?;
        Some(deleted + self.result_timeout())
    }

    pub(super) fn deactivated(&mut self) {
        self.paused("Deactivated", "Every line is deactivated; the resource is let go.");
        self.tell(Severity::Normal, "Deactivated", "Every line is deactivated.");
    }

    pub(super) fn deactivation_failed(&self, first: &DeviceStatus) -> String {
        let Subject { namespace, name, .. } = self.subject;
        let code = first.fault_code.as_deref().unwrap_or("Failed");
        let text = first.fault_text.as_deref().unwrap_or("ThingSpace gave no reason").trim_end_matches('.');
        format!(
            "ThingSpace did not deactivate the lines: {code}: {text}. Try once more with: kubectl -n {namespace} annotate \
             euicc {name} --overwrite euicc-operator.io/retry=\"$(date +%s)\", or let the resource go with \
             deletionPolicy Retain; otherwise it is let go after spec.resultTimeout, with its lines as they are."
        )
    }
}
