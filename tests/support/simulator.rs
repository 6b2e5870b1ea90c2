//! The simulated ThingSpace, as a process with an admin API.

use std::process::Command;

use euicc_operator::thingspace::wire::DeviceId;
use reqwest::{Client, Method, RequestBuilder};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Process, SHORT, fixtures, operator::defaults};

/// Path of the request that starts a bill.
pub const ACTIVATE: &str = "/devices/profile/actions/activate";

/// Flags with which no request comes to its end before [`Simulator::let_finish`]. Like [`QUICK`], what a slow machine
/// could not take in time is delivered again soon.
pub const HELD: &[&str] = &["--activation-time", "10m", "--callback-retries", "observed"];
/// Flags with which requests come to their end at once.
pub const QUICK: &[&str] = &["--activation-time", "50ms", "--callback-retries", "observed"];
/// Shows nobody its plans and pools, so that a wrong one is refused only when it is sent.
pub const CLOSED_BOOKS: &[&str] = &["--fault", "account:status=500", "--fault", "plans:status=500"];

/// A ThingSpace of its own for one test.
pub struct Simulator {
    /// For its output, and for killing it.
    pub process: Process,
    /// `http://127.0.0.1:PORT`; ThingSpace's API is below `/api`.
    pub url: String,
    http: Client,
}

/// One line of its journal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Simulated time, RFC 3339.
    pub at: String,
    /// `in`: a request to ThingSpace; `out`: a callback that it delivered.
    pub direction: String,
    /// HTTP method.
    pub method: String,
    /// Path of a request, address of a delivery.
    pub path: String,
    /// Billing account, where one is named.
    pub account: Option<String>,
    /// The devices that are named.
    #[serde(default)]
    pub device_ids: Vec<DeviceId>,
    /// HTTP status; none: no answer (yet).
    pub status: Option<u16>,
    /// The request that was minted, asked for or reported.
    pub request_id: Option<String>,
    /// The fault that was injected.
    pub fault: Option<String>,
}

impl Entry {
    /// Whether it names this device.
    pub fn is_about(&self, id: &str) -> bool {
        self.device_ids.iter().any(|device| device.id == id)
    }
}

impl Simulator {
    /// Starts one with further flags; without `--listen`, on a free port.
    pub async fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thingspace-simulator"));
        command.args(defaults(flags, &["--listen"])).args(flags);
        let mut process = Process::start("thingspace-simulator", &command);
        let url = process.word_after("listening on ", SHORT).await;
        Self { process, url, http: http_client() }
    }

    /// Base of its ThingSpace API, for `spec.endpoint`.
    pub fn endpoint(&self) -> String {
        format!("{}/api", self.url)
    }

    /// Every request and delivery so far, in the order of arrival.
    pub async fn journal(&self) -> Vec<Entry> {
        self.get("/admin/journal").await
    }

    /// The requests to activate so far, accepted or not.
    pub async fn activate_posts(&self) -> Vec<Entry> {
        let is_activate = |e: &Entry| e.direction == "in" && e.method == "POST" && e.path.ends_with(ACTIVATE);
        self.journal().await.into_iter().filter(is_activate).collect()
    }

    /// The callbacks delivered so far, taken or not.
    pub async fn deliveries(&self) -> Vec<Entry> {
        self.journal().await.into_iter().filter(|e| e.direction == "out").collect()
    }

    /// The logins tried so far.
    pub async fn logins(&self) -> Vec<Entry> {
        self.journal().await.into_iter().filter(|e| e.path.ends_with("/session/login")).collect()
    }

    /// Forgets the journal so far.
    pub async fn clear_journal(&self) {
        self.call(Method::DELETE, "/admin/journal", Value::Null).await;
    }

    /// Adds a fault, in the syntax of `--fault`.
    pub async fn fault(&self, spec: &str) {
        self.call(Method::POST, "/admin/faults", json!(spec)).await;
    }

    /// Takes all faults away.
    pub async fn clear_faults(&self) {
        self.call(Method::DELETE, "/admin/faults", Value::Null).await;
    }

    /// Moves its clock forward.
    pub async fn advance(&self, seconds: u64) {
        self.call(Method::POST, "/admin/clock", json!({ "advanceSeconds": seconds })).await;
    }

    /// Brings what was accepted so far to its end; see [`HELD`].
    pub async fn let_finish(&self) {
        self.advance(600).await;
    }

    /// Delivers the callbacks of a request once more, as Verizon's support does.
    pub async fn resend(&self, request_id: &str) {
        self.call(Method::POST, "/admin/resend", json!({ "requestId": request_id })).await;
    }

    /// Its stock of devices.
    pub async fn devices(&self) -> Value {
        self.get("/admin/devices").await
    }

    /// Puts devices into its stock.
    pub async fn put_devices(&self, devices: Value) {
        self.call(Method::PUT, "/admin/devices", devices).await;
    }

    /// Puts accounts into its books.
    pub async fn put_accounts(&self, accounts: Value) {
        self.call(Method::PUT, "/admin/accounts", accounts).await;
    }

    /// Changes the password of its user, as at Verizon's portal: who is logged in stays so.
    pub async fn rotate(&self, password: &str) {
        self.call(Method::PUT, "/admin/user", json!({ "password": password })).await;
    }

    /// Ends all sessions.
    pub async fn drop_sessions(&self) {
        self.call(Method::DELETE, "/admin/sessions", Value::Null).await;
    }

    /// Calls ThingSpace's own API, as another system of the customer would: `path` follows `/api/m2m/v1`.
    pub async fn thingspace(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let token = self.http.post(format!("{}/ts/v1/oauth2/token", self.endpoint()));
        let token = token.basic_auth("sim-key", Some("sim-secret")).form(&[("grant_type", "client_credentials")]);
        let token = string_field(token, "access_token").await;
        let api = format!("{}/m2m/v1", self.endpoint());
        let user = json!({"username": "sim-user", "password": fixtures::LOGIN_PASSWORD});
        let login = self.http.post(format!("{api}/session/login")).bearer_auth(&token).json(&user);
        let session = string_field(login, "sessionToken").await;
        let call = self.http.request(method, format!("{api}{path}")).bearer_auth(token).header("VZ-M2M-Token", session);
        let answer = call.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let body = self.call(Method::GET, path, Value::Null).await;
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> String {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("simulator, {method} {path}: {e}"));
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "simulator, {method} {path}: {status}: {text}");
        text
    }
}

async fn string_field(request: RequestBuilder, field: &str) -> String {
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    answer[field].as_str().unwrap_or_else(|| panic!("no {field}: {answer}")).to_owned()
}

/// For loopback only: no proxy, no TLS of its own making.
pub fn http_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}
