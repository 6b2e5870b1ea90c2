//! Finds the activation of a message: in the index; and what the index does not know yet, in the API server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Api, Client, api::ListParams};

use super::{
    index::{Stand, is_under_way, names_one_of, waits},
    watch::Cache,
};
use crate::{
    activation::Report,
    api::EuiccActivation,
    cluster::{Key, Lean},
};

/// How long a message that nobody waits for is looked into. ThingSpace gives four seconds (contract 6.2).
const LOOK_AGAIN_FOR: Duration = Duration::from_millis(800);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(400);
/// How many activations of one device are read for a message: mostly there is one.
const READ_AT_MOST: usize = 8;

/// Whom a message is for.
pub enum Found {
    /// This one, as far as known.
    Awaiting(Arc<EuiccActivation>),
    /// One that is at its end, or gone: nothing more can come of it.
    Done,
    /// Nobody here: another system's request, or one whose resource is gone.
    Nobody,
    /// It cannot be said: the watch is interrupted, or too many activations name the device.
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

    /// By requestId; else by device, the one with a request under way, which the watch may not have shown yet (contract
    /// 9.4, 5: messages can be faster than the reply); else the one that has waited too long, or is to be sent again.
    async fn look(&self, namespace: &str, connection: &str, report: &Report) -> Result<Found, kube::Error> {
        let wanted = (namespace.to_owned(), connection.to_owned());
        if let Some(request_id) = &report.request_id {
            let known = self.cache.index().with_request(namespace, connection, request_id);
            match known.map(|(key, entry)| (key, entry.stand)) {
                Some((_, Stand::Waits(object))) => return Ok(Found::Awaiting(object)),
                Some((key, Stand::Rests)) => {
                    let fresh = self.read(&key, &wanted).await?.filter(|object| waits(object));
                    return Ok(fresh.map_or(Found::Done, Found::Awaiting));
                }
                Some((_, Stand::Done)) => return Ok(Found::Done),
                None => {}
            }
        }
        let (mut sent, mut others) = (Vec::new(), Vec::new());
        for (key, entry) in self.cache.index().with_device(namespace, connection, &report.device_ids) {
            match entry.stand {
                Stand::Waits(object) if is_under_way(&object) => sent.push(object),
                Stand::Waits(_) | Stand::Rests => others.push(key),
                Stand::Done => {}
            }
        }
        if let Some(object) = sent.into_iter().max_by_key(|o| claimed_at(o)) {
            return Ok(Found::Awaiting(object));
        }
        others.sort_unstable_by_key(|key| key.0 != namespace);
        let reads = others.iter().take(READ_AT_MOST).map(|key| self.read(key, &wanted));
        let fresh = futures::future::try_join_all(reads).await?.into_iter().flatten();
        let named = fresh.filter(|object| names_one_of(object, &report.device_ids));
        let (sent, waiting): (Vec<_>, Vec<_>) = named.filter(|object| waits(object)).partition(|o| is_under_way(o));
        if let Some(object) = sent.into_iter().max_by_key(|o| claimed_at(o)) {
            return Ok(Found::Awaiting(object));
        }
        if let Some(object) = self.ask(&wanted, report).await? {
            return Ok(Found::Awaiting(object));
        }
        // Whoever writes an activation may name any device and any connection, so one of another namespace is told of a
        // device only while a request of its own is under way: the controller has then checked that it is admitted, and
        // neither can be edited.
        let own = waiting.into_iter().filter(|object| object.metadata.namespace.as_deref() == Some(namespace));
        Ok(match own.max_by_key(|o| claimed_at(o)) {
            Some(object) => Found::Awaiting(object),
            None if others.len() > READ_AT_MOST => {
                let named_by = others.len();
                tracing::warn!(
                    namespace,
                    connection,
                    named_by,
                    "a callback is for nobody that was looked at, of too many activations that name its device; ThingSpace is asked to repeat it: delete those that are done with"
                );
                Found::Unclear
            }
            None => Found::Nobody,
        })
    }

    /// An activation of that connection as it is now.
    async fn read(&self, key: &Key, wanted: &Key) -> Result<Option<Arc<EuiccActivation>>, kube::Error> {
        let api: Api<Lean> = Api::namespaced(self.client.clone(), &key.0);
        let fresh = api.get_opt(&key.1).await?.map(EuiccActivation::from);
        Ok(fresh.filter(|object| object.connection_key() == *wanted).map(Arc::new))
    }

    /// Asks the API server for the activation with that requestId.
    async fn ask(&self, wanted: &Key, report: &Report) -> Result<Option<Arc<EuiccActivation>>, kube::Error> {
        let Some(request_id) = report.request_id.as_deref().filter(|id| is_selectable(id)) else { return Ok(None) };
        let selector = ListParams::default().fields(&format!("status.requestId={request_id}")).limit(2);
        for namespace in self.namespaces(&wanted.0, &wanted.1) {
            let api: Api<Lean> = match namespace {
                Some(namespace) => Api::namespaced(self.client.clone(), &namespace),
                None => Api::all(self.client.clone()),
            };
            let found = api.list(&selector).await?.items.into_iter().map(EuiccActivation::from);
            if let Some(object) = found.into_iter().find(|o| o.connection_key() == *wanted) {
                tracing::debug!(activation = object.key().1, "found by asking the API server");
                return Ok(Some(Arc::new(object)));
            }
        }
        Ok(None)
    }

    /// Where activations of a connection can be, as far as we may look: mostly in its own namespace.
    fn namespaces(&self, own: &str, connection: &str) -> Vec<Option<String>> {
        match self.cache.index().has_guests(own, connection) {
            true => self.namespaces.clone(),
            false => vec![Some(own.to_owned())],
        }
    }
}

/// Of several activations of one device, the one that was sent last.
fn claimed_at(object: &EuiccActivation) -> Option<jiff::Timestamp> {
    object.operation().map(|o| o.claimed_at.0)
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
    const REQUEST: &str = "d1f08526-5443-4054-9a29-4456490ea9f8";

    /// A name, and in which state the watch shows it and the API server has it.
    type Unit = (&'static str, [Option<&'static str>; 2]);

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

    /// Finds among what the watch has shown, and what the API server has.
    async fn finder(shown: &[Value], fleet: &[Unit]) -> Finder {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let fleet = Arc::new(fleet.to_vec());
        let read = async move |Path((namespace, name)): Path<(String, String)>| {
            let known = fleet.iter().find(|(known, _)| name.starts_with(known)).expect("it is known");
            Json(activation(&namespace, &name, known.1[1]))
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

    async fn found(finder: &Finder) -> String {
        let device_ids = vec![DeviceId { kind: IdKind::Imei, id: IMEI.into() }];
        let request_id = Some(REQUEST.into());
        let (verdict, verdict_of_deactivation) = (Verdict::Success, Verdict::Success);
        let report = Report { request_id, device_ids, verdict, verdict_of_deactivation, profile: Profile::default() };
        match finder.find("fleet", "verizon", &report).await.unwrap() {
            Found::Awaiting(object) => object.key().1,
            Found::Done => "done".into(),
            Found::Nobody => "nobody".into(),
            Found::Unclear => "unclear".into(),
        }
    }

    /// Whom an answer is for, given what the watch has shown and what is.
    async fn with(namespace: &str, fleet: &[Unit]) -> String {
        let shown: Vec<_> = fleet.iter().map(|(name, [shown, _])| activation(namespace, name, *shown)).collect();
        found(&finder(&shown, fleet).await).await
    }

    const NEW: Option<&str> = None;
    const ACCEPTED: Option<&str> = Some("Accepted");
    const FAILED: Option<&str> = Some("Failed");
    const RELEASED: Option<&str> = Some("Released");
    const TIMED_OUT: Option<&str> = Some("TimedOut");

    #[tokio::test]
    async fn an_answer_reaches_the_one_that_waits_for_it_before_the_watch_has_shown_that_it_does() {
        assert_eq!(with("fleet", &[("before", [FAILED, FAILED]), ("sent", [NEW, ACCEPTED])]).await, "sent");
        assert_eq!(with("fleet", &[("before", [RELEASED, RELEASED]), ("sent", [FAILED, ACCEPTED])]).await, "sent");
        assert_eq!(with("fleet", &[("before", [TIMED_OUT, TIMED_OUT]), ("sent", [NEW, ACCEPTED])]).await, "sent");
        assert_eq!(with("fleet", &[("before", [FAILED, RELEASED]), ("sent", [NEW, ACCEPTED])]).await, "sent");
    }

    #[tokio::test]
    async fn a_late_answer_reaches_the_one_that_has_waited_too_long() {
        assert_eq!(with("fleet", &[("new", [NEW, NEW]), ("late", [TIMED_OUT, TIMED_OUT])]).await, "late");
    }

    #[tokio::test]
    async fn an_answer_to_somebody_elses_request_reaches_nobody() {
        assert_eq!(with("fleet", &[("before", [FAILED, FAILED]), ("new", [NEW, NEW])]).await, "nobody");
    }

    #[tokio::test]
    async fn an_answer_is_asked_for_again_when_too_many_name_its_device_to_look_at_all() {
        let shown: Vec<_> = (0..=READ_AT_MOST).map(|n| activation("fleet", &format!("new-{n}"), NEW)).collect();
        assert_eq!(found(&finder(&shown, &[("new", [NEW, NEW])]).await).await, "unclear");
    }

    #[tokio::test]
    async fn another_namespace_is_told_of_a_device_only_while_its_own_request_is_under_way() {
        assert_eq!(with("guest", &[("late", [TIMED_OUT, TIMED_OUT]), ("sent", [NEW, ACCEPTED])]).await, "sent");
        assert_eq!(with("guest", &[("late", [TIMED_OUT, TIMED_OUT])]).await, "nobody");
        assert_eq!(with("guest", &[("before", [FAILED, TIMED_OUT])]).await, "nobody");
    }

    #[tokio::test]
    async fn an_answer_that_comes_again_to_one_that_has_failed_is_taken_unless_it_was_sent_anew() {
        for (now, whom) in [(FAILED, "done"), (ACCEPTED, "unit")] {
            let mut shown = activation("fleet", "unit", FAILED);
            shown["status"]["requestId"] = REQUEST.into();
            assert_eq!(found(&finder(&[shown], &[("unit", [FAILED, now])]).await).await, whom);
        }
    }
}
