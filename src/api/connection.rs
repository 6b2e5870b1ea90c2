//! `ThingSpaceConnection`: how to reach ThingSpace, owned by the platform team.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema, core::Rule};
use serde::{Deserialize, Serialize};

use super::rules;

/// How to reach ThingSpace: where, as whom, for which accounts, where it delivers its answers, how fast to send.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "euicc-operator.io",
    version = "v1alpha1",
    kind = "ThingSpaceConnection",
    plural = "thingspaceconnections",
    shortname = "tsc",
    category = "thingspace",
    namespaced,
    status = "ConnectionStatus",
    derive = "PartialEq",
    doc = "How to reach Verizon ThingSpace: where, as whom, for which accounts, where it delivers its answers, how fast to send.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.endpoint"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    validation = Rule::new("!has(self.spec.callback) || (self.spec.callback.url.contains('/v1/callbacks/') && self.spec.callback.url.endsWith('/' + self.metadata.name))")
        .message("callback.url must end in /v1/callbacks/NAMESPACE/CONNECTION, with the name of this connection").field_path(".spec.callback.url")
)]
#[x_kube(
    validation = Rule::new("self.insecureEndpoint || !self.endpoint.startsWith('http://')")
        .message("endpoint must be https, or insecureEndpoint true: passwords travel over it").field_path(".endpoint"),
    validation = Rule::new("self.insecureEndpoint || !has(self.oauthEndpoint) || !self.oauthEndpoint.startsWith('http://')")
        .message("oauthEndpoint must be https, or insecureEndpoint true: passwords travel over it").field_path(".oauthEndpoint"),
    validation = Rule::new("self.insecureEndpoint || !has(self.callback) || !self.callback.url.startsWith('http://')")
        .message("callback.url must be https, or insecureEndpoint true: a password stands in each message").field_path(".callback.url"),
    validation = Rule::new("self.insecureEndpoint || !has(self.callback) || self.callback.url.matches('^(https?://)?(\\\\[[0-9A-Fa-f:]+\\\\]|[^/:]+)(:(80|443|900[1-6]|282[01][0-9]|28220|5055[1-9]))?(/.*)?$')")
        .message("callback.url must use a port that ThingSpace delivers to: 80, 443, 9001-9006, 28200-28220 or 50551-50559").field_path(".callback.url")
)]
#[serde(rename_all = "camelCase")]
pub struct ThingSpaceConnectionSpec {
    /// Base of ThingSpace's Connectivity Management API; /m2m/v1/… is added.
    #[serde(default = "default_endpoint")]
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(validation = url())]
    pub endpoint: String,

    /// Base of ThingSpace's OAuth API; /oauth2/token is added. Not given: endpoint + /ts/v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(validation = url())]
    pub oauth_endpoint: Option<String>,

    /// Secret in the same namespace with the keys clientId and clientSecret (the ThingSpace application), username and
    /// password (the UWS user). Use a user that nothing else logs in with: five failed logins lock it.
    pub credentials_secret_ref: SecretRef,

    /// true admits http:// endpoints, for thingspace-simulator. Never for Verizon.
    #[serde(default)]
    pub insecure_endpoint: bool,

    /// Billing accounts that activations may name: ten digits, a hyphen, five digits, for example 0000123456-00001.
    #[schemars(length(min = 1, max = 100), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::account_names())]
    pub accounts: Vec<String>,

    /// Where ThingSpace delivers its answers. Not given: the operator polls for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Callback>,

    /// How fast to send.
    #[serde(default)]
    pub limits: Limits,
}

fn default_endpoint() -> String {
    "https://thingspace.verizon.com/api".into()
}

fn url() -> Rule {
    Rule::new("isURL(self) && (self.startsWith('https://') || self.startsWith('http://')) && !self.contains('@') && !self.contains('?') && !self.contains('#')")
        .message("must be an absolute http or https URL without user, query or fragment")
}

impl ThingSpaceConnectionSpec {
    /// The OAuth base: given, or derived from the endpoint (contract 1).
    pub fn oauth_base(&self) -> String {
        self.oauth_endpoint.clone().unwrap_or_else(|| format!("{}/ts/v1", self.endpoint.trim_end_matches('/')))
    }
}

/// Names a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

/// Where ThingSpace delivers its answers (contract 6.1).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    /// URL of the callback endpoint as the internet reaches it, ending in /v1/callbacks/NAMESPACE/CONNECTION. Https with a
    /// certificate of a public CA, on port 443, 80, 9001-9006, 28200-28220 or 50551-50559.
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(validation = url())]
    pub url: String,
    /// Secret in the same namespace with the keys username and password that ThingSpace puts into each message, at most 40
    /// characters each and not those of the login, and optionally previousPassword, which is accepted as well during a rotation.
    pub credentials_secret_ref: SecretRef,
    /// ThingSpace has one listener an account, shared with every other system of yours. false: a listener that is not
    /// this one's is left alone and reported. true: it is replaced, and that other system hears nothing any more.
    #[serde(default)]
    pub take_over: bool,
}

/// How fast to send. ThingSpace takes 100 activations a minute (contract 11).
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests to activate or deactivate, a minute.
    #[serde(default = "default_per_minute")]
    #[schemars(range(min = 1, max = 10000))]
    pub activations_per_minute: i32,
    /// Requests that may be on their way to ThingSpace at the same time.
    #[serde(default = "default_in_flight")]
    #[schemars(range(min = 1, max = 1000))]
    pub in_flight: i32,
}

fn default_per_minute() -> i32 {
    90
}

fn default_in_flight() -> i32 {
    50
}

impl Default for Limits {
    fn default() -> Self {
        Self { activations_per_minute: default_per_minute(), in_flight: default_in_flight() }
    }
}

/// Whether activations can be sent, and if not, why.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// The generation that this status is about; -1 before the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: activations are sent. Authenticated: ThingSpace accepts the credentials. CallbackRegistered: every account
    /// delivers its answers to callback.url. Reconciling, Stalled: as kstatus has them.
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
    /// Where ThingSpace delivers this account's answers now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// The login breaker's memory (contract 2.2: five failed logins lock the user).
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginStatus {
    /// Version of the credentials Secret that this is about.
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
