//! Looks at every account of a connection: may it activate, what does it offer, who listens for its answers.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, stream};
use secrecy::ExposeSecret;

use super::{
    links::Link,
    material::CallbackCredentials,
    preflight::Facts,
    registration::{self, Decision, Wanted, decide},
};
use crate::{
    api::{AccountStatus, Callback, ThingSpaceConnection},
    thingspace::{CallError, ErrorCode, NotSent, wire},
};

/// Accounts looked at side by side.
const SIDE_BY_SIDE: usize = 4;
/// Plans and pools shown on the status.
const SHOWN: usize = 64;
/// What ThingSpace calls an account that the user may not have (contract 4).
const NO_SUCH_ACCOUNT: [&str; 5] = [
    "INPUT_INVALID.Account.NotDefined",
    "REQUEST_FAILED.AccountName",
    "REQUEST_FAILED.AccountNotFound",
    "REQUEST_FAILED.NoAccounts",
    "REQUEST_FAILED.MultipleAccounts",
];

/// What was found of one account.
pub struct Finding {
    /// For the connection's status.
    pub status: AccountStatus,
    /// For its activations.
    pub facts: Facts,
    /// Who listens.
    pub listener: Listener,
    /// What has happened to the listener since the last look.
    pub changes: Vec<Change>,
    /// Whether ThingSpace answered anything at all.
    answered: bool,
}

/// Who listens for an account's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Nobody is wanted, or we do.
    AsWanted,
    /// Another system, at this URL.
    Foreign(String),
    /// Nobody, as far as known: why.
    Unregistered(String),
}

/// What has happened to a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is ours for the first time.
    Registered,
    /// It was ours, and is gone, or another's: whose.
    Lost(Option<String>),
    /// It had been ours, and is ours again.
    Restored,
    /// It was another's, and is ours now, as `takeOver` says.
    TakenOver(String),
}

/// Looks at all accounts.
///
/// # Errors
/// When ThingSpace cannot be asked: the credentials are refused, or it does not answer.
pub async fn check(
    connection: &ThingSpaceConnection,
    credentials: Option<&CallbackCredentials>,
    link: &Arc<Link>,
) -> Result<Vec<Finding>, CallError> {
    let look = |account: &String| look(connection, credentials, account.clone(), Arc::clone(link));
    let mut looks = stream::iter(connection.spec.accounts.iter().map(look).collect::<Vec<_>>()).buffered(SIDE_BY_SIDE);
    let (mut findings, mut silence) = (Vec::new(), None);
    while let Some(found) = looks.next().await {
        let (finding, error) = found?;
        silence = silence.or(error.filter(|_| !finding.answered));
        findings.push(finding);
    }
    match silence {
        Some(error) if !findings.iter().any(|f| f.answered) => Err(error),
        _ => Ok(findings),
    }
}

/// What is known of the accounts, for those who want to activate.
pub fn facts(findings: &[Finding]) -> HashMap<String, Facts> {
    findings.iter().map(|f| (f.status.name.clone(), f.facts.clone())).collect()
}

/// The outer error is the connection's; the inner one is what this account was not answered.
async fn look(
    connection: &ThingSpaceConnection,
    credentials: Option<&CallbackCredentials>,
    name: String,
    link: Arc<Link>,
) -> Result<(Finding, Option<CallError>), CallError> {
    let before = connection.status.iter().flat_map(|s| &s.accounts).find(|a| a.name == name);
    let before = before.cloned().unwrap_or_default();
    let account = of_this_account(link.client.account(&name).await)?;
    let plans = of_this_account(link.client.plans(&name).await)?;
    let mut answered = is_answer(&account) || is_answer(&plans);
    let mut facts = Facts::of(account.as_ref().ok(), plans.as_deref().unwrap_or_default());
    if let Err(CallError::Refused { code, message }) = &account
        && is_no_such_account(code)
    {
        facts.refused = Some(format!("{code}: {}", message.trim_end_matches('.')));
    }
    let mut status = AccountStatus {
        callback_url: None,
        provisioning_allowed: facts.provisioning_allowed,
        service_plans: facts.plans.iter().take(SHOWN).cloned().collect(),
        ip_pools: facts.pools.iter().take(SHOWN).cloned().collect(),
        default_ip_pool: facts.default_pool.clone(),
        message: [account.as_ref().err(), plans.as_ref().err()].into_iter().flatten().next().map(sentence),
        ..before.clone()
    };
    status.name.clone_from(&name);
    let mut error = account.err().or(plans.err());
    let (mut listener, mut changes) = (Listener::AsWanted, Vec::new());
    if let (Some(callback), Some(credentials), None) = (&connection.spec.callback, credentials, &facts.refused) {
        match of_this_account(register(callback, credentials, &before, &name, &link).await)? {
            Ok((found, changed)) => {
                answered = true;
                (listener, changes) = (found, changed);
            }
            Err(refusal) => {
                answered |= is_answer(&Err::<(), _>(refusal.clone()));
                listener = Listener::Unregistered(sentence(&refusal));
                error = error.or(Some(refusal));
            }
        }
        status.callback_url = match &listener {
            Listener::AsWanted => Some(callback.url.clone()),
            Listener::Foreign(url) => Some(url.clone()),
            Listener::Unregistered(_) => None,
        };
        if listener == Listener::AsWanted {
            status.registered_url = Some(callback.url.clone());
        }
    }
    Ok((Finding { status, facts, listener, changes, answered }, error))
}

/// Refused credentials and a ThingSpace out of reach are the connection's trouble; all else is this account's.
fn of_this_account<T>(result: Result<T, CallError>) -> Result<Result<T, CallError>, CallError> {
    match result {
        Err(error @ CallError::NotSent { cause: NotSent::Request(_) }) => Ok(Err(error)),
        Err(error @ CallError::NotSent { .. }) => Err(error),
        result => Ok(result),
    }
}

fn is_answer<T>(result: &Result<T, CallError>) -> bool {
    matches!(result, Ok(_) | Err(CallError::Refused { .. }))
}

fn is_no_such_account(code: &ErrorCode) -> bool {
    NO_SUCH_ACCOUNT.iter().any(|known| code.is(known))
}

fn sentence(error: &CallError) -> String {
    format!("{}.", error.to_string().trim_end_matches('.')).chars().take(1000).collect()
}

/// Puts the listener of one account right.
async fn register(
    callback: &Callback,
    credentials: &CallbackCredentials,
    before: &AccountStatus,
    account: &str,
    link: &Link,
) -> Result<(Listener, Vec<Change>), CallError> {
    let wanted = Wanted {
        url: &callback.url,
        username: &credentials.username,
        password: credentials.password.expose_secret(),
        take_over: callback.take_over,
        ours_before: before.registered_url.as_deref(),
    };
    let registration = wire::RegisterCallback {
        name: wire::PROFILE_SERVICE.into(),
        url: callback.url.clone(),
        username: Some(credentials.username.clone()),
        password: Some(credentials.password.expose_secret().into()),
    };
    let was_ours = before.callback_url.is_some() && before.callback_url == before.registered_url;
    let lost = |to: Option<&str>| was_ours.then(|| Change::Lost(to.map(registration::shown)));
    let back = if before.registered_url.is_some() { Change::Restored } else { Change::Registered };
    let decision = decide(&wanted, &link.client.callbacks(account).await?);
    let changes = match decision {
        Decision::Leave => (!was_ours).then_some(back).into_iter().collect(),
        Decision::Foreign { url } => {
            let changes = lost(Some(&url)).into_iter().collect();
            return Ok((Listener::Foreign(registration::shown(&url)), changes));
        }
        Decision::Register => {
            link.client.register_callback(account, &registration).await?;
            lost(None).into_iter().chain([back]).collect()
        }
        Decision::Replace { foreign } => {
            // Callbacks in the gap are lost (contract 6.1), so it is as short as two calls; polling covers it.
            link.client.deregister_callback(account, wire::PROFILE_SERVICE).await?;
            if link.client.register_callback(account, &registration).await.is_err() {
                link.client.register_callback(account, &registration).await?;
            }
            // A new password or URL of what was ours is no news of the listener itself.
            let taken = foreign.map(|url| Change::TakenOver(registration::shown(&url)));
            lost(None).filter(|_| taken.is_some()).into_iter().chain(taken).collect()
        }
    };
    Ok((Listener::AsWanted, changes))
}
