//! Reconciles one `EuiccActivation`: what is due is decided by the state machine; here it is begun.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use serde_json::json;

use super::{context::Context, lookup};
use crate::{
    activation::{Effect, Event, Hold},
    api::{EuiccActivation, FINALIZER, OperationState},
    cluster::{RecordError, Recorded},
};

/// A reconciliation that could not do its work. The controller tries again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the finalizer could not be changed: {0}")]
    Finalizer(#[source] kube::Error),
}

/// Whether anything may still happen to it without an edit.
pub fn is_open(object: &EuiccActivation) -> bool {
    let state = object.status.as_ref().and_then(|s| s.operation.as_ref()).map(|o| o.state);
    !matches!(state, Some(OperationState::Succeeded))
}

/// One look at one activation.
pub async fn reconcile(object: Arc<EuiccActivation>, context: Arc<Context>) -> Result<Action, Error> {
    if context.is_busy(&object) {
        return Ok(Action::await_change()); // whoever is at work on it has it reconciled when done
    }
    let recorded = context.recorder.record(Arc::clone(&object), &Event::Tick).await?;
    let (object, transition) = match recorded {
        Recorded::Gone => return Ok(Action::await_change()),
        Recorded::Written(object, transition) | Recorded::Unchanged(object, transition) => (object, transition),
    };
    for effect in &transition.effects {
        match effect {
            Effect::Queue => queue(&object, &context).await?,
            Effect::Poll | Effect::Observe => lookup::begin(&object, effect.clone(), &context).await?,
            Effect::AddFinalizer => set_finalizer(&object, &context, true).await?,
            Effect::RemoveFinalizer => set_finalizer(&object, &context, false).await?,
            Effect::Send | Effect::Tell(_) => {} // follow a claim; are published by the recorder
        }
    }
    Ok(transition.wake_at.map_or_else(Action::await_change, |at| Action::requeue(until(at))))
}

fn until(at: Timestamp) -> Duration {
    // A second is the resolution of Kubernetes' times: earlier would be too early.
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default() + Duration::from_millis(50)
}

/// Asks for a turn to send, or says what stands against it.
async fn queue(object: &Arc<EuiccActivation>, context: &Arc<Context>) -> Result<(), Error> {
    let (namespace, connection) = (object.namespace().unwrap_or_default(), &object.spec.connection_ref.name);
    let hold = match context.connection(&namespace, connection) {
        None => Some(Hold {
            reason: "ConnectionNotFound",
            message: format!(
                "There is no ThingSpaceConnection {connection} in namespace {namespace}; it is sent as soon as there is one."
            ),
            stalled: false,
        }),
        Some(found) if !found.spec.accounts.contains(&object.spec.account_name) => Some(Hold {
            reason: "AccountNotAllowed",
            message: format!(
                "ThingSpaceConnection {connection} does not list account {}, so nothing is sent. Correct spec.accountName, \
                 or have the account added to the connection's spec.accounts.",
                object.spec.account_name
            ),
            stalled: true,
        }),
        Some(_) => {
            let why = match context.links.find(&namespace, connection) {
                None => return Ok(()), // about to be reconciled for the first time
                Some(Err(why)) => Some(why),
                Some(Ok(link)) => match link.why_not_ready() {
                    Some(why) => Some(why),
                    None => {
                        link.dispatcher.enqueue(object);
                        None
                    }
                },
            };
            why.map(|why| Hold {
                reason: "ConnectionNotReady",
                message: format!("ThingSpaceConnection {connection} is not ready: {why} It is sent as soon as it is."),
                stalled: false,
            })
        }
    };
    if let Some(hold) = hold {
        context.recorder.record(Arc::clone(object), &Event::Held(hold)).await?;
    }
    Ok(())
}

/// Sets or clears our finalizer, if nobody wrote in between.
async fn set_finalizer(object: &EuiccActivation, context: &Context, wanted: bool) -> Result<(), Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|f| f != FINALIZER);
    if wanted {
        finalizers.push(FINALIZER.into());
    }
    let api: Api<EuiccActivation> =
        Api::namespaced(context.clients.calls.clone(), &object.namespace().unwrap_or_default());
    let patch = json!({"metadata": {"resourceVersion": object.metadata.resource_version, "finalizers": finalizers}});
    match api.patch_metadata(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Finalizer(error)),
    }
}
