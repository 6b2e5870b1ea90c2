//! The whole stage: namespace, ThingSpace, both processes of the operator, and a connection between them.

use serde_json::json;

use super::{Callback, Controller, Namespace, Simulator, Wiretap, fixtures};

/// Everything that an ordinary promise needs.
pub struct Scene {
    /// Where the objects are.
    pub namespace: Namespace,
    /// ThingSpace.
    pub simulator: Simulator,
    /// The controller; only sees `namespace`.
    pub controller: Controller,
    /// The callback endpoint that the connection names.
    pub callback: Callback,
}

impl Scene {
    /// Starts it all, and waits until both processes and the connection are ready.
    pub async fn start(hint: &str, simulator_flags: &[&str], controller_flags: &[&str]) -> Self {
        let namespace = Namespace::new(hint).await;
        let simulator = Simulator::start(simulator_flags).await;
        let callback = Callback::start(&["--watch-namespace", &namespace.name]).await;
        let url = callback.url(&namespace, fixtures::CONNECTION);
        namespace.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
        let controller = Controller::start(&namespace, controller_flags).await;
        callback.admin.ready().await;
        controller.admin.ready().await;
        namespace.wait("Ready", "tsc/verizon").await;
        Self { namespace, simulator, controller, callback }
    }

    /// Hears from now on what the operator says to ThingSpace.
    pub async fn listen_in(&self) -> Wiretap {
        let tap = Wiretap::before(&self.simulator).await;
        let patch = json!({"spec": {"endpoint": tap.endpoint()}}).to_string();
        self.namespace.kubectl(&["patch", "tsc", "verizon", "--type=merge", "--patch", &patch]).await.success();
        tap
    }

    /// Ends the controller in the middle of whatever it does, and starts another.
    pub async fn crash_controller(&mut self, flags: &[&str]) {
        self.controller.process.kill().await;
        self.controller = Controller::start(&self.namespace, flags).await;
    }

    /// Ends the callback endpoint in the middle of whatever it does, and starts another at the same address.
    pub async fn crash_callback(&mut self) {
        self.callback.process.kill().await;
        self.restart_callback().await;
    }

    /// Starts the callback endpoint anew, at the same address, after it has ended.
    pub async fn restart_callback(&mut self) {
        let address = self.callback.address.clone();
        self.callback = Callback::start(&["--listen", &address, "--watch-namespace", &self.namespace.name]).await;
    }
}
