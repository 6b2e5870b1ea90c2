//! Any order of anything: what must hold all the same.

use proptest::prelude::*;

use super::*;
use crate::reliability::{breaks, try_all};

#[derive(Clone, Debug)]
enum Step {
    Tick,
    Claim(u8),
    Sent(u8, u8),
    Callback { request: u8, device: u8, verdict: u8 },
    Polled(Vec<(u8, u8)>),
    Observed(Vec<u8>),
    LookFailed,
    Held(bool),
    Edit(u8),
    Retry(u8),
    Suspend(bool),
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Tick),
        4 => (0..4u8).prop_map(Step::Claim),
        4 => (0..4u8, 0..6u8).prop_map(|(id, outcome)| Step::Sent(id, outcome)),
        4 => (0..4u8, 0..3u8, 0..5u8).prop_map(|(request, device, verdict)| Step::Callback { request, device, verdict }),
        2 => prop::collection::vec((0..4u8, 0..6u8), 0..3).prop_map(Step::Polled),
        2 => prop::collection::vec(0..6u8, 0..3).prop_map(Step::Observed),
        1 => Just(Step::LookFailed),
        1 => any::<bool>().prop_map(Step::Held),
        1 => (0..3u8).prop_map(Step::Edit),
        1 => (0..3u8).prop_map(Step::Retry),
        1 => any::<bool>().prop_map(Step::Suspend),
        3 => (0..200_000u32).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

fn line(n: u8) -> Line {
    match n {
        0 => Line::NotAsked,
        1 => Line::NotFound,
        2 => found(LineState::Active),
        3 => found(LineState::Pending),
        4 => found(LineState::Inactive),
        _ => found(LineState::Other),
    }
}

fn outcome(n: u8, request: u8) -> Outcome {
    match n {
        0 | 1 => Outcome::Accepted { request_id: format!("r{request}") },
        2 => Outcome::NotSent { message: "no route".into() },
        3 => Outcome::Refused { code: "INPUT_INVALID.X".into(), message: "no".into() },
        4 => Outcome::Later { code: "429".into(), message: "slow".into(), not_before: None, throttled: false },
        _ => unknown(),
    }
}

fn event(step: &Step, question: Option<Question>) -> Option<Event> {
    Some(match step {
        Step::Tick => Event::Tick,
        Step::Claim(id) => Event::Claim { operation_id: format!("op{id}"), generation: 1 },
        Step::Sent(id, n) => Event::Sent { operation_id: format!("op{id}"), outcome: outcome(*n, *id) },
        Step::Callback { request, device, verdict } => {
            let verdict = match verdict {
                0 | 1 => Verdict::Success,
                2 => Verdict::Warning,
                3 => failure("REQUEST_FAILED.DeviceAlreadyActive"),
                _ => failure("REQUEST_FAILED.X"),
            };
            callback(&format!("r{request}"), &device.to_string(), verdict)
        }
        Step::Polled(devices) => {
            let progress = [Progress::Pending, Progress::Succeeded, Progress::Failed, Progress::NotKnown];
            let devices = devices.iter().map(|(p, l)| (progress[usize::from(*p)], line(*l))).collect();
            Event::Polled { question: question?, devices }
        }
        Step::Observed(lines) => {
            Event::Observed { question: question?, lines: lines.iter().map(|l| line(*l)).collect() }
        }
        Step::LookFailed => Event::LookFailed { question: question?, message: "503".into() },
        Step::Held(stalled) => {
            Event::Held(Hold { reason: "ConnectionNotReady", message: "wait".into(), stalled: *stalled })
        }
        _ => return None,
    })
}

/// What the API server lets through: identity is frozen while a request is in flight or done.
fn may_edit(play: &Play) -> bool {
    use OperationState::{Failed, Released, TimedOut};
    play.state().is_none_or(|s| matches!(s, Released | Failed | TimedOut))
}

/// Says how many things went wrong in it. A forgetful machine takes every claim for the first.
fn run(steps: &[Step], forgetful: bool) -> usize {
    let mut play = Play::with_devices(&["0", "1"]);
    for step in steps {
        let before = play.clone();
        match step {
            Step::Edit(n) if may_edit(&play) => play.edit(&format!("Plan{n}")),
            Step::Retry(n) => play.ask_retry(&n.to_string()),
            Step::Suspend(on) if play.object.spec.suspend != *on => {
                play.object.spec.suspend = *on;
                *play.object.metadata.generation.as_mut().unwrap() += 1;
            }
            Step::Wait(seconds) => play.wait(SignedDuration::from_secs(i64::from(*seconds))),
            _ => {}
        }
        if let Some(event) = event(step, Question::about(play.status(), play.now)) {
            let is_claim = matches!(event, Event::Claim { .. });
            let again = before
                .status()
                .operation
                .as_ref()
                .is_some_and(|o| matches!(&event, Event::Claim { operation_id, .. } if *operation_id == o.id));
            if forgetful && is_claim {
                play.object.status.as_mut().unwrap().operation = None;
            }
            let effects = play.feed(event);
            if effects.contains(&Effect::Send) && !again {
                assert!(is_claim, "only a claim sends");
                assert!(
                    !matches!(
                        before.state(),
                        Some(OperationState::Claimed | OperationState::Accepted | OperationState::Succeeded)
                    ),
                    "sent from {:?}",
                    before.state()
                );
            }
        }
        check(&before, &play);
    }
    settles(play);
    steps.iter().filter(|s| matches!(s, Step::LookFailed | Step::Sent(_, 2..) | Step::Held(_))).count()
}

fn check(before: &Play, play: &Play) {
    let status = play.status();
    let text = serde_json::to_string(status).unwrap();
    assert!(!text.contains("CANARY"), "the place of use is in status: {text}");
    assert!(status.submissions.len() <= 8);
    let today = status.submissions.iter().filter(|t| t.0 + SignedDuration::from_hours(24) > play.now).count();
    assert!(today <= POSTS_A_DAY, "{today} requests in a day");
    if before.state() == Some(OperationState::Succeeded) {
        assert_eq!(play.state(), Some(OperationState::Succeeded), "a success is final");
    }
    let (ready, stalled) = (play.condition("Ready"), play.condition("Stalled"));
    assert!(!(stalled.is_some() && play.condition("Reconciling").is_some()), "stalled and reconciling at once");
    if ready.is_some_and(|r| r.0 == "True") {
        assert!(stalled.is_none());
        assert!(status.devices.iter().all(|d| d.result == DeviceResult::Active));
        assert!(!status.devices.is_empty());
    }
    for (old, new) in before.status().devices.iter().zip(&status.devices) {
        if old.result == DeviceResult::Active && old.device_ids[0] == new.device_ids[0] {
            assert_eq!(new.result, DeviceResult::Active, "an active device stays active");
        }
    }
    let first = play.look(Event::Tick);
    let mut again = play.clone();
    again.object.status = Some(first.status.clone());
    let second = again.look(Event::Tick);
    assert_eq!(second.status, first.status, "a second look changes nothing");
    if matches!(again.state(), Some(OperationState::Claimed | OperationState::Accepted | OperationState::Unknown)) {
        assert!(second.wake_at.is_some(), "whatever waits has a time to wake: {:?}", again.state());
    }
}

/// Left alone with a ThingSpace that works, every activation ends Ready or Stalled, or waits for its user.
fn settles(mut play: Play) {
    for i in 0..200 {
        let effects = play.tick();
        let devices = play.status().devices.len();
        if effects.contains(&Effect::Queue) {
            let id = format!("settle{i}");
            if play.claim(&id) {
                play.sent(&id, Outcome::Accepted { request_id: id.clone() });
            }
        } else if effects.contains(&Effect::Poll) {
            play.poll(vec![(Progress::Succeeded, found(LineState::Active)); devices]);
        } else if effects.contains(&Effect::Observe) {
            play.observe(vec![found(LineState::Active); devices]);
        } else {
            match play.look(Event::Tick).wake_at {
                Some(wake) => play.now = play.now.max(wake),
                None => break,
            }
        }
    }
    let done = play.ready().0 == "True" || play.condition("Stalled").is_some() || play.object.spec.suspend;
    assert!(done, "stuck in {:?} {:?}", play.state(), play.ready());
}

#[test]
fn whatever_comes_nothing_is_sent_twice_lost_or_stuck() {
    try_all("any-order", 1_500, &steps(), |steps| run(steps, false));
}

#[test]
fn a_machine_that_forgets_its_claims_is_noticed() {
    let is_noticed = |seed: u64| {
        breaks(&steps(), seed, |steps| {
            run(steps, true);
        })
    };
    assert!((0..100).any(is_noticed));
}
