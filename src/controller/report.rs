//! What a connection's status says, and the events and metrics that go with it.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    check::{self, Change, Finding, Listener},
    context::Context,
    links::Readiness,
    preflight::Facts,
    tenancy,
};
use crate::{
    activation::{Note, Severity},
    api::{AccountStatus, ThingSpaceConnection},
    cluster::conflict,
    telemetry::connection_change,
    thingspace::{CallError, CredentialsProblem, NotSent},
};

/// Status, reason and message of a condition.
type State = (bool, &'static str, String);

/// What a check of a connection found.
pub struct Report {
    accounts: Option<Vec<AccountStatus>>,
    facts: Option<HashMap<String, Facts>>,
    changes: Vec<(String, Change)>,
    ready: State,
    /// For those who wait, where that is shorter than what the connection says.
    short: Option<String>,
    authenticated: Option<State>,
    registered: Option<State>,
    stalled: bool,
}

impl Report {
    /// ThingSpace has answered: what of each account.
    pub fn of(connection: &ThingSpaceConnection, findings: Vec<Finding>) -> Self {
        let mut ready = (true, "Ready", "Activations are sent.".to_owned());
        let registered = connection.spec.callback.as_ref().map(|_| listeners(&findings));
        if registered.as_ref().is_some_and(|(registered, ..)| !registered) {
            ready = (true, "ReadyWithoutCallback", "Activations are sent; their results are polled for.".into());
        }
        let refused: Vec<&Finding> = findings.iter().filter(|f| f.facts.refused.is_some()).collect();
        let stalled = refused.len() == findings.len();
        if let Some(first) = refused.first() {
            let why = first.facts.refused.clone().unwrap_or_default();
            let name = &first.status.name;
            let message = format!(
                "ThingSpace refuses account {name} to this user ({why}). Correct spec.accounts, or have Verizon admit the user."
            );
            ready = match stalled {
                true => (false, "AccountRefused", message),
                false => (true, "AccountRefused", format!("{} But: {message}", ready.2)),
            };
        }
        Self {
            facts: Some(check::facts(&findings)),
            changes: findings
                .iter()
                .flat_map(|f| f.changes.iter().map(|c| (f.status.name.clone(), c.clone())))
                .collect(),
            accounts: Some(findings.into_iter().map(|f| f.status).collect()),
            ready,
            short: None,
            authenticated: Some((true, "LoggedIn", "ThingSpace accepts the credentials.".into())),
            registered,
            stalled,
        }
    }

    /// ThingSpace could not be asked.
    pub fn failure(connection: &ThingSpaceConnection, error: &CallError) -> Self {
        let CallError::NotSent { cause: NotSent::Credentials(problem) } = error else {
            return Self {
                authenticated: None,
                ..Self::failed("Unreachable", &format!("{error}. It is tried again."), false)
            };
        };
        let secret = &connection.spec.credentials_secret_ref.name;
        let namespace = connection.namespace().unwrap_or_default();
        let (reason, keys) = match problem {
            CredentialsProblem::LoginBlocked { .. } => ("LoginBlocked", ""),
            CredentialsProblem::TokenRefused { .. } => ("TokenRefused", "clientId and clientSecret in "),
            _ => ("LoginRefused", "username and password in "),
        };
        let problem = problem.to_string();
        let short = format!("{}. Correct {keys}the credentials Secret {secret}", problem.trim_end_matches('.'));
        let blocked = reason == "LoginBlocked";
        let next = match reason {
            "LoginBlocked" => format!(
                "; if it is right as it is, allow two more logins with: kubectl -n {namespace} annotate secret {secret} \
                 --overwrite euicc-operator.io/retry=\"$(date +%s)\""
            ),
            "LoginRefused" => "; after two failed logins none is tried until it changes.".to_owned(),
            _ => ".".to_owned(),
        };
        let message = format!("{}{}{next}", short[..1].to_uppercase(), &short[1..]);
        Self { short: Some(format!("{short}.")), ..Self::failed(reason, &message, blocked) }
    }

    /// The credentials, or what they are read from, are no good.
    pub fn failed(reason: &'static str, problem: &str, stalled: bool) -> Self {
        Self {
            accounts: None,
            facts: None,
            changes: Vec::new(),
            ready: (false, reason, problem.into()),
            short: None,
            authenticated: Some((false, reason, problem.into())),
            registered: None,
            stalled,
        }
    }

    /// Whether someone must act.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// For those who wait for the connection.
    pub fn readiness(&self) -> Readiness {
        match self.ready {
            (true, ..) => Readiness::Ready,
            (false, _, ref message) => Readiness::Not(self.short.clone().unwrap_or_else(|| message.clone())),
        }
    }

    /// What is known of its accounts now.
    pub fn facts(&self) -> Option<HashMap<String, Facts>> {
        self.facts.clone()
    }
}

/// The condition CallbackRegistered.
fn listeners(findings: &[Finding]) -> State {
    for Finding { status: AccountStatus { name, .. }, listener, .. } in findings {
        match listener {
            Listener::AsWanted => {}
            Listener::Foreign(url) => {
                let message = format!(
                    "ThingSpace delivers the answers of account {name} to {url}, which is not this connection's; it is \
                     left alone, and the operator polls for results. Set spec.callback.takeOver to true to displace it."
                );
                return (false, "ForeignListener", message);
            }
            Listener::Unregistered(why) => {
                let message = format!(
                    "The listener of account {name} could not be registered: {why} The operator polls for results, and \
                     tries again at the next check."
                );
                return (false, "RegistrationFailed", message);
            }
        }
    }
    (true, "Registered", "ThingSpace delivers the answers of every account to spec.callback.url.".to_owned())
}

/// Writes the report, if it says anything new, with an event when readiness changes and for each change of a listener.
pub async fn report(connection: &ThingSpaceConnection, report: Report, context: &Context) -> Result<(), kube::Error> {
    let old = connection.status.clone().unwrap_or_default();
    let generation = connection.metadata.generation;
    let mut conditions = old.conditions.clone();
    let (ready, reason, message) = report.ready.clone();
    set(&mut conditions, "Ready", Some(report.ready.clone()), generation);
    if let Some(authenticated) = report.authenticated {
        set(&mut conditions, "Authenticated", Some(authenticated), generation);
    }
    match (report.registered, &connection.spec.callback) {
        (Some(registered), _) => set(&mut conditions, "CallbackRegistered", Some(registered), generation),
        (None, None) => set(&mut conditions, "CallbackRegistered", None, generation),
        (None, Some(_)) => {}
    }
    let waiting = (!ready && !report.stalled).then(|| (true, reason, message.clone()));
    set(&mut conditions, "Reconciling", waiting, generation);
    set(&mut conditions, "Stalled", report.stalled.then(|| (true, reason, message.clone())), generation);
    set_namespaces(&mut conditions, connection, context);

    let accounts = report.accounts.unwrap_or_else(|| old.accounts.clone());
    for (account, change) in report.changes {
        tell(connection, &account, change, context);
    }
    if conditions == old.conditions && accounts == old.accounts && old.observed_generation == generation {
        return Ok(());
    }
    let status = json!({"observedGeneration": generation, "conditions": conditions, "accounts": accounts});
    write(connection, json!({ "status": status }), context).await?;
    let before = old.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.as_str());
    if before != Some(reason) {
        let namespace = connection.namespace();
        let (name, said) = (connection.name_any(), "connection changed");
        let severity = if ready { Severity::Normal } else { Severity::Warning };
        match severity {
            Severity::Normal => tracing::info!(namespace, connection = name, from = before, to = reason, "{said}"),
            Severity::Warning => tracing::warn!(namespace, connection = name, from = before, to = reason, "{said}"),
        }
        context.publisher.publish(connection, &Note { severity, reason, message });
    }
    Ok(())
}

/// Writes what has changed about reading the labels of namespaces, and nothing else.
pub async fn report_namespaces(connection: &ThingSpaceConnection, context: &Context) -> Result<(), kube::Error> {
    let Some(status) = &connection.status else { return Ok(()) };
    let mut conditions = status.conditions.clone();
    set_namespaces(&mut conditions, connection, context);
    if conditions == status.conditions {
        return Ok(());
    }
    // The cache may be older than the last report, which must not be undone: its watch event brings us back here.
    let version = &connection.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}});
    match write(connection, patch, context).await {
        Err(error) if conflict(&error) => Ok(()),
        written => written,
    }
}

fn set_namespaces(conditions: &mut Vec<Condition>, connection: &ThingSpaceConnection, context: &Context) {
    let state = match tenancy::selector_state(connection, &context.namespaces) {
        None => None,
        Some(Ok(())) => Some((true, "NamespacesRead", "The labels of namespaces are known.".to_owned())),
        Some(Err(why)) => Some((false, "NamespacesUnread", why)),
    };
    set(conditions, tenancy::CONDITION, state, connection.metadata.generation);
}

async fn write(
    connection: &ThingSpaceConnection,
    patch: serde_json::Value,
    context: &Context,
) -> Result<(), kube::Error> {
    let namespace = connection.namespace().unwrap_or_default();
    let api: Api<ThingSpaceConnection> = Api::namespaced(context.clients.calls.clone(), &namespace);
    match api.patch_status(&connection.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// An event and a count for what has happened to a listener.
fn tell(connection: &ThingSpaceConnection, account: &str, change: Change, context: &Context) {
    use connection_change::{REGISTERED, REGISTRATION_LOST, REGISTRATION_RESTORED};
    let (count, severity, reason, message) = match change {
        Change::Registered => (
            REGISTERED,
            Severity::Normal,
            "ListenerRegistered",
            format!("ThingSpace now delivers the answers of account {account} to spec.callback.url."),
        ),
        Change::Lost(None) => (
            REGISTRATION_LOST,
            Severity::Warning,
            "ListenerLost",
            format!("The callback listener of account {account} was not registered any more; it is put back."),
        ),
        Change::Lost(Some(url)) => (
            REGISTRATION_LOST,
            Severity::Warning,
            "ListenerLost",
            format!(
                "ThingSpace now delivers the answers of account {account} to {url}: another system has displaced this \
                 connection's listener. It is left alone, and the operator polls for results; set \
                 spec.callback.takeOver to true to displace it."
            ),
        ),
        Change::Restored => (
            REGISTRATION_RESTORED,
            Severity::Normal,
            "ListenerRestored",
            format!("ThingSpace delivers the answers of account {account} to spec.callback.url again."),
        ),
        Change::TakenOver(url) => (
            REGISTRATION_RESTORED,
            Severity::Warning,
            "ListenerTakenOver",
            format!(
                "ThingSpace now delivers the answers of account {account} to spec.callback.url and no more to {url}: \
                 spec.callback.takeOver is true."
            ),
        ),
    };
    context.metrics.connection_changed(count);
    tracing::info!(namespace = connection.namespace(), connection = connection.name_any(), account, reason, "listener");
    context.publisher.publish(connection, &Note { severity, reason, message });
}

fn set(conditions: &mut Vec<Condition>, type_: &str, value: Option<State>, generation: Option<i64>) {
    let position = conditions.iter().position(|c| c.type_ == type_);
    let Some((status, reason, message)) = value else {
        if let Some(i) = position {
            conditions.remove(i);
        }
        return;
    };
    let status = if status { "True" } else { "False" };
    let since = position
        .map(|i| &conditions[i])
        .filter(|old| old.status == status)
        .map_or_else(|| Time(Timestamp::now()), |old| old.last_transition_time.clone());
    let new = Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message,
        observed_generation: generation,
        last_transition_time: since,
    };
    match position {
        Some(i) => conditions[i] = new,
        None => conditions.push(new),
    }
}
