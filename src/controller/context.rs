//! What the parts of the controller share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    args::ControllerArgs, devices::Devices, links::Links, secrets::SecretWatches, tenancy::Namespaces,
    unlisted::Unlisted,
};
use crate::{
    activation::Event,
    api::{EuiccActivation, ThingSpaceConnection},
    cluster::{Clients, Key, Publisher, Recorded, Recorder},
    telemetry::{Metrics, Telemetry, Traces},
    thingspace::ClientConfig,
};

/// Longest wait between two tries to record what a background task has learned.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Shared by reconcilers and background tasks.
pub struct Context {
    pub clients: Clients,
    pub recorder: Recorder,
    pub publisher: Publisher,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    pub links: Links,
    pub secret_watches: SecretWatches,
    pub namespaces: Namespaces,
    pub unlisted: Unlisted,
    /// Held by whoever counts a login.
    pub logins: Arc<tokio::sync::Mutex<()>>,
    pub devices: Devices,
    pub client_config: ClientConfig,
    pub recheck_after: Duration,
    pub deregister_timeout: Duration,
    pub claim_is_fresh: Duration,
    /// Work that shutdown waits for.
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    /// Cancelled when every activation has been listed once.
    pub may_send: CancellationToken,
    stores: Mutex<Stores>,
    busy: Mutex<HashMap<String, Busy>>,
}

/// What the watches hold, one store a watched namespace.
#[derive(Default)]
struct Stores {
    activations: Vec<Watched<EuiccActivation>>,
    connections: Vec<Watched<ThingSpaceConnection>>,
}

/// A watch's store, and how to have an object of it reconciled.
pub struct Watched<K: kube::runtime::reflector::Lookup + Clone + 'static>
where
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    pub namespace: Option<String>,
    pub store: Store<K>,
    pub trigger: mpsc::UnboundedSender<ObjectRef<K>>,
}

/// One activation that a background task is at work on, or was.
enum Busy {
    /// Reconciliation leaves it alone.
    Working,
    /// Reconciliation leaves it alone until the cache has seen this version.
    Until(String),
}

impl Context {
    pub fn new(
        clients: Clients,
        recorder: Recorder,
        publisher: Publisher,
        telemetry: Telemetry,
        tasks: TaskTracker,
        stop: CancellationToken,
        args: &ControllerArgs,
    ) -> Arc<Self> {
        Arc::new(Self {
            clients,
            recorder,
            publisher,
            metrics: telemetry.metrics,
            traces: telemetry.traces,
            links: Links::default(),
            secret_watches: SecretWatches::default(),
            namespaces: Namespaces::default(),
            unlisted: Unlisted::default(),
            logins: Arc::default(),
            devices: Devices::default(),
            client_config: args.client_config(),
            recheck_after: args.recheck_after,
            deregister_timeout: args.deregister_timeout,
            claim_is_fresh: args.claim_is_fresh(),
            tasks,
            stop,
            may_send: CancellationToken::new(),
            stores: Mutex::default(),
            busy: Mutex::default(),
        })
    }

    /// To whom is told what happens.
    pub fn telemetry(&self) -> Telemetry {
        Telemetry { metrics: Arc::clone(&self.metrics), traces: self.traces.clone() }
    }

    fn stores(&self) -> std::sync::MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add_activations(&self, watched: Watched<EuiccActivation>) {
        self.stores().activations.push(watched);
    }

    pub fn add_connections(&self, watched: Watched<ThingSpaceConnection>) {
        self.stores().connections.push(watched);
    }

    /// The cached activation of that name; what rests is not cached.
    pub fn activation(&self, namespace: &str, name: &str) -> Option<Arc<EuiccActivation>> {
        let key = ObjectRef::new(name).within(namespace);
        self.stores().activations.iter().find_map(|w| w.store.get(&key))
    }

    /// The cached connection of that name.
    pub fn connection(&self, namespace: &str, name: &str) -> Option<Arc<ThingSpaceConnection>> {
        let key = ObjectRef::new(name).within(namespace);
        self.stores().connections.iter().find_map(|w| w.store.get(&key))
    }

    /// All cached activations: those that do not rest.
    pub fn activations(&self) -> Vec<Arc<EuiccActivation>> {
        let stores: Vec<_> = self.stores().activations.iter().map(|w| w.store.clone()).collect();
        stores.iter().flat_map(Store::state).collect()
    }

    /// All cached connections.
    pub fn connections(&self) -> Vec<Arc<ThingSpaceConnection>> {
        let stores: Vec<_> = self.stores().connections.iter().map(|w| w.store.clone()).collect();
        stores.iter().flat_map(Store::state).collect()
    }

    /// Has one activation reconciled.
    pub fn trigger(&self, (namespace, name): &Key) {
        for watched in &self.stores().activations {
            if watched.namespace.as_ref().is_none_or(|n| n == namespace) {
                let _ = watched.trigger.send(ObjectRef::new(name).within(namespace));
            }
        }
    }

    /// Has the activations of a connection reconciled that are not at their end.
    pub fn trigger_all_of(&self, namespace: &str, connection: &str) {
        self.trigger_open(|o| {
            let (its_namespace, its_name) = o.connection_key();
            its_namespace == namespace && its_name == connection
        });
    }

    /// Has the activations reconciled that use a connection of another namespace: those of one namespace, or all.
    pub fn trigger_guests(&self, namespace: Option<&str>) {
        self.trigger_open(|o| {
            let own = o.metadata.namespace.as_deref();
            namespace.is_none_or(|n| own == Some(n)) && own != Some(o.connection_key().0.as_str())
        });
    }

    /// Has all activations reconciled that are not at their end.
    pub fn trigger_all(&self) {
        self.trigger_open(|_| true);
    }

    fn trigger_open(&self, wanted: impl Fn(&EuiccActivation) -> bool) {
        for watched in &self.stores().activations {
            for object in watched.store.state() {
                if wanted(&object) && super::activations::is_open(&object) {
                    let _ = watched.trigger.send(ObjectRef::from_obj(&*object));
                }
            }
        }
    }

    /// How many requests were sent through a connection in the last minute, by whichever process.
    pub fn sent_in_the_last_minute(&self, namespace: &str, connection: &str) -> usize {
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1);
        self.devices.sent_since(&(namespace.to_owned(), connection.to_owned()), since)
    }

    /// Has those connections reconciled.
    pub fn trigger_connections(&self, wanted: impl Fn(&ThingSpaceConnection) -> bool) {
        for watched in &self.stores().connections {
            for connection in watched.store.state().iter().filter(|c| wanted(c)) {
                let _ = watched.trigger.send(ObjectRef::from_obj(&**connection));
            }
        }
    }

    /// Whether a namespace is watched at all.
    pub fn is_watched(&self, namespace: &str) -> bool {
        self.stores().connections.iter().any(|w| w.namespace.as_deref().is_none_or(|n| n == namespace))
    }

    /// Has a connection reconciled.
    pub fn trigger_connection(&self, namespace: &str, name: &str) {
        for watched in &self.stores().connections {
            if watched.namespace.is_none() || watched.namespace.as_deref() == Some(namespace) {
                let _ = watched.trigger.send(ObjectRef::new(name).within(namespace));
            }
        }
    }

    /// Whether reconciliation is to leave this object, as it stands in the cache, alone.
    pub fn is_busy(&self, object: &EuiccActivation) -> bool {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        match busy.get(uid) {
            None => false,
            Some(Busy::Working) => true,
            Some(Busy::Until(version)) => {
                let stale = is_older(object.metadata.resource_version.as_deref(), version);
                if !stale {
                    busy.remove(uid);
                }
                stale
            }
        }
    }

    /// The cache has let go of an activation: no version of it need be waited for.
    pub fn let_go(&self, object: &EuiccActivation) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(busy.get(uid), Some(Busy::Until(_))) {
            busy.remove(uid);
        }
    }

    /// Takes an activation into work; `None` when it is in work already.
    pub fn begin(self: &Arc<Self>, object: &Arc<EuiccActivation>) -> Option<Work> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(busy.get(&uid), Some(Busy::Working)) {
            return None;
        }
        busy.insert(uid, Busy::Working);
        Some(Work { context: Arc::clone(self), object: Arc::clone(object), written: None })
    }
}

/// Versions count up; where one cannot be read, the cache is believed.
pub fn is_older(cached: Option<&str>, written: &str) -> bool {
    let number = |v: &str| v.parse::<u64>().ok();
    match (cached.and_then(number), number(written)) {
        (Some(cached), Some(written)) => cached < written,
        _ => false,
    }
}

/// A background task's hold on one activation. When it ends, the activation is reconciled, as soon as the cache has
/// seen what was written.
pub struct Work {
    context: Arc<Context>,
    object: Arc<EuiccActivation>,
    written: Option<String>,
}

impl Work {
    /// Notes what was written last.
    pub fn wrote(&mut self, object: &EuiccActivation) {
        self.written.clone_from(&object.metadata.resource_version);
    }

    /// Records what was learned: again and again, for it would have to be asked for anew. `false`: the activation is gone.
    pub async fn record(&mut self, object: Arc<EuiccActivation>, event: &Event) -> bool {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.context.recorder.record(Arc::clone(&object), event).await {
                Ok(Recorded::Written(seen, _) | Recorded::Unchanged(seen, _)) => {
                    self.wrote(&seen);
                    return true;
                }
                Ok(Recorded::Gone) => return false,
                Err(error) => {
                    let (namespace, activation) = (&object.metadata.namespace, &object.metadata.name);
                    tracing::warn!(%error, namespace, activation, "cannot record yet what ThingSpace has answered");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_RETRY);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let uid = self.object.metadata.uid.clone().unwrap_or_default();
        let key = self.object.key();
        // What the cache has seen or let go of already does not come again; see `let_go`.
        let cached = self.context.activation(&key.0, &key.1);
        let is_ahead = |written: &String| {
            cached.as_ref().is_some_and(|object| is_older(object.metadata.resource_version.as_deref(), written))
        };
        let ahead = self.written.take().filter(is_ahead);
        let freed = self.context.devices.settle(&self.object, ahead.as_deref());
        let mut busy = self.context.busy.lock().unwrap_or_else(PoisonError::into_inner);
        match ahead {
            Some(version) => busy.insert(uid, Busy::Until(version)),
            None => busy.remove(&uid),
        };
        drop(busy);
        self.context.trigger(&key);
        freed.iter().for_each(|key| self.context.trigger(key));
    }
}
