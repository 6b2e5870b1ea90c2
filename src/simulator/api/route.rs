//! Which path is which call (contract section 1).

use axum::http::Method;

use super::super::{actions::Action, faults::effect::Operation};

/// A call, with what its path names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Route {
    Token,
    Revoke,
    Login,
    Logout,
    Action(Action),
    Status { account: String, request_id: String, version: u8 },
    List,
    History,
    Listeners { account: String },
    Register { account: String },
    Deregister { account: String, service: String },
    Account { account: String },
    Plans { account: String },
}

impl Route {
    /// Reads method and path.
    #[must_use]
    pub fn parse(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix("/api/")?.split('/').collect();
        let text = |segment: &str| segment.to_owned();
        Some(match (method.as_str(), segments.as_slice()) {
            ("POST", ["ts", "v1", "oauth2", "token"]) => Self::Token,
            ("POST", ["ts", "v1", "oauth2", "revoke"]) => Self::Revoke,
            ("POST", ["m2m", "v1", "session", "login"]) => Self::Login,
            ("POST", ["m2m", "v1", "session", "logout"]) => Self::Logout,
            ("POST", ["m2m", "v1", "devices", "profile", "actions", action]) => Self::Action(Action::parse(action)?),
            ("POST", ["m2m", "v1", "devices", "actions", "list"]) => Self::List,
            ("POST", ["m2m", "v1", "devices", "history", "actions", "list"]) => Self::History,
            ("GET", ["m2m", version @ ("v1" | "v2"), "accounts", account, "requests", request_id, "status"]) => {
                let version = if *version == "v1" { 1 } else { 2 };
                Self::Status { account: text(account), request_id: text(request_id), version }
            }
            ("GET", ["m2m", "v1", "accounts", account]) => Self::Account { account: text(account) },
            ("GET", ["m2m", "v1", "plans", account]) => Self::Plans { account: text(account) },
            ("GET", ["m2m", "v1", "callbacks", account]) => Self::Listeners { account: text(account) },
            ("POST", ["m2m", "v1", "callbacks", account]) => Self::Register { account: text(account) },
            ("DELETE", ["m2m", "v1", "callbacks", account, "name", service]) => {
                Self::Deregister { account: text(account), service: text(service) }
            }
            _ => return None,
        })
    }

    /// What faults call it.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Token => Operation::Token,
            Self::Revoke => Operation::Revoke,
            Self::Login => Operation::Login,
            Self::Logout => Operation::Logout,
            Self::Action(Action::Activate | Action::ActivateEnable) => Operation::Activate,
            Self::Action(Action::Deactivate) => Operation::Deactivate,
            Self::Action(_) => Operation::Profile,
            Self::Status { .. } => Operation::Status,
            Self::List => Operation::List,
            Self::History => Operation::History,
            Self::Listeners { .. } | Self::Register { .. } | Self::Deregister { .. } => Operation::Callbacks,
            Self::Account { .. } => Operation::Account,
            Self::Plans { .. } => Operation::Plans,
        }
    }

    /// The account that the path names.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Status { account, .. }
            | Self::Listeners { account }
            | Self::Register { account }
            | Self::Deregister { account, .. }
            | Self::Account { account }
            | Self::Plans { account } => Some(account),
            _ => None,
        }
    }

    /// Whether the body has to be JSON.
    #[must_use]
    pub const fn takes_json(&self) -> bool {
        matches!(self, Self::Login | Self::Action(_) | Self::List | Self::History | Self::Register { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_exact() {
        let parse = |path| Route::parse(&Method::POST, path);
        assert_eq!(parse("/api/m2m/v1/devices/profile/actions/activate"), Some(Route::Action(Action::Activate)));
        assert_eq!(parse("/api/m2m/v1//devices/profile/actions/activate"), None);
        assert_eq!(parse("/api/m2m/v2/devices/profile/actions/activate"), None);
        assert_eq!(parse("/api/m2m/v1/devices/profile/actions/explode"), None);
        assert_eq!(parse("/m2m/v1/session/login"), None);
        assert_eq!(Route::parse(&Method::GET, "/api/m2m/v1/session/login"), None);
    }
}
