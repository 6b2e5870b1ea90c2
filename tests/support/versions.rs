//! Every version that an object ever had, as a watch tells them: what holds "at no moment" is asserted over them all.

use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, WatchEvent, WatchParams},
};
use serde_json::Value;

use super::{LONG, Namespace, eventually};

/// The versions of all objects of one kind in a namespace, from now on.
pub struct Versions(Arc<Mutex<Vec<Value>>>);

impl Versions {
    /// Begins to watch `plural`, for example `euiccactivations`.
    pub async fn of(namespace: &Namespace, kind: &str, plural: &str) -> Self {
        let resource = ApiResource {
            group: "euicc-operator.io".into(),
            version: "v1alpha1".into(),
            api_version: "euicc-operator.io/v1alpha1".into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource);
        let start = api.list(&Default::default()).await.unwrap().metadata.resource_version.unwrap();
        let seen = Arc::<Mutex<Vec<Value>>>::default();
        let mut events = api.watch(&WatchParams::default().timeout(290), &start).await.unwrap().boxed();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(Some(event)) = events.try_next().await {
                if let WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) = event {
                    all.lock().unwrap().push(serde_json::to_value(object).unwrap());
                }
            }
        });
        Self(seen)
    }

    /// Those of one object, oldest first.
    pub fn named(&self, name: &str) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter(|v| v["metadata"]["name"] == name).cloned().collect()
    }

    /// Waits until the present version of an object is as wanted, and returns all up to that one.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        eventually(&format!("{name}: {what}"), LONG, async || match self.named(name) {
            all if all.last().is_some_and(&wanted) => Ok(all),
            all => Err(all.last().cloned()),
        })
        .await
    }
}
