//! What was sent to ThingSpace stays as it was sent; what is the operator's own can be edited at any time.

use euicc_operator::api::OperationState::{self, *};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::{Namespace, Output, fixtures};

const IN_FLIGHT_OR_DONE: [OperationState; 4] = [Claimed, Accepted, Unknown, Succeeded];
const ENDED_WITHOUT_EFFECT: [OperationState; 3] = [Released, Failed, TimedOut];

/// An edit of each field that is part of the request: changed, added, removed.
fn edits_of_the_request() -> Vec<(&'static str, Value)> {
    vec![
        ("connectionRef", json!({"name": "another"})),
        ("connectionRef", json!({"namespace": "another"})),
        ("accountName", json!(fixtures::OTHER_ACCOUNT)),
        ("devices", json!([fixtures::device()])),
        ("smsrOid", json!("1.3.6.1")),
        ("carrierName", json!("Another Carrier")),
        ("servicePlan", Value::Null),
        ("mdnZipCode", json!("10001")),
        ("carrierIpPoolName", json!("another-pool")),
        ("primaryPlaceOfUse", json!({"address": {"zip": "94107"}})),
        ("primaryPlaceOfUse", Value::Null),
    ]
}

/// Edits that change nothing about the request.
fn other_edits() -> Vec<(&'static str, Value)> {
    vec![
        ("suspend", json!(true)),
        ("deletionPolicy", json!("Retain")),
        ("resultTimeout", json!("48h")),
        ("deletionPolicy", json!("Deactivate")),
    ]
}

#[tokio::test]
async fn what_was_sent_cannot_be_edited_while_it_is_in_flight_or_done() {
    let namespace = Namespace::new("frozen").await;
    for state in IN_FLIGHT_OR_DONE {
        let name = activation_in(&namespace, state).await;
        for (field, edit, output) in edit_each(&namespace, &name, edits_of_the_request()).await {
            assert!(!output.ok, "{state:?}: {field} could be edited to {edit}");
            let expected = format!("spec: Invalid value: {field} cannot be edited: it has been sent to ThingSpace");
            assert!(output.stderr.contains(&expected), "{state:?}: {output:?}");
        }
        let both = json!({"spec": {"accountName": fixtures::OTHER_ACCOUNT, "mdnZipCode": "10001"}}).to_string();
        let output = namespace.kubectl(&["patch", "euicc", &name, "--type=merge", "--patch", &both]).await;
        assert!(output.failure().contains("spec: Invalid value: accountName cannot be edited"), "{state:?}");
    }
}

#[tokio::test]
async fn a_failed_activation_can_be_mended_in_place() {
    let namespace = Namespace::new("mendable").await;
    for state in ENDED_WITHOUT_EFFECT {
        let name = activation_in(&namespace, state).await;
        for (field, _, output) in edit_each(&namespace, &name, edits_of_the_request()).await {
            assert!(output.ok, "{state:?}: {field}: {output:?}");
        }
    }
}

#[tokio::test]
async fn an_activation_that_nobody_has_sent_can_be_edited() {
    let namespace = Namespace::new("unsent").await;
    namespace.create(&fixtures::activation("unsent", 1)).await;
    for (field, _, output) in edit_each(&namespace, "unsent", edits_of_the_request()).await {
        assert!(output.ok, "{field}: {output:?}");
    }
}

#[tokio::test]
async fn suspend_deletion_policy_and_timeout_can_always_be_edited() {
    let namespace = Namespace::new("editable").await;
    for state in IN_FLIGHT_OR_DONE.into_iter().chain(ENDED_WITHOUT_EFFECT) {
        let name = activation_in(&namespace, state).await;
        for (field, _, output) in edit_each(&namespace, &name, other_edits()).await {
            assert!(output.ok, "{state:?}: {field}: {output:?}");
        }
    }
}

/// As Argo CD and Flux do every few minutes.
#[tokio::test]
async fn applying_the_same_manifest_again_is_never_refused() {
    let namespace = Namespace::new("resync").await;
    for state in IN_FLIGHT_OR_DONE {
        let manifest = fixtures::yaml(&fixtures::activation("resync", 2));
        for args in [&["apply", "-f", "-"][..], &["apply", "--server-side", "--force-conflicts", "-f", "-"]] {
            namespace.kubectl_with(args, &manifest).await.success();
            set_state(&namespace, "resync", state).await;
            namespace.kubectl_with(args, &manifest).await.success();
        }
        namespace.kubectl(&["delete", "euicc", "resync"]).await.success();
    }
}

/// An activation with a place of use whose request stands there.
async fn activation_in(namespace: &Namespace, state: OperationState) -> String {
    let name = format!("{state:?}").to_lowercase();
    namespace.create(&fixtures::activation(&name, 1)).await;
    set_state(namespace, &name, state).await;
    name
}

async fn set_state(namespace: &Namespace, name: &str, state: OperationState) {
    let operation = json!({
        "id": "1", "action": "Activate", "attempt": 1, "state": state, "claimedAt": "2030-01-01T00:00:00Z", "fingerprint": "f",
    });
    namespace.set_status(name, json!({ "operation": operation })).await;
}

/// Tries each edit by itself; nothing is kept.
async fn edit_each(
    namespace: &Namespace,
    name: &str,
    edits: Vec<(&'static str, Value)>,
) -> Vec<(&'static str, Value, Output)> {
    let edit = async |(field, value): (&'static str, Value)| {
        let mut patch = json!({"spec": {field: value}});
        if value == "Deactivate" {
            patch["spec"]["deactivation"] = json!({"etfWaiver": false});
        }
        let patch = patch.to_string();
        let args = ["patch", "euicc", name, "--dry-run=server", "--type=merge", "--patch", &patch];
        (field, value, namespace.kubectl(&args).await)
    };
    stream::iter(edits).map(edit).buffered(4).collect().await
}
