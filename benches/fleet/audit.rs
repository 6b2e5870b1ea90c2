//! What the operator asked of the API server, read as the audit log grows.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use crate::support::{AuditEvent, control_plane};

/// A place in the audit log.
pub struct Since(u64);

/// How often the operator asked for what, in words such as `update euiccactivations/status`; refused ones apart.
pub type Asked = BTreeMap<String, usize>;

impl Since {
    /// From here on.
    pub fn now() -> Self {
        Self(std::fs::metadata(log()).map_or(0, |m| m.len()))
    }

    /// What the operator has asked about a namespace since.
    pub fn asked(&self, namespace: &str) -> Asked {
        let mut file = File::open(log()).expect("the control plane keeps an audit log");
        file.seek(SeekFrom::Start(self.0)).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        let mut asked = Asked::new();
        let events = text.lines().filter_map(|line| serde_json::from_str::<AuditEvent>(line).ok());
        for event in events.filter(|e| e.is_by_operator() && e.object_ref.namespace == namespace) {
            let code = event.response_status.code;
            let what = if code >= 400 { format!("{} ({code})", event.what()) } else { event.what() };
            *asked.entry(what).or_default() += 1;
        }
        asked
    }
}

fn log() -> std::path::PathBuf {
    control_plane().file("audit.log")
}

/// Those that begin so.
pub fn sum(asked: &Asked, begins: &[&str]) -> usize {
    asked.iter().filter(|(what, _)| begins.iter().any(|b| what.starts_with(b))).map(|(_, n)| n).sum()
}
