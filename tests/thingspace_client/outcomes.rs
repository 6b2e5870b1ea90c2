//! What becomes of requests.

use std::time::Duration;

use euicc_operator::thingspace::wire::{self, DeviceId, RegisterCallback};
use euicc_operator::thingspace::{CallError, LineState, Outcome, Progress, RequestId};
use rstest::rstest;

use super::scene::{ACCOUNT, ids, scene};

#[tokio::test]
async fn an_activation_is_accepted_and_can_be_followed_to_its_end() {
    let scene = scene().await;
    assert_eq!(scene.line().await, LineState::PreActive);
    let request = scene.activate().await.unwrap();
    assert_eq!(scene.line().await, LineState::PendingActivation);
    let progress = scene.client.request_status(ACCOUNT, &request).await.unwrap();
    assert_eq!((progress.overall, progress.devices.len()), (Progress::Pending, 1));
    scene.thingspace.advance(Duration::from_secs(61));
    let after = async || scene.client.request_status(ACCOUNT, &request).await.unwrap().overall;
    while after().await == Progress::Pending {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(after().await, Progress::Succeeded);
    let device = scene.client.find_device(ACCOUNT, &ids()).await.unwrap().unwrap();
    assert_eq!(device.line_state(), LineState::Active);
    assert!(device.device_ids.iter().any(|id| id.kind.eq_ignore_ascii_case("mdn")));
    let (start, now) = (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::now() + Duration::from_secs(3600));
    assert!(!scene.client.history(&ids()[1], start, now).await.unwrap().provisioning_history.is_empty());
    assert_eq!((scene.asked("/oauth2/token"), scene.asked("/session/login"), scene.asked("/activate")), (1, 1, 1));
    scene.client.logout().await.unwrap();
    assert_eq!(scene.asked("/session/logout"), 1);
}

#[tokio::test]
async fn accounts_plans_and_listeners_are_read_and_changed() {
    let scene = scene().await;
    let account = scene.client.account(ACCOUNT).await.unwrap();
    assert!(account.is_provisioning_allowed && account.account_name == ACCOUNT);
    assert!(scene.client.plans(ACCOUNT).await.unwrap().iter().any(|plan| plan.code == "HybridESim"));
    assert!(scene.client.callbacks(ACCOUNT).await.unwrap().is_empty());
    let registration = RegisterCallback {
        name: wire::PROFILE_SERVICE.into(),
        url: "https://euicc.example.com/v1/callbacks/fleet/verizon".into(),
        username: Some("u".into()),
        password: Some("p".into()),
    };
    scene.client.register_callback(ACCOUNT, &registration).await.unwrap();
    let listeners = scene.client.callbacks(ACCOUNT).await.unwrap();
    assert_eq!((listeners.len(), listeners[0].url.as_str()), (1, registration.url.as_str()));
    scene.client.deregister_callback(ACCOUNT, wire::PROFILE_SERVICE).await.unwrap();
    assert!(scene.client.callbacks(ACCOUNT).await.unwrap().is_empty());
    let error = scene.client.account("0000999999-00001").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Refused, "{error}");
}

#[rstest]
#[case("activate:status=503,after")]
#[case("activate:reset,after")]
#[case("activate:hang,after")]
#[case("activate:garbage,after")]
#[case("activate:slow=20s,after")]
#[case("activate:reset")]
#[case("activate:hang")]
#[case("activate:status=500")]
#[case("activate:status=502")]
#[case("activate:status=504")]
#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_unknown_and_is_not_asked_for_again(#[case] fault: &str) {
    let scene = scene().await;
    scene.thingspace.fault(fault).unwrap();
    let error = scene.activate().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(scene.asked("/activate"), 1);
    let expected = if fault.ends_with("after") { LineState::PendingActivation } else { LineState::PreActive };
    assert_eq!(scene.line().await, expected);
}

#[rstest]
#[case("activate:status=403", Outcome::Refused)]
#[case("activate:status=404", Outcome::Refused)]
#[case("activate:status=406", Outcome::Refused)]
#[case("activate:error=INPUT_INVALID.Request.InvalidCharacter", Outcome::Refused)]
#[case("activate:error=REQUEST_ONHOLD.CreditApproval", Outcome::Later)]
#[case("activate:status=429", Outcome::Later)]
#[tokio::test]
async fn an_answer_that_came_is_taken_at_its_word(#[case] fault: &str, #[case] outcome: Outcome) {
    let scene = scene().await;
    scene.thingspace.fault(fault).unwrap();
    let error = scene.activate().await.unwrap_err();
    assert_eq!((error.outcome(), scene.asked("/activate")), (outcome, 1), "{error}");
    assert_eq!(scene.line().await, LineState::PreActive);
}

#[tokio::test]
async fn too_many_requests_says_how_long_to_wait() {
    let scene = scene().await;
    scene.thingspace.fault("activate:status=429,retry-after=17").unwrap();
    let error = scene.activate().await.unwrap_err();
    let CallError::Later { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn a_request_that_thingspace_does_not_know_is_not_known_and_not_failed() {
    let scene = scene().await;
    let nobodys = RequestId::new("d1f08526-5443-4054-9a29-4456490ea9f8").unwrap();
    let progress = scene.client.request_status(ACCOUNT, &nobodys).await.unwrap();
    assert_eq!(progress.overall, Progress::NotKnown);
    let nobody = [DeviceId { kind: "imei".into(), id: "490154203237518".into() }];
    assert_eq!(scene.client.find_device(ACCOUNT, &nobody).await.unwrap(), None);
}
