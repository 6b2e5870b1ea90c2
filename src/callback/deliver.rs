//! Writes messages onto an activation. Messages that come while one is being written share the next write, so that a
//! hundred devices of one resource cost a handful of writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{
    activation::{Event, Report},
    api::{EuiccActivation, OperationState},
    cluster::{Key, RecordError, Recorded, Recorder},
};

/// How long a message waits for the id of a request that is just being sent: not longer than ThingSpace may.
const ID_WITHIN: Duration = Duration::from_millis(1200);
/// How often that is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// What became of a message.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// The API server has it, in this version.
    Recorded(Arc<EuiccActivation>),
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
        let key = object.key();
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
                    object = Arc::clone(&newer);
                    Delivered::Recorded(newer)
                }
                Ok(Recorded::Unchanged(..)) => Delivered::Unchanged,
                Ok(Recorded::Gone) => Delivered::Gone,
                Err(error) => {
                    tracing::warn!(%error, namespace = key.0, activation = key.1, "a callback cannot be recorded; ThingSpace is asked to repeat it");
                    Delivered::Unavailable
                }
            };
            for answer in answers {
                let _ = answer.send(delivered.clone());
            }
        }
    }

    /// What the cache holds may be old, so that "nothing new" is believed of the API server's own version only; and not
    /// while a request is being sent, for the message may be about that one, whose id is not known yet.
    async fn write(&self, object: Arc<EuiccActivation>, events: &[Event]) -> Result<Recorded, Undelivered> {
        let mut recorded = self.recorder.record_all(object, events).await?;
        let deadline = Instant::now() + ID_WITHIN;
        loop {
            let Recorded::Unchanged(known, _) = recorded else { return Ok(recorded) };
            let Some(fresh) = self.recorder.fresh(&known).await? else { return Ok(Recorded::Gone) };
            recorded = self.recorder.record_all(fresh, events).await?;
            match &recorded {
                Recorded::Unchanged(seen, _) if is_being_sent(seen) => {}
                _ => return Ok(recorded),
            }
            if Instant::now() >= deadline {
                return Err(Undelivered::Undecided);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A message could not be written.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("it may be about the request that is just being sent")]
    Undecided,
}

fn is_being_sent(object: &EuiccActivation) -> bool {
    let operation = object.operation();
    operation.is_some_and(|o| o.state == OperationState::Claimed)
}
