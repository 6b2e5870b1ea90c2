//! The client against a server that says exactly what a test wants it to say.

mod access;
mod calls;
mod devices;
mod fake;
mod logins;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::Fake;

use super::*;

const ACCOUNT: &str = "0000123456-00001";

struct Proof;

impl Claim for Proof {
    fn is_fresh(&self) -> bool {
        true
    }
}

fn credentials(version: &str) -> Credentials {
    Credentials {
        client_id: "canary-id".into(),
        client_secret: "canary-secret".into(),
        username: "canary-user".into(),
        password: "canary-password".into(),
        version: version.into(),
    }
}

fn config() -> ClientConfig {
    ClientConfig { request_timeout: Duration::from_millis(400), ..ClientConfig::default() }
}

fn client_with(fake: &Fake, ledger: Arc<dyn LoginLedger>, config: ClientConfig) -> Client {
    let endpoint = Endpoint::new(&fake.api(), None, true).unwrap();
    Client::new(endpoint, credentials("1"), ledger, config).unwrap()
}

fn client(fake: &Fake) -> Client {
    client_with(fake, Arc::new(MemoryLedger::default()), config())
}

fn activation() -> wire::ActivateRequest {
    let kind = |kind: &str, id: &str| wire::DeviceId { kind: kind.into(), id: id.into() };
    wire::ActivateRequest {
        devices: vec![wire::Device {
            device_ids: vec![kind("eid", "89034011560010000000000000000121"), kind("imei", "490154203237518")],
        }],
        account_name: ACCOUNT.into(),
        smsr_oid: None,
        carrier_name: None,
        service_plan: Some("HybridESim".into()),
        mdn_zip_code: None,
        carrier_ip_pool_name: None,
        primary_place_of_use: None,
    }
}

async fn activate(client: &Client) -> Result<RequestId, CallError> {
    client.activate(Proof, &activation()).await
}

#[derive(Default)]
struct Reports(Mutex<Vec<(&'static str, Outcome)>>);

impl CallObserver for Reports {
    fn observe(&self, report: CallReport) {
        self.0.lock().unwrap().push((report.operation, report.outcome));
    }
}

impl Reports {
    fn take(&self) -> Vec<(&'static str, Outcome)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
