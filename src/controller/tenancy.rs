//! What is between namespaces: a connection is used by its own and those that `allowedNamespaces` names or selects, and
//! none is told what another one has.
//!
//! The labels of namespaces are only asked for while a connection selects by them: it takes a ClusterRole.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    core::{PartialObjectMeta, Selector, SelectorExt},
    runtime::{WatchStreamExt, watcher},
};

use super::{context::Context, devices::Devices};
use crate::{
    activation::Hold,
    api::{EuiccActivation, ThingSpaceConnection},
    cluster::Key,
};

/// Says on a connection with a selector whether namespaces can be read.
pub const CONDITION: &str = "NamespacesSelected";

type Labels = BTreeMap<String, String>;

/// What is known of namespaces.
#[derive(Default)]
pub struct Namespaces(Mutex<State>);

#[derive(Default)]
struct State {
    watching: bool,
    known: Option<HashMap<String, Labels>>,
    problem: Option<String>,
}

impl Namespaces {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to watch namespaces, if `connection` is the first to select by their labels.
    pub fn keep(connection: &ThingSpaceConnection, context: &Arc<Context>) {
        if selector(connection).is_none() || std::mem::replace(&mut context.namespaces.state().watching, true) {
            return;
        }
        let (task, stop) = (watch(Arc::clone(context)), context.stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(task).await });
    }
}

/// How soon namespaces are listed again where that is forbidden.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

async fn watch(context: Arc<Context>) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.clients.watches.clone());
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut listing = HashMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listing.clear(),
            Ok(watcher::Event::InitApply(namespace)) => {
                listing.insert(namespace.name_any(), namespace.labels().clone());
            }
            Ok(watcher::Event::InitDone) => {
                let mut state = context.namespaces.state();
                (state.known, state.problem) = (Some(std::mem::take(&mut listing)), None);
                drop(state);
                context.trigger_connections(|c| selector(c).is_some());
                context.trigger_guests(None);
            }
            Ok(watcher::Event::Apply(namespace)) => relabelled(&namespace, &context),
            Ok(watcher::Event::Delete(_)) => {} // its activations go with it
            Err(error) => {
                // A watch that breaks off is resumed; one that cannot begin needs someone to act.
                if unlisted(&error, &context) {
                    // The watch's own back-off starts anew with each try: it would ask every second for ever.
                    tokio::time::sleep(ASK_AGAIN_AFTER).await;
                }
            }
        }
    }
}

/// Says, once, that namespaces cannot be listed; `false`: they have been.
fn unlisted(error: &watcher::Error, context: &Context) -> bool {
    let mut state = context.namespaces.state();
    if state.known.is_some() {
        return false;
    }
    let is_news = state.problem.is_none();
    if is_news {
        tracing::warn!(%error, "namespaces cannot be listed, so allowedNamespaces.selector admits nobody");
        state.problem = Some(refusal(error));
    }
    drop(state);
    if is_news {
        context.trigger_connections(|c| selector(c).is_some());
        context.trigger_guests(None);
    }
    true
}

fn relabelled(namespace: &PartialObjectMeta<Namespace>, context: &Context) {
    let (name, labels) = (namespace.name_any(), namespace.labels().clone());
    let mut state = context.namespaces.state();
    let Some(known) = &mut state.known else { return };
    let changed = known.insert(name.clone(), labels.clone()).is_none_or(|before| before != labels);
    drop(state);
    if changed {
        context.trigger_guests(Some(&name));
    }
}

fn refusal(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let forbidden = match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => status.code == 403,
        WatchFailed(kube::Error::Api(status)) => status.code == 403,
        WatchError(status) => status.code == 403,
        _ => false,
    };
    let why = match forbidden {
        true => {
            "the operator may not list Namespaces. Give it a ClusterRole with list and watch on namespaces, or name \
                 the namespaces in spec.allowedNamespaces.names."
                .to_owned()
        }
        false => format!("Namespaces cannot be listed: {error}. It is tried again."),
    };
    format!("Activations of namespaces that only spec.allowedNamespaces.selector could admit wait: {why}")
}

fn selector(connection: &ThingSpaceConnection) -> Option<Selector> {
    let wanted = connection.spec.allowed_namespaces.as_ref()?.selector.clone()?;
    // What is no selector selects nobody.
    Some(Selector::try_from(wanted).unwrap_or_else(|_| nobody()))
}

fn nobody() -> Selector {
    let never = "euicc-operator.io/never".to_owned();
    [kube::core::Expression::Exists(never.clone()), kube::core::Expression::DoesNotExist(never)].into_iter().collect()
}

/// For the condition: nothing without a selector; else whether it can be applied, or why not.
pub fn selector_state(connection: &ThingSpaceConnection, namespaces: &Namespaces) -> Option<Result<(), String>> {
    let wanted = connection.spec.allowed_namespaces.as_ref()?.selector.clone()?;
    if let Err(error) = Selector::try_from(wanted) {
        return Some(Err(format!("spec.allowedNamespaces.selector selects nobody: {error}. Correct it.")));
    }
    let state = namespaces.state();
    Some(match (&state.known, &state.problem) {
        (Some(_), _) => Ok(()),
        (None, Some(why)) => Err(why.clone()),
        (None, None) => Err("Namespaces are being listed.".into()),
    })
}

/// What stands against activations of `guest` using the connection.
pub fn objection(connection: &ThingSpaceConnection, guest: &str, namespaces: &Namespaces) -> Option<Hold> {
    let (namespace, name) = connection.key();
    let allowed = connection.spec.allowed_namespaces.as_ref();
    if namespace == guest || allowed.is_some_and(|a| a.names.iter().any(|n| n == guest)) {
        return None;
    }
    if let Some(selector) = selector(connection) {
        let state = namespaces.state();
        let Some(known) = &state.known else {
            let message = format!(
                "Whether ThingSpaceConnection {namespace}/{name} admits namespace {guest} is not known yet: its selector \
                 needs the labels of namespaces, and they have not been read. The activation is sent as soon as it is \
                 admitted."
            );
            return Some(Hold { reason: "NamespacesUnread", message, stalled: false });
        };
        if known.get(guest).is_some_and(|labels| selector.matches(labels)) {
            return None;
        }
    }
    let message = format!(
        "ThingSpaceConnection {namespace}/{name} does not admit namespace {guest}, so nothing is sent. Have {guest} added \
         to its spec.allowedNamespaces, or name a connection of this namespace; it is sent by itself when it is admitted."
    );
    Some(Hold { reason: "ConnectionNotAllowed", message, stalled: true })
}

/// The activation that has a device of `object`, as the namespace of `object` may know it; the log knows more.
pub fn owner_as_told(owner: &Key, object: &EuiccActivation, devices: &Devices) -> String {
    let (namespace, name) = owner;
    if Some(namespace) == object.metadata.namespace.as_ref() {
        return format!("EuiccActivation {namespace}/{name}");
    }
    if devices.is_news(object, owner) {
        tracing::info!(
            namespace = object.namespace(),
            activation = object.name_any(),
            owner = format!("{namespace}/{name}"),
            "one of its devices belongs to an activation of another namespace"
        );
    }
    "an EuiccActivation of another namespace, whose name is in the operator's log".into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn connection(allowed: Value) -> ThingSpaceConnection {
        serde_json::from_value(json!({
            "apiVersion": "euicc-operator.io/v1alpha1", "kind": "ThingSpaceConnection",
            "metadata": {"namespace": "platform", "name": "verizon"},
            "spec": {
                "credentialsSecretRef": {"name": "thingspace"}, "accounts": ["0000123456-00001"],
                "allowedNamespaces": allowed,
            },
        }))
        .unwrap()
    }

    fn known(namespaces: &[(&str, &str)]) -> Namespaces {
        let labels = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
        let known = namespaces.iter().map(|(name, team)| ((*name).to_owned(), labels(team))).collect();
        Namespaces(Mutex::new(State { known: Some(known), ..State::default() }))
    }

    fn reason(allowed: Value, guest: &str, namespaces: &Namespaces) -> Option<&'static str> {
        objection(&connection(allowed), guest, namespaces).map(|hold| hold.reason)
    }

    #[test]
    fn without_a_word_only_its_own_namespace_is_admitted() {
        assert_eq!(reason(json!(null), "platform", &Namespaces::default()), None);
        assert_eq!(reason(json!(null), "fleet", &Namespaces::default()), Some("ConnectionNotAllowed"));
    }

    #[test]
    fn namespaces_are_admitted_by_name_or_by_label() {
        let namespaces = known(&[("fleet", "iot"), ("crm", "sales")]);
        let by_name = json!({"names": ["fleet"]});
        let by_label = json!({"selector": {"matchLabels": {"team": "iot"}}});
        for allowed in [by_name, by_label] {
            assert_eq!(reason(allowed.clone(), "fleet", &namespaces), None);
            assert_eq!(reason(allowed.clone(), "platform", &namespaces), None, "always its own");
            assert_eq!(reason(allowed.clone(), "crm", &namespaces), Some("ConnectionNotAllowed"));
            assert_eq!(reason(allowed, "unheard-of", &namespaces), Some("ConnectionNotAllowed"));
        }
        let either = json!({"names": ["crm"], "selector": {"matchLabels": {"team": "iot"}}});
        assert_eq!(reason(either.clone(), "crm", &namespaces), None);
        assert_eq!(reason(either, "fleet", &namespaces), None);
        assert_eq!(reason(json!({"selector": {}}), "crm", &namespaces), None, "an empty selector admits all");
    }

    #[test]
    fn a_selector_that_says_nothing_sensible_admits_nobody() {
        let broken =
            json!({"selector": {"matchExpressions": [{"key": "team", "operator": "Like", "values": ["iot"]}]}});
        assert_eq!(reason(broken, "fleet", &known(&[("fleet", "iot")])), Some("ConnectionNotAllowed"));
    }

    #[test]
    fn while_labels_are_not_known_nobody_is_refused_and_nobody_admitted() {
        let by_label = json!({"selector": {"matchLabels": {"team": "iot"}}});
        assert_eq!(reason(by_label, "fleet", &Namespaces::default()), Some("NamespacesUnread"));
    }
}
