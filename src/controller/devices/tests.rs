use serde_json::json;

use super::*;

fn object(name: &str, state: Option<&str>, result: &str, version: u32) -> EuiccActivation {
    let ids = json!([{"kind": "imei", "id": "490154203237518"}]);
    let mut status = json!({"observedGeneration": 1});
    if let Some(state) = state {
        status["operation"] = json!({
            "id": "op", "action": "Activate", "attempt": 1, "state": state, "claimedAt": "2026-11-01T00:00:00Z",
            "fingerprint": "f",
        });
        status["devices"] = json!([{"deviceIds": ids, "result": result}]);
        status["submissions"] = json!(["2026-11-01T00:00:00Z"]);
    }
    serde_json::from_value(json!({
        "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
        "metadata": {"namespace": "fleet", "name": name, "uid": name, "resourceVersion": version.to_string()},
        "spec": {"connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": [{"deviceIds": ids}]},
        "status": status,
    }))
    .unwrap()
}

fn now() -> Timestamp {
    "2026-11-01T01:00:00Z".parse().unwrap()
}

fn taken_by(devices: &Devices, object: &EuiccActivation) -> Option<String> {
    match devices.conflict(object, now()) {
        Some(Conflict::Taken { by, .. }) => Some(by.1),
        _ => None,
    }
}

#[test]
fn a_device_of_one_that_is_under_way_or_active_is_taken() {
    for (state, result, taken) in [
        ("Claimed", "Pending", true),
        ("Accepted", "Pending", true),
        ("Unknown", "Pending", true),
        ("TimedOut", "Pending", true),
        ("Succeeded", "Active", true),
        ("Failed", "Failed", false),
        ("Released", "Pending", false),
        ("Succeeded", "Deactivated", false),
    ] {
        let devices = Devices::default();
        devices.apply(&object("first", Some(state), result, 5), false);
        let second = object("second", None, "", 6);
        assert_eq!(taken_by(&devices, &second).is_some(), taken, "{state} {result}");
    }
}

#[test]
fn of_two_at_the_same_instant_one_is_sent() {
    let devices = Devices::default();
    let (first, second) = (object("first", None, "", 5), object("second", None, "", 6));
    devices.apply(&first, false);
    devices.apply(&second, false);
    assert_eq!(devices.reserve(&first, now()), Ok(()));
    assert!(devices.reserve(&second, now()).is_err());
    // What the watch shows may be older than what was written.
    devices.settle(&first, Some("9"));
    devices.apply(&first, false);
    assert_eq!(taken_by(&devices, &second).as_deref(), Some("first"));
    let waiting = devices.apply(&object("first", Some("Failed"), "Failed", 9), false);
    assert_eq!(waiting, [("fleet".to_owned(), "second".to_owned())], "they are told when it is free");
    assert_eq!(devices.reserve(&second, now()), Ok(()));
}

#[test]
fn a_sending_that_did_not_come_about_frees_the_device() {
    let devices = Devices::default();
    let (first, second) = (object("first", None, "", 5), object("second", None, "", 6));
    assert_eq!(devices.reserve(&first, now()), Ok(()));
    devices.settle(&first, None);
    assert_eq!(devices.reserve(&second, now()), Ok(()));
}

#[test]
fn a_deleted_activation_has_nothing() {
    let devices = Devices::default();
    let first = object("first", Some("Succeeded"), "Active", 5);
    devices.apply(&first, false);
    let second = object("second", None, "", 6);
    devices.apply(&second, false);
    assert_eq!(devices.remove(&first.key()), [second.key()]);
    assert_eq!(devices.conflict(&second, now()), None);
}

#[test]
fn requests_of_all_activations_of_a_device_count_to_its_day() {
    let devices = Devices::default();
    for name in ["a", "b", "c"] {
        devices.apply(&object(name, Some("Failed"), "Failed", 5), false);
    }
    let fourth = object("d", None, "", 6);
    let free_at: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
    assert!(matches!(devices.conflict(&fourth, now()), Some(Conflict::DayIsFull { free_at: f, .. }) if f == free_at));
    assert_eq!(devices.conflict(&fourth, free_at), None);
}

#[test]
fn what_a_new_list_does_not_hold_is_forgotten() {
    let devices = Devices::default();
    let (first, second) = (object("first", Some("Succeeded"), "Active", 5), object("second", None, "", 6));
    devices.listing(Some("fleet"));
    devices.apply(&first, true);
    devices.apply(&second, false);
    assert_eq!(devices.listed(Some("fleet")), Vec::<Key>::new());
    assert_eq!(devices.resting(), 1);
    devices.listing(Some("elsewhere"));
    assert_eq!(devices.listed(Some("elsewhere")), Vec::<Key>::new(), "another namespace's list says nothing of ours");
    assert!(taken_by(&devices, &second).is_some());
    devices.listing(Some("fleet"));
    devices.apply(&second, false);
    assert_eq!(devices.listed(Some("fleet")), [second.key()]);
    assert_eq!((taken_by(&devices, &second), devices.resting()), (None, 0));
}

#[test]
fn requests_are_counted_by_connection() {
    let devices = Devices::default();
    devices.apply(&object("first", Some("Succeeded"), "Active", 5), true);
    let sent: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let (just_before, connection) = (sent - SignedDuration::from_secs(1), ("fleet".into(), "verizon".into()));
    assert_eq!(devices.sent_since(&connection, just_before), 1);
    assert_eq!(devices.sent_since(&connection, sent), 0);
    assert_eq!(devices.sent_since(&("fleet".into(), "another".into()), just_before), 0);
}

#[test]
fn what_is_sent_while_a_list_is_read_is_forgotten_like_all_else_that_the_list_does_not_hold() {
    let devices = Devices::default();
    let (first, second) = (object("first", None, "", 5), object("second", None, "", 6));
    devices.apply(&first, false);
    devices.apply(&second, false);
    devices.listing(None);
    assert_eq!(devices.reserve(&first, now()), Ok(()));
    devices.apply(&second, false);
    assert_eq!(devices.listed(None), [second.key()], "it was deleted, and its device is free");
    assert_eq!(taken_by(&devices, &second), None);
}

#[test]
fn a_resource_that_is_created_anew_waits_for_the_request_of_the_old_one_and_counts_it() {
    let devices = Devices::default();
    let (old, second) = (object("first", None, "", 5), object("second", None, "", 8));
    devices.apply(&old, false);
    assert_eq!(devices.reserve(&old, now()), Ok(()));
    devices.apply(&object("first", Some("Claimed"), "Pending", 6), false);
    devices.remove(&old.key());
    let mut anew = object("first", None, "", 7);
    anew.metadata.uid = Some("anew".into());
    devices.apply(&anew, false);
    devices.apply(&second, false);
    for object in [&anew, &second] {
        assert!(matches!(devices.reserve(object, now()), Err(Conflict::StillOnItsWay { .. })));
    }
    assert!(devices.settle(&anew, None).is_empty(), "the other one is on its way");
    assert_eq!(devices.settle(&old, None), [second.key()], "the other of that name is told anyway");
    assert_eq!(devices.conflict(&anew, now()), None);

    for _ in 0..2 {
        devices.apply(&object("first", Some("Failed"), "Failed", 9), false);
        devices.remove(&old.key());
    }
    assert!(matches!(devices.reserve(&anew, now()), Err(Conflict::DayIsFull { .. })), "three in a day");
    assert_eq!(devices.conflict(&anew, now() + SignedDuration::from_hours(24)), None);
}

#[test]
fn a_replacement_that_only_a_list_shows_is_another_resource() {
    let devices = Devices::default();
    let old = object("first", None, "", 5);
    devices.apply(&old, false);
    assert_eq!(devices.reserve(&old, now()), Ok(()));
    let mut anew = object("first", None, "", 7);
    anew.metadata.uid = Some("anew".into());
    devices.apply(&anew, false);
    assert!(matches!(devices.reserve(&anew, now()), Err(Conflict::StillOnItsWay { .. })));
    devices.settle(&old, None);
    assert_eq!(devices.reserve(&anew, now()), Ok(()));
}

#[test]
fn what_deleted_resources_have_sent_does_not_keep_a_line_billed() {
    let devices = Devices::default();
    for n in 0..3 {
        let gone = object(&format!("gone-{n}"), Some("Failed"), "Failed", n);
        devices.apply(&gone, false);
        devices.remove(&gone.key());
    }
    let mut active = object("first", None, "", 9);
    assert!(matches!(devices.conflict(&active, now()), Some(Conflict::DayIsFull { .. })));
    active.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now()));
    assert_eq!(devices.conflict(&active, now()), None, "it is to be deactivated");
}
