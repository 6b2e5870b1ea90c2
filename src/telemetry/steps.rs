//! What is told of a status that has been written: one line in the log, counts, and a step of the trace.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use kube::ResourceExt;
use reqwest::Url;

use super::{Kind, Span, Telemetry, Value};
use crate::{
    api::{Action, ActivationStatus, EuiccActivation, Operation, OperationState},
    thingspace::{CallObserver, CallReport, Exchange},
};

impl Telemetry {
    /// A status was written, which was `before`; the write was begun then.
    pub fn wrote(&self, object: &EuiccActivation, before: &ActivationStatus, began: SystemTime) {
        let Some(status) = &object.status else { return };
        log(object, status, before);
        let (old, new) = (before.operation.as_ref(), status.operation.as_ref());
        let Some(operation) = new else { return };
        let is_new = old.is_none_or(|old| old.id != operation.id);
        let moved = is_new || old.is_none_or(|old| old.state != operation.state);
        let ended = moved && is_under_way(old) && !is_under_way(new);
        if moved && operation.state == OperationState::Unknown {
            self.metrics.outcome_unknown();
        }
        if ended && operation.state != OperationState::Released {
            self.metrics.ended(operation.action, operation.state, since_acceptance(operation));
        }
        if self.traces.is_on() && moved {
            self.trace(object, operation, began, is_new, ended);
        }
    }

    fn trace(&self, object: &EuiccActivation, operation: &Operation, began: SystemTime, is_new: bool, ended: bool) {
        let (now, id) = (SystemTime::now(), operation.id.as_str());
        let step = |name: &'static str, kind, began, ended, error| Span {
            name: name.into(),
            kind,
            began,
            ended,
            attributes: attributes(object, operation),
            error,
        };
        // The first attempt is followed from kubectl apply on; what came before a later one is in another trace.
        let first = operation.attempt == 1 && operation.action == Action::Activate;
        let created = object.creation_timestamp().filter(|_| first).map(|t| t.0.into());
        if is_new && let Some(created) = created {
            self.traces.tell(id, || step("wait", Kind::Internal, created, began, None));
        }
        let name = if operation.state == OperationState::Claimed { "claim" } else { "record" };
        self.traces.tell(id, || step(name, Kind::Internal, began, now, None));
        if ended {
            let failed = operation.state != OperationState::Succeeded;
            let name = match operation.action {
                Action::Activate => "activation",
                Action::Deactivate => "deactivation",
            };
            let begin = created.unwrap_or_else(|| operation.claimed_at.0.into());
            self.traces.tell(id, || step(name, Kind::Root, begin, now, failed.then(|| reason(object).to_owned())));
        }
    }
}

/// What every step says of its activation. No device, no address, no account: the resource is named, and it has them.
fn attributes(object: &EuiccActivation, operation: &Operation) -> Vec<(&'static str, Value)> {
    let mut attributes: Vec<(&str, Value)> = vec![
        ("k8s.namespace.name", object.namespace().unwrap_or_default().into()),
        ("euicc.activation.name", object.name_any().into()),
        ("euicc.attempt", i64::from(operation.attempt).into()),
        ("euicc.state", super::state_name(Some(operation.state)).into()),
        ("euicc.reason", reason(object).into()),
    ];
    let request_id = object.status.as_ref().and_then(|s| s.request_id.clone());
    attributes.extend(request_id.map(|id| ("euicc.request_id", id.into())));
    attributes
}

fn is_under_way(operation: Option<&Operation>) -> bool {
    operation.is_some_and(|o| o.state.is_under_way())
}

fn since_acceptance(operation: &Operation) -> Duration {
    let accepted = operation.submitted_at.as_ref().unwrap_or(&operation.claimed_at).0;
    Duration::try_from(Timestamp::now().duration_since(accepted)).unwrap_or_default()
}

fn reason(object: &EuiccActivation) -> &str {
    object.status.as_ref().and_then(ready).unwrap_or_default()
}

fn ready(status: &ActivationStatus) -> Option<&str> {
    status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.as_str())
}

/// One line a transition; a warning where someone must act, or nobody knows.
fn log(object: &EuiccActivation, status: &ActivationStatus, before: &ActivationStatus) {
    let (from, reason) = (ready(before), ready(status));
    if from == reason {
        return;
    }
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                namespace = object.metadata.namespace,
                activation = object.metadata.name,
                request_id = status.request_id,
                operation_id = status.operation.as_ref().map(|o| o.id.as_str()),
                attempt = status.operation.as_ref().map(|o| o.attempt),
                from,
                reason,
                "activation changed"
            )
        };
    }
    let is_stalled = status.conditions.iter().any(|c| c.type_ == "Stalled" && c.status == "True");
    match is_stalled || reason == Some("SubmissionUnknown") {
        true => line!(tracing::Level::WARN),
        false => line!(tracing::Level::INFO),
    }
}

/// ThingSpace has accounts in its paths; a collector often serves others as well.
fn without_account(url: &Url) -> String {
    let (mut shown, mut after) = (url.clone(), "");
    let segments = url.path().split('/').skip(1);
    let kept: Vec<&str> = segments
        .map(|segment| if std::mem::replace(&mut after, segment) == "accounts" { "REDACTED" } else { segment })
        .collect();
    shown.set_path(&kept.join("/"));
    shown.into()
}

impl CallObserver for Telemetry {
    fn observe(&self, report: CallReport) {
        let CallReport { operation, outcome, elapsed } = report;
        self.metrics.called(operation, outcome.as_str(), elapsed);
    }

    fn exchanged(&self, exchange: Exchange<'_>) {
        let Exchange { operation, method, url, status, elapsed } = exchange;
        self.traces.tell_present(|| {
            let ended = SystemTime::now();
            let mut attributes: Vec<(&str, Value)> = vec![
                ("http.request.method", method.as_str().into()),
                ("server.address", url.host_str().unwrap_or_default().into()),
                ("url.full", without_account(url).into()),
            ];
            attributes.extend(url.port_or_known_default().map(|port| ("server.port", i64::from(port).into())));
            attributes.extend(status.map(|status| ("http.response.status_code", i64::from(status).into())));
            let error = match status {
                None => Some("no_answer".to_owned()),
                Some(status) => (status >= 400).then(|| status.to_string()),
            };
            attributes.extend(error.clone().map(|error| ("error.type", error.into())));
            let name = format!("{method} {operation}").into();
            Span { name, kind: Kind::Client, began: ended - elapsed, ended, attributes, error }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_without_the_account_in_it() {
        for (whole, told) in [
            (
                "https://thingspace.verizon.com/api/m2m/v2/accounts/0000123456-00001/requests/r-1/status",
                "https://thingspace.verizon.com/api/m2m/v2/accounts/REDACTED/requests/r-1/status",
            ),
            (
                "http://127.0.0.1:9000/api/m2m/v1/devices/profile/actions/activate",
                "http://127.0.0.1:9000/api/m2m/v1/devices/profile/actions/activate",
            ),
        ] {
            assert_eq!(without_account(&whole.parse().unwrap()), told);
        }
    }
}
