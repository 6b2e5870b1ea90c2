//! A server of scripted answers that remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};

pub(super) const TOKEN: &str = "/api/ts/v1/oauth2/token";
pub(super) const LOGIN: &str = "/api/m2m/v1/session/login";
pub(super) const ACTIVATE: &str = "/api/m2m/v1/devices/profile/actions/activate";
pub(super) const LIST: &str = "/api/m2m/v1/devices/actions/list";

/// One scripted answer.
#[derive(Clone, Default)]
pub(super) struct Say {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) header: Option<(&'static str, String)>,
    pub(super) after: Duration,
    /// Ends the connection in the middle of the body.
    pub(super) cut: bool,
}

pub(super) fn say(status: u16, body: impl ToString) -> Say {
    Say { status, body: body.to_string(), ..Say::default() }
}

/// One request, as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: http::HeaderMap,
    pub(super) body: String,
    /// How many requests to the same path came before.
    pub(super) nth: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(super) struct Fake {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Answers as `script` says, and where it says nothing, as a ThingSpace in good health.
    pub(super) async fn start(script: impl Fn(&Seen) -> Option<Say> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, journal) = (Arc::new(script), Arc::clone(&seen));
        let router = Router::new().fallback(move |request: Request| {
            let (script, journal) = (Arc::clone(&script), Arc::clone(&journal));
            async move {
                let seen = note(request, &journal).await;
                answer(script(&seen).unwrap_or_else(|| healthy(&seen))).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    pub(super) fn api(&self) -> String {
        format!("http://{}/api", self.address)
    }

    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.seen(path).len()
    }
}

async fn note(request: Request, journal: &Mutex<Vec<Seen>>) -> Seen {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut journal = journal.lock().unwrap();
    let path = parts.uri.path().to_owned();
    let nth = journal.iter().filter(|seen| seen.path == path).count();
    let body = String::from_utf8(body.to_vec()).unwrap();
    journal.push(Seen { method: parts.method.to_string(), path, headers: parts.headers, body, nth });
    journal[journal.len() - 1].clone()
}

async fn answer(say: Say) -> Response {
    tokio::time::sleep(say.after).await;
    let mut response = Response::builder().status(say.status);
    if let Some((name, value)) = say.header {
        response = response.header(name, value);
    }
    let body = match say.cut {
        false => Body::from(say.body),
        true => Body::from_stream(stream::iter([Ok(say.body), Err(std::io::Error::other("cut"))])),
    };
    response.body(body).unwrap()
}

fn healthy(seen: &Seen) -> Say {
    let body = match seen.path.as_str() {
        TOKEN => {
            json!({"access_token": format!("token-{}", seen.nth), "token_type": "Bearer", "expires_in": 3600})
        }
        LOGIN => json!({"sessionToken": format!("session-{}", seen.nth)}),
        ACTIVATE => json!({"requestId": format!("request-{}", seen.nth)}),
        _ => json!({}),
    };
    say(200, body)
}
