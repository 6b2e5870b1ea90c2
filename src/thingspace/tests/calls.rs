//! Operations and what becomes of them.

use std::io::Read;
use std::net::TcpListener;

use serde_json::json;

use super::fake::{ACTIVATE, LIST, LOGIN, Say, TOKEN, say};
use super::*;

pub(super) fn ids() -> Vec<wire::DeviceId> {
    [("mdn", "1"), ("eid", "2"), ("imei", "3"), ("iccid", "4")]
        .map(|(kind, id)| wire::DeviceId { kind: kind.into(), id: id.into() })
        .to_vec()
}

#[tokio::test]
async fn every_operation_can_run_in_a_task_of_its_own() {
    fn task<T: Send + 'static>(_: impl Future<Output = T> + Send) {}
    let fake = Fake::start(|_| None).await;
    let (client, now) = (client(&fake), jiff::Timestamp::now());
    task(activate(&client));
    task(client.find_device(ACCOUNT, &ids()));
    task(client.history(&ids()[0], now, now));
    task(client.request_status(ACCOUNT, &RequestId::new("r").unwrap()));
    task(client.callbacks(ACCOUNT));
    task(client.logout());
    let own = client.clone();
    tokio::spawn(async move { activate(&own).await }).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_activation_that_is_answered_too_late_or_badly_has_an_unknown_outcome() {
    let cases = [
        Say { after: Duration::from_secs(5), ..say(200, json!({"requestId": "r"})) },
        Say { cut: true, ..say(200, r#"{"requestId":"#) },
        Say { cut: true, ..say(400, r#"{"errorCode":"#) },
        say(200, "<html>"),
        say(200, json!({"requestId": "x".repeat(65)})),
        say(200, "x".repeat(5 * 1024 * 1024)),
        say(500, ""),
        say(502, ""),
        say(524, ""),
    ];
    for case in cases {
        let status = case.status;
        let fake = Fake::start(move |seen| (seen.path == ACTIVATE).then(|| case.clone())).await;
        let error = activate(&client(&fake)).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{status}: {error:?}");
        assert_eq!(fake.count(ACTIVATE), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::start(|seen| {
        (seen.path == ACTIVATE).then(|| Say { header: Some(("location", "/api/elsewhere".into())), ..say(307, "") })
    })
    .await;
    let error = activate(&client(&fake)).await.unwrap_err();
    assert_eq!((error.outcome(), fake.count("/api/elsewhere")), (Outcome::Refused, 0));
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let fake = Fake::start(|seen| (seen.path == ACTIVATE).then(|| say(200, "x".repeat(2000)))).await;
    let config = ClientConfig { body_limit: 1000, ..config() };
    let client = client_with(&fake, Arc::new(MemoryLedger::default()), config);
    let CallError::Unknown { cause } = activate(&client).await.unwrap_err() else { panic!("it was read") };
    assert!(cause.contains("too long"), "{cause}");
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_again() {
    let fake = Fake::start(|seen| {
        (seen.path == ACTIVATE).then(|| Say { header: Some(("retry-after", "30".into())), ..say(429, "") })
    })
    .await;
    let error = activate(&client(&fake)).await.unwrap_err();
    let CallError::Later { code, retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!((code.raw.as_str(), retry_after), ("429", Some(Duration::from_secs(30))));
    assert_eq!(fake.count(ACTIVATE), 1);
}

/// A server that takes one connection, reads some of it and is gone.
fn hangs_up_after_reading() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}/api", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read(&mut [0; 64]);
        }
    });
    api
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_login_counted_as_failed() {
    let fake = Fake::start(|_| None).await;
    let ledger = Arc::new(MemoryLedger::default());
    let endpoint = Endpoint::new(&hangs_up_after_reading(), Some(&format!("{}/ts/v1", fake.api())), true).unwrap();
    let client = Client::new(endpoint, credentials("1"), ledger.clone(), config()).unwrap();
    let error = activate(&client).await.unwrap_err();
    assert!(
        matches!(
            &error,
            CallError::NotSent { cause: NotSent::Credentials(CredentialsProblem::LoginUnanswered { .. }) }
        ),
        "{error:?}"
    );
    assert_eq!(ledger.record().failed.len(), 1);
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent_and_no_login_is_counted() {
    let fake = Fake::start(|_| None).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let endpoint =
        Endpoint::new(&format!("http://{closed}/api"), Some(&format!("{}/ts/v1", fake.api())), true).unwrap();
    let client = Client::new(endpoint, credentials("1"), ledger.clone(), config()).unwrap();
    for _ in 0..3 {
        let error = activate(&client).await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent { cause: NotSent::Network(_) }), "{error:?}");
        assert!(error.to_string().contains("could not be reached"), "{error}");
    }
    assert!(ledger.record().failed.is_empty());
    assert_eq!(fake.count(TOKEN), 1);
}

#[tokio::test]
async fn a_server_without_tls_is_never_spoken_to_in_tls_terms() {
    let fake = Fake::start(|_| None).await;
    let endpoint = Endpoint::new(&fake.api().replace("http:", "https:"), None, false).unwrap();
    let client = Client::new(endpoint, credentials("1"), Arc::new(MemoryLedger::default()), config()).unwrap();
    let error = activate(&client).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { cause: NotSent::Network(_) }), "{error:?}");
    assert_eq!(fake.count(TOKEN), 0);
}

#[tokio::test]
async fn a_requests_status_is_asked_of_v2_and_then_of_v1() {
    let request = RequestId::new("r-1").unwrap();
    let path = |version: &str| format!("/api/m2m/{version}/accounts/{ACCOUNT}/requests/r-1/status");
    let (v1, v2) = (path("v1"), path("v2"));
    let sub = json!({"requestId": "r-1", "status": "Success", "subRequests": [
        {"ids": [{"kind": "Imei", "id": "3"}], "status": "Success"},
        {"ids": {"kind": "Imei", "id": "4"}, "status": "Failed"},
    ]});
    let fake = Fake::start({
        let v2 = v2.clone();
        move |seen| (seen.path == v2).then(|| say(200, &sub))
    })
    .await;
    let progress = client(&fake).request_status(ACCOUNT, &request).await.unwrap();
    assert_eq!((progress.overall, fake.count(&v1)), (Progress::Succeeded, 0));
    let devices: Vec<Progress> = progress.devices.iter().map(|device| device.progress).collect();
    assert_eq!(devices, [Progress::Succeeded, Progress::Failed]);

    let fake = Fake::start({
        let v2 = v2.clone();
        move |seen| {
            let gone = seen.path == v2;
            Some(say(if gone { 404 } else { 200 }, json!({"requestId": "r-1", "status": "Pending"})))
                .filter(|_| seen.path.ends_with("/status"))
        }
    })
    .await;
    let progress = client(&fake).request_status(ACCOUNT, &request).await.unwrap();
    assert_eq!((progress.overall, fake.count(&v2)), (Progress::Pending, 1));

    let fake = Fake::start(|seen| seen.path.ends_with("/status").then(|| say(400, ""))).await;
    let progress = client(&fake).request_status(ACCOUNT, &request).await.unwrap();
    assert_eq!((progress.overall, fake.count(&v1), fake.count(&v2)), (Progress::NotKnown, 1, 1));

    let fake = Fake::start(|seen| seen.path.ends_with("/status").then(|| say(503, ""))).await;
    assert!(client(&fake).request_status(ACCOUNT, &request).await.is_err());
}

#[tokio::test]
async fn registrations_come_as_a_list_as_one_or_as_nothing() {
    let path = format!("/api/m2m/v1/callbacks/{ACCOUNT}");
    let one = json!({"accountName": ACCOUNT, "serviceName": "DeviceProfileService", "url": "https://a/"});
    for (body, count) in [(json!([one, one]).to_string(), 2), (one.to_string(), 1), (String::new(), 0)] {
        let path = path.clone();
        let fake = Fake::start(move |seen| (seen.path == path).then(|| say(200, &body))).await;
        assert_eq!(client(&fake).callbacks(ACCOUNT).await.unwrap().len(), count);
    }
    let fake = Fake::start(|_| None).await;
    let registration = wire::RegisterCallback {
        name: wire::PROFILE_SERVICE.into(),
        url: "https://a/".into(),
        username: None,
        password: None,
    };
    client(&fake).register_callback(ACCOUNT, &registration).await.unwrap();
    assert_eq!(fake.seen(&path)[0].json(), json!({"name": "DeviceProfileService", "url": "https://a/"}));
    client(&fake).deregister_callback(ACCOUNT, wire::PROFILE_SERVICE).await.unwrap();
    assert_eq!(fake.seen(&format!("{path}/name/DeviceProfileService"))[0].method, "DELETE");
}

#[tokio::test]
async fn a_name_that_would_lead_to_another_path_is_not_sent() {
    let fake = Fake::start(|_| None).await;
    let client = client(&fake);
    for account in ["", ".", ".."] {
        let error = client.plans(account).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent { cause: NotSent::Request(_) }));
    }
    client.account("a/b?c").await.unwrap();
    assert_eq!(fake.count("/api/m2m/v1/accounts/a%2Fb%3Fc"), 1);
}

#[tokio::test]
async fn each_call_is_reported_with_its_outcome() {
    let fake = Fake::start(|seen| (seen.path == LIST).then(|| say(500, ""))).await;
    let reports = Arc::new(Reports::default());
    let client = client(&fake).with_observer(reports.clone());
    activate(&client).await.unwrap();
    assert_eq!(reports.take(), [("token", Outcome::Done), ("login", Outcome::Done), ("activate", Outcome::Done)]);
    client.find_device(ACCOUNT, &ids()).await.unwrap_err();
    assert_eq!(reports.take(), [("find_device", Outcome::Unknown)]);
    let blocked = Fake::start(|seen| (seen.path == LOGIN).then(|| say(400, ""))).await;
    let client = super::client(&blocked).with_observer(reports.clone());
    client.plans(ACCOUNT).await.unwrap_err();
    assert_eq!(reports.take(), [("token", Outcome::Done), ("login", Outcome::NotSent), ("plans", Outcome::NotSent)]);
}
