//! Reconciles one `ThingSpaceConnection`: builds its live link, proves its credentials, registers its callback
//! listener, and says whether activations can be sent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    runtime::{controller::Action, watcher},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    context::Context,
    dispatch,
    ledger::ConnectionLedger,
    links::{Basis, Link, Pace},
    registration::{Decision, Wanted, decide},
    report::{Report, report},
};
use crate::{
    api::{AccountStatus, ThingSpaceConnection},
    cluster::is_transient,
    thingspace::{CallError, Client, Credentials, CredentialsProblem, Endpoint, NotSent, wire},
};

/// Longest user name and password that ThingSpace echoes (contract 6.1).
const LONGEST_CALLBACK_CREDENTIAL: usize = 40;
/// How soon a connection is looked at again when something is missing that a watch may not show.
const SOON: Duration = Duration::from_secs(30);

/// A reconciliation that could not do its work. The controller tries again.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API server did not answer: {0}")]
pub struct Error(#[from] pub kube::Error);

/// The two Secrets of a connection.
struct Secrets {
    login: Credentials,
    callback: Option<CallbackCredentials>,
    basis: Basis,
}

struct CallbackCredentials {
    username: String,
    password: SecretString,
}

/// One look at one connection.
pub async fn reconcile(connection: Arc<ThingSpaceConnection>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (connection.namespace().unwrap_or_default(), connection.name_any());
    if connection.metadata.deletion_timestamp.is_some() {
        end(&context, &namespace, &name);
        return Ok(Action::await_change());
    }
    context.secret_watches.keep(&connection, &context);
    let secrets = match read_secrets(&connection, &context).await? {
        Ok(secrets) => secrets,
        Err(problem) => {
            break_off(&connection, Report::failed("SecretInvalid", &problem, false), &context).await?;
            return Ok(Action::requeue(SOON));
        }
    };
    let link = match context.links.get(&namespace, &name) {
        Some(link) if link.basis == secrets.basis => {
            let due_in = link.due_in(context.recheck_after);
            if !due_in.is_zero() {
                return Ok(Action::requeue(due_in));
            }
            link
        }
        old => match build(&connection, &secrets, old.map(|o| Arc::clone(&o.pace)), &context) {
            Ok(link) => link,
            Err(problem) => {
                break_off(&connection, Report::failed("EndpointInvalid", &problem, true), &context).await?;
                return Ok(Action::await_change());
            }
        },
    };
    let outcome = check(&connection, &secrets, &link).await;
    link.checked(outcome.why_not_ready());
    let due_in = link.due_in(context.recheck_after);
    let blocked = outcome.is_stalled();
    report(&connection, outcome, &context).await?;
    context.trigger_all_of(&namespace, &name);
    // A blocked login waits for another Secret, and the watch on it tells.
    Ok(if blocked { Action::requeue(context.recheck_after) } else { Action::requeue(due_in) })
}

/// Ends what connections that are gone have left.
pub fn seen(event: &watcher::Event<ThingSpaceConnection>, namespace: Option<&str>, context: &Context) {
    match event {
        watcher::Event::Delete(gone) => end(context, &gone.namespace().unwrap_or_default(), &gone.name_any()),
        // What was deleted while nobody watched is not in the list.
        watcher::Event::InitDone => {
            let known = context.links.keys().into_iter().filter(|key| namespace.is_none_or(|n| key.0 == n));
            for (namespace, name) in known.filter(|(ns, name)| context.connection(ns, name).is_none()) {
                end(context, &namespace, &name);
            }
        }
        _ => {}
    }
}

fn end(context: &Context, namespace: &str, name: &str) {
    context.links.remove(namespace, name);
    context.secret_watches.end(namespace, name);
}

/// Says why there cannot be a link, to the connection and to the activations that wait for it.
async fn break_off(connection: &ThingSpaceConnection, why: Report, context: &Context) -> Result<(), Error> {
    let (namespace, name) = (connection.namespace().unwrap_or_default(), connection.name_any());
    context.links.break_off(&namespace, &name, &why.why_not_ready().unwrap_or_default());
    report(connection, why, context).await?;
    context.trigger_all_of(&namespace, &name);
    Ok(())
}

/// Builds the link of a connection that has none yet, or whose spec or Secrets have changed.
fn build(
    connection: &ThingSpaceConnection,
    secrets: &Secrets,
    pace: Option<Arc<Pace>>,
    context: &Arc<Context>,
) -> Result<Arc<Link>, String> {
    let (namespace, name) = (connection.namespace().unwrap_or_default(), connection.name_any());
    let spec = &connection.spec;
    let endpoint = Endpoint::new(&spec.endpoint, Some(&spec.oauth_base()), spec.insecure_endpoint);
    let ledger = Arc::new(ConnectionLedger::new(context.clients.calls.clone(), &namespace, &name));
    let client = endpoint
        .and_then(|e| Client::new(e, secrets.login.clone(), ledger, context.client_config.clone()))
        .map_err(|e| e.to_string())?
        .with_observer(context.metrics.clone());
    // The limits outlive a change of credentials: their minute has been spent already.
    let pace = pace.filter(|p| p.limits == spec.limits).unwrap_or_else(|| Arc::new(Pace::new(spec.limits)));
    let stop = context.stop.child_token();
    let link = Arc::new(Link::new((namespace, name), secrets.basis.clone(), client, pace, stop));
    context.links.put(Arc::clone(&link));
    context.tasks.spawn(dispatch::run(Arc::clone(&link), Arc::clone(context)));
    Ok(link)
}

/// Proves the credentials by using them, account by account, and puts the callback listeners right.
async fn check(connection: &ThingSpaceConnection, secrets: &Secrets, link: &Link) -> Report {
    let mut accounts = Vec::new();
    let mut foreign = None;
    for account in &connection.spec.accounts {
        let registered = match &secrets.callback {
            Some(credentials) => register(connection, account, credentials, link).await,
            None => link.client.account(account).await.map(|_| Registered::At(None)),
        };
        match registered {
            Ok(Registered::At(callback_url)) => accounts.push(AccountStatus { name: account.clone(), callback_url }),
            Ok(Registered::Foreign(url)) => {
                accounts.push(AccountStatus { name: account.clone(), callback_url: Some(url.clone()) });
                foreign = foreign.or(Some((account.clone(), url)));
            }
            Err(error) => return failure(account, &error),
        }
    }
    match foreign {
        Some((account, url)) => Report::foreign(accounts, &account, &url),
        None => Report::ready(accounts, secrets.callback.is_some()),
    }
}

fn failure(account: &str, error: &CallError) -> Report {
    match error {
        CallError::NotSent { cause: NotSent::Credentials(problem) } => {
            let reason = match problem {
                CredentialsProblem::LoginBlocked { .. } => "LoginBlocked",
                CredentialsProblem::TokenRefused { .. } => "TokenRefused",
                _ => "LoginRefused",
            };
            Report::failed(reason, &format!("{problem}. Correct the credentials Secret."), reason == "LoginBlocked")
        }
        CallError::NotSent { .. } | CallError::Unknown { .. } | CallError::Later { .. } => {
            Report::unreachable(&format!("{error}. It is tried again."))
        }
        CallError::Refused { .. } => Report::refused(&format!("account {account}: {error}.")),
    }
}

enum Registered {
    /// Where the account's answers go; `None`: nowhere, the operator polls.
    At(Option<String>),
    /// To another system.
    Foreign(String),
}

async fn register(
    connection: &ThingSpaceConnection,
    account: &str,
    credentials: &CallbackCredentials,
    link: &Link,
) -> Result<Registered, CallError> {
    let Some(callback) = &connection.spec.callback else { return Ok(Registered::At(None)) };
    let known = connection.status.iter().flat_map(|s| &s.accounts).find(|a| a.name == account);
    let wanted = Wanted {
        url: &callback.url,
        username: &credentials.username,
        password: credentials.password.expose_secret(),
        take_over: callback.take_over,
        ours_before: known.and_then(|a| a.callback_url.as_deref()).filter(|_| was_ours(connection)),
    };
    let registration = wire::RegisterCallback {
        name: wire::PROFILE_SERVICE.into(),
        url: callback.url.clone(),
        username: Some(credentials.username.clone()),
        password: Some(credentials.password.expose_secret().into()),
    };
    match decide(&wanted, &link.client.callbacks(account).await?) {
        Decision::Leave => {}
        Decision::Foreign { url } => return Ok(Registered::Foreign(url)),
        Decision::Register => link.client.register_callback(account, &registration).await?,
        Decision::Replace => {
            // Callbacks in the gap are lost (contract 6.1), so it is as short as two calls; polling covers it.
            link.client.deregister_callback(account, wire::PROFILE_SERVICE).await?;
            link.client.register_callback(account, &registration).await?;
        }
    }
    Ok(Registered::At(Some(callback.url.clone())))
}

/// Whether the URLs in status are ours: they are while the registration was good.
fn was_ours(connection: &ThingSpaceConnection) -> bool {
    let conditions = connection.status.iter().flat_map(|s| &s.conditions);
    conditions.into_iter().any(|c| c.type_ == "CallbackRegistered" && c.status == "True")
}

/// The outer error is Kubernetes', the inner one says what is wrong with a Secret.
async fn read_secrets(
    connection: &ThingSpaceConnection,
    context: &Context,
) -> Result<Result<Secrets, String>, kube::Error> {
    let api: Api<Secret> = Api::namespaced(context.clients.calls.clone(), &connection.namespace().unwrap_or_default());
    let spec = &connection.spec;
    let login = match secret(&api, &spec.credentials_secret_ref.name).await? {
        Ok(secret) => secret,
        Err(problem) => return Ok(Err(problem)),
    };
    let callback = match &spec.callback {
        None => None,
        Some(callback) => match secret(&api, &callback.credentials_secret_ref.name).await? {
            Ok(secret) => Some(secret),
            Err(problem) => return Ok(Err(problem)),
        },
    };
    Ok(parse_secrets(connection, &login, callback.as_ref()))
}

async fn secret(api: &Api<Secret>, name: &str) -> Result<Result<Secret, String>, kube::Error> {
    match api.get_opt(name).await {
        Ok(Some(secret)) => Ok(Ok(secret)),
        Ok(None) => Ok(Err(format!("Secret {name} does not exist. Create it."))),
        Err(error) if is_transient(&error) => Err(error),
        Err(error) => Ok(Err(format!("Secret {name} cannot be read: {error}. Check the operator's Role."))),
    }
}

fn parse_secrets(
    connection: &ThingSpaceConnection,
    login: &Secret,
    callback: Option<&Secret>,
) -> Result<Secrets, String> {
    let version = login.resource_version().unwrap_or_default();
    let credentials = Credentials {
        client_id: key(login, "clientId")?.into(),
        client_secret: key(login, "clientSecret")?.into(),
        username: key(login, "username")?.into(),
        password: key(login, "password")?.into(),
        version: version.clone(),
    };
    let parsed = callback.map(|secret| callback_credentials(secret, &credentials)).transpose()?;
    let basis = Basis {
        generation: connection.metadata.generation,
        credentials: version,
        callback: callback.and_then(ResourceExt::resource_version),
    };
    Ok(Secrets { login: credentials, callback: parsed, basis })
}

fn callback_credentials(secret: &Secret, login: &Credentials) -> Result<CallbackCredentials, String> {
    let (username, password) = (key(secret, "username")?, key(secret, "password")?);
    let name = secret.name_any();
    if username.len() > LONGEST_CALLBACK_CREDENTIAL || password.len() > LONGEST_CALLBACK_CREDENTIAL {
        return Err(format!(
            "Secret {name}: username and password may have {LONGEST_CALLBACK_CREDENTIAL} characters each. Shorten them."
        ));
    }
    if login.username.expose_secret() == username || login.password.expose_secret() == password {
        return Err(format!(
            "Secret {name}: username and password must not be those of the login, for ThingSpace sends them in clear. \
             Choose others."
        ));
    }
    Ok(CallbackCredentials { username, password: password.into() })
}

fn key(secret: &Secret, key: &str) -> Result<String, String> {
    let empty = BTreeMap::new();
    let data: &BTreeMap<String, ByteString> = secret.data.as_ref().unwrap_or(&empty);
    let text = data.get(key).and_then(|v| String::from_utf8(v.0.clone()).ok()).map(|v| v.trim().to_owned());
    text.filter(|t| !t.is_empty())
        .ok_or_else(|| format!("Secret {} has no key {key} with text in it. Add it.", secret.name_any()))
}
