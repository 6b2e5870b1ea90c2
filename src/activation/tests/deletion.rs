//! What happens to a resource that is being deleted.

use super::*;
use crate::api::{Deactivation, DeletionPolicy, ReasonCode};

fn active() -> Play {
    let mut play = Play::one();
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    play.object.spec.deactivation = Some(Deactivation { reason_code: ReasonCode::FF, etf_waiver: false });
    assert_eq!(play.tick(), [Effect::AddFinalizer], "before anything is sent");
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    play.accept("1", "r1");
    play.hear("r1", "1", Verdict::Success);
    play
}

fn delete(play: &mut Play) {
    play.object.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(play.now));
}

/// ThingSpace's report that the line is out of service.
fn deactive(request: &str) -> Event {
    Event::Callback(Box::new(Report {
        request_id: Some(request.into()),
        device_ids: vec![eid("1")],
        verdict: failure("Failed"), // of an activation
        verdict_of_deactivation: Verdict::Success,
        profile: Profile { state: Some("Deactive".into()), ..Profile::default() },
    }))
}

/// One whose activation was given up, deleted.
fn deleted_after_its_time() -> Play {
    let mut play = Play::one();
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    play.accept("1", "r1");
    play.wait(SignedDuration::from_hours(25));
    play.poll(vec![(Progress::Pending, found(LineState::Pending))]);
    assert_eq!(play.state(), Some(OperationState::TimedOut));
    delete(&mut play);
    play
}

fn lets_go(effects: &[Effect]) -> bool {
    effects.contains(&Effect::RemoveFinalizer)
}

#[test]
fn the_success_of_the_activation_told_again_is_not_that_of_the_deactivation() {
    for accepted in [false, true] {
        let mut play = active();
        delete(&mut play);
        assert!(play.claim("2"));
        if accepted {
            play.sent("2", Outcome::Accepted { request_id: "r2".into() });
        }
        for request in ["r1", "another-systems", "r2"] {
            play.hear(request, "1", Verdict::Success);
            assert_eq!(play.status().devices[0].result, DeviceResult::Pending, "{request}, accepted: {accepted}");
        }
        assert!(!lets_go(&play.tick()), "the line is active, and billed");
        play.sent("2", Outcome::Accepted { request_id: "r2".into() });
        play.feed(deactive("r2"));
        assert!(lets_go(&play.tick()));
    }
}

#[test]
fn a_success_without_a_state_ends_only_its_own_deactivation() {
    let stateless = |request: &str| {
        Event::Callback(Box::new(Report {
            request_id: Some(request.into()),
            device_ids: vec![eid("1")],
            verdict: Verdict::Success,
            verdict_of_deactivation: Verdict::Success,
            profile: Profile::default(),
        }))
    };
    let mut play = active();
    delete(&mut play);
    assert!(play.claim("2"));
    play.feed(stateless("r1"));
    assert_eq!(play.status().devices[0].result, DeviceResult::Pending);
    play.sent("2", Outcome::Accepted { request_id: "r2".into() });
    play.feed(stateless("r2"));
    assert_eq!(play.status().devices[0].result, DeviceResult::Deactivated);
}

#[test]
fn an_old_failure_of_a_line_that_was_deactive_then_is_no_deactivation() {
    let mut play = active();
    delete(&mut play);
    assert!(play.claim("2"));
    play.feed(Event::Callback(Box::new(Report {
        request_id: Some("r0".into()),
        device_ids: vec![eid("1")],
        verdict: failure("REQUEST_FAILED.X"),
        verdict_of_deactivation: failure("REQUEST_FAILED.X"),
        profile: Profile { state: Some("Deactive".into()), ..Profile::default() },
    })));
    assert_eq!(play.status().devices[0].result, DeviceResult::Pending);
}

#[test]
fn of_two_lines_the_active_one_is_deactivated_although_the_other_is_to_be_sent_again() {
    let mut play = Play::with_devices(&["1", "2"]);
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    play.accept("1", "r1");
    play.hear("r1", "1", Verdict::Success);
    play.hear("r1", "2", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    assert!(play.claim("2"));
    play.sent("2", Outcome::NotSent { message: "no route".into() });
    assert_eq!(play.state(), Some(OperationState::Released));
    delete(&mut play);
    assert_eq!(play.tick(), [Effect::Queue]);
    assert!(play.claim("3"));
    let devices: Vec<_> = play.status().devices.iter().map(|d| d.device_ids[0].id.as_str()).collect();
    assert_eq!(devices, ["1"]);
}

#[test]
fn a_line_that_may_be_active_is_looked_at_before_the_resource_is_let_go() {
    let mut play = deleted_after_its_time();
    let effects = play.tick();
    assert!(effects.contains(&Effect::Observe) && !lets_go(&effects), "{effects:?}");
    play.observe(vec![found(LineState::Active)]);
    assert_eq!(play.tick(), [Effect::Queue], "it is deactivated");

    let mut play = deleted_after_its_time();
    play.tick();
    for _ in 0..2 {
        assert!(play.observe(vec![found(LineState::Inactive)]).is_empty(), "nothing is to be activated any more");
        play.wait_for_wake();
    }
    assert!(lets_go(&play.tick()));
    assert!(!play.claim("2"));
}

#[test]
fn a_line_that_cannot_be_looked_at_holds_the_resource_until_its_time_and_then_says_so() {
    let mut play = deleted_after_its_time();
    for _ in 0..3 {
        assert!(!lets_go(&play.tick()));
        play.fail_to_look();
        play.wait_for_wake();
    }
    let mut told = play.clone();
    told.ask_retry("I know that it is not active");
    assert!(lets_go(&told.tick()), "a person has said so");
    play.wait(SignedDuration::from_hours(25));
    let effects = play.tick();
    assert!(effects.iter().any(|e| matches!(e, Effect::Tell(Note { reason: "FinalizerReleased", .. }))), "{effects:?}");
    assert!(lets_go(&effects));
}

#[test]
fn a_deactivation_that_is_tried_again_is_not_judged_by_the_fault_of_the_first() {
    let mut play = active();
    delete(&mut play);
    play.accept("2", "r2");
    play.hear("r2", "1", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    play.accept("3", "r3");
    play.poll(vec![(Progress::Pending, found(LineState::Active))]);
    assert_eq!(play.state(), Some(OperationState::Accepted));
}

#[test]
fn deactivates_once_and_lets_go() {
    let mut play = active();
    delete(&mut play);
    assert_eq!(play.tick(), [Effect::Queue]);
    play.accept("2", "r2");
    let (.., message) = play.condition("Ready").unwrap();
    assert!(message.starts_with("ThingSpace has accepted the deactivation"), "{message}");
    assert!(play.tick().is_empty());
    play.feed(deactive("r2"));
    assert_eq!(play.status().devices[0].result, DeviceResult::Deactivated);
    assert_eq!(play.tick(), [Effect::RemoveFinalizer]);
}

#[test]
fn a_deactivation_that_is_sent_again_is_about_the_same_devices() {
    let mut play = active();
    delete(&mut play);
    assert!(play.claim("2"));
    play.sent("2", unknown());
    for _ in 0..2 {
        play.observe(vec![found(LineState::Active)]);
        play.wait_for_wake();
    }
    assert!(play.claim("3"));
    assert_eq!(play.status().devices.len(), 1);
    assert_eq!(play.status().devices[0].result, DeviceResult::Pending);
}

#[test]
fn a_change_to_deactivate_sets_the_finalizer_whatever_was_sent_before() {
    let mut play = Play::one();
    play.accept("1", "r1");
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    assert_eq!(play.tick(), [Effect::AddFinalizer]);
    play.hear("r1", "1", Verdict::Success);
    assert_eq!(play.tick(), [Effect::AddFinalizer]);
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    assert!(play.tick().is_empty());
}

#[test]
fn what_was_never_active_is_let_go_at_once() {
    let mut play = Play::one();
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    delete(&mut play);
    assert_eq!(play.tick(), [Effect::RemoveFinalizer]);
}

#[test]
fn an_activation_under_way_is_followed_to_its_end_first() {
    let mut play = Play::one();
    play.object.spec.deletion_policy = DeletionPolicy::Deactivate;
    play.object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    play.accept("1", "r1");
    delete(&mut play);
    assert!(play.tick().is_empty());
    play.hear("r1", "1", Verdict::Success);
    assert_eq!(play.tick(), [Effect::Queue]);
}

#[test]
fn nothing_holds_the_finalizer_for_ever() {
    let mut play = active();
    delete(&mut play);
    play.wait(SignedDuration::from_hours(25));
    let effects = play.tick();
    assert!(effects.contains(&Effect::RemoveFinalizer), "{effects:?}");
    assert!(effects.iter().any(|e| matches!(e, Effect::Tell(Note { reason: "FinalizerReleased", .. }))));
}

#[test]
fn a_change_to_retain_takes_the_finalizer_away() {
    let mut play = active();
    play.object.spec.deletion_policy = DeletionPolicy::Retain;
    assert_eq!(play.tick(), [Effect::RemoveFinalizer]);
}
