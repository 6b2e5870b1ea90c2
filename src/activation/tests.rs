//! The state machine's promises, case by case; `properties` tries what nobody thought of.

mod deletion;
mod looks;
mod model;
mod paths;
mod properties;
mod sending;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::api::{DeviceId, DeviceResult, DeviceStatus, IdKind, OperationState};

/// One activation, driven by hand.
#[derive(Clone)]
struct Play {
    object: EuiccActivation,
    now: Timestamp,
    policy: Policy,
}

impl Play {
    fn with_devices(eids: &[&str]) -> Self {
        let devices: Vec<_> = eids.iter().map(|eid| json!({"deviceIds": [{"kind": "eid", "id": eid}]})).collect();
        let object = serde_json::from_value(json!({
            "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
            "metadata": {"name": "forklift", "namespace": "fleet", "uid": "u-1", "generation": 1},
            "spec": {
                "connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": devices,
                "servicePlan": "HybridESim", "mdnZipCode": "94105", "resultTimeout": "24h",
                "primaryPlaceOfUse": {
                    "customerName": {"firstName": "CANARY", "lastName": "CANARY"},
                    "address": {"addressLine1": "CANARY", "city": "CANARY", "state": "CA", "zip": "94105", "country": "US"},
                },
            },
            "status": {"observedGeneration": -1},
        }))
        .unwrap();
        Self { object, now: Timestamp::from_second(1_800_000_000).unwrap(), policy: Policy::default() }
    }

    fn one() -> Self {
        Self::with_devices(&["1"])
    }

    fn status(&self) -> &ActivationStatus {
        self.object.status.as_ref().unwrap()
    }

    fn look(&self, event: Event) -> Transition {
        advance(Subject::from(&self.object), self.status(), &event, self.now, &self.policy)
    }

    fn feed(&mut self, event: Event) -> Vec<Effect> {
        let transition = self.look(event);
        self.object.status = Some(transition.status);
        transition.effects
    }

    fn tick(&mut self) -> Vec<Effect> {
        self.feed(Event::Tick)
    }

    fn claim(&mut self, id: &str) -> bool {
        let generation = self.object.metadata.generation.unwrap();
        self.feed(Event::Claim { operation_id: id.into(), generation }).contains(&Effect::Send)
    }

    fn sent(&mut self, id: &str, outcome: Outcome) -> Vec<Effect> {
        self.feed(Event::Sent { operation_id: id.into(), outcome })
    }

    fn accept(&mut self, id: &str, request: &str) {
        assert!(self.claim(id), "the claim is granted");
        self.sent(id, Outcome::Accepted { request_id: request.into() });
    }

    fn hear(&mut self, request: &str, eid: &str, verdict: Verdict) -> Vec<Effect> {
        self.feed(callback(request, eid, verdict))
    }

    fn question(&self) -> Question {
        Question::about(self.status(), self.now).expect("something is under way")
    }

    fn poll(&mut self, devices: Vec<(Progress, Line)>) -> Vec<Effect> {
        self.feed(Event::Polled { question: self.question(), devices })
    }

    fn observe(&mut self, lines: Vec<Line>) -> Vec<Effect> {
        self.feed(Event::Observed { question: self.question(), lines })
    }

    fn fail_to_look(&mut self) -> Vec<Effect> {
        self.feed(Event::LookFailed { question: self.question(), message: "503".into() })
    }

    fn wait(&mut self, duration: SignedDuration) {
        self.now += duration;
    }

    fn wait_for_wake(&mut self) {
        let wake = self.look(Event::Tick).wake_at.expect("something is waited for");
        self.now = self.now.max(wake);
    }

    fn state(&self) -> Option<OperationState> {
        self.status().operation.as_ref().map(|o| o.state)
    }

    fn condition(&self, type_: &str) -> Option<(&str, &str, &str)> {
        let found = self.status().conditions.iter().find(|c| c.type_ == type_)?;
        Some((&found.status, &found.reason, &found.message))
    }

    fn ready(&self) -> (&str, &str) {
        self.condition("Ready").map_or(("", ""), |c| (c.0, c.1))
    }

    fn edit(&mut self, plan: &str) {
        self.object.spec.service_plan = Some(plan.into());
        *self.object.metadata.generation.as_mut().unwrap() += 1;
    }

    fn ask_retry(&mut self, value: &str) {
        self.object.metadata.annotations = Some([(RETRY_ANNOTATION.to_owned(), value.to_owned())].into());
    }
}

fn eid(id: &str) -> DeviceId {
    DeviceId { kind: IdKind::Eid, id: id.into() }
}

fn mdn(id: &str) -> DeviceId {
    DeviceId { kind: IdKind::Mdn, id: id.into() }
}

fn callback(request: &str, device: &str, verdict: Verdict) -> Event {
    let state = (verdict == Verdict::Success).then(|| "Active".to_owned());
    let verdict_of_deactivation = match &verdict {
        Verdict::Success => failure("Failed"), // the line is active
        other => other.clone(),
    };
    Event::Callback(Box::new(Report {
        request_id: Some(request.into()),
        device_ids: vec![eid(device), mdn(&format!("555000111{device}"))],
        verdict,
        verdict_of_deactivation,
        profile: Profile { state, ..Profile::default() },
    }))
}

fn failure(code: &str) -> Verdict {
    Verdict::Failure { code: code.into(), text: "because".into() }
}

fn unknown() -> Outcome {
    Outcome::Unknown { message: "the connection was reset".into() }
}

fn found(state: LineState) -> Line {
    Line::Found {
        state,
        device_ids: vec![mdn("5550001111")],
        service_plan: None,
        carrier_name: None,
        attempted: false,
        owner: None,
    }
}

#[test]
fn a_new_activation_asks_for_its_turn_and_writes_nothing() {
    let play = Play::one();
    let transition = play.look(Event::Tick);
    assert_eq!(transition.effects, [Effect::Queue]);
    assert_eq!(&transition.status, play.status());
}

#[test]
fn the_undisturbed_way_takes_three_writes_and_says_one_thing() {
    let mut play = Play::one();
    assert!(play.claim("op"));
    assert_eq!(play.ready(), ("False", "Submitting"));
    assert!(play.sent("op", Outcome::Accepted { request_id: "r".into() }).is_empty());
    assert_eq!(play.ready(), ("False", "AwaitingResult"));
    assert!(play.condition("Reconciling").is_some());
    let effects = play.hear("r", "1", Verdict::Success);
    assert!(matches!(effects.as_slice(), [Effect::Tell(Note { reason: "Activated", .. })]), "{effects:?}");
    assert_eq!(play.ready(), ("True", "Activated"));
    assert!(play.condition("Reconciling").is_none() && play.condition("Stalled").is_none());
    assert_eq!(play.status().devices[0].id(IdKind::Mdn), Some("5550001111"));
    assert_eq!(play.look(Event::Tick), Transition { status: play.status().clone(), effects: vec![], wake_at: None });
}

#[test]
fn several_devices_are_ready_when_the_last_one_is_active() {
    let mut play = Play::with_devices(&["1", "2"]);
    play.accept("op", "r");
    play.hear("r", "2", Verdict::Success);
    assert_eq!(play.ready(), ("False", "AwaitingResult"));
    play.hear("r", "1", Verdict::Success);
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn a_callback_may_come_before_the_reply() {
    let mut play = Play::one();
    assert!(play.claim("op"));
    play.hear("r", "1", Verdict::Success);
    assert_eq!((play.ready(), play.status().request_id.as_deref()), (("True", "Activated"), Some("r")));
    play.sent("op", Outcome::Accepted { request_id: "r".into() });
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn a_callback_finds_a_request_whose_reply_was_lost() {
    let mut play = Play::one();
    assert!(play.claim("op"));
    play.sent("op", unknown());
    play.hear("r", "1", Verdict::Success);
    assert_eq!((play.ready(), play.status().request_id.as_deref()), (("True", "Activated"), Some("r")));
}

#[test]
fn an_odd_identifier_does_not_keep_an_answer_from_being_written() {
    let mut play = Play::one();
    play.accept("op", "r");
    let odd = [mdn("+1 555 000 1111"), DeviceId { kind: IdKind::Iccid, id: "12".into() }];
    play.feed(Event::Callback(Box::new(Report {
        request_id: Some("r".into()),
        device_ids: [eid("1")].into_iter().chain(odd).collect(),
        verdict: Verdict::Success,
        verdict_of_deactivation: failure("Failed"),
        profile: Profile { state: Some("Active".into()), ..Profile::default() },
    })));
    assert_eq!(play.ready(), ("True", "Activated"));
    assert_eq!(play.status().devices[0].device_ids, [eid("1")], "the API server refuses a status with the others");
}

#[test]
fn a_warning_is_not_the_end() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.hear("r", "1", Verdict::Warning);
    assert_eq!(play.ready().0, "False");
    play.hear("r", "1", Verdict::Success);
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn the_first_final_answer_stands() {
    let mut play = Play::one();
    play.accept("op", "r");
    play.hear("r", "1", Verdict::Success);
    let before = play.status().clone();
    assert!(play.hear("r", "1", failure("REQUEST_FAILED.X")).is_empty());
    assert!(play.hear("r", "1", Verdict::Success).is_empty());
    assert_eq!(play.status(), &before);
}

#[test]
fn a_failure_says_what_happened_and_what_to_do_and_sends_nothing_more() {
    let mut play = Play::one();
    play.accept("op", "r");
    let effects = play.hear("r", "1", failure("REQUEST_FAILED.DeviceNotFound"));
    assert_eq!(effects.len(), 1, "one event: {effects:?}");
    let (status, reason, message) = play.condition("Stalled").unwrap();
    assert_eq!((status, reason), ("True", "ActivationFailed"));
    assert!(message.contains("REQUEST_FAILED.DeviceNotFound") && message.contains("because"), "{message}");
    assert!(message.contains("kubectl -n fleet annotate euicc forklift"), "{message}");
    assert!(play.tick().is_empty());
}

#[test]
fn an_edit_or_a_new_retry_value_sends_a_failed_one_once_more() {
    let mut play = Play::one();
    play.accept("1", "r1");
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    play.edit("OtherPlan");
    assert_eq!(play.tick(), [Effect::Queue]);
    play.accept("2", "r2");
    assert_eq!(play.status().operation.as_ref().unwrap().attempt, 2);
    play.hear("r2", "1", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    assert_eq!(play.tick(), [Effect::Queue]);
    play.accept("3", "r3");
    play.hear("r3", "1", failure("REQUEST_FAILED.X"));
    assert!(play.tick().is_empty(), "the same value asks once");
}

#[test]
fn an_edit_that_changes_nothing_of_the_request_is_only_acknowledged() {
    let mut play = Play::one();
    play.accept("1", "r1");
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    play.object.spec.suspend = true;
    play.object.metadata.generation = Some(2);
    assert!(play.tick().is_empty());
    assert_eq!(play.status().observed_generation, Some(2));
    assert_eq!(play.ready(), ("False", "ActivationFailed"));
}

#[test]
fn a_retry_sends_only_the_devices_that_are_not_active() {
    let mut play = Play::with_devices(&["1", "2"]);
    play.accept("1", "r1");
    play.hear("r1", "1", Verdict::Success);
    play.hear("r1", "2", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    assert!(play.claim("2"));
    let results: Vec<_> = play.status().devices.iter().map(|d| d.result).collect();
    assert_eq!(results, [DeviceResult::Active, DeviceResult::Pending]);
}

#[test]
fn a_late_failure_of_an_earlier_attempt_does_not_end_the_present_one() {
    let mut play = Play::one();
    play.accept("1", "r1");
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    play.ask_retry("now");
    assert!(play.claim("2"));
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    assert_eq!(play.state(), Some(OperationState::Claimed));
    play.sent("2", Outcome::Accepted { request_id: "r2".into() });
    play.hear("r1", "1", failure("REQUEST_FAILED.X"));
    assert_eq!(play.state(), Some(OperationState::Accepted));
    play.hear("r2", "1", Verdict::Success);
    assert_eq!(play.ready(), ("True", "Activated"));
}

#[test]
fn a_hold_is_said_once() {
    let mut play = Play::one();
    let hold = Hold { reason: "AccountNotAllowed", message: "no".into(), stalled: true };
    assert_eq!(play.feed(Event::Held(hold.clone())).len(), 1);
    let before = play.status().clone();
    assert!(play.feed(Event::Held(hold)).is_empty());
    assert_eq!(play.status(), &before);
}
