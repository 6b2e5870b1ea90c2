//! The resources as a user meets them: discoverable, explained, and readable at a glance.

use std::process::Command;

use euicc_operator::api;
use serde_json::{Value, json};

use crate::support::{Namespace, fixtures, repository};

#[test]
fn the_crds_in_the_repository_are_those_that_the_operator_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_euicc-operator")).arg("crds").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let checked_in: String = ["euiccactivations", "thingspaceconnections"]
        .map(|kind| std::fs::read_to_string(repository(&format!("crds/{kind}.yaml"))).unwrap())
        .concat();
    assert!(printed == checked_in, "crds/ is out of date: run `make generate`");
}

#[test]
fn every_field_is_described() {
    for crd in api::crds().unwrap() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let mut fields = Vec::new();
        collect_fields(&schema["openAPIV3Schema"], &crd.spec.names.kind, &mut fields);
        assert!(fields.len() > 20, "{fields:?}");
        // Kubernetes' own.
        let is_ours = |field: &str| !field.ends_with(".metadata");
        let bare: Vec<_> = fields.iter().filter(|(field, text)| text.is_empty() && is_ours(field)).collect();
        assert!(bare.is_empty(), "{bare:?}");
    }
}

fn collect_fields(schema: &Value, path: &str, into: &mut Vec<(String, String)>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        into.push((path.clone(), field["description"].as_str().unwrap_or_default().trim().to_owned()));
        collect_fields(field, &path, into);
        collect_fields(&field["items"], &format!("{path}[]"), into);
    }
}

#[tokio::test]
async fn a_fresh_activation_is_not_taken_for_one_that_the_operator_has_seen() {
    let namespace = Namespace::new("fresh").await;
    namespace.create(&fixtures::activation("fresh", 1)).await;
    let status = namespace.activation("fresh").await.status.unwrap();
    assert_eq!(status.observed_generation, Some(-1), "kstatus: in progress until it is the object's generation");
}

#[tokio::test]
async fn kubectl_explain_teaches_the_fields() {
    let namespace = Namespace::new("explain").await;
    for (field, words) in [
        ("euicc", "One request to activate eSIM devices through Verizon ThingSpace"),
        ("euicc.spec.devices", "No identifier may stand twice"),
        ("euicc.spec.devices.deviceIds.id", "Quote them"),
        ("euicc.spec.primaryPlaceOfUse.address.addressLine1", "not a P.O. box"),
        ("euicc.spec.resultTimeout", "How long to wait for ThingSpace's final answer"),
        ("euicc.status.requestId", "Give it to Verizon's support"),
        ("tsc.spec.credentialsSecretRef", "five failed logins lock it"),
        ("tsc.spec.callback.takeOver", "one listener an account"),
    ] {
        let text = namespace.kubectl(&["explain", field]).await.success();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{field}: {text}");
    }
}

#[tokio::test]
async fn both_kinds_answer_to_their_short_names_and_to_their_category() {
    let namespace = Namespace::new("names").await;
    namespace.apply(&fixtures::connection("http://127.0.0.1:1/api", None)).await;
    namespace.create(&fixtures::activation("one", 1)).await;
    for (kind, expected) in [
        ("euicc", "euiccactivation.euicc-operator.io/one"),
        ("tsc", "thingspaceconnection.euicc-operator.io/verizon"),
        ("thingspace", "euiccactivation.euicc-operator.io/one\nthingspaceconnection.euicc-operator.io/verizon"),
    ] {
        let found = namespace.kubectl(&["get", kind, "-o", "name"]).await.success();
        assert_eq!(found.replace("\n\n", "\n"), expected, "kubectl get {kind}");
    }
}

#[tokio::test]
async fn kubectl_get_answers_at_a_glance() {
    let namespace = Namespace::new("glance").await;
    namespace.create(&fixtures::activation("forklift", 2)).await;
    let ready = json!({
        "type": "Ready", "status": "False", "reason": "AwaitingCallback", "message": "ThingSpace has accepted it.",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    });
    let counts = json!({"devices": 2, "active": 1, "failed": 0});
    namespace.set_status("forklift", json!({"requestId": "r-1", "counts": counts, "conditions": [ready]})).await;

    let cells = async |args: &[&str]| {
        let table = namespace.kubectl(args).await.success();
        let rows: Vec<Vec<String>> = table
            .lines()
            // Columns stand at least two spaces apart.
            .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect())
            .collect();
        rows
    };
    let table = cells(&["get", "euicc"]).await;
    assert_eq!(table[0], ["NAME", "ACCOUNT", "DEVICES", "ACTIVE", "FAILED", "READY", "REASON", "AGE"]);
    assert_eq!(table[1][..7], ["forklift", fixtures::ACCOUNT, "2", "1", "0", "False", "AwaitingCallback"]);
    let wide = cells(&["get", "euicc", "-o", "wide"]).await;
    assert!(wide[1].contains(&"r-1".into()) && wide[1].contains(&"ThingSpace has accepted it.".into()), "{wide:?}");

    namespace.apply(&fixtures::connection("http://127.0.0.1:1/api", None)).await;
    let table = cells(&["get", "tsc"]).await;
    assert_eq!(table[0], ["NAME", "ENDPOINT", "READY", "REASON", "AGE"]);
    assert_eq!(table[1][..2], ["verizon", "http://127.0.0.1:1/api"]);
}

#[tokio::test]
async fn an_activation_is_found_by_its_account_and_by_the_request_id_of_thingspace() {
    let namespace = Namespace::new("found").await;
    let mut other = fixtures::activation("other", 1);
    other.spec.account_name = fixtures::OTHER_ACCOUNT.into();
    namespace.create(&other).await;
    namespace.create(&fixtures::activation("wanted", 1)).await;
    namespace.set_status("wanted", json!({"requestId": "d1f08526-5443-4054-9a29-4456490ea9f8"})).await;
    for selector in [
        format!("spec.accountName={}", fixtures::ACCOUNT),
        "status.requestId=d1f08526-5443-4054-9a29-4456490ea9f8".into(),
    ] {
        let found = namespace.kubectl(&["get", "euicc", "--field-selector", &selector, "-o", "name"]).await.success();
        assert_eq!(found, "euiccactivation.euicc-operator.io/wanted", "{selector}");
    }
}
