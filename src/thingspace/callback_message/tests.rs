use proptest::prelude::*;
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;

fn success() -> Value {
    json!({
        "username": "canary-user", "password": "canary-password",
        "requestId": "d1f08526-5443-4054-9a29-4456490ea9f8",
        "deviceIds": [{"id": "89148000000800139708", "kind": "Iccid"}, {"id": "490154203237518", "kind": "IMEI"}],
        "deviceResponse": {"deviceProfileResponse": {
            "deviceIdentifierCollection": [
                {"id": "89148000000800139708", "kind": "iccid"}, {"id": "5551234567", "kind": "mdn"},
            ],
            "state": "Active", "profileStatus": "ENABLE",
            "euiccStatus": "EXECUTED_SUCCESS", "euiccStatusCode": "1.2.365",
            "euiccStatusDesc": "EUICC device profile has been updated",
            "euiccSubAddressUpdateStatus": "EXECUTED_SUCCESS", "euiccSubAddressUpdateStatusCode": "1",
            "euiccSubAddressUpdateStatusDesc": "SUCCESS: Address has been updated",
            "carrierName": "Verizon Wireless", "profileRole": "LEAD",
        }},
        "status": "SUCCESS", "callbackCount": 1, "maxCallbackThreshold": 4,
    })
}

fn read(body: &Value) -> CallbackMessage {
    CallbackMessage::parse(body.to_string().as_bytes()).unwrap()
}

fn profile(body: &mut Value) -> &mut Value {
    &mut body["deviceResponse"]["deviceProfileResponse"]
}

fn id(kind: &str, id: &str) -> DeviceId {
    DeviceId { kind: kind.into(), id: id.into() }
}

#[test]
fn a_success_is_read_whole() {
    let message = read(&success());
    assert_eq!(message.verdict, Verdict::Success);
    assert_eq!(message.request_id.unwrap().as_str(), "d1f08526-5443-4054-9a29-4456490ea9f8");
    assert_eq!(
        message.device_ids,
        [id("iccid", "89148000000800139708"), id("imei", "490154203237518"), id("mdn", "5551234567")]
    );
    assert_eq!((message.callback_count, message.max_callback_threshold), (Some(1), Some(4)));
    assert_eq!(message.credentials.username.expose_secret(), "canary-user");
    assert_eq!(message.credentials.password.expose_secret(), "canary-password");
    let some = |text: &str| Some(text.to_owned());
    let expected = DeviceProfile {
        state: some("Active"),
        profile_status: some("ENABLE"),
        euicc_status: some("EXECUTED_SUCCESS"),
        euicc_status_code: some("1.2.365"),
        euicc_status_desc: some("EUICC device profile has been updated"),
        address_update_status: some("EXECUTED_SUCCESS"),
        address_update_code: some("1"),
        address_update_desc: some("SUCCESS: Address has been updated"),
        carrier_name: some("Verizon Wireless"),
        profile_role: some("LEAD"),
    };
    assert_eq!(message.profile, Some(expected));
}

#[test]
fn a_message_cannot_be_printed_with_its_password() {
    assert!(!format!("{:?}", read(&success())).contains("canary"));
}

#[test]
fn a_fault_is_a_failure_whatever_the_status() {
    for status in ["Failed", "FAILED", "SUCCESS", "warning", ""] {
        let message = read(&json!({
            "username": "", "password": "", "requestId": "r",
            "deviceIds": [{"id": "201809030000009", "kind": "Imei"}],
            "faultResponse": {
                "faultcode": "UnifiedWebService.REQUEST_FAILED.DeviceAlreadyActive",
                "faultstring": "REQUEST_FAILED. Device is already active",
            },
            "status": status, "callbackCount": 1, "maxCallbackThreshold": 4,
        }));
        let Verdict::Failure { code, text } = message.verdict else { panic!("{status}") };
        assert!(code.unwrap().is("REQUEST_FAILED.DeviceAlreadyActive"));
        assert_eq!(text, "REQUEST_FAILED. Device is already active");
        assert_eq!(message.profile, None);
    }
}

#[test]
fn a_fault_in_another_shape_is_still_a_failure_and_an_empty_one_is_none() {
    let mut body = success();
    body["faultResponse"] = "not today".into();
    let Verdict::Failure { text, .. } = read(&body).verdict else { panic!() };
    assert_eq!(text, "not today");
    for nothing in [json!(null), json!({}), json!([]), json!("")] {
        body["faultResponse"] = nothing;
        assert_eq!(read(&body).verdict, Verdict::Success);
    }
}

#[test]
fn a_request_on_hold_is_not_final() {
    let message = read(&json!({
        "status": "Failed",
        "faultResponse": {"faultcode": "X.REQUEST_ONHOLD.Credit", "faultstring": "Awaiting credit approval"},
    }));
    assert_eq!(message.verdict, Verdict::Warning { text: "Awaiting credit approval".into() });
}

#[test]
fn a_failed_profile_response_is_a_failure_with_the_cards_words() {
    let mut body = success();
    body["status"] = "FAILED".into();
    profile(&mut body)["euiccStatus"] = "EXPIRED".into();
    profile(&mut body)["euiccStatusCode"] = "1.6/5.3".into();
    profile(&mut body)["euiccStatusDesc"] = "Time to live expired".into();
    let Verdict::Failure { code, text } = read(&body).verdict else { panic!() };
    assert_eq!((code.unwrap().raw.as_str(), text.as_str()), ("1.6/5.3", "Time to live expired"));
}

#[rstest]
#[case("Success", Some("active"), Verdict::Success)]
#[case("SUCCESS", Some("ACTIVE"), Verdict::Success)]
#[case("success", None, Verdict::Success)]
#[case("SUCCESS", Some(""), Verdict::Success)]
#[case("SUCCESS", Some("Pending Activation"), Verdict::Warning { text: "the line is Pending Activation".into() })]
#[case(
    "SUCCESS", Some("Deactive"),
    Verdict::Failure { code: None, text: "ThingSpace reports success, but the line is Deactive".into() }
)]
#[case("warning", Some("Active"), Verdict::Warning { text: "EUICC device profile has been updated".into() })]
#[case("", None, Verdict::Warning { text: "EUICC device profile has been updated".into() })]
#[case(
    "Cancelled", Some("Active"),
    Verdict::Failure {
        code: Some(ErrorCode::new("1.2.365")), text: "EUICC device profile has been updated".into()
    }
)]
fn status_and_state_decide(#[case] status: &str, #[case] state: Option<&str>, #[case] expected: Verdict) {
    let mut body = success();
    body["status"] = status.into();
    profile(&mut body)["state"] = state.map_or(Value::Null, Value::from);
    assert_eq!(read(&body).verdict, expected);
}

#[test]
fn a_profile_that_is_not_downloaded_yet_is_a_success() {
    let mut body = success();
    profile(&mut body)["profileStatus"] = "Not Downloaded".into();
    assert_eq!(read(&body).verdict, Verdict::Success);
}

#[test]
fn a_failed_address_update_does_not_fail_the_line() {
    let mut body = success();
    profile(&mut body)["euiccSubAddressUpdateStatus"] = "FAILED".into();
    let message = read(&body);
    assert_eq!(message.verdict, Verdict::Success);
    assert_eq!(message.profile.unwrap().address_update_status.unwrap(), "FAILED");
}

#[test]
fn a_deactivation_succeeds_by_the_opposite_state() {
    let mut body = success();
    assert!(matches!(read(&body).verdict_of_deactivation(), Verdict::Failure { .. }));
    profile(&mut body)["state"] = "deactive".into();
    assert_eq!(read(&body).verdict_of_deactivation(), Verdict::Success);
    profile(&mut body)["state"] = "pending deactivation".into();
    assert!(matches!(read(&body).verdict_of_deactivation(), Verdict::Warning { .. }));
}

#[test]
fn pascal_case_string_counters_and_lists_of_one_are_understood() {
    let message = read(&json!({
        "Username": "u", "PASSWORD": 1234, "RequestId": "r-1",
        "Device": [{"Kind": "Eid", "Identifier": "89034011560010000000000000000121"}],
        "DeviceResponse": [{"DeviceProfileResponse": [{"State": "Active", "deviceidentifiercollection":
            {"Kind": "mdn", "Id": 5551234567u64}}]}],
        "Status": "Success", "CallbackCount": "2", "maxcallbackthreshold": " 4 ",
    }));
    assert_eq!(message.verdict, Verdict::Success);
    assert_eq!(message.request_id.unwrap().as_str(), "r-1");
    assert_eq!(message.device_ids, [id("eid", "89034011560010000000000000000121"), id("mdn", "5551234567")]);
    assert_eq!((message.callback_count, message.max_callback_threshold), (Some(2), Some(4)));
    assert_eq!(message.credentials.password.expose_secret(), "1234");
}

#[test]
fn whatever_is_absent_or_odd_is_left_out() {
    let message = read(&json!({
        "requestId": "x".repeat(65), "deviceIds": [{"id": "1"}, 7, {"kind": "imei", "id": "x".repeat(65)}, null],
        "deviceResponse": null, "faultResponse": null, "callbackCount": -1, "status": ["SUCCESS"], "more": {},
    }));
    assert_eq!(message.request_id, None);
    assert!(message.device_ids.is_empty());
    assert_eq!((message.callback_count, message.profile), (None, None));
    assert_eq!(message.verdict, Verdict::Warning { text: "ThingSpace gives no status".into() });
    assert!(message.credentials.password.expose_secret().is_empty());
}

#[test]
fn texts_and_lists_are_bounded_and_clean() {
    let mut body = success();
    profile(&mut body)["euiccStatusDesc"] = format!("a\u{1b}[31m\n{}", "x".repeat(9000)).into();
    body["deviceIds"] = (0..1000).map(|n| json!({"kind": "imei", "id": n})).collect();
    let message = read(&body);
    let text = message.profile.unwrap().euicc_status_desc.unwrap();
    assert!(text.chars().count() <= 301 && !text.contains(char::is_control));
    assert_eq!(message.device_ids.len(), MAX_IDS);
}

#[rstest]
#[case(b"", UnreadableCallback::NotAnObject)]
#[case(b"[]", UnreadableCallback::NotAnObject)]
#[case(b"{", UnreadableCallback::NotAnObject)]
#[case(b"\xff", UnreadableCallback::NotAnObject)]
#[case(&[b' '; MAX_CALLBACK_BODY + 1], UnreadableCallback::TooLong)]
fn only_an_object_of_bounded_size_is_a_message(#[case] body: &[u8], #[case] error: UnreadableCallback) {
    assert_eq!(CallbackMessage::parse(body).unwrap_err(), error);
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let body = format!(r#"{{"status":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(CallbackMessage::parse(body.as_bytes()).is_err());
}

/// Any JSON, with the names and words of the contract more likely than others.
fn any_json() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("SUCCESS".to_owned()),
        Just("Failed".to_owned()),
        Just("active".to_owned()),
        Just("X.REQUEST_FAILED.Y".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    let keys = proptest::sample::select(vec![
        "username",
        "password",
        "requestId",
        "RequestId",
        "deviceIds",
        "Device",
        "id",
        "Kind",
        "Identifier",
        "deviceResponse",
        "deviceProfileResponse",
        "deviceIdentifierCollection",
        "state",
        "euiccStatus",
        "faultResponse",
        "faultcode",
        "faultstring",
        "status",
        "callbackCount",
        "other",
    ]);
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..10)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = CallbackMessage::parse(&body);
    }

    #[test]
    fn any_json_object_is_a_message_and_a_fault_is_never_a_success(body in any_json()) {
        let parsed = CallbackMessage::parse(body.to_string().as_bytes());
        prop_assert_eq!(parsed.is_ok(), body.is_object());
        if let Ok(message) = parsed {
            let fault = Lenient(body.as_object().unwrap()).holds("faultResponse");
            prop_assert!(!(fault && message.verdict == Verdict::Success));
            prop_assert!(message.device_ids.iter().all(|id| !id.id.is_empty() && !id.kind.is_empty()));
        }
    }
}
