//! Watched namespaces that cannot be listed, and why: one of them holds up no other, but nothing is sent before it is
//! known who has which device.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::runtime::watcher;

/// What is listed in each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Activations,
    Connections,
}

/// By kind and namespace (`None`: all), why it cannot be listed.
#[derive(Default)]
pub struct Unlisted(Mutex<BTreeMap<(Kind, Option<String>), String>>);

impl Unlisted {
    fn map(&self) -> MutexGuard<'_, BTreeMap<(Kind, Option<String>), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It cannot be listed. Says whether that is news.
    pub fn add(&self, kind: Kind, namespace: Option<&str>, error: &watcher::Error) -> bool {
        let why = reason(error);
        self.map().insert((kind, namespace.map(Into::into)), why).is_none()
    }

    /// It has been listed. Says whether it could not be before.
    pub fn remove(&self, kind: Kind, namespace: Option<&str>) -> bool {
        self.map().remove(&(kind, namespace.map(Into::into))).is_some()
    }

    /// Why the connections of a namespace are not known.
    pub fn connections_of(&self, namespace: &str) -> Option<String> {
        let map = self.map();
        let of_it = |known: &Option<String>| known.as_deref().is_none_or(|n| n == namespace);
        let ((_, scope), why) = map.iter().find(|((kind, n), _)| *kind == Kind::Connections && of_it(n))?;
        Some(sentence("thingspaceconnections", scope.as_deref(), why))
    }

    /// Why it is not known which activations there are.
    pub fn activations(&self) -> Option<String> {
        let map = self.map();
        let ((_, scope), why) = map.iter().find(|((kind, _), _)| *kind == Kind::Activations)?;
        Some(sentence("euiccactivations", scope.as_deref(), why))
    }
}

fn sentence(what: &str, namespace: Option<&str>, why: &str) -> String {
    let r#where = namespace.map_or("the cluster".to_owned(), |n| format!("namespace {n}"));
    let way_out = match namespace {
        Some(namespace) => format!("give the operator the right to, or take {namespace} out of its --watch-namespace"),
        None => "give the operator the right to".into(),
    };
    format!("The operator cannot list the {what} of {where} ({why}); {way_out}.")
}

/// The API server's own words, without what surrounds them.
fn reason(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden() -> watcher::Error {
        let message = "euiccactivations is forbidden".to_owned();
        watcher::Error::WatchError(Box::new(kube::core::Status { message, code: 403, ..Default::default() }))
    }

    #[test]
    fn what_cannot_be_listed_is_said_until_it_can() {
        let unlisted = Unlisted::default();
        assert!(unlisted.add(Kind::Activations, Some("b"), &forbidden()));
        assert!(!unlisted.add(Kind::Activations, Some("b"), &forbidden()), "no news");
        let said = unlisted.activations().unwrap();
        assert!(said.contains("namespace b (euiccactivations is forbidden)"), "{said}");
        assert_eq!(unlisted.connections_of("b"), None);
        assert!(unlisted.remove(Kind::Activations, Some("b")) && !unlisted.remove(Kind::Activations, Some("b")));
        assert_eq!(unlisted.activations(), None);
    }

    #[test]
    fn of_connections_only_those_of_the_namespace_are_unknown() {
        let unlisted = Unlisted::default();
        unlisted.add(Kind::Connections, Some("b"), &forbidden());
        assert!(unlisted.connections_of("a").is_none() && unlisted.connections_of("b").is_some());
        unlisted.add(Kind::Connections, None, &forbidden());
        assert!(unlisted.connections_of("a").is_some_and(|said| said.contains("of the cluster")));
    }
}
