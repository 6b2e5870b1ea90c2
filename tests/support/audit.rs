//! What the API server was asked to do, as its audit log has it.

use std::{fs::File, io::Read};

use serde::Deserialize;

use super::ControlPlane;

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
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// For example `euicc-operator.io`; empty for the core group.
    pub api_group: String,
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
pub fn requests(cluster: &ControlPlane, namespace: &str) -> Vec<AuditEvent> {
    let mut requests = AuditLog::open(cluster).read(namespace);
    requests.retain(|event| event.object_ref.namespace == namespace);
    requests
}

/// The log, read on from where it was read to.
pub struct AuditLog {
    file: File,
    half_a_line: String,
}

impl AuditLog {
    /// From its beginning.
    pub fn open(cluster: &ControlPlane) -> Self {
        let file = File::open(cluster.file("audit.log")).expect("the control plane keeps an audit log");
        Self { file, half_a_line: String::new() }
    }

    /// The new lines with a word in them.
    pub fn read(&mut self, word: &str) -> Vec<AuditEvent> {
        let mut text = std::mem::take(&mut self.half_a_line);
        self.file.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.half_a_line = text.split_off(whole);
        text.lines().filter(|line| line.contains(word)).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
