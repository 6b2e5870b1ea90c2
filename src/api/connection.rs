//! `ThingSpaceConnection`: how to reach ThingSpace, owned by the platform team.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema, ResourceExt, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConnectionStatus, rules};

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

    /// Certificate authorities to trust besides the system's own, for a proxy that opens TLS. Not needed for Verizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<CaBundle>,

    /// Billing accounts that activations may name: ten digits, a hyphen, five digits, for example 0000123456-00001.
    #[schemars(length(min = 1, max = 100), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::account_names())]
    pub accounts: Vec<String>,

    /// Other namespaces whose activations may name this connection, with connectionRef.namespace. Its own namespace
    /// always may. Not given: no other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

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
    // Spelled out, since parsers of URLs differ in what they forgive.
    Rule::new(
        r"self.matches('^https?://(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/([A-Za-z0-9._~!$&()*+,;=:/-]|%[0-9A-Fa-f]{2})*)?$')",
    )
        .message("must be an absolute http or https URL without user, query or fragment")
}

impl ThingSpaceConnection {
    /// Namespace and name.
    pub fn key(&self) -> (String, String) {
        (self.namespace().unwrap_or_default(), self.name_any())
    }
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

/// Certificates in PEM, from one of three places.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("(has(self.inline) ? 1 : 0) + (has(self.configMapKeyRef) ? 1 : 0) + (has(self.secretKeyRef) ? 1 : 0) == 1")
    .message("must hold exactly one of inline, configMapKeyRef and secretKeyRef"))]
#[serde(rename_all = "camelCase")]
pub struct CaBundle {
    /// The certificates themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    #[x_kube(validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')").message("must hold certificates in PEM"))]
    pub inline: Option<String>,
    /// A ConfigMap in the same namespace, such as trust-manager keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A Secret in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// Names a key of a ConfigMap or a Secret in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRef {
    /// Name of the object.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// The key that holds the certificates.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_ca_key() -> String {
    "ca.crt".into()
}

/// Which other namespaces a connection admits: those named and those selected.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.names) || has(self.selector)").message("must hold names, a selector, or both"))]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::namespace_names())]
    pub names: Vec<String>,
    /// By the labels of the Namespace; an empty selector admits every namespace. Whoever may label namespaces decides
    /// who may activate. The operator needs to list Namespaces for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
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
    /// What deleting this connection does to its listeners at ThingSpace. Keep: they stay, and another connection with
    /// the same URL takes them on. Deregister: those that are this connection's are removed first; a connection that
    /// cannot be reached is let go all the same, after a few minutes.
    #[serde(default)]
    pub on_delete: OnDelete,
}

/// What deleting a connection does to its listeners.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum OnDelete {
    #[default]
    Keep,
    Deregister,
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
