//! The three conditions, as kstatus reads them: Ready always, Reconciling and Stalled only while they hold.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Machine;
use crate::{
    api::{DeviceCounts, DeviceResult, LastError},
    text::clean,
};

impl Machine<'_> {
    /// At work, or waiting for someone else's answer.
    pub(super) fn progress(&mut self, reason: &str, message: impl Into<String>) {
        let message = message.into();
        self.set("Ready", Some(("False", reason, &message)));
        self.set("Reconciling", Some(("True", reason, &message)));
        self.set("Stalled", None);
    }

    /// Nothing more happens until someone acts.
    pub(super) fn stalled(&mut self, reason: &str, message: impl Into<String>) {
        let message = message.into();
        self.set("Ready", Some(("False", reason, &message)));
        self.set("Reconciling", None);
        self.set("Stalled", Some(("True", reason, &message)));
    }

    /// Done.
    pub(super) fn ready(&mut self, reason: &str, message: impl Into<String>) {
        self.set("Ready", Some(("True", reason, &message.into())));
        self.set("Reconciling", None);
        self.set("Stalled", None);
    }

    /// Waiting because the user said so.
    pub(super) fn paused(&mut self, reason: &str, message: impl Into<String>) {
        self.set("Ready", Some(("False", reason, &message.into())));
        self.set("Reconciling", None);
        self.set("Stalled", None);
    }

    fn set(&mut self, type_: &str, value: Option<(&str, &str, &str)>) {
        let generation = self.subject.generation;
        self.status.observed_generation = Some(generation);
        let conditions = &mut self.status.conditions;
        let position = conditions.iter().position(|c| c.type_ == type_);
        let Some((status, reason, message)) = value else {
            if let Some(i) = position {
                conditions.remove(i);
            }
            return;
        };
        let since = position
            .map(|i| &conditions[i])
            .filter(|old| old.status == status)
            .map_or(Time(self.now), |old| old.last_transition_time.clone());
        let new = Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: Some(generation),
            last_transition_time: since,
        };
        match position {
            Some(i) => conditions[i] = new,
            None => conditions.push(new),
        }
    }

    /// An edit that changes nothing of what was decided: only say that it was seen.
    pub(super) fn acknowledge(&mut self) {
        let generation = self.subject.generation;
        if self.status.observed_generation != Some(generation) {
            self.status.observed_generation = Some(generation);
            self.status.conditions.iter_mut().for_each(|c| c.observed_generation = Some(generation));
        }
    }

    pub(super) fn remember_error(&mut self, code: &str, message: &str) {
        self.status.last_error = Some(LastError { code: clean(code), message: clean(message), time: Time(self.now) });
    }

    /// Keeps the counts of `kubectl get` true.
    pub(super) fn count(&mut self) {
        if self.status.observed_generation.is_none_or(|g| g < 0) {
            return;
        }
        let of = |result| self.status.devices.iter().filter(|d| d.result == result).count() as i32;
        self.status.counts = Some(DeviceCounts {
            devices: self.subject.spec.devices.len() as i32,
            active: of(DeviceResult::Active),
            failed: of(DeviceResult::Failed),
        });
    }

    /// Why Ready is what it is.
    pub(super) fn reason(&self) -> Option<&str> {
        self.status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.as_str())
    }
}
