//! Every order of everything: two controllers, a sidecar and a ThingSpace around one stored object, explored state by
//! state. What a run of the real processes can only sample, this tries out in full, within its budget of faults.
//!
//! In the model a fault is a crash, a pause beyond every patience, a lost reply, a lost or repeated message, an error
//! of ThingSpace, an unanswered write. `EUICC_MODEL_FAULTS` sets how many there are in one run.

mod machine;
mod steps;
mod world;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::{
    machine::Oracle,
    steps::{Build, Step, Steps},
    world::{Budget, Line, Request, Stage, Task, Violation, World},
};
use crate::reliability::Tally;

/// No run takes longer: what has no end by then has none.
const HORIZON: u32 = 14 * 24 * 3600;

struct Operator {
    oracle: Oracle,
    build: Build,
    controllers: usize,
    budget: Budget,
    faults_tried: AtomicUsize,
}

impl Operator {
    fn new(build: Build, controllers: usize, budget: Budget) -> Self {
        Self { oracle: Oracle::new(), build, controllers, budget, faults_tried: AtomicUsize::new(0) }
    }

    fn steps(&self) -> Steps<'_> {
        Steps { oracle: &self.oracle, build: self.build }
    }

    /// Nothing goes on by itself from here.
    fn is_over(&self, world: &World) -> bool {
        let asks_for_more = |r: &Request| matches!(r.stage, Stage::Booked(_) | Stage::Pending) || r.answer.is_some();
        world.controllers.iter().all(|c| c.task == Task::Idle && !c.asleep)
            && !world.requests.iter().any(asks_for_more) // most states are told by these two
            && !self.steps().all(world).iter().any(|s| s.is_bound_to_happen())
    }
}

impl Model for Operator {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.oracle.fresh(), self.controllers, self.budget)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        if world.violation.is_none() && world.now < HORIZON {
            actions.extend(self.steps().all(world));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.faults_tried.fetch_add(usize::from(step.is_fault()), Ordering::Relaxed);
        Some(self.steps().take(world, step)).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an attempt is sent at most once", |_, w: &World| {
                w.violation != Some(Violation::SecondPost)
            }),
            Property::always("nothing is sent while anything sent before is open or has worked", |_, w: &World| {
                w.violation != Some(Violation::PostWhileOpen)
            }),
            Property::always("a final answer absorbs", |_, w: &World| w.violation != Some(Violation::FinalChanged)),
            Property::always("what is acknowledged is not lost", |_, w: &World| {
                w.violation != Some(Violation::AckLost)
            }),
            Property::always("no question is asked in vain", |_, w: &World| w.violation != Some(Violation::HotLoop)),
            Property::always("every run ends Ready or Stalled", |m: &Self, w: &World| {
                let facts = m.steps().facts(w);
                facts.ready || facts.stalled || (w.now < HORIZON && !m.is_over(w))
            }),
            Property::always("the end is what ThingSpace says", |m: &Self, w: &World| {
                let facts = m.steps().facts(w);
                facts.in_doubt || facts.ready == (w.line == Line::Active) || !m.is_over(w)
            }),
            // Without these, the promises above might hold for want of anything that happens.
            Property::sometimes("it becomes Ready", |m: &Self, w: &World| m.steps().facts(w).ready),
            Property::sometimes("it stalls", |m: &Self, w: &World| m.steps().facts(w).stalled),
            Property::sometimes("three requests are sent", |_, w: &World| w.posted.count_ones() == 3),
            Property::sometimes("it is Ready although the reply was lost", |m: &Self, w: &World| {
                m.steps().facts(w).ready && w.budget.faults == 0
            }),
        ]
    }
}

/// What an exploration found.
struct Explored {
    /// The names of the promises that broke; and of what should have happened somewhere, and did not.
    broken: BTreeSet<&'static str>,
    /// How they broke.
    how: String,
    states: usize,
    faults: usize,
}

/// Explores all, or up to the first broken promise.
fn explore(model: Operator, stop_at_first: bool) -> Explored {
    let checker = model.checker().threads(2);
    let checker = if stop_at_first { checker.finish_when(HasDiscoveries::AnyFailures) } else { checker };
    let checker = checker.spawn_bfs().join();
    let model = checker.model();
    let found = checker.discoveries();
    let mut broken = BTreeSet::new();
    for property in model.properties() {
        let is_promise = property.expectation.discovery_is_failure();
        if found.contains_key(property.name) == is_promise && (is_promise || !stop_at_first) {
            broken.insert(property.name);
        }
    }
    let paths = found.into_iter().filter(|(name, _)| broken.contains(name));
    let how = paths.map(|(name, path)| format!("{name}: {:?}\n", path.into_actions())).collect();
    let faults = model.faults_tried.load(Ordering::Relaxed);
    Explored { broken, how, states: checker.unique_state_count(), faults }
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    let more: u8 = std::env::var("EUICC_MODEL_FAULTS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let tally = Tally::begin("model");
    let begun = Instant::now();
    for (controllers, most, warnings) in [(1, 1, 1), (1, 2, 0), (2, 1, 0)] {
        let budget = Budget { faults: most + more, failures: 1, warnings, retries: 1 };
        let explored = explore(Operator::new(Build::Whole, controllers, budget), false);
        println!("{controllers} controllers, {budget:?}: {} states {:?}", explored.states, begun.elapsed());
        assert!(explored.broken.is_empty(), "{:?}\n{}", explored.broken, explored.how);
        tally.add(explored.states, explored.faults);
    }
    tally.publish();
}

#[test]
fn a_safeguard_left_out_is_noticed() {
    let builds = [
        (Build::NoClaim, 1, 1),
        (Build::NoCompareAndSwap, 2, 1),
        (Build::UnknownIsNotSent, 1, 1),
        (Build::NoFreshness, 2, 1),
        (Build::AcknowledgesFirst, 1, 1),
    ];
    for (build, controllers, faults) in builds {
        let budget = Budget { faults, failures: 1, warnings: 0, retries: 1 };
        let explored = explore(Operator::new(build, controllers, budget), true);
        println!("{build:?} is noticed after {} states: {:?}\n{}", explored.states, explored.broken, explored.how);
        assert!(!explored.broken.is_empty(), "{build:?} broke nothing");
    }
}
