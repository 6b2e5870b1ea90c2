//! What an unquoted word of YAML means to kubectl: YAML 1.1, as the Go library reads it that kubectl uses. So `NO` is
//! false, and `01234` a number.

use serde_json::{Number, Value};

/// The value of a scalar; `tag` is the name of a core tag such as `str`, `plain` whether it stands unquoted.
///
/// # Errors
/// What kubectl says where it cannot make JSON of it.
pub fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let value = match tag {
        None if plain => return of_plain(text),
        None | Some("str") => return Ok(text.into()),
        Some(_) => of_plain(text)?,
    };
    let (fits, name) = match tag {
        Some("bool") => (value.is_boolean(), "bool"),
        Some("int") => (value.is_i64() || value.is_u64(), "int"),
        Some("float") => (value.is_number(), "float"),
        Some("null") => (value.is_null(), "null"),
        _ => (true, ""),
    };
    if fits { Ok(value) } else { Err(format!("cannot decode `{text}` as a !!{name}")) }
}

fn of_plain(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Err("json: unsupported value: +Inf".into()),
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".into()),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    })
}

fn number(text: &str) -> Option<Number> {
    let begins = text.bytes().next()?;
    let plain = match begins {
        b'.' => text.to_owned(),
        b'0'..=b'9' | b'+' | b'-' => text.replace('_', ""),
        _ => return None,
    };
    if begins != b'.'
        && let Some(integer) = integer(&plain)
    {
        return Some(integer);
    }
    is_float(&plain).then(|| plain.parse().ok()).flatten().and_then(of_float)
}

/// In decimal, or with 0x, 0o or 0b before it; a leading zero makes it octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(size).map(Number::from) } else { Some(size.into()) }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let some = |part: &str| !part.is_empty() && digits(part);
    digits(whole)
        && digits(fraction)
        && (some(whole) || some(fraction))
        && exponent.is_none_or(|e| some(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

/// JSON has one kind of number: a float without a fraction arrives at the API server as an integer.
fn of_float(float: f64) -> Option<Number> {
    let whole = float.fract() == 0.0 && float.abs() < 9.2e18;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and in range")]
    if whole { Some((float as i64).into()) } else { Number::from_f64(float) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("NO", json!(false))]
    #[case("y", json!(true))]
    #[case("~", json!(null))]
    #[case("", json!(null))]
    #[case("94105", json!(94105))]
    #[case("01234", json!(668))]
    #[case("08123", json!(8123))]
    #[case("0x1F", json!(31))]
    #[case("0o17", json!(15))]
    #[case("-0b11", json!(-3))]
    #[case("1_000", json!(1000))]
    #[case("1e3", json!(1000))]
    #[case("9.0", json!(9))]
    #[case("1.5", json!(1.5))]
    #[case(".5", json!(0.5))]
    #[case("-9223372036854775808", json!(i64::MIN))]
    #[case("9223372036854775808", json!(9_223_372_036_854_775_808_u64))]
    #[case("12:30:45", json!("12:30:45"))]
    #[case("2026-01-01", json!("2026-01-01"))]
    #[case("0000123456-00001", json!("0000123456-00001"))]
    #[case("-", json!("-"))]
    #[case("+", json!("+"))]
    #[case(".", json!("."))]
    #[case("1e", json!("1e"))]
    #[case("--1", json!("--1"))]
    #[case("+-1", json!("+-1"))]
    #[case("0x", json!("0x"))]
    #[case("1e999", json!("1e999"))]
    #[case("Norway", json!("Norway"))]
    fn an_unquoted_word_is_what_kubectl_takes_it_for(#[case] text: &str, #[case] value: Value) {
        assert_eq!(resolve(text, true, None), Ok(value));
    }

    #[test]
    fn what_is_quoted_or_tagged_as_text_is_text() {
        assert_eq!(resolve("94105", false, None), Ok(json!("94105")));
        assert_eq!(resolve("94105", true, Some("str")), Ok(json!("94105")));
        assert_eq!(resolve("94105", false, Some("int")), Ok(json!(94105)));
        assert!(resolve("x", true, Some("int")).is_err());
    }

    #[test]
    fn json_has_no_infinity() {
        assert!(resolve(".inf", true, None).is_err());
        assert!(resolve(".nan", true, None).is_err());
    }
}
