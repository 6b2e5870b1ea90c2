//! Whose turn it is to send, and when: the rate and in-flight limits of one connection, apart from reconcile workers,
//! so that a slow ThingSpace delays nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use tokio::sync::Notify;

use super::{context::Context, links::Link, queue::Queue, submit};
use crate::api::EuiccActivation;

/// The waiting line of one connection.
#[derive(Default)]
pub struct Dispatcher {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Dispatcher {
    /// Takes a place in the line, and says which, from 0; an activation that has one keeps it.
    pub fn enqueue(&self, object: &EuiccActivation) -> usize {
        let created = object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
        let (namespace, name) = object.key();
        let mut queue = self.queue();
        queue.push(&namespace, created, &name);
        let place = queue.place(&namespace, created, &name);
        drop(queue);
        self.wake();
        place
    }

    /// How many have a place.
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Something has changed: look again.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the line until the link or the process stops. What has been begun goes on.
pub async fn run(link: Arc<Link>, context: Arc<Context>) {
    tokio::select! {
        () = link.stop.cancelled() => {}
        () = serve(&link, &context) => {}
    }
}

async fn serve(link: &Arc<Link>, context: &Arc<Context>) {
    context.may_send.cancelled().await;
    link.pace.recall(|| context.sent_in_the_last_minute(&link.namespace, &link.name));
    loop {
        if link.dispatcher.waiting() == 0 || !link.is_ready() {
            link.dispatcher.changed.notified().await;
            continue;
        }
        let Ok(permit) = Arc::clone(&link.pace.in_flight).acquire_owned().await else { return };
        link.pace.turn().await;
        let Some(((namespace, name), since)) = link.dispatcher.queue().pop() else { continue };
        context.metrics.waited(since.elapsed());
        let (link, context) = (Arc::clone(link), Arc::clone(context));
        let tasks = context.tasks.clone();
        tasks.spawn(async move {
            context.metrics.in_flight().inc();
            submit::submit(&namespace, &name, &link, &context).await;
            context.metrics.in_flight().dec();
            drop(permit);
        });
    }
}
