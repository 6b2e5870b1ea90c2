//! What the client holds of token and session (contract 2), and how long it is good.

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::config::ClientConfig;
use super::error::CallError;
use super::reply::AccessRefusal;

/// The header that carries the session.
const SESSION_HEADER: HeaderName = HeaderName::from_static("vz-m2m-token");
/// Kept between a token's last use and its end: requests take time.
const LAST_USE: Duration = Duration::from_secs(5);

/// What a request shows to be let in.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) token: Option<Granted>,
    pub(super) session: Granted,
}

/// A token or a session.
#[derive(Clone)]
pub(super) struct Granted {
    pub(super) secret: SecretString,
    pub(super) header: HeaderValue,
    id: Uuid,
}

/// Token and session as they stand, and what went wrong with them last.
#[derive(Default)]
pub(super) struct State {
    pub(super) token: Option<Token>,
    pub(super) session: Option<Granted>,
    pub(super) refusal: Option<TokenRefusal>,
    pub(super) last_failure: Option<CallError>,
}

/// The token, and when to replace it.
pub(super) struct Token {
    pub(super) granted: Granted,
    pub(super) renew_at: Instant,
    pub(super) ends_at: Instant,
}

/// The last answer to a token request was no.
pub(super) struct TokenRefusal {
    pub(super) message: String,
    pub(super) wait: Duration,
    pub(super) until: Instant,
}

impl Granted {
    /// `None`: the value does not fit a header.
    pub(super) fn new(prefix: &str, secret: SecretString) -> Option<Self> {
        let value = secret.expose_secret();
        let mut header = HeaderValue::from_str(&format!("{prefix}{value}")).ok().filter(|_| !value.is_empty())?;
        header.set_sensitive(true);
        Some(Self { header, id: Uuid::new_v4(), secret })
    }
}

impl Pass {
    /// The headers of a request.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let token = self.token.iter().map(|token| (AUTHORIZATION, token.header.clone()));
        token.chain([(SESSION_HEADER, self.session.header.clone())])
    }

    /// What must not be repeated.
    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.token.iter().chain([&self.session]).map(|granted| granted.secret.clone())
    }
}

impl State {
    /// What there is, if it is fresh.
    pub(super) fn pass(&self, now: Instant) -> Option<Pass> {
        let token = self.token.as_ref().filter(|token| now < token.renew_at)?;
        Some(Pass { token: Some(token.granted.clone()), session: self.session.clone()? })
    }

    /// Life is what the answer says (contract 2.1): a token that another client was issued before has less of it.
    pub(super) fn keep_token(&mut self, granted: Granted, life: Duration, asked_at: Instant, renew_before: Duration) {
        let ends_at = asked_at + life.saturating_sub(LAST_USE);
        // To renew one with less life than that would only bring the same token again.
        let renew_at = if life > renew_before { asked_at + (life - renew_before) } else { ends_at };
        self.token = Some(Token { granted, renew_at, ends_at });
    }

    /// Longer after each refusal: a wrong secret does not become right by asking.
    pub(super) fn next_wait(&self, config: &ClientConfig) -> Duration {
        let doubled = |refusal: &TokenRefusal| (refusal.wait * 2).min(config.token_backoff_max);
        self.refusal.as_ref().map_or(config.token_backoff, doubled)
    }

    /// Forgets what was refused, unless it has been replaced since.
    pub(super) fn discard(&mut self, pass: &Pass, refusal: AccessRefusal) {
        if refusal.token {
            let refused = pass.token.as_ref().map(|token| token.id);
            self.token.take_if(|token| Some(token.granted.id) == refused);
        }
        if refusal.session {
            self.session.take_if(|session| session.id == pass.session.id);
        }
    }
}
