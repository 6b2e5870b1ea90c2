//! Names, labels and annotations, in the API server's words (apimachinery).

use serde_json::{Value, json};

use super::{finding::Issue, schema::quote};

const NAME: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// The form of `metadata`. What controllers write there is not looked at.
pub fn schema() -> Value {
    let (text, texts) =
        (json!({"type": "string"}), json!({"type": "object", "additionalProperties": {"type": "string"}}));
    let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
    let list = json!({"type": "array", "items": anything});
    json!({"type": "object", "properties": {
        "name": text, "generateName": text, "namespace": text, "labels": texts, "annotations": texts,
        "finalizers": {"type": "array", "items": text}, "ownerReferences": list, "managedFields": list,
        "creationTimestamp": anything, "deletionTimestamp": anything, "deletionGracePeriodSeconds": anything,
        "generation": anything, "resourceVersion": anything, "selfLink": anything, "uid": anything,
    }})
}

/// What the form does not say.
pub fn check(metadata: &Value, issues: &mut Vec<Issue>) {
    let mut refuse = |field: &str, value: &str, words: Vec<String>| {
        for words in words {
            issues.push(Issue::error(format!("metadata.{field}"), format!("Invalid value: {}: {words}", quote(value))));
        }
    };
    if let Some(namespace) = metadata["namespace"].as_str() {
        refuse("namespace", namespace, dns_label(namespace));
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        refuse("labels", key, qualified_name(key));
        refuse("labels", value.as_str().unwrap_or_default(), label_value(value.as_str().unwrap_or_default()));
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        refuse("annotations", key, qualified_name(&key.to_lowercase()));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    let prefix = metadata["generateName"].as_str().unwrap_or_default();
    if !name.is_empty() {
        refuse("name", name, dns_subdomain(name));
    } else if !prefix.is_empty() {
        refuse("generateName", prefix, dns_subdomain(prefix.strip_suffix('-').unwrap_or(prefix)));
    } else if !metadata["name"].is_number() && !metadata["name"].is_boolean() {
        issues.push(Issue::blocking("metadata.name", "Required value: name or generateName is required"));
    }
    if size > MOST_ANNOTATIONS {
        let words = format!("Too long: may not be more than {MOST_ANNOTATIONS} bytes");
        issues.push(Issue::blocking("metadata.annotations", words));
    }
}

fn is_dns_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn dns_label(text: &str) -> Vec<String> {
    let mut words = too_long(text, 63);
    if is_dns_label(text) {
    } else if text.split('.').all(is_dns_label) {
        words.push("must not contain dots".into());
    } else {
        words.push(format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{NAME}')"
        ));
    }
    words
}

fn dns_subdomain(text: &str) -> Vec<String> {
    let mut words = too_long(text, 253);
    if !text.split('.').all(is_dns_label) {
        words.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{NAME}(\\.{NAME})*')"
        ));
    }
    words
}

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn qualified_name(key: &str) -> Vec<String> {
    let rule = |what: &str| {
        format!(
            "{what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
             character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{LABEL}')"
        )
    };
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((_, name)) if name.contains('/') => {
            let more = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![rule("a valid label key") + more];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut words = match prefix {
        None => Vec::new(),
        Some("") => vec!["prefix part must be non-empty".into()],
        Some(prefix) => dns_subdomain(prefix).into_iter().map(|words| format!("prefix part {words}")).collect(),
    };
    if name.is_empty() {
        words.push("name part must be non-empty".into());
    }
    words.extend(too_long(name, 63).into_iter().map(|words| format!("name part {words}")));
    if !is_label(name) {
        words.push(rule("name part"));
    }
    words
}

fn label_value(text: &str) -> Vec<String> {
    let mut words = too_long(text, 63);
    if !text.is_empty() && !is_label(text) {
        words.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
             validation is '({LABEL})?')"
        ));
    }
    words
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    if text.len() > most { vec![format!("must be no more than {most} bytes")] } else { Vec::new() }
}
