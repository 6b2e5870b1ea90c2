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

#[test]
fn deactivates_once_and_lets_go() {
    let mut play = active();
    delete(&mut play);
    assert_eq!(play.tick(), [Effect::Queue]);
    play.accept("2", "r2");
    let (.., message) = play.condition("Ready").unwrap();
    assert!(message.starts_with("ThingSpace has accepted the deactivation"), "{message}");
    assert!(play.tick().is_empty());
    play.feed(Event::Callback(Box::new(Report {
        request_id: Some("r2".into()),
        device_ids: vec![eid("1")],
        verdict: Verdict::Success,
        profile: Profile { state: Some("Deactive".into()), ..Profile::default() },
    })));
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
