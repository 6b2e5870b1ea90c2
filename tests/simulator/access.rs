//! Who may call, how often, and what is told of it.

use std::time::Duration;

use euicc_operator::simulator::Config;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::*;

#[tokio::test]
async fn bearer_comes_before_session_before_route_before_body() {
    let platform = Platform::start(|_| ()).await;
    let call = async |bearer: Option<&str>, session: Option<&str>, path: &str| {
        let mut request = platform.http.post(format!("{}/api{path}", platform.simulator.url())).body("{}");
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some(session) = session {
            request = request.header("VZ-M2M-Token", session);
        }
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    let (bearer, session) = (Some(platform.bearer.as_str()), Some(platform.session.as_str()));
    for (bearer, session, path, status, code) in [
        (None, None, "/m2m/v1/nowhere", 401, "900902"),
        (Some("wrong"), None, "/m2m/v1/nowhere", 401, "900901"),
        (bearer, None, "/m2m/v1/nowhere", 400, "SessionToken.Format"),
        (bearer, Some("wrong"), "/m2m/v1/nowhere", 400, "SessionToken.Invalid"),
        (bearer, session, "/m2m/v1/nowhere", 400, "900906"),
        (bearer, session, "/elsewhere", 404, "<am:fault"),
        (bearer, session, ACTIVATE, 415, "415"),
    ] {
        let (got, body) = call(bearer, session, path).await;
        assert_eq!(got, status, "{body}");
        assert!(body.contains(code), "{body}");
    }
    assert!(platform.activations().iter().all(|entry| entry.status == Some(415)));
}

#[tokio::test]
async fn the_same_token_is_served_until_it_is_revoked() {
    let platform = Platform::start(|_| ()).await;
    let token = async || platform.token().await.json::<Value>().await.unwrap()["access_token"].clone();
    let first = token().await;
    assert_eq!(token().await, first);
    let url = format!("{}/api/ts/v1/oauth2/revoke", platform.simulator.url());
    let form = [("grant_type", "client_credentials"), ("token", first.as_str().unwrap())];
    let reply = platform.http.post(url).basic_auth("sim-key", Some("sim-secret")).form(&form).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.text().await.unwrap().as_str()), (200, ""));
    assert_ne!(token().await, first);
}

#[tokio::test]
async fn oauth_errors_are_the_oauth_endpoints_own() {
    let platform = Platform::start(|_| ()).await;
    let url = format!("{}/api/ts/v1/oauth2/token", platform.simulator.url());
    let reply = platform
        .http
        .post(&url)
        .basic_auth("sim-key", Some("sim-secret"))
        .form(&[("scope", "x")])
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 400);
    let missing = json!({"error_description": "Missing grant_type parameter value", "error": "invalid_request"});
    assert_eq!(reply.json::<Value>().await.unwrap(), missing);
    let form = [("grant_type", "client_credentials")];
    let reply = platform.http.post(&url).basic_auth("sim-key", Some("wrong")).form(&form).send().await.unwrap();
    assert_eq!(reply.status(), 401);
    assert_eq!(reply.json::<Value>().await.unwrap()["error"], "invalid_client");
}

#[tokio::test]
async fn five_bad_logins_lock_the_user_and_the_journal_counts_them() {
    let platform = Platform::start(|_| ()).await;
    for _ in 0..5 {
        let reply = platform.login("wrong").await;
        assert_eq!(reply.status(), 400);
        assert!(reply.text().await.unwrap().contains("UnifiedWebService.INPUT_INVALID.Password.Invalid"));
    }
    assert_eq!(platform.login("sim-pass").await.status(), 400);
    assert_eq!(platform.simulator.journal("/session/login").len(), 7);
    platform.admin(Method::POST, "/user/unlock", &Value::Null).await;
    assert_eq!(platform.login("sim-pass").await.status(), 200);
}

#[tokio::test]
async fn a_session_expires_after_twenty_idle_minutes() {
    let platform = Platform::start(|config| {
        config.time_scale = 1.0;
        config.session_idle = Config::default().session_idle;
    })
    .await;
    platform.simulator.advance(Duration::from_secs(1200));
    let (status, reply) = platform.get(&format!("/m2m/v1/plans/{ACCOUNT}")).await;
    let expired = json!("UnifiedWebService.REQUEST_FAILED.SessionToken.Expired");
    assert_eq!((status, &reply["errorCode"]), (400, &expired));
    let reply = platform.request(Method::POST, "/m2m/v1/session/logout").send().await.unwrap();
    assert_eq!(reply.status(), 400, "an expired session cannot be ended either");
}

#[tokio::test]
async fn the_journal_holds_neither_secrets_nor_places_of_use() {
    let platform = Platform::start(|_| ()).await;
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    platform.activate().await;
    listener.messages_of(1).await;
    let (_, journal) = platform.admin(Method::GET, "/journal", &Value::Null).await;
    let text = journal.to_string();
    for secret in ["sim-secret", "sim-pass", "secret", "Canary", &platform.bearer, &platform.session] {
        assert!(!text.contains(secret), "the journal tells {secret}");
    }
    let (_, found) = platform.admin(Method::GET, &format!("/journal?direction=in&device={EID}"), &Value::Null).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["account"], ACCOUNT);
    platform.admin(Method::DELETE, "/journal", &Value::Null).await;
    assert!(platform.simulator.journal("").is_empty());
}

#[tokio::test]
async fn accounts_devices_and_credentials_can_be_set() {
    let platform = Platform::start(|_| ()).await;
    let account = json!({"accountName": "0000777777-00001", "ipPools": []});
    assert_eq!(platform.admin(Method::PUT, "/accounts", &account).await.0, 204);
    let (_, shown) = platform.get("/m2m/v1/accounts/0000777777-00001").await;
    assert_eq!((&shown["isProvisioningAllowed"], &shown["iPPools"]), (&json!(true), &json!([])));
    let device = json!({"accountName": ACCOUNT, "deviceIds": [{"kind": "eid", "id": EID}], "state": "active"});
    assert_eq!(platform.admin(Method::PUT, "/devices", &device).await.0, 204);
    assert_eq!(platform.state(EID).await.as_deref(), Some("active"));
    platform.admin(Method::PUT, "/user", &json!({"password": "rotated"})).await;
    assert_eq!(platform.login("sim-pass").await.status(), 400);
    assert_eq!(platform.login("rotated").await.status(), 200);
}

#[tokio::test]
async fn the_hundred_and_first_activation_of_a_minute_is_throttled() {
    let platform = Platform::start(|config| config.time_scale = 1.0).await;
    for _ in 0..100 {
        platform.post(ACTIVATE, &json!({})).await;
    }
    let (status, reply) = platform.post(ACTIVATE, &activation(EID)).await;
    assert_eq!((status, &reply["fault"]["code"]), (429, &json!("900802")));
    platform.simulator.advance(Duration::from_secs(60));
    platform.activate().await;
}
