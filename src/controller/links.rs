//! Live connections to ThingSpace: one for each `ThingSpaceConnection`, rebuilt when its spec or its Secrets change.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatcher;
use crate::{api::Limits, thingspace::Client};

/// Lookups (polls, looks at devices) of one connection at the same time.
const LOOKUPS: usize = 8;

/// Namespace and name of a connection.
pub type Key = (String, String);

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

    /// The names of all live connections.
    pub fn keys(&self) -> Vec<Key> {
        self.map().keys().cloned().collect()
    }

    /// Puts `link` in the place of an older one, which ends what it has begun.
    pub fn put(&self, link: Arc<Link>) {
        let key = (link.namespace.clone(), link.name.clone());
        end(self.map().insert(key, Ok(link)));
    }

    /// Ends a connection that cannot be one as it stands.
    pub fn break_off(&self, namespace: &str, name: &str, why: &str) {
        end(self.map().insert((namespace.to_owned(), name.to_owned()), Err(why.to_owned())));
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
    pub client: Client,
    pub pace: Arc<Pace>,
    pub dispatcher: Dispatcher,
    pub lookups: Semaphore,
    pub stop: CancellationToken,
    why_not_ready: ArcSwapOption<String>,
    checked: Mutex<Checked>,
}

/// The versions of everything that a link is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    pub generation: Option<i64>,
    pub credentials: String,
    pub callback: Option<String>,
}

#[derive(Default)]
struct Checked {
    at: Option<Instant>,
    failures: u32,
}

impl Link {
    /// A link that has yet to be checked.
    pub fn new((namespace, name): Key, basis: Basis, client: Client, pace: Arc<Pace>, stop: CancellationToken) -> Self {
        Self {
            namespace,
            name,
            basis,
            client,
            pace,
            dispatcher: Dispatcher::default(),
            lookups: Semaphore::new(LOOKUPS),
            stop,
            why_not_ready: ArcSwapOption::from_pointee("its credentials are being checked.".to_owned()),
            checked: Mutex::default(),
        }
    }

    /// Why nothing is sent through it now, if so.
    pub fn why_not_ready(&self) -> Option<String> {
        self.why_not_ready.load().as_deref().cloned()
    }

    /// It was checked: `None` is good.
    pub fn checked(&self, why_not: Option<String>) {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.at = Some(Instant::now());
        checked.failures = if why_not.is_some() { checked.failures + 1 } else { 0 };
        self.why_not_ready.store(why_not.map(Arc::new));
        self.dispatcher.wake();
    }

    /// Its next check is due now.
    pub fn distrust(&self) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).at = None;
    }

    /// How long until it is to be checked again; zero when it is due.
    pub fn due_in(&self, recheck_after: Duration) -> Duration {
        let checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = match checked.failures {
            0 => recheck_after,
            n => Duration::from_secs(5).saturating_mul(1 << n.min(8)).min(recheck_after),
        };
        checked.at.map_or(Duration::ZERO, |at| pause.saturating_sub(at.elapsed()))
    }
}

/// How fast a connection sends.
pub struct Pace {
    pub limits: Limits,
    pub in_flight: Arc<Semaphore>,
    limiter: DefaultDirectRateLimiter,
    not_before: Mutex<Option<Instant>>,
}

impl Pace {
    /// A burst of a tenth and the rest spread over the minute: no minute, wherever it begins, has more than the limit.
    pub fn new(limits: Limits) -> Self {
        let a_minute = u32::try_from(limits.activations_per_minute).unwrap_or(1).max(1);
        let burst = (a_minute / 10).max(1);
        let steady = (a_minute - burst).max(1);
        let quota = Quota::with_period(Duration::from_secs(60) / steady)
            .unwrap_or(Quota::per_minute(NonZeroU32::MIN))
            .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        Self {
            limits,
            in_flight: Arc::new(Semaphore::new(usize::try_from(limits.in_flight).unwrap_or(1).max(1))),
            limiter: RateLimiter::direct(quota),
            not_before: Mutex::default(),
        }
    }

    /// ThingSpace asked for a pause.
    pub fn pause(&self, duration: Duration) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + duration;
        *not_before = Some(not_before.map_or(until, |old| old.max(until)));
    }

    /// Returns when one more may be sent.
    pub async fn turn(&self) {
        loop {
            let pause = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(until) = pause.filter(|until| *until > Instant::now()) {
                tokio::time::sleep_until(until.into()).await;
                continue;
            }
            match self.limiter.check() {
                Ok(()) => return,
                Err(early) => tokio::time::sleep(early.wait_time_from(DefaultClock::default().now())).await,
            }
        }
    }
}
