//! What a user sees of an object: its conditions, its events, and what the operator asked of the API server for it.

use std::collections::BTreeMap;

use euicc_operator::api::{ActivationStatus, EuiccActivation, OperationState};
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};

use super::{Admin, AuditEvent, LONG, Namespace, SHORT, eventually};

/// How the activations are called that are only there to be seen.
const WITNESS: &str = "witness-";

/// Its status; empty before the operator has seen it.
pub fn status(object: &EuiccActivation) -> ActivationStatus {
    object.status.clone().unwrap_or_default()
}

/// Where its request stands.
pub fn state(object: &EuiccActivation) -> Option<OperationState> {
    object.status.as_ref()?.operation.as_ref().map(|o| o.state)
}

/// A condition, such as `Ready`.
pub fn condition(object: &EuiccActivation, type_: &str) -> Option<Condition> {
    status(object).conditions.into_iter().find(|c| c.type_ == type_)
}

/// Whether a condition holds.
pub fn holds(object: &EuiccActivation, type_: &str) -> bool {
    condition(object, type_).is_some_and(|c| c.status == "True")
}

/// Reason and message of Ready; empty before the operator has seen it.
pub fn why(object: &EuiccActivation) -> (String, String) {
    condition(object, "Ready").map(|c| (c.reason, c.message)).unwrap_or_default()
}

impl Namespace {
    /// Waits until an activation is as `wanted`.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&EuiccActivation) -> bool) -> EuiccActivation {
        eventually(&format!("{name}: {what}"), LONG, async || {
            let object = self.activation(name).await;
            if wanted(&object) { Ok(object) } else { Err(status(&object)) }
        })
        .await
    }

    /// Waits until Ready has this reason.
    pub async fn until_reason(&self, name: &str, reason: &str) -> EuiccActivation {
        self.until(name, &format!("reason {reason}"), |object| why(object).0 == reason).await
    }

    /// `kubectl wait` for a condition, as a pipeline does it: `Ready`, `Stalled`, `Ready=False`.
    pub async fn wait(&self, condition: &str, object: &str) {
        let flags = [format!("--for=condition={condition}"), format!("--timeout={}s", LONG.as_secs())];
        // It looks into the API server's cache, which may not know yet what was created a moment ago.
        let known = async || match self.kubectl(&["wait", &flags[0], &flags[1], object]).await {
            output if output.stderr.contains("(NotFound)") => Err(output),
            output => Ok(output),
        };
        eventually(&format!("{object} is known"), 2 * LONG, known).await.success();
    }

    /// Does what a message of the operator says: runs the command at its end, as it stands, in a shell.
    pub async fn obey(&self, message: &str) {
        let command = &message[message.find("kubectl ").unwrap_or_else(|| panic!("no command: {message}"))..];
        let mut shell = self.cluster.program("sh");
        shell.args(["-ec", command]);
        let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The events about an object so far, oldest first.
    pub async fn events(&self, name: &str) -> Vec<Event> {
        let mut events = self.api::<Event>().list(&Default::default()).await.unwrap().items;
        events.retain(|e| e.regarding.as_ref().is_some_and(|r| r.name.as_deref() == Some(name)));
        events.sort_by(|a, b| a.event_time.cmp(&b.event_time));
        events
    }

    /// Waits for the events about an object: they are published beside the work. Returns their notes.
    pub async fn until_events(&self, name: &str, reasons: &[&str]) -> Vec<String> {
        let what = format!("{name}: the events {reasons:?}");
        let events = eventually(&what, SHORT, async || {
            let events = self.events(name).await;
            let seen: Vec<_> = events.iter().filter_map(|e| e.reason.clone()).collect();
            if seen == reasons { Ok(events) } else { Err(seen) }
        });
        events.await.into_iter().filter_map(|e| e.note).collect()
    }

    /// What the operator has asked the API server about this namespace, after the first `skip` requests; without its
    /// looks at the connection's Secrets, which belong to no activation.
    pub fn asked(&self, skip: usize) -> BTreeMap<String, usize> {
        let is_witness = |e: &AuditEvent| e.object_ref.name.starts_with(WITNESS);
        let counts = |e: &AuditEvent| e.verb != "watch" && e.object_ref.resource != "secrets" && !is_witness(e);
        let mut asked = BTreeMap::new();
        for event in self.requests().iter().skip(skip).filter(|e| e.is_by_operator() && counts(e)) {
            *asked.entry(event.what()).or_default() += 1;
        }
        asked
    }

    /// Touches an activation in a way that means nothing, and waits until the operator has looked at it. One that is
    /// active is not reconciled any more; it has been seen when another one has, that was created after it was touched.
    pub async fn touch(&self, name: &str, admin: &Admin) {
        let rests = holds(&self.activation(name).await, "Ready");
        let before = reconciles(admin).await;
        let label = format!("touched=at-{}", super::fixtures::next());
        self.kubectl(&["label", "--overwrite", "euicc", name, &label]).await.success();
        if rests {
            let mut witness = super::fixtures::activation(&format!("{WITNESS}{}", super::fixtures::next()), 1);
            witness.spec.suspend = true;
            let witness = self.create(&witness).await.metadata.name.unwrap_or_default();
            self.until_reason(&witness, "Suspended").await;
            return;
        }
        eventually("the touched activation is reconciled", LONG, async || reconciles(admin).await > before).await;
    }
}

/// How often any activation was reconciled.
pub async fn reconciles(admin: &Admin) -> f64 {
    admin.metric("controller_runtime_reconcile_total", &[r#"controller="euiccactivation""#]).await
}

impl AuditEvent {
    /// In words: `update euiccactivations/status`.
    pub fn what(&self) -> String {
        let slash = if self.object_ref.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.verb, self.object_ref.resource, self.object_ref.subresource)
    }
}
