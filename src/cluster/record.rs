//! The one way a status is written: advance the newest state, and write only if nobody wrote in between.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use kube::{
    Api, Client,
    api::PostParams,
    core::{ObjectMeta, Request, Resource},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Lean, Publisher};
use crate::{
    activation::{Effect, Event, Policy, Subject, Transition, advance},
    api::{ActivationStatus, EuiccActivation},
    fault_points::fault_point,
    telemetry::Telemetry,
};

/// Writes on their way at the same time. More would not be sooner done, and an API server that is kept so busy tells its
/// watchers seconds late, us among them.
const AT_ONCE: usize = 16;
/// How long one of them has others wait: a dead connection must not hold up all.
const TURN: Duration = Duration::from_secs(2);
/// How often a write may lose the race before the caller is told.
const ATTEMPTS: u32 = 16;

/// Feeds events to the state machine and writes what comes out.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    publisher: Publisher,
    policy: Policy,
    telemetry: Telemetry,
    turns: Arc<Semaphore>,
}

/// What became of an event.
#[derive(Debug)]
pub enum Recorded {
    /// It changed the status, and the API server has it.
    Written(Arc<EuiccActivation>, Transition),
    /// It changed nothing.
    Unchanged(Arc<EuiccActivation>, Transition),
    /// The resource is gone, or another one has its name.
    Gone,
}

impl Recorded {
    /// The effects that are left to do: events are published already.
    pub fn into_effects(self) -> Vec<Effect> {
        match self {
            Self::Written(_, t) | Self::Unchanged(_, t) => t.effects,
            Self::Gone => Vec::new(),
        }
    }
}

/// A status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The API server said no, or could not be reached.
    #[error("the Kubernetes API server did not take the status: {0}")]
    Api(#[source] kube::Error),
    /// Others wrote faster, again and again.
    #[error("the status was changed by others {ATTEMPTS} times in a row while it was being written")]
    Contended,
}

/// A write of the status subresource: the API server takes nothing but status from it, so nothing else is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusWrite<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    status: &'a ActivationStatus,
}

/// What is read of the API server's answer.
#[derive(Deserialize)]
struct Taken {
    metadata: Version,
    status: ActivationStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

impl Recorder {
    /// Writes through `client`; events go to `publisher`, and what else is told to `telemetry`.
    pub fn new(client: Client, publisher: Publisher, policy: Policy, telemetry: Telemetry) -> Self {
        Self { client, publisher, policy, telemetry, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// How patient the state machine is.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Advances `known` by `event` and writes the result; when somebody else wrote in between, reads and advances again.
    ///
    /// # Errors
    /// When the API server does not take the write. Nothing is known to have been written then.
    pub async fn record(&self, known: Arc<EuiccActivation>, event: &Event) -> Result<Recorded, RecordError> {
        self.record_all(known, std::slice::from_ref(event)).await
    }

    /// As [`Recorder::record`], for several events in one write.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub async fn record_all(&self, known: Arc<EuiccActivation>, events: &[Event]) -> Result<Recorded, RecordError> {
        let (uid, began) = (known.meta().uid.clone(), SystemTime::now());
        let (api, none) = (self.api(&known), ActivationStatus::default());
        let mut object = known;
        for _ in 0..ATTEMPTS {
            let transition = self.fold(&object, events);
            let before = object.status.as_ref().unwrap_or(&none);
            if transition.status == *before {
                self.publish(&object, &transition);
                return Ok(Recorded::Unchanged(object, without_notes(transition)));
            }
            match self.write(&object, &transition.status).await {
                Ok(taken) => {
                    // Nobody came in between, so the rest is as it was.
                    let written = Arc::new(EuiccActivation {
                        metadata: ObjectMeta {
                            resource_version: taken.metadata.resource_version,
                            ..object.metadata.clone()
                        },
                        spec: object.spec.clone(),
                        status: Some(taken.status),
                    });
                    self.telemetry.wrote(&written, before, began);
                    self.publish(&written, &transition);
                    return Ok(Recorded::Written(written, without_notes(transition)));
                }
                Err(e) if conflict(&e) => {}
                Err(e) if not_found(&e) => return Ok(Recorded::Gone),
                Err(e) => return Err(RecordError::Api(e)),
            }
            match api.get_opt(&object.metadata.name.clone().unwrap_or_default()).await {
                Ok(Some(fresh)) if fresh.meta().uid == uid => object = Arc::new(fresh.into()),
                Ok(_) => return Ok(Recorded::Gone),
                Err(e) => return Err(RecordError::Api(e)),
            }
        }
        Err(RecordError::Contended)
    }

    /// What the API server has now; `None` when it is gone or another resource has its name.
    ///
    /// # Errors
    /// When the API server cannot say.
    pub async fn fresh(&self, known: &EuiccActivation) -> Result<Option<Arc<EuiccActivation>>, RecordError> {
        let name = known.metadata.name.clone().unwrap_or_default();
        let found = self.api(known).get_opt(&name).await.map_err(RecordError::Api)?;
        Ok(found.filter(|f| f.meta().uid == known.metadata.uid).map(|f| Arc::new(f.into())))
    }

    fn api(&self, object: &EuiccActivation) -> Api<Lean> {
        Api::namespaced(self.client.clone(), object.metadata.namespace.as_deref().unwrap_or_default())
    }

    fn fold(&self, object: &EuiccActivation, events: &[Event]) -> Transition {
        let (now, none) = (Timestamp::now(), ActivationStatus::default());
        let mut done: Option<Transition> = None;
        for event in events {
            let status = done.as_ref().map(|d| &d.status).or(object.status.as_ref()).unwrap_or(&none);
            let mut next = advance(Subject::from(object), status, event, now, &self.policy);
            next.effects.splice(0..0, done.map(|d| d.effects).unwrap_or_default());
            done = Some(next);
        }
        let as_it_is = || object.status.clone().unwrap_or_default();
        done.unwrap_or_else(|| Transition { status: as_it_is(), effects: Vec::new(), wake_at: None })
    }

    async fn write(&self, object: &EuiccActivation, status: &ActivationStatus) -> Result<Taken, kube::Error> {
        let meta = &object.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let write = StatusWrite {
            api_version: "euicc-operator.io/v1alpha1",
            kind: "EuiccActivation",
            metadata: ObjectMeta {
                name: meta.name.clone(),
                namespace: meta.namespace.clone(),
                uid: meta.uid.clone(),
                resource_version: meta.resource_version.clone(),
                ..ObjectMeta::default()
            },
            status,
        };
        let state = || status.operation.as_ref().map_or("none".to_owned(), |o| format!("{:?}", o.state));
        fault_point(|| format!("write.{}.before", state()));
        let request = Request::new(EuiccActivation::url_path(&(), meta.namespace.as_deref()));
        let body = serde_json::to_vec(&write).map_err(kube::Error::SerdeError)?;
        let request = request.replace_subresource("status", &name, &PostParams::default(), body);
        let turn = self.turns.acquire().await; // never closed
        let mut writing = pin!(self.client.request(request.map_err(kube::Error::BuildRequest)?));
        let in_time = tokio::time::timeout(TURN, &mut writing).await;
        drop(turn);
        let written = match in_time {
            Ok(written) => written,
            Err(_) => writing.await,
        };
        fault_point(|| format!("write.{}.after", state()));
        written
    }

    fn publish(&self, object: &EuiccActivation, transition: &Transition) {
        for effect in &transition.effects {
            if let Effect::Tell(note) = effect {
                self.publisher.publish(object, note);
            }
        }
    }
}

fn without_notes(mut transition: Transition) -> Transition {
    transition.effects.retain(|e| !matches!(e, Effect::Tell(_)));
    transition
}

/// Whether somebody else wrote first.
pub fn conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether the same call may work later: the API server is busy, restarting, or out of reach.
pub fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::Service(_) | kube::Error::HyperError(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Json, Router, extract::State, routing::put};
    use kube::Config;
    use serde_json::{Value, json};
    use tokio::sync::Barrier;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::telemetry::{Metrics, Traces};

    /// How many writes are on their way, and how many were at most.
    struct Seen {
        now: AtomicUsize,
        most: AtomicUsize,
        crowd: Barrier,
    }

    /// An API server that takes statuses and nothing else: of those named `crowd` so many together, of `stuck` none.
    async fn take(State(seen): State<Arc<Seen>>, Json(mut object): Json<Value>) -> Json<Value> {
        seen.most.fetch_max(seen.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        match object["metadata"]["name"].as_str() {
            Some("stuck") => std::future::pending().await,
            Some("crowd") => {
                seen.crowd.wait().await;
                tokio::time::sleep(Duration::from_millis(20)).await; // were there one more, it would be seen
            }
            _ => {}
        }
        seen.now.fetch_sub(1, Ordering::SeqCst);
        object["metadata"]["resourceVersion"] = "2".into();
        Json(object)
    }

    async fn recorder() -> (Recorder, Arc<Seen>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let seen = Seen { now: AtomicUsize::new(0), most: AtomicUsize::new(0), crowd: Barrier::new(AT_ONCE) };
        let seen = Arc::new(seen);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(put(take)).with_state(Arc::clone(&seen));
        tokio::spawn(axum::serve(listener, router).into_future());
        let client = Client::try_from(Config::new(url)).unwrap();
        let publisher = Publisher::new(client.clone(), "euicc-operator", "pod".into(), TaskTracker::new());
        let telemetry = Telemetry { metrics: Arc::new(Metrics::of_callback()), traces: Traces::default() };
        (Recorder::new(client, publisher, Policy::default(), telemetry), seen)
    }

    async fn claim(recorder: &Recorder, name: &str) {
        let object: EuiccActivation = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "fleet", "uid": name, "resourceVersion": "1", "generation": 1},
            "spec": {"connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": []},
        }))
        .unwrap();
        let recorded =
            recorder.record(Arc::new(object), &Event::Claim { operation_id: "o".into(), generation: 1 }).await;
        assert!(matches!(recorded, Ok(Recorded::Written(..))), "{recorded:?}");
    }

    #[tokio::test]
    async fn a_crowd_does_not_swamp_the_api_server_with_writes() {
        let (recorder, seen) = recorder().await;
        futures::future::join_all((0..5 * AT_ONCE).map(|_| claim(&recorder, "crowd"))).await;
        assert_eq!(seen.most.load(Ordering::SeqCst), AT_ONCE, "as many as may be, and no more");
    }

    #[tokio::test]
    async fn writes_that_are_never_answered_do_not_hold_up_all_others() {
        let (recorder, _) = recorder().await;
        let stuck = futures::future::join_all((0..AT_ONCE).map(|_| claim(&recorder, "stuck")));
        let other = tokio::time::timeout(10 * TURN, claim(&recorder, "forklift"));
        tokio::select! {
            biased; // they come first
            _ = stuck => panic!("nobody answered"),
            done = other => done.expect("its turn comes"),
        }
    }
}
