//! From an accepted request to its outcome, and from there to the listener (contract sections 6.2 and 7).

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    Shared,
    clock::later,
    config::{NoListener, Retries},
    errors::in_words,
    faults::{
        Occasion, Struck,
        effect::{CallbackFault, Operation, Password},
    },
    journal::{Direction, Entry},
    lock,
    messages::{Report, THRESHOLD, wrong_password},
    world::{Ended, Failure, accounts::Listener},
};
use crate::thingspace::wire::PROFILE_SERVICE;

/// Between two tries, as documented.
const DOCUMENTED_WAIT: Duration = Duration::from_secs(300);
/// Before the only second try, as observed.
const OBSERVED_WAIT: Duration = Duration::from_millis(1300);
/// Silence of a listener after which an overlapping second try starts, as observed. The listener's time is real, so
/// this one is never scaled.
const OBSERVED_SILENCE: Duration = Duration::from_secs(4);
/// Silence of a listener that counts as failure; none is published.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30);

/// A report on its way to the listener.
pub struct Message {
    /// What is told.
    pub report: Arc<Report>,
    /// In which way it goes wrong.
    pub struck: Option<Struck<CallbackFault>>,
}

impl Message {
    fn fault(&self) -> CallbackFault {
        self.struck.as_ref().map(|struck| struck.fault.clone()).unwrap_or_default()
    }
}

/// Starts what an accepted request leads to. Returns what a fault wants done before the reply: the outcomes whose
/// first delivery the reply has to wait for.
pub fn start(sim: &Arc<Shared>, request_id: &str, occasion: Occasion<'_>) -> Vec<oneshot::Receiver<()>> {
    let mut awaited = Vec::new();
    for (part, device) in occasion.devices.iter().enumerate() {
        let occasion = Occasion { operation: Operation::Callback, devices: std::slice::from_ref(device), ..occasion };
        let struck = lock(&sim.faults).callback(occasion);
        let (delivered, first) = oneshot::channel();
        if struck.as_ref().is_some_and(|struck| struck.fault.early) {
            awaited.push(first);
        }
        sim.spawn(carry_out(sim.clone(), request_id.to_owned(), part, struck, delivered));
    }
    awaited
}

async fn carry_out(
    sim: Arc<Shared>,
    request_id: String,
    part: usize,
    struck: Option<Struck<CallbackFault>>,
    delivered: oneshot::Sender<()>,
) {
    let fault = struck.as_ref().map(|struck| struck.fault.clone()).unwrap_or_default();
    let mut delivered = Some(delivered);
    let takes = if fault.early { Duration::ZERO } else { fault.stuck.unwrap_or(sim.config.activation_time) };
    sim.clock.sleep_until(later(sim.clock.now(), takes)).await;
    if let Some(more) = fault.warning {
        let warning = lock(&sim.world).warning(&request_id, part);
        if let Some(report) = warning {
            let message = Message { report: Arc::new(report), struck: struck.clone() };
            let (sim_2, first) = (sim.clone(), delivered.take());
            // Not awaited: the final message comes in its time, whether this one was acknowledged or is still tried.
            sim.spawn(async move { deliver(&sim_2, message, first).await });
        }
        sim.clock.sleep(more).await;
    }
    let failure = match (&fault.error, fault.failed) {
        (Some(code), _) => Some(Failure::Fault(code.clone(), in_words(code))),
        (None, true) => Some(Failure::Profile),
        (None, false) => None,
    };
    let ended = Ended { failure, profile_status: fault.profile_status, address_failed: fault.address_failed };
    let report = lock(&sim.world).settle(&request_id, part, ended, sim.clock.now());
    if let Some(report) = report {
        // Of a warned request only the first message is held back: the final one overtakes it.
        let mut struck = struck;
        if let Some(struck) = struck.as_mut().filter(|struck| struck.fault.warning.is_some()) {
            struck.fault.out_of_order = false;
        }
        deliver(&sim, Message { report, struck }, delivered).await;
    }
}

/// Delivers a report as the settings and its fault say. `first` hears of the end of the first try.
pub async fn deliver(sim: &Arc<Shared>, message: Message, first: Option<oneshot::Sender<()>>) {
    let fault = message.fault();
    sim.clock.sleep(fault.delay).await;
    if fault.lost {
        let mut entry = entry(sim, &message);
        entry.note = Some("The message was lost.".to_owned());
        lock(&sim.journal).push(entry);
        return;
    }
    if fault.out_of_order {
        lock(&sim.held).push(message);
        return;
    }
    let message = Arc::new(message);
    if fault.overlap {
        let (sim_2, message_2) = (sim.clone(), message.clone());
        sim.spawn(async move {
            attempt(&sim_2, &message_2).await;
        });
    }
    let acknowledged = tries(sim, &message, first).await;
    for _ in 0..fault.duplicate {
        attempt(sim, &message).await;
    }
    if !acknowledged {
        lock(&sim.archive).push(message.report.clone());
    }
}

async fn tries(sim: &Arc<Shared>, message: &Arc<Message>, mut first: Option<oneshot::Sender<()>>) -> bool {
    let mut ended = || {
        // The request that waited for it may be gone.
        let _ = first.take().map(|first| first.send(()));
    };
    match sim.config.callback_retries {
        Retries::None => {
            let outcome = attempt(sim, message).await;
            ended();
            release(sim);
            outcome
        }
        Retries::Documented => {
            for n in 1..=THRESHOLD {
                if n > 1 {
                    sim.clock.sleep(DOCUMENTED_WAIT).await;
                }
                let outcome = attempt(sim, message).await;
                ended();
                release(sim);
                if outcome {
                    return true;
                }
            }
            false
        }
        Retries::Observed => {
            let mut running = std::pin::pin!(attempt(sim, message));
            let outcome = tokio::time::timeout(OBSERVED_SILENCE, &mut running).await;
            ended();
            release(sim);
            match outcome {
                Ok(true) => true,
                Ok(false) => {
                    sim.clock.sleep(OBSERVED_WAIT).await;
                    attempt(sim, message).await
                }
                Err(_) => {
                    let (one, two) = tokio::join!(running, attempt(sim, message));
                    one || two
                }
            }
        }
    }
}

/// Sends what was held back until another message had gone out.
fn release(sim: &Arc<Shared>) {
    for mut held in std::mem::take(&mut *lock(&sim.held)) {
        if let Some(struck) = &mut held.struck {
            struck.fault.out_of_order = false;
            struck.fault.delay = Duration::ZERO;
        }
        let sim_2 = sim.clone();
        sim.spawn(async move { deliver(&sim_2, held, None).await });
    }
}

/// One try; whether it was acknowledged, or nobody is there to acknowledge it.
async fn attempt(sim: &Arc<Shared>, message: &Message) -> bool {
    // As many connections at a time as a callback service would hold open.
    let Ok(_permit) = sim.deliveries.acquire().await else {
        return false;
    };
    let fault = message.fault();
    let listener =
        lock(&sim.world).account(&message.report.account).ok().and_then(|a| a.listener(PROFILE_SERVICE)).cloned();
    let mut entry = entry(sim, message);
    let Some(listener) = listener else {
        entry.note = Some("Nobody listens for the service.".to_owned());
        lock(&sim.journal).push(entry);
        return sim.config.no_listener == NoListener::Drop;
    };
    let count = message.report.count();
    entry.path.clone_from(&listener.registered.url);
    entry.callback_count = Some(count);
    let username = listener.registered.username.as_deref().unwrap_or_default();
    let body = message.report.body(username, &password(&listener, fault.password), count, fault.form);
    let position = lock(&sim.journal).push(entry);
    let request = sim.http.post(&listener.registered.url).timeout(GIVEN_UP_AFTER).json(&body);
    let answer = request.send().await;
    let status = answer.as_ref().ok().map(|answer| answer.status());
    lock(&sim.journal).update(position, |entry| {
        entry.status = status.map(|status| status.as_u16());
        entry.note = answer.as_ref().err().map(|error| {
            if error.is_timeout() {
                "The listener did not answer in time."
            } else {
                "The listener could not be reached."
            }
            .to_owned()
        });
    });
    status.is_some_and(|status| status.is_success())
}

fn password(listener: &Listener, which: Password) -> String {
    let registered = listener.registered.password.clone().unwrap_or_default();
    match which {
        Password::Registered => registered,
        Password::Wrong => wrong_password(),
        Password::Old => listener.old_password.clone().unwrap_or(registered),
    }
}

fn entry(sim: &Shared, message: &Message) -> Entry {
    let report = &message.report;
    Entry {
        account: Some(report.account.clone()),
        device_ids: report.ids.to_wire(),
        request_id: Some(report.request_id.clone()),
        fault: message.struck.as_ref().map(|struck| struck.name.to_string()),
        ..Entry::new(sim.clock.now(), Direction::Out, "POST", "")
    }
}
