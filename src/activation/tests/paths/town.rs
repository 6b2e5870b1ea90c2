//! One resource with two devices, one controller, and a ThingSpace that does what the plan's name says.

use super::*;

/// What goes wrong in one turn of the controller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Twist {
    None,
    /// The request never leaves.
    NotSent,
    /// ThingSpace is busy.
    Later,
    /// ThingSpace has it, and nobody knows.
    ReplyLost,
    /// An error, and ThingSpace has not acted.
    Failed,
    /// The controller dies on its claim.
    Crash,
    /// ThingSpace cannot be asked.
    NoLook,
}

/// A line at ThingSpace.
#[derive(Clone, Default)]
pub struct SimLine {
    pending: bool,
    /// The plan that it is active on.
    pub plan: Option<String>,
}

struct Request {
    plan: String,
    /// Each device that it names, and what became of it.
    devices: Vec<(usize, Option<Verdict>)>,
}

/// All of it.
pub struct Town {
    pub play: Play,
    pub lines: Vec<SimLine>,
    requests: Vec<Request>,
    operations: usize,
    build: Build,
}

impl Town {
    pub fn new(plan: &str, build: Build) -> Self {
        let mut play = Play::with_devices(&["0", "1"]);
        play.object.spec.service_plan = Some(plan.into());
        Self { play, lines: vec![SimLine::default(); 2], requests: Vec::new(), operations: 0, build }
    }

    pub fn plan(&self) -> String {
        self.play.object.spec.service_plan.clone().unwrap()
    }

    /// What the API server lets through.
    pub fn may_edit(&self) -> bool {
        use OperationState::{Failed, Released, TimedOut};
        self.play.state().is_none_or(|s| matches!(s, Released | Failed | TimedOut))
    }

    pub fn suspend(&mut self, on: bool) {
        if self.play.object.spec.suspend != on {
            self.play.object.spec.suspend = on;
            *self.play.object.metadata.generation.as_mut().unwrap() += 1;
        }
    }

    fn keep_failures(&mut self, before: &[DeviceStatus]) {
        let devices = &mut self.play.object.status.as_mut().unwrap().devices;
        for (device, old) in devices.iter_mut().zip(before) {
            if old.result == DeviceResult::Failed {
                *device = old.clone();
            }
        }
    }

    /// The controller does what is due. False: nothing is.
    pub fn turn(&mut self, twist: Twist) -> bool {
        let effects = self.play.tick();
        if effects.contains(&Effect::Queue) {
            let id = format!("op{}", self.operations);
            self.operations += 1;
            let before = self.play.status().devices.clone();
            let sends = self.play.claim(&id);
            if sends && self.build == Build::KeepsOldResults {
                self.keep_failures(&before);
            }
            if sends && twist != Twist::Crash {
                let outcome = self.post(twist);
                self.play.sent(&id, outcome);
            }
        } else if twist == Twist::NoLook && effects.iter().any(|e| matches!(e, Effect::Poll | Effect::Observe)) {
            self.play.fail_to_look();
        } else if effects.contains(&Effect::Poll) {
            let devices = (0..2).map(|i| (self.progress(i), self.look(i))).collect();
            self.play.poll(devices);
        } else if effects.contains(&Effect::Observe) {
            let lines = (0..2).map(|i| self.look(i)).collect();
            self.play.observe(lines);
        } else {
            return false;
        }
        true
    }

    fn post(&mut self, twist: Twist) -> Outcome {
        match twist {
            Twist::NotSent => return Outcome::NotSent { message: "no route".into() },
            Twist::Failed => return unknown(),
            Twist::Later => {
                let (code, message) = ("429".into(), "slow down".into());
                return Outcome::Later { code, message, not_before: None, throttled: true };
            }
            _ => {}
        }
        let plan = self.plan();
        if plan == "Plan1" {
            return Outcome::Refused { code: "INPUT_INVALID.ServicePlan".into(), message: "no such plan".into() };
        }
        let status = self.play.status();
        let named = status.devices.iter().enumerate().filter(|(_, d)| d.result == DeviceResult::Pending);
        let named: Vec<usize> = named.map(|(i, _)| i).collect();
        let devices = named.into_iter().map(|i| (i, self.begin(i))).collect();
        self.requests.push(Request { plan, devices });
        if twist == Twist::ReplyLost {
            return unknown();
        }
        Outcome::Accepted { request_id: format!("r{}", self.requests.len() - 1) }
    }

    /// The state table (contract 11).
    fn begin(&mut self, i: usize) -> Option<Verdict> {
        let line = &mut self.lines[i];
        if line.plan.is_some() {
            return Some(failure("REQUEST_FAILED.DeviceAlreadyActive"));
        }
        if std::mem::replace(&mut line.pending, true) {
            return Some(failure("REQUEST_FAILED.DeviceState.Invalid"));
        }
        None
    }

    /// Ends the oldest request that is open. False: there is none.
    pub fn answer(&mut self, heard: bool, well: bool) -> bool {
        let is_open = |r: &Request| r.devices.iter().any(|(_, v)| v.is_none());
        let Some(number) = self.requests.iter().position(is_open) else { return false };
        let plan = self.requests[number].plan.clone();
        for (device, verdict) in &mut self.requests[number].devices {
            let fails = !well || plan == "Plan2" || (plan == "Plan3" && *device == 1);
            if verdict.is_none() {
                *verdict = Some(if fails { failure("REQUEST_FAILED.X") } else { Verdict::Success });
                self.lines[*device] = SimLine { pending: false, plan: (!fails).then(|| plan.clone()) };
            }
        }
        if heard {
            for (device, verdict) in self.requests[number].devices.clone() {
                self.play.hear(&format!("r{number}"), &device.to_string(), verdict.unwrap());
            }
        }
        true
    }

    fn progress(&self, device: usize) -> Progress {
        let number: Option<usize> = self.play.status().request_id.as_deref().and_then(|id| id[1..].parse().ok());
        let verdict = number.and_then(|n| self.requests[n].devices.iter().find(|(d, _)| *d == device));
        match verdict {
            None => Progress::NotKnown,
            Some((_, None)) => Progress::Pending,
            Some((_, Some(Verdict::Success))) => Progress::Succeeded,
            Some(_) => Progress::Failed,
        }
    }

    fn look(&self, i: usize) -> Line {
        let line = &self.lines[i];
        let state = match (&line.plan, line.pending) {
            (Some(_), _) => LineState::Active,
            (None, true) => LineState::Pending,
            (None, false) => LineState::Inactive,
        };
        let device_ids = line.plan.iter().map(|_| mdn(&format!("555000111{i}"))).collect();
        Line::Found {
            state,
            device_ids,
            service_plan: line.plan.clone(),
            carrier_name: None,
            attempted: false,
            owner: None,
        }
    }

    /// Nothing goes wrong any more, until nothing happens any more.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.turn(Twist::None) || self.answer(true, true) {
                continue;
            }
            match self.play.look(Event::Tick).wake_at {
                Some(wake) => self.play.now = self.play.now.max(wake),
                None => return,
            }
        }
        panic!("stuck in {:?} {:?}", self.play.state(), self.play.ready());
    }
}
