//! Path independence: whatever was edited, retried, suspended or went wrong before, the end is that of a new resource
//! with the last spec.
//!
//! Left out of the comparison: times, attempts, operation and request ids, `lastError`, `submissions`,
//! `lastHandledRetry` and generations, which tell the path; `faultCode`, since ThingSpace tells no code when asked
//! instead of calling back (contract 9.1); messages, which hold the code; and paths that leave a line active on a plan
//! that is not the last one, for what such a line answers is not what a new one does.

mod town;

use proptest::prelude::*;

use self::town::{Town, Twist};
use super::*;
use crate::reliability::{try_all, try_one};

#[derive(Clone, Debug)]
enum Step {
    Edit(u8),
    Retry(u8),
    Suspend(bool),
    Turn(Twist),
    /// ThingSpace ends the oldest request; its messages arrive, or do not.
    Answer {
        heard: bool,
        well: bool,
    },
    Wait(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let twist = prop_oneof![
        6 => Just(Twist::None),
        1 => Just(Twist::NotSent),
        1 => Just(Twist::Later),
        1 => Just(Twist::ReplyLost),
        1 => Just(Twist::Failed),
        1 => Just(Twist::Crash),
        1 => Just(Twist::NoLook),
    ];
    let step = prop_oneof![
        2 => (0..4u8).prop_map(Step::Edit),
        1 => (0..3u8).prop_map(Step::Retry),
        1 => any::<bool>().prop_map(Step::Suspend),
        6 => twist.prop_map(Step::Turn),
        3 => (any::<bool>(), prop::bool::weighted(0.7)).prop_map(|(heard, well)| Step::Answer { heard, well }),
        3 => (0..60_000u32).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..50)
}

/// How the machine is built.
#[derive(Clone, Copy, PartialEq)]
enum Build {
    Whole,
    /// A new attempt keeps the failures of the one before.
    KeepsOldResults,
}

/// Whether the end could be compared, and how many faults there were.
fn follow(steps: &[Step], build: Build) -> (bool, usize) {
    let mut town = Town::new("Plan0");
    let mut faults = 0;
    for step in steps {
        let before = town.play.status().devices.clone();
        match *step {
            Step::Edit(plan) if town.may_edit() => town.play.edit(&format!("Plan{plan}")),
            Step::Edit(_) => {}
            Step::Retry(n) => town.play.ask_retry(&n.to_string()),
            Step::Suspend(on) => town.suspend(on),
            Step::Turn(twist) => {
                faults += usize::from(twist != Twist::None);
                town.turn(twist);
            }
            Step::Answer { heard, well } => {
                faults += usize::from(!heard) + usize::from(!well);
                town.answer(heard, well);
            }
            Step::Wait(seconds) => town.play.wait(SignedDuration::from_secs(i64::from(seconds))),
        }
        if build == Build::KeepsOldResults && town.play.state() == Some(OperationState::Claimed) {
            town.keep_failures(&before);
        }
    }
    // Somebody who wants it done: the failures that stand were told, and are to be tried again.
    town.suspend(false);
    town.play.ask_retry("at last");
    town.settle();
    let plan = town.plan();
    if town.lines.iter().any(|line| line.plan.as_ref().is_some_and(|p| *p != plan)) {
        return (false, faults);
    }
    let mut fresh = Town::new(&plan);
    fresh.settle();
    assert_eq!(digest(&town.play), digest(&fresh.play), "the end depends on the path");
    (true, faults)
}

/// What the end is compared by.
fn digest(play: &Play) -> (Vec<String>, Vec<String>) {
    let devices = play.status().devices.iter().map(|d| {
        let ids: Vec<_> = d.device_ids.iter().map(|i| &i.id).collect();
        format!("{:?} {ids:?} {:?}", d.result, d.state)
    });
    let conditions = play.status().conditions.iter().map(|c| format!("{}={} {}", c.type_, c.status, c.reason));
    let mut conditions: Vec<_> = conditions.collect();
    conditions.sort(); // which one was set first is the path's
    (devices.collect(), conditions)
}

#[test]
fn the_end_does_not_depend_on_the_path() {
    let compared = std::sync::atomic::AtomicUsize::new(0);
    let tried = std::sync::atomic::AtomicUsize::new(0);
    try_all("path-independence", 1_500, &steps(), |steps| {
        let (was_compared, faults) = follow(steps, Build::Whole);
        compared.fetch_add(usize::from(was_compared), std::sync::atomic::Ordering::Relaxed);
        tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        faults
    });
    let (compared, tried) = (compared.into_inner(), tried.into_inner());
    println!("{compared} of {tried} ends could be compared");
    assert!(tried < 10 || compared * 2 > tried, "only {compared} of {tried} ends could be compared");
}

#[test]
fn an_attempt_that_remembers_the_last_one_is_noticed() {
    let noticed = (0..300).find(|seed| {
        let tried = try_one(&steps(), *seed, |steps| {
            follow(steps, Build::KeepsOldResults);
        });
        tried.is_err()
    });
    assert!(noticed.is_some());
}
