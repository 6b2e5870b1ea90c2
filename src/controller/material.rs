//! What a connection is made from besides its spec: two Secrets and perhaps certificates, all of its own namespace.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{Api, ResourceExt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::context::Context;
use crate::{
    api::{CaBundle, KeyRef, RETRY_ANNOTATION, ThingSpaceConnection},
    cluster::is_transient,
    thingspace::Credentials,
};

/// Longest user name and password that ThingSpace echoes (contract 6.1).
const LONGEST_CALLBACK_CREDENTIAL: usize = 40;

/// Everything that a link is built from, as read.
pub struct Material {
    /// User and application.
    pub login: Credentials,
    /// What ThingSpace puts into its messages, where it sends any.
    pub callback: Option<CallbackCredentials>,
    /// Certificates to trust, PEM.
    pub certificates: Option<String>,
}

/// What ThingSpace puts into each message.
pub struct CallbackCredentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// What a session is opened with and where: links that have it in common share the session, for ThingSpace may keep
/// only one of a user (contract 2.2, 12 #10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access(Uuid);

/// What a link was built from, by content: a Secret that is only labelled anew needs no new link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    generation: Option<i64>,
    login: String,
    rest: Uuid,
}

impl Material {
    /// What stands for it.
    pub fn basis(&self, connection: &ThingSpaceConnection) -> Basis {
        let callback = self.callback.as_ref().map(|c| (&c.username, c.password.expose_secret()));
        let rest = json!([callback, self.certificates]).to_string();
        Basis {
            generation: connection.metadata.generation,
            login: self.login.version.clone(),
            rest: Uuid::new_v5(&Uuid::NAMESPACE_OID, rest.as_bytes()),
        }
    }

    /// What stands for the session that it takes.
    pub fn access(&self, connection: &ThingSpaceConnection) -> Access {
        let spec = &connection.spec;
        let place = json!([spec.endpoint, spec.oauth_base(), spec.insecure_endpoint, self.certificates]);
        let user = json!([connection.namespace(), spec.credentials_secret_ref.name, self.login.version]);
        Access(Uuid::new_v5(&Uuid::NAMESPACE_OID, json!([place, user]).to_string().as_bytes()))
    }
}

/// The outer error is Kubernetes', the inner one says what is wrong with what was read.
pub async fn read(
    connection: &ThingSpaceConnection,
    context: &Context,
) -> Result<Result<Material, String>, kube::Error> {
    let namespace = connection.namespace().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(context.clients.calls.clone(), &namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(context.clients.calls.clone(), &namespace);
    let spec = &connection.spec;
    let read = async {
        let login = credentials(&named(&secrets, &spec.credentials_secret_ref.name).await?)?;
        let callback = match &spec.callback {
            None => None,
            Some(callback) => {
                let secret = named(&secrets, &callback.credentials_secret_ref.name).await?;
                Some(callback_credentials(&secret, &login)?)
            }
        };
        let certificates = match &spec.ca_bundle {
            None => None,
            Some(bundle) => Some(certificates(bundle, &secrets, &config_maps).await?),
        };
        Ok(Material { login, callback, certificates })
    };
    match read.await {
        Ok(material) => Ok(Ok(material)),
        Err(Problem::Wrong(sentence)) => Ok(Err(sentence)),
        Err(Problem::Kubernetes(error)) => Err(error),
    }
}

enum Problem {
    /// In words for whoever owns the connection.
    Wrong(String),
    Kubernetes(kube::Error),
}

impl From<String> for Problem {
    fn from(sentence: String) -> Self {
        Self::Wrong(sentence)
    }
}

async fn named<K>(api: &Api<K>, name: &str) -> Result<K, Problem>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let kind = K::kind(&());
    match api.get_opt(name).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Problem::Wrong(format!("{kind} {name} does not exist. Create it."))),
        Err(error) if is_transient(&error) => Err(Problem::Kubernetes(error)),
        Err(error) => Err(Problem::Wrong(format!("{kind} {name} cannot be read: {error}. Check the operator's Role."))),
    }
}

/// The login that a Secret holds. Its version stands for its content, not for its `resourceVersion`: who labels a wrong
/// password anew has not changed it. The retry annotation is part of it, so that a person can ask for two more logins.
pub fn credentials(secret: &Secret) -> Result<Credentials, String> {
    let [client_id, client_secret, username, password] =
        [key(secret, "clientId")?, key(secret, "clientSecret")?, key(secret, "username")?, key(secret, "password")?];
    // The client secret is long and random, so that nobody who reads the status can try passwords against this.
    let salt = format!("{}/{}/{client_secret}", secret.namespace().unwrap_or_default(), secret.name_any());
    let content = json!([secret.annotations().get(RETRY_ANNOTATION), client_id, username, password]).to_string();
    let salt = Uuid::new_v5(&Uuid::NAMESPACE_OID, salt.as_bytes());
    Ok(Credentials {
        version: Uuid::new_v5(&salt, content.as_bytes()).to_string(),
        client_id: client_id.into(),
        client_secret: client_secret.into(),
        username: username.into(),
        password: password.into(),
    })
}

fn callback_credentials(secret: &Secret, login: &Credentials) -> Result<CallbackCredentials, String> {
    let (username, password) = (key(secret, "username")?, key(secret, "password")?);
    let name = secret.name_any();
    if username.len() > LONGEST_CALLBACK_CREDENTIAL || password.len() > LONGEST_CALLBACK_CREDENTIAL {
        return Err(format!(
            "Secret {name}: username and password may have {LONGEST_CALLBACK_CREDENTIAL} characters each. Shorten them."
        ));
    }
    if login.username.expose_secret() == username || login.password.expose_secret() == password {
        return Err(format!(
            "Secret {name}: username and password must not be those of the login, for ThingSpace sends them in clear. \
             Choose others."
        ));
    }
    Ok(CallbackCredentials { username, password: password.into() })
}

async fn certificates(
    bundle: &CaBundle,
    secrets: &Api<Secret>,
    config_maps: &Api<ConfigMap>,
) -> Result<String, Problem> {
    if let Some(KeyRef { name, key: wanted }) = &bundle.secret_key_ref {
        return Ok(key(&named(secrets, name).await?, wanted)?);
    }
    if let Some(KeyRef { name, key: wanted }) = &bundle.config_map_key_ref {
        let data = named(config_maps, name).await?.data.unwrap_or_default();
        let missing = || format!("ConfigMap {name} has no key {wanted} with certificates in it. Add it.");
        return Ok(data.get(wanted).cloned().ok_or_else(missing)?);
    }
    Ok(bundle.inline.clone().unwrap_or_default())
}

fn key(secret: &Secret, key: &str) -> Result<String, String> {
    let empty = BTreeMap::new();
    let data: &BTreeMap<String, ByteString> = secret.data.as_ref().unwrap_or(&empty);
    let text = data.get(key).and_then(|v| String::from_utf8(v.0.clone()).ok()).map(|v| v.trim().to_owned());
    text.filter(|t| !t.is_empty())
        .ok_or_else(|| format!("Secret {} has no key {key} with text in it. Add it.", secret.name_any()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(password: &str, annotation: Option<&str>, resource_version: &str) -> Secret {
        let mut secret: Secret = serde_json::from_value(json!({
            "metadata": {"namespace": "fleet", "name": "thingspace", "resourceVersion": resource_version},
        }))
        .unwrap();
        let values = [("clientId", "id"), ("clientSecret", "secret"), ("username", "user"), ("password", password)];
        secret.data = Some(values.map(|(k, v)| (k.to_owned(), ByteString(v.as_bytes().to_vec()))).into());
        secret.metadata.annotations = annotation.map(|a| BTreeMap::from([(RETRY_ANNOTATION.to_owned(), a.to_owned())]));
        secret
    }

    #[test]
    fn another_password_is_another_version_and_another_label_is_not() {
        let version = |s: &Secret| credentials(s).unwrap().version;
        let first = version(&secret("wrong", None, "1"));
        assert_eq!(version(&secret("wrong", None, "2")), first);
        assert_eq!(version(&secret("wrong\n", None, "3")), first, "an editor's newline");
        assert_ne!(version(&secret("right", None, "4")), first);
        assert_ne!(version(&secret("wrong", Some("again"), "5")), first, "a person asks for it");
    }

    #[test]
    fn a_callback_password_is_short_and_not_that_of_the_login() {
        let login = credentials(&secret("pass", None, "1")).unwrap();
        let refused = |s: &Secret| callback_credentials(s, &login).err().unwrap_or_default();
        assert!(refused(&secret(&"x".repeat(41), None, "1")).contains("40 characters"));
        let mut same = secret("pass", None, "1");
        assert!(refused(&same).contains("must not be those of the login"));
        same.data.get_or_insert_default().insert("username".into(), ByteString(b"other".to_vec()));
        assert!(refused(&same).contains("must not be those of the login"), "the password is the same");
    }

    #[test]
    fn a_missing_key_is_named() {
        let mut secret = secret("pass", None, "1");
        secret.data.get_or_insert_default().remove("clientSecret");
        assert_eq!(
            credentials(&secret).unwrap_err(),
            "Secret thingspace has no key clientSecret with text in it. Add it."
        );
    }
}
