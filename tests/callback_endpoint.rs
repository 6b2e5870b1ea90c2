//! The callback endpoint believes only who knows the password, and answers everybody else with nothing.

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::{HELD, LONG, Scene, eventually, fixtures, holds, http_client, status};

#[tokio::test]
async fn only_who_knows_the_password_is_believed() {
    let scene = Scene::start("door", HELD, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let waiting = scene.namespace.until_reason("forklift", "AwaitingResult").await;
    let request_id = status(&waiting).request_id.unwrap();
    let door = Door { http: http_client(), url: scene.callback.url(&scene.namespace, fixtures::CONNECTION) };
    let failure = |username: &str, password: &str| failed(&waiting.spec.devices[0], &request_id, username, password);

    for (username, password) in [
        ("verizon", "wrong"),
        ("wrong", fixtures::CALLBACK_PASSWORD),
        ("verizon", ""),
        ("", ""),
        ("sim-user", fixtures::LOGIN_PASSWORD),
        ("verizon", &fixtures::CALLBACK_PASSWORD[..10]),
    ] {
        assert_eq!(door.knock(&failure(username, password)).await, (401, String::new()), "{username} {password}");
    }
    let mut anonymous = failure("", "");
    anonymous.as_object_mut().unwrap().retain(|key, _| key != "username" && key != "password");
    assert_eq!(door.knock(&anonymous).await.0, 401);
    for other in ["no-such-connection", "thingspace-callback"] {
        let door = Door { http: http_client(), url: scene.callback.url(&scene.namespace, other) };
        assert_eq!(door.knock(&failure("verizon", fixtures::CALLBACK_PASSWORD)).await, (401, String::new()), "{other}");
    }
    let now = scene.namespace.activation("forklift").await;
    assert_eq!(now.metadata.resource_version, waiting.metadata.resource_version, "nothing was believed");
    let refused = scene.callback.admin.metric("euicc_callbacks_total", &[r#"outcome="unauthorized""#]).await;
    assert_eq!(refused, 9.0);

    assert_eq!(door.knock(&failure("verizon", fixtures::CALLBACK_PASSWORD)).await, (200, String::new()));
    scene.namespace.until("forklift", "believed", |o| holds(o, "Stalled")).await;
}

#[tokio::test]
async fn what_is_no_callback_is_refused_and_what_is_nobodys_is_acknowledged() {
    let scene = Scene::start("noise", HELD, &[]).await;
    let door = Door { http: http_client(), url: scene.callback.url(&scene.namespace, fixtures::CONNECTION) };
    for body in ["", "hello", "{", "[]", "null", r#"{"username": 7"#] {
        assert_eq!(door.answer(door.http.post(&door.url).body(body)).await, (400, String::new()), "{body}");
    }
    assert_eq!(door.answer(door.http.get(&door.url)).await.0, 405);
    assert_eq!(door.answer(door.http.post(format!("{}/more", door.url))).await.0, 404);

    // Another system's request, or one whose resource is gone: to send it again would not help.
    let device = fixtures::device();
    let nobodys = failed(&device, "00000000-0000-4000-8000-000000000000", "verizon", fixtures::CALLBACK_PASSWORD);
    assert_eq!(door.knock(&nobodys).await.0, 200);
    let unmatched = scene.callback.admin.metric("euicc_callbacks_total", &[r#"outcome="unmatched""#]).await;
    assert_eq!(unmatched, 1.0);

    let huge = door.http.post(&door.url).body(format!(r#"{{"username": "{}"}}"#, "x".repeat(4 << 20)));
    // It is not read to its end, so that the answer may be cut off.
    assert!(huge.send().await.map_or(true, |answer| answer.status() == 413));
}

#[tokio::test]
async fn the_previous_password_is_believed_as_long_as_the_secret_holds_it() {
    let scene = Scene::start("previous", HELD, &[]).await;
    let door = Door { http: http_client(), url: scene.callback.url(&scene.namespace, fixtures::CONNECTION) };
    let (device, id) = (fixtures::device(), "00000000-0000-4000-8000-000000000000");
    let until = async |password: &str, expected: u16| {
        eventually(&format!("{password} is answered with {expected}"), LONG, async || {
            let status = door.knock(&failed(&device, id, "verizon", password)).await.0;
            if status == expected { Ok(()) } else { Err(status) }
        })
        .await;
    };
    let set = async |values: Value| {
        let patch = json!({"data": null, "stringData": values}).to_string();
        let args = ["patch", "secret", "thingspace-callback", "--type=merge", "--patch", &patch];
        scene.namespace.kubectl(&args).await.success();
    };
    until("first", 401).await;
    set(json!({"username": "verizon", "password": "second", "previousPassword": "first"})).await;
    until("first", 200).await;
    until("second", 200).await;
    set(json!({"username": "verizon", "password": "second"})).await;
    until("first", 401).await;
    until("second", 200).await;
}

struct Door {
    http: Client,
    url: String,
}

impl Door {
    async fn knock(&self, body: &Value) -> (u16, String) {
        self.answer(self.http.post(&self.url).json(body)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        let answer: Response = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// A message that says that the activation of a device has failed (contract 7.2).
pub fn failed(device: &euicc_operator::api::Device, request_id: &str, username: &str, password: &str) -> Value {
    json!({
        "username": username, "password": password, "requestId": request_id, "deviceIds": device.device_ids,
        "faultResponse": {"faultcode": "REQUEST_FAILED.DeviceNotFound", "faultstring": "The device was not found."},
        "status": "Failed", "callbackCount": 1, "maxCallbackThreshold": 4,
    })
}
