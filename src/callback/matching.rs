//! Finds the activation of a message: in the index; and what the index does not know yet, in the API server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Api, Client, api::ListParams};

use super::{
    index::{Key, Stand, is_under_way, key, waits},
    watch::Cache,
};
use crate::{activation::Report, api::EuiccActivation, cluster::Lean};

/// How long a message that nobody waits for is looked into. ThingSpace gives four seconds (contract 6.2).
const LOOK_AGAIN_FOR: Duration = Duration::from_millis(800);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(400);
/// How many resting activations of one device are read for a message: mostly there is one.
const READ_AT_MOST: usize = 8;

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

    /// By requestId, else by device among those that wait (contract 9.4, 5: messages can be faster than the reply), be it
    /// that the watch has not shown yet that they do.
    async fn look(&self, namespace: &str, connection: &str, report: &Report) -> Result<Found, kube::Error> {
        let wanted = (namespace.to_owned(), connection.to_owned());
        if let Some(request_id) = &report.request_id {
            let known = self.cache.index().with_request(namespace, connection, request_id);
            match known.map(|(key, entry)| (key, entry.stand)) {
                Some((_, Stand::Waits(object))) => return Ok(Found::Awaiting(object)),
                Some((key, Stand::Rests)) => {
                    let waits = self.read(&key, &wanted).await?;
                    return Ok(waits.map_or(Found::Done, Found::Awaiting));
                }
                Some((_, Stand::Done)) => return Ok(Found::Done),
                None => {}
            }
        }
        let (mut waiting, mut resting) = (Vec::new(), Vec::new());
        for (key, entry) in self.cache.index().with_device(namespace, connection, &report.device_ids) {
            match entry.stand {
                Stand::Waits(object) => waiting.push(object),
                Stand::Rests => resting.push(key),
                Stand::Done => {}
            }
        }
        if let Some(object) = waiting.into_iter().max_by_key(|o| awaits(o)) {
            let own = key(&object);
            if own.0 == namespace || is_under_way(&object) {
                return Ok(Found::Awaiting(object));
            }
            resting.push(own);
        }
        resting.sort_unstable_by_key(|key| key.0 != namespace);
        for key in resting.iter().take(READ_AT_MOST) {
            if let Some(object) = self.read(key, &wanted).await? {
                return Ok(Found::Awaiting(object));
            }
        }
        if let Some(request_id) = report.request_id.as_deref().filter(|id| is_selectable(id)) {
            let selector = ListParams::default().fields(&format!("status.requestId={request_id}")).limit(2);
            for namespace in self.namespaces(namespace, connection) {
                let api: Api<Lean> = match namespace {
                    Some(namespace) => Api::namespaced(self.client.clone(), &namespace),
                    None => Api::all(self.client.clone()),
                };
                let found = api.list(&selector).await?.items.into_iter().map(EuiccActivation::from);
                if let Some(object) = found.into_iter().find(|o| o.connection_key() == wanted) {
                    tracing::debug!(activation = key(&object).1, "found by asking the API server");
                    return Ok(Found::Awaiting(Arc::new(object)));
                }
            }
        }
        Ok(Found::Nobody)
    }

    /// An activation as it is now, if it waits for messages of that connection. Whoever writes an activation may name any
    /// device and any connection, so one of another namespace is told of a device only while a request of its own is
    /// under way: the controller has then checked that it is admitted, and neither can be edited.
    async fn read(&self, key: &Key, wanted: &Key) -> Result<Option<Arc<EuiccActivation>>, kube::Error> {
        let api: Api<Lean> = Api::namespaced(self.client.clone(), &key.0);
        let fresh = api.get_opt(&key.1).await?.map(EuiccActivation::from).filter(|o| o.connection_key() == *wanted);
        let told = |object: &EuiccActivation| if key.0 == wanted.0 { waits(object) } else { is_under_way(object) };
        Ok(fresh.filter(told).map(Arc::new))
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

#[cfg(test)]
mod tests {
    use axum::{Json, Router, extract::Path, routing::get};
    use kube::Config;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        activation::{Profile, Verdict},
        api::{DeviceId, IdKind},
    };

    const IMEI: &str = "990013907835573";

    fn activation(namespace: &str, name: &str, state: Option<&str>) -> Value {
        let mut object = json!({
            "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "connectionRef": {"namespace": "fleet", "name": "verizon"}, "accountName": "0000123456-00001",
                "devices": [{"deviceIds": [{"kind": "imei", "id": IMEI}]}],
            },
        });
        if let Some(state) = state {
            object["status"]["operation"] = json!({
                "id": "op", "action": "Activate", "attempt": 1, "state": state, "claimedAt": "2026-11-01T05:00:00Z",
                "fingerprint": "f",
            });
        }
        object
    }

    /// What the watch has shown, and in which state the API server has each.
    async fn finder(shown: &[Value], now: &'static [(&'static str, Option<&'static str>)]) -> Finder {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let read = async |Path((namespace, name)): Path<(String, String)>| {
            let (_, state) = now.iter().find(|(known, _)| *known == name).expect("it is known");
            Json(activation(&namespace, &name, *state))
        };
        let none = async || Json(json!({"metadata": {}, "items": []}));
        let group = "/apis/euicc-operator.io/v1alpha1";
        let router = Router::new()
            .route(&format!("{group}/euiccactivations"), get(none))
            .route(&format!("{group}/namespaces/{{namespace}}/euiccactivations"), get(none))
            .route(&format!("{group}/namespaces/{{namespace}}/euiccactivations/{{name}}"), get(read));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        let cache = Cache::default();
        for object in shown {
            cache.index_mut().apply(Arc::new(serde_json::from_value(object.clone()).unwrap()));
        }
        Finder::new(Client::try_from(Config::new(url)).unwrap(), cache, vec![None])
    }

    async fn found(finder: &Finder) -> Option<String> {
        let device_ids = vec![DeviceId { kind: IdKind::Imei, id: IMEI.into() }];
        let request_id = Some("d1f08526-5443-4054-9a29-4456490ea9f8".into());
        let report = Report { request_id, device_ids, verdict: Verdict::Success, profile: Profile::default() };
        match finder.find("fleet", "verizon", &report).await.unwrap() {
            Found::Awaiting(object) => Some(key(&object).1),
            _ => None,
        }
    }

    #[tokio::test]
    async fn an_answer_reaches_the_one_that_waits_for_it_before_the_watch_has_shown_that_it_does() {
        let shown = [activation("fleet", "failed-before", Some("Failed")), activation("fleet", "new", None)];
        let finder = finder(&shown, &[("failed-before", Some("Failed")), ("new", Some("Accepted"))]).await;
        assert_eq!(found(&finder).await.as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn an_answer_to_somebody_elses_request_reaches_nobody() {
        let shown = [activation("fleet", "failed-before", Some("Failed")), activation("fleet", "new", None)];
        let finder = finder(&shown, &[("failed-before", Some("Failed")), ("new", None)]).await;
        assert_eq!(found(&finder).await, None);
    }

    #[tokio::test]
    async fn another_namespace_is_told_of_a_device_only_while_its_own_request_is_under_way() {
        let shown = [activation("guest", "late", Some("TimedOut")), activation("guest", "sent", None)];
        let now = &[("late", Some("TimedOut")), ("sent", Some("Accepted"))];
        assert_eq!(found(&finder(&shown, now).await).await.as_deref(), Some("sent"));
        assert_eq!(found(&finder(&shown[..1], now).await).await, None);
    }
}
