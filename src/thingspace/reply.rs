//! What an answer means (contract 2.3 and 4).

use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::Redactor;
use super::error::{CallError, CredentialsProblem, ErrorClass, ErrorCode};
use super::fault::Fault;
use super::transport::Answer;

/// An answer, and the means to repeat its words safely.
pub(super) struct Reply {
    answer: Answer,
    fault: Option<Fault>,
    redactor: Redactor,
}

/// What a reply says of the credentials it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccessRefusal {
    /// The token is at fault.
    pub(super) token: bool,
    /// The session is at fault.
    pub(super) session: bool,
    /// ThingSpace has named the reason, so it has certainly not acted.
    pub(super) named: bool,
}

impl Reply {
    pub(super) fn new(answer: Answer, redactor: Redactor) -> Self {
        let fault = Fault::read(&answer.body);
        Self { answer, fault, redactor }
    }

    /// A success by its status and not an error by its body.
    pub(super) fn is_success(&self) -> bool {
        self.answer.status.is_success() && self.fault.is_none()
    }

    /// Whether the gateway, and not the service behind it, has answered.
    fn is_by_gateway(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.by_gateway)
    }

    /// Whether a quota is spent: by the status, or by the gateway's codes 900800 to 900807 (contract 11).
    pub(super) fn is_throttled(&self) -> bool {
        let by_code = || self.is_by_gateway() && self.code().raw.starts_with("90080");
        self.answer.status == StatusCode::TOO_MANY_REQUESTS || by_code()
    }

    /// Whether token or session were refused (contract 2.3).
    pub(super) fn access_refusal(&self) -> Option<AccessRefusal> {
        if self.is_success() {
            return None;
        }
        // By the body and not by the status: it was met with 400, 401 and 403.
        if String::from_utf8_lossy(&self.answer.body).contains(".SessionToken.") {
            return Some(AccessRefusal { token: false, session: true, named: true });
        }
        match (self.answer.status, self.is_by_gateway()) {
            (StatusCode::UNAUTHORIZED, true) => Some(AccessRefusal { token: true, session: false, named: true }),
            (StatusCode::UNAUTHORIZED, false) => Some(AccessRefusal { token: true, session: true, named: false }),
            _ => None,
        }
    }

    /// The fault's code, or the status where it has none.
    fn code(&self) -> ErrorCode {
        match self.fault.as_ref().and_then(|fault| fault.code.as_deref()) {
            Some(code) => ErrorCode::new(&self.redactor.clean(code)),
            None => ErrorCode::new(self.answer.status.as_str()),
        }
    }

    /// What ThingSpace says, fit to be repeated.
    pub(super) fn message(&self) -> String {
        match self.fault.as_ref().and_then(|fault| fault.message.as_deref()) {
            Some(message) => self.redactor.clean(message),
            None => "it gave no reason".into(),
        }
    }

    /// The class of a reply that is no success.
    pub(super) fn error(&self) -> CallError {
        let (code, message) = (self.code(), self.message());
        let unknown = |message| CallError::unknown(format!("ThingSpace answered {}: {message}", self.answer.status));
        let later = |code, message| CallError::Later { code, message, retry_after: self.answer.retry_after };
        match self.answer.status.as_u16() {
            _ if self.is_throttled() => later(code, message),
            400 if code.class == ErrorClass::RequestOnHold => later(code, message),
            400 if code.is("REQUEST_FAILED.UnexpectedError") => later(code, message),
            // Some pages write a status where others write a dotted code: the graver one counts.
            400 if is_server_error(&code) => unknown(message),
            401 => CredentialsProblem::AccessRefused { message }.into(),
            400 | 403 | 404 | 405 | 406 | 410 | 411 | 413 | 414 | 415 | 422 | 431 => {
                CallError::Refused { code, message }
            }
            // Only the way to another address, which is not followed.
            301 | 302 | 307 | 308 => CallError::Refused { code, message },
            _ => unknown(message),
        }
    }

    /// Whether a request for something failed only because ThingSpace does not know it.
    pub(super) fn is_unknown_request(&self) -> bool {
        let elsewhere = ["Account", "SessionToken", "InvalidCharacter", "UnexpectedError"];
        matches!(self.answer.status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
            && !elsewhere.iter().any(|word| self.code().specific.contains(word))
            && matches!(self.error(), CallError::Refused { .. })
    }

    /// Success, whatever the body holds.
    pub(super) fn done(&self) -> Result<(), CallError> {
        if self.is_success() { Ok(()) } else { Err(self.error()) }
    }

    /// The body of a success, less its nulls: ThingSpace also writes `null` for what is absent. `None`: no body.
    pub(super) fn value(&self) -> Result<Option<Value>, CallError> {
        self.done()?;
        if self.answer.body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let mut value = serde_json::from_slice(&self.answer.body).map_err(|_| self.unreadable())?;
        drop_nulls(&mut value);
        Ok(Some(value))
    }

    /// The body of a success.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let value = self.value()?.ok_or_else(|| self.unreadable())?;
        serde_json::from_value(value).map_err(|_| self.unreadable())
    }

    /// The error for a success that cannot be read.
    pub(super) fn unreadable(&self) -> CallError {
        CallError::unknown(format!("ThingSpace answered {}, but its answer cannot be read", self.answer.status))
    }
}

fn is_server_error(code: &ErrorCode) -> bool {
    let status = code.raw.parse().ok().and_then(|status: u16| StatusCode::from_u16(status).ok());
    status.is_some_and(|status| status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
