//! What the operator is measured against: a loop that does the same three status writes and one POST for each
//! activation, as many at the same time, and nothing else: no watch, no queue, no decisions, no events, no care.

use std::time::Instant;

use euicc_operator::api::{ActivationStatus, Device, EuiccActivation, PlaceOfUse};
use futures::{StreamExt, stream};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ListParams, PostParams},
    core::ObjectMeta,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    crowd::{life, with_minted},
    gauge::Gauge,
    support::{ACTIVATE, fixtures, http_client},
};

/// What it took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Took {
    /// From the first to the last write.
    pub seconds: f64,
    /// CPU-seconds.
    pub cpu: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusWrite<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    status: &'a ActivationStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    devices: &'a [Device],
    account_name: &'a str,
    carrier_name: &'a Option<String>,
    service_plan: &'a Option<String>,
    mdn_zip_code: &'a Option<String>,
    primary_place_of_use: &'a Option<PlaceOfUse>,
}

/// ThingSpace, logged in.
struct ThingSpace {
    http: reqwest::Client,
    url: String,
    token: String,
    session: String,
}

/// Brings every activation of a namespace to its end. Reading them and logging in are not counted.
pub async fn run(namespace: &str, endpoint: &str, at_once: usize) -> Took {
    let mut config = Config::infer().await.expect("a cluster");
    config.default_retry = false;
    let api: Api<EuiccActivation> = Api::namespaced(Client::try_from(config).expect("a client"), namespace);
    let objects = api.list(&ListParams::default()).await.expect("a list").items;
    let thingspace = ThingSpace::log_in(endpoint).await;
    let template = life(&objects[0]);

    let (own, began) = (Gauge(std::process::id()), Instant::now());
    let before = own.cpu();
    stream::iter(objects).for_each_concurrent(at_once, |object| one(&api, object, &template, &thingspace)).await;
    Took { seconds: began.elapsed().as_secs_f64(), cpu: own.cpu() - before }
}

async fn one(
    api: &Api<EuiccActivation>,
    object: EuiccActivation,
    template: &[ActivationStatus; 3],
    thingspace: &ThingSpace,
) {
    let [mut claimed, mut accepted, mut done] = template.clone();
    claimed.devices[0].device_ids.clone_from(&object.spec.devices[0].device_ids);
    let written = put(api, &object, &claimed).await;
    let request_id = thingspace.activate(&object).await;
    accepted.devices[0].device_ids.clone_from(&object.spec.devices[0].device_ids);
    accepted.request_id = Some(request_id.clone());
    let written = put(api, &written, &accepted).await;
    done.devices[0].device_ids = with_minted(&object);
    done.request_id = Some(request_id);
    put(api, &written, &done).await;
}

/// Writes a status as the operator writes it.
pub async fn put(api: &Api<EuiccActivation>, object: &EuiccActivation, status: &ActivationStatus) -> EuiccActivation {
    let metadata = ObjectMeta {
        name: object.metadata.name.clone(),
        namespace: object.metadata.namespace.clone(),
        uid: object.metadata.uid.clone(),
        resource_version: object.metadata.resource_version.clone(),
        ..ObjectMeta::default()
    };
    let write = StatusWrite { api_version: "euicc-operator.io/v1alpha1", kind: "EuiccActivation", metadata, status };
    api.replace_subresource("status", &object.name_any(), &PostParams::default(), &write).await.expect("written")
}

impl ThingSpace {
    async fn log_in(endpoint: &str) -> Self {
        let http = http_client();
        let token = http.post(format!("{endpoint}/ts/v1/oauth2/token")).basic_auth("sim-key", Some("sim-secret"));
        let token = field(token.form(&[("grant_type", "client_credentials")]), "access_token").await;
        let user = json!({"username": "sim-user", "password": fixtures::LOGIN_PASSWORD});
        let login = http.post(format!("{endpoint}/m2m/v1/session/login")).bearer_auth(&token).json(&user);
        let session = field(login, "sessionToken").await;
        Self { url: format!("{endpoint}/m2m/v1{ACTIVATE}"), http, token, session }
    }

    async fn activate(&self, object: &EuiccActivation) -> String {
        let spec = &object.spec;
        let request = Request {
            devices: &spec.devices,
            account_name: &spec.account_name,
            carrier_name: &spec.carrier_name,
            service_plan: &spec.service_plan,
            mdn_zip_code: &spec.mdn_zip_code,
            primary_place_of_use: &spec.primary_place_of_use,
        };
        let call = self.http.post(&self.url).bearer_auth(&self.token).header("VZ-M2M-Token", &self.session);
        field(call.json(&request), "requestId").await
    }
}

async fn field(call: reqwest::RequestBuilder, name: &str) -> String {
    let text = call.send().await.expect("an answer").text().await.expect("text");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
}
