//! Telling others how calls went, so that counting them needs no knowledge of HTTP.

use std::time::Duration;

use reqwest::{Method, Url};

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

/// One HTTP request: a call may take several.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The call that it belongs to.
    pub operation: &'static str,
    /// How it was asked.
    pub method: &'a Method,
    /// Where.
    pub url: &'a Url,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Is told of each call.
pub trait CallObserver: Send + Sync {
    /// Must not block.
    fn observe(&self, report: CallReport);

    /// Is told of each request. Must not block.
    fn exchanged(&self, _: Exchange<'_>) {}
}

/// Observes nothing.
impl CallObserver for () {
    fn observe(&self, _: CallReport) {}
}
