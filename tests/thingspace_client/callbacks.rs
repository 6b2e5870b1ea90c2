//! What ThingSpace delivers, as the client reads it.

use std::time::Duration;

use euicc_operator::simulator::Config;
use euicc_operator::thingspace::wire::{self, RegisterCallback};
use euicc_operator::thingspace::{CallbackMessage, Verdict};
use rstest::rstest;
use secrecy::ExposeSecret;

use super::scene::{ACCOUNT, scene_of, settings};

/// What ThingSpace delivers for one activation.
async fn delivered(faults: &[&str]) -> CallbackMessage {
    let (sender, mut bodies) = tokio::sync::mpsc::channel(8);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receive = move |body: String| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(body).await;
        }
    };
    let router = axum::Router::new().fallback(receive);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let scene = scene_of(
        Config { any_callback_port: true, activation_time: Duration::from_millis(50), ..settings() },
        "sim-pass",
        "sim-secret",
    )
    .await;
    let registration = RegisterCallback {
        name: wire::PROFILE_SERVICE.into(),
        url,
        username: Some("u".into()),
        password: Some("p".into()),
    };
    scene.client.register_callback(ACCOUNT, &registration).await.unwrap();
    for fault in faults {
        scene.thingspace.fault(fault).unwrap();
    }
    let request = scene.activate().await.unwrap();
    let body = tokio::time::timeout(Duration::from_secs(10), bodies.recv()).await.unwrap().unwrap();
    let message = CallbackMessage::parse(body.as_bytes()).unwrap();
    assert_eq!(message.request_id.as_ref(), Some(&request), "{body}");
    message
}

#[rstest]
#[case("callback:pascal")]
#[case("callback:strings")]
#[case("callback:odd-kind")]
#[case("callback:extra")]
#[case("callback:array")]
#[case("callback:profile=NOT_DOWNLOADED")]
#[case("callback:address-failed")]
#[tokio::test]
async fn a_success_is_read_in_every_spelling(#[case] fault: &str) {
    let message = delivered(&[fault]).await;
    assert_eq!(message.verdict, Verdict::Success);
    assert!(["eid", "imei", "iccid", "mdn"].iter().all(|kind| message.device_ids.iter().any(|id| id.kind == *kind)));
    assert_eq!((message.callback_count, message.max_callback_threshold), (Some(1), Some(4)));
    assert_eq!(message.credentials.password.expose_secret(), "p");
}

#[tokio::test]
async fn a_bare_success_is_still_one() {
    assert_eq!(delivered(&["callback:bare"]).await.verdict, Verdict::Success);
}

#[tokio::test]
async fn a_warning_is_not_final_and_both_failures_are() {
    assert!(matches!(delivered(&["callback:warning"]).await.verdict, Verdict::Warning { .. }));
    assert!(matches!(delivered(&["callback:failed"]).await.verdict, Verdict::Failure { .. }));
    let refused = delivered(&["callback:error=REQUEST_FAILED.DeviceAlreadyActive"]).await.verdict;
    let Verdict::Failure { code: Some(code), .. } = refused else { panic!("{refused:?}") };
    assert!(code.is("REQUEST_FAILED.DeviceAlreadyActive"));
}
