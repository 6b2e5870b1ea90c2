//! Two controllers at once, without leader election: still one request each.

use crate::support::*;

const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_on_the_same_objects_send_each_activation_once() {
    let flags = ["--poll-after", "5s", "--settle-time", "2s"];
    let scene = Scene::start("split", &["--activation-time", "300ms", "--activate-per-minute", "0"], &flags).await;
    let patch = r#"{"spec":{"limits":{"activationsPerMinute":10000,"inFlight":50}}}"#;
    scene.namespace.kubectl(&["patch", "tsc", "verizon", "--type=merge", "--patch", patch]).await.success();
    let second = Controller::start(&scene.namespace, &flags).await;
    second.admin.ready().await;

    let objects: Vec<_> = (0..MANY).map(|i| fixtures::activation(&format!("line-{i}"), 1)).collect();
    futures::future::join_all(objects.iter().map(|o| scene.namespace.create(o))).await;
    for i in 0..MANY {
        scene.namespace.until(&format!("line-{i}"), "Ready", |o| holds(o, "Ready")).await;
    }
    let posts = scene.simulator.activate_posts().await;
    for object in &objects {
        let eid = fixtures::eid_of(object, 0);
        assert_eq!(posts.iter().filter(|post| post.is_about(&eid)).count(), 1, "{eid}");
    }
    reliability("split-brain", MANY, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_controllers_with_two_resources_for_one_line_the_loser_names_the_other() {
    let flags = ["--poll-after", "5s", "--settle-time", "2s"];
    let scene = Scene::start("rivals", &["--activation-time", "1s"], &flags).await;
    let second = Controller::start(&scene.namespace, &flags).await;
    second.admin.ready().await;

    let pairs: Vec<_> = (0..8).map(|i| fixtures::activation(&format!("pair-{i}"), 1)).collect();
    let twins = pairs.iter().flat_map(|pair| {
        ["a", "b"].map(|side| {
            let mut twin = pair.clone();
            twin.metadata.name = Some(format!("{}-{side}", pair.metadata.name.as_ref().unwrap()));
            twin
        })
    });
    let twins: Vec<_> = twins.collect();
    futures::future::join_all(twins.iter().map(|o| scene.namespace.create(o))).await;
    for i in 0..pairs.len() {
        let mut ends = Vec::new();
        for side in ["a", "b"] {
            let name = format!("pair-{i}-{side}");
            let end = scene.namespace.until(&name, "an end", |o| holds(o, "Ready") || holds(o, "Stalled")).await;
            ends.push((holds(&end, "Ready"), why(&end).1));
        }
        let ready = ends.iter().filter(|(ready, _)| *ready).count();
        assert_eq!(ready, 1, "pair {i}: {ends:?}");
        let (winner, loser) = if ends[0].0 { ("a", &ends[1].1) } else { ("b", &ends[0].1) };
        assert!(loser.contains(&format!("{}/pair-{i}-{winner}", scene.namespace.name)), "pair {i}: {loser}");
    }
}
