//! Watches on the Secrets and ConfigMaps that connections name, one by one: a changed one is picked up at once, and no
//! other one is ever read.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::watch_object},
};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::{api::ThingSpaceConnection, cluster::Key};

/// The watches of all connections.
#[derive(Default)]
pub struct SecretWatches(Mutex<HashMap<Key, Watch>>);

struct Watch {
    objects: Vec<Object>,
    stop: CancellationToken,
}

#[derive(Clone, PartialEq, Eq)]
enum Object {
    Secret(String),
    ConfigMap(String),
}

impl SecretWatches {
    /// Watches what `connection` names now, and no more what it named before.
    pub fn keep(&self, connection: &ThingSpaceConnection, context: &Arc<Context>) {
        let key = connection.key();
        let objects = objects(connection);
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.get(&key).is_some_and(|w| w.objects == objects) {
            return;
        }
        let stop = context.stop.child_token();
        for object in objects.clone() {
            let (key, context) = (key.clone(), Arc::clone(context));
            let task: BoxFuture<'static, ()> = match object {
                Object::Secret(name) => watch::<Secret>(key, name, context).boxed(),
                Object::ConfigMap(name) => watch::<ConfigMap>(key, name, context).boxed(),
            };
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(task).await });
        }
        if let Some(old) = watches.insert(key, Watch { objects, stop }) {
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

fn objects(connection: &ThingSpaceConnection) -> Vec<Object> {
    let spec = &connection.spec;
    let mut objects = vec![Object::Secret(spec.credentials_secret_ref.name.clone())];
    objects.extend(spec.callback.iter().map(|c| Object::Secret(c.credentials_secret_ref.name.clone())));
    if let Some(bundle) = &spec.ca_bundle {
        objects.extend(bundle.secret_key_ref.iter().map(|r| Object::Secret(r.name.clone())));
        objects.extend(bundle.config_map_key_ref.iter().map(|r| Object::ConfigMap(r.name.clone())));
    }
    objects
}

async fn watch<K>((namespace, connection): Key, name: String, context: Arc<Context>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let api: Api<K> = Api::namespaced(context.clients.watches.clone(), &namespace);
    let versions = watch_object(api, &name).backoff(watcher::DefaultBackoff::default());
    let mut versions = std::pin::pin!(versions);
    let mut seen = None;
    while let Some(found) = versions.next().await {
        let Ok(found) = found else { continue };
        let version = found.and_then(|s| s.resource_version());
        // The first one too: it may be newer than what was read before the watch began.
        if seen.as_ref() != Some(&version) {
            context.trigger_connection(&namespace, &connection);
        }
        seen = Some(version);
    }
}
