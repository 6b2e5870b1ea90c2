//! The login breaker's count, kept on the connection's status: it outlives restarts and is shared by replicas.

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    api::{LoginStatus, ThingSpaceConnection},
    cluster::conflict,
    thingspace::{LedgerError, LoginAttempt, LoginLedger, LoginOutcome, LoginRecord, Reservation},
};

/// How often the count may be changed by others while it is being written.
const ATTEMPTS: u32 = 10;

/// Counts the logins of one connection on its status.
pub struct ConnectionLedger {
    api: Api<ThingSpaceConnection>,
    name: String,
}

impl ConnectionLedger {
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.into() }
    }

    /// Reads the count, changes it, and writes it if nobody wrote in between.
    async fn change<T>(&self, change: impl Fn(&mut LoginRecord) -> T) -> Result<T, LedgerError> {
        let refused = |e: kube::Error| LedgerError(format!("the connection's status could not be changed: {e}"));
        for _ in 0..ATTEMPTS {
            let connection = self.api.get(&self.name).await.map_err(refused)?;
            let before = connection.status.and_then(|s| s.login).map(record).unwrap_or_default();
            let mut after = before.clone();
            let answer = change(&mut after);
            if after == before {
                return Ok(answer);
            }
            let patch = json!({
                "metadata": {"resourceVersion": connection.metadata.resource_version},
                "status": {"login": status(after)},
            });
            match self.api.patch_status(&self.name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => return Ok(answer),
                Err(e) if conflict(&e) => {}
                Err(e) => return Err(refused(e)),
            }
        }
        Err(LedgerError("the connection's status was changed by others again and again".into()))
    }
}

impl LoginLedger for ConnectionLedger {
    fn reserve<'a>(&'a self, attempt: &'a LoginAttempt) -> BoxFuture<'a, Result<Reservation, LedgerError>> {
        Box::pin(self.change(|record| record.reserve(attempt)))
    }

    fn settle<'a>(
        &'a self,
        attempt: &'a LoginAttempt,
        outcome: &'a LoginOutcome,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.change(|record| record.settle(attempt, outcome)))
    }
}

fn record(status: LoginStatus) -> LoginRecord {
    LoginRecord { credentials_version: status.credentials_version, failed: status.failed, reason: status.message }
}

fn status(record: LoginRecord) -> LoginStatus {
    LoginStatus {
        credentials_version: record.credentials_version,
        failed: record.failed,
        last_attempt: Some(Time(Timestamp::now())),
        message: record.reason,
    }
}
