//! The parts that do no I/O: how long they take, and how often they allocate (`cargo bench --bench decisions`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use euicc_operator::{
    activation::{Event, Outcome, Policy, Profile, Report, Subject, Transition, Verdict, advance},
    api::{ActivationStatus, DeviceId, EuiccActivation, IdKind},
    callback::index::Index,
    thingspace::CallbackMessage,
};
use jiff::Timestamp;
use serde_json::json;

const REQUEST: &str = "d1f08526-5443-4054-9a29-4456490ea9f8";

fn object(n: usize) -> EuiccActivation {
    serde_json::from_value(json!({
        "apiVersion": "euicc-operator.io/v1alpha1", "kind": "EuiccActivation",
        "metadata": {
            "namespace": "fleet", "name": format!("unit-{n}"), "uid": format!("uid-{n}"), "resourceVersion": "7",
            "generation": 1,
        },
        "spec": {
            "connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "carrierName": "Verizon Wireless",
            "servicePlan": "HybridESim", "mdnZipCode": "94105",
            "devices": [{"deviceIds": [
                {"kind": "eid", "id": format!("{n:032}")}, {"kind": "imei", "id": format!("{n:015}")},
            ]}],
        },
    }))
    .unwrap()
}

/// An activation at each of its stages, and the event that leads on from there.
fn stages(n: usize) -> Vec<(&'static str, EuiccActivation, Event)> {
    let operation_id = "0b7f3a1e".to_owned();
    let events = [
        ("look at a new one", Event::Tick),
        ("claim", Event::Claim { operation_id: operation_id.clone(), generation: 1 }),
        ("accepted", Event::Sent { operation_id, outcome: Outcome::Accepted { request_id: format!("{REQUEST}-{n}") } }),
        ("callback", Event::Callback(Box::new(report(n)))),
        ("look at an active one", Event::Tick),
    ];
    let mut object = object(n);
    let mut stages = Vec::new();
    for (what, event) in events {
        let before = object.clone();
        object.status = Some(step(&object, &event).status);
        stages.push((what, before, event));
    }
    stages
}

fn step(object: &EuiccActivation, event: &Event) -> Transition {
    let none = ActivationStatus::default();
    let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    advance(Subject::from(object), object.status.as_ref().unwrap_or(&none), event, now, &Policy::default())
}

fn report(n: usize) -> Report {
    Report {
        request_id: Some(format!("{REQUEST}-{n}")),
        device_ids: vec![DeviceId { kind: IdKind::Eid, id: format!("{n:032}") }],
        verdict: Verdict::Success,
        verdict_of_deactivation: Verdict::Failure { code: "Failed".into(), text: "the line is active".into() },
        profile: Profile { state: Some("Active".into()), ..Profile::default() },
    }
}

fn body() -> Vec<u8> {
    let ids =
        json!([{"id": "89034011560010000000000000000121", "kind": "eid"}, {"id": "490154203237518", "kind": "imei"}]);
    let profile = json!({
        "deviceIdentifierCollection": ids, "state": "Active", "profileStatus": "ENABLE",
        "euiccStatus": "EXECUTED_SUCCESS", "euiccStatusCode": "1.2.365",
        "euiccStatusDesc": "EUICC device profile has been updated",
    });
    json!({
        "username": "verizon", "password": "secret", "requestId": REQUEST, "deviceIds": ids,
        "deviceResponse": {"deviceProfileResponse": profile}, "status": "SUCCESS", "callbackCount": 1,
        "maxCallbackThreshold": 4,
    })
    .to_string()
    .into_bytes()
}

fn index() -> Index {
    let mut index = Index::default();
    for n in 0..10_000 {
        let (_, mut object, _) = stages(n).remove(3);
        object.metadata.name = Some(format!("unit-{n}"));
        index.apply(Arc::new(object));
    }
    index
}

fn times(c: &mut Criterion) {
    for (what, object, event) in stages(1) {
        c.bench_function(&format!("advance: {what}"), |b| b.iter(|| step(black_box(&object), black_box(&event))));
    }
    let body = body();
    c.bench_function("parse a callback", |b| b.iter(|| CallbackMessage::parse(black_box(&body)).unwrap()));
    let index = index();
    let request = format!("{REQUEST}-5000");
    let ids = report(5000).device_ids;
    c.bench_function("match by request among 10,000", |b| {
        b.iter(|| index.with_request("fleet", "verizon", black_box(&request)).unwrap())
    });
    c.bench_function("match by device among 10,000", |b| {
        b.iter(|| index.with_device("fleet", "verizon", black_box(&ids)))
    });
    let object = Arc::new(stages(5000).remove(4).1);
    c.bench_function("index a new version among 10,000", |b| {
        let mut index = self::index();
        b.iter_batched(|| Arc::clone(&object), |object| index.apply(object), BatchSize::SmallInput)
    });
}

/// What the decisions of one activation's life allocate.
fn allocations(_: &mut Criterion) {
    for (what, object, event) in stages(1) {
        let used = allocation_counter::measure(|| drop(black_box(step(&object, &event))));
        println!("advance: {what}: {} allocations, {} bytes", used.count_total, used.bytes_total);
    }
    let body = body();
    let used = allocation_counter::measure(|| drop(black_box(CallbackMessage::parse(&body))));
    println!("parse a callback: {} allocations, {} bytes", used.count_total, used.bytes_total);
}

criterion_group!(benches, allocations, times);
criterion_main!(benches);
