//! Metrics, without per-object labels.

use std::{sync::Mutex, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::thingspace::{CallObserver, CallReport};

/// Everything that `/metrics` shows.
pub struct Metrics {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<OperationLabels, Histogram>,
    callbacks: Family<CallbackLabels, Counter>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<ControllerLabels, Histogram>,
    connection_changes: Family<ChangeLabels, Counter>,
    in_flight: Gauge,
    waiting: Gauge,
}

/// What can happen to a connection: values of the label `change`.
pub mod connection_change {
    /// A login failed.
    pub const LOGIN_FAILED: &str = "login_failed";
    /// Two logins have failed: none is tried any more.
    pub const BREAKER_OPENED: &str = "breaker_opened";
    /// The credentials have changed since: logins are tried again.
    pub const BREAKER_CLOSED: &str = "breaker_closed";
    /// A callback listener was registered.
    pub const REGISTERED: &str = "registered";
    /// A callback listener of ours has been displaced.
    pub const REGISTRATION_LOST: &str = "registration_lost";
    /// A callback listener of ours was gone, and is registered again.
    pub const REGISTRATION_RESTORED: &str = "registration_restored";
    /// A callback listener of ours was removed with its connection.
    pub const DEREGISTERED: &str = "deregistered";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    change: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

/// What became of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallbackLabels {
    /// `recorded`, `unchanged`, `unmatched`, `unauthorized`, `unreadable`, `unavailable`.
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let (calls, call_seconds) = (Family::default(), Family::new_with_constructor(seconds as fn() -> Histogram));
        let callbacks = Family::default();
        let reconciles = Family::default();
        let reconcile_seconds = Family::new_with_constructor(seconds as fn() -> Histogram);
        let (in_flight, waiting) = (Gauge::default(), Gauge::default());
        registry.register("thingspace_requests", "Calls of ThingSpace, by operation and outcome", calls.clone());
        registry.register_with_unit(
            "thingspace_request_duration",
            "How long calls of ThingSpace take",
            Unit::Seconds,
            call_seconds.clone(),
        );
        registry.register("euicc_callbacks", "Callbacks received, by what became of them", callbacks.clone());
        let connection_changes = Family::default();
        registry.register(
            "euicc_connection_changes",
            "What happened to connections: logins failed, the login breaker opened and closed, listeners lost and restored",
            connection_changes.clone(),
        );
        // The names that dashboards for controller-runtime know.
        registry.register(
            "controller_runtime_reconcile",
            "Reconciliations, by controller and result",
            reconciles.clone(),
        );
        registry.register_with_unit(
            "controller_runtime_reconcile_time",
            "How long a reconciliation takes",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        registry.register("euicc_submissions_in_flight", "Requests on their way to ThingSpace", in_flight.clone());
        registry.register("euicc_submissions_waiting", "Activations that wait for their turn", waiting.clone());
        Self {
            registry: Mutex::new(registry),
            calls,
            call_seconds,
            callbacks,
            reconciles,
            reconcile_seconds,
            connection_changes,
            in_flight,
            waiting,
        }
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// Never in practice: writing to a string.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        encode(&mut text, &registry)?;
        Ok(text)
    }

    /// Counts a callback.
    pub fn callback(&self, outcome: &'static str) {
        self.callbacks.get_or_create(&CallbackLabels { outcome }).inc();
    }

    /// Counts a reconciliation.
    pub fn reconciled(&self, controller: &'static str, result: &'static str, elapsed: Duration) {
        self.reconciles.get_or_create(&ReconcileLabels { controller, result }).inc();
        self.reconcile_seconds.get_or_create(&ControllerLabels { controller }).observe(elapsed.as_secs_f64());
    }

    /// Counts what happened to a connection: one of [`connection_change`].
    pub fn connection_changed(&self, change: &'static str) {
        self.connection_changes.get_or_create(&ChangeLabels { change }).inc();
    }

    /// How many requests are on their way.
    pub fn in_flight(&self) -> &Gauge {
        &self.in_flight
    }

    /// How many activations wait for their turn.
    pub fn waiting(&self) -> &Gauge {
        &self.waiting
    }
}

impl CallObserver for Metrics {
    fn observe(&self, report: CallReport) {
        let CallReport { operation, outcome, elapsed } = report;
        self.calls.get_or_create(&CallLabels { operation, outcome: outcome.as_str() }).inc();
        self.call_seconds.get_or_create(&OperationLabels { operation }).observe(elapsed.as_secs_f64());
    }
}
