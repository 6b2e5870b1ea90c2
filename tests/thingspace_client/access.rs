//! Token, session and the login breaker.

use std::time::Duration;

use euicc_operator::thingspace::{CallError, CredentialsProblem, NotSent, Outcome};
use futures::future::join_all;
use rstest::rstest;

use super::scene::{ACCOUNT, scene, scene_of, settings};

#[tokio::test]
async fn a_wrong_password_and_ten_callers_make_two_logins_and_never_a_lockout() {
    let scene = scene_of(settings(), "wrong", "sim-secret").await;
    for _ in 0..5 {
        for result in join_all((0..10).map(|_| scene.activate())).await {
            assert!(result.unwrap_err().credentials_problem().is_some());
        }
    }
    let error = scene.activate().await.unwrap_err();
    assert!(matches!(error.credentials_problem(), Some(CredentialsProblem::LoginBlocked { .. })));
    assert_eq!((scene.asked("/session/login"), scene.asked("/activate")), (2, 0));
}

#[tokio::test]
async fn a_wrong_client_secret_is_tried_once_and_no_password_is_risked() {
    let scene = scene_of(settings(), "sim-pass", "wrong").await;
    for _ in 0..10 {
        let error = scene.activate().await.unwrap_err();
        assert!(matches!(error.credentials_problem(), Some(CredentialsProblem::TokenRefused { .. })));
    }
    assert_eq!((scene.asked("/oauth2/token"), scene.asked("/session/login")), (1, 0));
}

#[tokio::test]
async fn many_callers_share_one_token_and_one_session() {
    let scene = scene().await;
    let plans = join_all((0..30).map(|_| scene.client.plans(ACCOUNT))).await;
    assert!(plans.iter().all(Result::is_ok));
    assert_eq!((scene.asked("/oauth2/token"), scene.asked("/session/login")), (1, 1));
}

#[tokio::test]
async fn a_token_that_expires_is_replaced_while_callers_go_on() {
    let scene = scene().await;
    scene.client.plans(ACCOUNT).await.unwrap();
    // The client's own clock still holds the token for good.
    scene.thingspace.advance(Duration::from_secs(3601));
    let results = join_all((0..10).map(|_| scene.client.plans(ACCOUNT))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!((scene.asked("/oauth2/token"), scene.asked("/session/login")), (2, 2));
    assert!(scene.ledger.record().failed.is_empty());
}

#[tokio::test]
async fn a_session_that_went_idle_is_replaced_and_the_activation_sent_once() {
    let scene = scene().await;
    scene.client.plans(ACCOUNT).await.unwrap();
    scene.thingspace.advance(Duration::from_secs(21 * 60));
    scene.activate().await.unwrap();
    let posts = scene.thingspace.journal("/activate");
    let accepted = posts.iter().filter(|entry| entry.status == Some(200)).count();
    assert_eq!((posts.len(), accepted, scene.asked("/session/login")), (2, 1, 2));
}

#[tokio::test]
async fn a_bearer_that_stays_refused_ends_in_one_repetition() {
    let scene = scene().await;
    scene.thingspace.fault("activate:status=401").unwrap();
    let error = scene.activate().await.unwrap_err();
    assert!(matches!(error.credentials_problem(), Some(CredentialsProblem::AccessRefused { .. })), "{error}");
    assert_eq!((scene.asked("/activate"), scene.asked("/session/login")), (2, 1));
}

#[rstest]
#[case("login:hang")]
#[case("login:reset")]
#[case("login:status=503")]
#[case("login:garbage,after")]
#[tokio::test]
async fn a_login_of_unknown_outcome_counts_as_failed(#[case] fault: &str) {
    let scene = scene().await;
    scene.thingspace.fault(fault).unwrap();
    for _ in 0..5 {
        assert_eq!(scene.activate().await.unwrap_err().outcome(), Outcome::NotSent);
    }
    assert_eq!((scene.asked("/session/login"), scene.asked("/activate")), (2, 0));
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_costs_no_login() {
    let scene = scene().await;
    scene.thingspace.fault("token:status=503,count=3").unwrap();
    for _ in 0..3 {
        let error = scene.activate().await.unwrap_err();
        assert!(matches!(error, CallError::NotSent { cause: NotSent::Network(_) }), "{error}");
    }
    scene.activate().await.unwrap();
    assert_eq!((scene.asked("/session/login"), scene.asked("/activate")), (1, 1));
}
