//! The samples of contract section 7, field by field.

use super::{super::identifiers::Kind, *};

fn ids() -> Ids {
    let mut ids = Ids::default();
    for (kind, id) in [
        (Kind::Eid, "89034011560010000000000000000121"),
        (Kind::Imei, "490154203237518"),
        (Kind::Iccid, "89148000000000000019"),
        (Kind::Mdn, "5550000001"),
    ] {
        ids.set(kind, Some(id.into()));
    }
    ids
}

fn report(outcome: Outcome) -> Report {
    Report::new("d1f08526-5443-4054-9a29-4456490ea9f8".into(), "0000123456-00001".into(), ids(), outcome)
}

fn success() -> Outcome {
    Outcome::Device {
        result: Ending::Success,
        state: State::Active,
        profile_status: Some("ENABLE".into()),
        address_updated: Some(true),
        carrier: Some("Verizon Wireless".into()),
    }
}

#[test]
fn success_is_the_seed_pages_sample() {
    let identifiers = json!([
        {"id": "89148000000000000019", "kind": "iccid"},
        {"id": "490154203237518", "kind": "imei"},
        {"id": "89034011560010000000000000000121", "kind": "eid"},
        {"id": "5550000001", "kind": "mdn"},
    ]);
    let expected = json!({
        "username": "callback", "password": "secret", "requestId": "d1f08526-5443-4054-9a29-4456490ea9f8",
        "deviceIds": identifiers,
        "deviceResponse": {"deviceProfileResponse": {
            "deviceIdentifierCollection": identifiers,
            "state": "Active", "profileStatus": "ENABLE",
            "euiccStatus": "EXECUTED_SUCCESS", "euiccStatusCode": "1.2.365",
            "euiccStatusDesc": "EUICC device profile has been updated",
            "euiccSubAddressUpdateStatus": "EXECUTED_SUCCESS", "euiccSubAddressUpdateStatusCode": "1",
            "euiccSubAddressUpdateStatusDesc": "SUCCESS: Address has been updated",
            "carrierName": "Verizon Wireless", "profileRole": "LEAD",
        }},
        "status": "SUCCESS", "callbackCount": 1, "maxCallbackThreshold": 4,
    });
    assert_eq!(report(success()).body("callback", "secret", 1, Form::default()), expected);
}

#[test]
fn a_fault_takes_the_place_of_the_device_response() {
    let fault = Outcome::Fault { code: "REQUEST_FAILED.DeviceNotFound".into(), text: "Not found.".into() };
    let body = report(fault).body("", "", 1, Form::default());
    assert_eq!(body["faultResponse"]["faultcode"], "UnifiedWebService.REQUEST_FAILED.DeviceNotFound");
    assert_eq!(body["status"], "Failed");
    assert!(body.get("deviceResponse").is_none());
}

#[test]
fn forms_come_out_odd_on_request() {
    let form = Form { pascal: true, strings: true, odd_kinds: true, array: true, ..Form::default() };
    let body = report(success()).body("callback", "secret", 2, form);
    assert_eq!(body["RequestId"], "d1f08526-5443-4054-9a29-4456490ea9f8");
    assert_eq!(body["Device"][0], json!({"Identifier": "89148000000000000019", "Kind": "Iccid"}));
    assert_eq!(body["CallbackCount"], "2");
    assert_eq!(body["DeviceResponse"][0]["DeviceProfileResponse"]["State"], "Active");
}

#[test]
fn counts_go_up_by_one() {
    let report = report(success());
    assert_eq!((report.count(), report.count()), (1, 2));
}
