//! The CustomResourceDefinitions, as `euicc-operator crds` prints them.

pub use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{EuiccActivation, ThingSpaceConnection};

/// Both CRDs, ready to apply.
///
/// # Errors
/// When a schema does not have the form that the derive macros give it: a mistake in this crate.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    [EuiccActivation::crd(), ThingSpaceConnection::crd()].into_iter().map(finish).collect()
}

/// YAML documents, one a CRD.
///
/// # Errors
/// When a CRD cannot be written as YAML: a mistake in this crate.
pub fn to_yaml(crds: &[CustomResourceDefinition]) -> anyhow::Result<String> {
    let mut out = String::new();
    for crd in crds {
        out.push_str("---\n");
        out.push_str(&serde_yaml_ng::to_string(crd)?);
    }
    Ok(out)
}

/// What the derive macros cannot say: a status that starts as "not seen yet" (kstatus) and has no rules, words
/// beside an expression that makes them, and optional fields that are absent rather than null.
fn finish(crd: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    let schema = &mut value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let status = &mut schema["properties"]["status"];
    status["default"] = json!({"observedGeneration": -1});
    without_rules(status);
    let rules = schema["x-kubernetes-validations"].as_array_mut().into_iter().flatten();
    for rule in rules.filter(|rule| rule["messageExpression"].is_string()) {
        rule["message"] = super::activation::frozen_in_words().into();
    }
    tidy(schema);
    serde_json::from_value(value)
}

/// Rules are for what people write. The operator alone writes a status, and pays for each of its rules at every write.
fn without_rules(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            map.values_mut().for_each(without_rules);
        }
        Value::Array(list) => list.iter_mut().for_each(without_rules),
        _ => {}
    }
}

/// Drops `nullable`, and the line breaks that a doc comment has in the source but `kubectl explain` should not show.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("nullable");
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}
