//! Faults that are set, and which of them strikes.

pub mod effect;
pub mod spec;

use std::sync::Arc;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use self::{
    effect::{CallbackFault, Effect, Operation, ReplyFault},
    spec::Spec,
};
use super::{actions::Action, identifiers::Ids};

/// What a fault is matched with.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// What happens.
    pub operation: Operation,
    /// The profile action, if it is one.
    pub action: Option<Action>,
    /// The account, if one is named.
    pub account: Option<&'a str>,
    /// The devices, with all their identifiers.
    pub devices: &'a [Ids],
}

/// A fault that strikes, and its name for the journal.
#[derive(Clone, Debug)]
pub struct Struck<T> {
    /// As the fault was written.
    pub name: Arc<str>,
    /// What happens.
    pub fault: T,
}

/// A fault as the admin API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What `DELETE /admin/faults/{id}` takes.
    pub id: u64,
    /// As written.
    pub fault: String,
    /// How often it struck.
    pub struck: u32,
}

struct Set {
    id: u64,
    name: Arc<str>,
    spec: Spec,
    matched: u32,
    struck: u32,
}

/// The faults that are set, in order; the first that matches strikes.
pub struct Faults {
    set: Vec<Set>,
    next: u64,
    // Seeded with a constant: a run with rates can be repeated.
    random: StdRng,
}

impl Default for Faults {
    fn default() -> Self {
        Self { set: Vec::new(), next: 1, random: StdRng::seed_from_u64(1) }
    }
}

impl Faults {
    /// Sets a fault and returns its number.
    pub fn add(&mut self, spec: Spec) -> u64 {
        let id = self.next;
        self.next += 1;
        self.set.push(Set { id, name: spec.text.as_str().into(), spec, matched: 0, struck: 0 });
        id
    }

    /// Takes one fault back, or all; returns how many.
    pub fn remove(&mut self, id: Option<u64>) -> usize {
        let before = self.set.len();
        self.set.retain(|set| id.is_some_and(|id| set.id != id));
        before - self.set.len()
    }

    /// The faults that are set.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        self.set.iter().map(|set| Shown { id: set.id, fault: set.name.to_string(), struck: set.struck }).collect()
    }

    /// The fault that strikes a reply.
    pub fn reply(&mut self, occasion: Occasion<'_>) -> Option<Struck<ReplyFault>> {
        self.strike(occasion, |effect| match effect {
            Effect::Reply(fault) => Some(fault.clone()),
            Effect::Callback(_) => None,
        })
    }

    /// The fault that strikes an asynchronous answer.
    pub fn callback(&mut self, occasion: Occasion<'_>) -> Option<Struck<CallbackFault>> {
        self.strike(occasion, |effect| match effect {
            Effect::Callback(fault) => Some((**fault).clone()),
            Effect::Reply(_) => None,
        })
    }

    fn strike<T>(&mut self, occasion: Occasion<'_>, pick: fn(&Effect) -> Option<T>) -> Option<Struck<T>> {
        for set in &mut self.set {
            if !matches(&set.spec, occasion) {
                continue;
            }
            let Some(fault) = pick(&set.spec.effect) else {
                continue;
            };
            let selector = &set.spec.selector;
            if selector.count.is_some_and(|count| set.struck >= count) {
                continue;
            }
            set.matched += 1;
            if set.matched <= selector.skip || selector.rate.is_some_and(|rate| !self.random.random_bool(rate)) {
                continue;
            }
            set.struck += 1;
            return Some(Struck { name: set.name.clone(), fault });
        }
        None
    }
}

fn matches(spec: &Spec, occasion: Occasion<'_>) -> bool {
    let selector = &spec.selector;
    let operation = spec.operation == occasion.operation
        || spec.operation == Operation::Any && occasion.operation != Operation::Callback;
    operation
        && selector.account.as_deref().is_none_or(|account| occasion.account == Some(account))
        && selector.action.is_none_or(|action| occasion.action == Some(action))
        && selector.device.as_deref().is_none_or(|id| occasion.devices.iter().any(|device| device.contains(id)))
}

#[cfg(test)]
mod tests {
    use super::{super::identifiers::Kind, *};

    fn occasion(operation: Operation, devices: &[Ids]) -> Occasion<'_> {
        Occasion { operation, action: None, account: None, devices }
    }

    fn faults(specs: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for spec in specs {
            faults.add(spec.parse().unwrap());
        }
        faults
    }

    #[test]
    fn skip_and_count_choose_by_order() {
        let mut faults = faults(&["activate:hang,skip=1,count=2"]);
        let struck: Vec<_> = (0..5).map(|_| faults.reply(occasion(Operation::Activate, &[])).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(faults.shown()[0].struck, 2);
    }

    #[test]
    fn a_device_is_found_by_any_of_its_identifiers() {
        let mut ids = Ids::default();
        ids.set(Kind::Eid, Some("1".into()));
        ids.set(Kind::Mdn, Some("2".into()));
        let mut faults = faults(&["callback:lost,device=2"]);
        assert!(faults.callback(occasion(Operation::Callback, &[])).is_none());
        assert!(faults.callback(occasion(Operation::Callback, &[ids])).is_some());
    }

    #[test]
    fn any_is_every_request_and_no_callback() {
        let mut faults = faults(&["any:hang"]);
        assert!(faults.reply(occasion(Operation::Login, &[])).is_some());
        assert!(faults.callback(occasion(Operation::Callback, &[])).is_none());
    }

    #[test]
    fn a_rate_strikes_about_its_share() {
        let mut faults = faults(&["list:hang,rate=0.1"]);
        let struck = (0..1000).filter(|_| faults.reply(occasion(Operation::List, &[])).is_some()).count();
        assert!((60..140).contains(&struck), "{struck}");
    }
}
