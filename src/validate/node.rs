//! A value that knows where it stands.

use serde_json::Value;

use super::finding::Place;

/// A value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text, number, boolean or null.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The value without its places. Of a key that stands twice, the last one counts, as for kubectl.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect()),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// Where a field stands; of one that is missing, what it is missing from. A list or a map stands where its key does.
    pub fn locate(&self, path: &str) -> Place {
        self.walk(path, self.place)
    }

    fn walk(&self, path: &str, own: Place) -> Place {
        let path = path.trim_start_matches('.');
        match &self.content {
            Content::Map(entries) => {
                // Keys may hold dots: the longest that fits is meant.
                let fits = |entry: &&Entry| {
                    path.strip_prefix(&entry.key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let Some(entry) = entries.iter().filter(fits).max_by_key(|entry| entry.key.len()) else { return own };
                let place =
                    if matches!(entry.node.content, Content::Scalar(_)) { entry.node.place } else { entry.place };
                entry.node.walk(&path[entry.key.len()..], place)
            }
            Content::List(items) => {
                let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let item = index.and_then(|(n, rest)| Some((items.get(n.parse::<usize>().ok()?)?, rest)));
                item.map_or(own, |(item, rest)| item.walk(rest, item.place))
            }
            Content::Scalar(_) => own,
        }
    }

    /// Where the key of a field stands, for one that should not be there.
    pub fn locate_key(&self, path: &str) -> Place {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let owner = if parent.is_empty() { Some(self) } else { self.at(parent) };
        owner.and_then(|owner| owner.entry(key)).map_or_else(|| self.locate(path), |entry| entry.place)
    }

    fn at(&self, path: &str) -> Option<&Self> {
        path.split(['.', '[']).try_fold(self, |node, step| match step.strip_suffix(']') {
            Some(index) => node.items()?.get(index.parse::<usize>().ok()?),
            None => node.get(step),
        })
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().rev().find(|entry| entry.key == key),
            _ => None,
        }
    }
}
