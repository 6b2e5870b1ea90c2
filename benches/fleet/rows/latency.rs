//! From a callback to the moment when a watcher sees what it said, against a bare status write at the same load.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use euicc_operator::api::EuiccActivation;
use futures::{TryStreamExt, future::join_all};
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use crate::{
    bare::put,
    crowd::{self, Stand, life, with_minted},
    gauge::Gauge,
    stage::Stage,
    support::{eventually, fixtures, holds, http_client},
    table::Line,
};

const A_SECOND: usize = 200;
/// In one turn: four seconds' worth.
const TURN: usize = 4 * A_SECOND;
const TURNS: usize = 3;

/// When a watcher first saw an activation ready.
type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// Callbacks and bare writes take turns.
pub async fn latency() -> Vec<Line> {
    let stage = Stage::new(1, &[]).await;
    // Before the controller comes, which would begin to send them.
    let mut objects = crowd::create(&stage.namespace, 0..2 * TURNS * TURN, 1, Stand::Accepted).await;
    let callback = stage.callback().await;
    stage.connect(Some(&callback), 50).await;
    let controller = stage.controller(&[]).await;
    stage.connected().await;
    let seen = watch(&stage).await;
    for process in [&controller.process, &callback.process] {
        Gauge(process.pid()).idle().await;
    }
    let url = callback.url(&stage.namespace, &crate::stage::connection(0).0);
    let (http, api) = (http_client(), stage.namespace.activations());
    let (mut told, mut written, mut refused) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        let turn = objects.split_off(objects.len() - TURN);
        let bodies = turn.iter().map(|object| (object.name_any(), body(object)));
        let calls = bodies.map(|(name, body)| (name, http.post(&url).json(&body)));
        let sent = paced(calls, async |call| call.send().await.is_ok_and(|answer| answer.status() == 200)).await;
        refused += sent.iter().filter(|(_, _, good)| !good).count();
        told.extend(until_seen(&seen, sent).await);

        let turn = objects.split_off(objects.len() - TURN);
        let writes =
            turn.iter().map(|object| (object.name_any(), (api.clone(), object.clone(), life(object)[2].clone())));
        let sent = paced(writes, async |(api, object, status)| {
            put(&api, &object, &status).await;
            true
        });
        let sent = sent.await;
        written.extend(until_seen(&seen, sent).await);
    }
    let told = percentiles(told);
    let written = percentiles(written);
    vec![
        Line::shown(
            format!("callback → status visible to a watcher, {A_SECOND} a second"),
            format!(
                "p50 {:.1} ms, p99 {:.1} ms; bare status write p50 {:.1} ms, p99 {:.1} ms",
                told[0], told[1], written[0], written[1]
            ),
        )
        .ratio(told[1] / written[1])
        .reach("p99 at most 1.5 × a bare status write at the same load", told[1] <= 1.5 * written[1]),
        Line::shown(format!("{A_SECOND} callbacks a second, {} of them", TURNS * TURN), format!("{refused} refused"))
            .reach("none refused", refused == 0),
    ]
}

/// Begins one every five milliseconds, whether or not those before it have ended. Says when each was begun, and how it
/// ended.
async fn paced<T, F>(
    work: impl Iterator<Item = (String, T)>,
    begin: impl Fn(T) -> F + Copy + Send + 'static,
) -> Vec<(String, Instant, bool)>
where
    T: Send + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / A_SECOND as u32);
    let mut begun = Vec::new();
    for (name, input) in work {
        ticks.tick().await;
        let at = Instant::now();
        begun.push(tokio::spawn(async move { (name, at, begin(input).await) }));
    }
    join_all(begun).await.into_iter().map(|done| done.expect("it ends")).collect()
}

async fn watch(stage: &Stage) -> Seen {
    let (seen, listed) = (Seen::default(), Arc::new(tokio::sync::Notify::new()));
    let (into, done) = (seen.clone(), listed.clone());
    let api: Api<EuiccActivation> = stage.namespace.api();
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
        while let Ok(Some(event)) = events.try_next().await {
            match event {
                watcher::Event::InitDone => done.notify_one(),
                watcher::Event::Apply(object) if holds(&object, "Ready") => {
                    into.lock().expect("no panic").entry(object.name_any()).or_insert_with(Instant::now);
                }
                _ => {}
            }
        }
    });
    listed.notified().await;
    seen
}

/// In milliseconds, from the beginning of each to its being seen.
async fn until_seen(seen: &Seen, sent: Vec<(String, Instant, bool)>) -> Vec<f64> {
    eventually("all are seen", Duration::from_secs(60), async || {
        let seen = seen.lock().expect("no panic");
        sent.iter().all(|(name, ..)| seen.contains_key(name))
    })
    .await;
    let seen = seen.lock().expect("no panic");
    sent.iter().map(|(name, at, _)| (seen[name] - *at).as_secs_f64() * 1e3).collect()
}

/// The 50th and the 99th.
fn percentiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [50, 99].map(|p| times[times.len() * p / 100])
}

/// A callback as ThingSpace words it (contract 7.1).
fn body(object: &EuiccActivation) -> Value {
    let ids = json!(with_minted(object));
    json!({
        "username": "verizon",
        "password": fixtures::CALLBACK_PASSWORD,
        "requestId": object.status.as_ref().and_then(|s| s.request_id.clone()),
        "deviceIds": ids,
        "deviceResponse": {"deviceProfileResponse": {
            "deviceIdentifierCollection": ids,
            "state": "Active",
            "profileStatus": "ENABLE",
            "euiccStatus": "EXECUTED_SUCCESS",
            "euiccStatusCode": "1.2.365",
            "euiccStatusDesc": "EUICC device profile has been updated",
            "euiccSubAddressUpdateStatus": "EXECUTED_SUCCESS",
            "euiccSubAddressUpdateStatusCode": "1",
            "euiccSubAddressUpdateStatusDesc": "SUCCESS: Address has been updated",
            "carrierName": "Verizon Wireless",
            "profileRole": "LEAD",
        }},
        "status": "SUCCESS",
        "callbackCount": 1,
        "maxCallbackThreshold": 4,
    })
}
