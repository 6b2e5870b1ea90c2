//! The error bodies of ThingSpace (contract sections 2.3 and 4): four shapes, depending on which part answers.

use axum::http::StatusCode;
use clap::ValueEnum;
use serde_json::json;

use super::reply::Reply;

/// How `errorCode` is written: the pages of ThingSpace disagree (contract section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ErrorCodes {
    /// `UnifiedWebService.REQUEST_FAILED.DeviceNotFound`.
    #[default]
    Dotted,
    /// The HTTP status as three digits.
    Numeric,
}

/// Why ThingSpace does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The M2M back end's answer, always HTTP 400.
    Code {
        /// `<CLASS>.<Specific>`, with or without the service before it.
        code: String,
        /// For people.
        message: String,
    },
    /// The API gateway's answer as JSON.
    Fault {
        /// HTTP status.
        status: StatusCode,
        /// Six digits, as a string.
        code: &'static str,
        /// What that code means.
        message: &'static str,
        /// For people.
        description: &'static str,
    },
    /// The API gateway's answer as XML.
    Xml {
        /// HTTP status.
        status: StatusCode,
        /// For people.
        message: &'static str,
        /// More for people.
        description: &'static str,
    },
    /// The OAuth endpoint's answer.
    OAuth {
        /// HTTP status: 400 or 401.
        status: StatusCode,
        /// One word of RFC 6749.
        error: &'static str,
        /// For people.
        description: &'static str,
    },
}

impl Refusal {
    /// A dotted code of the M2M back end.
    pub fn code(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Code { code: code.into(), message: message.into() }
    }

    /// A required element is absent or has the wrong type.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::code("DeserializationFailed", message)
    }

    /// An element's value is not admitted.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::code("REQUEST_FAILED.UnexpectedError", message)
    }

    /// The bearer token is wrong or has expired.
    pub const BEARER_INVALID: Self = Self::Fault {
        status: StatusCode::UNAUTHORIZED,
        code: "900901",
        message: "Invalid Credentials",
        description: "Access failure for API: /m2m/v1, version: v1. Make sure you have given the correct access token",
    };

    /// No bearer token.
    pub const BEARER_MISSING: Self = Self::Fault {
        status: StatusCode::UNAUTHORIZED,
        code: "900902",
        message: "Missing Credentials",
        description: "Required OAuth credentials not provided. Make sure your API invocation call has a header: \"Authorization: Bearer ACCESS_TOKEN\"",
    };

    /// No such path.
    pub const NO_RESOURCE: Self = Self::Fault {
        status: StatusCode::BAD_REQUEST,
        code: "900906",
        message: "No matching resource found in the API for the given request",
        description: "Access failure for API: /m2m/v1, version: v1. Check the API documentation and add a proper REST resource path to the invocation URL",
    };

    /// More requests than the contract allows; the body is the gateway product's default.
    pub const THROTTLED: Self = Self::Fault {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "900802",
        message: "Message throttled out",
        description: "You have exceeded your quota",
    };

    /// "Wrong authentication" of contract section 2.3.
    pub const FORBIDDEN: Self =
        Self::Xml { status: StatusCode::FORBIDDEN, message: "Not Found", description: "Wrong authentication" };

    /// "Wrong endpoint" of contract section 2.3.
    pub const NOT_FOUND: Self = Self::Xml {
        status: StatusCode::NOT_FOUND,
        message: "Not Found",
        description: "The requested resource is not available.",
    };

    /// The answer on the wire.
    #[must_use]
    pub fn reply(&self, codes: ErrorCodes) -> Reply {
        match self {
            Self::Code { code, message } => {
                let code = match codes {
                    ErrorCodes::Dotted => dotted(code),
                    ErrorCodes::Numeric => "400".to_owned(),
                };
                Reply::json(StatusCode::BAD_REQUEST, &json!({"errorCode": code, "errorMessage": message}))
            }
            Self::Fault { status, code, message, description } => {
                let fault = json!({"code": code, "message": message, "description": description});
                Reply::json(*status, &json!({"fault": fault}))
            }
            Self::Xml { status, message, description } => Reply::xml(
                *status,
                format!(
                    "<am:fault xmlns:am=\"http://wso2.org/apimanager\"><am:code>404</am:code><am:type>Status report\
                     </am:type><am:message>{message}</am:message><am:description>{description}</am:description></am:fault>"
                ),
            ),
            Self::OAuth { status, error, description } => {
                Reply::json(*status, &json!({"error_description": description, "error": error}))
            }
        }
    }
}

/// A code with its service before it, as the platform writes it.
#[must_use]
pub fn dotted(code: &str) -> String {
    if code.starts_with("UnifiedWebService.") { code.to_owned() } else { format!("UnifiedWebService.{code}") }
}

/// What ThingSpace writes beside a code, for people: `REQUEST_FAILED. Device not found` (contract section 7.2).
#[must_use]
pub fn in_words(code: &str) -> String {
    let code = code.trim_start_matches("UnifiedWebService.");
    let (class, specific) = code.split_once('.').unwrap_or(("REQUEST_FAILED", code));
    let mut words = String::new();
    for c in specific.chars() {
        match c {
            '.' => {}
            c if c.is_ascii_uppercase() && !words.is_empty() => words.extend([' ', c.to_ascii_lowercase()]),
            c => words.push(c),
        }
    }
    format!("{class}. {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_carry_their_service_or_shrink_to_the_status() {
        let refusal = Refusal::code("REQUEST_FAILED.DeviceNotFound", "No such device.");
        assert!(refusal.reply(ErrorCodes::Dotted).text().contains("UnifiedWebService.REQUEST_FAILED.DeviceNotFound"));
        assert!(refusal.reply(ErrorCodes::Numeric).text().contains(r#""errorCode":"400""#));
    }

    #[test]
    fn a_code_is_put_into_words_as_thingspace_does() {
        assert_eq!(in_words("REQUEST_FAILED.DeviceNotFound"), "REQUEST_FAILED. Device not found");
        assert_eq!(
            in_words("UnifiedWebService.INPUT_INVALID.Device.Account.Invalid"),
            "INPUT_INVALID. Device account invalid"
        );
    }
}
