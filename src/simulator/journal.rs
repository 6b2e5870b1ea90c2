//! What came in and what went out, so that tests can assert facts such as "exactly one activation of this device".
//! Holds no secrets and no place of use: only what the fields below name.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::thingspace::wire::DeviceId;

/// Seen from the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A request to ThingSpace.
    In,
    /// A callback delivery by ThingSpace.
    Out,
}

/// One request or one delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Simulated time.
    pub at: Timestamp,
    /// In or out.
    pub direction: Direction,
    /// HTTP method.
    pub method: String,
    /// Path of a request, whole address of a delivery.
    pub path: String,
    /// The billing account, where one is named.
    pub account: Option<String>,
    /// The devices named; of a delivery also the identifiers that were minted.
    pub device_ids: Vec<DeviceId>,
    /// HTTP status; `null` when there was no answer (yet).
    pub status: Option<u16>,
    /// The request that was minted, asked for or reported.
    pub request_id: Option<String>,
    /// The fault that was injected.
    pub fault: Option<String>,
    /// `callbackCount` of a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_count: Option<u32>,
    /// Why there is no status, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Entry {
    /// An entry of which nothing more is known yet.
    pub fn new(at: Timestamp, direction: Direction, method: &str, path: impl Into<String>) -> Self {
        Self {
            at,
            direction,
            method: method.to_owned(),
            path: path.into(),
            account: None,
            device_ids: Vec::new(),
            status: None,
            request_id: None,
            fault: None,
            callback_count: None,
            note: None,
        }
    }

    fn matches(&self, query: &HashMap<String, String>) -> bool {
        query.iter().all(|(key, value)| match key.as_str() {
            "direction" => (self.direction == Direction::In) == (value == "in"),
            "method" => self.method.eq_ignore_ascii_case(value),
            // The end of a path is enough, so that a test need not spell `/api/m2m/v1`.
            "path" => self.path.ends_with(value.as_str()),
            "account" => self.account.as_ref() == Some(value),
            "device" => self.device_ids.iter().any(|device| device.id == *value),
            "requestId" => self.request_id.as_ref() == Some(value),
            "status" => self.status.is_some_and(|status| status.to_string() == *value),
            _ => false,
        })
    }
}

/// All entries since the start or the last [`Journal::clear`], in the order of arrival.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    cleared: usize,
}

/// Where an entry stands, good across [`Journal::clear`].
#[derive(Clone, Copy, Debug)]
pub struct Position(usize);

impl Journal {
    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) -> Position {
        self.entries.push(entry);
        Position(self.cleared + self.entries.len() - 1)
    }

    /// Completes an entry, unless it was cleared meanwhile.
    pub fn update(&mut self, position: Position, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = position.0.checked_sub(self.cleared).and_then(|n| self.entries.get_mut(n)) {
            change(entry);
        }
    }

    /// The entries that a query admits: `path` (its end), `direction`, `method`, `account`, `device`, `requestId`,
    /// `status`.
    #[must_use]
    pub fn entries(&self, query: &HashMap<String, String>) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.matches(query)).cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.cleared += self.entries.len();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_comes_after_a_clear_changes_no_newer_entry() {
        let mut journal = Journal::default();
        let entry = || Entry::new(Timestamp::UNIX_EPOCH, Direction::In, "POST", "/a");
        let old = journal.push(entry());
        journal.clear();
        let new = journal.push(entry());
        journal.update(old, |entry| entry.status = Some(500));
        journal.update(new, |entry| entry.status = Some(200));
        let found = journal.entries(&HashMap::from([("path".into(), "a".into()), ("direction".into(), "in".into())]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].status, Some(200));
    }
}
