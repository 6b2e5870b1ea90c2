//! From the claim to ThingSpace's first word: what is sent, what is sent again, and what is not.

use super::*;

#[test]
fn what_was_never_sent_is_sent_again_and_does_not_count() {
    let mut play = Play::one();
    for i in 0..10 {
        let id = i.to_string();
        assert!(play.claim(&id), "attempt {i}");
        play.sent(&id, Outcome::NotSent { message: "no route".into() });
        assert_eq!(play.state(), Some(OperationState::Released));
        assert!(play.tick().is_empty(), "it backs off");
        play.wait_for_wake();
    }
}

#[test]
fn a_pause_that_thingspace_asks_for_is_kept() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    let not_before = Some(play.now + SignedDuration::from_hours(2));
    play.sent("1", Outcome::Later { code: "429".into(), message: "slow down".into(), not_before, throttled: true });
    assert_eq!(play.look(Event::Tick).wake_at, not_before);
}

#[test]
fn there_are_at_most_three_requests_a_day() {
    let mut play = Play::one();
    for i in 0..3 {
        let id = i.to_string();
        play.accept(&id, &id);
        play.hear(&id, "1", failure("REQUEST_FAILED.X"));
        play.ask_retry(&id);
    }
    assert!(!play.claim("4"));
    assert!(!play.tick().contains(&Effect::Queue));
    assert_eq!(play.ready(), ("False", "DailyLimit"));
    play.wait_for_wake();
    assert_eq!(play.tick(), [Effect::Queue], "the next day it goes on by itself");
}

#[test]
fn an_unexpected_error_is_tried_twice_more_and_then_it_is_final() {
    let mut play = Play::one();
    for n in 1..=3 {
        assert!(play.claim(&n.to_string()), "{n}");
        let (code, message) = ("UnifiedWebService.REQUEST_FAILED.UnexpectedError".into(), "call support".into());
        play.sent(&n.to_string(), Outcome::Later { code, message, not_before: None, throttled: false });
        if n < 3 {
            play.wait(SignedDuration::from_mins(4));
            assert!(play.tick().is_empty(), "after a while");
            play.wait_for_wake();
        }
    }
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "Refused");
    assert!(message.contains("UnexpectedError: call support"), "{message}");
}

#[test]
fn a_spec_that_was_edited_since_it_was_found_fit_is_not_claimed() {
    let mut play = Play::one();
    play.edit("Gold");
    let event = |generation| Event::Claim { operation_id: "op".into(), generation };
    assert_eq!(play.look(event(1)), Transition { status: play.status().clone(), effects: vec![], wake_at: None });
    assert!(play.feed(event(2)).contains(&Effect::Send));
}

#[test]
fn a_failure_that_may_be_of_another_systems_request_is_looked_into_when_our_reply_is_lost() {
    let mut play = Play::one();
    assert!(play.claim("op"));
    play.hear("another-systems", "1", failure("REQUEST_FAILED.X"));
    assert_eq!(play.state(), Some(OperationState::Failed));
    play.sent("op", unknown());
    assert_eq!(play.tick(), [Effect::Observe]);
    let mut ours = play.clone();
    ours.observe(vec![found(LineState::Active)]);
    assert_eq!(ours.ready(), ("True", "Activated"));
    for _ in 0..2 {
        assert!(!play.observe(vec![found(LineState::Inactive)]).contains(&Effect::Queue), "it has failed");
        play.wait(SignedDuration::from_hours(1));
    }
    let (_, _, message) = play.condition("Stalled").unwrap();
    assert!(message.contains("REQUEST_FAILED.X: because"), "{message}");
}

#[test]
fn a_suspended_activation_is_not_sent_until_it_is_resumed() {
    let mut play = Play::one();
    play.object.spec.suspend = true;
    assert!(play.tick().is_empty());
    assert_eq!(play.ready(), ("False", "Suspended"));
    assert!(!play.claim("1"));
    play.object.spec.suspend = false;
    play.object.metadata.generation = Some(2);
    assert_eq!(play.tick(), [Effect::Queue]);
}

#[test]
fn a_claim_is_granted_once_and_its_repetition_is_the_same_claim() {
    let mut play = Play::one();
    assert!(play.claim("op"));
    assert!(!play.claim("another"), "somebody has claimed it");
    assert!(play.claim("op"), "a claim whose write was taken without an answer still stands");
    assert_eq!(play.status().operation.as_ref().unwrap().attempt, 1);
}
