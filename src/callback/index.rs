//! Which activation a message is about: by requestId, else by device. Keeps of each activation only what that takes.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kube::ResourceExt;

use crate::{
    api::{DeviceId, EuiccActivation, OperationState},
    cluster::Lists,
};

/// Namespace and name.
pub type Key = (String, String);

/// What is kept of an activation.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Namespace and name of its connection.
    connection: Arc<Key>,
    request_id: Option<Arc<str>>,
    /// Kept until every device is active: after that, nothing can follow but repetition.
    pub object: Option<Arc<EuiccActivation>>,
    /// How many lists had begun when it was last seen.
    seen: u32,
}

/// All activations of the watched namespaces: each name stands in it once, for nearly all of them rest.
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<Arc<Key>, Entry>,
    by_request: HashMap<Arc<str>, Arc<Key>>,
    by_device: HashMap<DeviceId, HashSet<Arc<Key>>>,
    connections: HashSet<Arc<Key>>,
    lists: Lists,
}

impl Index {
    /// Takes in a new version of an activation.
    pub fn apply(&mut self, object: Arc<EuiccActivation>) {
        let key = Arc::new(key(&object));
        self.remove(&key);
        let status = object.status.as_ref();
        let state = status.and_then(|s| s.operation.as_ref()).map(|o| o.state);
        let request_id = status.and_then(|s| s.request_id.as_deref()).map(Arc::from);
        let done = state == Some(OperationState::Succeeded);
        if let Some(id) = &request_id {
            self.by_request.insert(Arc::clone(id), key.clone());
        }
        if !done {
            for id in devices(&object) {
                self.by_device.entry(id).or_default().insert(key.clone());
            }
        }
        let connection = object.connection_key();
        let connection = self.connections.get(&connection).cloned().unwrap_or_else(|| Arc::new(connection));
        self.connections.insert(connection.clone());
        let object = (!done).then_some(object);
        self.entries.insert(key, Entry { connection, request_id, object, seen: self.lists.now() });
    }

    /// How many activations are known.
    pub fn size(&self) -> usize {
        self.entries.len()
    }

    /// Forgets an activation.
    pub fn remove(&mut self, key: &Key) {
        let Some(old) = self.entries.remove(key) else { return };
        if let Some(id) = old.request_id.filter(|id| self.by_request.get(id).is_some_and(|k| **k == *key)) {
            self.by_request.remove(&id);
        }
        for id in old.object.iter().flat_map(|o| devices(o)) {
            if let Some(keys) = self.by_device.get_mut(&id) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_device.remove(&id);
                }
            }
        }
    }

    /// A list of a namespace (`None`: of all) begins.
    pub fn listing(&mut self, namespace: Option<&str>) {
        self.lists.begin(namespace);
    }

    /// The list of a namespace (`None`: of all) is complete: forgets what it did not hold.
    pub fn listed(&mut self, namespace: Option<&str>) {
        let missed = self.lists.missed(namespace);
        let gone: Vec<_> =
            self.entries.iter().filter(|(key, e)| missed(&key.0, e.seen)).map(|(k, _)| k.clone()).collect();
        gone.iter().for_each(|key| self.remove(key));
    }

    /// The activation with that request, among those of a connection.
    pub fn with_request(&self, namespace: &str, connection: &str, request_id: &str) -> Option<(Key, Entry)> {
        let key = self.by_request.get(request_id)?;
        self.of_connection(key, namespace, connection)
    }

    /// The activations that wait for an answer about one of these devices, among those of a connection.
    pub fn with_device(&self, namespace: &str, connection: &str, ids: &[DeviceId]) -> Vec<(Key, Entry)> {
        let keys: HashSet<&Arc<Key>> = ids.iter().filter_map(|id| self.by_device.get(id)).flatten().collect();
        keys.into_iter().filter_map(|key| self.of_connection(key, namespace, connection)).collect()
    }

    /// Whether activations of other namespaces use a connection.
    pub fn has_guests(&self, namespace: &str, connection: &str) -> bool {
        let uses = |entry: &Entry| entry.connection.0 == namespace && entry.connection.1 == connection;
        self.entries.iter().any(|(key, entry)| key.0 != namespace && uses(entry))
    }

    fn of_connection(&self, key: &Key, namespace: &str, connection: &str) -> Option<(Key, Entry)> {
        let entry = self.entries.get(key)?;
        let wanted = entry.connection.0 == namespace && entry.connection.1 == connection;
        wanted.then(|| (key.clone(), entry.clone()))
    }
}

/// Namespace and name of an activation.
pub fn key(object: &EuiccActivation) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Whether a request of it is on its way, or may be.
pub fn is_under_way(object: &EuiccActivation) -> bool {
    let operation = object.status.as_ref().and_then(|s| s.operation.as_ref());
    operation.is_some_and(|o| o.state.is_under_way())
}

/// The identifiers that a message may name its device by: those given, and those minted.
fn devices(object: &EuiccActivation) -> impl Iterator<Item = DeviceId> + use<'_> {
    let given = object.spec.devices.iter().flat_map(|d| &d.device_ids);
    let minted = object.status.iter().flat_map(|s| &s.devices).flat_map(|d| &d.device_ids);
    given.chain(minted).cloned()
}
