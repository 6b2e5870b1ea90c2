//! What deleted activations have sent: a line takes so many actions a day, whoever asked for them, and a resource that is
//! deleted and created anew is a new one. Kept in memory, so it is forgotten at a restart.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use crate::{activation::in_the_last_day, api::DeviceId};

/// Devices that are kept without looking which of them no longer count.
const FEW: usize = 1000;

/// Devices of deleted activations.
#[derive(Default)]
pub struct Departed {
    submissions: HashMap<Arc<DeviceId>, Vec<Timestamp>>,
    /// By the uid of the activation whose request is on its way.
    held: HashMap<Box<str>, Vec<Arc<DeviceId>>>,
    /// When the submissions become so many, they are looked through.
    many: usize,
}

impl Departed {
    /// An activation that has sent something is gone.
    pub fn add(&mut self, devices: &[Arc<DeviceId>], submissions: &[Timestamp]) {
        if submissions.is_empty() {
            return;
        }
        for device in devices {
            self.submissions.entry(device.clone()).or_default().extend_from_slice(submissions);
        }
        if self.submissions.len() > self.many.max(FEW) {
            self.forget(Timestamp::now());
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.submissions.retain(|_, sent| {
            *sent = in_the_last_day(sent.drain(..), now);
            !sent.is_empty()
        });
        self.many = 2 * self.submissions.len();
    }

    /// It is gone with a request on its way.
    pub fn hold(&mut self, uid: Box<str>, devices: &[Arc<DeviceId>]) {
        self.held.insert(uid, devices.to_vec());
    }

    /// Its request has come back. Returns the devices that were held for it.
    pub fn release(&mut self, uid: &str) -> Vec<Arc<DeviceId>> {
        self.held.remove(uid).unwrap_or_default()
    }

    /// Whether a request for that device is on its way.
    pub fn holds(&self, device: &DeviceId) -> bool {
        self.held.values().flatten().any(|id| **id == *device)
    }

    /// When requests for that device were sent.
    pub fn submissions(&self, device: &DeviceId) -> impl Iterator<Item = Timestamp> {
        self.submissions.get(device).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IdKind;

    fn device(n: usize) -> Arc<DeviceId> {
        Arc::new(DeviceId { kind: IdKind::Imei, id: n.to_string() })
    }

    #[test]
    fn what_no_longer_counts_is_not_kept() {
        let (mut departed, now) = (Departed::default(), Timestamp::now());
        for n in 0..3 * FEW {
            let at = if n % 100 == 0 { now } else { now - jiff::SignedDuration::from_hours(48) };
            departed.add(&[device(n)], &[at]);
        }
        assert!(departed.submissions.len() <= FEW + 30, "{}", departed.submissions.len());
        assert_eq!(departed.submissions(&device(100)).count(), 1);
    }
}
