//! What the promises about connections look at.

use euicc_operator::api::{ConnectionStatus, ThingSpaceConnection};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use crate::support::{LONG, Namespace, eventually, fixtures};

/// Finishes an activation at once.
pub const QUICK: &[&str] = &["--activation-time", "50ms"];
/// Looks again every second.
pub const EAGER: &[&str] = &["--recheck-after", "1s", "--poll-after", "1s"];
/// The callbacks of [`fixtures::ACCOUNT`].
pub const CALLBACKS: &str = "/callbacks/0000123456-00001";

/// The connection, as it stands now.
pub async fn connection(namespace: &Namespace) -> ThingSpaceConnection {
    namespace.connections().get(fixtures::CONNECTION).await.unwrap()
}

/// Its status.
pub async fn status(namespace: &Namespace) -> ConnectionStatus {
    connection(namespace).await.status.unwrap_or_default()
}

/// A condition of it.
pub async fn condition(namespace: &Namespace, type_: &str) -> Option<Condition> {
    status(namespace).await.conditions.into_iter().find(|c| c.type_ == type_)
}

/// Waits until a condition of it has this reason.
pub async fn says(namespace: &Namespace, type_: &str, reason: &str) -> Condition {
    eventually(&format!("the connection's {type_} says {reason}"), LONG, async || {
        let found = condition(namespace, type_).await;
        found.clone().filter(|c| c.reason == reason).ok_or(found)
    })
    .await
}

/// Merges into its spec.
pub async fn patch(namespace: &Namespace, spec: Value) {
    let patch = serde_json::json!({ "spec": spec }).to_string();
    namespace.kubectl(&["patch", "tsc", fixtures::CONNECTION, "--type=merge", "--patch", &patch]).await.success();
}

/// Waits for an event about it; returns its note.
pub async fn told(namespace: &Namespace, reason: &str) -> String {
    eventually(&format!("the event {reason}"), LONG, async || {
        let events = namespace.events(fixtures::CONNECTION).await;
        let found = events.iter().find(|e| e.reason.as_deref() == Some(reason)).and_then(|e| e.note.clone());
        found.ok_or_else(|| events.iter().map(|e| e.reason.clone()).collect::<Vec<_>>())
    })
    .await
}
