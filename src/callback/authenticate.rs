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
    reading: tokio::sync::Mutex<()>,
}

impl Authenticator {
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Whether the message comes from who was given the password.
    ///
    /// # Errors
    /// When the Secret cannot be read: then nothing can be said.
    pub async fn admits(
        &self,
        namespace: &str,
        secret: &str,
        given: &CallbackCredentials,
    ) -> Result<bool, kube::Error> {
        let key = (namespace.to_owned(), secret.to_owned());
        let arrived = Instant::now();
        if let Some(expected) = self.remembered(&key) {
            if expected.fits(given) && expected.read.elapsed() < FRESH {
                return Ok(true);
            }
            // A password that does not fit may be newer than what was read, so it is read again; not too often, though.
            tokio::time::sleep(AT_MOST_EVERY.saturating_sub(expected.read.elapsed())).await;
        }
        let _one_at_a_time = self.reading.lock().await;
        if let Some(expected) = self.remembered(&key).filter(|e| e.read >= arrived) {
            return Ok(expected.fits(given));
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let read = Instant::now();
        let expected = Arc::new(Expected { read, ..Expected::from(api.get_opt(secret).await?) });
        let fits = expected.fits(given);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, expected);
        Ok(fits)
    }

    fn remembered(&self, key: &(String, String)) -> Option<Arc<Expected>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
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
        let same =
            |a: &SecretString, b: &SecretString| a.expose_secret().as_bytes().ct_eq(b.expose_secret().as_bytes());
        let one = |(username, password): &(SecretString, SecretString)| {
            same(username, &given.username) & same(password, &given.password)
        };
        self.pairs.iter().fold(Choice::from(0), |any, pair| any | one(pair)).into()
    }
}
