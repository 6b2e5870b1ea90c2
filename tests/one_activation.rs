//! One activation: one request to ThingSpace, three writes of the resource, and everything that ThingSpace answered.

use std::collections::BTreeMap;

use euicc_operator::api::{DeviceId, DeviceResult, EuiccActivation, IdKind};
use serde_json::json;

use crate::support::{ACTIVATE, CLOSED_BOOKS, HELD, LONG, QUICK, Scene, eventually, fixtures, holds, status, why};

#[tokio::test]
async fn one_activation_costs_one_post_three_writes_and_one_event() {
    let scene = Scene::start("cost", HELD, &[]).await;
    let namespace = &scene.namespace;
    let told = async || namespace.asked(0).contains_key("create events");
    eventually("the connection has nothing more to say", LONG, told).await;
    let before = namespace.requests().len();

    namespace.apply(&fixtures::yaml(&fixtures::activation("forklift", 1))).await;
    namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    namespace.wait("Ready", "euicc/forklift").await;

    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    assert_eq!(scene.simulator.deliveries().await.len(), 1);
    let notes = namespace.until_events("forklift", &["Activated"]).await;
    assert!(notes[0].contains("is active"), "{notes:?}");
    let everything =
        BTreeMap::from([("update euiccactivations/status".to_owned(), 3), ("create events".to_owned(), 1)]);
    eventually("the audit log shows nothing but that", LONG, async || match namespace.asked(before) {
        asked if asked == everything => Ok(()),
        asked => Err(asked),
    })
    .await;
    let writes = namespace.writes("euiccactivations", "forklift");
    assert!(writes.iter().all(|w| w.response_status.code == 200), "{writes:?}");
}

#[tokio::test]
async fn a_resource_that_needs_nothing_costs_nothing_when_it_is_looked_at() {
    let scene = Scene::start("idle", &[HELD, CLOSED_BOOKS].concat(), &[]).await;
    let (namespace, admin) = (&scene.namespace, &scene.controller.admin);
    let refused = EuiccActivation { spec: unknown_plan(), ..fixtures::activation("refused", 1) };
    namespace.create(&fixtures::activation("done", 1)).await;
    namespace.create(&refused).await;
    namespace.until_reason("done", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    namespace.wait("Ready", "euicc/done").await;
    namespace.create(&fixtures::activation("in-flight", 1)).await;
    namespace.until_reason("in-flight", "AwaitingResult").await;
    namespace.wait("Stalled", "euicc/refused").await;
    namespace.until_events("done", &["Activated"]).await;
    namespace.until_events("refused", &["Refused"]).await;

    for name in ["done", "in-flight", "refused"] {
        namespace.touch(name, admin).await; // what was still on its way is through now
        let (journal, requests) = (scene.simulator.journal().await.len(), namespace.requests().len());
        namespace.touch(name, admin).await;
        assert_eq!(scene.simulator.journal().await.len(), journal, "{name}: ThingSpace was asked");
        assert_eq!(namespace.asked(requests), BTreeMap::new(), "{name}: the API server was asked");
    }
}

#[tokio::test]
async fn everything_that_thingspace_answers_stands_in_the_status() {
    let scene = Scene::start("answer", HELD, &[]).await;
    let namespace = &scene.namespace;
    namespace.create(&fixtures::activation("forklift", 1)).await;
    let waiting = namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    let object = namespace.until("forklift", "ready", |o| holds(o, "Ready")).await;

    let (status, post) = (status(&object), scene.simulator.activate_posts().await.remove(0));
    assert_eq!((&status.request_id, post.status), (&post.request_id, Some(200)));
    assert_eq!(status.request_id, waiting.status.unwrap().request_id);
    assert_eq!(status.observed_generation, object.metadata.generation);
    let [device] = &status.devices[..] else { panic!("{status:?}") };
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    assert_eq!(device.result, DeviceResult::Active);
    assert_eq!(text(&device.state), "Active");
    assert_eq!(text(&device.profile_status), "ENABLE");
    assert_eq!(text(&device.euicc_status), "EXECUTED_SUCCESS");
    assert_eq!(text(&device.euicc_status_code), "1.2.365");
    assert_eq!(text(&device.euicc_status_desc), "EUICC device profile has been updated");
    assert_eq!(text(&device.euicc_sub_address_update_status), "EXECUTED_SUCCESS");
    assert_eq!(text(&device.euicc_sub_address_update_status_code), "1");
    assert_eq!(text(&device.euicc_sub_address_update_status_desc), "SUCCESS: Address has been updated");
    assert_eq!(text(&device.carrier_name), "Verizon Wireless");
    assert_eq!(text(&device.profile_role), "LEAD");
    assert_eq!((&device.fault_code, &device.fault_text), (&None, &None));
    let mdn = device.id(IdKind::Mdn).unwrap();
    assert!(why(&object).1.contains(mdn), "{:?}", why(&object));

    let row = namespace.kubectl(&["get", "euicc", "forklift", "-o", "wide", "--no-headers"]).await.success();
    for shown in [fixtures::ACCOUNT, "True", "Activated", &text(&status.request_id)] {
        assert!(row.contains(shown), "{shown}: {row}");
    }
}

#[tokio::test]
async fn a_consumer_esim_learns_its_iccid_and_another_keeps_the_one_it_has() {
    let scene = Scene::start("iccid", QUICK, &[]).await;
    let consumer = fixtures::activation("consumer", 1); // eid and imei
    let mut legacy = fixtures::activation("legacy", 1);
    let iccid = fixtures::iccid(fixtures::next());
    legacy.spec.devices[0].device_ids.push(DeviceId { kind: IdKind::Iccid, id: iccid.clone() });
    for (activation, own) in [(&consumer, None), (&legacy, Some(iccid))] {
        let name = activation.metadata.name.as_deref().unwrap();
        scene.namespace.create(activation).await;
        let object = scene.namespace.until(name, "ready", |o| holds(o, "Ready")).await;
        let device = &status(&object).devices[0];
        let (iccid, mdn) = (device.id(IdKind::Iccid).unwrap(), device.id(IdKind::Mdn).unwrap());
        assert_eq!((iccid.len(), mdn.len()), (20, 10), "{device:?}");
        assert!(own.is_none_or(|own| own == iccid), "{name} keeps its ICCID");
        assert!(activation.spec.devices[0].device_ids.iter().all(|id| device.device_ids.contains(id)));
        let known = scene.simulator.devices().await.to_string();
        assert!(known.contains(iccid) && known.contains(mdn), "minted by ThingSpace: {known}");
    }
}

#[tokio::test]
async fn several_devices_go_in_one_request_and_each_has_its_own_outcome() {
    let scene = Scene::start("several", HELD, &[]).await;
    let namespace = &scene.namespace;
    let activation = fixtures::activation("fleet", 3);
    let slow = fixtures::eid_of(&activation, 1);
    scene.simulator.fault(&format!("callback:device={slow},delay=10m")).await;
    namespace.create(&activation).await;
    namespace.until_reason("fleet", "AwaitingResult").await;
    scene.simulator.let_finish().await;

    let active = |o: &EuiccActivation| status(o).counts.map_or(0, |c| c.active);
    let two = namespace.until("fleet", "two of three active", |o| active(o) == 2).await;
    assert!(!holds(&two, "Ready") && holds(&two, "Reconciling"), "not ready before the last");
    assert_eq!(status(&two).devices[1].result, DeviceResult::Pending);
    assert!(status(&two).devices[1].device_ids.iter().any(|id| id.id == slow), "in the order of the spec");

    scene.simulator.let_finish().await;
    let object = namespace.until("fleet", "ready", |o| holds(o, "Ready")).await;
    let mdns: std::collections::BTreeSet<_> =
        status(&object).devices.iter().filter_map(|d| Some(d.id(IdKind::Mdn)?.to_owned())).collect();
    assert_eq!(mdns.len(), 3, "each has a number of its own");
    let posts = scene.simulator.activate_posts().await;
    assert_eq!(posts.len(), 1);
    assert!((0..3).all(|n| posts[0].is_about(&fixtures::eid_of(&activation, n))));
}

#[tokio::test]
async fn thingspace_is_sent_what_the_user_wrote_and_nothing_else() {
    let scene = Scene::start("verbatim", QUICK, &[]).await;
    let tap = scene.listen_in().await;
    let with = fixtures::activation("with-place-of-use", 2);
    let mut without = fixtures::activation("without", 1);
    without.spec.primary_place_of_use = None;
    without.spec.smsr_oid = Some("1.3.6.1".into());
    without.spec.carrier_ip_pool_name = Some(String::new());
    for (n, activation) in [with, without].iter().enumerate() {
        let name = activation.metadata.name.clone().unwrap();
        scene.namespace.create(activation).await;
        let object = scene.namespace.until(&name, "ready", |o| holds(o, "Ready")).await;
        let mut wanted = json!(activation.spec);
        let own = ["connectionRef", "deletionPolicy", "suspend", "resultTimeout", "carrierIpPoolName"];
        wanted.as_object_mut().unwrap().retain(|field, value| !own.contains(&field.as_str()) && !value.is_null());
        assert_eq!(tap.heard(ACTIVATE)[n], wanted, "{name}");
        // ThingSpace reports on an address exactly when it was given one.
        let reported = status(&object).devices[0].euicc_sub_address_update_status.clone();
        assert_eq!(reported.is_some(), activation.spec.primary_place_of_use.is_some(), "{name}");
    }
    assert_eq!(tap.heard(ACTIVATE).len(), 2);
}

fn unknown_plan() -> euicc_operator::api::EuiccActivationSpec {
    let mut spec = fixtures::activation("refused", 1).spec;
    spec.service_plan = Some("NoSuchPlan".into());
    spec
}
