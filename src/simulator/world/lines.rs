//! The lines in stock, found by any of their identifiers.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        actions::{Action, State},
        errors::Refusal,
        identifiers::{Ids, Kind, Mint},
    },
    listing::stamp,
};
use crate::thingspace::wire::{DeviceId, HistoryEntry};

/// A device as a seed file or the admin API describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceSeed {
    /// The account that it is in.
    pub account_name: String,
    /// Its identifiers.
    pub device_ids: Vec<DeviceId>,
    /// Its state.
    #[serde(default)]
    pub state: State,
    /// Its plan, when active.
    #[serde(default)]
    pub service_plan: Option<String>,
    /// Its carrier, when active.
    #[serde(default)]
    pub carrier_name: Option<String>,
    /// Its profile status, when active.
    #[serde(default)]
    pub profile_status: Option<String>,
    /// How often it came to life; only shown, never read.
    #[serde(default, skip_deserializing)]
    pub activations: u32,
}

/// One device with one line.
#[derive(Clone, Debug)]
pub struct Line {
    /// All its identifiers, the minted ones among them.
    pub ids: Ids,
    /// The account that it is in.
    pub account: String,
    /// Where it stands.
    pub state: State,
    /// The state that a failed action returns to.
    pub before: State,
    /// The plan of its last activation.
    pub plan: Option<String>,
    /// The carrier of its last activation.
    pub carrier: Option<String>,
    /// The profile on the card.
    pub profile_status: Option<String>,
    /// When it came into stock.
    pub created_at: Timestamp,
    /// When and by whom it was activated last.
    pub activated: Option<(Timestamp, String)>,
    /// How often it came to life.
    pub activations: u32,
    /// What happened to it.
    pub history: Vec<HistoryEntry>,
    provisioned: VecDeque<Timestamp>,
}

impl Line {
    /// A line that was never active.
    #[must_use]
    pub fn new(ids: Ids, account: &str, now: Timestamp) -> Self {
        Self {
            ids,
            account: account.to_owned(),
            state: State::PreActive,
            before: State::PreActive,
            plan: None,
            carrier: None,
            profile_status: None,
            created_at: now,
            activated: None,
            activations: 0,
            history: Vec::new(),
            provisioned: VecDeque::new(),
        }
    }

    /// How many provisioning actions it took in the 24 hours before `now`.
    pub fn provisioned_today(&mut self, now: Timestamp) -> usize {
        let yesterday = now - jiff::SignedDuration::from_hours(24);
        while self.provisioned.front().is_some_and(|at| *at <= yesterday) {
            self.provisioned.pop_front();
        }
        self.provisioned.len()
    }

    /// Counts a provisioning action.
    pub fn provisioned_at(&mut self, now: Timestamp) {
        self.provisioned.push_back(now);
    }

    /// Notes in the history how an action ended.
    pub fn remember(&mut self, action: Action, done: bool, by: &str, now: Timestamp) {
        let event_type = match (action.passing(), done) {
            (Some(State::PendingActivation), true) => "Activation Confirmed",
            (Some(State::PendingActivation), false) => "Activate",
            (Some(State::PendingDeactivation), true) => "Deactivation Confirmed",
            (Some(State::PendingDeactivation), false) => "Deactivate",
            (Some(State::PendingSuspend), true) => "Suspension Confirmed",
            (Some(State::PendingSuspend), false) => "Suspend",
            (Some(State::PendingResume), true) => "Restore Confirmed",
            (Some(State::PendingResume), false) => "Restore",
            _ => "Profile Change",
        };
        let mdn = self.ids.get(Kind::Mdn).map(str::to_owned);
        self.history.push(HistoryEntry {
            occurred_at: Some(stamp(now)),
            status: Some(if done { "Success" } else { "Failed" }.to_owned()),
            event_by: Some(by.to_owned()),
            event_type: Some(event_type.to_owned()),
            service_plan: self.plan.clone(),
            msisdn: mdn.as_ref().map(|mdn| format!("1{mdn}")),
            mdn,
        });
    }

    /// As the admin API shows it.
    #[must_use]
    pub fn seed(&self) -> DeviceSeed {
        DeviceSeed {
            account_name: self.account.clone(),
            device_ids: self.ids.to_wire(),
            state: self.state,
            service_plan: self.plan.clone(),
            carrier_name: self.carrier.clone(),
            profile_status: self.profile_status.clone(),
            activations: self.activations,
        }
    }
}

/// Names a line for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineId(usize);

/// All lines, in the order in which they came.
#[derive(Debug, Default)]
pub struct Stock {
    lines: Vec<Line>,
    index: HashMap<(Kind, String), LineId>,
    mint: Mint,
}

impl Stock {
    /// The line that an identifier names.
    #[must_use]
    pub fn find(&self, kind: Kind, id: &str) -> Option<LineId> {
        self.index.get(&(kind, id.to_owned())).copied()
    }

    /// The line that any kind of identifier names.
    #[must_use]
    pub fn find_any(&self, id: &str) -> Option<LineId> {
        Kind::ALL.into_iter().find_map(|kind| self.find(kind, id))
    }

    /// The line that all identifiers together name; `None` when none of them is known.
    pub fn resolve(&self, ids: &Ids) -> Result<Option<LineId>, Refusal> {
        let Some(found) = ids.iter().find_map(|(kind, id)| self.find(kind, id)) else {
            return Ok(None);
        };
        let line = self.line(found);
        let agrees = |(kind, id)| match self.find(kind, id) {
            Some(other) => other == found,
            None => line.ids.get(kind).is_none(),
        };
        if ids.iter().all(agrees) {
            Ok(Some(found))
        } else {
            let message = "The identifiers do not belong to one device.";
            Err(Refusal::code("INPUT_INVALID.Device.Identifier.Invalid", message))
        }
    }

    /// A line.
    #[must_use]
    pub fn line(&self, id: LineId) -> &Line {
        &self.lines[id.0]
    }

    /// A line, to change it; identifiers only through [`Stock::learn`] and [`Stock::forget`].
    pub fn line_mut(&mut self, id: LineId) -> &mut Line {
        &mut self.lines[id.0]
    }

    /// All lines after `after`, in order.
    pub fn after(&self, after: Option<LineId>) -> impl Iterator<Item = &Line> {
        self.lines.iter().skip(after.map_or(0, |line| line.0 + 1))
    }

    /// Takes a line into stock.
    pub fn add(&mut self, line: Line) -> LineId {
        let id = LineId(self.lines.len());
        for (kind, value) in line.ids.iter() {
            self.index.insert((kind, value.to_owned()), id);
        }
        self.lines.push(line);
        id
    }

    /// Adds identifiers that the line did not have yet.
    pub fn learn(&mut self, line: LineId, ids: &Ids) {
        for (kind, value) in ids.iter() {
            self.index.insert((kind, value.to_owned()), line);
            self.lines[line.0].ids.set(kind, Some(value.to_owned()));
        }
    }

    /// Takes an identifier from the line.
    pub fn forget(&mut self, line: LineId, kind: Kind) {
        let ids = &mut self.lines[line.0].ids;
        if let Some(value) = ids.get(kind).map(str::to_owned) {
            ids.set(kind, None);
            self.index.remove(&(kind, value));
        }
    }

    /// Mints what an activated line lacks: always a phone number, an ICCID when none is known.
    pub fn mint(&mut self, line: LineId) {
        let mut minted = Ids::default();
        minted.set(Kind::Mdn, Some(self.unused(Kind::Mdn, Mint::mdn)));
        if self.line(line).ids.get(Kind::Iccid).is_none() {
            minted.set(Kind::Iccid, Some(self.unused(Kind::Iccid, Mint::iccid)));
        }
        self.forget(line, Kind::Mdn);
        self.learn(line, &minted);
    }

    // A seeded device may hold a number that the mint would reach one day.
    fn unused(&mut self, kind: Kind, next: fn(&mut Mint) -> String) -> String {
        loop {
            let candidate = next(&mut self.mint);
            if self.find(kind, &candidate).is_none() {
                return candidate;
            }
        }
    }
}
