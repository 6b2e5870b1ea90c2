//! When no answer comes: what is looked at, when, and what it is taken for.

use super::*;

#[test]
fn an_already_active_line_is_verified_and_then_a_success() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.hear("r", "1", failure("UnifiedWebService.REQUEST_FAILED.DeviceAlreadyActive"));
    assert_eq!(play.tick(), [Effect::Poll], "it is looked at at once");
    play.poll(vec![(Progress::Failed, found(LineState::Active))]);
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn a_line_that_is_active_on_another_plan_is_no_success() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.hear("r", "1", failure("REQUEST_FAILED.DeviceAlreadyActive"));
    play.poll(vec![(Progress::Failed, active_line(Some("Gold"), None, None))]);
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "ActivationFailed");
    assert!(message.contains("Gold"), "{message}");
}

#[test]
fn polling_reaches_the_same_end_as_a_callback() {
    let mut play = Play::one();
    play.accept("op", "r");
    assert!(play.tick().is_empty(), "not yet");
    play.wait_for_wake();
    assert_eq!(play.tick(), [Effect::Poll]);
    play.poll(vec![(Progress::Pending, Line::NotAsked)]);
    assert!(play.tick().is_empty(), "the next poll is later");
    play.wait_for_wake();
    play.poll(vec![(Progress::Succeeded, found(LineState::Active))]);
    assert_eq!(play.ready(), ("True", "Activated"));
    assert_eq!(play.status().devices[0].id(IdKind::Mdn), Some("5550001111"));
}

#[test]
fn polls_become_rarer() {
    let mut play = Play::one();
    play.accept("op", "r");
    let mut polls = 0;
    let end = play.now + SignedDuration::from_hours(23);
    while play.now < end {
        play.wait_for_wake();
        polls += usize::from(play.tick().contains(&Effect::Poll));
        play.poll(vec![(Progress::Pending, Line::NotAsked)]);
    }
    assert!(polls <= 11, "{polls} polls in a day");
}

#[test]
fn an_unknown_outcome_is_looked_at_twice_before_anything_is_sent_again() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    assert_eq!(play.tick(), [Effect::Observe]);
    assert!(!play.claim("2"), "nothing may be sent while the outcome is unknown");
    let none = || vec![found(LineState::Inactive)];
    assert!(!play.observe(none()).contains(&Effect::Queue));
    assert!(play.tick().is_empty(), "it rests");
    play.wait_for_wake();
    assert_eq!(play.tick(), [Effect::Observe]);
    assert!(play.observe(none()).contains(&Effect::Queue));
    assert!(play.claim("2"));
}

#[test]
fn an_unknown_outcome_that_took_effect_is_adopted() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    play.observe(vec![found(LineState::Pending)]);
    assert_eq!(play.state(), Some(OperationState::Unknown));
    play.wait_for_wake();
    play.observe(vec![found(LineState::Active)]);
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn a_line_that_was_on_its_way_must_rest_anew_before_a_second_request() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    play.observe(vec![found(LineState::Inactive)]);
    play.wait_for_wake();
    play.observe(vec![found(LineState::Pending)]);
    play.wait_for_wake();
    assert!(!play.observe(vec![found(LineState::Inactive)]).contains(&Effect::Queue));
}

#[test]
fn a_claim_that_nobody_finished_becomes_an_unknown_outcome() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    assert!(play.tick().is_empty(), "its owner may be sending");
    play.wait_for_wake();
    assert!(play.tick().contains(&Effect::Observe));
    assert_eq!(play.state(), Some(OperationState::Unknown));
    play.sent("1", Outcome::Accepted { request_id: "r".into() });
    assert_eq!(play.state(), Some(OperationState::Accepted), "a late reply still counts");
}

#[test]
fn when_nothing_can_be_looked_at_a_person_is_asked_and_told_the_command() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    for _ in 0..3 {
        play.fail_to_look();
        play.wait_for_wake();
    }
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "SubmissionUnknown");
    assert!(message.contains("kubectl -n fleet annotate euicc forklift"), "{message}");
    play.ask_retry("now");
    assert_eq!(play.tick(), [Effect::Queue]);
    assert!(play.claim("2"));
}

#[test]
fn only_looks_that_fail_in_a_row_are_a_reason_to_ask_a_person() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    for _ in 0..4 {
        play.observe(vec![found(LineState::Pending)]);
        play.wait_for_wake();
    }
    play.fail_to_look();
    assert!(play.condition("Stalled").is_none(), "one look failed, and the line was on its way before");
}

#[test]
fn a_retry_from_before_the_question_is_no_answer_to_it() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.ask_retry("asked while it was being sent");
    play.sent("1", unknown());
    for _ in 0..3 {
        play.fail_to_look();
        play.wait_for_wake();
    }
    assert_eq!(play.condition("Stalled").unwrap().1, "SubmissionUnknown");
    assert!(!play.tick().contains(&Effect::Queue), "nobody has said yet that the line is not active");
    assert!(!play.claim("2"));
    play.ask_retry("I know");
    assert!(play.claim("2"));
}

#[test]
fn silence_ends_with_the_result_timeout_and_a_late_answer_still_counts() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.wait(SignedDuration::from_hours(25));
    assert_eq!(play.tick(), [Effect::Poll], "one last question");
    play.poll(vec![(Progress::Pending, Line::NotAsked)]);
    assert_eq!(play.condition("Stalled").unwrap().1, "ResultTimeout");
    assert!(play.tick().is_empty());
    play.hear("r", "1", Verdict::Success);
    assert_eq!(play.ready(), ("True", "Activated"));
    assert!(play.condition("Stalled").is_none());
}

#[test]
fn after_a_timeout_a_retry_looks_before_it_sends() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.wait(SignedDuration::from_hours(25));
    play.poll(vec![(Progress::Pending, Line::NotAsked)]);
    play.ask_retry("now");
    assert!(!play.claim("2"));
    assert!(play.tick().contains(&Effect::Observe));
    assert!(!play.tick().contains(&Effect::Queue));
}

#[test]
fn after_a_timeout_a_retry_sends_again_once_the_lines_are_known_to_be_idle() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.wait(SignedDuration::from_hours(25));
    play.poll(vec![(Progress::Pending, Line::NotAsked)]);
    play.ask_retry("now");
    play.tick();
    play.observe(vec![found(LineState::Inactive)]);
    assert_eq!(play.state(), Some(OperationState::Unknown), "the retry has a resultTimeout of its own");
    play.wait_for_wake();
    play.tick();
    assert!(play.observe(vec![found(LineState::Inactive)]).contains(&Effect::Queue));
    assert!(play.claim("2"));
}

#[test]
fn what_was_found_of_an_earlier_attempt_does_not_end_the_present_one() {
    let mut play = Play::one();
    play.accept("1", "r1");
    let question = play.question();
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    play.accept("2", "r2");
    let before = play.status().clone();
    let devices = vec![(Progress::Failed, found(LineState::Inactive))];
    assert!(play.feed(Event::Polled { question: question.clone(), devices }).is_empty());
    assert!(play.feed(Event::LookFailed { question, message: "503".into() }).is_empty());
    assert_eq!(play.status(), &before);
}

#[test]
fn a_look_of_an_earlier_attempt_is_not_the_second_look_of_the_present_one() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    play.observe(vec![found(LineState::Inactive)]);
    play.wait_for_wake();
    let question = play.question();
    assert!(play.observe(vec![found(LineState::Inactive)]).contains(&Effect::Queue));
    assert!(play.claim("2"));
    play.sent("2", unknown());
    play.observe(vec![found(LineState::Inactive)]);
    play.wait_for_wake();
    let late = Event::Observed { question, lines: vec![found(LineState::Inactive)] };
    assert!(!play.feed(late).contains(&Effect::Queue));
}

#[test]
fn a_look_that_took_long_is_as_old_as_its_beginning() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", unknown());
    let question = play.question();
    play.observe(vec![found(LineState::Inactive)]);
    play.wait_for_wake();
    let late = Event::Observed { question, lines: vec![found(LineState::Inactive)] };
    assert!(!play.feed(late).contains(&Effect::Queue), "it saw what the first look saw");
}

#[test]
fn foreign_words_become_one_bounded_line() {
    let mut play = Play::one();
    play.accept("op", "r");
    let long = format!("Gold\n\u{1b}[31m{}", "x".repeat(100_000));
    play.poll(vec![(Progress::Succeeded, active_line(Some(&long), Some(&long), None))]);
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "ActivationFailed");
    assert!(message.len() < 2_000 && !message.contains(char::is_control), "{} bytes", message.len());
}

#[test]
fn a_line_that_belongs_to_another_activation_is_no_success_and_the_other_is_named() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.hear("r", "1", failure("REQUEST_FAILED.DeviceAlreadyActive"));
    play.poll(vec![(Progress::Failed, active_line(None, None, Some("EuiccActivation fleet/first")))]);
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "ActivationFailed");
    assert!(message.contains("fleet/first"), "{message}");
}

fn active_line(service_plan: Option<&str>, carrier_name: Option<&str>, owner: Option<&str>) -> Line {
    let [service_plan, carrier_name, owner] = [service_plan, carrier_name, owner].map(|text| text.map(str::to_owned));
    Line::Found { state: LineState::Active, device_ids: vec![], service_plan, carrier_name, attempted: false, owner }
}

fn refused(code: &str) -> Outcome {
    Outcome::Refused { code: code.into(), message: "the device is suspended".into() }
}

#[test]
fn a_refusal_for_the_state_of_a_line_that_stays_is_final() {
    let mut play = Play::one();
    assert!(play.claim("1"));
    play.sent("1", refused("INPUT_INVALID.DeviceState.Invalid"));
    assert_eq!(play.tick(), [Effect::Observe], "it is looked at first");
    for _ in 0..2 {
        assert!(!play.observe(vec![found(LineState::Other)]).contains(&Effect::Queue));
        play.wait(SignedDuration::from_hours(1));
    }
    let (_, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!(reason, "Refused");
    let words = "INPUT_INVALID.DeviceState.Invalid: the device is suspended";
    assert!(message.contains(words), "{message}");
    assert!(play.tick().is_empty() && !play.claim("2"), "the same would be refused again, three times a day");
}

#[test]
fn when_one_device_was_active_already_the_others_are_sent_without_it() {
    let mut play = Play::with_devices(&["1", "2"]);
    assert!(play.claim("1"));
    play.sent("1", refused("REQUEST_FAILED.DeviceAlreadyActive"));
    let lines = || vec![found(LineState::Active), found(LineState::Inactive)];
    assert!(!play.observe(lines()).contains(&Effect::Queue));
    play.wait_for_wake();
    assert!(play.observe(lines()).contains(&Effect::Queue));
    assert!(play.claim("2"));
    assert_eq!(play.status().devices[0].result, DeviceResult::Active);
}

#[test]
fn a_device_that_is_active_on_another_plan_is_not_sent_again_with_the_others() {
    let mut play = Play::with_devices(&["1", "2"]);
    assert!(play.claim("1"));
    play.sent("1", refused("REQUEST_FAILED.DeviceAlreadyActive"));
    for _ in 0..2 {
        let lines = vec![active_line(Some("Gold"), None, None), found(LineState::Inactive)];
        assert!(!play.observe(lines).contains(&Effect::Queue));
        play.wait(SignedDuration::from_hours(1));
    }
    assert_eq!(play.state(), Some(OperationState::Failed));
    let (.., message) = play.condition("Stalled").unwrap();
    assert!(message.contains("2 of 2 devices") && message.contains("Gold"), "{message}");
}
