//! What is to be done about an account's callback listener: a pure decision (contract 6.1, 12 #6).

use crate::thingspace::wire::{CallbackListener, PROFILE_SERVICE};

/// The listener that is wanted.
pub struct Wanted<'a> {
    pub url: &'a str,
    pub username: &'a str,
    pub password: &'a str,
    pub take_over: bool,
    /// Where we registered this account last, as our status says.
    pub ours_before: Option<&'a str>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is as it should be.
    Leave,
    /// There is none.
    Register,
    /// It is ours and out of date, or may be displaced: one goes, the other comes.
    Replace {
        /// Whom that displaces.
        foreign: Option<String>,
    },
    /// It is another system's: not to be touched.
    Foreign {
        /// Whose it is.
        url: String,
    },
}

/// Decides; ThingSpace has at most one listener for a service.
pub fn decide(wanted: &Wanted<'_>, listeners: &[CallbackListener]) -> Decision {
    let Some(present) = listeners.iter().find(|l| l.service_name == PROFILE_SERVICE) else { return Decision::Register };
    if present.url == wanted.url {
        let differs = |shown: &Option<String>, wanted: &str| shown.as_deref().is_some_and(|s| s != wanted);
        let stale = differs(&present.username, wanted.username) || differs(&present.password, wanted.password);
        return if stale { Decision::Replace { foreign: None } } else { Decision::Leave };
    }
    if wanted.ours_before == Some(present.url.as_str()) {
        return Decision::Replace { foreign: None };
    }
    let url = present.url.clone();
    if wanted.take_over { Decision::Replace { foreign: Some(url) } } else { Decision::Foreign { url } }
}

/// A URL for people: another system's may hold a password, or a token as its query.
pub fn shown(url: &str) -> String {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return "an address that is not a URL".into() };
    // Only a URL without a host takes neither, and it has none to show.
    let _ = parsed.set_username("").and_then(|()| parsed.set_password(None));
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.as_str().chars().take(512).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted<'static> {
        Wanted { url: "https://ours/", username: "u", password: "p", take_over: false, ours_before: None }
    }

    fn listener(url: &str, password: Option<&str>) -> CallbackListener {
        CallbackListener {
            account_name: None,
            service_name: PROFILE_SERVICE.into(),
            url: url.into(),
            username: Some("u".into()),
            password: password.map(Into::into),
        }
    }

    #[test]
    fn a_listener_is_registered_where_there_is_none() {
        assert_eq!(decide(&wanted(), &[]), Decision::Register);
        let other = CallbackListener { service_name: "NiddService".into(), ..listener("https://x/", None) };
        assert_eq!(decide(&wanted(), &[other]), Decision::Register);
    }

    #[test]
    fn our_listener_is_left_alone_unless_its_password_is_old() {
        assert_eq!(decide(&wanted(), &[listener("https://ours/", Some("p"))]), Decision::Leave);
        assert_eq!(decide(&wanted(), &[listener("https://ours/", None)]), Decision::Leave);
        assert_eq!(decide(&wanted(), &[listener("https://ours/", Some("old"))]), Decision::Replace { foreign: None });
    }

    #[test]
    fn a_foreign_listener_is_displaced_only_on_request_or_when_it_was_ours() {
        let theirs = [listener("https://theirs/", Some("p"))];
        assert_eq!(decide(&wanted(), &theirs), Decision::Foreign { url: "https://theirs/".into() });
        assert_eq!(
            decide(&Wanted { take_over: true, ..wanted() }, &theirs),
            Decision::Replace { foreign: Some("https://theirs/".into()) }
        );
        let ours_before = Wanted { ours_before: Some("https://theirs/"), ..wanted() };
        assert_eq!(decide(&ours_before, &theirs), Decision::Replace { foreign: None });
    }

    #[test]
    fn whose_a_listener_is_can_be_said_without_its_secrets() {
        assert_eq!(
            shown("https://user:canary@crm.example.com:9001/in?token=canary#canary"),
            "https://crm.example.com:9001/in"
        );
        assert_eq!(shown("canary"), "an address that is not a URL");
    }
}
