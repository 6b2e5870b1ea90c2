//! One token and one session for all callers (contract 2).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tracing::Instrument;

use super::config::ClientConfig;
use super::credentials::{Credentials, Redactor};
use super::error::{CallError, CredentialsProblem, NotSent};
use super::ledger::{LoginAttempt, LoginLedger, LoginOutcome, Reservation};
use super::pass::{Granted, Pass, State, TokenRefusal};
use super::reply::{AccessRefusal, Reply};
use super::transport::Transport;
use super::wire::{LoginRequest, SessionReply, TokenReply};

/// A year, in seconds: what a token is believed to live at most.
const LONGEST_LIFE: u64 = 365 * 24 * 3600;

/// Obtains, keeps and drops token and session; clones share them.
#[derive(Clone)]
pub(super) struct Auth {
    pub(super) transport: Transport,
    credentials: Credentials,
    ledger: Arc<dyn LoginLedger>,
    config: ClientConfig,
    state: Arc<Mutex<State>>,
    /// Counts renewals that failed.
    failures: Arc<AtomicU64>,
}

impl Auth {
    pub(super) fn new(
        transport: Transport,
        credentials: Credentials,
        ledger: Arc<dyn LoginLedger>,
        config: ClientConfig,
    ) -> Self {
        Self { transport, credentials, ledger, config, state: Arc::default(), failures: Arc::default() }
    }

    pub(super) fn credentials_version(&self) -> &str {
        &self.credentials.version
    }

    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(&self.credentials)
    }

    /// Token and session, obtained first where there are none. Callers who wait while another obtains them share
    /// what comes of it, be it a failure.
    pub(super) async fn pass(&self) -> Result<Pass, CallError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if let Some(pass) = state.pass(Instant::now()) {
            return Ok(pass);
        }
        if let Some(failure) = &state.last_failure
            && self.failures.load(Ordering::Acquire) != failures
        {
            return Err(failure.clone());
        }
        // A task of its own, which also holds the lock: a caller that gives up must not leave a login half done.
        let auth = self.clone();
        let renewal = async move {
            let renewed = auth.renew(&mut state).await;
            state.last_failure = renewed.as_ref().err().cloned();
            if renewed.is_err() {
                auth.failures.fetch_add(1, Ordering::Release);
            }
            renewed
        };
        let interrupted = |_| NotSent::Network("signing in to ThingSpace was interrupted".into());
        tokio::spawn(renewal.in_current_span()).await.map_err(interrupted)?
    }

    /// Forgets what was refused, unless it has been replaced since.
    pub(super) async fn discard(&self, pass: &Pass, refusal: AccessRefusal) {
        self.state.lock().await.discard(pass, refusal);
    }

    /// Forgets the session and gives what it takes to end it.
    pub(super) async fn take_session(&self) -> Option<Pass> {
        let mut state = self.state.lock().await;
        let session = state.session.take()?;
        let token = state.token.as_ref().map(|token| token.granted.clone());
        Some(Pass { token, session })
    }

    async fn renew(&self, state: &mut State) -> Result<Pass, CallError> {
        let mut token = self.token(state).await?;
        if let Some(session) = state.session.clone() {
            return Ok(Pass { token: Some(token), session });
        }
        let mut login = self.login(&token).await;
        if is_access_refused(&login) {
            state.token = None;
            token = self.token(state).await?;
            login = self.login(&token).await;
        }
        let session = login?;
        state.session = Some(session.clone());
        Ok(Pass { token: Some(token), session })
    }

    /// A token with some life left: where no new one is to be had, the old one to its end.
    async fn token(&self, state: &mut State) -> Result<Granted, CallError> {
        if let Some(token) = state.token.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.granted.clone());
        }
        let failure = match self.fetch_token(state).await {
            Ok(granted) => return Ok(granted),
            Err(failure) => failure,
        };
        let now = Instant::now();
        match state.token.as_mut().filter(|token| now < token.ends_at) {
            Some(token) => {
                token.renew_at = token.ends_at.min(now + self.config.renew_before / 4);
                Ok(token.granted.clone())
            }
            None => Err(failure),
        }
    }

    async fn fetch_token(&self, state: &mut State) -> Result<Granted, CallError> {
        let asked_at = Instant::now();
        if let Some(refusal) = state.refusal.as_ref().filter(|refusal| asked_at < refusal.until) {
            let (message, retry_in) = (refusal.message.clone(), refusal.until - asked_at);
            return Err(CredentialsProblem::TokenRefused { message, retry_in }.into());
        }
        let request = self.request_token(state.next_wait(&self.config));
        match self.transport.observed("token", request).await {
            Ok((token, life)) => {
                state.refusal = None;
                state.keep_token(token.clone(), life, asked_at, self.config.renew_before);
                Ok(token)
            }
            Err(error) => {
                if let Some(CredentialsProblem::TokenRefused { message, retry_in: wait }) = error.credentials_problem()
                {
                    let (message, wait) = (message.clone(), *wait);
                    state.refusal = Some(TokenRefusal { message, wait, until: Instant::now() + wait });
                }
                Err(error)
            }
        }
    }

    /// Contract 2.1. `wait` is what a refusal will cost.
    async fn request_token(&self, wait: Duration) -> Result<(Granted, Duration), CallError> {
        let not_issued = |error| match error {
            CallError::Unknown { cause } => NotSent::Network(format!("the token request failed: {cause}")).into(),
            error => error,
        };
        let Credentials { client_id, client_secret, .. } = &self.credentials;
        let request = self
            .transport
            .oauth2(Method::POST, "token")
            .basic_auth(client_id.expose_secret(), Some(client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials")]);
        let answer = self.transport.send("token", request).await.map_err(|error| not_issued(error.into()))?;
        let reply = Reply::new(answer, self.redactor());
        let issued = reply.json().and_then(|issued: TokenReply| {
            let life = Duration::from_secs(issued.expires_in.min(LONGEST_LIFE));
            let token = Granted::new("Bearer ", issued.access_token.into());
            Ok((token.ok_or_else(|| reply.unreadable())?, life))
        });
        issued.map_err(|error| match error {
            CallError::Refused { .. } | CallError::NotSent { .. } => {
                CredentialsProblem::TokenRefused { message: reply.message(), retry_in: wait }.into()
            }
            error => not_issued(error),
        })
    }

    /// Five failed logins lock the user (contract 2.2): none is begun that has not been counted first.
    async fn login(&self, token: &Granted) -> Result<Granted, CallError> {
        let attempt = LoginAttempt::new(&self.credentials.version);
        let reservation = self.ledger.reserve(&attempt).await.map_err(NotSent::Ledger)?;
        match reservation {
            Reservation::Granted => {}
            Reservation::Refused { reason } => {
                return Err(CredentialsProblem::LoginBlocked { reason }.into());
            }
        }
        let session = self.transport.observed("login", self.request_session(token)).await;
        let outcome = match &session {
            Ok(_) => LoginOutcome::Succeeded,
            Err(_) if is_access_refused(&session) => LoginOutcome::NotSent,
            Err(error) => match error.credentials_problem() {
                Some(problem) => LoginOutcome::Failed { reason: problem.to_string() },
                None => LoginOutcome::NotSent,
            },
        };
        if let Err(error) = self.ledger.settle(&attempt, &outcome).await {
            // Safe, since an unsettled login counts as failed; but it brings the breaker nearer.
            tracing::warn!(%error, "the outcome of a login could not be noted, so it stays counted as failed");
        }
        session
    }

    /// Contract 2.2. Every error but those of the credentials means that no password was looked at, and so does
    /// `AccessRefused`: the gateway did not take the token.
    async fn request_session(&self, token: &Granted) -> Result<Granted, CallError> {
        let unanswered = |error| match error {
            CallError::Unknown { cause } => CredentialsProblem::LoginUnanswered { message: cause }.into(),
            error => error,
        };
        let Credentials { username, password, .. } = &self.credentials;
        let (username, password) = (username.expose_secret().into(), password.expose_secret().into());
        let request = self
            .transport
            .m2m(Method::POST, &["v1", "session", "login"])
            .header(AUTHORIZATION, token.header.clone())
            .json(&LoginRequest { username, password });
        let answer = self.transport.send("login", request).await.map_err(|error| unanswered(error.into()))?;
        let reply = Reply::new(answer, self.redactor().and([token.secret.clone()]));
        let message = reply.message();
        let session = reply.json().and_then(|opened: SessionReply| {
            Granted::new("", opened.session_token.into()).ok_or_else(|| reply.unreadable())
        });
        let token_refused = reply.access_refusal().is_some_and(|refusal| refusal.token && refusal.named);
        match session {
            Ok(session) => Ok(session),
            Err(error) if reply.is_throttled() => Err(error),
            Err(error @ CallError::Unknown { .. }) => Err(unanswered(error)),
            Err(_) if token_refused => Err(CredentialsProblem::AccessRefused { message }.into()),
            Err(_) => Err(CredentialsProblem::LoginRefused { message }.into()),
        }
    }
}

/// Whether the gateway refused the token at login: user and password were not looked at.
fn is_access_refused(login: &Result<Granted, CallError>) -> bool {
    let problem = login.as_ref().err().and_then(CallError::credentials_problem);
    matches!(problem, Some(CredentialsProblem::AccessRefused { .. }))
}
