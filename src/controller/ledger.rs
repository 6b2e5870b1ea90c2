//! The login breaker's count, kept on the status of a connection: it outlives restarts and is shared by replicas and by
//! all connections of one Secret.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{context::Context, material::credentials};
use crate::{
    activation::{Note, Severity},
    api::{LoginStatus, ThingSpaceConnection},
    cluster::{Publisher, conflict},
    telemetry::{Metrics, connection_change},
    thingspace::{
        FAILED_LOGINS_ALLOWED, LedgerError, LoginAttempt, LoginLedger, LoginOutcome, LoginRecord, Reservation,
    },
};

/// How often the count may be changed by others while it is being written.
const ATTEMPTS: u32 = 10;

/// Counts the logins with one credentials Secret.
pub struct SecretLedger {
    connections: Api<ThingSpaceConnection>,
    secrets: Api<Secret>,
    secret: String,
    publisher: Publisher,
    metrics: Arc<Metrics>,
    /// Connections of one Secret ask one after the other.
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

impl SecretLedger {
    /// For the Secret of that name.
    pub fn new(namespace: &str, secret: &str, context: &Context) -> Self {
        Self {
            connections: Api::namespaced(context.clients.calls.clone(), namespace),
            secrets: Api::namespaced(context.clients.calls.clone(), namespace),
            secret: secret.into(),
            publisher: context.publisher.clone(),
            metrics: Arc::clone(&context.metrics),
            one_at_a_time: Arc::clone(&context.logins),
        }
    }

    /// The connections that log in with this Secret, the oldest first: that one keeps the count.
    async fn users(&self) -> Result<Vec<ThingSpaceConnection>, LedgerError> {
        let mut users = self.connections.list(&Default::default()).await.map_err(unwritten)?.items;
        users.retain(|c| c.spec.credentials_secret_ref.name == self.secret);
        users.sort_by_key(|c| (c.creation_timestamp().map(|t| t.0), c.name_any()));
        if users.is_empty() {
            return Err(LedgerError("no connection names the credentials Secret any more".into()));
        }
        Ok(users)
    }

    /// Nobody logs in with what the Secret does not hold any more: that would be one more failure, and of a version that
    /// nobody counts.
    async fn is_current(&self, version: &str) -> Result<bool, LedgerError> {
        let secret = self.secrets.get_opt(&self.secret).await.map_err(unwritten)?;
        Ok(secret.and_then(|s| credentials(&s).ok()).is_some_and(|c| c.version == version))
    }

    /// Writes a count, if nobody wrote in between.
    async fn write(&self, user: &ThingSpaceConnection, record: LoginRecord) -> Result<bool, LedgerError> {
        let patch = json!({
            "metadata": {"resourceVersion": user.metadata.resource_version},
            "status": {"login": status(record)},
        });
        match self.connections.patch_status(&user.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(true),
            Err(e) if conflict(&e) => Ok(false),
            Err(e) => Err(unwritten(e)),
        }
    }

    async fn try_reserve(&self, attempt: &LoginAttempt) -> Result<Option<Reservation>, LedgerError> {
        let version = &attempt.credentials_version;
        let users = self.users().await?;
        // After the read that the write below is compared with.
        if !self.is_current(version).await? {
            return Err(LedgerError("the credentials Secret has changed; the new one is used from now on".into()));
        }
        let records: Vec<LoginRecord> = users.iter().map(record).collect();
        let of_version = records.iter().filter(|r| r.credentials_version == *version);
        if of_version.clone().map(|r| r.failed.len()).sum::<usize>() >= FAILED_LOGINS_ALLOWED {
            let asked_before = of_version.clone().any(|r| r.failed.contains(&attempt.id));
            let reason = of_version.clone().find_map(|r| r.reason.clone());
            return Ok(Some(if asked_before { Reservation::Granted } else { Reservation::Refused { reason } }));
        }
        let mut record = records[0].clone();
        let closes = record.credentials_version != *version && record.is_open();
        let answer = record.reserve(attempt);
        if record != records[0] && !self.write(&users[0], record).await? {
            return Ok(None);
        }
        if closes {
            self.metrics.connection_changed(connection_change::BREAKER_CLOSED);
            let message = "The credentials Secret has changed, so logins are tried again.".to_owned();
            self.tell(&users, &Note { severity: Severity::Normal, reason: "LoginUnblocked", message });
        }
        Ok(Some(answer))
    }

    async fn try_settle(&self, attempt: &LoginAttempt, outcome: &LoginOutcome) -> Result<bool, LedgerError> {
        let users = self.users().await?;
        let holder = users.iter().find(|u| record(u).failed.contains(&attempt.id)).unwrap_or(&users[0]);
        for user in &users {
            let before = record(user);
            // A success starts the count anew, wherever a part of it stands.
            let concerned = user.name_any() == holder.name_any() || *outcome == LoginOutcome::Succeeded;
            let mut after = before.clone();
            after.settle(attempt, outcome);
            if concerned && after != before && !self.write(user, after).await? {
                return Ok(false);
            }
        }
        if let LoginOutcome::Failed { reason } = outcome {
            self.failed(&users, reason, record(holder).is_open());
        }
        Ok(true)
    }

    fn failed(&self, users: &[ThingSpaceConnection], why: &str, open: bool) {
        self.metrics.connection_changed(connection_change::LOGIN_FAILED);
        if open {
            self.metrics.connection_changed(connection_change::BREAKER_OPENED);
        }
        let next = match open {
            true => "no other login is tried until the credentials Secret changes, for five would lock the user",
            false => "one more is tried",
        };
        let message = format!("A login to ThingSpace has failed: {}; {next}.", why.trim_end_matches('.'));
        self.tell(users, &Note { severity: Severity::Warning, reason: "LoginFailed", message });
    }

    /// It concerns every connection of the Secret, whichever keeps the count.
    fn tell(&self, users: &[ThingSpaceConnection], note: &Note) {
        users.iter().for_each(|user| self.publisher.publish(user, note));
    }
}

impl LoginLedger for SecretLedger {
    fn reserve<'a>(&'a self, attempt: &'a LoginAttempt) -> BoxFuture<'a, Result<Reservation, LedgerError>> {
        Box::pin(async move {
            let _mine = self.one_at_a_time.lock().await;
            for _ in 0..ATTEMPTS {
                if let Some(answer) = self.try_reserve(attempt).await? {
                    return Ok(answer);
                }
            }
            Err(contended())
        })
    }

    fn settle<'a>(
        &'a self,
        attempt: &'a LoginAttempt,
        outcome: &'a LoginOutcome,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            for _ in 0..ATTEMPTS {
                if self.try_settle(attempt, outcome).await? {
                    return Ok(());
                }
            }
            Err(contended())
        })
    }
}

fn contended() -> LedgerError {
    LedgerError("the connection's status was changed by others again and again".into())
}

fn unwritten(error: kube::Error) -> LedgerError {
    LedgerError(format!("logins could not be counted on the connection's status: {error}"))
}

fn record(connection: &ThingSpaceConnection) -> LoginRecord {
    let login = connection.status.as_ref().and_then(|s| s.login.clone());
    login.map_or_else(LoginRecord::default, |status| LoginRecord {
        credentials_version: status.credentials_version,
        failed: status.failed,
        reason: status.message,
    })
}

fn status(record: LoginRecord) -> LoginStatus {
    LoginStatus {
        credentials_version: record.credentials_version,
        failed: record.failed,
        last_attempt: Some(Time(Timestamp::now())),
        message: record.reason,
    }
}
