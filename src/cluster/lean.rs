//! An activation as both processes read it: without what no decision needs. That is most of it (managed fields alone are
//! half), and leaving it out here means that it is not even parsed.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Resource,
    core::{NamespaceResourceScope, ObjectMeta},
    runtime::watcher::Event,
};
use serde::Deserialize;

use crate::api::{ActivationStatus, EuiccActivation, EuiccActivationSpec, RETRY_ANNOTATION};

/// Objects in one page of a list: what is read at once is in memory at once. But for each page the API server counts what
/// is left: a hundred thousand take half as long again in pages of a hundred.
pub const PAGE: u32 = 250;

/// An activation, without most of its metadata.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "self::Wire")]
pub struct Lean(EuiccActivation);

#[derive(Deserialize)]
struct Wire {
    metadata: Meta,
    spec: EuiccActivationSpec,
    #[serde(default)]
    status: Option<ActivationStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "euicc-operator.io/retry")]
    retry: Option<String>,
}

impl From<Wire> for Lean {
    fn from(Wire { metadata: meta, spec, status }: Wire) -> Self {
        let retry = meta.annotations.and_then(|a| a.retry);
        let metadata = ObjectMeta {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            finalizers: meta.finalizers,
            annotations: retry.map(|value| [(RETRY_ANNOTATION.to_owned(), value)].into()),
            ..ObjectMeta::default()
        };
        let mut object = EuiccActivation { metadata, spec, status };
        shrink(&mut object);
        Self(object)
    }
}

/// Lists grow by fours as they are read, and most of them hold one: a third of an object would be empty places.
fn shrink(object: &mut EuiccActivation) {
    let devices = &mut object.spec.devices;
    devices.shrink_to_fit();
    devices.iter_mut().for_each(|device| device.device_ids.shrink_to_fit());
    if let Some(status) = &mut object.status {
        status.conditions.shrink_to_fit();
        status.submissions.shrink_to_fit();
        status.devices.shrink_to_fit();
        status.devices.iter_mut().for_each(|device| device.device_ids.shrink_to_fit());
    }
}

impl From<Lean> for EuiccActivation {
    fn from(Lean(object): Lean) -> Self {
        object
    }
}

/// A watch's event with what it was read for.
pub fn read<W: Into<K>, K>(event: Event<W>) -> Event<K> {
    match event {
        Event::Apply(object) => Event::Apply(object.into()),
        Event::Delete(object) => Event::Delete(object.into()),
        Event::InitApply(object) => Event::InitApply(object.into()),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

impl Resource for Lean {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        EuiccActivation::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        EuiccActivation::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        EuiccActivation::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        EuiccActivation::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_decisions_need_is_read_and_nothing_else() {
        let whole = json!({
            "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
            "metadata": {
                "name": "forklift", "namespace": "fleet", "uid": "u", "resourceVersion": "7", "generation": 2,
                "creationTimestamp": "2026-11-01T00:00:00Z", "deletionTimestamp": "2026-11-02T00:00:00Z",
                "finalizers": ["euicc-operator.io/deactivate"], "labels": {"a": "b"},
                "annotations": {RETRY_ANNOTATION: "1", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
                "managedFields": [{"manager": "kubectl", "operation": "Apply"}],
            },
            "spec": {"connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": []},
            "status": {"requestId": "r"},
        });
        let mut wanted: EuiccActivation = serde_json::from_value(whole.clone()).unwrap();
        wanted.metadata.managed_fields = None;
        wanted.metadata.labels = None;
        wanted.metadata.annotations.as_mut().unwrap().retain(|name, _| name == RETRY_ANNOTATION);
        let read: EuiccActivation = serde_json::from_value::<Lean>(whole).unwrap().into();
        assert_eq!(read, wanted);
    }

    #[test]
    fn what_is_kept_has_no_empty_places() {
        let device = json!({"deviceIds": [{"kind": "imei", "id": "990013907835573"}], "result": "Pending"});
        let condition = json!({
            "type": "Ready", "status": "False", "reason": "AwaitingResult", "message": "m",
            "lastTransitionTime": "2026-11-01T00:00:00Z",
        });
        let object = json!({
            "metadata": {"name": "forklift"},
            "spec": {"connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": [device]},
            "status": {"devices": [device], "conditions": [condition], "submissions": ["2026-11-01T00:00:00Z"]},
        });
        let object: EuiccActivation = serde_json::from_str::<Lean>(&object.to_string()).unwrap().into();
        let (devices, status) = (object.spec.devices, object.status.unwrap());
        let places = [
            devices.capacity(),
            devices[0].device_ids.capacity(),
            status.devices.capacity(),
            status.devices[0].device_ids.capacity(),
            status.conditions.capacity(),
            status.submissions.capacity(),
        ];
        assert_eq!(places, [1; 6]);
    }
}
