//! The life of a line: activated, told, deactivated; callbacks and their listeners.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::*;

#[tokio::test]
async fn an_activation_is_accepted_then_done_then_told() {
    let platform = Platform::start(|_| ()).await;
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    let request_id = platform.activate().await;
    let message = &listener.messages_of(1).await[0];
    assert_eq!(listener.agents(), ["Verizon's callback service"]);
    assert_eq!(message["requestId"], request_id.as_str());
    assert_eq!((&message["username"], &message["password"]), (&json!("callback"), &json!("secret")));
    assert_eq!((&message["status"], &message["callbackCount"]), (&json!("SUCCESS"), &json!(1)));
    let profile = &message["deviceResponse"]["deviceProfileResponse"];
    assert_eq!((&profile["state"], &profile["euiccStatus"]), (&json!("Active"), &json!("EXECUTED_SUCCESS")));
    let kinds: Vec<_> = message["deviceIds"].as_array().unwrap().iter().map(|id| id["kind"].clone()).collect();
    assert_eq!(kinds, ["iccid", "imei", "eid", "mdn"], "the card and the number are minted");
    assert_eq!(platform.state(EID).await.as_deref(), Some("active"));
    let (status, reply) = platform.get(&format!("/m2m/v2/accounts/{ACCOUNT}/requests/{request_id}/status")).await;
    assert_eq!(
        (status, &reply["status"], &reply["subRequests"][0]["status"]),
        (200, &json!("Success"), &json!("Success"))
    );
    let (_, reply) = platform.get(&format!("/m2m/v1/accounts/{ACCOUNT}/requests/{request_id}/status")).await;
    assert_eq!(reply, json!({"requestId": request_id, "status": "Success"}));
    assert_eq!(platform.activations().len(), 1);
}

#[tokio::test]
async fn a_device_is_pending_until_the_clock_says_so() {
    let platform = Platform::start(|config| {
        config.time_scale = 1.0;
        config.activation_time = Duration::from_secs(3600);
    })
    .await;
    platform.activate().await;
    assert_eq!(platform.state(EID).await.as_deref(), Some("pending activation"));
    let (status, reply) = platform.post(ACTIVATE, &activation(EID)).await;
    assert_eq!((status, &reply["errorCode"]), (400, &json!("UnifiedWebService.INPUT_INVALID.DeviceState.Invalid")));
    let (status, _) = platform.admin(Method::POST, "/clock", &json!({"advanceSeconds": 3000})).await;
    assert_eq!(status, 200);
    assert_eq!(platform.state(EID).await.as_deref(), Some("pending activation"));
    platform.simulator.advance(Duration::from_secs(600));
    eventually("the activation", async || platform.state(EID).await.filter(|state| state == "active")).await;
}

#[tokio::test]
async fn listeners_are_registered_listed_replaced_and_removed() {
    let platform = Platform::start(|_| ()).await;
    let path = format!("/m2m/v1/callbacks/{ACCOUNT}");
    let reply = platform.request(Method::GET, &path).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.text().await.unwrap().as_str()), (200, ""), "no body when none");
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    let (_, listed) = platform.get(&path).await;
    let entry = json!([{
        "accountName": ACCOUNT, "serviceName": "DeviceProfileService", "url": listener.url,
        "username": "callback", "password": "secret",
    }]);
    assert_eq!(listed, entry);
    let removed = platform.request(Method::DELETE, &format!("{path}/name/DeviceProfileService")).send().await.unwrap();
    assert_eq!(removed.status(), 200);
    assert_eq!(platform.get(&path).await.1, Value::Null);
    let bad = json!({"name": "DeviceProfileService", "url": "https://callbacks.example.com:8443/"});
    assert_eq!(platform.post(&path, &bad).await.0, 400);
}

#[tokio::test]
async fn a_deactivated_line_comes_back_with_another_number() {
    let platform = Platform::start(|_| ()).await;
    let number = async || {
        let (_, devices) = platform.admin(Method::GET, &format!("/devices?id={EID}"), &Value::Null).await;
        let ids = devices[0]["deviceIds"].as_array().unwrap().clone();
        ids.into_iter().find(|id| id["kind"] == "mdn").map(|id| id["id"].clone())
    };
    let becomes = async |state: &str| {
        eventually(state, async || platform.state(EID).await.filter(|own| own == state)).await;
    };
    platform.activate().await;
    becomes("active").await;
    let first = number().await.unwrap();
    let body = json!({
        "accountName": ACCOUNT, "reasonCode": "FF", "etfWaiver": false, "devices": [{"ids": [{"kind": "eid", "id": EID}]}],
    });
    let (status, reply) = platform.post("/m2m/v1/devices/profile/actions/deactivate", &body).await;
    assert_eq!(status, 200, "{reply}");
    becomes("deactive").await;
    assert_eq!(number().await, None);
    platform.activate().await;
    becomes("active").await;
    assert_ne!(number().await.unwrap(), first);
    let window = json!({"deviceId": {"kind": "eid", "id": EID}, "earliest": "2020-01-01T00:00:00Z", "latest": "2100-01-01T00:00:00Z"});
    let (_, history) = platform.post("/m2m/v1/devices/history/actions/list", &window).await;
    let events: Vec<_> =
        history["provisioningHistory"].as_array().unwrap().iter().map(|e| e["eventType"].clone()).collect();
    assert_eq!(events, ["Activation Confirmed", "Deactivation Confirmed", "Activation Confirmed"]);
}

#[tokio::test]
async fn the_seeded_fleet_shows_every_end() {
    use euicc_operator::simulator::seed::*;
    let platform = Platform::start(|_| ()).await;
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    let one = |eid: &str| {
        let mut body = activation(eid);
        body["devices"][0]["deviceIds"].as_array_mut().unwrap().truncate(1);
        body
    };
    let (status, reply) = platform.post(ACTIVATE, &one(REFUSED_AT_ONCE)).await;
    assert_eq!((status, &reply["errorCode"]), (400, &json!("UnifiedWebService.INPUT_INVALID.Device.Account.Invalid")));
    for eid in [REFUSED_LATER, ALREADY_ACTIVE, WARNED_FIRST, ADDRESS_REFUSED] {
        assert_eq!(platform.post(ACTIVATE, &one(eid)).await.0, 200);
    }
    let messages = listener.messages_of(5).await;
    let of = |eid: &str| -> Vec<&Value> {
        messages.iter().filter(|m| m["deviceIds"].as_array().unwrap().iter().any(|id| id["id"] == eid)).collect()
    };
    assert_eq!(of(REFUSED_LATER)[0]["faultResponse"]["faultcode"], "UnifiedWebService.REQUEST_FAILED.DeviceNotFound");
    assert_eq!(
        of(ALREADY_ACTIVE)[0]["faultResponse"]["faultcode"],
        "UnifiedWebService.REQUEST_FAILED.DeviceAlreadyActive"
    );
    let statuses: Vec<_> = of(WARNED_FIRST).iter().map(|message| message["status"].clone()).collect();
    assert_eq!(statuses, ["WARNING", "SUCCESS"]);
    let profile = &of(ADDRESS_REFUSED)[0]["deviceResponse"]["deviceProfileResponse"];
    assert_eq!((&profile["state"], &profile["euiccSubAddressUpdateStatus"]), (&json!("Active"), &json!("FAILED")));
}

#[tokio::test]
async fn without_a_listener_the_callback_is_dropped_and_support_can_send_it() {
    let platform = Platform::start(|_| ()).await;
    let request_id = platform.activate().await;
    eventually("the drop", async || {
        platform
            .simulator
            .journal("")
            .into_iter()
            .find(|e| e.note.as_deref() == Some("Nobody listens for the service."))
    })
    .await;
    let listener = Listener::start().await;
    platform.listen(&listener).await;
    let (status, reply) = platform.admin(Method::POST, "/resend", &json!({"requestId": request_id})).await;
    assert_eq!((status, reply), (202, json!({"messages": 1})));
    assert_eq!(listener.messages_of(1).await[0]["requestId"], request_id.as_str());
}

#[tokio::test]
async fn an_unacknowledged_callback_is_tried_four_times_and_archived() {
    let platform = Platform::start(|config| config.time_scale = 3000.0).await;
    let listener = Listener::start().await;
    listener.answer(&[(503, Duration::ZERO); 4]);
    platform.listen(&listener).await;
    let request_id = platform.activate().await;
    let counts: Vec<_> = listener.messages_of(4).await.iter().map(|m| m["callbackCount"].clone()).collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    let archived = eventually("the archive", async || {
        let (_, archive) = platform.admin(Method::GET, "/archive", &Value::Null).await;
        archive.get(0).cloned()
    })
    .await;
    assert_eq!(archived["requestId"], request_id.as_str());
    let tries = platform.simulator.journal("/v1/callbacks/fleet/verizon");
    assert!(tries.iter().all(|entry| entry.status == Some(503)));
}
