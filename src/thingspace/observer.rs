//! Telling others how calls went, so that counting them needs no knowledge of HTTP.

use std::time::Duration;

use super::error::Outcome;

/// One finished call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// What was called, for example `activate`, `login`, `token`.
    pub operation: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the caller waited.
    pub elapsed: Duration,
}

/// Is told of each call.
pub trait CallObserver: Send + Sync {
    /// Must not block.
    fn observe(&self, report: CallReport);
}

/// Observes nothing.
impl CallObserver for () {
    fn observe(&self, _: CallReport) {}
}
