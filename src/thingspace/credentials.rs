//! The four secrets of an account, and keeping them out of every text.

use secrecy::{ExposeSecret, SecretString};

use crate::text;

/// What ThingSpace asks for (contract 2): neither printable nor left in memory.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// OAuth key.
    pub client_id: SecretString,
    /// OAuth secret.
    pub client_secret: SecretString,
    /// UWS user.
    pub username: SecretString,
    /// UWS password.
    pub password: SecretString,
    /// Changes whenever one of the others does: failed logins are counted by version.
    pub version: String,
}

/// Cleans foreign text of everything that must not be repeated.
pub(super) struct Redactor(Vec<SecretString>);

impl Redactor {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let Credentials { client_id, client_secret, username, password, version: _ } = credentials;
        Self([client_id, client_secret, username, password].into_iter().cloned().collect())
    }

    /// Withholds `secrets` as well.
    pub(super) fn and(mut self, secrets: impl IntoIterator<Item = SecretString>) -> Self {
        self.0.extend(secrets);
        self
    }

    /// `foreign` without secrets and control characters, and not too long to print.
    pub(super) fn clean(&self, foreign: &str) -> String {
        let mut secrets: Vec<&str> = self.0.iter().map(|s| s.expose_secret()).filter(|s| !s.is_empty()).collect();
        // The longest first: one secret may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let redacted = secrets.into_iter().fold(foreign.to_owned(), |text, secret| text.replace(secret, "[withheld]"));
        text::clean(&redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            client_id: "canary-id".into(),
            client_secret: "canary-secret".into(),
            username: "canary".into(),
            password: "canary-password".into(),
            version: "7".into(),
        }
    }

    #[test]
    fn credentials_cannot_be_printed() {
        let printed = format!("{:?}", credentials());
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn foreign_text_never_repeats_a_secret() {
        let redactor = Redactor::new(&credentials()).and(["a-token".into(), "".into()]);
        let cleaned = redactor.clean("user canary, password canary-password,\n token a-token");
        assert_eq!(cleaned, "user [withheld], password [withheld], token [withheld]");
    }

    #[test]
    fn a_secret_at_the_cut_does_not_leak_its_beginning() {
        let long = format!("{}canary-password", "x".repeat(text::LIMIT - 4));
        assert!(!Redactor::new(&credentials()).clean(&long).contains("cana"));
    }
}
