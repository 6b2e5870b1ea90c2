//! What manifests do to each other when they are applied together.

use std::collections::HashMap;

use super::{
    finding::{Issue, Place},
    node::Node,
};

/// The manifests seen so far.
#[derive(Default)]
pub struct Together {
    resources: HashMap<String, String>,
    lines: HashMap<(String, String), (String, String)>,
}

impl Together {
    /// Takes in one more: what it takes from those before.
    pub fn add(&mut self, file: &str, resource: &str, manifest: &Node) -> Vec<(Place, Issue)> {
        let mut issues = Vec::new();
        // Without a name (generateName) each one is another.
        if let Some(name) = manifest.get("metadata").and_then(|metadata| metadata.get("name")) {
            if let Some(first) = self.resources.get(resource) {
                let words = format!("Duplicate value: {resource} is also in {first}: the last one applied would win");
                issues.push((name.place, Issue::error("metadata.name", words)));
            }
            self.resources.entry(resource.to_owned()).or_insert_with(|| at(file, name.place));
        }
        for (path, place, id) in identifiers(manifest) {
            let here = (resource.to_owned(), at(file, place));
            match self.lines.get(&id) {
                Some((other, first)) if other != resource => {
                    let words = format!(
                        "{} {} is also in {other} ({first}): only one of the two is sent, the other says DeviceConflict",
                        id.0, id.1
                    );
                    issues.push((place, Issue::warning(path, words)));
                }
                Some(_) => {}
                None => drop(self.lines.insert(id, here)),
            }
        }
        issues
    }
}

fn at(file: &str, place: Place) -> String {
    format!("{file}:{}", place.line)
}

/// Path, place, and kind with id, of each identifier of an activation's devices.
fn identifiers(manifest: &Node) -> Vec<(String, Place, (String, String))> {
    let devices = manifest.get("spec").and_then(|spec| spec.get("devices")).and_then(Node::items).unwrap_or_default();
    let mut out = Vec::new();
    for (d, device) in devices.iter().enumerate() {
        let ids = device.get("deviceIds").and_then(Node::items).unwrap_or_default();
        for (i, id) in ids.iter().enumerate() {
            if let (Some(kind), Some(value), Some(node)) = (id.text("kind"), id.text("id"), id.get("id")) {
                out.push((
                    format!("spec.devices[{d}].deviceIds[{i}].id"),
                    node.place,
                    (kind.to_owned(), value.to_owned()),
                ));
            }
        }
    }
    out
}
