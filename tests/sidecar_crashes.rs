//! Nothing that was acknowledged is lost when the sidecar, or the API server, dies in the middle of an answer.
#![cfg(feature = "fault-points")]

use crate::support::*;

/// Polling would make up for what is lost: it must not, here.
const NEVER_ASK: &[&str] = &["--poll-after", "1h"];

async fn struck(place: &str) -> (Scene, Callback) {
    let mut scene = Scene::start("sidecar", HELD, NEVER_ASK).await;
    let mut command = operator();
    command.env("EUICC_FAULT_POINT", format!("{place}=kill")).arg("callback");
    scene.callback.process.kill().await;
    let flags = ["--listen", &scene.callback.address, "--watch-namespace", &scene.namespace.name];
    let struck = Callback::start_as(&mut command, &flags).await;
    struck.admin.ready().await;
    (scene, struck)
}

#[tokio::test]
async fn an_answer_that_was_not_acknowledged_comes_again_and_one_that_was_is_written() {
    let places = ["write.Succeeded.before#1", "write.Succeeded.after#1", "answer.recorded#1"];
    for place in places {
        let (mut scene, mut sidecar) = struck(place).await;
        scene.namespace.create(&fixtures::activation("forklift", 1)).await;
        scene.namespace.until_reason("forklift", "AwaitingResult").await;
        scene.simulator.let_finish().await;
        sidecar.process.ended(LONG).await;
        let acknowledged = scene.simulator.deliveries().await.iter().any(|d| d.status == Some(200));
        let ready = holds(&scene.namespace.activation("forklift").await, "Ready");
        assert!(ready || !acknowledged, "{place}: acknowledged, but not written");
        scene.restart_callback().await;
        scene.callback.admin.ready().await;
        // ThingSpace tries again five minutes later, three times.
        scene.simulator.advance(301).await;
        scene.namespace.until("forklift", place, |o| holds(o, "Ready")).await;
    }
    reliability("sidecar-crashes", places.len(), places.len());
}
