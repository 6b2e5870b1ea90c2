//! A client of ThingSpace and a listener for its callbacks, over real HTTP.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use euicc_operator::simulator::{Config, Simulator, journal::Entry};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "0000123456-00001";
pub const EID: &str = "89034011560010000000000000000121";
pub const IMEI: &str = "490154203237518";
pub const ACTIVATE: &str = "/m2m/v1/devices/profile/actions/activate";

/// A simulator, and a client that has logged in.
pub struct Platform {
    pub simulator: Simulator,
    pub http: reqwest::Client,
    pub bearer: String,
    pub session: String,
}

/// Waits for what must come, at most ten seconds.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come")
}

impl Platform {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        // Time runs fast, so what a test does not look at must not end in the middle of it.
        let month = Duration::from_secs(30 * 86_400);
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            time_scale: 1000.0,
            token_life: month,
            session_idle: month,
            ..Config::default()
        };
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut platform = Self { simulator, http, bearer: String::new(), session: String::new() };
        platform.log_in().await;
        platform
    }

    pub async fn token(&self) -> Response {
        let form = [("grant_type", "client_credentials")];
        let url = format!("{}/api/ts/v1/oauth2/token", self.simulator.url());
        self.http.post(url).basic_auth("sim-key", Some("sim-secret")).form(&form).send().await.unwrap()
    }

    pub async fn log_in(&mut self) {
        let token: Value = self.token().await.json().await.unwrap();
        self.bearer = token["access_token"].as_str().unwrap().to_owned();
        let login = self.login("sim-pass").await;
        assert_eq!(login.status(), 200);
        let session: Value = login.json().await.unwrap();
        self.session = session["sessionToken"].as_str().unwrap().to_owned();
    }

    pub async fn login(&self, password: &str) -> Response {
        let url = format!("{}/api/m2m/v1/session/login", self.simulator.url());
        let body = json!({"username": "sim-user", "password": password});
        self.http.post(url).bearer_auth(&self.bearer).json(&body).send().await.unwrap()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api{path}", self.simulator.url());
        self.http.request(method, url).bearer_auth(&self.bearer).header("VZ-M2M-Token", &self.session)
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.request(Method::POST, path).json(body).send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn admin(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/admin{path}", self.simulator.url());
        read(self.http.request(method, url).json(body).send().await.unwrap()).await
    }

    pub async fn listen(&self, listener: &Listener) {
        let body =
            json!({"name": "DeviceProfileService", "url": listener.url, "username": "callback", "password": "secret"});
        let (status, reply) = self.post(&format!("/m2m/v1/callbacks/{ACCOUNT}"), &body).await;
        assert_eq!((status, reply), (200, json!({"accountName": ACCOUNT, "serviceName": "DeviceProfileService"})));
    }

    pub async fn activate(&self) -> String {
        let (status, reply) = self.post(ACTIVATE, &activation(EID)).await;
        assert_eq!(status, 200, "{reply}");
        reply["requestId"].as_str().unwrap().to_owned()
    }

    pub fn fault(&self, spec: &str) {
        self.simulator.fault(spec).unwrap();
    }

    /// The state that the device list tells.
    pub async fn state(&self, eid: &str) -> Option<String> {
        let query = json!({"accountName": ACCOUNT, "deviceId": {"kind": "eid", "id": eid}});
        let (_, reply) = self.post("/m2m/v1/devices/actions/list", &query).await;
        reply["devices"][0]["carrierInformations"][0]["state"].as_str().map(str::to_owned)
    }

    /// The one journal entry of an activation.
    pub fn activations(&self) -> Vec<Entry> {
        self.simulator.journal("/actions/activate")
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

pub fn activation(eid: &str) -> Value {
    json!({
        "devices": [{"deviceIds": [{"kind": "eid", "id": eid}, {"kind": "imei", "id": IMEI}]}],
        "accountName": ACCOUNT, "carrierName": "Verizon Wireless", "servicePlan": "HybridESim", "mdnZipCode": "94105",
        "primaryPlaceOfUse": {
            "customerName": {"firstName": "Canaryfirst", "lastName": "Canarylast"},
            "address": {"addressLine1": "1 Canary St", "city": "San Francisco", "state": "CA", "zip": "94105", "country": "US"},
        },
    })
}

/// A callback listener that keeps what it gets and answers as it is told.
pub struct Listener {
    pub url: String,
    state: Arc<Mutex<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    messages: Vec<Value>,
    agents: Vec<String>,
    answers: VecDeque<(u16, Duration)>,
}

impl Listener {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(Inbox::default()));
        let router = Router::new().route("/v1/callbacks/fleet/verizon", post(receive)).with_state(state.clone());
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/callbacks/fleet/verizon", socket.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self { url, state }
    }

    /// How the next messages are answered; after that with 200.
    pub fn answer(&self, answers: &[(u16, Duration)]) {
        self.state.lock().unwrap().answers.extend(answers);
    }

    pub fn messages(&self) -> Vec<Value> {
        self.state.lock().unwrap().messages.clone()
    }

    pub fn agents(&self) -> Vec<String> {
        self.state.lock().unwrap().agents.clone()
    }

    pub async fn messages_of(&self, count: usize) -> Vec<Value> {
        eventually("a callback", async || Some(self.messages()).filter(|messages| messages.len() >= count)).await
    }
}

async fn receive(
    State(state): State<Arc<Mutex<Inbox>>>,
    headers: axum::http::HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    let (status, after) = {
        let mut inbox = state.lock().unwrap();
        inbox.messages.push(body);
        inbox.agents.push(headers["user-agent"].to_str().unwrap().to_owned());
        inbox.answers.pop_front().unwrap_or((200, Duration::ZERO))
    };
    tokio::time::sleep(after).await;
    StatusCode::from_u16(status).unwrap()
}
