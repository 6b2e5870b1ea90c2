//! The login breaker: five failed logins in a row lock the customer's user for good (contract 2.2), so at most
//! two are risked with one version of the credentials.
//!
//! The count outlives the process: whoever runs the client keeps a [`LoginRecord`] somewhere durable and offers
//! it as a [`LoginLedger`].

use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Logins that may fail with one version of the credentials.
pub const FAILED_LOGINS_ALLOWED: usize = 2;

/// One login: noted before it is begun, settled when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// The version of the credentials that it uses.
    pub credentials_version: String,
    /// Unique.
    pub id: String,
}

impl LoginAttempt {
    /// A new attempt with these credentials.
    pub fn new(credentials_version: &str) -> Self {
        Self { credentials_version: credentials_version.to_owned(), id: uuid::Uuid::new_v4().to_string() }
    }
}

/// Whether a login may be begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// It may, and has been counted as failed until it is settled otherwise.
    Granted,
    /// It must not: too many have failed.
    Refused {
        /// Why the last one failed, as far as known.
        reason: Option<String>,
    },
}

/// How a login ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// ThingSpace opened a session: its own count of failures starts anew.
    Succeeded,
    /// It is certain that no password reached ThingSpace.
    NotSent,
    /// ThingSpace refused it, or it is not known what became of it.
    Failed {
        /// One sentence for people.
        reason: String,
    },
}

/// The durable count could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(
    /// One sentence for people.
    pub String,
);

/// Where logins are counted. All processes that use the same credentials must share one count.
pub trait LoginLedger: Send + Sync {
    /// Counts `attempt` as failed, durably, unless too many have failed already.
    fn reserve<'a>(&'a self, attempt: &'a LoginAttempt) -> BoxFuture<'a, Result<Reservation, LedgerError>>;

    /// Notes how `attempt` ended. If this is never called, the attempt stays counted as failed.
    fn settle<'a>(
        &'a self,
        attempt: &'a LoginAttempt,
        outcome: &'a LoginOutcome,
    ) -> BoxFuture<'a, Result<(), LedgerError>>;
}

/// What a ledger keeps, and its arithmetic; keeping it durably is all that is left to an implementor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginRecord {
    /// The version of the credentials that the rest is about.
    pub credentials_version: String,
    /// Logins that have failed or are not settled: at most [`FAILED_LOGINS_ALLOWED`], unless processes disagree.
    pub failed: Vec<String>,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl LoginRecord {
    /// See [`LoginLedger::reserve`]. Changes nothing when it refuses; the same attempt may ask twice.
    pub fn reserve(&mut self, attempt: &LoginAttempt) -> Reservation {
        if self.credentials_version != attempt.credentials_version {
            *self = Self { credentials_version: attempt.credentials_version.clone(), ..Self::default() };
        }
        if self.failed.contains(&attempt.id) {
            return Reservation::Granted;
        }
        if self.is_open() {
            return Reservation::Refused { reason: self.reason.clone() };
        }
        self.failed.push(attempt.id.clone());
        Reservation::Granted
    }

    /// See [`LoginLedger::settle`]. Says nothing about other versions of the credentials.
    pub fn settle(&mut self, attempt: &LoginAttempt, outcome: &LoginOutcome) {
        if self.credentials_version != attempt.credentials_version {
            return;
        }
        match outcome {
            LoginOutcome::Succeeded => {
                self.failed.clear();
                self.reason = None;
            }
            LoginOutcome::NotSent => self.failed.retain(|id| *id != attempt.id),
            LoginOutcome::Failed { reason } => {
                // Another process's success may have cleared the list while this login was under way.
                if !self.failed.contains(&attempt.id) {
                    self.failed.push(attempt.id.clone());
                }
                self.reason = Some(reason.clone());
            }
        }
    }

    /// Whether logins with this version of the credentials are over.
    pub fn is_open(&self) -> bool {
        self.failed.len() >= FAILED_LOGINS_ALLOWED
    }
}

/// A ledger that forgets with the process: for tests and tools that log in once.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<LoginRecord>);

impl MemoryLedger {
    /// What it has counted.
    pub fn record(&self) -> LoginRecord {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LoginLedger for MemoryLedger {
    fn reserve<'a>(&'a self, attempt: &'a LoginAttempt) -> BoxFuture<'a, Result<Reservation, LedgerError>> {
        Box::pin(async move { Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).reserve(attempt)) })
    }

    fn settle<'a>(
        &'a self,
        attempt: &'a LoginAttempt,
        outcome: &'a LoginOutcome,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).settle(attempt, outcome);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> LoginOutcome {
        LoginOutcome::Failed { reason: "wrong".into() }
    }

    #[test]
    fn two_failures_open_the_breaker_for_that_version_only() {
        let mut record = LoginRecord::default();
        for _ in 0..2 {
            let attempt = LoginAttempt::new("1");
            assert_eq!(record.reserve(&attempt), Reservation::Granted);
            record.settle(&attempt, &failed());
        }
        let refused = Reservation::Refused { reason: Some("wrong".into()) };
        assert_eq!(record.reserve(&LoginAttempt::new("1")), refused);
        assert_eq!(record.reserve(&LoginAttempt::new("2")), Reservation::Granted);
        assert!(!record.is_open());
    }

    #[test]
    fn a_login_that_is_never_settled_stays_counted() {
        let mut record = LoginRecord::default();
        record.reserve(&LoginAttempt::new("1"));
        record.reserve(&LoginAttempt::new("1"));
        assert!(record.is_open());
    }

    #[test]
    fn what_was_never_sent_is_not_counted() {
        let mut record = LoginRecord::default();
        for _ in 0..10 {
            let attempt = LoginAttempt::new("1");
            assert_eq!(record.reserve(&attempt), Reservation::Granted);
            record.settle(&attempt, &LoginOutcome::NotSent);
        }
    }

    #[test]
    fn a_success_starts_anew_but_a_later_failure_still_counts() {
        let mut record = LoginRecord::default();
        let (slow, quick) = (LoginAttempt::new("1"), LoginAttempt::new("1"));
        record.reserve(&slow);
        record.reserve(&quick);
        record.settle(&quick, &LoginOutcome::Succeeded);
        assert!(record.failed.is_empty());
        record.settle(&slow, &failed());
        assert_eq!(record.failed, [slow.id]);
    }

    #[test]
    fn a_late_outcome_of_old_credentials_says_nothing_of_new_ones() {
        let mut record = LoginRecord::default();
        let (old, new) = (LoginAttempt::new("1"), LoginAttempt::new("2"));
        record.reserve(&old);
        record.reserve(&new);
        record.settle(&old, &LoginOutcome::Succeeded);
        assert_eq!(record.failed, [new.id]);
    }

    #[test]
    fn asking_twice_for_one_attempt_counts_it_once() {
        let mut record = LoginRecord::default();
        let attempt = LoginAttempt::new("1");
        assert_eq!(record.reserve(&attempt), Reservation::Granted);
        assert_eq!(record.reserve(&attempt), Reservation::Granted);
        assert_eq!(record.failed.len(), 1);
    }
}
