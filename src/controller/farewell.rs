//! The end of a connection. `onDelete: Keep` holds nothing up; `Deregister` removes the listeners that are this
//! connection's, and nothing that vanishes can hold the finalizer for ever.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, runtime::controller::Action};

use super::{
    connections::{self, Error},
    context::Context,
    links::Link,
    material,
};
use crate::{
    activation::{Note, Severity},
    api::{DEREGISTER_FINALIZER, OnDelete, ThingSpaceConnection},
    telemetry::connection_change,
    thingspace::{CallError, wire},
};

/// How soon ThingSpace is asked again when it does not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// One look at a connection that is being deleted.
pub async fn reconcile(connection: &ThingSpaceConnection, context: &Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = connection.key();
    if !connection.finalizers().iter().any(|f| f == DEREGISTER_FINALIZER) {
        context.links.remove(&namespace, &name);
        context.secret_watches.end(&namespace, &name);
        return Ok(Action::await_change());
    }
    let wanted = connection.spec.callback.as_ref().is_some_and(|c| c.on_delete == OnDelete::Deregister);
    let problem = match link(connection, context).await? {
        _ if !wanted => None,
        Ok(link) => {
            if connections::retire(&link) {
                context.trigger_all_of(&namespace, &name);
            }
            match deregister(connection, &link, context).await {
                Ok(()) => None,
                Err(error) => {
                    if left(connection, context.deregister_timeout) > Duration::ZERO {
                        tracing::info!(namespace, connection = name, %error, "listeners are not deregistered yet");
                        return Ok(Action::requeue(AGAIN));
                    }
                    Some(error.to_string())
                }
            }
        }
        // Whoever deletes the Secret as well does not mean to come back with it.
        Err(problem) => Some(problem),
    };
    if let Some(problem) = problem {
        let message = format!(
            "The callback listeners of this connection could not be deregistered: {}. It is let go, and ThingSpace may go \
             on delivering to its callback.url; deregister them at ThingSpace.",
            problem.trim_end_matches('.')
        );
        tracing::warn!(namespace, connection = name, message);
        let note = Note { severity: Severity::Warning, reason: "DeregistrationAbandoned", message };
        context.publisher.publish(connection, &note);
    }
    connections::set_finalizer(connection, context, false).await?;
    Ok(Action::await_change())
}

/// The live link, or one made for this: a connection may be deleted while no controller runs. The live one also serves
/// when its Secret went first.
async fn link(
    connection: &ThingSpaceConnection,
    context: &Arc<Context>,
) -> Result<Result<Arc<Link>, String>, kube::Error> {
    if let Some(link) = context.links.get(&connection.namespace().unwrap_or_default(), &connection.name_any()) {
        return Ok(Ok(link));
    }
    Ok(match material::read(connection, context).await? {
        Ok(material) => connections::build(connection, &material, context).map_err(|e| e.to_string()),
        Err(problem) => Err(problem),
    })
}

async fn deregister(connection: &ThingSpaceConnection, link: &Link, context: &Context) -> Result<(), CallError> {
    let known = connection.status.iter().flat_map(|s| &s.accounts);
    let registered = known.clone().filter(|a| a.registered_url.is_some()).map(|a| a.name.clone());
    let accounts: BTreeSet<String> = connection.spec.accounts.iter().cloned().chain(registered).collect();
    let mut ours: BTreeSet<String> = known.filter_map(|a| a.registered_url.clone()).collect();
    ours.extend(connection.spec.callback.iter().map(|c| c.url.clone()));
    for account in accounts {
        let listeners = match link.client.callbacks(&account).await {
            Ok(listeners) => listeners,
            // An account that ThingSpace refuses has no listener that we could remove.
            Err(CallError::Refused { .. }) => continue,
            Err(error) => return Err(error),
        };
        if listeners.iter().any(|l| l.service_name == wire::PROFILE_SERVICE && ours.contains(&l.url)) {
            link.client.deregister_callback(&account, wire::PROFILE_SERVICE).await?;
            context.metrics.connection_changed(connection_change::DEREGISTERED);
            let message = format!("The callback listener of account {account} is deregistered.");
            let note = Note { severity: Severity::Normal, reason: "ListenerDeregistered", message };
            context.publisher.publish(connection, &note);
        }
    }
    Ok(())
}

/// How long ThingSpace may still take.
fn left(connection: &ThingSpaceConnection, timeout: Duration) -> Duration {
    let deleted = connection.metadata.deletion_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::ZERO);
    Duration::try_from((deleted + timeout).duration_since(Timestamp::now())).unwrap_or_default()
}
