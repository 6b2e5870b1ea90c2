//! Watches on the Secrets that connections name, one by one: a changed Secret is picked up at once, and no other
//! Secret is ever read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::watch_object},
};
use tokio_util::sync::CancellationToken;

use super::{context::Context, links::Key};
use crate::api::ThingSpaceConnection;

/// The watches of all connections.
#[derive(Default)]
pub struct SecretWatches(Mutex<HashMap<Key, Watch>>);

struct Watch {
    names: Vec<String>,
    stop: CancellationToken,
}

impl SecretWatches {
    /// Watches what `connection` names now, and no more what it named before.
    pub fn keep(&self, connection: &ThingSpaceConnection, context: &Arc<Context>) {
        let key = (connection.namespace().unwrap_or_default(), connection.name_any());
        let spec = &connection.spec;
        let mut names = vec![spec.credentials_secret_ref.name.clone()];
        names.extend(spec.callback.iter().map(|c| c.credentials_secret_ref.name.clone()));
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.get(&key).is_some_and(|w| w.names == names) {
            return;
        }
        let stop = context.stop.child_token();
        for name in &names {
            let task = watch(key.clone(), name.clone(), Arc::clone(context));
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(task).await });
        }
        if let Some(old) = watches.insert(key, Watch { names, stop }) {
            old.stop.cancel();
        }
    }

    /// Ends the watches of a connection that is gone.
    pub fn end(&self, namespace: &str, name: &str) {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = watches.remove(&(namespace.to_owned(), name.to_owned())) {
            old.stop.cancel();
        }
    }
}

async fn watch((namespace, connection): Key, secret: String, context: Arc<Context>) {
    let api: Api<Secret> = Api::namespaced(context.clients.watches.clone(), &namespace);
    let versions = watch_object(api, &secret).backoff(watcher::DefaultBackoff::default());
    let mut versions = std::pin::pin!(versions);
    let mut seen = None;
    while let Some(found) = versions.next().await {
        let Ok(found) = found else { continue };
        let version = found.and_then(|s| s.resource_version());
        if seen.as_ref().is_some_and(|old| *old != version) {
            context.trigger_connection(&namespace, &connection);
        }
        seen = Some(version);
    }
}
