//! Asks ThingSpace what became of a request: its status, and the devices themselves.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{activations::Error, context::Context, links::Link, request::ids, tenancy};
use crate::{
    activation::{Effect, Event, Line, LineState, Progress, Question},
    api::{ActivationStatus, DeviceId, DeviceResult, DeviceStatus, EuiccActivation, IdKind},
    thingspace::{self, CallError, RequestId, RequestProgress, wire::DeviceRecord},
};

/// How soon ThingSpace may be asked again about an activation that the API server does not have: the watch tells of a
/// deletion later than a write does.
const VANISHED: Duration = Duration::from_secs(30);

/// Begins a poll or a look in the background: a slow ThingSpace holds up no reconciliation. `false`: nobody is to be asked
/// now.
pub async fn begin(object: &Arc<EuiccActivation>, effect: Effect, context: &Arc<Context>) -> Result<bool, Error> {
    let status = object.status.clone().unwrap_or_default();
    let Some(question) = Question::about(&status, Timestamp::now()) else { return Ok(true) };
    let (namespace, connection) = object.connection_key();
    let found = context.connection(&namespace, &connection);
    let own = object.namespace().unwrap_or_default();
    // An accepted request is followed to its end; which connection that is cannot be edited meanwhile.
    let admitted = found.as_ref().is_none_or(|c| tenancy::objection(c, &own, &context.namespaces).is_none());
    let link = context.links.find(&namespace, &connection).filter(|_| admitted || effect == Effect::Poll);
    let link = match (link, found) {
        (Some(Ok(link)), _) => Ok(link),
        (Some(Err(why)), _) => Err(format!("ThingSpaceConnection {namespace}/{connection} is not ready: {why}")),
        (None, None) if context.unlisted.connections_of(&namespace).is_some() => return Ok(false),
        (None, None) => Err(format!("there is no ThingSpaceConnection {connection} in namespace {namespace}")),
        (None, Some(_)) if admitted => return Ok(false), // it is just being looked at
        (None, Some(_)) => Err(format!("ThingSpaceConnection {namespace}/{connection} does not admit namespace {own}")),
    };
    let link = match link {
        Ok(link) if link.pace.is_pausing() => return Ok(false),
        Ok(link) => link,
        Err(message) => {
            context.recorder.record(Arc::clone(object), &Event::LookFailed { question, message }).await?;
            return Ok(true);
        }
    };
    let Some(mut work) = context.begin(object) else { return Ok(true) };
    let (object, context) = (Arc::clone(object), Arc::clone(context));
    let tasks = context.tasks.clone();
    tasks.spawn(async move {
        let Ok(permit) = link.lookups.acquire().await else { return };
        if context.stop.is_cancelled() || link.pace.is_pausing() {
            return; // it has waited long
        }
        // When its turn has come: what was seen is no older than that.
        let question = Question { asked_at: Timestamp::now(), ..question };
        let asking = async {
            match effect {
                Effect::Poll => {
                    let mut devices = poll(&object, &link).await;
                    let lines = devices.iter_mut().flatten().map(|(_, line)| line);
                    name_owners(lines, &object, &context);
                    devices.map(|devices| Event::Polled { question: question.clone(), devices })
                }
                _ => {
                    let mut lines = observe(&object, &link).await;
                    name_owners(lines.iter_mut().flatten(), &object, &context);
                    lines.map(|lines| Event::Observed { question: question.clone(), lines })
                }
            }
        };
        let found = context.traces.during(&question.operation_id, asking).await;
        drop(permit);
        if found.as_ref().is_err_and(|error| link.heed(error)) {
            context.trigger_all_of(&link.namespace, &link.name); // those who wait may want to say so
        }
        let event = found.unwrap_or_else(|error| Event::LookFailed { question, message: error.to_string() });
        // ThingSpace is not asked again before its answer is recorded; the next leader asks anew.
        let recorded = async {
            if !work.record(object, &event).await {
                tokio::time::sleep(VANISHED).await;
            }
        };
        context.stop.run_until_cancelled(recorded).await;
    });
    Ok(true)
}

/// An active line may be another activation's: ThingSpace's refusal is then the last guard, and says nothing of whose.
fn name_owners<'a>(lines: impl Iterator<Item = &'a mut Line>, object: &EuiccActivation, context: &Context) {
    let devices = object.status.iter().flat_map(|s| &s.devices);
    for (line, device) in lines.zip(devices) {
        if let Line::Found { state: LineState::Active, owner, .. } = line {
            let key = context.devices.owner(object, device);
            *owner = key.map(|key| tenancy::owner_as_told(&key, object, &context.devices));
        }
    }
}

/// Contract 9.1, then 9.2 for what the request's status cannot tell.
async fn poll(object: &EuiccActivation, link: &Link) -> Result<Vec<(Progress, Line)>, CallError> {
    let status = object.status.clone().unwrap_or_default();
    let account = &object.spec.account_name;
    let id = status.request_id.as_deref().and_then(|id| RequestId::new(id).ok());
    let progress = match id {
        Some(id) => link.client.request_status(account, &id).await?,
        None => RequestProgress { overall: thingspace::Progress::NotKnown, devices: Vec::new() },
    };
    let overdue = deadline_passed(&status);
    let mut devices = Vec::with_capacity(status.devices.len());
    for device in &status.devices {
        let progress = progress_of(device, &progress);
        let open = device.result == DeviceResult::Pending;
        let look = open && (overdue || progress != Progress::Pending || device.fault_code.is_some());
        let line = if look { line(account, device, None, link).await? } else { Line::NotAsked };
        devices.push((progress, line));
    }
    Ok(devices)
}

fn deadline_passed(status: &ActivationStatus) -> bool {
    let deadline = status.operation.as_ref().and_then(|o| o.deadline.as_ref());
    deadline.is_some_and(|d| Timestamp::now() >= d.0)
}

fn progress_of(device: &DeviceStatus, request: &RequestProgress) -> Progress {
    let is_it =
        |ids: &[crate::thingspace::wire::DeviceId]| from_wire(ids).iter().any(|i| device.device_ids.contains(i));
    let own = request.devices.iter().find(|d| is_it(&d.ids)).map(|d| d.progress);
    self::progress(own.unwrap_or(request.overall))
}

/// In the state machine's words.
pub(crate) fn progress(progress: thingspace::Progress) -> Progress {
    match progress {
        thingspace::Progress::Pending => Progress::Pending,
        thingspace::Progress::Succeeded => Progress::Succeeded,
        thingspace::Progress::Failed => Progress::Failed,
        thingspace::Progress::NotKnown => Progress::NotKnown,
    }
}

/// Contract 9.4: the devices, and their history since the claim.
async fn observe(object: &EuiccActivation, link: &Link) -> Result<Vec<Line>, CallError> {
    let status = object.status.clone().unwrap_or_default();
    let claimed_at = status.operation.as_ref().map(|o| o.claimed_at.0);
    let mut lines = Vec::with_capacity(status.devices.len());
    for device in &status.devices {
        let open = device.result == DeviceResult::Pending;
        let line = if open { line(&object.spec.account_name, device, claimed_at, link).await? } else { Line::NotAsked };
        lines.push(line);
    }
    Ok(lines)
}

async fn line(
    account: &str,
    device: &DeviceStatus,
    history_since: Option<Timestamp>,
    link: &Link,
) -> Result<Line, CallError> {
    let ids = ids(device);
    let Some(record) = link.client.find_device(account, &ids).await? else { return Ok(Line::NotFound) };
    let attempted = match (state(&record), history_since, ids.first()) {
        (LineState::Inactive | LineState::Other, Some(since), Some(id)) => {
            let history = link.client.history(id, since, Timestamp::now()).await?;
            history.provisioning_history.iter().any(|e| {
                e.event_type.as_deref().is_some_and(|t| t.to_ascii_lowercase().starts_with("activat"))
                    && !e.status.as_deref().is_some_and(|s| s.to_ascii_lowercase().starts_with("fail"))
            })
        }
        _ => false,
    };
    let mut line = found(&record);
    if let Line::Found { attempted: seen, .. } = &mut line {
        *seen = attempted;
    }
    Ok(line)
}

/// What a record of the device list says of a line.
pub(crate) fn found(record: &DeviceRecord) -> Line {
    let carrier = record.carrier_informations.first();
    Line::Found {
        state: state(record),
        device_ids: from_wire(&record.device_ids),
        service_plan: carrier.and_then(|c| c.service_plan.clone()),
        carrier_name: carrier.and_then(|c| c.carrier_name.clone()),
        attempted: false,
        owner: None,
    }
}

fn state(record: &DeviceRecord) -> LineState {
    match record.line_state() {
        thingspace::LineState::Active => LineState::Active,
        thingspace::LineState::PendingActivation | thingspace::LineState::PendingOther => LineState::Pending,
        thingspace::LineState::Deactive | thingspace::LineState::PreActive => LineState::Inactive,
        _ => LineState::Other,
    }
}

fn from_wire(ids: &[crate::thingspace::wire::DeviceId]) -> Vec<DeviceId> {
    ids.iter().filter_map(|i| Some(DeviceId { kind: IdKind::from_wire(&i.kind)?, id: i.id.clone() })).collect()
}
