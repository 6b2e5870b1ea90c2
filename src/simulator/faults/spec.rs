//! The grammar of faults: `OPERATION:KEY[=VALUE][,KEY[=VALUE]]...`, or the same as a JSON object with an
//! `operation` field.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{
    super::actions::Action,
    effect::{CallbackFault, Effect, Operation, Password, ReplyFault, Selector, Strike},
};

/// How to write a fault; `--help` shows it.
pub const GRAMMAR: &str = include_str!("grammar.txt");

/// A fault as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// As written; the journal names it so.
    pub text: String,
    /// What it strikes.
    pub operation: Operation,
    /// Which of them.
    pub selector: Selector,
    /// What happens.
    pub effect: Effect,
}

impl std::str::FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text
            .split_once(':')
            .ok_or_else(|| format!("The fault {text} is not of the form OPERATION:KEY[=VALUE],...."))?;
        let operation = Operation::parse(name.trim()).ok_or_else(|| format!("The fault has no operation {name}."))?;
        let mut selector = Selector::default();
        let mut reply = ReplyFault::default();
        let mut callback = CallbackFault::default();
        for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value)));
            let pair = Pair { key, value };
            let known = select(&mut selector, pair)?
                || if operation == Operation::Callback {
                    shape_callback(&mut callback, pair)?
                } else {
                    shape_reply(&mut reply, pair)?
                };
            if !known {
                return Err(format!("A fault of {name} has no key {key}."));
            }
        }
        let effect =
            if operation == Operation::Callback { Effect::Callback(Box::new(callback)) } else { Effect::Reply(reply) };
        Ok(Self { text: text.to_owned(), operation, selector, effect })
    }
}

impl TryFrom<&Value> for Spec {
    type Error = String;

    fn try_from(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => text.parse(),
            Value::Object(object) => text_of(object)?.parse(),
            _ => Err("A fault is a string or an object.".to_owned()),
        }
    }
}

/// The string form of the JSON form; `false` and `null` stand for an absent key.
fn text_of(object: &Map<String, Value>) -> Result<String, String> {
    let operation = object.get("operation").and_then(Value::as_str).ok_or("A fault needs an operation.")?;
    let pairs = object.iter().filter(|(key, _)| *key != "operation").filter_map(|(key, value)| match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(Ok(key.clone())),
        Value::String(text) => Some(Ok(format!("{key}={text}"))),
        Value::Number(number) => Some(Ok(format!("{key}={number}"))),
        _ => Some(Err(format!("The value of {key} is neither a string, a number nor a boolean."))),
    });
    Ok(format!("{operation}:{}", pairs.collect::<Result<Vec<_>, _>>()?.join(",")))
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

impl Pair<'_> {
    fn text(self) -> Result<String, String> {
        self.value.map(str::to_owned).ok_or_else(|| format!("The key {} needs a value.", self.key))
    }

    fn parsed<T: std::str::FromStr>(self) -> Result<T, String> {
        self.text()?.parse().map_err(|_| format!("The value of {} cannot be read.", self.key))
    }

    fn flag(self) -> Result<bool, String> {
        self.value.map_or(Ok(true), |_| self.parsed())
    }

    fn duration(self, default: Option<Duration>) -> Result<Duration, String> {
        match (self.value, default) {
            (None | Some("true"), Some(default)) => Ok(default),
            _ => parse_duration(&self.text()?),
        }
    }
}

/// Reads `250ms`, `30s`, `5m`, `24h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text} is not a duration such as 30s.");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let duration: SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(duration).map_err(|_| bad())
}

fn select(selector: &mut Selector, pair: Pair<'_>) -> Result<bool, String> {
    match pair.key {
        "device" => selector.device = Some(pair.text()?),
        "account" => selector.account = Some(pair.text()?),
        "action" => {
            let name = pair.text()?;
            selector.action = Some(Action::parse(&name).ok_or_else(|| format!("There is no profile action {name}."))?);
        }
        "skip" => selector.skip = pair.parsed()?,
        "count" => selector.count = Some(pair.parsed()?),
        "rate" => {
            let rate: f64 = pair.parsed()?;
            if !(0.0..=1.0).contains(&rate) {
                return Err("The rate is not between 0 and 1.".to_owned());
            }
            selector.rate = Some(rate);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn shape_reply(fault: &mut ReplyFault, pair: Pair<'_>) -> Result<bool, String> {
    let strike = match pair.key {
        "after" => {
            fault.after = pair.flag()?;
            return Ok(true);
        }
        "delay" => {
            fault.delay = pair.duration(None)?;
            return Ok(true);
        }
        "retry-after" => match &mut fault.strike {
            Some(Strike::Status(_, seconds)) => {
                *seconds = Some(pair.parsed()?);
                return Ok(true);
            }
            None => Strike::Status(StatusCode::TOO_MANY_REQUESTS, Some(pair.parsed()?)),
            Some(_) => return Err("The key retry-after goes with status.".to_owned()),
        },
        "status" => {
            let seconds = match fault.strike.take() {
                Some(Strike::Status(_, seconds)) => seconds,
                other => {
                    fault.strike = other;
                    None
                }
            };
            let status = pair.parsed()?;
            if !StatusCode::is_client_error(&status) && !StatusCode::is_server_error(&status) {
                return Err("The status is not one of an error.".to_owned());
            }
            Strike::Status(status, seconds)
        }
        "error" => Strike::Error(pair.text()?),
        "hang" if pair.flag()? => Strike::Hang,
        "reset" if pair.flag()? => Strike::Reset,
        "garbage" if pair.flag()? => Strike::Garbage,
        "hang" | "reset" | "garbage" => return Ok(true),
        "slow" => Strike::Slow(pair.duration(Some(Duration::from_secs(30)))?),
        _ => return Ok(false),
    };
    if fault.strike.is_some() {
        return Err("A fault of a reply does one thing: status, error, hang, reset, garbage or slow.".to_owned());
    }
    fault.strike = Some(strike);
    Ok(true)
}

fn shape_callback(fault: &mut CallbackFault, pair: Pair<'_>) -> Result<bool, String> {
    match pair.key {
        "error" => fault.error = Some(pair.text()?),
        "failed" => fault.failed = pair.flag()?,
        "address-failed" => fault.address_failed = pair.flag()?,
        "profile" => fault.profile_status = Some(pair.text()?),
        "stuck" => fault.stuck = Some(pair.duration(Some(Duration::from_secs(86_400)))?),
        "warning" => fault.warning = Some(pair.duration(Some(Duration::from_secs(60)))?),
        "early" => fault.early = pair.flag()?,
        "lost" => fault.lost = pair.flag()?,
        "delay" => fault.delay = pair.duration(None)?,
        "duplicate" => fault.duplicate = if matches!(pair.value, None | Some("true")) { 1 } else { pair.parsed()? },
        "overlap" => fault.overlap = pair.flag()?,
        "out-of-order" => fault.out_of_order = pair.flag()?,
        "password" => {
            fault.password = match pair.value {
                Some("wrong") => Password::Wrong,
                Some("old") => Password::Old,
                _ => return Err("The password is wrong or old.".to_owned()),
            }
        }
        "unknown-request" => fault.form.unknown_request = pair.flag()?,
        "pascal" => fault.form.pascal = pair.flag()?,
        "strings" => fault.form.strings = pair.flag()?,
        "odd-kind" => fault.form.odd_kinds = pair.flag()?,
        "bare" => fault.form.bare = pair.flag()?,
        "extra" => fault.form.extra = pair.flag()?,
        "array" => fault.form.array = pair.flag()?,
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
