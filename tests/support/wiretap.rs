//! Hears what the operator says to ThingSpace: the simulator's journal keeps no bodies, for they hold addresses.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::HOST},
    response::{IntoResponse, Response},
};
use reqwest::Client;
use serde_json::Value;

use super::{Simulator, http_client};

/// A proxy before a simulator, which writes down what passes.
#[derive(Clone)]
pub struct Wiretap {
    url: String,
    simulator: String,
    http: Client,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Wiretap {
    /// Listens in on what comes for `simulator`.
    pub async fn before(simulator: &Simulator) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tap = Self { url, simulator: simulator.url.clone(), http: http_client(), heard: Arc::default() };
        let app = Router::new().fallback(pass).with_state(tap.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        tap
    }

    /// Base of ThingSpace's API through this proxy, for `spec.endpoint`.
    pub fn endpoint(&self) -> String {
        format!("{}/api", self.url)
    }

    /// The JSON bodies that were sent to a path, by its end.
    pub fn heard(&self, path: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(p, _)| p.ends_with(path)).map(|(_, body)| body.clone()).collect()
    }
}

async fn pass(State(tap): State<Wiretap>, method: Method, uri: Uri, mut headers: HeaderMap, body: Bytes) -> Response {
    let json = serde_json::from_slice(&body).unwrap_or_default();
    tap.heard.lock().unwrap().push((uri.path().to_owned(), json));
    headers.remove(HOST);
    let request = tap.http.request(method, format!("{}{uri}", tap.simulator)).headers(headers).body(body);
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, content_type) = (answer.status(), answer.headers().get("content-type").cloned());
    let mut response = (status, answer.bytes().await.unwrap_or_default()).into_response();
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}
