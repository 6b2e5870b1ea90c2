//! Which documents are ours: those of our kinds, alone or in a list.

use super::{finding::Issue, kinds::Kind, node::Node};
use crate::api::{GROUP, VERSION};

/// What a document is to us.
pub enum Document<'a> {
    /// A manifest of one of our kinds.
    Ours(&'a Kind, &'a Node),
    /// One that is meant to be, but that no cluster would take for it.
    Wrong(Issue, &'a Node),
    /// Something else.
    Other,
}

/// The manifests of a document: several, if it is a list.
pub fn manifests<'a>(kinds: &'a [Kind], root: &'a Node) -> Vec<Document<'a>> {
    let is_list = root.text("kind").is_some_and(|kind| kind.ends_with("List"));
    match root.get("items").and_then(Node::items).filter(|_| is_list) {
        Some(items) => items.iter().flat_map(|item| manifests(kinds, item)).collect(),
        None => vec![manifest(kinds, root)],
    }
}

fn manifest<'a>(kinds: &'a [Kind], root: &'a Node) -> Document<'a> {
    let (api_version, kind) = (root.text("apiVersion"), root.text("kind"));
    let in_our_group = api_version.is_some_and(|v| v == GROUP || v.starts_with(&format!("{GROUP}/")));
    let ours = kinds.iter().find(|k| Some(k.name.as_str()) == kind);
    let wrong = |field: &str, message: String| Document::Wrong(Issue::error(field, message), root);
    match (api_version, kind) {
        (None, _) if ours.is_some() => wrong("apiVersion", format!("apiVersion not set: it must be {GROUP}/{VERSION}")),
        (Some(_), None) if in_our_group => wrong("kind", "kind not set".into()),
        (Some(version), Some(kind)) if in_our_group || ours.is_some() => match ours {
            Some(ours) if version == format!("{GROUP}/{VERSION}") => Document::Ours(ours, root),
            Some(_) => {
                let words =
                    format!("no matches for kind \"{kind}\" in version \"{version}\": it must be {GROUP}/{VERSION}");
                wrong("apiVersion", words)
            }
            None => wrong("kind", format!("no matches for kind \"{kind}\" in version \"{version}\"")),
        },
        _ => Document::Other,
    }
}
