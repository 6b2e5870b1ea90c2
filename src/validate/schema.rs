//! The structural schema of a kind, in the API server's words (kube-openapi and apiextensions-apiserver).

use serde_json::{Map, Value};

use super::finding::Issue;

/// Fields that the schema does not know. The API server refuses them where `kubectl` asks it to be strict, as it does.
pub fn unknown_fields(schema: Option<&Value>, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                let known = schema.and_then(|s| s["properties"].get(name).or_else(|| s.get("additionalProperties")));
                match known {
                    Some(schema) => unknown_fields(Some(schema), value, &path, issues),
                    None if is_open(schema) => {}
                    None => issues.push(Issue::error(path, UNKNOWN)),
                }
            }
        }
        Value::Array(items) => {
            let schema = schema.and_then(|schema| schema.get("items"));
            for (i, item) in items.iter().enumerate() {
                unknown_fields(schema, item, &format!("{path}[{i}]"), issues);
            }
        }
        _ => {}
    }
}

/// What is said of an unknown field.
pub const UNKNOWN: &str = "unknown field";

fn is_open(schema: Option<&Value>) -> bool {
    schema.is_some_and(|schema| schema["x-kubernetes-preserve-unknown-fields"] == true)
}

/// As the API server does before it looks closer: a field that is null counts as absent, and one that is absent gets its
/// default.
pub fn with_defaults(schema: &Value, value: &Value) -> Value {
    kube::core::cel::apply_defaults(schema, &without_nulls(value))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

/// Types, limits, enumerations, required fields and lists without doublets.
pub fn check(schema: &Value, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    check_type(schema, value, path, issues);
    match value {
        Value::String(text) => check_length(schema, text, path, issues),
        Value::Number(_) => check_range(schema, value, path, issues),
        _ => {}
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(|v| quote(v.as_str().unwrap_or_default())).collect();
        let words = format!("Unsupported value: {}: supported values: {}", show(value), allowed.join(", "));
        issues.push(Issue::blocking(path, words));
    }
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{i}]"), issues);
            }
            check_list(schema, items, path, issues);
        }
        Value::Object(fields) => check_fields(schema, fields, path, issues),
        _ => {}
    }
}

fn check_type(schema: &Value, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    let Some(wanted) = schema["type"].as_str() else { return };
    let is = type_of(value);
    if is == wanted || (wanted == "number" && is == "integer") {
        return;
    }
    // Numbers that are not even numbers are measured by their format.
    let (wanted, is) = match (schema["format"].as_str(), value) {
        (Some(format), Value::Bool(_) | Value::Object(_)) => (format, ""),
        (Some(format), Value::Number(_)) => (format, "float64"),
        _ => (wanted, is),
    };
    let words = format!("Invalid value: \"{is}\": {path} in body must be of type {wanted}: \"{is}\"");
    issues.push(Issue::blocking(path, words));
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_length(schema: &Value, text: &str, path: &str, issues: &mut Vec<Issue>) {
    let length = text.chars().count() as u64;
    if let Some(min) = schema["minLength"].as_u64().filter(|min| length < *min) {
        let words = format!("Invalid value: {}: {path} in body should be at least {min} chars long", quote(text));
        issues.push(Issue::error(path, words));
    }
    if let Some(max) = schema["maxLength"].as_u64().filter(|max| length > *max) {
        issues.push(Issue::blocking(path, format!("Too long: may not be more than {max} bytes")));
    }
}

fn check_range(schema: &Value, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    let Some(number) = value.as_f64() else { return };
    let bound = |key: &str| schema[key].as_f64();
    let mut refuse = |words: &str, bound: f64| {
        issues.push(Issue::error(path, format!("Invalid value: {value}: {path} in body should be {words} {bound}")));
    };
    if let Some(min) = bound("minimum").filter(|min| number < *min) {
        refuse("greater than or equal to", min);
    }
    if let Some(max) = bound("maximum").filter(|max| number > *max) {
        refuse("less than or equal to", max);
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, issues: &mut Vec<Issue>) {
    for (name, value) in fields {
        let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        if let Some(schema) = known {
            check(schema, value, &child(path, name), issues);
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        issues.push(Issue::blocking(child(path, name), "Required value"));
    }
}

fn check_list(schema: &Value, items: &[Value], path: &str, issues: &mut Vec<Issue>) {
    let length = items.len() as u64;
    if let Some(min) = schema["minItems"].as_u64().filter(|min| length < *min) {
        let words = format!("Invalid value: {length}: {path} in body should have at least {min} items");
        issues.push(Issue::error(path, words));
    }
    if let Some(max) = schema["maxItems"].as_u64().filter(|max| length > *max) {
        let noun = if max == 1 { "item" } else { "items" };
        issues.push(Issue::blocking(path, format!("Too many: {length}: must have at most {max} {noun}")));
    }
    let keys: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => items.to_vec(),
        Some("map") => {
            if let Some((i, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
                let words = format!("Invalid value: {}: must be an object for an array of list-type map", show(item));
                issues.push(Issue::error(format!("{path}[{i}]"), words));
                return;
            }
            items.iter().map(|item| keys_of(schema, item)).collect()
        }
        _ => return,
    };
    for (i, key) in keys.iter().enumerate() {
        // The first doublet is told, not each one.
        if keys[..i].iter().filter(|earlier| *earlier == key).count() == 1 {
            issues.push(Issue::error(format!("{path}[{i}]"), format!("Duplicate value: {}", show(key))));
        }
    }
}

fn keys_of(schema: &Value, item: &Value) -> Value {
    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Value::Object(keys.filter_map(|key| Some((key.to_owned(), item.get(key)?.clone()))).collect())
}

/// The path of a field.
pub fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as the API server repeats it.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

/// Go's `%q`.
pub fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            // What Rust would not print as it is, Go would not either, but for characters that combine.
            c if c.is_alphanumeric() || c.is_ascii() || c.escape_debug().count() == 1 => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    /// A keyword that nobody looks at would be a rule that the pipeline does not know.
    #[test]
    fn every_keyword_of_the_crds_is_checked_here_or_has_nothing_to_check() {
        const CHECKED: &[&str] = &[
            "type",
            "format",
            "enum",
            "minLength",
            "maxLength",
            "minimum",
            "maximum",
            "minItems",
            "maxItems",
            "required",
            "properties",
            "additionalProperties",
            "items",
            "default",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-validations",
        ];
        const TALK: &[&str] = &["description", "title", "x-kubernetes-map-type"];
        fn walk(schema: &Value, seen: &mut usize) {
            for (key, value) in schema.as_object().unwrap() {
                assert!(CHECKED.contains(&key.as_str()) || TALK.contains(&key.as_str()), "nobody checks {key}");
                *seen += 1;
                match key.as_str() {
                    "properties" => value.as_object().unwrap().values().for_each(|schema| walk(schema, seen)),
                    "items" | "additionalProperties" => walk(value, seen),
                    _ => {}
                }
            }
        }
        let mut seen = 0;
        for crd in api::crds().unwrap() {
            let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
            walk(&schema["openAPIV3Schema"], &mut seen);
        }
        assert!(seen > 200);
    }

    #[test]
    fn text_is_quoted_as_go_does() {
        assert_eq!(quote("1 O'Farrell \"St\"\\\n\u{1}\u{7f}"), r#""1 O'Farrell \"St\"\\\n\x01\x7f""#);
        assert_eq!(quote("Café \u{200b}\u{a0}"), "\"Café \\u200b\\u00a0\"");
    }
}
