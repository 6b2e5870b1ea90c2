//! ThingSpace's answer for one device, and what the answers of all devices add up to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Machine, Profile, Report, Severity, Subject, Verdict, send::calls_for_a_look};
use crate::{
    api::{Action, DeviceId, DeviceResult, DeviceStatus, IdKind, OperationState},
    text::clean,
};

/// How a message's request relates to the one that is under way.
#[derive(Clone, Copy, PartialEq)]
enum Relation {
    /// It is the one.
    Ours,
    /// Ours has no id yet, so this is it: messages can be faster than the reply, or the reply was lost.
    Adopted,
    /// Another request for the same device: an older attempt, or another system of the customer.
    Another,
}

impl Machine<'_> {
    pub(super) fn callback(&mut self, report: &Report) {
        let Some(operation) = &self.status.operation else { return };
        if operation.state.is_final() {
            return;
        }
        let (action, first_attempt) = (operation.action, operation.attempt == 1);
        let relation = self.relation(report, operation.state);
        let Some(index) = self.device_of(report, relation) else { return };
        if self.status.devices[index].result != DeviceResult::Pending {
            return; // the first final answer stands
        }
        let verdict = for_action(report, action, relation);
        match (relation, &verdict) {
            (Relation::Ours, _) => {}
            // However it came about, the line is in the state that was asked for.
            (Relation::Another, Verdict::Success) if report.profile.state.is_some() => {
                self.status.request_id = self.status.request_id.take().or_else(|| report.request_id.clone());
            }
            (Relation::Adopted, Verdict::Success) => self.adopt(report),
            // A late failure of an earlier attempt must not end the present one.
            (Relation::Adopted, _) if first_attempt => self.adopt(report),
            _ => return,
        }
        let device = &mut self.status.devices[index];
        merge_ids(device, &report.device_ids);
        keep_profile(device, &report.profile);
        match verdict {
            Verdict::Success => self.succeed(index),
            Verdict::Warning => {}
            Verdict::Failure { code, .. } if calls_for_a_look(&code) && action == Action::Activate => {
                self.status.devices[index].fault_code = Some(clean(&code));
                self.look_now();
            }
            Verdict::Failure { code, .. } if code.contains("REQUEST_ONHOLD") => {
                self.remember_error(&code, "ThingSpace has put the request on hold");
            }
            Verdict::Failure { code, text } => self.fail(index, &code, &text),
        }
        self.conclude();
    }

    fn relation(&self, report: &Report, state: OperationState) -> Relation {
        match (&self.status.request_id, &report.request_id) {
            (Some(ours), Some(theirs)) if ours == theirs => Relation::Ours,
            (None, Some(_)) if state != OperationState::Released => Relation::Adopted,
            _ => Relation::Another,
        }
    }

    /// The device that a message is about: by any identifier they share, else the only one of our request.
    fn device_of(&self, report: &Report, relation: Relation) -> Option<usize> {
        let devices = &self.status.devices;
        let shared = devices.iter().position(|d| d.device_ids.iter().any(|i| report.device_ids.contains(i)));
        shared.or_else(|| (relation == Relation::Ours && devices.len() == 1).then_some(0))
    }

    fn adopt(&mut self, report: &Report) {
        self.status.request_id.clone_from(&report.request_id);
        let next_poll = Time(self.after(self.policy.poll_after, 0, self.policy.poll_after));
        if let Some(operation) = &mut self.status.operation {
            operation.state = OperationState::Accepted;
            operation.submitted_at.get_or_insert(Time(self.now));
            operation.next_poll_time = Some(next_poll);
            operation.tries = 0;
        }
        self.awaiting();
    }

    pub(super) fn succeed(&mut self, index: usize) {
        let activated = self.status.operation.as_ref().is_none_or(|o| o.action == Action::Activate);
        let device = &mut self.status.devices[index];
        device.result = if activated { DeviceResult::Active } else { DeviceResult::Deactivated };
        device.fault_code = None;
        device.fault_text = None;
    }

    pub(super) fn fail(&mut self, index: usize, code: &str, text: &str) {
        let device = &mut self.status.devices[index];
        device.result = DeviceResult::Failed;
        device.fault_code = Some(clean(code));
        device.fault_text = Some(clean(text));
        self.remember_error(code, text);
    }

    /// Has the controller look at the devices at once.
    fn look_now(&mut self) {
        if let Some(operation) = &mut self.status.operation {
            operation.next_poll_time = Some(Time(self.now));
        }
    }

    /// Ends the operation once every device has its result.
    pub(super) fn conclude(&mut self) {
        if self.status.devices.iter().any(|d| d.result == DeviceResult::Pending) {
            return;
        }
        let failed = self.status.devices.iter().any(|d| d.result == DeviceResult::Failed);
        let Some(operation) = &mut self.status.operation else { return };
        operation.next_poll_time = None;
        operation.retry_time = None;
        operation.state = if failed { OperationState::Failed } else { OperationState::Succeeded };
        let action = operation.action;
        self.status.last_handled_retry = self.subject.retry.map(Into::into);
        match (failed, action) {
            (false, Action::Activate) => self.activated(),
            (false, Action::Deactivate) => self.deactivated(),
            (true, _) => {
                let (reason, message) = self.failed();
                self.tell(Severity::Warning, reason, message);
            }
        }
    }

    /// Says that the operation has failed, and why: at its end, and again when something that stood before it is gone.
    pub(super) fn failed(&mut self) -> (&'static str, String) {
        let failed: Vec<&DeviceStatus> =
            self.status.devices.iter().filter(|d| d.result == DeviceResult::Failed).collect();
        let first = failed.first().copied().cloned().unwrap_or_default();
        let deactivation = self.status.operation.as_ref().is_some_and(|o| o.action == Action::Deactivate);
        let (reason, message) = match deactivation {
            true => ("DeactivationFailed", self.deactivation_failed(&first)),
            false if self.status.request_id.is_none() => ("Refused", self.activation_failed(&first, failed.len())),
            false => ("ActivationFailed", self.activation_failed(&first, failed.len())),
        };
        self.stalled(reason, message.clone());
        (reason, message)
    }

    fn activated(&mut self) {
        let message = match self.status.devices.as_slice() {
            [one] => match one.id(IdKind::Mdn) {
                Some(mdn) => format!("The device is active; its phone number (MDN) is {mdn}."),
                None => "The device is active.".into(),
            },
            all => format!("All {} devices are active.", all.len()),
        };
        self.ready("Activated", message.clone());
        self.tell(Severity::Normal, "Activated", message);
        let address = self.status.devices.iter().find_map(|d| {
            let status = d.euicc_sub_address_update_status.as_deref()?;
            (!status.eq_ignore_ascii_case("EXECUTED_SUCCESS"))
                .then(|| d.euicc_sub_address_update_status_code.clone().unwrap_or_else(|| status.into()))
        });
        if let Some(code) = address {
            self.tell(
                Severity::Warning,
                "PlaceOfUseNotUpdated",
                format!("The line is active, but ThingSpace did not take its place of use ({code}); the account's address is used for taxes until you correct it at ThingSpace."),
            );
        }
    }

    fn activation_failed(&self, first: &DeviceStatus, failed: usize) -> String {
        let Subject { namespace, name, .. } = self.subject;
        let code = first.fault_code.as_deref().unwrap_or("Failed");
        let text = first.fault_text.as_deref().unwrap_or("ThingSpace gave no reason").trim_end_matches('.');
        let total = self.status.devices.len();
        let who = if total == 1 { "the activation".into() } else { format!("{failed} of {total} devices") };
        let verb = if self.status.request_id.is_none() { "refused" } else { "reported a failure of" };
        format!(
            "ThingSpace {verb} {who}: {code}: {text}. Nothing more is sent by itself: correct the spec, or send the same \
             once more with: kubectl -n {namespace} annotate euicc {name} --overwrite euicc-operator.io/retry=\"$(date +%s)\""
        )
    }
}

/// A success test that knows what was asked for (contract 7.3): a line that is to be deactivated is not to be active.
fn for_action(report: &Report, action: Action, relation: Relation) -> Verdict {
    let stateless = report.profile.state.is_none();
    match action {
        Action::Activate => report.verdict.clone(),
        // The success of the activation, told again, says nothing of the deactivation.
        Action::Deactivate if report.verdict == Verdict::Success && !(stateless && relation == Relation::Ours) => {
            Verdict::Warning
        }
        Action::Deactivate => report.verdict_of_deactivation.clone(),
    }
}

/// Adds what ThingSpace minted; what we know stays. What has not the shape of its kind is left out: it is no identifier,
/// and where it is too long the API server would refuse the whole status, and the answer with it.
pub(super) fn merge_ids(device: &mut DeviceStatus, ids: &[DeviceId]) {
    for id in ids {
        if has_shape(id) && !device.device_ids.iter().any(|known| known.kind == id.kind) {
            device.device_ids.push(id.clone());
        }
    }
}

/// As the custom resource's rules have it for what people write.
fn has_shape(id: &DeviceId) -> bool {
    let digits = match id.kind {
        IdKind::Eid => 32..=32,
        IdKind::Iccid => 19..=20,
        IdKind::Imei => 15..=16,
        IdKind::Mdn => 10..=10,
    };
    digits.contains(&id.id.len()) && id.id.bytes().all(|b| b.is_ascii_digit())
}

fn keep_profile(device: &mut DeviceStatus, profile: &Profile) {
    let keep = |field: &mut Option<String>, value: &Option<String>| {
        if let Some(value) = value {
            *field = Some(clean(value));
        }
    };
    keep(&mut device.state, &profile.state);
    keep(&mut device.profile_status, &profile.profile_status);
    keep(&mut device.euicc_status, &profile.euicc_status);
    keep(&mut device.euicc_status_code, &profile.euicc_status_code);
    keep(&mut device.euicc_status_desc, &profile.euicc_status_desc);
    keep(&mut device.euicc_sub_address_update_status, &profile.address_status);
    keep(&mut device.euicc_sub_address_update_status_code, &profile.address_status_code);
    keep(&mut device.euicc_sub_address_update_status_desc, &profile.address_status_desc);
    keep(&mut device.carrier_name, &profile.carrier_name);
    keep(&mut device.profile_role, &profile.profile_role);
}
