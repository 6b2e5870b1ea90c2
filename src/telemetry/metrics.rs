//! Metrics, without per-object labels. `docs/observability.md` lists them all.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{process::ProcessCollector, workqueue::Workqueues};
use crate::api::{Action, OperationState};

/// Everything that `/metrics` shows of one process.
pub struct Metrics {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<OperationLabels, Histogram>,
    callbacks: Family<CallbackLabels, Counter>,
    callback_seconds: Family<CallbackLabels, Histogram>,
    activation_seconds: Family<EndLabels, Histogram>,
    unknown_outcomes: Counter,
    connection_changes: Family<ChangeLabels, Counter>,
    in_flight: Gauge,
    submission_wait: Histogram,
    leader: Family<NameLabels, Gauge>,
    workqueues: Workqueues,
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

    pub(super) const ALL: [&str; 7] = [
        LOGIN_FAILED,
        BREAKER_OPENED,
        BREAKER_CLOSED,
        REGISTERED,
        REGISTRATION_LOST,
        REGISTRATION_RESTORED,
        DEREGISTERED,
    ];
}

/// What can become of a callback: values of the label `outcome`.
pub mod callback_outcome {
    /// The API server has it.
    pub const RECORDED: &str = "recorded";
    /// It says nothing new.
    pub const UNCHANGED: &str = "unchanged";
    /// It belongs to nothing here.
    pub const UNMATCHED: &str = "unmatched";
    /// Wrong user, password or address.
    pub const UNAUTHORIZED: &str = "unauthorized";
    /// It is no message of ThingSpace.
    pub const UNREADABLE: &str = "unreadable";
    /// It could not be written now: ThingSpace is asked to repeat it.
    pub const UNAVAILABLE: &str = "unavailable";

    pub(super) const ALL: [&str; 6] = [RECORDED, UNCHANGED, UNMATCHED, UNAUTHORIZED, UNREADABLE, UNAVAILABLE];
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallbackLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabels {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabels {
    version: &'static str,
}

fn call_buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

/// ThingSpace answers within minutes, or within a day.
fn day_buckets() -> Histogram {
    Histogram::new([
        10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 57600.0, 86400.0,
    ])
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::default();
        let build = Family::<VersionLabels, Gauge>::default();
        build.get_or_create(&VersionLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("euicc_operator_build_info", "1, with the version of this process", build);
        registry.register_collector(Box::new(ProcessCollector));
        let this = Self {
            registry: Mutex::new(registry),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(call_buckets as fn() -> Histogram),
            callbacks: Family::default(),
            callback_seconds: Family::new_with_constructor(call_buckets as fn() -> Histogram),
            activation_seconds: Family::new_with_constructor(day_buckets as fn() -> Histogram),
            unknown_outcomes: Counter::default(),
            connection_changes: Family::default(),
            in_flight: Gauge::default(),
            submission_wait: day_buckets(),
            leader: Family::default(),
            workqueues: Workqueues::default(),
        };
        // Either process may write the end of an activation.
        this.registry().register_with_unit(
            "euicc_activation_duration",
            "How long requests took from their acceptance by ThingSpace to their end, by what became of them",
            Unit::Seconds,
            this.activation_seconds.clone(),
        );
        this.registry().register(
            "euicc_unknown_outcomes",
            "Requests of which it was not known whether ThingSpace acted on them",
            this.unknown_outcomes.clone(),
        );
        this
    }

    /// The controller's.
    pub fn of_controller() -> Self {
        let this = Self::new();
        let mut registry = this.registry();
        registry.register("thingspace_requests", "Calls of ThingSpace, by operation and outcome", this.calls.clone());
        registry.register_with_unit(
            "thingspace_request_duration",
            "How long calls of ThingSpace take",
            Unit::Seconds,
            this.call_seconds.clone(),
        );
        registry.register(
            "euicc_connection_changes",
            "What happened to connections: logins failed, the login breaker opened and closed, listeners lost and restored",
            this.connection_changes.clone(),
        );
        registry.register("euicc_submissions_in_flight", "Requests on their way to ThingSpace", this.in_flight.clone());
        registry.register_with_unit(
            "euicc_submission_wait",
            "How long activations waited for their turn to be sent",
            Unit::Seconds,
            this.submission_wait.clone(),
        );
        registry.register(
            "leader_election_master_status",
            "1 if this replica leads, 0 if it stands by; only with leader election",
            this.leader.clone(),
        );
        this.workqueues.register(&mut registry);
        drop(registry);
        // What has never happened is 0, not absent: otherwise its first time is no increase.
        for change in connection_change::ALL {
            drop(this.connection_changes.get_or_create(&ChangeLabels { change }));
        }
        this
    }

    /// The callback endpoint's.
    pub fn of_callback() -> Self {
        let this = Self::new();
        let mut registry = this.registry();
        registry.register("euicc_callbacks", "Callbacks received, by what became of them", this.callbacks.clone());
        registry.register_with_unit(
            "euicc_callback_duration",
            "How long callbacks took from their arrival to the answer; recorded: until Kubernetes had them",
            Unit::Seconds,
            this.callback_seconds.clone(),
        );
        drop(registry);
        for outcome in callback_outcome::ALL {
            drop(this.callbacks.get_or_create(&CallbackLabels { outcome }));
        }
        this
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what is looked up when it is asked for.
    pub fn add(&self, collector: impl Collector) {
        self.registry().register_collector(Box::new(collector));
    }

    /// All metrics, as OpenMetrics text.
    ///
    /// # Errors
    /// Never in practice: writing to a string.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    /// Counts a callback: one of [`callback_outcome`].
    pub fn callback(&self, outcome: &'static str, elapsed: Duration) {
        self.callbacks.get_or_create(&CallbackLabels { outcome }).inc();
        self.callback_seconds.get_or_create(&CallbackLabels { outcome }).observe(elapsed.as_secs_f64());
    }

    /// Counts what happened to a connection: one of [`connection_change`].
    pub fn connection_changed(&self, change: &'static str) {
        self.connection_changes.get_or_create(&ChangeLabels { change }).inc();
    }

    /// Counts a call of ThingSpace.
    pub fn called(&self, operation: &'static str, outcome: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&CallLabels { operation, outcome }).inc();
        self.call_seconds.get_or_create(&OperationLabels { operation }).observe(elapsed.as_secs_f64());
    }

    /// Counts a request that has come to its end.
    pub fn ended(&self, action: Action, state: OperationState, elapsed: Duration) {
        let labels = EndLabels { action: action_name(action), result: state_name(Some(state)) };
        self.activation_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// Counts a request of which it is not known whether ThingSpace acted on it.
    pub fn outcome_unknown(&self) {
        self.unknown_outcomes.inc();
    }

    /// How many requests are on their way.
    pub fn in_flight(&self) -> &Gauge {
        &self.in_flight
    }

    /// An activation has waited this long for its turn.
    pub fn waited(&self, elapsed: Duration) {
        self.submission_wait.observe(elapsed.as_secs_f64());
    }

    /// Whether this replica holds the lease of that name.
    pub fn leads(&self, name: &str, leads: bool) {
        self.leader.get_or_create(&NameLabels { name: name.into() }).set(leads.into());
    }

    /// What is told of reconciliations.
    pub fn workqueues(&self) -> &Workqueues {
        &self.workqueues
    }
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Activate => "Activate",
        Action::Deactivate => "Deactivate",
    }
}

/// A label for where a request stands; `None`: nothing was ever sent.
pub fn state_name(state: Option<OperationState>) -> &'static str {
    match state {
        None => "None",
        Some(OperationState::Claimed) => "Claimed",
        Some(OperationState::Accepted) => "Accepted",
        Some(OperationState::Unknown) => "Unknown",
        Some(OperationState::Released) => "Released",
        Some(OperationState::Succeeded) => "Succeeded",
        Some(OperationState::Failed) => "Failed",
        Some(OperationState::TimedOut) => "TimedOut",
    }
}
