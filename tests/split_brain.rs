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
