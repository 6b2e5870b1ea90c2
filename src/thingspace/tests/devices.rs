//! Finding devices.

use serde_json::json;

use super::calls::ids;
use super::fake::{LIST, Say, say};
use super::*;

fn unknown_device() -> Say {
    say(400, json!({"errorCode": "UnifiedWebService.REQUEST_FAILED.DeviceNotFound", "errorMessage": "?"}))
}

#[tokio::test]
async fn a_device_is_looked_for_by_each_of_its_names_in_turn() {
    let fake = Fake::start(|seen| {
        (seen.path == LIST).then(|| match seen.nth {
            0 => unknown_device(),
            1 => say(200, json!({"hasMoreData": false, "devices": []})),
            2 => say(400, json!({"errorCode": "X.INPUT_INVALID.Device.Kind.Invalid", "errorMessage": "?"})),
            _ => say(
                200,
                json!({"devices": [{
                    "deviceIds": [{"kind": "MDN", "id": "1"}, {"kind": "ICCID", "id": "9"}],
                    "carrierInformations": [{"state": "pending activation"}],
                }]}),
            ),
        })
    })
    .await;
    let record = client(&fake).find_device(ACCOUNT, &ids()).await.unwrap().unwrap();
    assert_eq!(record.line_state(), LineState::PendingActivation);
    let asked: Vec<String> =
        fake.seen(LIST).iter().map(|seen| seen.json()["deviceId"]["kind"].as_str().unwrap().into()).collect();
    assert_eq!(asked, ["iccid", "imei", "eid", "mdn"]);
    assert_eq!(fake.seen(LIST)[0].json()["accountName"], ACCOUNT);
}

#[tokio::test]
async fn an_unknown_device_is_none_but_an_unreadable_list_is_not() {
    let fake = Fake::start(|seen| (seen.path == LIST).then(unknown_device)).await;
    assert_eq!(client(&fake).find_device(ACCOUNT, &ids()).await.unwrap(), None);
    for body in ["", "{}", r#"{"status":"ok"}"#, "[]"] {
        let fake = Fake::start(move |seen| (seen.path == LIST).then(|| say(200, body))).await;
        let error = client(&fake).find_device(ACCOUNT, &ids()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{body}");
    }
    let kind = json!({"errorCode": "X.INPUT_INVALID.Device.Kind.Invalid", "errorMessage": "?"});
    let fake = Fake::start(move |seen| (seen.path == LIST).then(|| say(400, &kind))).await;
    assert_eq!(client(&fake).find_device(ACCOUNT, &ids()).await.unwrap_err().outcome(), Outcome::Refused);
    assert_eq!(client(&fake).find_device(ACCOUNT, &[]).await.unwrap_err().outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn another_devices_record_is_not_taken_for_ours() {
    let other = json!({"devices": [{"deviceIds": [{"kind": "imei", "id": "77"}]}]});
    let fake = Fake::start(move |seen| (seen.path == LIST).then(|| say(200, &other))).await;
    assert_eq!(client(&fake).find_device(ACCOUNT, &ids()).await.unwrap(), None);
    let both = json!({"devices": [
        {"deviceIds": [{"kind": "imei", "id": "77"}]},
        {"accountName": "ours", "deviceIds": [{"kind": "Iccid", "id": "4"}]},
    ]});
    let fake = Fake::start(move |seen| (seen.path == LIST).then(|| say(200, &both))).await;
    let found = client(&fake).find_device(ACCOUNT, &ids()).await.unwrap().unwrap();
    assert_eq!(found.account_name.as_deref(), Some("ours"));
}

#[tokio::test]
async fn history_is_asked_for_in_whole_seconds() {
    let fake = Fake::start(|_| None).await;
    let earliest = "2026-01-02T03:04:05.678Z".parse().unwrap();
    let history = client(&fake).history(&ids()[0], earliest, jiff::Timestamp::now()).await.unwrap();
    assert!(history.provisioning_history.is_empty());
    let asked = fake.seen("/api/m2m/v1/devices/history/actions/list")[0].json();
    assert_eq!(asked["earliest"], "2026-01-02T03:04:05Z");
    let fake = Fake::start(|seen| seen.path.ends_with("/history/actions/list").then(unknown_device)).await;
    let history = client(&fake).history(&ids()[0], earliest, earliest).await.unwrap();
    assert_eq!(history, wire::History::default());
}
