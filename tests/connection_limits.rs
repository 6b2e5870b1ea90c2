//! Ten thousand new objects neither burst nor starve one team.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    connection_support::{QUICK, patch},
    support::{Controller, HELD, LONG, Namespace, Scene, Simulator, eventually, fixtures, holds, why},
};

/// Enough to be slowed by the limit for half a minute; `EUICC_LIMIT_TEST=1000/600` takes two.
fn measure() -> (usize, i32) {
    let wanted = std::env::var("EUICC_LIMIT_TEST").unwrap_or_else(|_| "300/600".into());
    let (objects, limit) = wanted.split_once('/').unwrap();
    (objects.parse().unwrap(), limit.parse().unwrap())
}

#[tokio::test]
async fn the_objects_of_three_teams_keep_to_the_limit_and_each_team_is_served() {
    let (objects, limit) = measure();
    let flags = [QUICK, &["--activate-per-minute", "0", "--actions-per-day", "0"]].concat();
    let (owner, simulator) = (Namespace::new("limits").await, Simulator::start(&flags).await);
    let teams = [Namespace::new("team-a").await, Namespace::new("team-b").await, Namespace::new("team-c").await];
    owner.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    let names: Vec<&str> = teams.iter().map(|t| t.name.as_str()).collect();
    patch(&owner, json!({"limits": {"activationsPerMinute": limit}, "allowedNamespaces": {"names": names}})).await;
    // The big team comes first, and with most of it.
    let (big, small) = (objects * 8 / 10, objects / 10);
    let all = (0..objects).map(|n| {
        (
            n,
            if n < big {
                0
            } else if n < big + small {
                1
            } else {
                2
            },
        )
    });
    stream::iter(all)
        .map(|(n, team)| {
            let mut activation = fixtures::activation(&format!("line-{n}"), 1);
            activation.spec.connection_ref.namespace = Some(owner.name.clone());
            let team = &teams[team];
            async move { team.create(&activation).await }
        })
        .buffer_unordered(16)
        .count()
        .await;
    let flags: Vec<&str> = names.iter().flat_map(|n| ["--watch-namespace", *n]).collect();
    let controller = Controller::start(&owner, &flags).await;
    let within = Duration::from_secs(60 * objects as u64 / limit as u64 * 3) + LONG;
    eventually("all are sent", within, async || {
        let sent = simulator.activate_posts().await.len();
        if sent == objects { Ok(()) } else { Err(sent) }
    })
    .await;

    let posts = simulator.activate_posts().await;
    assert!(posts.iter().all(|p| p.status == Some(200)), "none is refused");
    let times: Vec<Timestamp> = posts.iter().map(|p| p.at.parse().unwrap()).collect();
    let busiest = |window: f64| {
        let within = |from: Timestamp, t: &&Timestamp| **t >= from && t.duration_since(from).as_secs_f64() < window;
        times.iter().map(|from| times.iter().filter(|t| within(*from, t)).count()).max().unwrap()
    };
    let limit = limit as f64;
    println!("busiest minute {}, busiest five seconds {} of {limit} a minute", busiest(60.0), busiest(5.0));
    assert!(busiest(60.0) as f64 <= limit);
    // In shorter windows too: a burst of a tenth, then the steady part; a second's worth for the way.
    assert!(busiest(5.0) as f64 <= limit / 10.0 + limit * 0.85 * 6.0 / 60.0, "{}", busiest(5.0));
    // The small teams are through long before the big one, although they came last.
    let mut last = BTreeMap::new();
    for (team, namespace) in teams.iter().enumerate() {
        for object in namespace.activations().list(&Default::default()).await.unwrap() {
            let eid = fixtures::eid_of(&object, 0);
            let place = posts.iter().position(|p| p.is_about(&eid)).unwrap();
            last.entry(team).and_modify(|l: &mut usize| *l = place.max(*l)).or_insert(place);
        }
    }
    assert!(last[&1] < objects / 2 && last[&2] < objects / 2, "served in turn: {last:?}");
    assert!(controller.admin.metric("euicc_submissions_waiting", &[]).await < 1.0);
}

#[tokio::test]
async fn one_that_waits_long_says_so_once() {
    let scene = Scene::start("queue", QUICK, &[]).await;
    patch(&scene.namespace, json!({"limits": {"activationsPerMinute": 6}})).await;
    scene.namespace.wait("Ready", "tsc/verizon").await;
    for n in 0..12 {
        scene.namespace.create(&fixtures::activation(&format!("line-{n:02}"), 1)).await;
    }
    let object = scene.namespace.until_reason("line-11", "RateLimited").await;
    let (_, message) = why(&object);
    assert!(message.contains("within minutes") && message.contains("spec.limits"), "{message}");
    assert!(holds(&object, "Reconciling") && !holds(&object, "Stalled"));
    for _ in 0..3 {
        scene.namespace.touch("line-11", &scene.controller.admin).await;
    }
    let writes = scene.namespace.writes("euiccactivations", "line-11");
    assert_eq!(writes.len(), 1, "once, however often it is looked at: {writes:#?}");
    scene.namespace.wait("Ready", "euicc/line-00").await;
    assert_eq!(
        scene.namespace.writes("euiccactivations", "line-00").len(),
        3,
        "one whose turn comes soon says nothing"
    );
}

#[tokio::test]
async fn a_pause_that_thingspace_asks_for_is_kept_and_said() {
    let scene = Scene::start("pause", QUICK, &[]).await;
    scene.simulator.fault("activate:status=429,retry-after=3600,count=1").await;
    scene.namespace.create(&fixtures::activation("first", 1)).await;
    scene.namespace.until_reason("first", "RetryLater").await;
    scene.namespace.create(&fixtures::activation("second", 1)).await;
    let object = scene.namespace.until_reason("second", "RateLimited").await;
    assert!(
        why(&object).1.contains("within hours") || why(&object).1.contains("within the hour"),
        "{:?}",
        why(&object)
    );
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn a_restart_gives_no_new_burst() {
    let mut scene = Scene::start("restart", QUICK, &[]).await;
    patch(&scene.namespace, json!({"limits": {"activationsPerMinute": 60}})).await;
    scene.namespace.wait("Ready", "tsc/verizon").await;
    for n in 0..30 {
        scene.namespace.create(&fixtures::activation(&format!("line-{n}"), 1)).await;
    }
    let sent = async || scene.simulator.activate_posts().await.len();
    eventually("the burst is spent", LONG, async || sent().await >= 7).await;
    for _ in 0..3 {
        scene.crash_controller(&[]).await;
        let before = scene.simulator.activate_posts().await.len();
        eventually("it goes on", LONG, async || scene.simulator.activate_posts().await.len() > before).await;
    }
    let posts = scene.simulator.activate_posts().await;
    let times: Vec<Timestamp> = posts.iter().map(|p| p.at.parse().unwrap()).collect();
    let seconds = times.last().unwrap().duration_since(times[0]).as_secs_f64();
    let admitted = 6.0 + seconds * 60.0 * 0.85 / 60.0 + 2.0;
    assert!(posts.len() as f64 <= admitted, "{} in {seconds} seconds, {admitted} at most", posts.len());
}

#[tokio::test]
async fn a_pause_that_is_asked_for_when_a_result_is_asked_for_is_kept_as_well() {
    let scene = Scene::start("poll-pause", HELD, &["--poll-after", "1s"]).await;
    scene.simulator.fault("status:status=429,retry-after=3600,count=1").await;
    scene.namespace.create(&fixtures::activation("first", 1)).await;
    scene.namespace.until_reason("first", "AwaitingResult").await;
    let asked = async || scene.simulator.journal().await.iter().filter(|e| e.path.contains("/requests/")).count();
    eventually("the result is asked for", LONG, async || asked().await == 1).await;
    scene.namespace.create(&fixtures::activation("second", 1)).await;
    let object = scene.namespace.until_reason("second", "RateLimited").await;
    assert!(why(&object).1.contains("hour"), "{:?}", why(&object));
    for _ in 0..3 {
        scene.namespace.touch("first", &scene.controller.admin).await;
    }
    assert_eq!((asked().await, scene.simulator.activate_posts().await.len()), (1, 1));
}
