//! What a connection's status says.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::context::Context;
use crate::{
    activation::{Note, Severity},
    api::{AccountStatus, ThingSpaceConnection},
};

/// What a check of a connection found.
pub struct Report {
    accounts: Option<Vec<AccountStatus>>,
    ready: (bool, &'static str, String),
    authenticated: Option<(bool, &'static str, String)>,
    registered: Option<(bool, &'static str, String)>,
    stalled: bool,
}

impl Report {
    /// Everything is as it should be.
    pub fn ready(accounts: Vec<AccountStatus>, callback: bool) -> Self {
        let registered = callback.then(|| {
            (true, "Registered", "ThingSpace delivers the answers of every account to spec.callback.url.".to_owned())
        });
        Self {
            accounts: Some(accounts),
            ready: (true, "Ready", "Activations are sent.".into()),
            authenticated: Some((true, "LoggedIn", "ThingSpace accepts the credentials.".into())),
            registered,
            stalled: false,
        }
    }

    /// Another system listens: nothing is displaced; results are polled for.
    pub fn foreign(accounts: Vec<AccountStatus>, account: &str, url: &str) -> Self {
        let message = format!(
            "ThingSpace delivers the answers of account {account} to {url}, which is not this connection's; it is left \
             alone, and the operator polls for results. Set spec.callback.takeOver to true to displace it."
        );
        Self {
            registered: Some((false, "ForeignListener", message)),
            ready: (true, "ReadyWithoutCallback", "Activations are sent; their results are polled for.".into()),
            ..Self::ready(accounts, false)
        }
    }

    /// The credentials, or what they are read from, are no good.
    pub fn failed(reason: &'static str, problem: &str, stalled: bool) -> Self {
        Self {
            accounts: None,
            ready: (false, reason, problem.into()),
            authenticated: Some((false, reason, problem.into())),
            registered: None,
            stalled,
        }
    }

    /// ThingSpace does not answer, or not now.
    pub fn unreachable(problem: &str) -> Self {
        Self {
            accounts: None,
            ready: (false, "Unreachable", problem.into()),
            authenticated: None,
            registered: None,
            stalled: false,
        }
    }

    /// ThingSpace refuses something that is neither login nor activation.
    pub fn refused(problem: &str) -> Self {
        Self {
            accounts: None,
            ready: (false, "Refused", problem.into()),
            authenticated: Some((true, "LoggedIn", "ThingSpace accepts the credentials.".into())),
            registered: Some((false, "Refused", problem.into())),
            stalled: false,
        }
    }

    /// Whether someone must act.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// For those who wait for the connection.
    pub fn why_not_ready(&self) -> Option<String> {
        (!self.ready.0).then(|| self.ready.2.clone())
    }
}

/// Writes the report, if it says anything new, and an event when readiness changes.
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

    let accounts = report.accounts.unwrap_or_else(|| old.accounts.clone());
    if conditions == old.conditions && accounts == old.accounts && old.observed_generation == generation {
        return Ok(());
    }
    let namespace = connection.namespace().unwrap_or_default();
    let api: Api<ThingSpaceConnection> = Api::namespaced(context.clients.calls.clone(), &namespace);
    let patch = json!({"status": {"observedGeneration": generation, "conditions": conditions, "accounts": accounts}});
    match api.patch_status(&connection.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error),
    }
    let before = old.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.reason.as_str());
    if before != Some(reason) {
        tracing::info!(namespace, connection = connection.name_any(), from = before, to = reason, "connection changed");
        let severity = if ready { Severity::Normal } else { Severity::Warning };
        context.publisher.publish(connection, &Note { severity, reason, message });
    }
    Ok(())
}

fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    value: Option<(bool, &'static str, String)>,
    generation: Option<i64>,
) {
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
