//! ThingSpace's client: authentication, wire models, error classes. Knows no Kubernetes.
//!
//! A [`Client`] keeps one bearer token and one session, and turns every answer into a value or one of the four
//! classes of [`CallError`]. It retries nothing, but for a request that ThingSpace itself has turned away for its
//! token or session (contract 2.3).

mod auth;
mod call;
mod callback_message;
mod client;
mod config;
mod credentials;
mod endpoint;
mod error;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod ledger;
mod line_state;
mod lookup;
mod observer;
mod pass;
mod read;
mod reply;
mod request;
mod transport;
pub mod wire;

#[cfg(test)]
mod tests;

pub use callback_message::{
    CallbackCredentials, CallbackMessage, DeviceProfile, MAX_CALLBACK_BODY, UnreadableCallback, Verdict,
};
pub use client::Client;
pub use config::ClientConfig;
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError};
pub use error::{CallError, CredentialsProblem, ErrorClass, ErrorCode, NotSent, Outcome};
pub use ledger::{
    FAILED_LOGINS_ALLOWED, LedgerError, LoginAttempt, LoginLedger, LoginOutcome, LoginRecord, MemoryLedger, Reservation,
};
pub use line_state::LineState;
pub use observer::{CallObserver, CallReport, Exchange};
pub use request::{Claim, DeviceProgress, InvalidRequestId, Progress, RequestId, RequestProgress};
