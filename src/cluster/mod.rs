//! Kubernetes, as both processes use it: clients, the compare-and-swap write of a status, events, waiting for the CRDs.

mod by_device;
mod clients;
mod lean;
mod lists;
mod notes;
mod record;
mod wait;

pub use by_device::ByDevice;
pub use clients::Clients;
pub use lean::{Lean, PAGE, read};
pub use lists::Lists;
pub use notes::Publisher;
pub use record::{RecordError, Recorded, Recorder, conflict, is_transient};
pub use wait::wait_for_crds;

/// Namespace and name.
pub type Key = (String, String);
