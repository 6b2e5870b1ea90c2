//! docs/reference.md: every field of both kinds, from the CRDs.

use euicc_operator::api::{self, CustomResourceDefinition, DEREGISTER_FINALIZER, FINALIZER, RETRY_ANNOTATION};
use serde_json::Value;

/// The page.
///
/// # Errors
/// When the CRDs are not what they should be: a mistake in the crate.
pub fn markdown() -> Result<String, serde_json::Error> {
    let mut page = format!(
        "# API reference\n\nWritten by `make generate` from the types in `src/api/`; `kubectl explain euicc.spec` shows the \
         same. A field is optional unless it says *required*. The rules are checked by the API server on `kubectl apply`, \
         and without a cluster by `euicc-operator validate` ([validate.md](validate.md)).\n\nAll kinds are of `{}/{}`.\n",
        api::GROUP,
        api::VERSION
    );
    for crd in api::crds()? {
        page.push_str(&kind(&crd)?);
    }
    page.push_str(&format!(
        "\n## Annotations and finalizers\n\n| name | on | what it does |\n|---|---|---|\n\
         | `{RETRY_ANNOTATION}` | EuiccActivation | a new value sends a failed activation once more |\n\
         | `{RETRY_ANNOTATION}` | the Secret with the login | a new value allows two more logins |\n\
         | `{FINALIZER}` | EuiccActivation | set by the operator with `deletionPolicy: Deactivate`: holds a deleted \
         activation until its lines are deactivated |\n\
         | `{DEREGISTER_FINALIZER}` | ThingSpaceConnection | set by the operator with `callback.onDelete: Deregister`: holds \
         a deleted connection until its callback listeners are removed |\n"
    ));
    Ok(page)
}

fn kind(crd: &CustomResourceDefinition) -> Result<String, serde_json::Error> {
    let (names, version) = (&crd.spec.names, &crd.spec.versions[0]);
    let schema = serde_json::to_value(&version.schema)?["openAPIV3Schema"].take();
    let list =
        |names: &Option<Vec<String>>| names.iter().flatten().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let mut out = format!(
        "\n## {}\n\n{}\n\n| resource | short name | category | scope |\n|---|---|---|---|\n| `{}.{}` | {} | {} | {} |\n",
        names.kind,
        text(&schema["description"]),
        names.plural,
        crd.spec.group,
        list(&names.short_names),
        list(&names.categories),
        crd.spec.scope
    );
    for part in ["spec", "status"] {
        out.push_str(&format!("\n### {}.{part}\n\n", names.kind));
        out.push_str(&format!(
            "{}\n\n| field | type | what it is |\n|---|---|---|\n",
            text(&schema["properties"][part]["description"])
        ));
        fields(&schema["properties"][part], "", &mut out);
    }
    let mut across = Vec::new();
    rules(&schema, "", &mut across);
    rules(&schema["properties"]["spec"], "spec", &mut across);
    if !across.is_empty() {
        out.push_str(&format!("\n### {}: rules across fields\n\n| field | rule |\n|---|---|\n", names.kind));
        across.iter().for_each(|(field, rule)| out.push_str(&format!("| `{field}` | {rule} |\n")));
    }
    out.push_str(&format!("\n### {}: in kubectl get\n\n| column | from | with |\n|---|---|---|\n", names.kind));
    for column in version.additional_printer_columns.iter().flatten() {
        let with = if column.priority.unwrap_or_default() > 0 { "`-o wide`" } else { "" };
        out.push_str(&format!("| {} | `{}` | {with} |\n", column.name, column.json_path));
    }
    let selectable: Vec<String> = version
        .selectable_fields
        .iter()
        .flatten()
        .map(|f| format!("`{}`", f.json_path.trim_start_matches('.')))
        .collect();
    if !selectable.is_empty() {
        out.push_str(&format!("\nFields for `--field-selector`: {}.\n", selectable.join(", ")));
    }
    Ok(out)
}

fn fields(schema: &Value, path: &str, out: &mut String) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mut notes = limits(field);
        if required.contains(&name.as_str()) {
            notes.insert(0, "*required*".into());
        }
        let mut own = Vec::new();
        rules(field, &path, &mut own);
        rules(&field["items"], &format!("{path}[]"), &mut own);
        notes.extend(own.into_iter().map(|(at, rule)| if at == path { rule } else { format!("`{at}`: {rule}") }));
        let notes: String = notes.iter().map(|note| format!("<br>• {note}")).collect();
        out.push_str(&format!("| `{path}` | {} | {}{notes} |\n", type_of(field), text(&field["description"])));
        fields(field, &path, out);
        fields(&field["items"], &format!("{path}[]"), out);
    }
}

fn type_of(field: &Value) -> String {
    match field["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", type_of(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&field["additionalProperties"]))
        }
        "string" if field["format"] == "date-time" => "time".into(),
        plain => plain.into(),
    }
}

fn limits(field: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    match &field["default"] {
        Value::Null => {}
        Value::String(text) => notes.push(format!("default `{text}`")),
        other => notes.push(format!("default `{other}`")),
    }
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|v| format!("`{}`", v.as_str().unwrap_or_default())).collect();
        notes.push(format!("one of {}", values.join(", ")));
    }
    for (low, high, unit) in
        [("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"), ("minimum", "maximum", "")]
    {
        match (field[low].as_f64(), field[high].as_f64()) {
            (Some(low), Some(high)) => notes.push(format!("{low} to {high}{unit}")),
            (Some(low), None) => notes.push(format!("at least {low}{unit}")),
            (None, Some(high)) => notes.push(format!("at most {high}{unit}")),
            (None, None) => {}
        }
    }
    match field["x-kubernetes-list-type"].as_str() {
        Some("set") => notes.push("no item twice".into()),
        Some("map") => {
            let keys = field["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            notes.push(format!("each `{}` once", keys.collect::<Vec<_>>().join("`, `")));
        }
        _ => {}
    }
    notes
}

/// Where each CEL rule of a node points, and what it says.
fn rules(node: &Value, path: &str, out: &mut Vec<(String, String)>) {
    for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let at = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
        out.push((at.trim_start_matches('.').to_owned(), text(&rule["message"])));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('|', "\\|").replace('<', "&lt;")
}
