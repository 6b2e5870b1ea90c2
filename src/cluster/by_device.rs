//! Which activations name a device.

use std::{collections::HashMap, sync::Arc};

use super::Key;
use crate::api::DeviceId;

/// Activations by the devices that they name, each identifier kept once. An identifier's activations are sorted, for
/// anybody may name one device in thousands of them.
#[derive(Debug, Default)]
pub struct ByDevice(HashMap<Arc<DeviceId>, Vec<Arc<Key>>>);

impl ByDevice {
    /// The identifier as it is kept here, or is to be.
    pub fn shared(&self, id: &DeviceId) -> Arc<DeviceId> {
        self.0.get_key_value(id).map_or_else(|| Arc::new(id.clone()), |(known, _)| known.clone())
    }

    /// Adds an activation to those of a device.
    pub fn insert(&mut self, id: &Arc<DeviceId>, key: &Arc<Key>) {
        let keys = self.0.entry(id.clone()).or_insert_with(|| Vec::with_capacity(1));
        if let Err(place) = keys.binary_search(key) {
            keys.insert(place, key.clone());
        }
    }

    /// Takes an activation out of those of a device.
    pub fn remove(&mut self, id: &DeviceId, key: &Key) {
        let Some(keys) = self.0.get_mut(id) else { return };
        if let Ok(place) = keys.binary_search_by(|known| (**known).cmp(key)) {
            keys.remove(place);
        }
        if keys.is_empty() {
            self.0.remove(id);
        }
    }

    /// The activations that name a device.
    pub fn get(&self, id: &DeviceId) -> &[Arc<Key>] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }
}
