//! An answer before it goes on the wire: complete in memory, so that a fault can still lose, slow or replace it.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Status, headers and body of an answer, and what the journal notes of it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// The request that was minted or asked for.
    pub request_id: Option<String>,
    retry_after: Option<u64>,
    content_type: &'static str,
    body: Bytes,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Our own models and values always serialize.
        Self::new(status, "application/json;charset=UTF-8", serde_json::to_vec(body).unwrap_or_default())
    }

    /// A JSON answer with status 200.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// An XML answer.
    #[must_use]
    pub fn xml(status: StatusCode, body: String) -> Self {
        Self::new(status, "application/xml; charset=UTF-8", body)
    }

    /// An HTML page, as proxies in between answer.
    #[must_use]
    pub fn html(status: StatusCode, title: &str) -> Self {
        let body = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
        Self::new(status, "text/html", body)
    }

    /// Status 200 and nothing else.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(StatusCode::OK, "application/json;charset=UTF-8", "")
    }

    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, request_id: None, retry_after: None, content_type, body: body.into() }
    }

    /// Notes the request for the journal.
    #[must_use]
    pub fn about(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Says after how many seconds to come again.
    #[must_use]
    pub const fn after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }

    /// The body.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer with its body given otherwise, as a stream.
    #[must_use]
    pub fn with_body(self, body: Body) -> Response {
        let mut response = body.into_response();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let body = Body::from(self.body.clone());
        self.with_body(body)
    }
}
