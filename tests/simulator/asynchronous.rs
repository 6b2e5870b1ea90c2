//! Faults of asynchronous answers (contract section 13, points 10 and 14).

use std::time::Duration;

use euicc_operator::simulator::config::Retries;
use serde_json::{Value, json};

use super::support::*;

async fn listening(fault: &str) -> (Platform, Listener) {
    let platform = Platform::start(|_| ()).await;
    platform.fault(fault);
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    (platform, listener)
}

#[rstest::rstest]
#[case("error=REQUEST_FAILED.DeviceNotFound", "/faultResponse/faultcode", json!("UnifiedWebService.REQUEST_FAILED.DeviceNotFound"))]
#[case("failed", "/deviceResponse/deviceProfileResponse/euiccStatus", json!("FAILED"))]
#[case("address-failed", "/deviceResponse/deviceProfileResponse/euiccSubAddressUpdateStatus", json!("FAILED"))]
#[case("profile=NOT_DOWNLOADED", "/deviceResponse/deviceProfileResponse/profileStatus", json!("NOT_DOWNLOADED"))]
#[case("pascal", "/DeviceResponse/DeviceProfileResponse/State", json!("Active"))]
#[case("strings", "/callbackCount", json!("1"))]
#[case("odd-kind", "/deviceIds/0/kind", json!("Iccid"))]
#[case("extra", "/correlation/node", json!("uws-7"))]
#[case("array", "/deviceResponse/0/deviceProfileResponse/state", json!("Active"))]
#[case("bare", "/status", json!("SUCCESS"))]
#[tokio::test]
async fn a_message_comes_out_as_the_fault_says(#[case] fault: &str, #[case] field: &str, #[case] value: Value) {
    let fault = format!("callback:{fault}");
    let (platform, listener) = listening(&fault).await;
    platform.activate().await;
    let message = &listener.messages_of(1).await[0];
    assert_eq!(message.pointer(field), Some(&value), "{message}");
    let delivery = &platform.simulator.journal("/fleet/verizon")[0];
    assert_eq!(delivery.fault.as_deref(), Some(fault.as_str()));
}

#[tokio::test]
async fn a_failed_activation_is_failed_everywhere() {
    let (platform, listener) = listening("callback:failed").await;
    let request_id = platform.activate().await;
    assert_eq!(listener.messages_of(1).await[0]["status"], "Failed");
    let (_, reply) = platform.get(&format!("/m2m/v2/accounts/{ACCOUNT}/requests/{request_id}/status")).await;
    assert_eq!(reply["status"], "Failed");
    assert_eq!(platform.state(EID).await.as_deref(), Some("deactive"));
}

#[tokio::test]
async fn a_lost_message_stays_in_the_journal_alone() {
    let (platform, listener) = listening("callback:lost").await;
    let request_id = platform.activate().await;
    let lost = eventually("the loss", async || {
        platform.simulator.journal("").into_iter().find(|entry| entry.note.as_deref() == Some("The message was lost."))
    })
    .await;
    assert_eq!((lost.request_id.as_deref(), lost.status), (Some(request_id.as_str()), None));
    assert_eq!(platform.state(EID).await.as_deref(), Some("active"));
    assert!(listener.messages().is_empty());
}

#[tokio::test]
async fn an_early_message_is_there_before_the_reply() {
    let (platform, listener) = listening("callback:early").await;
    platform.activate().await;
    assert_eq!(listener.messages().len(), 1);
}

#[tokio::test]
async fn a_duplicate_is_the_same_message_counted_on() {
    let (platform, listener) = listening("callback:duplicate=2").await;
    platform.activate().await;
    let counts: Vec<_> = listener.messages_of(3).await.iter().map(|message| message["callbackCount"].clone()).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[tokio::test]
async fn a_held_message_comes_after_the_next_one() {
    let (platform, listener) = listening("callback:out-of-order,count=1").await;
    platform.activate().await;
    eventually("the activation", async || platform.state(EID).await.filter(|state| state == "active")).await;
    let second = "89044011112233441122334411223321";
    let mut body = activation(second);
    body["devices"][0]["deviceIds"].as_array_mut().unwrap().truncate(1);
    assert_eq!(platform.post(ACTIVATE, &body).await.0, 200);
    let eids: Vec<_> = listener
        .messages_of(2)
        .await
        .iter()
        .map(|message| {
            message["deviceIds"].as_array().unwrap().iter().find(|id| id["kind"] == "eid").unwrap()["id"].clone()
        })
        .collect();
    assert_eq!(eids, [second, EID]);
}

#[tokio::test]
async fn a_warning_can_come_after_the_final_message() {
    let (platform, listener) = listening("callback:warning=1m,out-of-order").await;
    platform.activate().await;
    let statuses: Vec<_> = listener.messages_of(2).await.iter().map(|message| message["status"].clone()).collect();
    assert_eq!(statuses, ["SUCCESS", "WARNING"]);
}

#[tokio::test]
async fn passwords_can_be_wrong_or_old_and_requests_unknown() {
    let (platform, listener) = listening("callback:password=wrong,count=1").await;
    let body = json!({"name": "DeviceProfileService", "url": listener.url, "username": "callback", "password": "new"});
    platform.post(&format!("/m2m/v1/callbacks/{ACCOUNT}"), &body).await;
    platform.fault("callback:password=old,count=1");
    platform.fault("callback:unknown-request,count=1");
    let mut passwords = Vec::new();
    let mut request_ids = Vec::new();
    for n in 1..=3 {
        let request_id = platform.activate().await;
        let message = listener.messages_of(n).await[n - 1].clone();
        passwords.push(message["password"].as_str().unwrap().to_owned());
        request_ids.push(message["requestId"] == request_id.as_str());
    }
    assert!(passwords[0].starts_with("wrong-"));
    assert_eq!(passwords[1..], ["secret", "new"]);
    assert_eq!(request_ids, [true, true, false]);
}

#[tokio::test]
async fn a_stuck_line_stays_pending_for_a_day() {
    let platform = Platform::start(|config| config.time_scale = 1.0).await;
    platform.fault("callback:stuck");
    let request_id = platform.activate().await;
    platform.simulator.advance(Duration::from_secs(86_000));
    let (_, reply) = platform.get(&format!("/m2m/v1/accounts/{ACCOUNT}/requests/{request_id}/status")).await;
    assert_eq!(reply["status"], "Pending");
    platform.simulator.advance(Duration::from_secs(400));
    eventually("the activation", async || platform.state(EID).await.filter(|state| state == "active")).await;
}

#[tokio::test]
async fn an_observed_platform_tries_once_more_and_gives_up() {
    let platform = Platform::start(|config| config.callback_retries = Retries::Observed).await;
    let listener = Listener::start().await;
    listener.answer(&[(503, Duration::ZERO); 2]);
    platform.listen(&listener).await;
    platform.activate().await;
    eventually("the archive", async || {
        let (_, archive) = platform.admin(reqwest::Method::GET, "/archive", &Value::Null).await;
        archive.get(0).cloned()
    })
    .await;
    assert_eq!(listener.messages().len(), 2);
}

#[tokio::test]
async fn an_observed_platform_overlaps_a_listener_that_is_silent() {
    let platform = Platform::start(|config| config.callback_retries = Retries::Observed).await;
    let listener = Listener::start().await;
    listener.answer(&[(200, Duration::from_secs(5))]);
    platform.listen(&listener).await;
    platform.activate().await;
    let messages = listener.messages_of(2).await;
    assert_eq!(messages[1]["callbackCount"], 2);
    let first = &platform.simulator.journal("/fleet/verizon")[0];
    assert_eq!(first.status, None, "the first try still runs");
}
