//! Kubernetes events: one a transition. kube's own recorder counts repetitions in memory; here a transition has one
//! name, so that telling it twice is telling it once, whoever tells it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, Resource, api::PostParams, core::ObjectMeta};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::conflict;
use crate::activation::{Note, Severity};

/// Events on their way at the same time: few, for the statuses that a crowd waits for come before what is told of them.
const AT_ONCE: usize = 2;
/// How long one of them may take: a dead connection must not silence all that follows. And how old one may be that a
/// process still tells when it is to stop: it holds its lease meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes events, in the background: an event that cannot be published holds nothing up.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
    controller: &'static str,
    instance: String,
    tasks: TaskTracker,
    turns: Arc<Semaphore>,
    patience: Duration,
}

/// An event that waits for its turn.
struct Untold {
    regarding: ObjectReference,
    version: Option<String>,
    note: Note,
    at: Timestamp,
    since: Instant,
}

impl Publisher {
    /// `controller` is the reporting controller, `instance` the pod. Shutdown waits for `tasks`.
    pub fn new(client: Client, controller: &'static str, instance: String, tasks: TaskTracker) -> Self {
        Self { client, controller, instance, tasks, turns: Arc::new(Semaphore::new(AT_ONCE)), patience: PATIENCE }
    }

    /// Publishes `note` about `object`.
    pub fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, note: &Note) {
        let (regarding, version) = (object.object_ref(&()), object.meta().resource_version.clone());
        let untold = Untold { regarding, version, note: note.clone(), at: Timestamp::now(), since: Instant::now() };
        let (this, untold) = (self.clone(), Box::new(untold));
        self.tasks.spawn(async move {
            let _turn = this.turns.acquire().await; // never closed
            // In a box of its own, made now: thousands may wait, and the request takes more than all else of an event.
            Box::pin(this.tell(*untold)).await;
        });
    }

    async fn tell(&self, untold: Untold) {
        let reason = untold.note.reason;
        if self.tasks.is_closed() && untold.since.elapsed() > self.patience {
            tracing::warn!(event = reason, "an event was given up: too many wait, and the process is to stop");
            return;
        }
        let event = self.event(untold);
        let api: Api<Event> =
            Api::namespaced(self.client.clone(), event.metadata.namespace.as_deref().unwrap_or_default());
        match tokio::time::timeout(self.patience, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => {}
            Ok(Err(e)) if conflict(&e) => {} // told already
            Ok(Err(error)) => tracing::warn!(%error, event = reason, "cannot publish an event"),
            Err(_) => tracing::warn!(event = reason, "an event was given up: the API server does not answer"),
        }
    }

    fn event(&self, Untold { regarding, version, note, at, .. }: Untold) -> Event {
        let seed = [
            regarding.uid.as_deref().unwrap_or_default(),
            version.as_deref().unwrap_or_default(),
            note.reason,
            &note.message,
        ];
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.join("/").as_bytes()).simple().to_string();
        let name = regarding.name.clone().unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{}", &name[..name.len().min(200)], &id[..16])),
                namespace: regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(at)),
            type_: Some(match note.severity {
                Severity::Normal => "Normal".into(),
                Severity::Warning => "Warning".into(),
            }),
            reason: Some(note.reason.into()),
            note: Some(note.message.chars().take(1024).collect()),
            action: Some("Activate".into()),
            regarding: Some(regarding),
            reporting_controller: Some(self.controller.into()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Config;

    use super::*;

    #[tokio::test]
    async fn a_process_that_is_to_stop_does_not_wait_for_a_long_line_of_events() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap(); // takes connections, and never answers
        let config = Config::new(format!("http://{}", silent.local_addr().unwrap()).parse().unwrap());
        let tasks = TaskTracker::new();
        let publisher =
            Publisher::new(Client::try_from(config).unwrap(), "euicc-operator", "pod".into(), tasks.clone());
        let publisher = Publisher { patience: Duration::from_millis(100), ..publisher };
        let (object, note) = told();
        for _ in 0..1000 {
            publisher.publish(&object, &note);
        }
        tasks.close();
        tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.expect("two at a time, they take 50 s");
    }

    #[tokio::test]
    async fn an_event_that_waits_for_its_turn_takes_less_than_a_kilobyte() {
        const CROWD: usize = 1000;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let publisher = Publisher::new(client, "euicc-operator", "pod".into(), TaskTracker::new());
        let _turns = publisher.turns.acquire_many(AT_ONCE as u32).await.unwrap(); // so that all wait
        let (object, note) = told();
        let used = allocation_counter::measure(|| (0..CROWD).for_each(|_| publisher.publish(&object, &note)));
        let each = used.bytes_current / CROWD as i64;
        assert!((1..1000).contains(&each), "{each} bytes");
    }

    fn told() -> (ConfigMap, Note) {
        let named = |name: &str| Some(name.to_owned());
        let metadata = ObjectMeta { name: named("forklift"), namespace: named("fleet"), ..ObjectMeta::default() };
        let object = ConfigMap { metadata, ..ConfigMap::default() };
        let message = "The device is active; its phone number (MDN) is 5550000004.".into();
        (object, Note { severity: Severity::Normal, reason: "Activated", message })
    }
}
