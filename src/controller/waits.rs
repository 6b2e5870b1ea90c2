//! What an activation waits for before it is sent: its connection, its account, its devices, its turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    context::Context,
    devices::Conflict,
    links::{Link, Readiness},
    tenancy,
};
use crate::{
    activation::Hold,
    api::{Action, EuiccActivation},
};

/// How long a first check may take before those who wait for it are told.
const PATIENCE: Duration = Duration::from_secs(10);
/// A wait for a turn that is shorter is not worth a write.
const LONG: Duration = Duration::from_secs(30);
/// Reason of one that waits long for its turn.
const RATE_LIMITED: &str = "RateLimited";

/// What an activation waits for.
pub enum Waits {
    /// Its turn.
    ForNothing(Arc<Link>),
    /// Its connection is about to be checked for the first time.
    ForFirstCheck {
        /// When that has taken long enough to be told.
        until: Timestamp,
    },
    /// This.
    For(Hold),
    /// This, which ends by itself.
    Until(Timestamp, Hold),
}

/// What stands against its having its turn. Whether it is admitted comes first: nobody else learns anything of devices.
pub fn of(object: &EuiccActivation, context: &Context) -> Waits {
    let own = object.namespace().unwrap_or_default();
    let (namespace, connection) = object.connection_key();
    let named = if namespace == own { connection.clone() } else { format!("{namespace}/{connection}") };
    let Some(found) = context.connection(&namespace, &connection) else {
        if let Some(why) = context.unlisted.connections_of(&namespace) {
            return not_listed(format!("{why} The activation goes on by itself when they can be listed."));
        }
        let message = match context.is_watched(&namespace) {
            true => format!(
                "There is no ThingSpaceConnection {connection} in namespace {namespace}; the activation is sent as soon as there is one."
            ),
            false => format!(
                "This operator does not watch namespace {namespace}, so it cannot use ThingSpaceConnection {connection} of \
                 it. Name a connection of this namespace, or have {namespace} added to the operator's --watch-namespace."
            ),
        };
        return Waits::For(Hold { reason: "ConnectionNotFound", message, stalled: false });
    };
    if let Some(hold) = tenancy::objection(&found, &own, &context.namespaces) {
        return Waits::For(hold);
    }
    if !found.spec.accounts.contains(&object.spec.account_name) {
        let message = format!(
            "ThingSpaceConnection {named} does not list account {}, so nothing is sent. Correct spec.accountName, or have \
             the account added to the connection's spec.accounts.",
            object.spec.account_name
        );
        return Waits::For(Hold { reason: "AccountNotAllowed", message, stalled: true });
    }
    if let Some(conflict) = context.devices.conflict(object, Timestamp::now()) {
        return conflicting(conflict, object, context);
    }
    if let Some(why) = context.unlisted.activations() {
        return not_listed(format!(
            "{why} Nothing is sent before it is known which devices others have; it goes on by itself then."
        ));
    }
    let not_ready = |why: &str| {
        let message = format!(
            "ThingSpaceConnection {named} is not ready: {why} The activation is sent as soon as the connection is ready."
        );
        Waits::For(Hold { reason: "ConnectionNotReady", message, stalled: false })
    };
    let link = match context.links.find(&namespace, &connection) {
        None => return Waits::ForFirstCheck { until: Timestamp::now() + PATIENCE },
        Some(Err(why)) => return not_ready(&why),
        Some(Ok(link)) => link,
    };
    match &*link.readiness() {
        Readiness::Not(why) => return not_ready(why),
        Readiness::Unchecked(since) if since.elapsed() >= PATIENCE => return not_ready("ThingSpace is being asked."),
        Readiness::Unchecked(since) => {
            let left = (*since + PATIENCE).saturating_duration_since(Instant::now());
            return Waits::ForFirstCheck { until: Timestamp::now() + left };
        }
        Readiness::Ready => {}
    }
    let facts = link.facts(&object.spec.account_name).filter(|_| activates(object));
    match facts.and_then(|facts| facts.objection(&object.spec, &named)) {
        Some(hold) => Waits::For(hold),
        None => Waits::ForNothing(link),
    }
}

fn not_listed(message: String) -> Waits {
    Waits::For(Hold { reason: "NamespaceNotListed", message, stalled: false })
}

fn conflicting(conflict: Conflict, object: &EuiccActivation, context: &Context) -> Waits {
    match conflict {
        Conflict::Taken { device, by } => {
            let message = format!(
                "Device {} {} belongs to {}, which is under way or active, so nothing is sent. Delete one of the two, or \
                 take the device out of one; it goes on by itself then.",
                device.kind.as_str(),
                device.id,
                tenancy::owner_as_told(&by, object, &context.devices)
            );
            Waits::For(Hold { reason: "DeviceConflict", message, stalled: true })
        }
        Conflict::StillOnItsWay { device } => {
            let message = format!(
                "A request for device {} {} is still on its way to ThingSpace, of a resource that was deleted meanwhile; it \
                 goes on by itself when that is answered.",
                device.kind.as_str(),
                device.id
            );
            Waits::For(Hold { reason: "DeviceConflict", message, stalled: false })
        }
        Conflict::DayIsFull { device, free_at } => {
            let message = format!(
                "Three requests for device {} {} were sent in the last 24 hours, by this resource and others, and \
                 ThingSpace takes only five provisioning actions a line and day; it is sent by itself when the first of \
                 them is a day old.",
                device.kind.as_str(),
                device.id
            );
            Waits::Until(free_at, Hold { reason: "DailyLimit", message, stalled: false })
        }
    }
}

/// Takes its place in the line; says so once, if its turn is far.
pub fn for_turn(object: &EuiccActivation, link: &Link) -> Option<Hold> {
    let wait = link.pace.expected(link.dispatcher.enqueue(object));
    if wait < LONG || said_already(object) {
        return None;
    }
    let when = match wait.as_secs() {
        ..=299 => "within minutes",
        300..=3599 => "within the hour",
        3600..=21_599 => "within hours",
        _ => "in more than six hours",
    };
    let message = format!(
        "It waits for its turn and is expected to be sent {when}: ThingSpace and spec.limits of the connection take so many \
         requests a minute; the oldest go first, and namespaces take turns."
    );
    Some(Hold { reason: RATE_LIMITED, message, stalled: false })
}

fn said_already(object: &EuiccActivation) -> bool {
    let conditions = object.status.iter().flat_map(|s| &s.conditions);
    conditions
        .into_iter()
        .any(|c| c.type_ == "Ready" && c.reason == RATE_LIMITED && c.observed_generation == object.metadata.generation)
}

/// Whether what is sent next is an activation: what an account offers says nothing against ending a line.
fn activates(object: &EuiccActivation) -> bool {
    let last = object.operation().map(|o| o.action);
    object.metadata.deletion_timestamp.is_none() && last != Some(Action::Deactivate)
}
