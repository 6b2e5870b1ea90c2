//! What every measurement needs: a namespace, ThingSpace without limits, and connections to it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Callback, Controller, Namespace, Simulator, fixtures, operator};

/// Flags of a simulator that holds nothing up.
const WITHOUT_LIMITS: [&str; 7] =
    ["--activate-per-minute", "0", "--actions-per-day", "0", "--any-callback-port", "--callback-retries", "observed"];

/// The stage.
pub struct Stage {
    /// Where the objects are.
    pub namespace: Namespace,
    /// ThingSpace.
    pub simulator: Simulator,
    lanes: usize,
}

/// Name and account of a connection. There may be several: one takes at most 10,000 requests a minute.
pub fn connection(lane: usize) -> (String, String) {
    (format!("verizon-{lane}"), format!("0000123456-{:05}", lane + 1))
}

impl Stage {
    /// A namespace and a simulator that knows the accounts of so many connections.
    pub async fn new(lanes: usize, simulator_flags: &[&str]) -> Self {
        let namespace = Namespace::new("bench").await;
        let simulator = Simulator::start(&[&WITHOUT_LIMITS[..], simulator_flags].concat()).await;
        let accounts: Vec<_> = (0..lanes).map(|lane| json!({"accountName": connection(lane).1})).collect();
        simulator.put_accounts(json!(accounts)).await;
        Self { namespace, simulator, lanes }
    }

    /// Creates the connections; together they have `in_flight` requests on their way.
    pub async fn connect(&self, callback: Option<&Callback>, in_flight: usize) {
        let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let login = json!({
            "clientId": "sim-key", "clientSecret": "sim-secret", "username": "sim-user",
            "password": fixtures::LOGIN_PASSWORD,
        });
        let shown = json!({"username": "verizon", "password": fixtures::CALLBACK_PASSWORD});
        let mut items = vec![secret("thingspace", login), secret("thingspace-callback", shown)];
        for lane in 0..self.lanes {
            let (name, account) = connection(lane);
            let mut spec = json!({
                "endpoint": self.simulator.endpoint(), "insecureEndpoint": true, "accounts": [account],
                "credentialsSecretRef": {"name": "thingspace"},
                "limits": {"activationsPerMinute": 10_000, "inFlight": in_flight / self.lanes},
            });
            if let Some(callback) = callback {
                let url = callback.url(&self.namespace, &name);
                spec["callback"] = json!({"url": url, "credentialsSecretRef": {"name": "thingspace-callback"}});
            }
            items.push(json!({
                "apiVersion": "euicc-operator.io/v1alpha1", "kind": "ThingSpaceConnection",
                "metadata": {"name": name}, "spec": spec,
            }));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        self.namespace.apply(&list.to_string()).await;
    }

    /// The callback endpoint, ready.
    pub async fn callback(&self) -> Callback {
        let callback =
            Callback::start_as(operator().args(["callback", "--watch-namespace", &self.namespace.name]), &[]).await;
        callback.admin.ready().await;
        callback
    }

    /// The controller as it is deployed: with a lease. Not waited for.
    pub async fn controller(&self, flags: &[&str]) -> Controller {
        let name = &self.namespace.name;
        let lease = ["--leader-elect", "--leader-election-namespace", name, "--pod-name", "bench"];
        Controller::start(&self.namespace, &[&lease, flags].concat()).await
    }

    /// Waits until all connections are ready.
    pub async fn connected(&self) {
        for lane in 0..self.lanes {
            self.namespace.wait("Ready", &format!("tsc/{}", connection(lane).0)).await;
        }
    }
}

/// A moment in which everything that is under way comes to rest.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}
