//! Finds the activation of a message: in the index; and what the index does not know yet, in the API server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Api, Client, api::ListParams};

use super::{
    index::{is_under_way, key},
    watch::Cache,
};
use crate::{activation::Report, api::EuiccActivation};

/// How long a message that nobody waits for is looked into. ThingSpace gives four seconds (contract 6.2).
const LOOK_AGAIN_FOR: Duration = Duration::from_millis(800);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(400);

/// Whom a message is for.
pub enum Found {
    /// This one, as far as known.
    Awaiting(Arc<EuiccActivation>),
    /// One that is at its end: it has had this answer.
    Done,
    /// Nobody here: another system's request, or one whose resource is gone.
    Nobody,
    /// It cannot be said: the watch is interrupted.
    Unclear,
}

/// Finds.
pub struct Finder {
    client: Client,
    cache: Cache,
    namespaces: Vec<Option<String>>,
}

impl Finder {
    /// `namespaces` are those that are watched; `None` is all of them.
    pub fn new(client: Client, cache: Cache, namespaces: Vec<Option<String>>) -> Self {
        Self { client, cache, namespaces }
    }

    /// Finds; what nobody seems to wait for is looked for again for a moment: the activation, or what it waits for, may
    /// be newer than what the watch has shown.
    ///
    /// # Errors
    /// When the API server has to be asked, and does not answer.
    pub async fn find(&self, namespace: &str, connection: &str, report: &Report) -> Result<Found, kube::Error> {
        let began = Instant::now();
        loop {
            match self.look(namespace, connection, report).await? {
                Found::Nobody if began.elapsed() < LOOK_AGAIN_FOR => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
                Found::Nobody if !self.cache.is_fresh() => return Ok(Found::Unclear),
                found => return Ok(found),
            }
        }
    }

    /// By requestId, else by device among those that wait (contract 9.4, 5: messages can be faster than the reply).
    async fn look(&self, namespace: &str, connection: &str, report: &Report) -> Result<Found, kube::Error> {
        let wanted = (namespace.to_owned(), connection.to_owned());
        if let Some(request_id) = &report.request_id {
            let known = self.cache.index().with_request(namespace, connection, request_id);
            if let Some((_, entry)) = known {
                return Ok(match entry.object {
                    Some(object) => Found::Awaiting(object),
                    None => Found::Done,
                });
            }
        }
        let waiting = self.cache.index().with_device(namespace, connection, &report.device_ids);
        let open = waiting.into_iter().filter_map(|(_, entry)| entry.object);
        if let Some(object) = open.max_by_key(|o| awaits(o))
            && let Some(object) = self.admitted(namespace, object, &wanted).await?
        {
            return Ok(Found::Awaiting(object));
        }
        if let Some(request_id) = report.request_id.as_deref().filter(|id| is_selectable(id)) {
            let selector = ListParams::default().fields(&format!("status.requestId={request_id}")).limit(2);
            for namespace in self.namespaces(namespace, connection) {
                let api: Api<EuiccActivation> = match namespace {
                    Some(namespace) => Api::namespaced(self.client.clone(), &namespace),
                    None => Api::all(self.client.clone()),
                };
                let found = api.list(&selector).await?.items.into_iter().find(|o| o.connection_key() == wanted);
                if let Some(object) = found {
                    tracing::debug!(activation = key(&object).1, "found by asking the API server");
                    return Ok(Found::Awaiting(Arc::new(object)));
                }
            }
        }
        Ok(Found::Nobody)
    }

    /// Whoever writes an activation may name any device and any connection, so one of another namespace is told of a
    /// device only while a request of its own is under way: the controller has then checked that it is admitted, and
    /// neither can be edited. The cache may not show that yet.
    async fn admitted(
        &self,
        namespace: &str,
        object: Arc<EuiccActivation>,
        wanted: &(String, String),
    ) -> Result<Option<Arc<EuiccActivation>>, kube::Error> {
        let (its, name) = key(&object);
        if its == namespace || is_under_way(&object) {
            return Ok(Some(object));
        }
        let api: Api<EuiccActivation> = Api::namespaced(self.client.clone(), &its);
        let fresh = api.get_opt(&name).await?.filter(|o| is_under_way(o) && o.connection_key() == *wanted);
        Ok(fresh.map(Arc::new))
    }

    /// Where activations of a connection can be, as far as we may look: mostly in its own namespace.
    fn namespaces(&self, own: &str, connection: &str) -> Vec<Option<String>> {
        match self.cache.index().has_guests(own, connection) {
            true => self.namespaces.clone(),
            false => vec![Some(own.to_owned())],
        }
    }
}

/// Of several activations of one device, the one with a request under way.
fn awaits(object: &EuiccActivation) -> (bool, Option<jiff::Timestamp>) {
    let operation = object.status.as_ref().and_then(|s| s.operation.as_ref());
    (is_under_way(object), operation.map(|o| o.claimed_at.0))
}

/// A foreign text goes into a selector only when it cannot mean anything else there.
fn is_selectable(request_id: &str) -> bool {
    request_id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
