//! What every promise needs: a Kubernetes API server, namespaces, the binaries under test, and patience with a deadline.
//!
//! `EUICC_TEST_KUBECONFIG` names a cluster to use instead of starting one, `EUICC_TEST_OPERATOR` another build of the
//! operator, for example one to be profiled.
#![allow(dead_code, unused_imports, reason = "each promise takes what it needs")]

mod argocd;
mod audit;
mod control_plane;
pub mod docs;
pub mod fixtures;
mod foreign_kinds;
mod helm;
pub mod hook;
mod kstatus;
mod kubelet;
mod look;
mod namespace;
mod operator;
mod process;
mod reliability;
mod scene;
mod simulator;
mod versions;
mod wait;
mod wiretap;

pub use argocd::ArgoCd;
pub use audit::{AuditEvent, AuditLog, requests};
pub use control_plane::{ControlPlane, control_plane, repository};
pub use foreign_kinds::establish_foreign_kinds;
pub use helm::{Release, helm, objects};
pub use kstatus::{Kstatus, kstatus};
pub use kubelet::{Pod, report};
pub use look::{condition, holds, reconciles, state, status, why};
pub use namespace::{Namespace, Output};
pub use operator::{Admin, Callback, Controller, operator};
pub use process::Process;
pub use reliability::reliability;
pub use scene::Scene;
pub use simulator::{ACTIVATE, CLOSED_BOOKS, Entry, HELD, QUICK, Simulator, http_client};
pub use versions::Versions;
pub use wait::{LONG, SHORT, Seen, eventually};
pub use wiretap::Wiretap;
