//! What a fault makes of a reply.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde_json::json;

use super::{
    super::{
        Shared,
        connection::ResetHandle,
        errors::Refusal,
        faults::{
            Struck,
            effect::{Operation, ReplyFault, Strike},
        },
        journal::Position,
        lock, refuse,
        reply::Reply,
    },
    Call, note,
};

/// Pieces of a slow body.
const PIECES: usize = 10;

/// Answers as the fault says.
pub async fn strike(
    sim: &Arc<Shared>,
    call: &Call,
    position: Position,
    struck: Struck<ReplyFault>,
    reset: &ResetHandle,
) -> Response {
    lock(&sim.journal).update(position, |entry| entry.fault = Some(struck.name.to_string()));
    let fault = struck.fault;
    let carried_out = fault.after || matches!(fault.strike, None | Some(Strike::Slow(_)));
    let reply = if carried_out { Some(call.reply(sim).await) } else { None };
    if let Some(reply) = &reply {
        note(sim, position, reply, false);
    }
    sim.clock.sleep(fault.delay).await;
    let answer = match fault.strike {
        None => reply.unwrap_or_else(Reply::empty),
        Some(Strike::Status(status, retry_after)) => answer_with(sim, call.operation(), status).after(retry_after),
        Some(Strike::Error(code)) => refuse(sim, &Refusal::code(code, "The error was injected.")),
        Some(Strike::Garbage) => Reply::html(StatusCode::OK, "Scheduled maintenance"),
        Some(Strike::Slow(time)) => {
            let reply = reply.unwrap_or_else(Reply::empty);
            note(sim, position, &reply, true);
            return slowly(sim, reply, time);
        }
        Some(Strike::Hang) => {
            sim.stop.cancelled().await;
            return lost(reset);
        }
        Some(Strike::Reset) => return lost(reset),
    };
    note(sim, position, &answer, true);
    answer.into_response()
}

/// The connection is reset as soon as the server tries to write this.
fn lost(reset: &ResetHandle) -> Response {
    reset.reset();
    Reply::empty().into_response()
}

/// What each part of the platform answers with a status (contract section 2.3).
fn answer_with(sim: &Shared, operation: Operation, status: StatusCode) -> Reply {
    let oauth = matches!(operation, Operation::Token | Operation::Revoke);
    match status.as_u16() {
        400 | 401 if oauth => {
            let refusal = Refusal::OAuth { status, error: "invalid_client", description: "The error was injected." };
            refuse(sim, &refusal)
        }
        401 => refuse(sim, &Refusal::BEARER_INVALID),
        403 => refuse(sim, &Refusal::FORBIDDEN),
        404 => refuse(sim, &Refusal::NOT_FOUND),
        429 => refuse(sim, &Refusal::THROTTLED),
        400..=499 => plain(status),
        _ => Reply::html(status, status.as_str()),
    }
}

/// The shape of the profile pages: `errorCode` is the status.
pub fn plain(status: StatusCode) -> Reply {
    let message = status.canonical_reason().unwrap_or("Error");
    Reply::json(status, &json!({"errorCode": status.as_str(), "errorMessage": message}))
}

fn slowly(sim: &Arc<Shared>, reply: Reply, time: Duration) -> Response {
    let body = reply.bytes().clone();
    let size = body.len().div_ceil(PIECES).max(1);
    let pieces: Vec<Bytes> = (0..body.len()).step_by(size).map(|n| body.slice(n..body.len().min(n + size))).collect();
    let pause = time / u32::try_from(PIECES).unwrap_or(1);
    let sim = sim.clone();
    let stream = stream::iter(pieces).then(move |piece| {
        let sim = sim.clone();
        async move {
            sim.clock.sleep(pause).await;
            Ok::<_, Infallible>(piece)
        }
    });
    reply.with_body(Body::from_stream(stream))
}
