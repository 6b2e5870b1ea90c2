//! The rules of contract section 3, one case a rule.

use rstest::rstest;
use serde_json::json;

use super::*;

const RULES: Rules = Rules { max_devices: 2, check_digits: false };

fn seed_page() -> Value {
    json!({
        "devices": [{"deviceIds": [
            {"kind": "eid", "id": "89034011560010000000000000000121"},
            {"kind": "iccid", "id": "89141390780800784259"},
        ]}],
        "carrierName": "Verizon Wireless",
        "accountName": "0000123456-00001",
        "servicePlan": "HybridESim",
        "mdnZipCode": "94105",
        "carrierIpPoolName": "",
        "primaryPlaceOfUse": {
            "customerName": {"title": "Mr", "firstName": "Ada", "lastName": "Lovelace"},
            "address": {
                "addressLine1": "1 Market St", "city": "San Francisco", "state": "CA", "zip": "94105", "country": "US",
            },
        },
    })
}

fn check(action: Action, body: &Value) -> Result<Order, String> {
    let Value::Object(body) = body else { panic!("not an object") };
    order(action, body, RULES).map_err(|refusal| match refusal {
        Refusal::Code { code, message } => format!("{code}: {message}"),
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_seed_pages_sample_is_admitted() {
    let order = check(Action::Activate, &seed_page()).unwrap();
    assert_eq!(order.account, "0000123456-00001");
    assert_eq!(order.devices[0].get(Kind::Iccid), Some("89141390780800784259"));
    assert_eq!(order.pool, None);
    assert!(order.place_of_use);
}

#[test]
fn the_descriptions_lists_of_name_and_address_are_admitted() {
    let mut body = seed_page();
    let place = body["primaryPlaceOfUse"].take();
    body["primaryPlaceOfUse"] = json!([{"customerName": [place["customerName"]]}, {"address": [place["address"]]}]);
    assert!(check(Action::Activate, &body).unwrap().place_of_use);
}

#[rstest]
#[case("/accountName", json!(null), "INPUT_INVALID.Account.NotDefined")]
#[case("/accountName", json!("my account"), "INPUT_INVALID.Account.NotDefined")]
#[case("/devices", json!(null), "DeserializationFailed")]
#[case("/devices", json!([]), "DeserializationFailed")]
#[case("/devices", json!([{}]), "DeserializationFailed")]
#[case("/devices", json!([{"deviceIds": []}]), "DeserializationFailed")]
#[case("/devices/0/deviceIds/0/kind", json!("esn"), "INPUT_INVALID.Device.Kind.Invalid")]
#[case("/devices/0/deviceIds/0/id", json!("8903"), "INPUT_INVALID.Device.Identifier.Invalid")]
#[case("/devices/0/deviceIds/0/id", json!(8903), "DeserializationFailed")]
#[case("/devices/0/deviceIds/1/kind", json!("eid"), "INPUT_INVALID.Device.Identifier.Invalid")]
#[case("/servicePlan", json!("Hybrid/ESim"), "REQUEST_FAILED.UnexpectedError")]
#[case("/mdnZipCode", json!("9410"), "REQUEST_FAILED.UnexpectedError")]
#[case("/mdnZipCode", json!(94105), "DeserializationFailed")]
#[case("/primaryPlaceOfUse/address", json!(null), "DeserializationFailed")]
#[case("/primaryPlaceOfUse/customerName", json!(null), "DeserializationFailed")]
#[case("/primaryPlaceOfUse/customerName/firstName", json!(null), "DeserializationFailed")]
#[case("/primaryPlaceOfUse/customerName/firstName", json!(""), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/customerName/firstName", json!("A very long first name"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/customerName/lastName", json!("Müller"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/customerName/lastName", json!("O'Brien"), "INPUT_INVALID.Request.InvalidCharacter")]
#[case("/primaryPlaceOfUse/address/city", json!("San <b>"), "INPUT_INVALID.Request.InvalidCharacter")]
#[case("/primaryPlaceOfUse/address/city", json!("a\\b"), "INPUT_INVALID.Request.InvalidCharacter")]
#[case("/primaryPlaceOfUse/address/addressLine1", json!("P.O. Box 7"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/addressLine1", json!("po box 7"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/state", json!("XX"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/state", json!("California"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/zip", json!("9410"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/zip4", json!("123"), "REQUEST_FAILED.UnexpectedError")]
#[case("/primaryPlaceOfUse/address/country", json!("Germany"), "REQUEST_FAILED.UnexpectedError")]
fn a_wrong_field_is_refused_by_its_code(#[case] field: &str, #[case] value: Value, #[case] code: &str) {
    let mut body = seed_page();
    let (parent, name) = field.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    let error = check(Action::Activate, &body).unwrap_err();
    assert!(error.starts_with(&format!("{code}: ")), "{error}");
}

#[test]
fn the_tables_spelling_of_address_line_1_is_refused() {
    let mut body = seed_page();
    let address = body["primaryPlaceOfUse"]["address"].as_object_mut().unwrap();
    let line = address.remove("addressLine1").unwrap();
    address.insert("addresLine1".into(), line);
    assert_eq!(check(Action::Activate, &body).unwrap_err(), "DeserializationFailed: addressLine1 is required.");
}

#[test]
fn a_request_takes_so_many_devices_and_no_more() {
    let mut body = seed_page();
    let device = body["devices"][0].clone();
    body["devices"] = json!([device, device, device]);
    assert!(check(Action::Activate, &body).unwrap_err().starts_with("INPUT_INVALID.NumberofDevices: "));
}

#[test]
fn deactivate_reads_both_names_of_the_identifiers_and_needs_its_reason() {
    let ids = json!([{"kind": "eid", "id": "89034011560010000000000000000121"}]);
    let mut body =
        json!({"accountName": "0000123456-00001", "reasonCode": "FF", "etfWaiver": false, "devices": [{"ids": ids}]});
    assert!(check(Action::Deactivate, &body).is_ok());
    body["devices"] = json!([{"deviceIds": ids}]);
    assert!(check(Action::Deactivate, &body).is_ok());
    body["reasonCode"] = json!(null);
    assert_eq!(check(Action::Deactivate, &body).unwrap_err(), "DeserializationFailed: reasonCode is required.");
}

#[test]
fn an_empty_body_is_not_a_malformed_one() {
    let code = |body: &[u8]| match object(body) {
        Err(Refusal::Code { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(b""), "INPUT_INVALID.RequestUndefined");
    assert_eq!(code(b"{"), "DeserializationFailed");
    assert_eq!(code(b"[]"), "DeserializationFailed");
}
