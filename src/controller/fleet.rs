//! How the fleet stands, counted from what the watches hold when the metrics are asked for: nothing is kept for it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Unit,
};

use super::context::Context;
use crate::{
    api::{EuiccActivation, OperationState, ThingSpaceConnection},
    telemetry::{Shown, state_name},
    thingspace::FAILED_LOGINS_ALLOWED,
};

/// Counts when it is asked.
#[derive(Debug)]
pub struct Fleet(Weak<Context>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    state: &'static str,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: String,
    status: String,
}

/// Of the activations in one phase.
struct Phase {
    count: i64,
    /// Since when the one that has been there longest is under way, or stuck; none: it is ready.
    since: Option<Timestamp>,
}

impl Fleet {
    /// Counts what `context` holds, as long as there is one.
    pub fn of(context: &Arc<Context>) -> Self {
        Self(Arc::downgrade(context))
    }
}

impl Collector for Fleet {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(context) = self.0.upgrade() else { return Ok(()) };
        let (count, oldest) = activations(&context.activations(), context.devices.resting());
        count.show(
            &mut to,
            "euicc_activations",
            "Activations, by where their request stands and reason of Ready",
            None,
        )?;
        let help =
            "Since when the activation that has been under way or stuck the longest is so, in seconds since 1970";
        oldest.show(&mut to, "euicc_activations_oldest_timestamp", help, Some(&Unit::Seconds))?;
        let connections = context.connections();
        conditions(&connections).show(
            &mut to,
            "euicc_connections",
            "Connections, by condition and its status",
            None,
        )?;
        let open = ConstGauge::new(open_breakers(&connections) as u64);
        open.show(&mut to, "euicc_login_breakers_open", "Credentials with which no login is tried any more", None)?;
        let waiting = ConstGauge::new(context.links.waiting() as u64);
        waiting.show(&mut to, "euicc_submissions_waiting", "Activations that wait for their turn to be sent", None)
    }
}

/// How many there are, and since when. Those that rest are all active, and are not cached.
fn activations(
    objects: &[Arc<EuiccActivation>],
    resting: usize,
) -> (Family<PhaseLabels, Gauge>, Family<PhaseLabels, Gauge>) {
    let mut phases: HashMap<(&'static str, &str), Phase> = HashMap::new();
    for object in objects {
        let status = object.status.as_ref();
        let condition = |type_| status?.conditions.iter().find(|c| c.type_ == type_);
        let operation = status.and_then(|s| s.operation.as_ref());
        let sent = operation.filter(|o| o.state.is_under_way());
        let state = state_name(operation.map(|o| o.state));
        let ready = condition("Ready");
        let under_way = [condition("Reconciling"), condition("Stalled")].into_iter().flatten().next();
        let since = match (sent, ready, under_way) {
            (Some(operation), ..) => Some(operation.claimed_at.0), // Reconciling began before: with its wait for a turn
            (None, _, Some(condition)) => Some(condition.last_transition_time.0),
            (None, None, None) => object.creation_timestamp().map(|t| t.0), // not seen yet
            (None, Some(_), None) => None,
        };
        let phase = phases.entry((state, ready.map_or("", |c| &c.reason))).or_insert(Phase { count: 0, since: None });
        phase.count += 1;
        phase.since = [phase.since, since].into_iter().flatten().min();
    }
    if resting > 0 {
        let active = (state_name(Some(OperationState::Succeeded)), "Activated");
        let phase = phases.entry(active).or_insert(Phase { count: 0, since: None });
        phase.count += i64::try_from(resting).unwrap_or(i64::MAX);
    }
    let (count, oldest) = (Family::<PhaseLabels, Gauge>::default(), Family::<PhaseLabels, Gauge>::default());
    for ((state, reason), phase) in phases {
        let labels = PhaseLabels { state, reason: reason.to_owned() };
        count.get_or_create(&labels).set(phase.count);
        if let Some(since) = phase.since {
            oldest.get_or_create(&labels).set(since.as_second());
        }
    }
    (count, oldest)
}

fn conditions(connections: &[Arc<ThingSpaceConnection>]) -> Family<ConditionLabels, Gauge> {
    let family = Family::<ConditionLabels, Gauge>::default();
    for condition in connections.iter().filter_map(|c| c.status.as_ref()).flat_map(|s| &s.conditions) {
        let labels = ConditionLabels { condition: condition.type_.clone(), status: condition.status.clone() };
        family.get_or_create(&labels).inc();
    }
    family
}

/// Connections of one Secret share one count of failed logins.
fn open_breakers(connections: &[Arc<ThingSpaceConnection>]) -> usize {
    let failed = |c: &&Arc<ThingSpaceConnection>| {
        let login = c.status.as_ref().and_then(|s| s.login.as_ref());
        login.is_some_and(|login| login.failed.len() >= FAILED_LOGINS_ALLOWED)
    };
    let secret = |c: &Arc<ThingSpaceConnection>| (c.namespace(), c.spec.credentials_secret_ref.name.clone());
    connections.iter().filter(failed).map(secret).collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_under_way_since_its_claim_and_not_since_it_waited_for_its_turn() {
        let object = |state: Option<&str>, reason: &str| {
            let mut status = json!({"observedGeneration": 1, "conditions": [
                {"type": "Ready", "status": "False", "reason": reason, "message": "m", "lastTransitionTime": "2026-11-01T00:00:00Z"},
                {"type": "Reconciling", "status": "True", "reason": reason, "message": "m", "lastTransitionTime": "2026-11-01T00:00:00Z"},
            ]});
            if let Some(state) = state {
                status["operation"] = json!({
                    "id": "op", "action": "Activate", "attempt": 1, "state": state, "claimedAt": "2026-11-01T05:00:00Z",
                    "fingerprint": "f",
                });
            }
            let object = json!({
                "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
                "metadata": {"namespace": "fleet", "name": "forklift"},
                "spec": {"connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": []},
                "status": status,
            });
            Arc::new(serde_json::from_value::<EuiccActivation>(object).unwrap())
        };
        for (state, reason, hour) in [
            (None, "RateLimited", 0),
            (Some("Unknown"), "SubmissionUnknown", 5),
            (Some("Accepted"), "AwaitingResult", 5),
        ] {
            let (_, oldest) = activations(&[object(state, reason)], 0);
            let operation = state.map(|state| serde_json::from_value(json!(state)).unwrap());
            let labels = PhaseLabels { state: state_name(operation), reason: reason.to_owned() };
            let midnight: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
            assert_eq!(oldest.get_or_create(&labels).get(), midnight.as_second() + hour * 3600, "{reason}");
        }
    }
}
