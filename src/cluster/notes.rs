//! Kubernetes events: one a transition. kube's own recorder counts repetitions in memory; here a transition has one
//! name, so that telling it twice is telling it once, whoever tells it.

use std::{sync::Arc, time::Duration};

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
/// How long one of them may take: a dead connection must not silence all that follows.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes events, in the background: an event that cannot be published holds nothing up.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
    controller: &'static str,
    instance: String,
    tasks: TaskTracker,
    turns: Arc<Semaphore>,
}

impl Publisher {
    /// `controller` is the reporting controller, `instance` the pod. Shutdown waits for `tasks`.
    pub fn new(client: Client, controller: &'static str, instance: String, tasks: TaskTracker) -> Self {
        Self { client, controller, instance, tasks, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Publishes `note` about `object`.
    pub fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, note: &Note) {
        let event = self.event(object.object_ref(&()), object.meta().resource_version.as_deref(), note);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let turns = Arc::clone(&self.turns);
        self.tasks.spawn(async move {
            let _turn = turns.acquire().await; // never closed
            match tokio::time::timeout(PATIENCE, api.create(&PostParams::default(), &event)).await {
                Ok(Ok(_)) => {}
                Ok(Err(e)) if conflict(&e) => {} // told already
                Ok(Err(error)) => tracing::warn!(%error, event = event.reason, "cannot publish an event"),
                Err(_) => tracing::warn!(event = event.reason, "an event was given up: the API server does not answer"),
            }
        });
    }

    fn event(&self, regarding: ObjectReference, version: Option<&str>, note: &Note) -> Event {
        let seed =
            [regarding.uid.as_deref().unwrap_or_default(), version.unwrap_or_default(), note.reason, &note.message];
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.join("/").as_bytes()).simple().to_string();
        let name = regarding.name.clone().unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{}", &name[..name.len().min(200)], &id[..16])),
                namespace: regarding.namespace.clone(),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(Timestamp::now())),
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
