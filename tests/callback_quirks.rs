//! Callbacks in every form and order that ThingSpace is known, or feared, to send lead to the same end.

use crate::support::*;

/// What is done to the callback of a device, and whether the line ends active.
const QUIRKS: &[(&str, bool)] = &[
    ("pascal", true),
    ("strings", true),
    ("odd-kind", true),
    ("bare", true),
    ("extra", true),
    ("array", true),
    ("pascal,strings,odd-kind,extra", true),
    ("early", true),
    ("duplicate=3", true),
    ("overlap", true),
    ("early,duplicate=2", true),
    ("warning=1s", true),
    ("warning=1s,pascal", true),
    ("address-failed", true),
    ("profile=NOT_DOWNLOADED", true),
    ("delay=1s", true),
    ("unknown-request", true),
    ("password=wrong", true),
    ("lost", true),
    ("error=REQUEST_FAILED.DeviceNotFound", false),
    ("error=INPUT_INVALID.Device.Account.Invalid,pascal", false),
    ("error=REQUEST_CANCELLED.ByUser,strings,duplicate=2", false),
    ("failed", false),
    ("failed,array,odd-kind", false),
];

#[tokio::test]
async fn callbacks_of_every_form_and_order_lead_to_the_same_end() {
    let scene = Scene::start("quirks", &["--activation-time", "300ms"], &["--poll-after", "3s"]).await;
    let mut expected = Vec::new();
    for (i, (quirk, active)) in QUIRKS.iter().enumerate() {
        let object = fixtures::activation(&format!("quirk-{i}"), 1);
        scene.simulator.fault(&format!("callback:{quirk},device={}", fixtures::eid_of(&object, 0))).await;
        expected.push((quirk, *active, object));
    }
    for (_, _, object) in &expected {
        scene.namespace.create(object).await;
    }
    for (i, (quirk, active, _)) in expected.iter().enumerate() {
        let (name, type_) = (format!("quirk-{i}"), if *active { "Ready" } else { "Stalled" });
        let object = scene.namespace.until(&name, &format!("{quirk}: {type_}"), |o| holds(o, type_)).await;
        let device = &status(&object).devices[0];
        if *active {
            assert!(device.id(euicc_operator::api::IdKind::Mdn).is_some(), "{quirk}: {device:?}");
        } else {
            assert!(device.fault_code.is_some() && why(&object).1.contains("annotate"), "{quirk}: {:?}", why(&object));
        }
    }
    assert_eq!(scene.simulator.activate_posts().await.len(), QUIRKS.len(), "one request each");
    reliability("callback-quirks", QUIRKS.len(), QUIRKS.len());
}

#[tokio::test]
async fn devices_of_one_request_may_answer_in_any_order_and_each_has_its_own_end() {
    let scene = Scene::start("order", &["--activation-time", "300ms"], &["--poll-after", "3s"]).await;
    let object = fixtures::activation("fleet", 12);
    for (n, quirk) in [(1, "out-of-order"), (3, "lost"), (5, "error=REQUEST_FAILED.DeviceNotFound"), (7, "duplicate=2")]
    {
        scene.simulator.fault(&format!("callback:{quirk},device={}", fixtures::eid_of(&object, n))).await;
    }
    scene.namespace.create(&object).await;
    let object = scene.namespace.until("fleet", "Stalled", |o| holds(o, "Stalled")).await;
    let counts = status(&object).counts.unwrap();
    assert_eq!((counts.devices, counts.active, counts.failed), (12, 11, 1), "{:?}", status(&object).devices);
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    let writes = scene.namespace.writes("euiccactivations", "fleet").len();
    assert!(writes <= 10, "twelve answers at once cost {writes} writes");
}

#[tokio::test]
async fn an_answer_to_a_deleted_and_recreated_activation_is_not_the_new_ones() {
    let scene = Scene::start("reborn", HELD, &[]).await;
    let object = fixtures::activation("forklift", 1);
    scene.namespace.create(&object).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.namespace.kubectl(&["delete", "euicc", "forklift"]).await.success();
    // Another device under the same name.
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let reborn = scene.namespace.until_reason("forklift", "AwaitingResult").await;
    let first = scene.simulator.activate_posts().await[0].request_id.clone().unwrap();
    assert_ne!(status(&reborn).request_id.as_deref(), Some(first.as_str()));
    scene.simulator.let_finish().await;
    let ready = scene.namespace.until("forklift", "Ready", |o| holds(o, "Ready")).await;
    let eid = fixtures::eid_of(&ready, 0);
    assert_eq!(status(&ready).devices[0].id(euicc_operator::api::IdKind::Eid), Some(eid.as_str()));
}
