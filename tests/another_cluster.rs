//! The old cluster is gone, and its manifests are applied to a new one: no line is activated twice, with or without the
//! status that the old one had. A namespace with a controller of its own, which sees nothing else, is a cluster here.

use crate::support::{
    CLOSED_BOOKS, Controller, HELD, LONG, Namespace, Scene, Simulator, control_plane, docs, eventually, fixtures,
    holds, status,
};

/// Asks soon, for nobody listens at the old cluster's callback URL any more.
const SOON: &[&str] = &["--poll-after", "1s", "--settle-time", "1s"];

#[tokio::test]
async fn manifests_without_status_find_their_lines_active_or_pending_and_adopt_them() {
    let old = Scene::start("old", HELD, &[]).await;
    let (done, pending) = (fixtures::activation("done", 1), fixtures::activation("pending", 1));
    old.namespace.create(&done).await;
    old.namespace.until_reason("done", "AwaitingResult").await;
    old.simulator.let_finish().await;
    old.namespace.wait("Ready", "euicc/done").await;
    old.namespace.create(&pending).await;
    old.namespace.until_reason("pending", "AwaitingResult").await;
    let simulator = lost(old).await;

    let new = Namespace::new("new").await;
    new.apply(&fixtures::connection(&simulator.endpoint(), None)).await;
    for manifest in [&done, &pending] {
        new.apply(&fixtures::yaml(manifest)).await;
    }
    let _controller = Controller::start(&new, SOON).await;
    let asked = async || simulator.activate_posts().await.len() == 4;
    eventually("each is sent once more, and ThingSpace refuses it or will", LONG, asked).await;
    let ready = async |name: &str| {
        eventually(&format!("{name} is ready"), LONG, async || {
            simulator.let_finish().await;
            let object = new.activation(name).await;
            if holds(&object, "Ready") { Ok(()) } else { Err(status(&object)) }
        })
        .await;
    };
    ready("done").await;
    ready("pending").await;
    assert_eq!(activations(&simulator).await, 2, "no second bill");
    assert_eq!(simulator.activate_posts().await.len(), 4, "and no third request");
}

#[tokio::test]
async fn objects_that_are_restored_with_their_status_go_on_where_they_were_and_only_failed_ones_are_sent() {
    let old = Scene::start("backup", &[HELD, CLOSED_BOOKS].concat(), SOON).await;
    old.namespace.create(&fixtures::activation("done", 1)).await;
    old.namespace.until_reason("done", "AwaitingResult").await;
    old.simulator.let_finish().await;
    old.namespace.wait("Ready", "euicc/done").await;
    let mut refused = fixtures::activation("refused", 1);
    refused.spec.service_plan = Some("NoSuchPlan".into());
    old.namespace.create(&refused).await;
    old.namespace.wait("Stalled", "euicc/refused").await;
    old.namespace.create(&fixtures::activation("pending", 1)).await;
    old.namespace.until_reason("pending", "AwaitingResult").await;

    let folder = tempfile::tempdir().unwrap();
    let run = async |block: &str, namespace: &Namespace| {
        let script = docs::block("docs/operations.md", block).replace("-n fleet", &format!("-n {}", namespace.name));
        let mut shell = control_plane().program("sh");
        shell.args(["-euc", &script]).current_dir(folder.path());
        let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{block}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("backup", &old.namespace).await;
    let old_name = old.namespace.name.clone();
    let simulator = lost(old).await;
    let posts = simulator.activate_posts().await.len();

    let new = Namespace::new("restored").await;
    let backup = folder.path().join("fleet.yaml");
    let text = std::fs::read_to_string(&backup).unwrap().replace(&old_name, &new.name);
    std::fs::write(&backup, text).unwrap(); // only here: a new cluster has the same namespaces
    let connection = fixtures::connection(&simulator.endpoint(), None);
    let (secrets, _) = connection.rsplit_once("---").unwrap();
    new.apply(secrets).await;
    run("restore", &new).await;
    let _controller = Controller::start(&new, SOON).await;
    simulator.let_finish().await;
    new.wait("Ready", "euicc/pending").await;
    let seen = |o: &euicc_operator::api::EuiccActivation| {
        holds(o, "Ready") && status(o).observed_generation == o.metadata.generation
    };
    new.until("done", "ready, as it was", seen).await;
    let again = |o: &euicc_operator::api::EuiccActivation| {
        holds(o, "Stalled") && status(o).operation.is_some_and(|o| o.attempt == 2)
    };
    let refused = new.until("refused", "tried once more", again).await;
    let posts_since = simulator.activate_posts().await.split_off(posts);
    assert!(matches!(&posts_since[..], [one] if one.is_about(&fixtures::eid_of(&refused, 0))), "{posts_since:?}");
    assert_eq!(activations(&simulator).await, 2, "no second bill");
}

/// Everything of the old cluster is lost; Verizon remains.
async fn lost(scene: Scene) -> Simulator {
    let Scene { mut controller, mut callback, simulator, .. } = scene;
    controller.process.kill().await;
    callback.process.kill().await;
    simulator
}

/// How often any line was activated.
async fn activations(simulator: &Simulator) -> u64 {
    let devices = simulator.devices().await;
    devices.as_array().unwrap().iter().filter_map(|d| d["activations"].as_u64()).sum()
}
