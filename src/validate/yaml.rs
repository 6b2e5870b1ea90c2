//! Reads YAML, and JSON with it: the documents of a file, each value with its place.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::Value;

use super::{
    finding::{Issue, Place},
    node::{Content, Entry, Node},
    scalar,
};

/// What aliases may make of a document: no manifest comes near it, a "billion laughs" does.
const MOST_NODES: usize = 1_000_000;
/// How deep values may nest.
const DEEPEST: usize = 100;

/// One document of a file.
pub struct Document {
    /// What it holds.
    pub root: Node,
    /// Keys that stand twice.
    pub duplicates: Vec<(Place, Issue)>,
}

/// Where and why a document cannot be read.
#[derive(Debug)]
pub struct Broken {
    /// Where.
    pub place: Place,
    /// Why.
    pub message: String,
}

/// The documents of a text, without those that are empty. What stands behind a broken one is read all the same.
pub fn read(text: &str) -> Vec<Result<Document, Broken>> {
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, anchors: HashMap::new(), nodes: 0, duplicates: Vec::new() };
    let mut documents = Vec::new();
    loop {
        match reader.document() {
            Ok(None) => return documents,
            Ok(Some(root)) => {
                let duplicates = std::mem::take(&mut reader.duplicates);
                if !matches!(root.content, Content::Scalar(Value::Null)) {
                    documents.push(Ok(Document { root, duplicates }));
                }
            }
            Err(broken) => {
                documents.push(Err(broken));
                if !matches!(reader.parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    duplicates: Vec<(Place, Issue)>,
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        Self { place: place(error.marker()), message: error.info() }
    }
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, Broken> {
        loop {
            match self.parser.next().transpose()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::DocumentStart(..), _)) => break,
                Some(_) => {}
            }
        }
        self.anchors.clear();
        self.duplicates.clear();
        self.nodes = 0;
        let (event, span) = self.event()?;
        self.node(event, span, "", 0).map(Some)
    }

    fn event(&mut self) -> Result<(Event<'a>, Span), Broken> {
        let next = self.parser.next().transpose()?;
        next.ok_or_else(|| Broken { place: Place { line: 1, column: 1 }, message: "the file ends too early".into() })
    }

    fn node(&mut self, event: Event<'a>, span: Span, path: &str, depth: usize) -> Result<Node, Broken> {
        let place = place(&span.start);
        let broken = |message: &str| Broken { place, message: message.into() };
        self.nodes += 1;
        if depth > DEEPEST {
            return Err(broken("it nests too deep"));
        }
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_ref().map(|tag| tag.core_suffix().unwrap_or("str").to_owned());
                let plain = style == ScalarStyle::Plain;
                let value = scalar::resolve(&text, plain, tag.as_deref()).map_err(|message| broken(&message))?;
                (Content::Scalar(value), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(path, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(path, depth)?, anchor),
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else { return Err(broken("an alias within its own anchor")) };
                self.nodes += size(node);
                if self.nodes > MOST_NODES {
                    return Err(broken("its aliases make it too large"));
                }
                // An anchor may hold aliases of others, and so on.
                if depth + height(node) > DEEPEST {
                    return Err(broken("it nests too deep"));
                }
                return Ok(node.clone());
            }
            _ => return Err(broken("a value is missing")),
        };
        let node = Node { place, content };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Content, Broken> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::SequenceEnd {
                return Ok(Content::List(items));
            }
            items.push(self.node(event, span, &format!("{path}[{}]", items.len()), depth + 1)?);
        }
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Content, Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key_node = self.node(event, span, path, depth + 1)?;
            let key = key_of(&key_node)?;
            let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let (event, span) = self.event()?;
            let node = self.node(event, span, &field, depth + 1)?;
            if is_merge {
                merged.extend(merge(node)?);
                continue;
            }
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!(
                    "duplicate key: it stands on line {} already, and only the last one counts",
                    first.place.line
                );
                self.duplicates.push((key_node.place, Issue::error(field, message)));
            }
            entries.push(Entry { key, place: key_node.place, node });
        }
        for entry in merged {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(Content::Map(entries))
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(_) => 1,
        Content::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Content::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
    }
}

/// How deep values nest in it.
fn height(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Content::Map(entries) => 1 + entries.iter().map(|entry| height(&entry.node)).max().unwrap_or(0),
    }
}

/// JSON's keys are text.
fn key_of(node: &Node) -> Result<String, Broken> {
    match &node.content {
        Content::Scalar(Value::String(text)) => Ok(text.clone()),
        Content::Scalar(value @ (Value::Bool(_) | Value::Number(_))) => Ok(value.to_string()),
        _ => Err(Broken { place: node.place, message: "a key must be text".into() }),
    }
}

/// `<<: *defaults`, or a list of them, of which the first has the say.
fn merge(node: Node) -> Result<Vec<Entry>, Broken> {
    match node.content {
        Content::Map(entries) => Ok(entries),
        Content::List(items) => Ok(items.into_iter().map(merge).collect::<Result<Vec<_>, _>>()?.concat()),
        Content::Scalar(_) => {
            Err(Broken { place: node.place, message: "map merge requires map or sequence of maps as the value".into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::validate::{documents, kinds};

    fn json_of(text: &str) -> Value {
        let document = read(text).remove(0).unwrap();
        assert!(document.duplicates.is_empty());
        document.root.to_json()
    }

    #[test]
    fn anchors_and_merges_are_resolved_as_kubectl_resolves_them() {
        let text = "a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\nc: {<<: [{x: 4}, *a]}\n";
        let expected = json!({"a": {"x": 1, "z": 2}, "b": {"x": 1, "z": 3}, "c": {"x": 4, "z": 2}});
        assert_eq!(json_of(text), expected);
    }

    #[test]
    fn aliases_make_nothing_that_nests_deeper_than_what_is_written_may() {
        let brackets = |inner: &str| format!("{}{inner}{}", "[".repeat(60), "]".repeat(60));
        let (inner, outer) = (brackets(""), brackets("*a"));
        let broken = read(&format!("- &a {inner}\n- {outer}\n")).remove(0).err().unwrap();
        assert_eq!((broken.message.as_str(), broken.place.line), ("it nests too deep", 2));
        assert!(read(&format!("- &a {inner}\n- [[*a]]\n")).remove(0).is_ok());
    }

    proptest! {
        /// What JSON says, YAML says too: and each value is found on its own line.
        #[test]
        fn json_is_read_as_json(names in proptest::collection::btree_set("[a-zA-Z][a-zA-Z./-]{0,7}", 1..8), text in any::<String>()) {
            let value: Value = names.iter().map(|name| (name.clone(), json!([name, {"text": text}, 7, null, 1.5]))).collect::<serde_json::Map<_, _>>().into();
            let written = format!("{value:#}");
            let document = read(&written).remove(0).unwrap();
            prop_assert_eq!(document.root.to_json(), value);
            for name in &names {
                let line = document.root.locate(&format!("{name}[0]")).line;
                prop_assert_eq!(written.lines().nth(line - 1).unwrap().trim(), format!("{name:?},"));
            }
        }

        #[test]
        fn no_text_makes_it_stumble(parts in proptest::collection::vec(
            prop_oneof![
                "[ -~\n\t]{0,12}", Just("apiVersion: euicc-operator.io/v1alpha1\nkind: EuiccActivation\n".to_owned()),
                Just("spec:\n  devices:\n  - ".to_owned()), Just("\n---\n".to_owned()), Just("&a ".to_owned()), Just("*a".to_owned()),
                Just("<<: ".to_owned()), Just("[{".to_owned()), Just("}]".to_owned()), Just(": ".to_owned()), any::<String>(),
            ], 0..20,
        )) {
            let kinds = kinds::kinds().unwrap();
            for document in read(&parts.concat()).into_iter().flatten() {
                for manifest in documents::manifests(&kinds, &document.root) {
                    if let documents::Document::Ours(kind, node) = manifest {
                        for issue in kind.check(&node.to_json()) {
                            prop_assert!(node.locate(&issue.field).line > 0);
                        }
                    }
                }
            }
        }
    }
}
