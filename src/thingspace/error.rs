//! What can become of a call, in one closed enum (contract 4). Nothing above this module looks at a status code.

use std::time::Duration;

use super::ledger::LedgerError;

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// ThingSpace cannot have acted: the request never reached it, or it was turned away for its credentials.
    #[error("Nothing was sent to ThingSpace: {cause}")]
    NotSent {
        /// Why not.
        cause: NotSent,
    },
    /// ThingSpace has not acted, and will not as long as the request stays as it is.
    #[error("ThingSpace refused the request: {message} ({code})")]
    Refused {
        /// What ThingSpace calls it.
        code: ErrorCode,
        /// What ThingSpace says, cleaned.
        message: String,
    },
    /// ThingSpace has not acted, but may later.
    #[error("ThingSpace cannot take the request now: {message} ({code})")]
    Later {
        /// What ThingSpace calls it.
        code: ErrorCode,
        /// What ThingSpace says, cleaned.
        message: String,
        /// How long ThingSpace asks to wait.
        retry_after: Option<Duration>,
    },
    /// ThingSpace may have acted or not (contract 9.4).
    #[error("It is not known whether ThingSpace acted on the request: {cause}")]
    Unknown {
        /// What went wrong.
        cause: String,
    },
}

impl CallError {
    /// The class, for counting.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent { .. } => Outcome::NotSent,
            Self::Refused { .. } => Outcome::Refused,
            Self::Later { .. } => Outcome::Later,
            Self::Unknown { .. } => Outcome::Unknown,
        }
    }

    /// What is wrong with the credentials, if that is why nothing was sent.
    pub fn credentials_problem(&self) -> Option<&CredentialsProblem> {
        match self {
            Self::NotSent { cause: NotSent::Credentials(problem) } => Some(problem),
            _ => None,
        }
    }

    pub(super) fn unknown(cause: impl Into<String>) -> Self {
        Self::Unknown { cause: cause.into() }
    }
}

impl From<NotSent> for CallError {
    fn from(cause: NotSent) -> Self {
        Self::NotSent { cause }
    }
}

impl From<CredentialsProblem> for CallError {
    fn from(problem: CredentialsProblem) -> Self {
        NotSent::Credentials(problem).into()
    }
}

/// Why a request was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// Name lookup, TCP or TLS failed, or the token endpoint did not answer sensibly.
    #[error("{0}")]
    Network(String),
    /// Token, session or login: the connection's condition, not the request's.
    #[error("{0}")]
    Credentials(CredentialsProblem),
    /// Logins could not be counted, so none was begun.
    #[error("the login could not be counted beforehand, so it was not begun: {0}")]
    Ledger(LedgerError),
    /// Too much time has passed since the intent was written: somebody else may be at work on it.
    #[error("too much time passed between the claim and the sending, as when a process is paused")]
    ClaimExpired,
    /// The request itself cannot be written, for example for an empty account name.
    #[error("{0}")]
    Request(String),
}

/// What is wrong with the credentials or with what they were exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsProblem {
    /// The token endpoint refuses the OAuth key and secret.
    #[error("the OAuth key and secret were refused: {message}")]
    TokenRefused {
        /// What ThingSpace says, cleaned.
        message: String,
        /// The client does not ask again sooner.
        retry_in: Duration,
    },
    /// ThingSpace refuses user and password.
    #[error("the login was refused: {message}")]
    LoginRefused {
        /// What ThingSpace says, cleaned.
        message: String,
    },
    /// A login was sent and its outcome is not known; it counts as failed.
    #[error("the login failed: {message}")]
    LoginUnanswered {
        /// What went wrong.
        message: String,
    },
    /// The login breaker is open: no login is begun until the credentials change.
    #[error(
        "two logins with these credentials have failed and five would lock the user, so none is tried \
         until they change{}", .reason.as_ref().map(|r| format!("; the last failure: {r}")).unwrap_or_default()
    )]
    LoginBlocked {
        /// Why the last login failed, as far as known.
        reason: Option<String>,
    },
    /// Token or session were refused, and so were new ones if it was safe to try with them.
    #[error("the token or the session was refused: {message}")]
    AccessRefused {
        /// What ThingSpace says, cleaned.
        message: String,
    },
}

/// The class of a call's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// ThingSpace answered what was asked.
    Done,
    /// See [`CallError::NotSent`].
    NotSent,
    /// See [`CallError::Refused`].
    Refused,
    /// See [`CallError::Later`].
    Later,
    /// See [`CallError::Unknown`].
    Unknown,
}

impl Outcome {
    /// A word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Later => "later",
            Self::Unknown => "unknown",
        }
    }
}

/// The class in a dotted error code (contract 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// `INPUT_INVALID`: the request is wrong.
    InputInvalid,
    /// `REQUEST_FAILED`: the request was understood and failed.
    RequestFailed,
    /// `REQUEST_ONHOLD`: waits, for example for a credit approval.
    RequestOnHold,
    /// `REQUEST_CANCELLED`: will not be carried out.
    RequestCancelled,
    /// No dotted class: three digits, a gateway's number, an OAuth word.
    Other,
}

/// An error's stable name. Codes are compared without the service that is printed before them (contract 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// As ThingSpace wrote it, cleaned.
    pub raw: String,
    /// Its class.
    pub class: ErrorClass,
    /// What follows the class; the whole code, less its service, where there is none.
    pub specific: String,
}

impl ErrorCode {
    /// Takes a code apart.
    pub fn new(raw: &str) -> Self {
        let raw = crate::text::clean(raw);
        let segments: Vec<&str> = raw.split('.').collect();
        let class_of = |segment: &&str| match segment.to_ascii_uppercase().as_str() {
            "INPUT_INVALID" => Some(ErrorClass::InputInvalid),
            "REQUEST_FAILED" => Some(ErrorClass::RequestFailed),
            "REQUEST_ONHOLD" => Some(ErrorClass::RequestOnHold),
            "REQUEST_CANCELLED" => Some(ErrorClass::RequestCancelled),
            _ => None,
        };
        let found = segments.iter().enumerate().find_map(|(at, segment)| class_of(segment).map(|class| (at, class)));
        let (class, specific) = match found {
            Some((at, class)) => (class, segments[at + 1..].join(".")),
            None if segments[0].ends_with("Service") => (ErrorClass::Other, segments[1..].join(".")),
            None => (ErrorClass::Other, raw.clone()),
        };
        Self { class, specific, raw }
    }

    /// Whether this is `code`, which is written without a service, for example `REQUEST_FAILED.DeviceNotFound`.
    pub fn is(&self, code: &str) -> bool {
        let other = Self::new(code);
        self.class == other.class && self.specific.eq_ignore_ascii_case(&other.specific)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_without_their_service() {
        let code = ErrorCode::new("UnifiedWebService.REQUEST_FAILED.SessionToken.Expired");
        assert_eq!((code.class, code.specific.as_str()), (ErrorClass::RequestFailed, "SessionToken.Expired"));
        assert!(code.is("REQUEST_FAILED.SessionToken.Expired"));
        assert!(!code.is("INPUT_INVALID.SessionToken.Expired"));
        assert!(ErrorCode::new("REQUEST_FAILED.DeviceNotFound").is("REQUEST_FAILED.DeviceNotFound"));
        assert!(ErrorCode::new("UnifiedWebService.DeserializationFailed").is("DeserializationFailed"));
    }

    #[test]
    fn codes_without_a_class_are_kept_whole() {
        for raw in ["400", "900901", "invalid_client", "", "."] {
            let code = ErrorCode::new(raw);
            assert_eq!((code.class, code.specific.as_str()), (ErrorClass::Other, raw));
        }
    }

    #[test]
    fn a_blocked_login_says_why_and_what_ends_it() {
        let error = CallError::from(CredentialsProblem::LoginBlocked { reason: Some("wrong password".into()) });
        assert_eq!(
            error.to_string(),
            "Nothing was sent to ThingSpace: two logins with these credentials have failed and five would lock \
             the user, so none is tried until they change; the last failure: wrong password"
        );
    }
}
