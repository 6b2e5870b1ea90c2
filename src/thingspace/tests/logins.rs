//! Logins and their breaker.

use futures::future::{BoxFuture, join_all};
use serde_json::json;

use super::access::{BAD_TOKEN, problem};
use super::fake::{ACTIVATE, LOGIN, Say, TOKEN, say};
use super::*;

const WRONG_PASSWORD: &str = r#"{"errorCode":"UnifiedWebService.INPUT_INVALID.Password.Invalid",
    "errorMessage":"The password canary-password is wrong"}"#;

#[tokio::test]
async fn many_callers_with_a_wrong_password_try_two_logins_in_all() {
    let fake = Fake::start(|seen| (seen.path == LOGIN).then(|| say(400, WRONG_PASSWORD))).await;
    let client = client(&fake);
    for _ in 0..5 {
        for result in join_all((0..10).map(|_| activate(&client))).await {
            let text = result.unwrap_err().to_string();
            assert!(!text.contains("canary"), "{text}");
        }
    }
    assert_eq!((fake.count(LOGIN), fake.count(ACTIVATE)), (2, 0));
    let reason = "the login was refused: The password [withheld] is wrong".to_owned();
    let blocked = problem(activate(&client).await.unwrap_err());
    assert_eq!(blocked, CredentialsProblem::LoginBlocked { reason: Some(reason) });
}

#[tokio::test]
async fn the_breaker_outlives_the_client_but_not_the_credentials() {
    let fake = Fake::start(|seen| (seen.path == LOGIN).then(|| say(400, WRONG_PASSWORD))).await;
    let ledger = Arc::new(MemoryLedger::default());
    for _ in 0..4 {
        activate(&client_with(&fake, ledger.clone(), config())).await.unwrap_err();
    }
    assert_eq!(fake.count(LOGIN), 2);
    let endpoint = Endpoint::new(&fake.api(), None, true).unwrap();
    let renewed = Client::new(endpoint, credentials("2"), ledger, config()).unwrap();
    assert!(matches!(problem(activate(&renewed).await.unwrap_err()), CredentialsProblem::LoginRefused { .. }));
    assert_eq!(fake.count(LOGIN), 3);
}

#[tokio::test]
async fn a_login_that_times_out_counts_as_failed() {
    let late = |seen: &fake::Seen| Say { after: Duration::from_secs(5), ..say(200, seen.nth) };
    let fake = Fake::start(move |seen| (seen.path == LOGIN).then(|| late(seen))).await;
    let client = client(&fake);
    for _ in 0..2 {
        let failed = problem(activate(&client).await.unwrap_err());
        assert!(matches!(failed, CredentialsProblem::LoginUnanswered { .. }));
    }
    assert!(matches!(problem(activate(&client).await.unwrap_err()), CredentialsProblem::LoginBlocked { .. }));
    assert_eq!(fake.count(LOGIN), 2);
}

#[tokio::test]
async fn a_login_whose_caller_gives_up_is_still_brought_to_its_end() {
    let fake = Fake::start(|seen| {
        (seen.path == LOGIN)
            .then(|| Say { after: Duration::from_millis(150), ..say(200, json!({"sessionToken": "s"})) })
    })
    .await;
    let ledger = Arc::new(MemoryLedger::default());
    let client = client_with(&fake, ledger.clone(), config());
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::from_millis(30), activate(&client)).await;
    }
    activate(&client).await.unwrap();
    assert_eq!(fake.count(LOGIN), 1);
    assert!(ledger.record().failed.is_empty());
}

#[tokio::test]
async fn a_login_that_is_refused_for_its_token_is_not_counted() {
    let fake = Fake::start(|seen| (seen.path == LOGIN && seen.nth == 0).then(|| say(401, BAD_TOKEN))).await;
    let ledger = Arc::new(MemoryLedger::default());
    activate(&client_with(&fake, ledger.clone(), config())).await.unwrap();
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (2, 2));
    assert!(ledger.record().failed.is_empty());

    let fake = Fake::start(|seen| (seen.path == LOGIN).then(|| say(401, BAD_TOKEN))).await;
    let refused = client_with(&fake, ledger.clone(), config());
    let message = "Invalid Credentials: [withheld]".to_owned();
    assert_eq!(problem(activate(&refused).await.unwrap_err()), CredentialsProblem::AccessRefused { message });
    assert_eq!(fake.count(LOGIN), 2);
    assert!(ledger.record().failed.is_empty());
}

#[tokio::test]
async fn a_throttled_login_is_not_counted() {
    let wait = |_: &fake::Seen| Say { header: Some(("retry-after", "7".into())), ..say(429, "") };
    let fake = Fake::start(move |seen| (seen.path == LOGIN).then(|| wait(seen))).await;
    let ledger = Arc::new(MemoryLedger::default());
    let client = client_with(&fake, ledger.clone(), config());
    for _ in 0..3 {
        let error = activate(&client).await.unwrap_err();
        let CallError::Later { retry_after, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }
    assert!(ledger.record().failed.is_empty());
}

struct Broken;

impl LoginLedger for Broken {
    fn reserve<'a>(&'a self, _: &'a LoginAttempt) -> BoxFuture<'a, Result<Reservation, LedgerError>> {
        Box::pin(async { Err(LedgerError("the API server is away".into())) })
    }

    fn settle<'a>(&'a self, _: &'a LoginAttempt, _: &'a LoginOutcome) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn without_a_count_there_is_no_login() {
    let fake = Fake::start(|_| None).await;
    let error = activate(&client_with(&fake, Arc::new(Broken), config())).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { cause: NotSent::Ledger(_) }));
    assert_eq!((fake.count(TOKEN), fake.count(LOGIN)), (1, 0));
}

#[tokio::test]
async fn an_unreadable_session_counts_as_a_failed_login() {
    for body in [r#"{"sessionToken":""}"#, r#"{"sessionToken":"a\nb"}"#, "{}", ""] {
        let fake = Fake::start(move |seen| (seen.path == LOGIN).then(|| say(200, body))).await;
        let client = client(&fake);
        for _ in 0..4 {
            problem(activate(&client).await.unwrap_err());
        }
        assert_eq!((fake.count(LOGIN), fake.count(ACTIVATE)), (2, 0));
    }
}
