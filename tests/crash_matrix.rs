//! The crash matrix: every effect of every scenario, with the process killed, asked to end, or paused before it and
//! after it. Whatever the moment, the end is that of the undisturbed run, and ThingSpace acts once.
//!
//! The effects are not listed here: each scenario is run once with every place traced, and then once for each place.
#![cfg(feature = "fault-points")]

use std::{collections::BTreeSet, time::Duration};

use euicc_operator::api::{Deactivation, DeletionPolicy, EuiccActivation, ReasonCode};
use futures::{StreamExt, stream};
use kube::api::DeleteParams;

use crate::support::*;

const FLAGS: &[&str] = &["--poll-after", "1s", "--settle-time", "1s", "--request-timeout", "2s"];
/// For a run with a crash, a claim that runs out, two looks and another request, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Runs at the same time.
const WIDTH: usize = 6;

/// What is done, and how it must end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scenario {
    Undisturbed,
    SeveralDevices,
    CallbackLost,
    ReplyLost,
    NeverArrived,
    Refused,
    Deactivated,
}

/// What strikes the controller.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Strike {
    Kill,
    Term,
    Stop,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::Undisturbed,
        Self::SeveralDevices,
        Self::CallbackLost,
        Self::ReplyLost,
        Self::NeverArrived,
        Self::Refused,
        Self::Deactivated,
    ];

    fn object(self) -> EuiccActivation {
        let mut object = fixtures::activation("forklift", if self == Self::SeveralDevices { 3 } else { 1 });
        if self == Self::Deactivated {
            object.spec.deletion_policy = DeletionPolicy::Deactivate;
            object.spec.deactivation = Some(Deactivation { reason_code: ReasonCode::FF, etf_waiver: false });
        }
        object
    }

    /// What ThingSpace does to it.
    fn fault(self) -> Option<&'static str> {
        match self {
            Self::Undisturbed | Self::SeveralDevices | Self::Deactivated => None,
            Self::CallbackLost => Some("callback:lost"),
            Self::ReplyLost => Some("activate:reset,after,count=1"),
            Self::NeverArrived => Some("activate:status=503,count=1"),
            Self::Refused => Some("activate:error=REQUEST_FAILED.DeviceNotFound"),
        }
    }

    fn strikes(self) -> &'static [Strike] {
        match self {
            Self::Undisturbed | Self::Deactivated => &[Strike::Kill, Strike::Term, Strike::Stop],
            _ => &[Strike::Kill],
        }
    }
}

/// One run: a namespace, a ThingSpace, an activation, and a controller that is struck or not.
struct Run {
    simulator: Simulator,
    scenario: Scenario,
    namespace: Namespace,
    object: EuiccActivation,
}

impl Run {
    async fn new(callback: &Callback, scenario: Scenario) -> Self {
        let simulator = Simulator::start(&["--activation-time", "100ms"]).await;
        let namespace = Namespace::new("crash").await;
        let url = callback.url(&namespace, fixtures::CONNECTION);
        namespace.apply(&fixtures::connection(&simulator.endpoint(), Some(&url))).await;
        let object = scenario.object();
        if let Some(fault) = scenario.fault() {
            simulator.fault(&format!("{fault},device={}", fixtures::eid_of(&object, 0))).await;
        }
        Self { simulator, scenario, namespace, object }
    }

    async fn controller(&self, fault_point: &str) -> Controller {
        let mut command = operator();
        command.env("EUICC_FAULT_POINT", fault_point).args(["controller", "--watch-namespace", &self.namespace.name]);
        Controller::start_as(&mut command, FLAGS).await
    }

    /// Waits until the connection is ready, or something else is: what is done before depends on who is faster.
    async fn connected(&self, or: impl Fn() -> bool) {
        eventually("the connection is ready", PATIENCE, async || {
            let connection = self.namespace.connections().get(fixtures::CONNECTION).await.unwrap();
            let conditions = connection.status.unwrap_or_default().conditions;
            or() || conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
        })
        .await;
    }

    /// Waits for the end of the scenario; meanwhile does what its user does.
    async fn finish(&self) {
        match self.scenario {
            Scenario::Refused => self.until("Stalled").await,
            Scenario::Deactivated => {
                self.until_ready_or_gone().await;
                let _ = self.namespace.activations().delete("forklift", &DeleteParams::default()).await;
                eventually("the activation is let go", PATIENCE, async || {
                    let found = self.namespace.activations().get_opt("forklift").await.unwrap();
                    found.map_or(Ok(()), |object| Err(why(&object)))
                })
                .await;
            }
            _ => self.until("Ready").await,
        }
    }

    async fn until(&self, type_: &str) {
        eventually(&format!("{:?}: {type_}", self.scenario), PATIENCE, async || {
            let object = self.namespace.activation("forklift").await;
            if holds(&object, type_) { Ok(()) } else { Err(object.status) }
        })
        .await;
    }

    async fn until_ready_or_gone(&self) {
        eventually("active", PATIENCE, async || {
            let found = self.namespace.activations().get_opt("forklift").await.unwrap();
            found.is_none_or(|object| holds(&object, "Ready") || object.metadata.deletion_timestamp.is_some())
        })
        .await;
    }

    /// How often ThingSpace acted on a request for this run's device.
    async fn acted(&self, action: &str) -> usize {
        let device = fixtures::eid_of(&self.object, 0);
        let path = format!("/devices/profile/actions/{action}");
        let journal = self.simulator.journal().await;
        let ours = journal.iter().filter(|e| e.direction == "in" && e.path.ends_with(&path) && e.is_about(&device));
        ours.filter(|e| e.fault.as_deref().is_none_or(|f| f.contains("after") || f.starts_with("callback"))).count()
    }

    async fn check(&self, moment: &str) {
        let activations = self.acted("activate").await;
        let expected = usize::from(self.scenario != Scenario::Refused);
        assert_eq!(
            activations,
            expected,
            "{:?} {moment}: requests that ThingSpace acted on, of {:#?}",
            self.scenario,
            self.simulator.journal().await
        );
        if self.scenario == Scenario::Deactivated {
            assert_eq!(self.acted("deactivate").await, 1, "{moment}: deactivations");
        }
    }
}

/// Runs a scenario with every place traced. Returns the places, in the order of passing.
async fn trace(callback: &Callback, scenario: Scenario) -> Vec<String> {
    let run = Run::new(callback, scenario).await;
    let controller = run.controller("trace").await;
    run.connected(|| false).await;
    run.namespace.create(&run.object).await;
    run.finish().await;
    run.check("undisturbed").await;
    let output = controller.process.output();
    let mut seen = BTreeSet::new();
    let names = output.lines().filter_map(|l| l.strip_prefix("fault point ")).map(|name| name.trim().to_owned());
    names.filter(|name| seen.insert(name.clone())).collect()
}

/// Runs a scenario with the controller struck at a place, and another one started then. False: that place was not passed
/// this time (a callback that beats the reply, for example, leaves nothing to record).
async fn strike(callback: &Callback, scenario: Scenario, place: &str, strike: Strike) -> bool {
    let moment = format!("{place} {strike:?}");
    let run = Run::new(callback, scenario).await;
    let mut struck = run.controller(&format!("{place}={}", format!("{strike:?}").to_lowercase())).await;
    let is_struck = || struck.process.output().contains("strikes");
    run.connected(is_struck).await;
    run.namespace.create(&run.object).await;
    let mut user = std::pin::pin!(run.finish());
    let finished = tokio::select! {
        () = &mut user => true,
        () = eventually("the controller is struck", PATIENCE, async || is_struck()) => false,
    };
    if !is_struck() {
        run.check(&moment).await;
        return false;
    }
    if strike != Strike::Stop {
        struck.process.ended(PATIENCE).await;
    }
    let successor = run.controller("").await;
    successor.admin.ready().await;
    if !finished {
        user.await;
    }
    if strike == Strike::Stop {
        // It wakes long after another has taken over, and finishes what it thinks is its own.
        struck.process.thaw();
        assert!(struck.process.terminate(PATIENCE).await.success(), "{moment}");
    }
    run.check(&moment).await;
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_controller_is_struck_the_line_is_activated_once_and_the_end_is_the_same() {
    let callback = Callback::start(&[]).await;
    callback.admin.ready().await;

    let traced = stream::iter(Scenario::ALL)
        .map(async |scenario| (scenario, trace(&callback, scenario).await))
        .buffer_unordered(WIDTH)
        .collect::<Vec<_>>()
        .await;
    let runs: Vec<_> = traced
        .iter()
        .flat_map(|(scenario, places)| {
            let first = |place: &&String| place.ends_with("#1") || *scenario == Scenario::SeveralDevices;
            let strikes = scenario.strikes();
            places
                .iter()
                .filter(first)
                .flat_map(move |place| strikes.iter().map(move |strike| (*scenario, place, *strike)))
        })
        .collect();
    let only = std::env::var("CRASH_ONLY").unwrap_or_default();
    let named = |(scenario, place, strike): &(Scenario, &String, Strike)| format!("{scenario:?} {place} {strike:?}");
    let runs: Vec<_> = runs.into_iter().filter(|run| named(run).contains(&only)).collect();
    for must in
        ["write.Claimed.before#1", "call.activate.after#1", "write.Accepted.after#1", "call.request_status.before#1"]
    {
        assert!(
            traced.iter().any(|(_, places)| places.iter().any(|p| p == must)),
            "{must} is never passed: {traced:?}"
        );
    }
    let struck = stream::iter(&runs)
        .map(|(scenario, place, how)| strike(&callback, *scenario, place, *how))
        .buffer_unordered(WIDTH)
        .filter(|struck| std::future::ready(*struck))
        .count()
        .await;
    assert!(struck * 10 >= runs.len() * 9, "only {struck} of {} runs were struck", runs.len());
    reliability("crash-matrix", runs.len() + traced.len(), struck);
}
