//! What a fault strikes, and what then happens.

use std::time::Duration;

use axum::http::StatusCode;

use super::super::{actions::Action, messages::Form};

/// What a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Operation {
    Any,
    Token,
    Revoke,
    Login,
    Logout,
    Activate,
    Deactivate,
    Profile,
    Status,
    List,
    History,
    Callbacks,
    Account,
    Plans,
    Callback,
}

impl Operation {
    const NAMES: [(&'static str, Self); 15] = [
        ("any", Self::Any),
        ("token", Self::Token),
        ("revoke", Self::Revoke),
        ("login", Self::Login),
        ("logout", Self::Logout),
        ("activate", Self::Activate),
        ("deactivate", Self::Deactivate),
        ("profile", Self::Profile),
        ("status", Self::Status),
        ("list", Self::List),
        ("history", Self::History),
        ("callbacks", Self::Callbacks),
        ("account", Self::Account),
        ("plans", Self::Plans),
        ("callback", Self::Callback),
    ];

    /// Reads the word before the colon.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(own, _)| *own == name).map(|(_, operation)| operation)
    }
}

/// Which of an operation's occurrences a fault strikes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// Any identifier of the device.
    pub device: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The profile action.
    pub action: Option<Action>,
    /// So many matches are spared first.
    pub skip: u32,
    /// So many matches are struck.
    pub count: Option<u32>,
    /// The share of matches that is struck.
    pub rate: Option<f64>,
}

/// What happens to a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Another status.
    Status(StatusCode, Option<u64>),
    /// A dotted code.
    Error(String),
    /// No answer.
    Hang,
    /// A TCP reset.
    Reset,
    /// A body that is not JSON.
    Garbage,
    /// A body in pieces.
    Slow(Duration),
}

/// A fault of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyFault {
    /// What happens; nothing but the delay when absent.
    pub strike: Option<Strike>,
    /// Whether the request is carried out first.
    pub after: bool,
    /// How much later the answer comes.
    pub delay: Duration,
}

/// The password of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Password {
    /// As registered.
    #[default]
    Registered,
    /// Another one.
    Wrong,
    /// Of the registration before.
    Old,
}

/// A fault of an asynchronous answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallbackFault {
    /// Dotted code of a `faultResponse`.
    pub error: Option<String>,
    /// A failed `deviceProfileResponse`.
    pub failed: bool,
    /// The address could not be updated.
    pub address_failed: bool,
    /// Another `profileStatus`.
    pub profile_status: Option<String>,
    /// Stays pending so much longer.
    pub stuck: Option<Duration>,
    /// A WARNING first, and how much later the end.
    pub warning: Option<Duration>,
    /// Before the reply to the request.
    pub early: bool,
    /// Never delivered.
    pub lost: bool,
    /// Delivered so much later.
    pub delay: Duration,
    /// Delivered so many more times.
    pub duplicate: u32,
    /// Delivered again while the first delivery runs.
    pub overlap: bool,
    /// Delivered after the next message.
    pub out_of_order: bool,
    /// With which password.
    pub password: Password,
    /// Oddities of form.
    pub form: Form,
}

/// One of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// On a reply.
    Reply(ReplyFault),
    /// On an asynchronous answer.
    Callback(Box<CallbackFault>),
}
