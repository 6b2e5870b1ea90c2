//! A simulated ThingSpace and a client of it.

use std::sync::Arc;
use std::time::Duration;

use euicc_operator::simulator::{Config, Simulator};
use euicc_operator::thingspace::wire::{ActivateRequest, Device, DeviceId};
use euicc_operator::thingspace::{
    CallError, Claim, Client, ClientConfig, Credentials, Endpoint, LineState, MemoryLedger, RequestId,
};

pub(crate) const ACCOUNT: &str = "0000123456-00001";
pub(crate) const IMEI: &str = "353900100000011";
pub(crate) const EID: &str = "89049032000000000000000000000163";

pub(crate) struct Proof;

impl Claim for Proof {
    fn is_fresh(&self) -> bool {
        true
    }
}

pub(crate) struct Scene {
    pub(crate) thingspace: Simulator,
    pub(crate) client: Client,
    pub(crate) ledger: Arc<MemoryLedger>,
}

pub(crate) fn settings() -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), activation_time: Duration::from_secs(60), ..Config::default() }
}

pub(crate) async fn scene_of(settings: Config, password: &str, secret: &str) -> Scene {
    let thingspace = Simulator::start(settings).await.unwrap();
    let ledger = Arc::new(MemoryLedger::default());
    let credentials = Credentials {
        client_id: "sim-key".into(),
        client_secret: secret.into(),
        username: "sim-user".into(),
        password: password.into(),
        version: "1".into(),
    };
    let endpoint = Endpoint::new(&format!("{}/api", thingspace.url()), None, true).unwrap();
    let config = ClientConfig { request_timeout: Duration::from_secs(1), ..ClientConfig::default() };
    let client = Client::new(endpoint, credentials, ledger.clone(), config).unwrap();
    Scene { thingspace, client, ledger }
}

pub(crate) async fn scene() -> Scene {
    scene_of(settings(), "sim-pass", "sim-secret").await
}

impl Scene {
    pub(crate) async fn activate(&self) -> Result<RequestId, CallError> {
        let request = ActivateRequest {
            devices: vec![Device { device_ids: ids() }],
            account_name: ACCOUNT.into(),
            smsr_oid: None,
            carrier_name: None,
            service_plan: Some("HybridESim".into()),
            mdn_zip_code: Some("94105".into()),
            carrier_ip_pool_name: None,
            primary_place_of_use: None,
        };
        self.client.activate(Proof, &request).await
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.thingspace.journal(path).len()
    }

    pub(crate) async fn line(&self) -> LineState {
        self.client.find_device(ACCOUNT, &ids()).await.unwrap().unwrap().line_state()
    }
}

pub(crate) fn ids() -> Vec<DeviceId> {
    [("eid", EID), ("imei", IMEI)].map(|(kind, id)| DeviceId { kind: kind.into(), id: id.into() }).to_vec()
}
