//! What may be tuned of a client.

use std::time::Duration;

/// Time limits and bounds of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// For name lookup, TCP and TLS together. Default 10 s.
    pub connect_timeout: Duration,
    /// For a whole request, connection and answer included. Default 60 s, as the official SDK's (contract 4).
    pub request_timeout: Duration,
    /// The longest answer that is read. Default 4 MiB.
    pub body_limit: usize,
    /// How long before its end a bearer token is renewed. Default 3 min.
    pub renew_before: Duration,
    /// The shortest wait after a refused token request; doubles up to `token_backoff_max`. Default 1 min.
    pub token_backoff: Duration,
    /// The longest wait after refused token requests. Default 30 min.
    pub token_backoff_max: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            body_limit: 4 * 1024 * 1024,
            renew_before: Duration::from_secs(180),
            token_backoff: Duration::from_secs(60),
            token_backoff_max: Duration::from_secs(1800),
        }
    }
}
