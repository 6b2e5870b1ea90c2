//! Which activation has which device. A line belongs to one activation at a time: a second one that names a device of
//! one that is under way or active is not sent, and neither is a fourth request for a device in a day.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{context::is_older, departed::Departed};
use crate::{
    activation::{POSTS_A_DAY, in_the_last_day},
    api::{DeviceId, DeviceResult, DeviceStatus, EuiccActivation, OperationState},
    cluster::{ByDevice, Key, Lists},
};

/// Every activation's devices, as the watches tell, and as this process knows better for a moment.
#[derive(Default)]
pub struct Devices(Mutex<Book>);

/// All that is kept of a fleet at rest, so each name stands in it once.
#[derive(Default)]
struct Book {
    entries: HashMap<Arc<Key>, Entry>,
    by_device: ByDevice,
    connections: HashSet<Arc<Key>>,
    lists: Lists,
    departed: Departed,
}

struct Entry {
    uid: Box<str>,
    connection: Arc<Key>,
    devices: Box<[Held]>,
    submissions: Box<[Timestamp]>,
    reserved: Reserved,
    /// Who has one of its devices, as was logged last.
    logged: Option<Box<Key>>,
    /// Whether nothing is to be done about it; see [`super::activations::rests`].
    rests: bool,
    /// How many lists had begun when it was last seen.
    seen: u32,
}

/// A device of an activation.
struct Held {
    id: Arc<DeviceId>,
    /// Nobody else may have it.
    held: bool,
    active: bool,
}

/// What this process is doing with an activation, which the watch may not show yet.
#[derive(Clone, Debug, PartialEq)]
enum Reserved {
    No,
    /// It is being sent.
    Now,
    /// It has been, and this version of it says so.
    Until(Box<str>),
}

/// Why a device is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another activation has it.
    Taken {
        /// The device.
        device: DeviceId,
        /// Whose it is.
        by: Key,
    },
    /// Three requests for it were sent in the last 24 hours, by this activation and others.
    DayIsFull {
        /// The device.
        device: DeviceId,
        /// When the oldest of them no longer counts.
        free_at: Timestamp,
    },
    /// A request for it is on its way, of an activation that is deleted meanwhile.
    StillOnItsWay {
        /// The device.
        device: DeviceId,
    },
}

impl Devices {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a version of an activation. Returns those who may have waited for what it has let go.
    pub fn apply(&self, object: &EuiccActivation, rests: bool) -> Vec<Key> {
        let (mut book, key) = (self.book(), object.key());
        let replaces = book.entries.get(&key).is_some_and(|known| *known.uid != *uid(object));
        let mut freed = if replaces { book.depart(&key) } else { Vec::new() }; // nobody saw the other one go
        let mut entry = book.read(object);
        entry.rests = rests;
        let known = book.entries.get(&key);
        entry.logged = known.and_then(|e| e.logged.clone());
        entry.reserved = match known.map(|e| &e.reserved) {
            Some(Reserved::Until(version)) if !is_older(object.metadata.resource_version.as_deref(), version) => {
                Reserved::No
            }
            Some(reserved) => reserved.clone(),
            None => Reserved::No,
        };
        let before = book.remove(&key);
        let let_go: Vec<_> = before.iter().flat_map(Entry::holds).filter(|id| !entry.has(id)).cloned().collect();
        book.insert(key.clone(), entry);
        freed.extend(book.others_with(&key, let_go.iter().map(|id| &**id)));
        freed
    }

    /// Forgets an activation that is gone. Returns those who may have waited for its devices.
    pub fn remove(&self, key: &Key) -> Vec<Key> {
        self.book().depart(key)
    }

    /// A list of a namespace (`None`: of all) begins.
    pub fn listing(&self, namespace: Option<&str>) {
        self.book().lists.begin(namespace);
    }

    /// The list of a namespace (`None`: of all) is complete: forgets what was not in it. Returns those who may have
    /// waited for that.
    pub fn listed(&self, namespace: Option<&str>) -> Vec<Key> {
        let mut book = self.book();
        let missed = book.lists.missed(namespace);
        let gone: Vec<_> =
            book.entries.iter().filter(|(key, e)| missed(&key.0, e.seen)).map(|(k, _)| k.clone()).collect();
        gone.iter().flat_map(|key| book.depart(key)).collect()
    }

    /// How many requests were sent through a connection since then, by whichever process.
    pub fn sent_since(&self, connection: &Key, since: Timestamp) -> usize {
        let book = self.book();
        let ours = book.entries.values().filter(|entry| *entry.connection == *connection);
        ours.map(|entry| entry.submissions.iter().filter(|at| **at > since).count()).sum()
    }

    /// How many activations rest.
    pub fn resting(&self) -> usize {
        self.book().entries.values().filter(|entry| entry.rests).count()
    }

    /// What stands against sending this activation.
    pub fn conflict(&self, object: &EuiccActivation, now: Timestamp) -> Option<Conflict> {
        self.book().conflict(object, now)
    }

    /// The other activation that an active line belongs to: one that has it active, or, where ThingSpace refused ours,
    /// one whose request is under way.
    pub fn owner(&self, object: &EuiccActivation, device: &DeviceStatus) -> Option<Key> {
        let (book, own) = (self.book(), object.key());
        let refused = device.fault_code.is_some();
        let others = device.device_ids.iter().map(|id| (id, book.by_device.get(id)));
        others.flat_map(|(id, keys)| keys.iter().map(move |key| (id, key))).find_map(|(id, key)| {
            let entry = book.entries.get(key).filter(|_| **key != own)?;
            (entry.is_active(id) || (refused && entry.has(id))).then(|| Key::clone(key))
        })
    }

    /// Whether it was not known before that `owner` has one of its devices.
    pub fn is_news(&self, object: &EuiccActivation, owner: &Key) -> bool {
        let mut book = self.book();
        let Some(entry) = book.entries.get_mut(&object.key()) else { return false };
        entry.logged.replace(Box::new(owner.clone())).as_deref() != Some(owner)
    }

    /// Takes the devices of an activation that is about to be sent, so that no other one takes them at the same time.
    ///
    /// # Errors
    /// What stands against it.
    pub fn reserve(&self, object: &EuiccActivation, now: Timestamp) -> Result<(), Conflict> {
        let mut book = self.book();
        if let Some(conflict) = book.conflict(object, now) {
            return Err(conflict);
        }
        let key = object.key();
        let mut entry = Entry { reserved: Reserved::Now, ..book.read(object) };
        if let Some(before) = book.remove(&key) {
            entry.seen = before.seen; // by a list, which this is none of
        }
        book.insert(key, entry);
        Ok(())
    }

    /// The sending is over; from `version` on the watch shows how. `None`: nothing was written. Returns those who may have
    /// waited for that.
    pub fn settle(&self, object: &EuiccActivation, version: Option<&str>) -> Vec<Key> {
        let (mut book, key) = (self.book(), object.key());
        let freed = book.departed.release(uid(object));
        if let Some(entry) = book.entries.get_mut(&key)
            && entry.reserved == Reserved::Now
            && *entry.uid == *uid(object)
        {
            entry.reserved = version.map_or(Reserved::No, |v| Reserved::Until(v.into()));
        }
        book.others_with(&key, freed.iter().map(|id| &**id))
    }
}

fn uid(object: &EuiccActivation) -> &str {
    object.metadata.uid.as_deref().unwrap_or_default()
}

impl Book {
    fn insert(&mut self, key: Key, entry: Entry) {
        let key = Arc::new(key);
        for device in &entry.devices {
            self.by_device.insert(&device.id, &key);
        }
        self.entries.insert(key, entry);
    }

    /// What an activation's entry is to be.
    fn read(&mut self, object: &EuiccActivation) -> Entry {
        let status = object.status.as_ref();
        let state = object.operation().map(|o| o.state);
        let under_way = state.is_some_and(|s| s.is_under_way() || s == OperationState::TimedOut);
        let holds = |result| match result {
            DeviceResult::Active => true,
            DeviceResult::Pending => under_way,
            DeviceResult::Failed | DeviceResult::Deactivated => false,
        };
        let outcomes =
            status.iter().flat_map(|s| &s.devices).flat_map(|d| d.device_ids.iter().map(|id| (id, d.result)));
        let given = object.spec.devices.iter().flat_map(|d| &d.device_ids);
        let ids: BTreeSet<&DeviceId> = given.chain(outcomes.clone().map(|(id, _)| id)).collect();
        let device = |id: &DeviceId| {
            let of_it = || outcomes.clone().filter(|(known, _)| *known == id).map(|(_, result)| result);
            let (held, active) = (of_it().any(holds), of_it().any(|result| result == DeviceResult::Active));
            Held { id: self.by_device.shared(id), held, active }
        };
        let devices = ids.into_iter().map(device).collect();
        let connection = object.connection_key();
        let connection = self.connections.get(&connection).cloned().unwrap_or_else(|| Arc::new(connection));
        self.connections.insert(connection.clone());
        let submissions = status.iter().flat_map(|s| &s.submissions).map(|t| t.0).collect();
        Entry {
            uid: uid(object).into(),
            connection,
            devices,
            submissions,
            reserved: Reserved::No,
            logged: None,
            rests: false,
            seen: self.lists.now(),
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        for device in &entry.devices {
            self.by_device.remove(&device.id, key);
        }
        Some(entry)
    }

    /// An activation is gone; what it has sent still counts.
    fn depart(&mut self, key: &Key) -> Vec<Key> {
        let Some(gone) = self.remove(key) else { return Vec::new() };
        let ids: Vec<_> = gone.devices.iter().map(|d| Arc::clone(&d.id)).collect();
        self.departed.add(&ids, &gone.submissions);
        if gone.reserved == Reserved::Now {
            self.departed.hold(gone.uid, &ids);
        }
        self.others_with(key, ids.iter().map(|id| &**id))
    }

    fn others_with<'a>(&self, key: &Key, ids: impl Iterator<Item = &'a DeviceId>) -> Vec<Key> {
        let keys: BTreeSet<&Arc<Key>> = ids.flat_map(|id| self.by_device.get(id)).collect();
        keys.into_iter().filter(|k| ***k != *key).map(|k| Key::clone(k)).collect()
    }

    fn conflict(&self, object: &EuiccActivation, now: Timestamp) -> Option<Conflict> {
        let own = object.key();
        let wanted = object.spec.devices.iter().flat_map(|d| &d.device_ids);
        wanted.into_iter().find_map(|device| {
            let namers = self.by_device.get(device);
            let others = || namers.iter().filter(|k| ***k != own).filter_map(|k| Some((k, self.entries.get(k)?)));
            if let Some((by, _)) = others().find(|(_, entry)| entry.has(device)) {
                return Some(Conflict::Taken { device: device.clone(), by: Key::clone(by) });
            }
            if self.departed.holds(device) {
                return Some(Conflict::StillOnItsWay { device: device.clone() });
            }
            let ours = object.status.iter().flat_map(|s| &s.submissions).map(|t| t.0);
            let theirs = others().flat_map(|(_, e)| e.submissions.iter().copied());
            // A line that others have left active is to be deactivated all the same.
            let departed = self.departed.submissions(device).filter(|_| object.metadata.deletion_timestamp.is_none());
            let mut sent = in_the_last_day(ours.chain(theirs).chain(departed), now);
            sent.sort_unstable();
            let full = sent.len() >= POSTS_A_DAY;
            full.then(|| Conflict::DayIsFull {
                device: device.clone(),
                free_at: sent[sent.len() - POSTS_A_DAY] + SignedDuration::from_hours(24),
            })
        })
    }
}

impl Entry {
    fn has(&self, device: &DeviceId) -> bool {
        let of_it = self.devices.iter().find(|d| *d.id == *device);
        of_it.is_some_and(|d| d.held || self.reserved != Reserved::No)
    }

    fn is_active(&self, device: &DeviceId) -> bool {
        self.devices.iter().any(|d| d.active && *d.id == *device)
    }

    fn holds(&self) -> impl Iterator<Item = &Arc<DeviceId>> {
        self.devices.iter().map(|d| &d.id).filter(|id| self.has(id))
    }
}

#[cfg(test)]
mod tests;
