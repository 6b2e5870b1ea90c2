//! How often whom is asked: facts, not times.

use std::time::Duration;

use euicc_operator::api::EuiccActivation;

use crate::{
    audit::{Since, sum},
    crowd::{self, Stand},
    stage::{Stage, settle},
    support::{Admin, Callback, Controller, Entry, LONG, eventually, fixtures, holds},
    table::Line,
};

/// Writes of the resource, in the audit log's words.
pub const WRITES: &[&str] = &["update euiccactivations", "patch euiccactivations"];
/// Events.
pub const EVENTS: &[&str] = &["create events"];
/// Reads of single resources.
pub const READS: &[&str] = &["get euiccactivations"];

/// One activation, undisturbed.
pub async fn cost() -> Vec<Line> {
    let Scene { stage, since, .. } = &scene(&["--activation-time", "1s"], &[]).await;
    crowd::create(&stage.namespace, 0..1, 1, Stand::New).await;
    all_ready(stage, 1).await;
    settle().await;
    let asked = since.asked(&stage.namespace.name);
    let (writes, events, reads) = (sum(&asked, WRITES), sum(&asked, EVENTS), sum(&asked, READS));
    let posts = stage.simulator.activate_posts().await.len();
    let measured = format!("{writes} writes, {events} event, {posts} POST, {reads} reads");
    let met = writes == 3 && events <= 1 && posts == 1 && reads == 0;
    vec![
        Line::shown("one activation, undisturbed", measured)
            .reach("3 writes of the resource, at most 1 event, 1 POST, 0 reads other than the watch", met),
    ]
}

/// The same when every callback is lost.
pub async fn polling() -> Vec<Line> {
    const COUNT: usize = 50;
    // Asked after 2 to 2.5 s, and again 4 to 5 s later: then the result is there.
    let flags = ["--activation-time", "4s", "--fault", "callback:lost"];
    let Scene { stage, since, .. } = &scene(&flags, &["--poll-after", "2s"]).await;
    crowd::create(&stage.namespace, 0..COUNT, 1, Stand::New).await;
    all_ready(stage, COUNT).await;
    settle().await;
    let asked = since.asked(&stage.namespace.name);
    let journal = stage.simulator.journal().await;
    let calls = |is: fn(&Entry) -> bool| journal.iter().filter(|e| e.direction == "in" && is(e)).count() as f64;
    let each = |n: f64| n / COUNT as f64;
    let posts = each(calls(|e| e.path.ends_with("/activate")));
    let (polls, looks) = (each(calls(|e| e.path.contains("/requests/"))), each(calls(|e| e.path.ends_with("/list"))));
    let writes = each(sum(&asked, WRITES) as f64);
    let measured = format!("{posts:.2} POST, {polls:.2} polls, {looks:.2} looks at the line, {writes:.2} writes");
    vec![
        Line::shown(format!("the same by polling only ({COUNT} of them; result after 4 s, --poll-after 2s)"), measured)
            .reach("+ the polls of a doubling schedule (2, of which one writes when it asks next), and one look", {
                posts == 1.0 && polls <= 2.0 && looks <= 1.0 && writes <= 4.0
            }),
    ]
}

/// One resource with a hundred devices.
pub async fn hundred() -> Vec<Line> {
    let Scene { stage, since, .. } = &scene(&["--activation-time", "1s"], &[]).await;
    let mut object: EuiccActivation = fixtures::activation("unit-000000", 100);
    (object.spec.connection_ref.name, object.spec.account_name) = crate::stage::connection(0);
    stage.namespace.create(&object).await;
    all_ready(stage, 1).await;
    settle().await;
    let asked = since.asked(&stage.namespace.name);
    let (writes, reads) = (sum(&asked, WRITES), sum(&asked, READS));
    let posts = stage.simulator.activate_posts().await.len();
    let taken = stage.simulator.deliveries().await.iter().filter(|d| d.status == Some(200)).count();
    let measured = format!(
        "{posts} POST, {taken} callbacks taken in {} writes; {writes} writes, {reads} reads in all",
        writes - 2
    );
    vec![
        Line::shown("one resource with 100 devices", measured)
            .reach("1 POST; callbacks are coalesced: at most a handful of writes, none lost", {
                posts == 1 && taken >= 100 && writes <= 2 + 6
            }),
    ]
}

/// Both processes at rest, with nothing to do yet.
struct Scene {
    _processes: (Controller, Callback),
    stage: Stage,
    since: Since,
}

async fn scene(simulator_flags: &[&str], controller_flags: &[&str]) -> Scene {
    let stage = Stage::new(1, simulator_flags).await;
    let callback = stage.callback().await;
    stage.connect(Some(&callback), 50).await;
    let controller = stage.controller(controller_flags).await;
    stage.connected().await;
    settle().await;
    Scene { _processes: (controller, callback), stage, since: Since::now() }
}

/// How many callbacks the sidecar has taken.
pub async fn taken(admin: &Admin) -> usize {
    let (recorded, unchanged) = (&[r#"outcome="recorded""#][..], &[r#"outcome="unchanged""#][..]);
    let count = async |labels| admin.metric("euicc_callbacks_total", labels).await;
    (count(recorded).await + count(unchanged).await) as usize
}

/// Waits until all activations of the stage are ready; there are so many.
pub async fn all_ready(stage: &Stage, count: usize) {
    eventually("all are ready", 10 * LONG, async || {
        let all = stage.namespace.activations().list(&Default::default()).await.expect("a list").items;
        let ready = all.iter().filter(|o| holds(o, "Ready")).count();
        if ready == count {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        Err(format!("{ready} of {}", all.len()))
    })
    .await;
}
