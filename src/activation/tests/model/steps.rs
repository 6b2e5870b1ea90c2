//! What can happen next. Steps that cost nothing are what is bound to happen; the others are faults and people.

use super::{
    machine::{Answer, Asked, FRESH, Facts, Far, Next, Oracle, POLICY, Said, Seen, Told},
    world::{Controller, Line, Request, Stage, Stored, Task, Violation, World},
};
use crate::api::OperationState;

/// Looks that fail in one outage of ThingSpace.
const OUTAGE: u8 = 4;

/// How the operator is built: as it is, or with one safeguard left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    Whole,
    /// POSTs first, and writes the claim with the answer.
    NoClaim,
    /// Writes whatever it has made of its own copy.
    NoCompareAndSwap,
    /// Takes "no answer" for "not sent".
    UnknownIsNotSent,
    /// Sends on an old claim, after a pause.
    NoFreshness,
    /// Thanks ThingSpace first, and writes then.
    AcknowledgesFirst,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A controller's watch falls behind.
    Lag(usize),
    /// It catches up.
    Sync(usize),
    /// It writes what a tick makes of its copy.
    Reconcile(usize),
    /// It writes a claim; the answer to the write comes, or is lost.
    Claim(usize, bool),
    /// It asks again whether its claim stands.
    ClaimAgain(usize),
    Post(usize, Fate),
    Record(usize),
    /// It asks ThingSpace.
    Look(usize),
    Crash(usize),
    /// The request shows on the line.
    Begin(usize),
    Warn(usize),
    Finish(usize, bool),
    /// A message reaches the sidecar, is written and acknowledged.
    Deliver(usize),
    /// The same, but the sidecar dies between the two: it will come again.
    Repeat(usize),
    /// Nobody hears it.
    Lose(usize),
    Outage,
    /// The user asks for one more try.
    Retry,
    /// A controller is paused in the middle of something, for as long as it may be.
    Sleep(usize),
    Wake(usize),
    /// Nothing is left to do at this moment: on to the next one that somebody waits for.
    Wait,
}

/// What becomes of a POST that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    AcceptedButReplyLost,
    Refused,
    /// An error, and ThingSpace has not acted.
    Failed,
    /// It never got there.
    Unreachable,
}

impl Step {
    /// Whether it is bound to happen: neither a fault nor somebody's wish.
    pub fn is_bound_to_happen(self) -> bool {
        match self {
            Self::Lag(_)
            | Self::Crash(_)
            | Self::Repeat(_)
            | Self::Lose(_)
            | Self::Outage
            | Self::Retry
            | Self::Sleep(_) => false,
            Self::Claim(_, lost) => !lost,
            Self::Post(_, fate) => fate == Fate::Accepted,
            Self::Finish(_, well) => well,
            Self::Warn(_) => false,
            _ => true,
        }
    }

    /// Whether it is one of the faults of a run: neither bound to happen nor somebody's answer or wish.
    pub fn is_fault(self) -> bool {
        let is_answer = matches!(self, Self::Finish(..) | Self::Warn(_) | Self::Retry | Self::Post(_, Fate::Refused));
        !self.is_bound_to_happen() && !is_answer
    }

    /// Whether time stands still until it is done.
    fn is_urgent(self) -> bool {
        matches!(
            self,
            Self::Sync(_)
                | Self::Reconcile(_)
                | Self::Claim(..)
                | Self::ClaimAgain(_)
                | Self::Post(..)
                | Self::Record(_)
                | Self::Look(_)
        )
    }
}

/// One step at a time, on a world.
pub struct Steps<'a> {
    pub oracle: &'a Oracle,
    pub build: Build,
}

impl Steps<'_> {
    pub fn facts(&self, world: &World) -> Facts {
        self.oracle.facts(world.stored.status)
    }

    fn ask(&self, copy: Stored, said: Said, now: u32) -> Next {
        self.oracle.advance(copy.status, copy.retry, said, now)
    }

    /// All steps from here.
    pub fn all(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        let fault = world.budget.faults > 0;
        let mut idle = true;
        for c in 0..world.controllers.len() {
            if world.controllers[c].asleep {
                steps.push(Step::Wake(c));
                continue;
            }
            let before = steps.len();
            self.of_controller(world, c, &mut steps);
            if steps[before..].iter().any(|s| s.is_urgent()) {
                idle = false;
                if fault {
                    steps.push(Step::Sleep(c));
                }
            }
        }
        for (r, request) in world.requests.iter().enumerate() {
            match request.stage {
                Stage::Booked(_) => steps.push(Step::Begin(r)),
                Stage::Pending => {
                    steps.push(Step::Finish(r, true));
                    if world.budget.failures > 0 {
                        steps.push(Step::Finish(r, false));
                    }
                    if world.budget.warnings > 0 && !request.warning {
                        steps.push(Step::Warn(r));
                    }
                }
                Stage::Succeeded | Stage::Failed => {}
            }
            if request.warning || request.answer.is_some() {
                steps.push(Step::Deliver(r));
                if fault {
                    steps.extend([Step::Repeat(r), Step::Lose(r)]);
                }
            }
        }
        if fault && world.outage == 0 {
            steps.push(Step::Outage);
        }
        if world.budget.retries > 0 && world.operations > 0 && !world.is_taken() {
            steps.push(Step::Retry);
        }
        if idle && self.next_moment(world).is_some() {
            steps.push(Step::Wait);
        }
        steps
    }

    fn of_controller(&self, world: &World, c: usize, steps: &mut Vec<Step>) {
        let Controller { cached, lags, task, .. } = world.controllers[c];
        let fault = world.budget.faults > 0;
        if lags {
            steps.push(Step::Sync(c));
        } else if fault {
            steps.push(Step::Lag(c));
        }
        match task {
            Task::Idle => {
                let tick = self.ask(cached, Said::Tick, world.now);
                if tick.status != cached.status {
                    return steps.push(Step::Reconcile(c));
                }
                if tick.queue {
                    steps.push(Step::Claim(c, false));
                    if fault {
                        steps.push(Step::Claim(c, true));
                    }
                }
                if tick.poll || tick.observe {
                    steps.push(Step::Look(c));
                }
                return;
            }
            Task::Claiming { .. } => steps.push(Step::ClaimAgain(c)),
            Task::Claimed { .. } => {
                steps.push(Step::Post(c, Fate::Accepted));
                if world.budget.failures > 0 {
                    steps.push(Step::Post(c, Fate::Refused));
                }
                if fault {
                    let fates = [Fate::AcceptedButReplyLost, Fate::Failed, Fate::Unreachable];
                    steps.extend(fates.map(|fate| Step::Post(c, fate)));
                }
            }
            Task::Answered { .. } | Task::Looked(_) => steps.push(Step::Record(c)),
        }
        if fault {
            steps.push(Step::Crash(c));
        }
    }

    /// The next moment that somebody waits for. A booked request shows on its line within the settle time.
    fn next_moment(&self, world: &World) -> Option<u32> {
        let next = self.ask(world.stored, Said::Tick, world.now).wake_at.filter(|at| *at > world.now)?;
        let booked = |r: &Request| match r.stage {
            Stage::Booked(at) => u64::from(next) >= u64::from(at) + POLICY.settle_time.as_secs(),
            _ => false,
        };
        (!world.requests.iter().any(booked)).then_some(next)
    }

    /// The world after a step.
    pub fn take(&self, world: &World, step: Step) -> World {
        let mut next = world.clone();
        next.budget.faults -= u8::from(step.is_fault());
        match step {
            Step::Lag(c) => next.controllers[c].lags = true,
            Step::Sync(c) => next.controllers[c].lags = false,
            Step::Reconcile(c) => drop(self.record(&mut next, c, Said::Tick)),
            Step::Claim(c, lost) => self.claim(&mut next, c, lost),
            Step::ClaimAgain(c) => {
                if let Task::Claiming { operation, made } = next.controllers[c].task {
                    next.controllers[c].cached = next.stored;
                    let answer = self.record(&mut next, c, Said::Claim(operation));
                    next.controllers[c].task = if answer.send { Task::Claimed { operation, made } } else { Task::Idle };
                }
            }
            Step::Post(c, fate) => self.post(&mut next, c, fate),
            Step::Record(c) => self.finish_task(&mut next, c),
            Step::Look(c) => {
                next.controllers[c].task = Task::Looked(self.asks(world, world.controllers[c].cached));
                next.outage = next.outage.saturating_sub(1);
            }
            Step::Crash(c) => {
                next.controllers[c] = Controller { cached: next.stored, lags: false, asleep: false, task: Task::Idle };
            }
            Step::Begin(r) => begin(&mut next, r),
            Step::Warn(r) => {
                next.budget.warnings -= 1;
                next.requests[r].warning = true;
            }
            Step::Finish(r, well) => finish(&mut next, r, well),
            Step::Deliver(r) | Step::Repeat(r) => self.deliver(&mut next, r, step == Step::Deliver(r)),
            Step::Lose(r) => drop(next.requests[r].take_message()),
            Step::Outage => next.outage = OUTAGE,
            Step::Retry => {
                next.budget.retries -= 1;
                next.stored.retry += 1;
            }
            Step::Sleep(c) => (next.controllers[c].asleep, next.controllers[c].lags) = (true, true),
            Step::Wake(c) => next.controllers[c].asleep = false,
            Step::Wait => next.now = self.next_moment(world).unwrap_or(next.now),
        }
        for controller in next.controllers.iter_mut().filter(|c| !c.lags) {
            controller.cached = next.stored;
        }
        next.controllers.sort();
        next
    }

    /// Advance, compare and swap; on conflict read again and advance again. The last turn of that loop is one step.
    fn record(&self, world: &mut World, c: usize, said: Said) -> Next {
        let known = world.controllers[c].cached;
        let mut answer = self.ask(known, said, world.now);
        if answer.status == known.status {
            return answer;
        }
        let mut read = known;
        if known != world.stored && self.build != Build::NoCompareAndSwap {
            read = world.stored;
            answer = self.ask(read, said, world.now);
        }
        self.write(world, Stored { status: answer.status, ..read });
        world.controllers[c].cached = world.stored;
        answer
    }

    fn write(&self, world: &mut World, new: Stored) {
        let (before, after) = (self.facts(world), self.oracle.facts(new.status));
        world.stored.status = new.status;
        let undone = before.device_is_active && !after.device_is_active;
        if undone || (before.state == Some(OperationState::Succeeded) && after.state != before.state) {
            world.violate(Violation::FinalChanged);
        }
    }

    fn claim(&self, world: &mut World, c: usize, lost: bool) {
        let (operation, made) = (world.operations, world.now);
        let task = if lost { Task::Claiming { operation, made } } else { Task::Claimed { operation, made } };
        if self.build == Build::NoClaim {
            world.operations += 1;
            world.controllers[c].task = Task::Claimed { operation, made };
        } else if self.record(world, c, Said::Claim(operation)).send {
            world.operations += 1;
            world.controllers[c].task = task;
        }
    }

    fn post(&self, world: &mut World, c: usize, fate: Fate) {
        let Task::Claimed { operation, made } = world.controllers[c].task else { return };
        let stale = world.now - made >= FRESH && self.build != Build::NoFreshness;
        let answer = if stale || fate == Fate::Unreachable { Answer::NotSent } else { arrive(world, operation, fate) };
        let answer = match answer {
            Answer::Unknown if self.build == Build::UnknownIsNotSent => Answer::NotSent,
            answer => answer,
        };
        world.controllers[c].task = Task::Answered { operation, answer };
    }

    /// What ThingSpace answers now to whoever holds this copy.
    fn asks(&self, world: &World, copy: Stored) -> Said {
        let operation = self.oracle.facts(copy.status).operation.unwrap_or_default();
        let asked = Asked { operation, request: self.oracle.request(copy.status), at: world.now };
        let line = match world.line {
            Line::Inactive => Seen::Inactive,
            Line::Pending => Seen::Pending,
            Line::Active => Seen::Active,
        };
        if world.outage > 0 {
            Said::LookFailed { asked }
        } else if self.ask(copy, Said::Tick, world.now).poll {
            let request = asked.request.and_then(|r| world.requests.get(usize::from(r)));
            let progress = match request.map(|r| r.stage) {
                Some(Stage::Succeeded) => Far::Succeeded,
                Some(Stage::Failed) => Far::Failed,
                _ => Far::Pending,
            };
            Said::Polled { asked, progress, line }
        } else {
            Said::Observed { asked, line }
        }
    }

    fn finish_task(&self, world: &mut World, c: usize) {
        let looked = match world.controllers[c].task {
            Task::Answered { operation, answer } => {
                if self.build == Build::NoClaim {
                    self.record(world, c, Said::Claim(operation));
                }
                self.record(world, c, Said::Sent(operation, answer));
                false
            }
            Task::Looked(said) => {
                self.record(world, c, said);
                true
            }
            _ => return,
        };
        world.controllers[c].task = Task::Idle;
        let copy = world.controllers[c].cached;
        let tick = self.ask(copy, Said::Tick, world.now);
        if looked && tick.status == copy.status && (tick.poll || tick.observe) {
            let again = self.ask(copy, self.asks(world, copy), world.now);
            if again.status == copy.status {
                world.violate(Violation::HotLoop); // it would ask the same at once, for ever
            }
        }
    }

    fn deliver(&self, world: &mut World, r: usize, acknowledged: bool) {
        let message = if acknowledged { world.requests[r].take_message() } else { world.requests[r].message() };
        let Some(verdict) = message else { return };
        if !acknowledged && self.build == Build::AcknowledgesFirst {
            world.requests[r].take_message(); // thanked, and dead before the write
            world.success_acknowledged |= verdict == Told::Success;
        } else {
            let request = u8::try_from(r).unwrap_or(u8::MAX);
            let answer = self.ask(world.stored, Said::Callback { request, verdict }, world.now);
            self.write(world, Stored { status: answer.status, ..world.stored });
            world.success_acknowledged |= acknowledged && verdict == Told::Success;
        }
        if world.success_acknowledged && !self.facts(world).device_is_active {
            world.violate(Violation::AckLost);
        }
    }
}

/// A POST reaches ThingSpace.
fn arrive(world: &mut World, operation: u8, fate: Fate) -> Answer {
    if world.posted & (1 << operation) != 0 {
        world.violate(Violation::SecondPost);
    }
    world.posted |= 1 << operation;
    if world.is_taken() {
        world.violate(Violation::PostWhileOpen);
    }
    let (now, number) = (world.now, u8::try_from(world.requests.len()).unwrap_or(u8::MAX));
    match fate {
        Fate::Refused => {
            world.budget.failures -= 1;
            return Answer::Refused;
        }
        Fate::Failed | Fate::Unreachable => return Answer::Unknown,
        Fate::Accepted | Fate::AcceptedButReplyLost => {}
    }
    world.requests.push(Request { stage: Stage::Booked(now), warning: false, answer: None });
    if fate == Fate::Accepted { Answer::Accepted(number) } else { Answer::Unknown }
}

/// The state table of contract 11: a line that is pending or active is never activated.
fn begin(world: &mut World, r: usize) {
    let (stage, answer) = match world.line {
        Line::Inactive => (Stage::Pending, None),
        Line::Pending => (Stage::Failed, Some(Told::StateInvalid)),
        Line::Active => (Stage::Failed, Some(Told::AlreadyActive)),
    };
    world.requests[r].stage = stage;
    world.requests[r].answer = answer;
    if stage == Stage::Pending {
        world.line = Line::Pending;
    }
}

fn finish(world: &mut World, r: usize, well: bool) {
    let request = &mut world.requests[r];
    (request.stage, request.answer, world.line) = match well {
        true => (Stage::Succeeded, Some(Told::Success), Line::Active),
        false => (Stage::Failed, Some(Told::Failure), Line::Inactive),
    };
    if !well {
        world.budget.failures -= 1;
    }
}

impl Request {
    /// The message that comes next: a warning goes before the answer, unless it is late.
    fn message(&self) -> Option<Told> {
        if self.warning { Some(Told::Warning) } else { self.answer }
    }

    fn take_message(&mut self) -> Option<Told> {
        let message = self.message();
        if self.warning {
            self.warning = false;
        } else {
            self.answer = None;
        }
        message
    }
}
