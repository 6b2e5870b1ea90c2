//! Bodies that are nearly right: fuzzers find them by themselves, a bounded run is helped.

use proptest::prelude::*;

use super::*;
use crate::reliability::try_all;

const KEYS: [&str; 40] = [
    "username",
    "password",
    "requestId",
    "RequestId",
    "status",
    "deviceIds",
    "device",
    "Device",
    "id",
    "kind",
    "Kind",
    "Identifier",
    "deviceResponse",
    "deviceProfileResponse",
    "deviceIdentifierCollection",
    "state",
    "profileStatus",
    "euiccStatus",
    "euiccStatusCode",
    "euiccStatusDesc",
    "euiccSubAddressUpdateStatus",
    "carrierName",
    "profileRole",
    "faultResponse",
    "faultcode",
    "faultstring",
    "callbackCount",
    "maxCallbackThreshold",
    "subRequests",
    "ids",
    "devices",
    "hasMoreData",
    "carrierInformations",
    "servicePlan",
    "provisioningHistory",
    "errorCode",
    "errorMessage",
    "fault",
    "error",
    "message",
];
const TEXTS: [&str; 26] = [
    REQUEST,
    EID,
    "SUCCESS",
    "Success",
    "Failed",
    "warning",
    "PENDING",
    "Active",
    "active",
    "Deactive",
    "pending activation",
    "iccid",
    "Iccid",
    "IMEI",
    "mdn",
    "eid",
    "5550001111",
    "+1 555",
    "89141390780800784259",
    "UnifiedWebService.REQUEST_FAILED.DeviceAlreadyActive",
    "REQUEST_FAILED.SessionToken.Expired",
    "EXPIRED",
    "",
    "\u{1b}[31m\u{0}\n\u{202e}",
    "900901",
    "Gold",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        1 => Just(Value::from("long \n".repeat(2_000))),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => prop_oneof![Just(Value::Null), Just(Value::Bool(true))],
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => members(inner),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let pairs = prop::collection::vec((prop::sample::select(&KEYS[..]), inner), 0..8);
    pairs.prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
}

/// A message as it should be, with some of its parts replaced.
fn message() -> impl Strategy<Value = Value> {
    let good = json!({
        "username": "u", "password": "p", "requestId": REQUEST,
        "deviceIds": [{"id": EID, "kind": "eid"}, {"id": "5550001111", "kind": "mdn"}],
        "deviceResponse": {"deviceProfileResponse": {"state": "Active", "profileStatus": "ENABLE"}},
        "status": "SUCCESS", "callbackCount": 1, "maxCallbackThreshold": 4,
    });
    let edits = prop::collection::vec((prop::sample::select(&KEYS[..]), value()), 0..4);
    edits.prop_map(move |edits| {
        let mut message = good.clone();
        for (key, value) in edits {
            message[key] = value;
        }
        message
    })
}

/// An answer to a look, with odd things in it.
fn device_list() -> impl Strategy<Value = Value> {
    let id = || {
        (prop::sample::select(&TEXTS[..]), prop::sample::select(&TEXTS[..]))
            .prop_map(|(k, i)| json!({"kind": k, "id": i}))
    };
    (prop::collection::vec(id(), 0..5), value(), value(), prop::sample::select(&TEXTS[..])).prop_map(
        |(ids, plan, carrier, state)| {
            let text = |v: Value| v.as_str().map(str::to_owned);
            json!({"hasMoreData": false, "devices": [{"deviceIds": ids, "carrierInformations": [
                {"carrierName": text(carrier), "servicePlan": text(plan), "state": state}]}]})
        },
    )
}

/// The bytes of a value, or what is left of them.
fn bytes(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()));
    (value, damage).prop_map(|(value, damage)| {
        let mut bytes = value.to_string().into_bytes();
        if let Some((at, byte, cut)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(if cut { at } else { bytes.len() });
        }
        bytes
    })
}

#[test]
fn no_body_of_a_callback_does_harm() {
    let any_bytes = prop::collection::vec(any::<u8>(), 0..300);
    let bodies = prop_oneof![1 => any_bytes, 3 => bytes(value()), 8 => bytes(message())];
    try_all("fuzz-callback", 3_000, &bodies, |body| {
        callback(body);
        1
    });
}

#[test]
fn no_answer_of_thingspace_does_harm() {
    let statuses = prop::sample::select(vec![200u16, 202, 204, 302, 400, 401, 403, 404, 429, 500, 503]);
    let any_bytes = prop::collection::vec(any::<u8>(), 0..300);
    let bodies = prop_oneof![1 => any_bytes, 4 => bytes(value()), 4 => bytes(device_list())];
    let answers = (statuses, any::<u8>(), bodies)
        .prop_map(|(status, wait, body)| [&(status - 100).to_be_bytes()[..], &[wait], &body].concat());
    try_all("fuzz-answer", 3_000, &answers, |data| {
        answer(data);
        1
    });
}

#[test]
fn a_text_that_was_not_cleaned_is_noticed() {
    let status = |text: &str| ActivationStatus { last_handled_retry: Some(text.into()), ..ActivationStatus::default() };
    for bad in ["a\u{1b}[31m", &"x".repeat(LONGEST_TEXT)] {
        assert!(std::panic::catch_unwind(|| assert_sound(&status(bad))).is_err(), "{bad:.20}");
    }
    assert_sound(&status("fine"));
}

#[test]
fn an_identifier_that_the_api_server_refuses_is_noticed() {
    let mut play = Play::after(None);
    play.status.devices[0].device_ids.push(DeviceId { kind: IdKind::Mdn, id: "+1 555".into() });
    assert!(std::panic::catch_unwind(|| assert_sound(&play.status)).is_err());
}

#[test]
fn the_longest_body_is_read_in_no_time() {
    let begun = std::time::Instant::now();
    let size = crate::thingspace::MAX_CALLBACK_BODY - 300;
    let ids: Vec<_> = (0..size / 40).map(|n| json!({"kind": "mdn", "id": n.to_string()})).collect();
    callback(json!({"requestId": REQUEST, "deviceIds": ids}).to_string().as_bytes());
    callback("[".repeat(size).as_bytes());
    callback(json!({"requestId": REQUEST, "status": "x".repeat(size)}).to_string().as_bytes());
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Both readings of what a report is must agree, or the harness tests another program than the sidecar.
#[test]
fn a_good_message_makes_the_resource_ready() {
    let body = json!({
        "requestId": REQUEST, "status": "SUCCESS", "deviceIds": [{"id": EID, "kind": "eid"}],
        "deviceResponse": {"deviceProfileResponse": {"state": "Active"}},
    });
    let report: Report = report(CallbackMessage::parse(body.to_string().as_bytes()).unwrap());
    assert_eq!(report.verdict, Verdict::Success);
    let mut play = Play::all().remove(1);
    play.feed(&Event::Callback(Box::new(report)));
    assert!(play.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
}
