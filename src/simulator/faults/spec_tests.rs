//! The grammar, by example.

use rstest::rstest;
use serde_json::json;

use super::*;

fn reply(text: &str) -> ReplyFault {
    match text.parse::<Spec>().unwrap().effect {
        Effect::Reply(fault) => fault,
        Effect::Callback(_) => panic!("{text} is a fault of a callback"),
    }
}

fn callback(text: &str) -> CallbackFault {
    match text.parse::<Spec>().unwrap().effect {
        Effect::Callback(fault) => *fault,
        Effect::Reply(_) => panic!("{text} is a fault of a reply"),
    }
}

#[rstest]
#[case("activate:status=503", Strike::Status(StatusCode::SERVICE_UNAVAILABLE, None))]
#[case("activate:status=429,retry-after=5", Strike::Status(StatusCode::TOO_MANY_REQUESTS, Some(5)))]
#[case("activate:retry-after=5,status=503", Strike::Status(StatusCode::SERVICE_UNAVAILABLE, Some(5)))]
#[case("activate:retry-after=5", Strike::Status(StatusCode::TOO_MANY_REQUESTS, Some(5)))]
#[case("list:error=REQUEST_FAILED.UnexpectedError", Strike::Error("REQUEST_FAILED.UnexpectedError".into()))]
#[case("any:hang", Strike::Hang)]
#[case("login:reset", Strike::Reset)]
#[case("token:garbage", Strike::Garbage)]
#[case("status:slow=10s", Strike::Slow(Duration::from_secs(10)))]
fn a_reply_is_struck_in_one_way(#[case] text: &str, #[case] strike: Strike) {
    assert_eq!(reply(text), ReplyFault { strike: Some(strike), ..ReplyFault::default() });
}

#[test]
fn after_and_delay_go_with_any_strike() {
    let fault = reply("activate:reset,after,delay=250ms");
    assert!(fault.after);
    assert_eq!(fault.delay, Duration::from_millis(250));
    assert!(reply("activate:status=503,after=true,count=1").after);
}

#[test]
fn a_callback_may_be_odd_in_many_ways_at_once() {
    let fault = callback("callback:pascal,strings,delay=30s,duplicate,password=old,warning=5m");
    assert!(fault.form.pascal && fault.form.strings);
    assert_eq!(fault.delay, Duration::from_secs(30));
    assert_eq!((fault.duplicate, fault.password), (1, Password::Old));
    assert_eq!(fault.warning, Some(Duration::from_secs(300)));
    assert_eq!(callback("callback:stuck").stuck, Some(Duration::from_secs(86_400)));
}

#[test]
fn selectors_are_the_same_for_both() {
    let spec: Spec =
        "callback:lost,device=8904,account=0000123456-00001,action=deactivate,skip=1,count=2,rate=0.5".parse().unwrap();
    let selector = spec.selector;
    assert_eq!(selector.device.as_deref(), Some("8904"));
    assert_eq!((selector.action, selector.skip, selector.count), (Some(Action::Deactivate), 1, Some(2)));
    assert_eq!(selector.rate, Some(0.5));
}

#[test]
fn an_object_says_the_same_as_a_string() {
    let object = json!({"operation": "activate", "status": 503, "after": true, "count": 1, "device": null});
    let from_object = Spec::try_from(&object).unwrap();
    let from_string: Spec = "activate:status=503,after,count=1".parse().unwrap();
    assert_eq!(from_object.effect, from_string.effect);
    assert_eq!(from_object.selector, from_string.selector);
}

#[rstest]
#[case("activate")]
#[case("reboot:hang")]
#[case("activate:lost")]
#[case("callback:hang")]
#[case("activate:status=200")]
#[case("activate:status=503,hang")]
#[case("activate:slow=soon")]
#[case("activate:hang,rate=7")]
#[case("callback:password=none")]
#[case("callback:action=explode")]
fn nonsense_is_refused_in_a_sentence(#[case] text: &str) {
    let error = text.parse::<Spec>().unwrap_err();
    assert!(error.ends_with('.'), "{error}");
}
