//! From watches to reconciliations: one watch, one store and one queue for each kind and watched namespace.

use std::{fmt::Debug, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        controller::{Action, Config, ReconcileRequest, applier},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    activations, connections,
    context::{Context, Watched},
    unlisted::Kind,
};
use crate::{
    api::{EuiccActivation, ThingSpaceConnection},
    cluster::{Lean, PAGE, read},
    telemetry::Reconciled,
};

/// Reconciliations of one kind at the same time.
const CONCURRENCY: u16 = 32;
/// How soon a reconciliation that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Reconciles both kinds in every namespace until `stop`.
pub async fn run(context: Arc<Context>, namespaces: &[Option<String>], stop: &CancellationToken) {
    let (mut all, mut listed, mut known) = (Vec::new(), Vec::new(), Vec::new());
    let feeds: Vec<_> = namespaces
        .iter()
        .map(|namespace| {
            let connections =
                Feed::<ThingSpaceConnection, ThingSpaceConnection>::new(&context.clients.watches, namespace.clone());
            let activations = Feed::<EuiccActivation, Lean>::new(&context.clients.watches, namespace.clone());
            context.add_connections(connections.watched());
            context.add_activations(activations.watched());
            listed.push(activations.listed.clone());
            known.push(connections.tried.clone());
            (connections, activations)
        })
        .collect();
    for (connections, activations) in feeds {
        let known = all_of(known.clone());
        let (first, second) = (Arc::clone(&context), Arc::clone(&context));
        let end = stop.clone();
        let hooks = Hooks { kind: Kind::Connections, before: |_, _, _| true, after: connections::seen };
        let connections = connections.run("thingspaceconnection", connections::reconcile, hooks, first, end.clone());
        all.push(tokio::spawn(connections));
        all.push(tokio::spawn(async move {
            // Whether a connection exists, in whichever namespace, cannot be said before they are listed, or cannot be.
            tokio::select! {
                () = end.cancelled() => return,
                () = known => {}
            }
            let hooks = Hooks { kind: Kind::Activations, before: activations::seen, after: activations::let_go };
            activations.run("euiccactivation", activations::reconcile, hooks, second, end).await;
        }));
    }
    // Nothing is sent before it is known which activation has which device.
    let may_send = context.may_send.clone();
    tokio::spawn(async move {
        all_of(listed).await;
        may_send.cancel();
    });
    futures::future::join_all(all).await;
}

async fn all_of(tokens: Vec<CancellationToken>) {
    for token in tokens {
        token.cancelled().await;
    }
}

/// What else a watch's events are for.
struct Hooks<K> {
    kind: Kind,
    /// Called before the store has an event. Says whether the object is to be in the store, and reconciled.
    before: fn(&watcher::Event<K>, Option<&str>, &Context) -> bool,
    /// Called when it has it.
    after: fn(&watcher::Event<K>, Option<&str>, &Context),
}

/// One kind in one namespace, or in all.
struct Feed<K, W>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    /// As what they are read.
    api: Api<W>,
    namespace: Option<String>,
    store: Store<K>,
    /// Cancelled when everything has been listed once. (The store's own waiting wakes one waiter only.)
    listed: CancellationToken,
    /// Cancelled when it has been listed, or could not be.
    tried: CancellationToken,
    writer: reflector::store::Writer<K>,
    trigger: mpsc::UnboundedSender<ObjectRef<K>>,
    triggered: mpsc::UnboundedReceiver<ObjectRef<K>>,
}

impl<K, W> Feed<K, W>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
    W: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Into<K>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    fn new(client: &Client, namespace: Option<String>) -> Self {
        let api = match &namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let (store, writer) = reflector::store();
        let (trigger, triggered) = mpsc::unbounded_channel();
        let (listed, tried) = (CancellationToken::new(), CancellationToken::new());
        Self { api, namespace, store, listed, tried, writer, trigger, triggered }
    }

    fn watched(&self) -> Watched<K> {
        Watched { namespace: self.namespace.clone(), store: self.store.clone(), trigger: self.trigger.clone() }
    }

    async fn run<F, E>(
        self,
        controller: &'static str,
        reconcile: impl Fn(Arc<K>, Arc<Context>) -> F + Clone + Send + Sync + 'static,
        hooks: Hooks<K>,
        context: Arc<Context>,
        stop: CancellationToken,
    ) where
        F: Future<Output = Result<Action, E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let Self { api, namespace, store, writer, listed, tried, mut triggered, .. } = self;
        let (keeping, watching, failing) = (Arc::clone(&context), Arc::clone(&context), Arc::clone(&context));
        let (scope, unlisted) = (namespace.clone(), namespace.clone());
        let (complete, not_yet) = (listed.clone(), listed.clone());
        let (tried_well, tried_in_vain) = (tried.clone(), tried);
        let workqueue = context.metrics.workqueues().queue(controller, CONCURRENCY);
        let (queued, begun) = (Arc::clone(&workqueue), Arc::clone(&workqueue));
        let changed = watcher(api, watcher::Config::default().page_size(PAGE))
            .default_backoff()
            .map_ok(read)
            .modify(|object: &mut K| object.meta_mut().managed_fields = None)
            .try_filter_map(move |event| {
                let kept = (hooks.before)(&event, scope.as_deref(), &keeping);
                std::future::ready(Ok(if kept { Some(event) } else { without(event) }))
            })
            .reflect(writer)
            .inspect_ok(move |event| {
                (hooks.after)(event, namespace.as_deref(), &watching);
                if matches!(event, watcher::Event::InitDone) {
                    complete.cancel();
                    tried_well.cancel();
                    if watching.unlisted.remove(hooks.kind, namespace.as_deref()) {
                        watching.trigger_all();
                    }
                }
            })
            .touched_objects()
            .inspect_err(move |error| {
                tracing::warn!(%error, controller, namespace = unlisted, "a watch was interrupted and is resumed");
                tried_in_vain.cancel();
                if !not_yet.is_cancelled() && failing.unlisted.add(hooks.kind, unlisted.as_deref(), error) {
                    failing.trigger_all();
                }
            })
            .filter_map(|found| std::future::ready(found.ok().map(|object| ObjectRef::from_obj(&object))));
        let asked = stream::poll_fn(move |cx| triggered.poll_recv(cx));
        let queue = stream::select(changed, asked)
            .inspect(move |key| queued.added(key.namespace.as_deref(), &key.name))
            .map(|key| Ok::<_, watcher::Error>(ReconcileRequest::from(key)))
            .take_until(stop.clone().cancelled_owned());
        let reconciler = move |object: Arc<K>, context: Arc<Context>| {
            let (reconcile, meta) = (reconcile.clone(), object.meta());
            let work = begun.begun(meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default());
            async move {
                // A panic would end the stream for all objects.
                let done = AssertUnwindSafe(reconcile(object, context)).catch_unwind().await;
                let (how, answer) = match done {
                    Ok(Ok(action)) if action == Action::await_change() => (Reconciled::Done, Ok(action)),
                    Ok(Ok(action)) => (Reconciled::Again, Ok(action)),
                    Ok(Err(error)) => (Reconciled::Failed, Err(Failed(error.to_string()))),
                    Err(_) => {
                        let bug = "a bug: the reconciliation panicked; please report it";
                        (Reconciled::Panicked, Err(Failed(bug.into())))
                    }
                };
                work.ended(how);
                answer
            }
            .boxed()
        };
        let retry = |_: Arc<K>, _: &Failed, _: Arc<Context>| Action::requeue(RETRY);
        let config = Config::default().concurrency(CONCURRENCY);
        // A stop before the first list: the runner would wait for a list that nobody reads any more.
        let stopped_early = async {
            stop.cancelled().await;
            if listed.is_cancelled() {
                std::future::pending().await
            }
        };
        let done = applier(reconciler, retry, Arc::clone(&context), store, queue, config).take_until(stopped_early);
        let mut done = std::pin::pin!(done);
        while let Some(done) = done.next().await {
            use kube::runtime::controller::Error;
            match done {
                Ok(_) => {}
                Err(Error::ObjectNotFound(key)) => workqueue.gone(key.namespace.as_deref(), &key.name), // before its turn
                Err(error) => tracing::warn!(%error, controller, "a reconciliation failed and is tried again"),
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

/// The event for a store that is not to have its object.
fn without<K>(event: watcher::Event<K>) -> Option<watcher::Event<K>> {
    match event {
        watcher::Event::Apply(object) => Some(watcher::Event::Delete(object)),
        watcher::Event::InitApply(_) => None,
        other => Some(other),
    }
}
