//! A line belongs to one activation at a time.

use std::time::Duration;

use euicc_operator::api::EuiccActivation;
use kube::{Api, api::DeleteParams};

use crate::support::*;

fn condition(object: &EuiccActivation, type_: &str) -> Option<(String, String)> {
    let found = object.status.as_ref()?.conditions.iter().find(|c| c.type_ == type_ && c.status == "True")?;
    Some((found.reason.clone(), found.message.clone()))
}

/// Another resource for the same devices.
fn twin(object: &EuiccActivation, name: &str) -> EuiccActivation {
    let mut twin = object.clone();
    twin.metadata.name = Some(name.into());
    twin
}

async fn stalled(scene: &Scene, name: &str) -> (String, String) {
    eventually(&format!("{name} is stalled"), LONG, async || {
        let object = scene.namespace.activation(name).await;
        condition(&object, "Stalled").ok_or(object.status)
    })
    .await
}

async fn ready(scene: &Scene, name: &str) {
    eventually(&format!("{name} is ready"), LONG, async || {
        let object = scene.namespace.activation(name).await;
        condition(&object, "Ready").ok_or(object.status)
    })
    .await;
}

#[tokio::test]
async fn a_second_activation_of_an_active_device_is_not_sent_and_names_the_first() {
    let scene = Scene::start("second", &[], &[]).await;
    let first = fixtures::activation("first", 1);
    scene.namespace.create(&first).await;
    ready(&scene, "first").await;

    scene.namespace.create(&twin(&first, "second")).await;
    let (reason, message) = stalled(&scene, "second").await;
    assert_eq!(reason, "DeviceConflict");
    assert!(message.contains(&format!("{}/first", scene.namespace.name)), "{message}");
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn of_many_created_in_the_same_instant_one_is_sent_and_the_next_when_it_is_gone() {
    let scene = Scene::start("instant", &["--activation-time", "3s"], &[]).await;
    let names: Vec<String> = (0..8).map(|i| format!("twin-{i}")).collect();
    let model = fixtures::activation("model", 1);
    let objects: Vec<_> = names.iter().map(|name| twin(&model, name)).collect();
    futures::future::join_all(objects.iter().map(|o| scene.namespace.create(o))).await;

    let (mut owner, mut others) = (Vec::new(), Vec::new());
    for name in &names {
        let ended = eventually(&format!("{name} has ended"), LONG, async || {
            let object = scene.namespace.activation(name).await;
            condition(&object, "Ready").or(condition(&object, "Stalled")).ok_or(object.status)
        })
        .await;
        if ended.0 == "Activated" { owner.push(name) } else { others.push((name, ended)) }
    }
    assert_eq!(owner.len(), 1, "{others:?}");
    assert!(others.iter().all(|(_, (reason, _))| reason == "DeviceConflict"), "{others:?}");
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);

    // Whoever comes next finds the line active already: that is verified, and nothing is activated twice.
    let api: Api<EuiccActivation> = scene.namespace.activations();
    api.delete(owner[0], &DeleteParams::default()).await.unwrap();
    eventually("another one has taken over", LONG + Duration::from_secs(30), async || {
        for (name, _) in &others {
            if condition(&scene.namespace.activation(name).await, "Ready").is_some() {
                return Ok(());
            }
        }
        Err("nobody")
    })
    .await;
}

#[tokio::test]
async fn a_resource_that_is_replaced_while_it_is_being_sent_waits_for_that_request() {
    let scene = Scene::start("replaced", QUICK, &[]).await;
    scene.simulator.fault("activate:delay=10m,count=1").await;
    let manifest = fixtures::yaml(&fixtures::activation("forklift", 1));
    scene.namespace.apply(&manifest).await;
    eventually("it is being sent", LONG, async || scene.simulator.activate_posts().await.len() == 1).await;
    scene.namespace.kubectl_with(&["replace", "--force", "-f", "-"], &manifest).await.success();
    let held = scene.namespace.until_reason("forklift", "DeviceConflict").await;
    assert!(why(&held).1.contains("still on its way"), "{:?}", why(&held));
    assert_eq!(scene.simulator.activate_posts().await.len(), 1, "two at once would be two bills");

    scene.simulator.advance(600).await;
    ready(&scene, "forklift").await;
    let devices = scene.simulator.devices().await;
    let activations: u64 = devices.as_array().unwrap().iter().filter_map(|d| d["activations"].as_u64()).sum();
    assert_eq!(activations, 1, "{devices}");
}
