//! Who may call: OAuth token and M2M session (contract section 2). Pure state; every method takes the time.

use std::{collections::HashMap, time::Duration};

use axum::http::StatusCode;
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{
    clock::{between, later},
    errors::Refusal,
};
use crate::thingspace::wire::{SessionReply, TokenReply};

/// Bad logins in a row that lock the user (contract section 2.2).
const LOCKED_AFTER: u32 = 5;

/// The key, the user, and what they hold.
pub struct Auth {
    /// OAuth key.
    pub client_id: String,
    /// OAuth secret.
    pub client_secret: String,
    /// UWS user.
    pub username: String,
    /// UWS password.
    pub password: String,
    /// How long a bearer token lives.
    pub token_life: Duration,
    /// How long a session lives without use.
    pub session_idle: Duration,
    /// Whether a login ends the user's other sessions.
    pub single_session: bool,
    token: Option<(String, Timestamp)>,
    // A session that went idle stays known: "expired" and "unknown" are different errors.
    sessions: HashMap<String, Timestamp>,
    failures: u32,
}

impl Auth {
    /// The key and the user as configured.
    #[must_use]
    pub fn new(config: &super::Config) -> Self {
        Self {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            username: config.username.clone(),
            password: config.password.clone(),
            token_life: config.token_life,
            session_idle: config.session_idle,
            single_session: config.single_session,
            token: None,
            sessions: HashMap::new(),
            failures: 0,
        }
    }

    /// Issues a bearer token, or the same one again with what is left of its life (contract section 2.1).
    pub fn token(&mut self, client: Option<(&str, &str)>, now: Timestamp) -> Result<TokenReply, Refusal> {
        self.client(client)?;
        let (token, expires) = match self.token.take().filter(|(_, expires)| *expires > now) {
            Some(live) => live,
            None => (Uuid::new_v4().simple().to_string(), later(now, self.token_life)),
        };
        self.token = Some((token.clone(), expires));
        let left = between(now, expires).as_secs();
        Ok(TokenReply {
            access_token: token,
            token_type: "Bearer".into(),
            expires_in: left,
            scope: Some("default".into()),
        })
    }

    /// Ends a bearer token; an unknown one is not an error.
    pub fn revoke(&mut self, client: Option<(&str, &str)>, token: &str) -> Result<(), Refusal> {
        self.client(client)?;
        self.token.take_if(|(live, _)| same(live, token));
        Ok(())
    }

    fn client(&self, client: Option<(&str, &str)>) -> Result<(), Refusal> {
        match client {
            Some((id, secret)) if same(id, &self.client_id) && same(secret, &self.client_secret) => Ok(()),
            _ => Err(Refusal::OAuth {
                status: StatusCode::UNAUTHORIZED,
                error: "invalid_client",
                description: "Client Authentication failed.",
            }),
        }
    }

    /// Checks the bearer token of a call.
    pub fn bearer(&self, token: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let token = token.ok_or(Refusal::BEARER_MISSING)?;
        match &self.token {
            Some((live, expires)) if same(live, token) && *expires > now => Ok(()),
            _ => Err(Refusal::BEARER_INVALID),
        }
    }

    /// Starts a session; five wrong passwords in a row lock the user until support unlocks it.
    pub fn login(&mut self, username: &str, password: &str, now: Timestamp) -> Result<SessionReply, Refusal> {
        let wrong = || Refusal::code("INPUT_INVALID.Password.Invalid", "The username or password is not valid.");
        if username != self.username {
            return Err(wrong());
        }
        if self.locked() {
            return Err(Refusal::code("REQUEST_FAILED.User.Locked", "The user is locked. Contact Verizon support."));
        }
        if !same(password, &self.password) {
            self.failures += 1;
            return Err(wrong());
        }
        self.failures = 0;
        if self.single_session {
            self.sessions.clear();
        }
        let session_token = Uuid::new_v4().to_string();
        self.sessions.insert(session_token.clone(), now);
        Ok(SessionReply { session_token })
    }

    /// Checks the session of a call and prolongs it.
    pub fn session(&mut self, token: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let token = token.ok_or_else(|| {
            Refusal::code("REQUEST_FAILED.SessionToken.Format", "The VZ-M2M-Token header is missing.")
        })?;
        let used = self
            .sessions
            .get_mut(token)
            .ok_or_else(|| Refusal::code("INPUT_INVALID.SessionToken.Invalid", "The session token is not valid."))?;
        if between(*used, now) >= self.session_idle {
            return Err(Refusal::code("REQUEST_FAILED.SessionToken.Expired", "The session token has expired."));
        }
        *used = now;
        Ok(())
    }

    /// Ends a session that [`Auth::session`] has admitted.
    pub fn logout(&mut self, token: &str) -> SessionReply {
        self.sessions.remove(token);
        SessionReply { session_token: token.to_owned() }
    }

    /// Whether too many logins have failed.
    #[must_use]
    pub const fn locked(&self) -> bool {
        self.failures >= LOCKED_AFTER
    }

    /// What Verizon's support does after a lockout.
    pub const fn unlock(&mut self) {
        self.failures = 0;
    }

    /// Ends every session, as a maintenance at Verizon would.
    pub fn drop_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Ends the bearer token before its time.
    pub fn drop_token(&mut self) {
        self.token = None;
    }
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> (Auth, Timestamp) {
        (Auth::new(&super::super::Config::default()), Timestamp::UNIX_EPOCH)
    }

    const CLIENT: Option<(&str, &str)> = Some(("sim-key", "sim-secret"));

    fn code(refusal: Refusal) -> String {
        match refusal {
            Refusal::Code { code, .. } => code,
            Refusal::Fault { code, .. } => code.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_token_is_served_with_what_is_left_of_its_life() {
        let (mut auth, start) = auth();
        let first = auth.token(CLIENT, start).unwrap();
        let later_on = later(start, Duration::from_secs(600));
        let second = auth.token(CLIENT, later_on).unwrap();
        assert!(first.access_token == second.access_token);
        assert_eq!((first.expires_in, second.expires_in), (3600, 3000));
        let expired = later(start, Duration::from_secs(3600));
        assert_eq!(code(auth.bearer(Some(&first.access_token), expired).unwrap_err()), "900901");
        assert!(auth.token(CLIENT, expired).unwrap().access_token != first.access_token);
    }

    #[test]
    fn a_revoked_token_is_replaced() {
        let (mut auth, now) = auth();
        let first = auth.token(CLIENT, now).unwrap().access_token;
        auth.revoke(CLIENT, &first).unwrap();
        assert!(auth.bearer(Some(&first), now).is_err());
        assert!(auth.token(CLIENT, now).unwrap().access_token != first);
        assert!(auth.token(Some(("sim-key", "wrong")), now).is_err());
        assert_eq!(code(auth.bearer(None, now).unwrap_err()), "900902");
    }

    #[test]
    fn five_bad_logins_in_a_row_lock_the_user_until_support_helps() {
        let (mut auth, now) = auth();
        for _ in 0..4 {
            assert!(auth.login("sim-user", "wrong", now).is_err());
        }
        assert!(auth.login("sim-user", "sim-pass", now).is_ok(), "a good login resets the count");
        for _ in 0..5 {
            assert_eq!(code(auth.login("sim-user", "wrong", now).err().unwrap()), "INPUT_INVALID.Password.Invalid");
        }
        assert_eq!(code(auth.login("sim-user", "sim-pass", now).err().unwrap()), "REQUEST_FAILED.User.Locked");
        auth.unlock();
        assert!(auth.login("sim-user", "sim-pass", now).is_ok());
    }

    #[test]
    fn a_session_slides_with_use_and_expires_without() {
        let (mut auth, now) = auth();
        let token = auth.login("sim-user", "sim-pass", now).unwrap().session_token;
        let minutes = |n: u64| later(now, Duration::from_secs(60 * n));
        assert!(auth.session(Some(&token), minutes(19)).is_ok());
        assert!(auth.session(Some(&token), minutes(38)).is_ok());
        assert_eq!(code(auth.session(Some(&token), minutes(58)).unwrap_err()), "REQUEST_FAILED.SessionToken.Expired");
        assert_eq!(code(auth.session(None, now).unwrap_err()), "REQUEST_FAILED.SessionToken.Format");
        assert_eq!(code(auth.session(Some("nonsense"), now).unwrap_err()), "INPUT_INVALID.SessionToken.Invalid");
    }

    #[test]
    fn logout_kills_the_token() {
        let (mut auth, now) = auth();
        let token = auth.login("sim-user", "sim-pass", now).unwrap().session_token;
        assert_eq!(auth.logout(&token).session_token, token);
        assert_eq!(code(auth.session(Some(&token), now).unwrap_err()), "INPUT_INVALID.SessionToken.Invalid");
    }
}
