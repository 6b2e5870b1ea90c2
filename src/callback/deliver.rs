//! Writes messages onto an activation. Messages that come while one is being written share the next write, so that a
//! hundred devices of one resource cost a handful of writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::index::{Key, key};
use crate::{
    activation::{Event, Report},
    api::EuiccActivation,
    cluster::{RecordError, Recorded, Recorder},
};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The API server has it.
    Recorded,
    /// It says nothing new.
    Unchanged,
    /// The resource is gone.
    Gone,
    /// The API server did not take it.
    Unavailable,
}

struct Waiting {
    event: Event,
    answer: oneshot::Sender<Delivered>,
}

/// Messages on their way to the API server, by activation.
#[derive(Clone)]
pub struct Deliveries {
    recorder: Recorder,
    tasks: TaskTracker,
    waiting: Arc<Mutex<HashMap<Key, Vec<Waiting>>>>,
}

impl Deliveries {
    pub fn new(recorder: Recorder, tasks: TaskTracker) -> Self {
        Self { recorder, tasks, waiting: Arc::default() }
    }

    /// Returns when the message has been written, or cannot be.
    pub async fn deliver(&self, object: Arc<EuiccActivation>, report: Report) -> Delivered {
        let (answer, answered) = oneshot::channel();
        let key = key(&object);
        let mine = Waiting { event: Event::Callback(Box::new(report)), answer };
        let is_first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = !waiting.contains_key(&key);
            waiting.entry(key.clone()).or_default().push(mine);
            is_first
        };
        if is_first {
            // A task of its own: whoever hangs up must not take the others' messages along.
            let this = self.clone();
            self.tasks.spawn(async move { this.write_all(key, object).await });
        }
        answered.await.unwrap_or(Delivered::Unavailable)
    }

    async fn write_all(&self, key: Key, mut object: Arc<EuiccActivation>) {
        loop {
            let batch = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                match waiting.get_mut(&key) {
                    Some(batch) if !batch.is_empty() => std::mem::take(batch),
                    _ => {
                        waiting.remove(&key);
                        return;
                    }
                }
            };
            let (events, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.event, w.answer)).unzip();
            let delivered = match self.write(Arc::clone(&object), &events).await {
                Ok(Recorded::Written(newer, _)) => {
                    object = newer;
                    Delivered::Recorded
                }
                Ok(Recorded::Unchanged(..)) => Delivered::Unchanged,
                Ok(Recorded::Gone) => Delivered::Gone,
                Err(error) => {
                    tracing::warn!(%error, activation = key.1, "a callback cannot be recorded; ThingSpace is asked to repeat it");
                    Delivered::Unavailable
                }
            };
            for answer in answers {
                let _ = answer.send(delivered);
            }
        }
    }

    /// What the cache holds may be old, so that "nothing new" is believed of the API server's own version only.
    async fn write(&self, object: Arc<EuiccActivation>, events: &[Event]) -> Result<Recorded, RecordError> {
        match self.recorder.record_all(object, events).await? {
            Recorded::Unchanged(old, _) => match self.recorder.fresh(&old).await? {
                Some(fresh) => self.recorder.record_all(fresh, events).await,
                None => Ok(Recorded::Gone),
            },
            recorded => Ok(recorded),
        }
    }
}
