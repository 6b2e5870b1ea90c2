//! Faults of replies (contract section 13, point 13).

use std::time::Duration;

use serde_json::{Value, json};

use super::support::*;

async fn platform(fault: &str) -> Platform {
    let platform = Platform::start(|_| ()).await;
    platform.fault(fault);
    platform
}

async fn sent(platform: &Platform) -> Result<reqwest::Response, reqwest::Error> {
    platform.request(reqwest::Method::POST, ACTIVATE).json(&activation(EID)).send().await
}

#[rstest::rstest]
#[case("activate:error=REQUEST_FAILED.DeviceNotFound", 400, "UnifiedWebService.REQUEST_FAILED.DeviceNotFound")]
#[case("activate:error=REQUEST_FAILED.SessionToken.Expired", 400, "SessionToken.Expired")]
#[case("activate:status=401", 401, "900901")]
#[case("activate:status=403", 403, "<am:fault")]
#[case("activate:status=404", 404, "not available")]
#[case("activate:status=406", 406, "406")]
#[case("activate:status=429", 429, "900802")]
#[case("activate:status=500", 500, "<html>")]
#[case("activate:status=502", 502, "<html>")]
#[case("activate:status=503", 503, "<html>")]
#[case("activate:status=504", 504, "<html>")]
#[case("activate:garbage", 200, "<html>")]
#[tokio::test]
async fn a_struck_request_is_not_carried_out(#[case] fault: &str, #[case] status: u16, #[case] body: &str) {
    let platform = platform(fault).await;
    let reply = sent(&platform).await.unwrap();
    assert_eq!(reply.status(), status);
    let text = reply.text().await.unwrap();
    assert!(text.contains(body), "{text}");
    assert_eq!(platform.state(EID).await, None);
    let entry = &platform.activations()[0];
    assert_eq!((entry.status, entry.fault.as_deref()), (Some(status), Some(fault)));
}

#[rstest::rstest]
#[case("activate:status=503,after")]
#[case("activate:status=502,after=true")]
#[case("activate:garbage,after")]
#[case("activate:reset,after")]
#[tokio::test]
async fn a_lost_reply_hides_an_accepted_request(#[case] fault: &str) {
    let platform = platform(fault).await;
    if let Ok(reply) = sent(&platform).await {
        assert!(reply.json::<Value>().await.is_err());
    }
    let entry = &platform.activations()[0];
    assert!(entry.request_id.is_some(), "the journal knows what the client does not");
    assert!(platform.state(EID).await.is_some());
}

#[tokio::test]
async fn a_reset_is_seen_before_any_reply() {
    let platform = platform("activate:reset").await;
    let error = sent(&platform).await.unwrap_err();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    assert!(error.is_request(), "{error:?}");
    let reset = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    assert_eq!(reset, Some(std::io::ErrorKind::ConnectionReset), "{cause}");
    assert_eq!(platform.activations()[0].status, None);
    assert_eq!(platform.state(EID).await, None);
}

#[tokio::test]
async fn a_hanging_request_is_noted_and_never_answered() {
    let platform = platform("activate:hang,count=1").await;
    let request = platform.request(reqwest::Method::POST, ACTIVATE).json(&activation(EID));
    let error = request.timeout(Duration::from_millis(300)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(platform.activations()[0].status, None);
    platform.activate().await;
}

#[tokio::test]
async fn retry_after_is_sent_when_asked_for() {
    let platform = platform("activate:status=429,retry-after=7,count=1").await;
    assert_eq!(sent(&platform).await.unwrap().headers()["retry-after"], "7");
    platform.fault("activate:status=429,count=1");
    assert!(!sent(&platform).await.unwrap().headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_slow_body_is_whole_in_the_end() {
    let platform = platform("activate:slow=30s").await;
    let reply: Value = sent(&platform).await.unwrap().json().await.unwrap();
    assert!(reply["requestId"].is_string());
}

#[tokio::test]
async fn a_bearer_token_and_a_session_can_end_in_the_middle_of_their_life() {
    let mut platform = Platform::start(|_| ()).await;
    platform.admin(reqwest::Method::DELETE, "/tokens", &Value::Null).await;
    let (status, reply) = platform.post(ACTIVATE, &activation(EID)).await;
    assert_eq!((status, &reply["fault"]["code"]), (401, &json!("900901")));
    platform.log_in().await;
    platform.admin(reqwest::Method::DELETE, "/sessions", &Value::Null).await;
    let (_, reply) = platform.post(ACTIVATE, &activation(EID)).await;
    assert_eq!(reply["errorCode"], "UnifiedWebService.INPUT_INVALID.SessionToken.Invalid");
}

#[tokio::test]
async fn faults_are_set_shown_and_taken_back_over_http() {
    let platform = Platform::start(|_| ()).await;
    let before = platform.admin(reqwest::Method::GET, "/faults", &Value::Null).await.1.as_array().unwrap().len();
    let faults = json!([{"operation": "login", "status": 503, "count": 1}, "token:hang,device=1"]);
    let (status, reply) = platform.admin(reqwest::Method::POST, "/faults", &faults).await;
    assert_eq!((status, reply["ids"].as_array().unwrap().len()), (201, 2));
    assert_eq!(platform.login("sim-pass").await.status(), 503);
    assert_eq!(platform.login("sim-pass").await.status(), 200);
    let (_, shown) = platform.admin(reqwest::Method::GET, "/faults", &Value::Null).await;
    assert_eq!(shown[before]["struck"], 1);
    let path = format!("/faults/{}", reply["ids"][0]);
    assert_eq!(platform.admin(reqwest::Method::DELETE, &path, &Value::Null).await.0, 204);
    assert_eq!(platform.admin(reqwest::Method::DELETE, &path, &Value::Null).await.0, 404);
    platform.admin(reqwest::Method::DELETE, "/faults", &Value::Null).await;
    assert_eq!(platform.admin(reqwest::Method::GET, "/faults", &Value::Null).await.1, json!([]));
    let (status, reply) = platform.admin(reqwest::Method::POST, "/faults", &json!("login:explode")).await;
    assert_eq!((status, reply), (400, json!({"error": "A fault of login has no key explode."})));
}
