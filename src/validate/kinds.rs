//! What each of our kinds asks of a manifest: the CRDs' schemas and CEL rules, and the advice that goes with them.

use std::{cell::OnceCell, collections::HashSet};

use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::{Value, json};

use super::{finding::Issue, metadata, schema};
use crate::api::{self, EuiccActivationSpec};

/// A kind, and what its CRD asks.
pub struct Kind {
    /// Its name.
    pub name: String,
    schema: Value,
    // Compiling takes longer than all the rest, so not before the first manifest that needs it.
    rules: OnceCell<CompiledSchema>,
    moved: HashSet<String>,
}

/// Both kinds.
///
/// # Errors
/// When the CRDs are not what they should be: a mistake in this crate.
pub fn kinds() -> Result<Vec<Kind>, serde_json::Error> {
    let kind = |crd: &api::CustomResourceDefinition| {
        let mut schema = serde_json::to_value(&crd.spec.versions[0].schema)?["openAPIV3Schema"].take();
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        schema["properties"]["metadata"] = metadata::schema();
        let mut moved = HashSet::new();
        rules_with_a_field_path(&schema, &mut moved);
        Ok(Kind { name: crd.spec.names.kind.clone(), schema, rules: OnceCell::new(), moved })
    };
    api::crds()?.iter().map(kind).collect()
}

/// They stand on an object and point into it.
fn rules_with_a_field_path(schema: &Value, rules: &mut HashSet<String>) {
    match schema {
        Value::Object(map) => {
            if let (Some(Value::String(rule)), Some(_)) = (map.get("rule"), map.get("fieldPath")) {
                rules.insert(rule.clone());
            }
            map.values().for_each(|value| rules_with_a_field_path(value, rules));
        }
        Value::Array(list) => list.iter().for_each(|value| rules_with_a_field_path(value, rules)),
        _ => {}
    }
}

impl Kind {
    /// Everything that is wrong with a manifest, as the API server would say it on creation, and what is unwise.
    pub fn check(&self, manifest: &Value) -> Vec<Issue> {
        let mut issues = Vec::new();
        schema::unknown_fields(Some(&self.schema), manifest, "", &mut issues);
        let mut object = schema::with_defaults(&self.schema, manifest);
        // A new object has no status: the API server drops it.
        object.as_object_mut().map(|fields| fields.remove("status"));
        schema::check(&self.schema, &object, "", &mut issues);
        metadata::check(&object["metadata"], &mut issues);
        if issues.iter().any(|issue| issue.blocks_rules) {
            return issues;
        }
        issues.extend(self.broken_rules(&object));
        if issues.is_empty()
            && let Ok(spec) = serde_json::from_value::<EuiccActivationSpec>(object["spec"].take())
        {
            issues.extend(api::advice(&spec).into_iter().map(warning));
        }
        issues
    }

    fn broken_rules(&self, object: &Value) -> Vec<Issue> {
        let rules = self.rules.get_or_init(|| compile_schema(&self.schema));
        let broken = Validator::new().validate_compiled(rules, object, None).err();
        let issue = |error: kube::core::cel::ValidationError| {
            let value =
                object.pointer(&pointer(&error.field_path)).filter(|value| !value.is_object() && !value.is_array());
            let words = match value.filter(|_| error.kind == ErrorKind::ValidationFailure) {
                Some(value) if !self.moved.contains(&error.rule) => {
                    format!("Invalid value: {}: {}", schema::show(value), error.message)
                }
                _ => format!("Invalid value: {}", error.message),
            };
            Issue::error(error.field_path.trim_start_matches('.'), words)
        };
        broken.into_iter().flatten().map(issue).collect()
    }
}

/// Without the path that the finding has anyway.
fn warning(advice: api::Advice) -> Issue {
    let words = advice.sentence.trim_end_matches('.');
    let words = words.strip_prefix(&format!("{} ", advice.field)).unwrap_or(words).to_owned();
    Issue::warning(advice.field, words)
}

/// `spec.devices[0].deviceIds` as a JSON pointer.
fn pointer(path: &str) -> String {
    format!("/{}", path.trim_start_matches('.').replace(['.', '['], "/").replace(']', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_crds_can_be_tried_here() {
        fn errors(schema: &CompiledSchema) -> Vec<String> {
            let own = schema.compilation_errors().into_iter().map(ToString::to_string);
            let children = schema.properties.values().chain(schema.items.as_deref());
            own.chain(children.flat_map(errors)).collect()
        }
        for kind in kinds().unwrap() {
            assert_eq!(errors(&compile_schema(&kind.schema)), Vec::<String>::new(), "{}", kind.name);
        }
    }
}
