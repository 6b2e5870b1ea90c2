//! Manifests that are good as they stand, each with devices of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use euicc_operator::api::{Device, DeviceId, EuiccActivation, IdKind};
use serde_json::json;

/// Account that every simulator knows.
pub const ACCOUNT: &str = "0000123456-00001";
/// The other one.
pub const OTHER_ACCOUNT: &str = "0000123456-00002";
/// Name of [`connection`].
pub const CONNECTION: &str = "verizon";
/// Password of the login; must never be seen anywhere else.
pub const LOGIN_PASSWORD: &str = "sim-pass";
/// Password in each callback; must never be seen anywhere else.
pub const CALLBACK_PASSWORD: &str = "canary-callback-password";
/// Last name of the place of use; must never be seen outside `spec`.
pub const LAST_NAME: &str = "Canary-Lovelace";

/// A connection and its two Secrets, as YAML; without a callback URL, the operator has to poll.
pub fn connection(endpoint: &str, callback_url: Option<&str>) -> String {
    let callback = callback_url.map_or(String::new(), |url| {
        format!("\n  callback: {{url: \"{url}\", credentialsSecretRef: {{name: thingspace-callback}}}}")
    });
    format!(
        r#"
apiVersion: v1
kind: Secret
metadata: {{name: thingspace}}
stringData: {{clientId: sim-key, clientSecret: sim-secret, username: sim-user, password: {LOGIN_PASSWORD}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: thingspace-callback}}
stringData: {{username: verizon, password: {CALLBACK_PASSWORD}}}
---
apiVersion: euicc-operator.io/v1alpha1
kind: ThingSpaceConnection
metadata: {{name: {CONNECTION}}}
spec:
  endpoint: {endpoint}
  insecureEndpoint: true
  accounts: ["{ACCOUNT}", "{OTHER_ACCOUNT}"]
  credentialsSecretRef: {{name: thingspace}}{callback}
"#
    )
}

/// An activation of that many new devices, each with eid and imei, and a place of use.
pub fn activation(name: &str, devices: usize) -> EuiccActivation {
    serde_json::from_value(json!({
        "apiVersion": "euicc-operator.io/v1alpha1",
        "kind": "EuiccActivation",
        "metadata": {"name": name},
        "spec": {
            "connectionRef": {"name": CONNECTION},
            "accountName": ACCOUNT,
            "devices": (0..devices).map(|_| device()).collect::<Vec<_>>(),
            "carrierName": "Verizon Wireless",
            "servicePlan": "HybridESim",
            "mdnZipCode": "94105",
            "primaryPlaceOfUse": {
                "customerName": {"title": "Ms", "firstName": "Ada", "lastName": LAST_NAME},
                "address": {"addressLine1": "1 Market St", "city": "San Francisco", "state": "CA", "zip": "94105", "country": "US"},
            },
        },
    }))
    .unwrap()
}

/// Its YAML, for `kubectl apply`.
pub fn yaml(activation: &EuiccActivation) -> String {
    serde_yaml_ng::to_string(activation).unwrap()
}

/// A device that no other test has.
pub fn device() -> Device {
    let n = next();
    let device_ids = vec![DeviceId { kind: IdKind::Eid, id: eid(n) }, DeviceId { kind: IdKind::Imei, id: imei(n) }];
    Device { device_ids }
}

/// The eid of the n-th device of an activation.
pub fn eid_of(activation: &EuiccActivation, n: usize) -> String {
    activation.spec.devices[n].device_ids.iter().find(|i| i.kind == IdKind::Eid).unwrap().id.clone()
}

/// The next number for [`eid`], [`imei`], [`iccid`].
pub fn next() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// 32 digits that leave 1 when divided by 97 (contract 10).
pub fn eid(n: u64) -> String {
    let body = format!("890440001234{n:018}");
    let check = 98 - body.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97) * 100 % 97;
    format!("{body}{check:02}")
}

/// 15 digits, the last by Luhn.
pub fn imei(n: u64) -> String {
    luhn(&format!("49015420{n:06}"))
}

/// 20 digits, the last by Luhn.
pub fn iccid(n: u64) -> String {
    luhn(&format!("8914800000{n:09}"))
}

fn luhn(body: &str) -> String {
    let doubled = |(i, digit): (usize, u8)| {
        let digit = u32::from(digit - b'0') * if i % 2 == 0 { 2 } else { 1 };
        digit / 10 + digit % 10
    };
    let sum: u32 = body.bytes().rev().enumerate().map(doubled).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[test]
fn generated_identifiers_have_right_check_digits() {
    for n in [0, 1, 42, 999_999] {
        assert_eq!(eid(n).len(), 32);
        assert_eq!(eid(n).parse::<u128>().unwrap() % 97, 1);
        assert_eq!((imei(n).len(), iccid(n).len()), (15, 20));
    }
    assert_eq!(luhn("49015420323751"), "490154203237518");
}
