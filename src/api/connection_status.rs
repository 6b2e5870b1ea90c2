//! Status of a `ThingSpaceConnection`: can activations be sent, and what is known of each account.
//! Credentials never enter it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Whether activations can be sent, and if not, why.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// The generation that this status is about; -1 before the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: activations are sent. Authenticated: ThingSpace accepts the credentials. CallbackRegistered: every account
    /// delivers its answers to callback.url. NamespacesSelected, only with allowedNamespaces.selector: the labels of
    /// namespaces can be read. Reconciling, Stalled: as kstatus has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// What is known of each account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub accounts: Vec<AccountStatus>,
    /// Logins that failed with the present credentials: after two, none is made until the Secret changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginStatus>,
}

/// What is known of one account.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// The account.
    #[schemars(length(max = 16))]
    pub name: String,
    /// Where ThingSpace delivers this account's answers now, without what may be secret in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub callback_url: Option<String>,
    /// The URL that this connection registered last: what is found there is its own to replace and to remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub registered_url: Option<String>,
    /// Whether ThingSpace lets this account activate lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_allowed: Option<bool>,
    /// Codes of the service plans that activations may name: the first 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub service_plans: Vec<String>,
    /// Names of the IP pools that activations may name: the first 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub ip_pools: Vec<String>,
    /// The pool of activations that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub default_ip_pool: Option<String>,
    /// What stands against this account, or could not be learned of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// The login breaker's memory (contract 2.2: five failed logins lock the user).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginStatus {
    /// Stands for the content of the credentials Secret that this is about: another password is another version. So is
    /// another value of the Secret's annotation euicc-operator.io/retry, which allows two more logins.
    pub credentials_version: String,
    /// Logins begun with it that have not succeeded, by the operator's own ids.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed: Vec<String>,
    /// When the last one was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Time>,
    /// What ThingSpace said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
