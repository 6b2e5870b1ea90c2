//! What the API server was asked to do, as its audit log has it.

use serde::Deserialize;

use super::control_plane;

/// One request to the API server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`…
    pub verb: String,
    /// Who asked.
    pub user: User,
    /// With which program.
    pub user_agent: String,
    /// About what.
    pub object_ref: ObjectRef,
    /// How it ended.
    pub response_status: ResponseStatus,
}

/// Who asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct User {
    /// The name, for example `system:serviceaccount:fleet:euicc-operator`.
    pub username: String,
}

/// About what.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    /// Plural, for example `euiccactivations`.
    pub resource: String,
    /// For example `status`; empty for the object itself.
    pub subresource: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// How it ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseStatus {
    /// HTTP status.
    pub code: u16,
}

impl AuditEvent {
    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str())
    }

    /// Whether our operator asked, rather than kubectl or the test.
    pub fn is_by_operator(&self) -> bool {
        self.user_agent.starts_with("euicc-operator")
    }
}

/// The requests about one namespace so far, in the order in which they ended.
pub fn requests(namespace: &str) -> Vec<AuditEvent> {
    let log = std::fs::read_to_string(control_plane().file("audit.log")).expect("the control plane keeps an audit log");
    log.lines()
        // The last line may be only half written.
        .filter_map(|line| serde_json::from_str::<AuditEvent>(line).ok())
        .filter(|event| event.object_ref.namespace == namespace)
        .collect()
}
