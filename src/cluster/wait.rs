//! Waiting for what is not there yet, and saying so, instead of crashing.

use std::time::Duration;

use kube::{Api, Client, CustomResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::is_transient;
use crate::{
    api::{EuiccActivation, ThingSpaceConnection},
    telemetry::Readiness,
};

const PAUSE: Duration = Duration::from_secs(2);

/// Returns when both kinds are served, as one of the namespaces shows; until then `/readyz` says what is missing and what
/// to do.
pub async fn wait_for_crds(client: &Client, namespaces: &[Option<String>], readiness: &Readiness) {
    wait_for::<EuiccActivation>(client, namespaces, readiness).await;
    wait_for::<ThingSpaceConnection>(client, namespaces, readiness).await;
}

async fn wait_for<K>(client: &Client, namespaces: &[Option<String>], readiness: &Readiness)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + CustomResourceExt
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    // One that may not be listed says nothing of the others.
    for namespace in namespaces.iter().cycle() {
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let why = match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 => format!(
                "the CustomResourceDefinition {} is not installed; waiting for it: kubectl apply -f crds/, or install the \
                 chart euicc-operator-crds",
                K::crd_name()
            ),
            Err(error) if is_transient(&error) => format!("the Kubernetes API server cannot be reached: {error}"),
            Err(error) => format!("{} cannot be listed: {error}", K::crd_name()),
        };
        readiness.not_ready(why);
        tokio::time::sleep(PAUSE).await;
    }
}
