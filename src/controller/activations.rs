//! Reconciles one `EuiccActivation`: what is due is decided by the state machine; here it is begun.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action, watcher},
};
use serde_json::json;

use super::{
    context::Context,
    lookup,
    waits::{self, Waits},
};
use crate::{
    activation::{Effect, Event, Policy, Subject, advance},
    api::{EuiccActivation, FINALIZER, OperationState},
    cluster::{RecordError, Recorded},
    fault_points::fault_point,
};

/// How soon to look again after what is due but cannot be begun now.
const IN_VAIN: Duration = Duration::from_secs(30);

/// A reconciliation that could not do its work. The controller tries again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the finalizer could not be changed: {0}")]
    Finalizer(#[source] kube::Error),
}

/// Keeps the book of devices, and has those reconciled that may have waited for what was let go. Says whether the
/// object is to be cached and reconciled: what rests is not.
pub fn seen(event: &watcher::Event<EuiccActivation>, namespace: Option<&str>, context: &Context) -> bool {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    let mut rests = false;
    let freed = match event {
        Apply(object) | InitApply(object) => {
            rests = self::rests(object, context.recorder.policy());
            context.devices.apply(object, rests)
        }
        Delete(object) => context.devices.remove(&object.key()),
        Init => {
            context.devices.listing(namespace);
            Vec::new()
        }
        // What was deleted while nobody watched is not in the list.
        InitDone => {
            let freed = context.devices.listed(namespace);
            tracing::info!(namespace, resting = context.devices.resting(), "activations are listed");
            freed
        }
    };
    freed.iter().for_each(|key| context.trigger(key));
    !rests
}

/// Forgets what was waited for of an object that is no longer cached.
pub fn let_go(event: &watcher::Event<EuiccActivation>, _: Option<&str>, context: &Context) {
    if let watcher::Event::Delete(object) = event {
        context.let_go(object);
    }
}

/// Whether it is active, and neither time nor a restart makes anything more of it: whatever does is a new version of it.
fn rests(object: &EuiccActivation, policy: &Policy) -> bool {
    let Some(status) = &object.status else { return false };
    let active = status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "Activated");
    if is_open(object) || !active {
        return false;
    }
    let next = advance(Subject::from(object), status, &Event::Tick, Timestamp::now(), policy);
    next.effects.is_empty() && next.wake_at.is_none() && next.status == *status
}

/// Whether anything may still happen to it without an edit.
pub fn is_open(object: &EuiccActivation) -> bool {
    let state = object.operation().map(|o| o.state);
    object.metadata.deletion_timestamp.is_some() || !matches!(state, Some(OperationState::Succeeded))
}

/// One look at one activation.
pub async fn reconcile(object: Arc<EuiccActivation>, context: Arc<Context>) -> Result<Action, Error> {
    // The cache may have let go of it between its being fetched and this: then what was waited for is forgotten too.
    let Some(object) = context.activation(&object.namespace().unwrap_or_default(), &object.name_any()) else {
        return Ok(Action::await_change());
    };
    if context.is_busy(&object) {
        return Ok(Action::await_change()); // whoever is at work on it has it reconciled when done
    }
    let recorded = context.recorder.record(Arc::clone(&object), &Event::Tick).await?;
    let (object, transition) = match recorded {
        Recorded::Gone => return Ok(Action::await_change()),
        Recorded::Written(object, transition) | Recorded::Unchanged(object, transition) => (object, transition),
    };
    let mut wake_at = transition.wake_at;
    for effect in &transition.effects {
        match effect {
            Effect::Queue => wake_at = queue(&object, &context).await?.or(wake_at),
            Effect::Poll | Effect::Observe => {
                if !lookup::begin(&object, effect.clone(), &context).await? {
                    wake_at = Some(Timestamp::now() + IN_VAIN);
                }
            }
            Effect::AddFinalizer => set_finalizer(&object, &context, true).await?,
            Effect::RemoveFinalizer => set_finalizer(&object, &context, false).await?,
            Effect::Send | Effect::Tell(_) => {} // follow a claim; are published by the recorder
        }
    }
    // What is due has been begun, and its end is told: to come back for it at once would be to come back for ever.
    let now = Timestamp::now();
    let wake_at = wake_at.map(|at| if at > now { at } else { now + IN_VAIN });
    Ok(wake_at.map_or_else(Action::await_change, |at| Action::requeue(until(at))))
}

fn until(at: Timestamp) -> Duration {
    // A second is the resolution of Kubernetes' times: earlier would be too early.
    Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default() + Duration::from_millis(50)
}

/// Asks for a turn to send, or says what stands against it, and when to look again if nothing happens before.
async fn queue(object: &Arc<EuiccActivation>, context: &Arc<Context>) -> Result<Option<Timestamp>, Error> {
    let (hold, wake_at) = match waits::of(object, context) {
        Waits::ForFirstCheck { until } => return Ok(Some(until)),
        Waits::For(hold) => (hold, None),
        Waits::Until(wake_at, hold) => (hold, Some(wake_at)),
        Waits::ForNothing(link) => match waits::for_turn(object, &link) {
            None => return Ok(None),
            Some(hold) => (hold, None),
        },
    };
    tracing::debug!(namespace = object.namespace(), activation = object.name_any(), reason = hold.reason, "held");
    context.recorder.record(Arc::clone(object), &Event::Held(hold)).await?;
    Ok(wake_at)
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
    fault_point(|| "finalizer.before".into());
    let patched = api.patch_metadata(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
    fault_point(|| "finalizer.after".into());
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::Finalizer(error)),
    }
}
