//! Keeps the index and the connections up to date.

use std::sync::{
    Arc, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, metrics::gauge::ConstGauge};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::index::Index;
use crate::{
    api::{Callback, EuiccActivation, ThingSpaceConnection},
    cluster::{Key, Lean, PAGE, read},
    telemetry::Shown,
};

/// What the sidecar knows without asking. It may be a moment old: writes are compare-and-swap.
#[derive(Clone, Default)]
pub struct Cache {
    index: Arc<RwLock<Index>>,
    connections: Arc<RwLock<std::collections::HashMap<Key, Option<Callback>>>>,
    /// Watches that have listed all once, or could not.
    tried: watch::Sender<usize>,
    /// Watches of activations that have not listed all yet, or are interrupted: what they show may be old.
    activations_behind: Arc<AtomicUsize>,
    /// Watches of connections that have not listed all yet.
    connections_behind: Arc<AtomicUsize>,
}

/// One watch's part in those counts.
struct Standing {
    tried: watch::Sender<usize>,
    behind: Arc<AtomicUsize>,
    /// Whether what it shows is old when it is interrupted.
    ages: bool,
    is_behind: bool,
    has_listed: bool,
    has_tried: bool,
}

impl Standing {
    fn new(cache: &Cache, ages: bool, behind: &Arc<AtomicUsize>) -> Self {
        behind.fetch_add(1, Ordering::Relaxed);
        let (tried, behind) = (cache.tried.clone(), Arc::clone(behind));
        Self { tried, behind, ages, is_behind: true, has_listed: false, has_tried: false }
    }

    /// Takes note of what the watch says, after it has been taken in.
    fn note(&mut self, fails: bool, lists: bool) {
        self.has_listed |= lists;
        let is_behind = (fails && self.ages) || !self.has_listed;
        if self.is_behind != is_behind {
            self.is_behind = is_behind;
            let _ = match is_behind {
                true => self.behind.fetch_add(1, Ordering::Relaxed),
                false => self.behind.fetch_sub(1, Ordering::Relaxed),
            };
        }
        if (fails || lists) && !self.has_tried {
            self.has_tried = true;
            self.tried.send_modify(|n| *n += 1);
        }
    }
}

impl Cache {
    /// Which activation is which.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The callback settings of a connection that has some.
    pub fn callback_of(&self, namespace: &str, connection: &str) -> Option<Callback> {
        let connections = self.connections.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        connections.get(&(namespace.to_owned(), connection.to_owned())).cloned().flatten()
    }

    /// Whether the watches of activations are being served, so that what is not here is, but for a moment, nowhere.
    pub fn is_fresh(&self) -> bool {
        self.activations_behind.load(Ordering::Relaxed) == 0
    }

    /// Whether all connections have been listed.
    pub fn knows_connections(&self) -> bool {
        self.connections_behind.load(Ordering::Relaxed) == 0
    }

    /// Returns when everything has been listed once, but for what cannot be: one namespace holds up no other.
    pub async fn ready(&self, namespaces: &[Option<String>]) {
        let wanted = 2 * namespaces.len();
        let mut tried = self.tried.subscribe();
        let _ = tried.wait_for(|n| *n >= wanted).await;
    }
}

/// How much is known, for the metrics.
pub struct IndexSize(pub Cache);

impl std::fmt::Debug for IndexSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} activations", self.0.index().size())
    }
}

impl Collector for IndexSize {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let known = ConstGauge::new(self.0.index().size() as u64);
        known.show(
            &mut to,
            "euicc_callback_index_activations",
            "Activations that callbacks can be matched with",
            None,
        )?;
        let interrupted = ConstGauge::new(self.0.activations_behind.load(Ordering::Relaxed) as u64);
        interrupted.show(
            &mut to,
            "euicc_callback_watches_interrupted",
            "Watches of them that are interrupted now, or have not listed all yet",
            None,
        )
    }
}

/// Starts the watches.
pub fn start(client: &Client, namespaces: &[Option<String>], cache: &Cache, stop: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for namespace in namespaces {
        let (activations, connections) = match namespace {
            Some(n) => (Api::namespaced(client.clone(), n), Api::namespaced(client.clone(), n)),
            None => (Api::all(client.clone()), Api::all(client.clone())),
        };
        let (one, two) = (stop.clone(), stop.clone());
        let (first, second) = (cache.clone(), cache.clone());
        let of_activations = Standing::new(cache, true, &cache.activations_behind);
        let of_connections = Standing::new(cache, false, &cache.connections_behind);
        let namespace = namespace.clone();
        tasks.spawn(async move {
            one.run_until_cancelled(watch_activations(activations, namespace, first, of_activations)).await;
        });
        tasks.spawn(async move {
            two.run_until_cancelled(watch_connections(connections, second, of_connections)).await;
        });
    }
    tasks
}

async fn watch_activations(api: Api<Lean>, namespace: Option<String>, cache: Cache, mut standing: Standing) {
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff().map_ok(read));
    while let Some(event) = events.next().await {
        let (fails, lists) = (event.is_err(), matches!(event, Ok(Event::InitDone)));
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => cache.index_mut().apply(trimmed(object)),
            Ok(Event::Delete(object)) => cache.index_mut().remove(&object.key()),
            Ok(Event::Init) => cache.index_mut().listing(namespace.as_deref()),
            Ok(Event::InitDone) => cache.index_mut().listed(namespace.as_deref()),
            Err(error) => warn(&error),
        }
        standing.note(fails, lists);
    }
}

async fn watch_connections(api: Api<ThingSpaceConnection>, cache: Cache, mut standing: Standing) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        let (fails, lists) = (event.is_err(), matches!(event, Ok(Event::InitDone)));
        let connections = || cache.connections.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Ok(Event::Apply(c) | Event::InitApply(c)) => drop(connections().insert(c.key(), c.spec.callback)),
            Ok(Event::Delete(c)) => drop(connections().remove(&c.key())),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => warn(&error),
        }
        standing.note(fails, lists);
    }
}

fn warn(error: &watcher::Error) {
    tracing::warn!(%error, "a watch was interrupted and is resumed");
}

/// Without a person's address, which neither matching nor deciding needs.
fn trimmed(mut object: EuiccActivation) -> Arc<EuiccActivation> {
    object.spec.primary_place_of_use = None;
    Arc::new(object)
}
