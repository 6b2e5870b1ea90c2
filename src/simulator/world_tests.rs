//! The life of lines and requests, without HTTP and without waiting.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{clock::later, validate},
    accounts::AccountSeed,
    *,
};

const ACCOUNT: &str = "0000123456-00001";
const EID: &str = "89034011560010000000000000000121";

fn world(change: impl FnOnce(&mut Policy)) -> World {
    let rules = Rules { max_devices: 100, check_digits: false };
    let mut policy = Policy { rules, strict_stock: false, refuse_active: false, actions_per_day: 5 };
    change(&mut policy);
    let mut world = World::new(policy);
    world.put_account(AccountSeed { account_name: ACCOUNT.into(), ..AccountSeed::default() });
    world
}

fn request(world: &mut World, action: Action, now: Timestamp) -> Result<String, String> {
    let body = json!({
        "accountName": ACCOUNT, "servicePlan": "HybridESim", "reasonCode": "FF",
        "devices": [{"deviceIds": [{"kind": "eid", "id": EID}]}],
    });
    let Value::Object(body) = body else { panic!("not an object") };
    let order = validate::order(action, &body, world.policy.rules).unwrap();
    world.accept(action, order, "sim-user", now).map_err(|refusal| match refusal {
        Refusal::Code { code, .. } => code,
        other => panic!("{other:?}"),
    })
}

fn done(world: &mut World, action: Action, now: Timestamp) -> Arc<Report> {
    let request_id = request(world, action, now).unwrap();
    world.settle(&request_id, 0, Ended::default(), now).unwrap()
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

#[test]
fn an_activated_line_has_a_number_and_a_card() {
    let mut world = world(|_| ());
    let request_id = request(&mut world, Action::Activate, NOW).unwrap();
    assert_eq!(world.devices(Some(EID))[0].state, State::PendingActivation);
    assert_eq!(world.status(ACCOUNT, &request_id, 1).unwrap().status, "Pending");
    let report = world.settle(&request_id, 0, Ended::default(), NOW).unwrap();
    assert!(report.succeeded());
    assert_eq!(report.ids.get(Kind::Mdn), Some("5550000001"));
    assert_eq!(report.ids.get(Kind::Iccid), Some("89148000000000000019"));
    let status = world.status(ACCOUNT, &request_id, 2).unwrap();
    assert_eq!((status.status.as_str(), status.sub_requests.len()), ("Success", 1));
    assert_eq!(world.devices(Some("5550000001"))[0].state, State::Active);
    assert!(world.settle(&request_id, 0, Ended::default(), NOW).is_none(), "ends once");
}

#[test]
fn two_posts_are_two_requests_and_the_second_is_told_that_the_line_is_active() {
    let mut world = world(|_| ());
    done(&mut world, Action::Activate, NOW);
    let second = done(&mut world, Action::Activate, NOW);
    assert!(matches!(&second.outcome, Outcome::Fault { code, .. } if code == "REQUEST_FAILED.DeviceAlreadyActive"));
    assert_eq!(world.devices(Some(EID))[0].state, State::Active);
    assert_eq!(world.devices(Some(EID))[0].activations, 1);
}

#[test]
fn a_pending_line_refuses_everything_else() {
    let mut world = world(|_| ());
    request(&mut world, Action::Activate, NOW).unwrap();
    for action in [Action::Activate, Action::Deactivate, Action::DeviceSuspend] {
        assert_eq!(request(&mut world, action, NOW).unwrap_err(), "INPUT_INVALID.DeviceState.Invalid");
    }
}

#[test]
fn deactivation_frees_the_number_and_the_next_activation_mints_another() {
    let mut world = world(|_| ());
    done(&mut world, Action::Activate, NOW);
    let report = done(&mut world, Action::Deactivate, NOW);
    assert_eq!(report.ids.get(Kind::Mdn), None);
    assert_eq!(world.devices(Some("5550000001")).len(), 0);
    let report = done(&mut world, Action::Activate, NOW);
    assert_eq!(report.ids.get(Kind::Mdn), Some("5550000002"));
    assert_eq!(report.ids.get(Kind::Iccid), Some("89148000000000000019"), "the card stays");
}

#[test]
fn a_failed_activation_leaves_the_line_deactive() {
    let mut world = world(|_| ());
    let request_id = request(&mut world, Action::Activate, NOW).unwrap();
    let failure = Some(Failure::Fault("REQUEST_FAILED.DeviceNotFound".into(), "Not found.".into()));
    world.settle(&request_id, 0, Ended { failure, ..Ended::default() }, NOW).unwrap();
    assert_eq!(world.devices(Some(EID))[0].state, State::Deactive);
    assert_eq!(world.status(ACCOUNT, &request_id, 1).unwrap().status, "Failed");
}

#[test]
fn a_line_takes_five_provisioning_actions_a_day() {
    let mut world = world(|_| ());
    for action in [Action::Activate, Action::Deactivate, Action::Activate, Action::Deactivate, Action::Activate] {
        done(&mut world, action, NOW);
    }
    let refused = request(&mut world, Action::Deactivate, NOW).unwrap_err();
    assert_eq!(refused, "REQUEST_FAILED.ProvisioningLimitExceeded");
    assert!(request(&mut world, Action::Deactivate, later(NOW, Duration::from_secs(86_400))).is_ok());
}

#[test]
fn strict_stock_refuses_a_device_that_nobody_registered() {
    let mut world = world(|policy| policy.strict_stock = true);
    assert_eq!(request(&mut world, Action::Activate, NOW).unwrap_err(), "REQUEST_FAILED.DeviceNotFound");
}

#[test]
fn a_device_of_another_account_is_refused() {
    let mut world = world(|_| ());
    let other = "0000123456-00002";
    world.put_account(AccountSeed { account_name: other.into(), ..AccountSeed::default() });
    let seed = json!({"accountName": other, "deviceIds": [{"kind": "eid", "id": EID}]});
    world.put_device(serde_json::from_value(seed).unwrap(), "sim-user", NOW).unwrap();
    assert_eq!(request(&mut world, Action::Activate, NOW).unwrap_err(), "INPUT_INVALID.Device.Account.Invalid");
}

#[test]
fn the_list_finds_a_device_by_any_identifier_and_goes_on_where_it_stopped() {
    let mut world = world(|_| ());
    done(&mut world, Action::Activate, NOW);
    for n in 0..3 {
        let seed = json!({"accountName": ACCOUNT, "deviceIds": [{"kind": "imei", "id": format!("49015420323751{n}")}]});
        world.put_device(serde_json::from_value(seed).unwrap(), "sim-user", NOW).unwrap();
    }
    let list = |query: Value| world.list(&serde_json::from_value(query).unwrap()).unwrap();
    let found = list(json!({"accountName": ACCOUNT, "deviceId": {"kind": "mdn", "id": "5550000001"}}));
    assert_eq!(found.devices[0].carrier_informations[0].state.as_deref(), Some("active"));
    assert!(list(json!({"deviceId": {"kind": "eid", "id": "0"}})).devices.is_empty());
    let page = list(json!({"accountName": ACCOUNT, "maxNumberOfDevices": 3}));
    assert!(page.has_more_data);
    let last = &page.devices[2].device_ids[0].id;
    let rest = list(json!({"accountName": ACCOUNT, "largestDeviceIdSeen": last}));
    assert_eq!((rest.has_more_data, rest.devices.len()), (false, 1));
    let filter = json!({"deviceIdentifierFilters": [{"kind": "imei", "endswith": "11"}]});
    assert_eq!(list(json!({"filter": filter})).devices.len(), 1);
    assert_eq!(list(json!({"currentState": "active"})).devices.len(), 1);
}
