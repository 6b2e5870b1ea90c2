//! Which activation a message is about: by requestId, else by device. Keeps of each activation only what that takes.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    api::{DeviceId, EuiccActivation, OperationState},
    cluster::{ByDevice, Key, Lists},
};

/// What is kept of an activation.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Namespace and name of its connection.
    connection: Arc<Key>,
    request_id: Option<Arc<str>>,
    /// What a message may name its devices by, until it is done.
    devices: Box<[Arc<DeviceId>]>,
    /// Where it stands.
    pub stand: Stand,
    /// How many lists had begun when it was last seen.
    seen: u32,
}

/// What a message may do to an activation, as far as the watch has shown.
#[derive(Clone, Debug)]
pub enum Stand {
    /// It waits for messages: kept whole, so that they need not be read for.
    Waits(Arc<EuiccActivation>),
    /// It has sent nothing yet, or has failed: it is read when a message names it.
    Rests,
    /// Its request has succeeded: nothing can follow but repetition.
    Done,
}

impl Stand {
    fn of(object: Arc<EuiccActivation>) -> Self {
        match state(&object) {
            Some(OperationState::Succeeded) => Self::Done,
            _ if waits(&object) => Self::Waits(object),
            _ => Self::Rests,
        }
    }
}

/// All activations of the watched namespaces: each name stands in it once, for nearly all of them rest.
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<Arc<Key>, Entry>,
    by_request: HashMap<Arc<str>, Arc<Key>>,
    by_device: ByDevice,
    connections: HashSet<Arc<Key>>,
    lists: Lists,
}

impl Index {
    /// Takes in a new version of an activation.
    pub fn apply(&mut self, object: Arc<EuiccActivation>) {
        let key = Arc::new(object.key());
        self.remove(&key);
        let request_id = object.status.as_ref().and_then(|s| s.request_id.as_deref()).map(Arc::from);
        if let Some(id) = &request_id {
            self.by_request.insert(Arc::clone(id), key.clone());
        }
        let connection = object.connection_key();
        let connection = self.connections.get(&connection).cloned().unwrap_or_else(|| Arc::new(connection));
        self.connections.insert(connection.clone());
        let stand = Stand::of(Arc::clone(&object));
        let devices = match stand {
            Stand::Done => Box::default(),
            Stand::Waits(_) | Stand::Rests => self.name_devices(&key, &object),
        };
        self.entries.insert(key, Entry { connection, request_id, devices, stand, seen: self.lists.now() });
    }

    fn name_devices(&mut self, key: &Arc<Key>, object: &EuiccActivation) -> Box<[Arc<DeviceId>]> {
        let ids: HashSet<&DeviceId> = devices(object).collect();
        let ids: Box<[_]> = ids.into_iter().map(|id| self.by_device.shared(id)).collect();
        ids.iter().for_each(|id| self.by_device.insert(id, key));
        ids
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
        old.devices.iter().for_each(|id| self.by_device.remove(id, key));
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

    /// The activations of these devices that are not done, among those of a connection.
    pub fn with_device(&self, namespace: &str, connection: &str, ids: &[DeviceId]) -> Vec<(Key, Entry)> {
        let keys: HashSet<&Arc<Key>> = ids.iter().flat_map(|id| self.by_device.get(id)).collect();
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

/// Whether a request of it is on its way, or may be.
pub fn is_under_way(object: &EuiccActivation) -> bool {
    state(object).is_some_and(OperationState::is_under_way)
}

/// Whether a message may change something about it.
pub fn waits(object: &EuiccActivation) -> bool {
    state(object).is_some_and(|state| !state.is_final())
}

/// Whether one of its devices has one of these identifiers.
pub fn names_one_of(object: &EuiccActivation, ids: &[DeviceId]) -> bool {
    devices(object).any(|id| ids.contains(id))
}

fn state(object: &EuiccActivation) -> Option<OperationState> {
    object.operation().map(|operation| operation.state)
}

/// The identifiers that a message may name its device by: those given, and those minted.
fn devices(object: &EuiccActivation) -> impl Iterator<Item = &DeviceId> {
    let given = object.spec.devices.iter().flat_map(|d| &d.device_ids);
    let minted = object.status.iter().flat_map(|s| &s.devices).flat_map(|d| &d.device_ids);
    given.chain(minted)
}
