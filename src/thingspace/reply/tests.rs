use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::thingspace::{Credentials, NotSent, Outcome};

const GATEWAY: &str = r#"{"fault":{"code":"900901","message":"Invalid Credentials"}}"#;
const XML: &str = "<am:fault><am:code>404</am:code><am:message>Not Found</am:message></am:fault>";

fn reply(status: u16, body: &str) -> Reply {
    let credentials = Credentials {
        client_id: "canary-id".into(),
        client_secret: "canary-secret".into(),
        username: "canary-user".into(),
        password: "canary-password".into(),
        version: "1".into(),
    };
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: Some(Duration::from_secs(9)),
        body: body.into(),
    };
    Reply::new(answer, Redactor::new(&credentials))
}

fn dotted(code: &str) -> String {
    format!(r#"{{"errorCode":"UnifiedWebService.{code}","errorMessage":"why"}}"#)
}

#[rstest]
#[case(400, &dotted("INPUT_INVALID.Request.InvalidCharacter"), Outcome::Refused)]
#[case(400, &dotted("REQUEST_FAILED.DeviceNotFound"), Outcome::Refused)]
#[case(400, &dotted("DeserializationFailed"), Outcome::Refused)]
#[case(400, &dotted("REQUEST_ONHOLD.CreditApproval"), Outcome::Later)]
#[case(400, &dotted("REQUEST_FAILED.UnexpectedError"), Outcome::Later)]
#[case(400, r#"{"errorCode":"400","errorMessage":"why"}"#, Outcome::Refused)]
#[case(400, r#"{"errorCode":"500","errorMessage":"why"}"#, Outcome::Unknown)]
#[case(400, "", Outcome::Refused)]
#[case(401, GATEWAY, Outcome::NotSent)]
#[case(403, XML, Outcome::Refused)]
#[case(404, XML, Outcome::Refused)]
#[case(406, "", Outcome::Refused)]
#[case(413, "", Outcome::Refused)]
#[case(415, "", Outcome::Refused)]
#[case(429, "", Outcome::Later)]
#[case(503, r#"{"fault":{"code":900800,"message":"Message throttled out"}}"#, Outcome::Later)]
#[case(302, "", Outcome::Refused)]
#[case(303, "", Outcome::Unknown)]
#[case(408, "", Outcome::Unknown)]
#[case(409, "", Outcome::Unknown)]
#[case(500, &dotted("INPUT_INVALID.X"), Outcome::Unknown)]
#[case(502, "<html>", Outcome::Unknown)]
#[case(503, "", Outcome::Unknown)]
#[case(504, "", Outcome::Unknown)]
#[case(521, "", Outcome::Unknown)]
#[case(522, "", Outcome::Unknown)]
#[case(524, "", Outcome::Unknown)]
#[case(200, &dotted("INPUT_INVALID.X"), Outcome::Unknown)]
fn each_answer_has_its_class(#[case] status: u16, #[case] body: &str, #[case] class: Outcome) {
    assert_eq!(reply(status, body).done().unwrap_err().outcome(), class);
}

#[rstest]
#[case(400, &dotted("REQUEST_FAILED.SessionToken.Expired"), Some((false, true, true)))]
#[case(401, &dotted("INPUT_INVALID.SessionToken.Invalid"), Some((false, true, true)))]
#[case(403, &dotted("INPUT_INVALID.SessionToken.Invalid"), Some((false, true, true)))]
#[case(200, &dotted("REQUEST_FAILED.SessionToken.Expired"), Some((false, true, true)))]
#[case(401, GATEWAY, Some((true, false, true)))]
#[case(401, XML, Some((true, false, true)))]
#[case(401, "", Some((true, true, false)))]
#[case(403, XML, None)]
#[case(200, r#"{"note":"about .SessionToken. things"}"#, None)]
fn refused_access_is_told_by_the_body(
    #[case] status: u16,
    #[case] body: &str,
    #[case] expected: Option<(bool, bool, bool)>,
) {
    let expected = expected.map(|(token, session, named)| AccessRefusal { token, session, named });
    assert_eq!(reply(status, body).access_refusal(), expected);
}

#[test]
fn an_error_repeats_no_secret_and_no_novel() {
    let body = format!(r#"{{"errorCode":"x canary-secret","errorMessage":"canary-password {}"}}"#, "a".repeat(9000));
    let error = reply(400, &body).error().to_string();
    assert!(!error.contains("canary") && error.len() < 800, "{error}");
}

#[test]
fn an_error_keeps_code_message_and_wait() {
    let CallError::Later { code, message, retry_after } = reply(429, GATEWAY).error() else { panic!() };
    assert_eq!((code.raw.as_str(), message.as_str()), ("900901", "Invalid Credentials"));
    assert_eq!(retry_after, Some(Duration::from_secs(9)));
    let error = reply(503, "").error().to_string();
    assert_eq!(
        error,
        "It is not known whether ThingSpace acted on the request: ThingSpace answered 503 Service Unavailable: it \
         gave no reason"
    );
    assert!(matches!(reply(401, GATEWAY).error(), CallError::NotSent { cause: NotSent::Credentials(_) }));
}

#[test]
fn nulls_count_as_absent() {
    let list: crate::thingspace::wire::DeviceList =
        reply(200, r#"{"hasMoreData":null,"devices":[null,{"groupNames":null}]}"#).json().unwrap();
    assert_eq!(list.devices.len(), 1);
}

#[rstest]
#[case("")]
#[case("<html>")]
#[case("{")]
#[case("[]")]
fn an_unreadable_success_is_unknown(#[case] body: &str) {
    let error = reply(200, body).json::<crate::thingspace::wire::Accepted>().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[rstest]
#[case(404, "", true)]
#[case(400, &dotted("REQUEST_FAILED.RequestNotFound"), true)]
#[case(400, r#"{"fault":{"code":"900906","message":"No matching resource found"}}"#, true)]
#[case(400, &dotted("INPUT_INVALID.Account.NotDefined"), false)]
#[case(403, XML, false)]
#[case(503, "", false)]
fn a_request_may_be_unknown_to_thingspace(#[case] status: u16, #[case] body: &str, #[case] unknown: bool) {
    assert_eq!(reply(status, body).is_unknown_request(), unknown);
}
