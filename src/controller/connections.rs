//! Reconciles one `ThingSpaceConnection`: builds its live link, has its accounts checked, and says whether activations
//! can be sent.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action, watcher},
};
use serde_json::json;

use super::{
    check,
    context::Context,
    dispatch, farewell,
    ledger::SecretLedger,
    links::{Link, Readiness},
    material::{self, Material},
    pace::Pace,
    report::{Report, report, report_namespaces},
    tenancy::Namespaces,
};
use crate::{
    api::{DEREGISTER_FINALIZER, OnDelete, ThingSpaceConnection},
    cluster::conflict,
    thingspace::{Client, Endpoint, EndpointError},
};

/// How soon a connection is looked at again when something is missing that a watch may not show.
const SOON: Duration = Duration::from_secs(30);

/// A reconciliation that could not do its work. The controller tries again.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API server did not answer: {0}")]
pub struct Error(#[from] pub kube::Error);

/// One look at one connection.
pub async fn reconcile(connection: Arc<ThingSpaceConnection>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = connection.key();
    if connection.metadata.deletion_timestamp.is_some() {
        return farewell::reconcile(&connection, &context).await;
    }
    if !finalizer_is_right(&connection, &context).await? {
        return Ok(Action::await_change()); // its own write comes back by the watch
    }
    context.secret_watches.keep(&connection, &context);
    Namespaces::keep(&connection, &context);
    let material = match material::read(&connection, &context).await? {
        Ok(material) => material,
        Err(problem) => {
            break_off(&connection, Report::failed("SecretInvalid", &problem, false), &context).await?;
            return Ok(Action::requeue(SOON));
        }
    };
    let link = match context.links.get(&namespace, &name) {
        Some(link) if link.basis == material.basis(&connection) => {
            let due_in = link.due_in(context.recheck_after);
            if !due_in.is_zero() {
                report_namespaces(&connection, &context).await?;
                return Ok(Action::requeue(due_in));
            }
            link
        }
        _ => match build(&connection, &material, &context) {
            Ok(link) => link,
            Err(problem) => {
                break_off(&connection, Report::failed("EndpointInvalid", &format!("{problem}."), true), &context)
                    .await?;
                return Ok(Action::await_change());
            }
        },
    };
    // What is found is compared with what was found before: that must not be an older look than the last.
    let api: Api<ThingSpaceConnection> = Api::namespaced(context.clients.calls.clone(), &namespace);
    let fresh = api.get_opt(&name).await?.filter(|f| f.metadata.generation == connection.metadata.generation);
    let Some(connection) = fresh else { return Ok(Action::await_change()) };
    let outcome = match check::check(&connection, material.callback.as_ref(), &link).await {
        Ok(findings) => Report::of(&connection, findings),
        Err(error) if error.credentials_problem().is_none() && link.forgives() => {
            tracing::info!(namespace, connection = name, %error, "a check failed, and is repeated soon");
            return Ok(Action::requeue(link.due_in(context.recheck_after)));
        }
        Err(error) => Report::failure(&connection, &error),
    };
    let news = link.checked(outcome.readiness(), outcome.facts());
    let blocked = outcome.is_stalled();
    report(&connection, outcome, &context).await?;
    if news {
        context.trigger_all_of(&namespace, &name);
    }
    // A blocked login waits for another Secret, and the watch on it tells.
    Ok(Action::requeue(if blocked { context.recheck_after } else { link.due_in(context.recheck_after) }))
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
    context.trigger_all_of(namespace, name);
}

/// Says why there cannot be a link, to the connection and to the activations that wait for it.
async fn break_off(connection: &ThingSpaceConnection, why: Report, context: &Context) -> Result<(), Error> {
    let (namespace, name) = connection.key();
    let news = match why.readiness() {
        Readiness::Not(why) => context.links.break_off(&namespace, &name, why),
        Readiness::Ready | Readiness::Unchecked(_) => false,
    };
    report(connection, why, context).await?;
    if news {
        context.trigger_all_of(&namespace, &name);
    }
    Ok(())
}

/// Builds the link of a connection that has none yet, or whose spec, Secrets or certificates have changed.
pub fn build(
    connection: &ThingSpaceConnection,
    material: &Material,
    context: &Arc<Context>,
) -> Result<Arc<Link>, EndpointError> {
    let (namespace, name) = connection.key();
    let spec = &connection.spec;
    let mut endpoint = Endpoint::new(&spec.endpoint, Some(&spec.oauth_base()), spec.insecure_endpoint)?;
    if let Some(pem) = &material.certificates {
        endpoint = endpoint.with_ca_bundle(pem.as_bytes())?;
    }
    let access = material.access(connection);
    let client = match context.links.client_for(&access) {
        Some(client) => client,
        None => {
            let ledger = Arc::new(SecretLedger::new(&namespace, &spec.credentials_secret_ref.name, context));
            Client::new(endpoint, material.login.clone(), ledger, context.client_config.clone())?
                .with_observer(Arc::new(context.telemetry()))
        }
    };
    // The limits outlive a change of credentials: their minute has been spent already.
    let old = context.links.get(&namespace, &name).map(|old| Arc::clone(&old.pace));
    let pace = old.filter(|p| p.limits == spec.limits).unwrap_or_else(|| Arc::new(Pace::new(spec.limits)));
    let stop = context.stop.child_token();
    let link = Arc::new(Link::new((namespace, name), material.basis(connection), (access, client), pace, stop));
    context.links.put(Arc::clone(&link));
    context.tasks.spawn(dispatch::run(Arc::clone(&link), Arc::clone(context)));
    Ok(link)
}

/// Sets or clears our finalizer, if nobody wrote in between. `false`: it was not right, and the watch will tell.
async fn finalizer_is_right(connection: &ThingSpaceConnection, context: &Context) -> Result<bool, kube::Error> {
    let callback = connection.spec.callback.as_ref();
    let wanted = callback.is_some_and(|c| c.on_delete == OnDelete::Deregister);
    if wanted == connection.finalizers().iter().any(|f| f == DEREGISTER_FINALIZER) {
        return Ok(true);
    }
    set_finalizer(connection, context, wanted).await.map(|()| false)
}

/// Sets or clears our finalizer, if nobody wrote in between.
pub async fn set_finalizer(
    connection: &ThingSpaceConnection,
    context: &Context,
    wanted: bool,
) -> Result<(), kube::Error> {
    let mut finalizers = connection.finalizers().to_vec();
    finalizers.retain(|f| f != DEREGISTER_FINALIZER);
    if wanted {
        finalizers.push(DEREGISTER_FINALIZER.into());
    }
    let namespace = connection.namespace().unwrap_or_default();
    let api: Api<ThingSpaceConnection> = Api::namespaced(context.clients.calls.clone(), &namespace);
    let version = &connection.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    match api.patch_metadata(&connection.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) if conflict(&error) => Ok(()), // the newer version is on its way here
        Err(error) => Err(error),
    }
}

/// Nothing is sent any more through a connection that is being deleted. Says whether that is news.
pub fn retire(link: &Link) -> bool {
    link.checked(Readiness::Not("it is being deleted.".into()), None)
}
