//! One HTTP exchange: no redirects, no retries, no endless answers.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Request, RequestBuilder, StatusCode, Url, redirect, retry};
use rustls::crypto::{CryptoProvider, ring};

use super::config::ClientConfig;
use super::endpoint::{Endpoint, EndpointError};
use super::error::{CallError, NotSent, Outcome};
use super::observer::{CallObserver, CallReport, Exchange};
use crate::text;

const USER_AGENT: &str = concat!("euicc-operator/", env!("CARGO_PKG_VERSION"));
/// Shorter than what servers usually allow: a request on a connection that the server has just given up would
/// end with its outcome unknown.
const IDLE: Duration = Duration::from_secs(15);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Sends requests to one endpoint, reads their answers and reports on calls.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    endpoint: Endpoint,
    body_limit: usize,
    pub(super) observer: Arc<dyn CallObserver>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum TransportError {
    /// Certain: nothing was written.
    NotSent(String),
    /// Everything else.
    Unknown(String),
}

/// A complete answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint, config: &ClientConfig) -> Result<Self, EndpointError> {
        if CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            let _ = ring::default_provider().install_default();
        }
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .pool_idle_timeout(IDLE)
            .redirect(redirect::Policy::none())
            .retry(retry::never());
        let certificates = endpoint.ca_bundle().iter().cloned();
        let builder = match endpoint.uses_tls() {
            true => builder.tls_certs_merge(certificates),
            false => builder.tls_certs_only(certificates),
        };
        let http = builder.build().map_err(|error| EndpointError::Setup(root_cause(&error)))?;
        Ok(Self { http, endpoint, body_limit: config.body_limit, observer: Arc::new(()) })
    }

    /// A request below the M2M base.
    pub(super) fn m2m(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        self.request(method, self.endpoint.m2m(segments))
    }

    /// A request below the OAuth base.
    pub(super) fn oauth2(&self, method: Method, action: &str) -> RequestBuilder {
        self.request(method, self.endpoint.oauth2(action))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).header(ACCEPT, "application/json")
    }

    /// Sends a request of the call `operation`.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Answer, TransportError> {
        let request = request.build().map_err(no_answer)?;
        let (method, url, begun) = (request.method().clone(), request.url().clone(), Instant::now());
        let answer = self.exchange(request).await;
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        self.observer.exchanged(Exchange { operation, method: &method, url: &url, status, elapsed: begun.elapsed() });
        answer
    }

    async fn exchange(&self, request: Request) -> Result<Answer, TransportError> {
        let mut response = self.http.execute(request).await.map_err(no_answer)?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > self.body_limit {
                return Err(TransportError::Unknown("ThingSpace's answer is too long to be read".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }

    /// Carries out `call` and reports on it.
    pub(super) async fn observed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        let result = call.await;
        let outcome = result.as_ref().err().map_or(Outcome::Done, CallError::outcome);
        let elapsed = begun.elapsed();
        tracing::debug!(operation, outcome = outcome.as_str(), ms = elapsed.as_millis() as u64, "called ThingSpace");
        self.observer.observe(CallReport { operation, outcome, elapsed });
        result
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(cause) => NotSent::Network(cause).into(),
            TransportError::Unknown(cause) => Self::Unknown { cause },
        }
    }
}

fn no_answer(error: reqwest::Error) -> TransportError {
    let root = root_cause(&error);
    if error.is_connect() {
        return TransportError::NotSent(format!("ThingSpace could not be reached: {root}"));
    }
    if error.is_builder() {
        return TransportError::NotSent(format!("the request could not be written: {root}"));
    }
    TransportError::Unknown(match error.is_timeout() {
        true => "ThingSpace's answer did not come in time".into(),
        false => format!("the connection broke before ThingSpace's answer was complete: {root}"),
    })
}

/// The innermost reason: the layers above it only say that they passed it on. Names no URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|cause| cause.source()) {
        cause = Some(deeper);
    }
    text::clean(&cause.map_or_else(|| "no further reason is known".into(), |cause| cause.to_string()))
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after(&header("7")), Some(Duration::from_secs(7)));
        let soon = (Timestamp::now() + Duration::from_secs(90)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let wait = retry_after(&header(&soon)).unwrap();
        assert!((85..=90).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
        assert_eq!(retry_after(&header("999999999")), Some(LONGEST_RETRY_AFTER));
    }
}
