//! The four shapes of an error body (contract 4), brought to one.

use serde_json::{Map, Value};

/// What an error body says, still in foreign words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// Said by the gateway: the service behind it has not seen the request.
    pub(super) by_gateway: bool,
}

impl Fault {
    /// `None`: the body is no error, or none that we can read.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Self::from_json(&object),
            Ok(_) => None,
            Err(_) => Self::from_xml(&String::from_utf8_lossy(body)),
        }
    }

    fn from_json(object: &Map<String, Value>) -> Option<Self> {
        if let Some(Value::Object(fault)) = object.get("fault") {
            let message = [word(fault, "message"), word(fault, "description")].into_iter().flatten();
            return Some(Self { code: word(fault, "code"), message: joined(message), by_gateway: true });
        }
        let (code, message) = match (word(object, "errorCode"), word(object, "error")) {
            (Some(code), _) => (code, word(object, "errorMessage")),
            (None, Some(code)) => (code, word(object, "error_description")),
            (None, None) => return None,
        };
        Some(Self { code: Some(code), message, by_gateway: false })
    }

    /// `<am:fault><am:code>..</am:code><am:message>..</am:message>..`
    fn from_xml(text: &str) -> Option<Self> {
        let fault = text.split_once(":fault")?.1;
        let message = [element(fault, "message"), element(fault, "description")].into_iter().flatten();
        Some(Self { code: element(fault, "code"), message: joined(message), by_gateway: true })
    }
}

/// A text, or a number as text; the gateway writes codes as either (contract 2.3).
fn word(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The text of the first element of that name, whatever its prefix.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!(":{name}>"))?;
    let (text, _) = after.split_once("</")?;
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let text = parts.collect::<Vec<_>>().join(": ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        r#"{"errorCode":"UnifiedWebService.REQUEST_FAILED.X","errorMessage":"m"}"#,
        "UnifiedWebService.REQUEST_FAILED.X",
        "m",
        false
    )]
    #[case(r#"{"errorCode":"400","errorMessage":"m"}"#, "400", "m", false)]
    #[case(r#"{"fault":{"code":"900901","message":"m","description":"d"}}"#, "900901", "m: d", true)]
    #[case(r#"{"fault":{"code":900901,"message":"m"}}"#, "900901", "m", true)]
    #[case(r#"{"error":"invalid_client","error_description":"m"}"#, "invalid_client", "m", false)]
    #[case(
        "<am:fault xmlns:am=\"http://wso2.org/apimanager\"><am:code>404</am:code><am:type>Status report</am:type>\
         <am:message>Not Found</am:message><am:description>d</am:description></am:fault>",
        "404",
        "Not Found: d",
        true
    )]
    fn each_shape_gives_code_and_message(
        #[case] body: &str,
        #[case] code: &str,
        #[case] message: &str,
        #[case] by_gateway: bool,
    ) {
        let expected = Fault { code: Some(code.into()), message: Some(message.into()), by_gateway };
        assert_eq!(Fault::read(body.as_bytes()), Some(expected));
    }

    #[rstest]
    #[case("")]
    #[case("{}")]
    #[case("[]")]
    #[case("<html>502</html>")]
    #[case(r#"{"requestId":"1"}"#)]
    #[case(r#"{"errorCode":""}"#)]
    fn other_bodies_are_no_fault(#[case] body: &str) {
        assert_eq!(Fault::read(body.as_bytes()), None);
    }

    #[test]
    fn a_broken_xml_fault_is_still_the_gateways() {
        let fault = Fault::read(b"<am:fault><am:code>").unwrap();
        assert_eq!(fault, Fault { by_gateway: true, ..Fault::default() });
    }
}
