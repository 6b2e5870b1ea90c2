//! The password in the body (contract 6.1): compared in constant time; the previous one is accepted during a rotation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::thingspace::CallbackCredentials;

/// How long a Secret is believed.
const FRESH: Duration = Duration::from_secs(10);
/// How often a Secret is read again because a password did not fit it.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// What a message must know.
struct Expected {
    read: Instant,
    pairs: Vec<(SecretString, SecretString)>,
}

/// Reads the callback Secrets, and remembers them for a while.
pub struct Authenticator {
    client: Client,
    known: Mutex<HashMap<(String, String), Arc<Expected>>>,
}

impl Authenticator {
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// Whether the message comes from who was given the password.
    ///
    /// # Errors
    /// When the Secret cannot be read: then nothing can be said.
    pub async fn admits(&self, namespace: &str, secret: &str, given: &CallbackCredentials) -> Result<bool, kube::Error> {
        let key = (namespace.to_owned(), secret.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(expected) = &known {
            let fits = expected.fits(given);
            let age = expected.read.elapsed();
            // A password that does not fit may be a newer one.
            if age < FRESH && (fits || age < AT_MOST_EVERY) {
                return Ok(fits);
            }
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let expected = Arc::new(Expected::from(api.get_opt(secret).await?));
        let fits = expected.fits(given);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, expected);
        Ok(fits)
    }
}

impl From<Option<Secret>> for Expected {
    fn from(secret: Option<Secret>) -> Self {
        let data = secret.and_then(|s| s.data).unwrap_or_default();
        let text = |key: &str| {
            let value = data.get(key).and_then(|v| String::from_utf8(v.0.clone()).ok())?;
            Some(value.trim().to_owned()).filter(|v| !v.is_empty())
        };
        let passwords = [text("password"), text("previousPassword")].into_iter().flatten();
        let pairs = match text("username") {
            Some(name) => passwords.map(|p| (name.clone().into(), p.into())).collect(),
            None => Vec::new(),
        };
        Self { read: Instant::now(), pairs }
    }
}

impl Expected {
    fn fits(&self, given: &CallbackCredentials) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret().as_bytes().ct_eq(b.expose_secret().as_bytes());
        let one = |(username, password): &(SecretString, SecretString)| {
            same(username, &given.username) & same(password, &given.password)
        };
        self.pairs.iter().fold(Choice::from(0), |any, pair| any | one(pair)).into()
    }
}
