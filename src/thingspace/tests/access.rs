//! Token and session.

use futures::future::join_all;
use serde_json::json;

use super::fake::{ACTIVATE, LOGIN, Say, TOKEN, say};
use super::*;

pub(super) const BAD_TOKEN: &str =
    r#"{"fault":{"code":900901,"message":"Invalid Credentials","description":"canary-id"}}"#;
const EXPIRED: &str = r#"{"errorCode":"UnifiedWebService.REQUEST_FAILED.SessionToken.Expired","errorMessage":"x"}"#;

fn token(expires_in: u64) -> Say {
    say(200, json!({"access_token": "t", "token_type": "Bearer", "expires_in": expires_in}))
}

pub(super) fn problem(error: CallError) -> CredentialsProblem {
    match error {
        CallError::NotSent { cause: NotSent::Credentials(problem) } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn requests_carry_what_the_contract_asks_for() {
    let fake = Fake::start(|_| None).await;
    assert_eq!(activate(&client(&fake)).await.unwrap().as_str(), "request-0");
    let asked = &fake.seen(TOKEN)[0];
    assert_eq!(asked.header("authorization"), "Basic Y2FuYXJ5LWlkOmNhbmFyeS1zZWNyZXQ=");
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!((asked.body.as_str(), asked.method.as_str()), ("grant_type=client_credentials", "POST"));
    let login = &fake.seen(LOGIN)[0];
    assert_eq!(login.header("authorization"), "Bearer token-0");
    assert_eq!(login.json(), json!({"username": "canary-user", "password": "canary-password"}));
    let sent = &fake.seen(ACTIVATE)[0];
    assert_eq!((sent.header("authorization"), sent.header("vz-m2m-token")), ("Bearer token-0", "session-0"));
    assert_eq!((sent.header("accept"), sent.header("content-type")), ("application/json", "application/json"));
    assert_eq!(sent.header("user-agent"), concat!("euicc-operator/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn many_callers_share_one_token_and_one_session() {
    let fake = Fake::start(|_| None).await;
    let client = client(&fake);
    let all = join_all((0..20).map(|_| activate(&client))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN), fake.count(ACTIVATE)), (1, 1, 20));
}

#[tokio::test]
async fn a_refused_client_secret_is_not_asked_for_again_and_again() {
    let refusal = r#"{"error":"invalid_client","error_description":"canary-secret is wrong"}"#;
    let fake = Fake::start(move |seen| (seen.path == TOKEN).then(|| say(401, refusal))).await;
    let backoff = Duration::from_millis(100);
    let config = ClientConfig { token_backoff: backoff, token_backoff_max: backoff * 3, ..config() };
    let client = client_with(&fake, Arc::new(MemoryLedger::default()), config);
    let mut waits = Vec::new();
    for asked in 1..=4 {
        for _ in 0..5 {
            let refused = problem(activate(&client).await.unwrap_err());
            let CredentialsProblem::TokenRefused { message, .. } = refused else { panic!("{refused:?}") };
            assert_eq!(message, "[withheld] is wrong");
        }
        assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (asked, 0));
        let refused = problem(activate(&client).await.unwrap_err());
        let CredentialsProblem::TokenRefused { retry_in, .. } = refused else { panic!("{refused:?}") };
        tokio::time::sleep(retry_in + Duration::from_millis(5)).await;
        waits.push(retry_in);
    }
    assert!(waits[0] <= backoff && waits[1] > backoff && waits[2] > backoff * 2 && waits[3] <= backoff * 3);
}

#[tokio::test]
async fn a_token_endpoint_that_is_away_is_asked_again_at_once() {
    let fake = Fake::start(|seen| (seen.path == TOKEN && seen.nth < 2).then(|| say(503, ""))).await;
    let client = client(&fake);
    for _ in 0..2 {
        let error = activate(&client).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent { cause: NotSent::Network(_) }));
    }
    activate(&client).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_is_replaced_once_and_the_session_kept() {
    let fake = Fake::start(|seen| {
        let old = seen.header("authorization") == "Bearer token-0";
        (seen.path == ACTIVATE && old && seen.nth > 0).then(|| say(401, BAD_TOKEN))
    })
    .await;
    let client = client(&fake);
    activate(&client).await.unwrap();
    assert!(join_all((0..10).map(|_| activate(&client))).await.iter().all(Result::is_ok));
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (2, 1));
}

#[tokio::test]
async fn an_expired_session_is_replaced_once_whatever_the_status() {
    for status in [400, 401, 403] {
        let fake = Fake::start(move |seen| {
            let old = seen.header("vz-m2m-token") == "session-0";
            (seen.path == ACTIVATE && old && seen.nth > 0).then(|| say(status, EXPIRED))
        })
        .await;
        let client = client(&fake);
        activate(&client).await.unwrap();
        assert!(join_all((0..10).map(|_| activate(&client))).await.iter().all(Result::is_ok));
        assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (1, 2));
    }
}

#[tokio::test]
async fn a_request_is_repeated_once_for_its_access_and_no_more() {
    for body in [BAD_TOKEN, EXPIRED] {
        let fake = Fake::start(move |seen| (seen.path == ACTIVATE).then(|| say(401, body))).await;
        let refused = problem(activate(&client(&fake)).await.unwrap_err());
        assert!(matches!(refused, CredentialsProblem::AccessRefused { .. }));
        assert_eq!(fake.count(ACTIVATE), 2);
    }
}

#[tokio::test]
async fn a_request_is_repeated_once_for_the_token_and_once_for_the_session() {
    let fake = Fake::start(|seen| {
        (seen.path == ACTIVATE).then(|| match seen.nth {
            0 => say(401, BAD_TOKEN),
            1 => say(400, EXPIRED),
            2 => say(401, BAD_TOKEN),
            _ => say(500, ""),
        })
    })
    .await;
    let refused = problem(activate(&client(&fake)).await.unwrap_err());
    assert!(matches!(refused, CredentialsProblem::AccessRefused { .. }));
    assert_eq!((fake.count(ACTIVATE), fake.count(TOKEN), fake.count(LOGIN)), (3, 2, 2));
}

#[tokio::test]
async fn an_unexplained_refusal_repeats_a_question_but_not_an_action() {
    let fake =
        Fake::start(|seen| (seen.path != TOKEN && seen.path != LOGIN && seen.nth == 0).then(|| say(401, ""))).await;
    let client = client(&fake);
    assert!(matches!(problem(activate(&client).await.unwrap_err()), CredentialsProblem::AccessRefused { .. }));
    assert_eq!(fake.count(ACTIVATE), 1);
    client.account(ACCOUNT).await.unwrap();
    assert_eq!(fake.count(&format!("/api/m2m/v1/accounts/{ACCOUNT}")), 2);
    activate(&client).await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let fake = Fake::start(|seen| (seen.path == TOKEN && seen.nth == 0).then(|| token(181))).await;
    let client = client(&fake);
    activate(&client).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    activate(&client).await.unwrap();
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (2, 1));
}

#[tokio::test]
async fn a_token_with_little_life_left_is_used_and_not_fetched_over_and_over() {
    let fake = Fake::start(|seen| (seen.path == TOKEN).then(|| token(60))).await;
    let client = client(&fake);
    for _ in 0..5 {
        activate(&client).await.unwrap();
    }
    assert_eq!(fake.count(TOKEN), 1);
}

#[tokio::test]
async fn an_old_token_serves_to_its_end_while_no_new_one_is_to_be_had() {
    let fake =
        Fake::start(|seen| (seen.path == TOKEN).then(|| if seen.nth == 0 { token(181) } else { say(503, "") })).await;
    let client = client(&fake);
    activate(&client).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..3 {
        activate(&client).await.unwrap();
    }
    assert_eq!(fake.count(TOKEN), 2);
}

#[tokio::test]
async fn an_unreadable_token_is_never_put_into_a_header() {
    for (path, body) in [
        (TOKEN, r#"{"access_token":"a\nb","token_type":"Bearer","expires_in":3600}"#),
        (TOKEN, r#"{"access_token":"","token_type":"Bearer","expires_in":3600}"#),
        (TOKEN, "<html>"),
    ] {
        let fake = Fake::start(move |seen| (seen.path == path).then(|| say(200, body))).await;
        let error = activate(&client(&fake)).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent { cause: NotSent::Network(_) }), "{error:?}");
        assert_eq!(fake.count(ACTIVATE), 0);
    }
}

#[tokio::test]
async fn logging_out_ends_a_session_and_opens_none() {
    const LOGOUT: &str = "/api/m2m/v1/session/logout";
    let fake = Fake::start(|_| None).await;
    let client = client(&fake);
    client.logout().await.unwrap();
    assert_eq!((fake.count(LOGIN), fake.count(LOGOUT)), (0, 0));
    activate(&client).await.unwrap();
    client.logout().await.unwrap();
    client.logout().await.unwrap();
    let [logout] = &fake.seen(LOGOUT)[..] else { panic!() };
    assert_eq!((logout.header("vz-m2m-token"), logout.header("authorization")), ("session-0", "Bearer token-0"));
    activate(&client).await.unwrap();
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (1, 2));
}
