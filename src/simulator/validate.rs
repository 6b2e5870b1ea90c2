//! What ThingSpace admits in the body of a profile action (contract sections 3.1, 3.2, 5): pure, and as lenient as
//! the variants of Verizon's own descriptions demand.

use serde_json::{Map, Value};

use super::{
    actions::Action,
    errors::Refusal,
    identifiers::{Ids, Kind},
};

/// What can be switched.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most devices in a request.
    pub max_devices: usize,
    /// Whether check digits must be right: whether the platform looks at them is not known.
    pub check_digits: bool,
}

/// A request whose form is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The billing account.
    pub account: String,
    /// The identifiers of each device.
    pub devices: Vec<Ids>,
    /// The carrier, when named.
    pub carrier: Option<String>,
    /// The plan's code, when named.
    pub plan: Option<String>,
    /// The IP pool, when named.
    pub pool: Option<String>,
    /// Whether a place of use came along. It is checked and then forgotten: nobody's address stays here.
    pub place_of_use: bool,
}

/// Reads a body as a JSON object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::code("INPUT_INVALID.RequestUndefined", "The request body is empty."));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::malformed("The request body is not a JSON object.")),
        Err(error) => Err(Refusal::malformed(format!("The request body is not JSON: {error}."))),
    }
}

/// Checks the form of a profile action's body.
pub fn order(action: Action, body: &Map<String, Value>, rules: Rules) -> Result<Order, Refusal> {
    body.values().try_for_each(legal_characters)?;
    let account = account(body)?;
    let devices = devices(body, rules)?;
    let plan = text(body, "servicePlan")?;
    if let Some(plan) = plan {
        let form = plan.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ') && (1..=32).contains(&plan.len());
        require(form, "servicePlan", "is not the code of a plan")?;
    }
    if let Some(zip) = text(body, "mdnZipCode")? {
        require(digits(zip, 5..=5), "mdnZipCode", "is not a ZIP code of 5 digits")?;
    }
    // One of Verizon's descriptions transposes two letters of this field (contract section 3.2).
    if let Some(oid) = text(body, "smsrOid")?.or(text(body, "smrsOid")?) {
        let form = oid.bytes().all(|b| b.is_ascii_digit() || b == b'.') && (3..=46).contains(&oid.len());
        require(form, "smsrOid", "is not an object identifier")?;
    } else if needs_server(action) && plan.is_none() {
        return Err(missing("smsrOid"));
    }
    if action == Action::Deactivate {
        let reason = text(body, "reasonCode")?.ok_or_else(|| missing("reasonCode"))?;
        require(reason == "FF", "reasonCode", "is not FF")?;
        for flag in ["etfWaiver", "checkFallbackProfile"] {
            let given = body.get(flag).is_none_or(|value| value.is_boolean() || value.is_null());
            given.then_some(()).ok_or_else(|| Refusal::malformed(format!("{flag} is not a boolean.")))?;
        }
    }
    let place = body.get("primaryPlaceOfUse").filter(|value| !value.is_null());
    place.map(place_of_use).transpose()?;
    Ok(Order {
        account: account.to_owned(),
        devices,
        carrier: text(body, "carrierName")?.map(str::to_owned),
        plan: plan.map(str::to_owned),
        pool: text(body, "carrierIpPoolName")?.filter(|pool| !pool.is_empty()).map(str::to_owned),
        place_of_use: place.is_some(),
    })
}

/// The account that a body names.
pub fn account(body: &Map<String, Value>) -> Result<&str, Refusal> {
    let not_defined = |message| Refusal::code("INPUT_INVALID.Account.NotDefined", message);
    let name = text(body, "accountName")?.ok_or_else(|| not_defined("The account name is required."))?;
    let form = (3..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    form.then_some(name).ok_or_else(|| not_defined("The account name is not of the form 0000123456-00001."))
}

/// One identifier, checked.
pub fn identifier(value: &Value, check_digits: bool) -> Result<(Kind, String), Refusal> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let name = field("kind").ok_or_else(|| missing("kind"))?;
    let id = field("id").ok_or_else(|| missing("id"))?;
    let kind = Kind::parse(name).ok_or_else(|| {
        Refusal::code("INPUT_INVALID.Device.Kind.Invalid", format!("{name} is not a kind of device."))
    })?;
    if kind.admits(id, check_digits) {
        Ok((kind, id.to_owned()))
    } else {
        let message = format!("The identifier is not a valid {}.", kind.name());
        Err(Refusal::code("INPUT_INVALID.Device.Identifier.Invalid", message))
    }
}

fn devices(body: &Map<String, Value>, rules: Rules) -> Result<Vec<Ids>, Refusal> {
    let list = body.get("devices").and_then(Value::as_array).ok_or_else(|| missing("devices"))?;
    if list.is_empty() {
        return Err(Refusal::malformed("devices is empty."));
    }
    if list.len() > rules.max_devices {
        let message = format!("A request takes at most {} devices.", rules.max_devices);
        return Err(Refusal::code("INPUT_INVALID.NumberofDevices", message));
    }
    list.iter().map(|device| one_device(device, rules)).collect()
}

fn one_device(device: &Value, rules: Rules) -> Result<Ids, Refusal> {
    // Verizon's description of deactivate calls the array `ids` (contract section 5.1).
    let list = device.get("deviceIds").or_else(|| device.get("ids")).and_then(Value::as_array);
    let list = list.filter(|ids| !ids.is_empty()).ok_or_else(|| missing("deviceIds"))?;
    let mut ids = Ids::default();
    for value in list {
        let (kind, id) = identifier(value, rules.check_digits)?;
        if ids.get(kind).is_some_and(|other| other != id) {
            let message = format!("A device has one {}.", kind.name());
            return Err(Refusal::code("INPUT_INVALID.Device.Identifier.Invalid", message));
        }
        ids.set(kind, Some(id));
    }
    Ok(ids)
}

/// The legacy eUICC actions name the SM-SR, the newer ones a plan (contract section 5).
const fn needs_server(action: Action) -> bool {
    matches!(
        action,
        Action::Enable
            | Action::Disable
            | Action::Delete
            | Action::Download
            | Action::DownloadEnable
            | Action::DownloadDisable
    )
}

fn place_of_use(value: &Value) -> Result<(), Refusal> {
    let place = flattened(value);
    let part = |name: &str| {
        let value = place.get(name).map(flattened).filter(|part| !part.is_empty());
        value.ok_or_else(|| missing(&format!("primaryPlaceOfUse.{name}")))
    };
    let name = part("customerName")?;
    for (field, longest) in [("firstName", 20), ("lastName", 25)] {
        let value = text(&name, field)?.ok_or_else(|| missing(field))?;
        let form = value.bytes().all(|b| b.is_ascii_alphanumeric() || b" -!#".contains(&b));
        require(form && (1..=longest).contains(&value.len()), field, "has illegal characters or a wrong length")?;
    }
    let address = part("address")?;
    let needed = |field: &str| {
        let value = text(&address, field)?.filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| missing(field))
    };
    require(!is_box(needed("addressLine1")?), "addressLine1", "is a P.O. box")?;
    needed("city")?;
    require(STATES.contains(&needed("state")?), "state", "is not a state of the United States")?;
    require(digits(needed("zip")?, 5..=5), "zip", "is not a ZIP code of 5 digits")?;
    require(["US", "USA"].contains(&needed("country")?), "country", "is neither US nor USA")?;
    if let Some(zip4) = text(&address, "zip4")? {
        require(digits(zip4, 4..=4), "zip4", "is not a ZIP+4 extension")?;
    }
    for object in [&name, &address] {
        object.keys().try_for_each(|field| text(object, field).map(|_| ()))?;
    }
    Ok(())
}

/// One object out of an object, or out of the lists of objects that Verizon's description has here (section 3.2).
fn flattened(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object.clone(),
        Value::Array(list) => list.iter().flat_map(flattened).collect(),
        _ => Map::new(),
    }
}

fn is_box(line: &str) -> bool {
    let letters: String = line.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    letters.to_ascii_lowercase().starts_with("pobox")
}

fn legal_characters(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(text) if text.contains(['\'', '<', '\\']) => {
            Err(Refusal::code("INPUT_INVALID.Request.InvalidCharacter", "The request contains an illegal character."))
        }
        Value::Array(list) => list.iter().try_for_each(legal_characters),
        Value::Object(object) => object.values().try_for_each(legal_characters),
        _ => Ok(()),
    }
}

fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::malformed(format!("{field} is not a string."))),
    }
}

fn missing(field: &str) -> Refusal {
    Refusal::malformed(format!("{field} is required."))
}

fn require(holds: bool, field: &str, otherwise: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::bad_value(format!("{field} {otherwise}."))) }
}

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// ISO 3166-2:US: the states, the district and the outlying areas.
const STATES: [&str; 57] = [
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "ME",
    "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA",
    "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY", "DC", "AS", "GU", "MP", "PR", "UM", "VI",
];

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
