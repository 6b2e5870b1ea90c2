//! Live connections to ThingSpace: one for each `ThingSpaceConnection`, rebuilt when its spec or its Secrets change.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    dispatch::Dispatcher,
    material::{Access, Basis},
    pace::Pace,
    preflight::Facts,
};
use crate::{
    cluster::Key,
    thingspace::{CallError, Client, ErrorClass},
};

/// Lookups (polls, looks at devices) of one connection at the same time.
const LOOKUPS: usize = 8;

/// How long ThingSpace is left alone after "too many requests" without a Retry-After.
const PAUSE: Duration = Duration::from_secs(10);
/// How soon a connection is checked again after a check that failed; doubling from there.
const SOON: Duration = Duration::from_secs(5);

/// All live connections.
#[derive(Default)]
pub struct Links(Mutex<HashMap<Key, Result<Arc<Link>, String>>>);

impl Links {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Result<Arc<Link>, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live connection of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Link>> {
        self.find(namespace, name)?.ok()
    }

    /// The live connection of that name, or why there cannot be one; `None`: it is yet to be looked at.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Result<Arc<Link>, String>> {
        self.map().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// A client that some live connection has for the same access: one session serves all.
    pub fn client_for(&self, access: &Access) -> Option<Client> {
        let map = self.map();
        let link = map.values().flatten().find(|link| link.access == *access)?;
        Some(link.client.clone())
    }

    /// The names of all live connections.
    pub fn keys(&self) -> Vec<Key> {
        self.map().keys().cloned().collect()
    }

    /// How many activations wait for their turn.
    pub fn waiting(&self) -> usize {
        self.map().values().flatten().map(|link| link.dispatcher.waiting()).sum()
    }

    /// Puts `link` in the place of an older one, which ends what it has begun.
    pub fn put(&self, link: Arc<Link>) {
        let key = (link.namespace.clone(), link.name.clone());
        end(self.map().insert(key, Ok(link)));
    }

    /// Ends a connection that cannot be one as it stands. Says whether that is news.
    pub fn break_off(&self, namespace: &str, name: &str, why: String) -> bool {
        let old = self.map().insert((namespace.to_owned(), name.to_owned()), Err(why.clone()));
        let news = !matches!(&old, Some(Err(before)) if *before == why);
        end(old);
        news
    }

    /// Ends a connection that is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        end(self.map().remove(&(namespace.to_owned(), name.to_owned())));
    }
}

fn end(old: Option<Result<Arc<Link>, String>>) {
    if let Some(Ok(old)) = old {
        old.stop.cancel();
    }
}

/// One live connection.
pub struct Link {
    pub namespace: String,
    pub name: String,
    /// What it was built from; anything else needs another link.
    pub basis: Basis,
    pub access: Access,
    pub client: Client,
    pub pace: Arc<Pace>,
    pub dispatcher: Dispatcher,
    pub lookups: Semaphore,
    pub stop: CancellationToken,
    readiness: ArcSwap<Readiness>,
    facts: ArcSwap<HashMap<String, Facts>>,
    checks: Mutex<Checks>,
}

/// Whether anything is sent through a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is being checked for the first time, since then.
    Unchecked(Instant),
    /// It is.
    Ready,
    /// It is not, for this reason.
    Not(String),
}

/// How the checks went.
#[derive(Default)]
struct Checks {
    last: Option<Instant>,
    /// In a row.
    failures: u32,
    /// From 0 to 1: checks are spread, so that many connections do not ask together.
    jitter: f64,
}

impl Link {
    /// A link that has yet to be checked.
    pub fn new(
        (namespace, name): Key,
        basis: Basis,
        (access, client): (Access, Client),
        pace: Arc<Pace>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            namespace,
            name,
            basis,
            access,
            client,
            pace,
            dispatcher: Dispatcher::default(),
            lookups: Semaphore::new(LOOKUPS),
            stop,
            readiness: ArcSwap::from_pointee(Readiness::Unchecked(Instant::now())),
            facts: ArcSwap::default(),
            checks: Mutex::default(),
        }
    }

    /// Whether anything is sent through it now.
    pub fn readiness(&self) -> Arc<Readiness> {
        self.readiness.load_full()
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        *self.readiness() == Readiness::Ready
    }

    /// What is known of an account.
    pub fn facts(&self, account: &str) -> Option<Facts> {
        self.facts.load().get(account).cloned()
    }

    /// It was checked; without `facts`, what was known of its accounts stays. Says whether those who wait for it should
    /// look again.
    pub fn checked(&self, readiness: Readiness, facts: Option<HashMap<String, Facts>>) -> bool {
        self.note_check(readiness == Readiness::Ready);
        let mut news = *self.readiness.swap(Arc::new(readiness.clone())) != readiness;
        if let Some(facts) = facts {
            news |= *self.facts.swap(Arc::new(facts.clone())) != facts;
        }
        self.dispatcher.wake();
        news
    }

    /// The first failed check in a row is no news: a ready link stays ready, and is checked again soon.
    pub fn forgives(&self) -> bool {
        let forgives = self.is_ready() && self.checks().failures == 0;
        if forgives {
            self.note_check(false);
        }
        forgives
    }

    fn note_check(&self, good: bool) {
        let mut checks = self.checks();
        checks.last = Some(Instant::now());
        checks.failures = if good { 0 } else { checks.failures + 1 };
        checks.jitter = rand::random();
    }

    fn checks(&self) -> std::sync::MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses where ThingSpace asks for it, and says whether for long.
    pub fn heed(&self, error: &CallError) -> bool {
        let CallError::Later { code, retry_after, .. } = error else { return false };
        if code.class != ErrorClass::Other {
            return false; // about that one request
        }
        let pause = retry_after.unwrap_or(PAUSE);
        self.pace.pause(pause);
        pause > PAUSE
    }

    /// Its next check is due now.
    pub fn distrust(&self) {
        self.checks().last = None;
    }

    /// How long until it is to be checked again; zero when it is due.
    pub fn due_in(&self, recheck_after: Duration) -> Duration {
        let checks = self.checks();
        let pause = match checks.failures {
            0 => recheck_after,
            n => SOON.saturating_mul(1 << n.min(8)).min(recheck_after),
        };
        let jittered = pause.mul_f64(0.9 + 0.2 * checks.jitter);
        checks.last.map_or(Duration::ZERO, |at| jittered.saturating_sub(at.elapsed()))
    }
}
