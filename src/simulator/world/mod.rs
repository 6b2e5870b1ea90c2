//! The state of ThingSpace: accounts, lines and requests. No I/O and no clock of its own; whatever happens at a
//! time takes that time.

pub mod accounts;
pub mod lines;
pub mod listing;

mod stage;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use self::{
    accounts::Account,
    lines::{Line, LineId, Stock},
};
use super::{
    actions::{Action, Admission, State},
    errors::Refusal,
    identifiers::{Ids, Kind},
    messages::{Ending, Outcome, Report},
    validate::{Order, Rules},
};

/// What can be switched in the world's behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The form of requests.
    pub rules: Rules,
    /// Whether an unknown device is refused rather than taken into stock.
    pub strict_stock: bool,
    /// Whether activating an active line is refused at once rather than by callback.
    pub refuse_active: bool,
    /// Provisioning actions of a line in 24 hours; 0 for no limit.
    pub actions_per_day: usize,
}

/// A request that was accepted.
struct Request {
    account: String,
    action: Action,
    order: Order,
    by: String,
    parts: Vec<Part>,
}

/// One device of a request.
struct Part {
    line: LineId,
    ids: Ids,
    // Decided when the request was accepted: it will not be done.
    doomed: Option<(&'static str, &'static str)>,
    done: Option<bool>,
    report: Option<Arc<Report>>,
}

/// How a device's part of a request ends.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Instead of success.
    pub failure: Option<Failure>,
    /// Instead of the profile status that the action leads to.
    pub profile_status: Option<String>,
    /// The line is fine, but the address could not be updated.
    pub address_failed: bool,
}

/// How an action fails.
#[derive(Clone, Debug)]
pub enum Failure {
    /// With a `faultResponse`.
    Fault(String, String),
    /// With a failed `deviceProfileResponse`.
    Profile,
}

/// Accounts, lines and requests.
pub struct World {
    policy: Policy,
    accounts: HashMap<String, Account>,
    stock: Stock,
    requests: HashMap<String, Request>,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, accounts: HashMap::new(), stock: Stock::default(), requests: HashMap::new() }
    }

    /// An account.
    pub fn account(&self, name: &str) -> Result<&Account, Refusal> {
        self.accounts.get(name).ok_or_else(no_account)
    }

    /// An account, to change it.
    pub fn account_mut(&mut self, name: &str) -> Result<&mut Account, Refusal> {
        self.accounts.get_mut(name).ok_or_else(no_account)
    }

    /// All identifiers of the device that some identifiers name, for faults and the journal.
    #[must_use]
    pub fn identify(&self, ids: &Ids) -> Ids {
        let line = ids.iter().find_map(|(kind, id)| self.stock.find(kind, id));
        line.map_or_else(|| ids.clone(), |line| self.stock.line(line).ids.clone())
    }

    /// The devices of a request.
    #[must_use]
    pub fn devices_of(&self, request_id: &str) -> Vec<Ids> {
        self.requests.get(request_id).map_or_else(Vec::new, |r| r.parts.iter().map(|part| part.ids.clone()).collect())
    }

    /// What was or will be told about a request, for support to send again.
    #[must_use]
    pub fn reports(&self, request_id: &str) -> Option<Vec<Arc<Report>>> {
        let request = self.requests.get(request_id)?;
        Some(request.parts.iter().filter_map(|part| part.report.clone()).collect())
    }

    /// Accepts a profile action or refuses it as a whole. An accepted one is pending until [`World::settle`] was
    /// called for each of its devices.
    pub fn accept(&mut self, action: Action, order: Order, by: &str, now: Timestamp) -> Result<String, Refusal> {
        let account = self.account(&order.account)?;
        account.carrier(order.carrier.as_deref())?;
        account.plan(order.plan.as_deref())?;
        if action.activates() {
            account.pool(order.pool.as_deref())?;
            if !account.offers.is_provisioning_allowed {
                return Err(Refusal::code("REQUEST_FAILED.AccountName", "The account may not provision lines."));
            }
        }
        // Everything is looked at before anything is changed: a request is accepted whole or not at all.
        let mut admitted = Vec::with_capacity(order.devices.len());
        for ids in &order.devices {
            let line = self.admit(action, &order.account, ids, now)?;
            let twice = admitted.iter().any(|(other, _, own)| line.0.is_some() && *other == line.0 || *own == ids);
            if twice {
                return Err(Refusal::code("INPUT_INVALID.Device.Identifier.Invalid", "A device is named twice."));
            }
            admitted.push((line.0, line.1, ids));
        }
        let mut parts = Vec::with_capacity(admitted.len());
        for (line, doomed, ids) in admitted {
            let id = line.unwrap_or_else(|| self.stock.add(Line::new(ids.clone(), &order.account, now)));
            self.stock.learn(id, ids);
            let line = self.stock.line_mut(id);
            if action.provisions() {
                line.provisioned_at(now);
            }
            if let Some(passing) = action.passing().filter(|_| doomed.is_none()) {
                line.before = line.state;
                line.state = passing;
            }
            parts.push(Part { line: id, ids: line.ids.clone(), doomed, done: None, report: None });
        }
        let request_id = Uuid::new_v4().to_string();
        let request = Request { account: order.account.clone(), action, order, by: by.to_owned(), parts };
        self.requests.insert(request_id.clone(), request);
        Ok(request_id)
    }

    #[expect(clippy::type_complexity, reason = "private, and read in one place")]
    fn admit(
        &mut self,
        action: Action,
        account: &str,
        ids: &Ids,
        now: Timestamp,
    ) -> Result<(Option<LineId>, Option<(&'static str, &'static str)>), Refusal> {
        let invalid_state = |state: State| {
            let message = format!("A device that is {} cannot {}.", state.listed(), action.name());
            Err(Refusal::code("INPUT_INVALID.DeviceState.Invalid", message))
        };
        let Some(id) = self.stock.resolve(ids)? else {
            if self.policy.strict_stock {
                return Err(Refusal::code("REQUEST_FAILED.DeviceNotFound", "The device was not found."));
            }
            return if action.activates() { Ok((None, None)) } else { invalid_state(State::PreActive) };
        };
        let limit = self.policy.actions_per_day;
        let line = self.stock.line_mut(id);
        if line.account != account {
            let message = "The device is not in the account.";
            return Err(Refusal::code("INPUT_INVALID.Device.Account.Invalid", message));
        }
        let doomed = match action.admission(line.state) {
            Admission::Refused => return invalid_state(line.state),
            Admission::FailsLater(code, text) if self.policy.refuse_active => {
                return Err(Refusal::code(code, text));
            }
            Admission::FailsLater(code, text) => Some((code, text)),
            Admission::Starts => None,
        };
        if limit > 0 && action.provisions() && line.provisioned_today(now) >= limit {
            let message = format!("A line takes at most {limit} provisioning actions a day.");
            return Err(Refusal::code("REQUEST_FAILED.ProvisioningLimitExceeded", message));
        }
        Ok((Some(id), doomed))
    }

    /// Ends one device's part of a request; `None` when it has ended before.
    pub fn settle(&mut self, request_id: &str, part: usize, ended: Ended, now: Timestamp) -> Option<Arc<Report>> {
        let request = self.requests.get_mut(request_id)?;
        let (action, order, by) = (request.action, &request.order, &request.by);
        let part = request.parts.get_mut(part).filter(|part| part.done.is_none())?;
        let doomed = part.doomed.map(|(code, text)| Failure::Fault(code.to_owned(), text.to_owned()));
        let failure = doomed.or(ended.failure);
        let starts = part.doomed.is_none();
        if failure.is_none() && action.activates() {
            self.stock.mint(part.line);
        }
        if failure.is_none() && action == Action::Deactivate {
            self.stock.forget(part.line, Kind::Mdn);
        }
        let line = self.stock.line_mut(part.line);
        if failure.is_none() {
            if action.passing().is_some() {
                line.state = action.reaches();
            }
            line.profile_status =
                ended.profile_status.or(action.profile_status().map(str::to_owned)).or(line.profile_status.take());
            if action.activates() {
                line.plan.clone_from(&order.plan);
                line.carrier = Some(order.carrier.clone().unwrap_or_else(|| "Verizon Wireless".to_owned()));
                line.activated = Some((now, by.clone()));
                line.activations += 1;
            }
        } else if starts && action.passing().is_some() {
            // A failed activation may leave the device listed as deactivated (contract section 11).
            line.state = if action.activates() { State::Deactive } else { line.before };
        }
        line.remember(action, failure.is_none(), by, now);
        let outcome = match failure {
            Some(Failure::Fault(code, text)) => Outcome::Fault { code, text },
            failure => Outcome::Device {
                result: if failure.is_none() { Ending::Success } else { Ending::Failed },
                state: line.state,
                profile_status: line.profile_status.clone(),
                address_updated: order.place_of_use.then_some(!ended.address_failed && failure.is_none()),
                carrier: line.carrier.clone(),
            },
        };
        part.ids = line.ids.clone();
        let report = Report::new(request_id.to_owned(), order.account.clone(), line.ids.clone(), outcome);
        part.done = Some(report.succeeded());
        let report = Arc::new(report);
        part.report = Some(report.clone());
        Some(report)
    }

    /// The message before the final one of a device that could not be reached yet.
    #[must_use]
    pub fn warning(&self, request_id: &str, part: usize) -> Option<Report> {
        let request = self.requests.get(request_id)?;
        let line = self.stock.line(request.parts.get(part)?.line);
        let outcome = Outcome::Device {
            result: Ending::Warning,
            state: line.state,
            profile_status: line.profile_status.clone(),
            address_updated: None,
            carrier: line.carrier.clone(),
        };
        Some(Report::new(request_id.to_owned(), request.account.clone(), line.ids.clone(), outcome))
    }
}

fn no_account() -> Refusal {
    Refusal::code("REQUEST_FAILED.AccountNotFound", "The account was not found.")
}

#[cfg(test)]
#[path = "../world_tests.rs"]
mod tests;
