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
    listed: Arc<Listed>,
    /// Watches of activations that are interrupted: what they show may be old.
    interrupted: Arc<AtomicUsize>,
}

struct Listed(watch::Sender<usize>);

impl Default for Listed {
    fn default() -> Self {
        Self(watch::Sender::new(0))
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

    /// Whether the watches are being served, so that what is not here is, but for a moment, nowhere.
    pub fn is_fresh(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) == 0
    }

    /// Returns when everything has been listed once.
    pub async fn ready(&self, namespaces: &[Option<String>]) {
        let wanted = 2 * namespaces.len();
        let mut listed = self.listed.0.subscribe();
        let _ = listed.wait_for(|n| *n >= wanted).await;
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
        let interrupted = ConstGauge::new(self.0.interrupted.load(Ordering::Relaxed) as u64);
        interrupted.show(
            &mut to,
            "euicc_callback_watches_interrupted",
            "Watches of them that are interrupted now",
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
        let namespace = namespace.clone();
        tasks.spawn(async move {
            one.run_until_cancelled(watch_activations(activations, namespace, first)).await;
        });
        tasks.spawn(async move {
            two.run_until_cancelled(watch_connections(connections, second)).await;
        });
    }
    tasks
}

async fn watch_activations(api: Api<Lean>, namespace: Option<String>, cache: Cache) {
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff().map_ok(read));
    let mut interrupted = false;
    while let Some(event) = events.next().await {
        if interrupted != event.is_err() {
            interrupted = event.is_err();
            let _ = if interrupted {
                cache.interrupted.fetch_add(1, Ordering::Relaxed)
            } else {
                cache.interrupted.fetch_sub(1, Ordering::Relaxed)
            };
        }
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => cache.index_mut().apply(trimmed(object)),
            Ok(Event::Delete(object)) => cache.index_mut().remove(&object.key()),
            Ok(Event::Init) => cache.index_mut().listing(namespace.as_deref()),
            Ok(Event::InitDone) => {
                cache.index_mut().listed(namespace.as_deref());
                cache.listed.0.send_modify(|n| *n += 1);
            }
            Err(error) => warn(&error),
        }
    }
}

async fn watch_connections(api: Api<ThingSpaceConnection>, cache: Cache) {
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        let connections = || cache.connections.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Ok(Event::Apply(c) | Event::InitApply(c)) => drop(connections().insert(c.key(), c.spec.callback)),
            Ok(Event::Delete(c)) => drop(connections().remove(&c.key())),
            Ok(Event::Init) => {}
            Ok(Event::InitDone) => cache.listed.0.send_modify(|n| *n += 1),
            Err(error) => warn(&error),
        }
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
