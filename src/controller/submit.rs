//! Claim, POST, record: one detached task, which shutdown waits for and nothing cancels in the middle.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    context::{Context, Work},
    links::{Link, Readiness},
    request,
    waits::{self, Waits},
};
use crate::{
    activation::{Effect, Event, Outcome},
    api::{Action, EuiccActivation},
    cluster::{RecordError, Recorded},
    thingspace::{self, CallError, ErrorClass, NotSent, RequestId},
};

/// Proof that the intent has been written: made by a successful write only, and used up by sending.
struct Claim {
    object: Arc<EuiccActivation>,
    operation_id: String,
    made: Instant,
    good_for: Duration,
}

impl thingspace::Claim for Claim {
    fn is_fresh(&self) -> bool {
        self.made.elapsed() < self.good_for
    }
}

impl Claim {
    /// Writes the intent. `None`: it is not due any more, or another claim was faster.
    async fn write(
        context: &Context,
        object: Arc<EuiccActivation>,
        work: &mut Work,
    ) -> Result<Option<Self>, RecordError> {
        let (recorder, good_for) = (&context.recorder, context.claim_is_fresh);
        let operation_id = Uuid::new_v4().to_string();
        let made = Instant::now();
        let generation = object.metadata.generation.unwrap_or_default();
        let event = Event::Claim { operation_id: operation_id.clone(), generation };
        let recorded = match recorder.record(Arc::clone(&object), &event).await {
            // The write may have been taken although its answer was lost: then the claim stands, and is ours.
            Err(RecordError::Api(_)) => match recorder.fresh(&object).await? {
                Some(fresh) => recorder.record(fresh, &event).await?,
                None => return Ok(None),
            },
            recorded => recorded?,
        };
        Ok(match recorded {
            Recorded::Written(object, t) | Recorded::Unchanged(object, t) if t.effects.contains(&Effect::Send) => {
                Some(Self { object, operation_id, made, good_for })
            }
            // What is due of it is seen in the version that stood against the claim.
            Recorded::Written(object, _) | Recorded::Unchanged(object, _) => {
                work.wrote(&object);
                None
            }
            Recorded::Gone => None,
        })
    }

    fn action(&self) -> Action {
        let operation = self.object.operation();
        operation.map_or(Action::Activate, |o| o.action)
    }
}

/// Sends one activation, whose turn it is.
pub async fn submit(namespace: &str, name: &str, link: &Link, context: &Arc<Context>) {
    let Some(object) = context.activation(namespace, name) else { return };
    let Some(mut work) = context.begin(&object) else { return };
    // It may have waited long: what stands against it now is said by the reconciliation that follows.
    if !matches!(waits::of(&object, context), Waits::ForNothing(_)) {
        return;
    }
    // Whoever stands in the way is named by the reconciliation that follows.
    if context.devices.reserve(&object, Timestamp::now()).is_err() {
        return;
    }
    let claim = match Claim::write(context, object, &mut work).await {
        Ok(Some(claim)) => claim,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, namespace, activation = name, "cannot claim; the activation waits for its next turn");
            return;
        }
    };
    let (object, operation_id) = (Arc::clone(&claim.object), claim.operation_id.clone());
    let sending = async {
        match claim.action() {
            Action::Activate => link.client.activate(claim, &request::activate(&object)).await,
            Action::Deactivate => link.client.deactivate(claim, &request::deactivate(&object)).await,
        }
    };
    let answer = context.traces.during(&operation_id, sending).await;
    react(&answer, link, context);
    let event = Event::Sent { operation_id, outcome: outcome(answer) };
    if !work.record(object, &event).await {
        tracing::warn!(
            namespace,
            activation = name,
            "the activation was deleted while it was being sent: its lines may become active"
        );
    }
}

/// What one answer says about the connection as a whole.
fn react(answer: &Result<RequestId, CallError>, link: &Link, context: &Context) {
    match answer {
        // Those who wait may want to say so.
        Err(error) if link.heed(error) => context.trigger_all_of(&link.namespace, &link.name),
        Err(CallError::NotSent { cause: NotSent::Credentials(problem) }) => {
            let why = problem.to_string();
            link.checked(Readiness::Not(format!("{}.", why.trim_end_matches('.'))), None);
            link.distrust();
            context.trigger_connection(&link.namespace, &link.name);
        }
        _ => {}
    }
}

fn outcome(answer: Result<RequestId, CallError>) -> Outcome {
    match answer {
        Ok(request_id) => Outcome::Accepted { request_id: request_id.as_str().into() },
        Err(CallError::NotSent { cause }) => Outcome::NotSent { message: cause.to_string() },
        Err(CallError::Refused { code, message }) => Outcome::Refused { code: code.raw, message },
        Err(CallError::Later { code, message, retry_after }) => Outcome::Later {
            not_before: retry_after.map(|d| {
                Timestamp::now()
                    .saturating_add(SignedDuration::try_from(d).unwrap_or_default())
                    .unwrap_or(Timestamp::MAX)
            }),
            throttled: code.class == ErrorClass::Other,
            code: code.raw,
            message,
        },
        Err(CallError::Unknown { cause }) => Outcome::Unknown { message: cause },
    }
}
