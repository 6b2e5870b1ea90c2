//! The custom resources: types, validation rules and printer columns. No behaviour.
// One printcolumn(…) a column: what looks doubled to clippy is their types.
#![allow(clippy::duplicated_attributes)]

mod activation;
mod advice;
mod connection;
mod connection_status;
mod crds;
mod rules;
mod status;

pub use activation::*;
pub use advice::{Advice, advice};
pub use connection::*;
pub use connection_status::*;
pub use crds::{CustomResourceDefinition, crds, to_yaml};
pub use status::*;

/// API group of both kinds.
pub const GROUP: &str = "euicc-operator.io";
/// API version of both kinds.
pub const VERSION: &str = "v1alpha1";
/// A new value of this annotation sends a failed activation once more; on a credentials Secret, it allows two more logins.
pub const RETRY_ANNOTATION: &str = "euicc-operator.io/retry";
/// Holds a deleted activation until its lines are deactivated (`deletionPolicy: Deactivate` only).
pub const FINALIZER: &str = "euicc-operator.io/deactivate";
/// Holds a deleted connection until its callback listeners are removed (`callback.onDelete: Deregister` only).
pub const DEREGISTER_FINALIZER: &str = "euicc-operator.io/deregister";
