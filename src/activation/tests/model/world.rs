//! Everything that the model remembers: the stored object, the controllers, ThingSpace, and what has gone by.

use super::machine::{Answer, Said, StatusId, Told};

/// What the API server holds, or a copy of it. It is its own resourceVersion: an object that has changed and changed
/// back reads the same to whoever compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stored {
    pub status: StatusId,
    /// How many values the retry annotation has had.
    pub retry: u8,
}

/// One controller process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Controller {
    /// Its copy of the object: an old one while its watch lags, but never older than its own last write.
    pub cached: Stored,
    pub lags: bool,
    /// It does nothing, and will go on where it was.
    pub asleep: bool,
    pub task: Task,
}

/// What a controller is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    Idle,
    /// The claim was written, but the answer to the write was lost.
    Claiming {
        operation: u8,
        made: u32,
    },
    /// The claim stands: to be sent.
    Claimed {
        operation: u8,
        made: u32,
    },
    /// The POST came back: to be recorded.
    Answered {
        operation: u8,
        answer: Answer,
    },
    /// ThingSpace was asked: to be recorded.
    Looked(Said),
}

/// The line of the one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    Inactive,
    Pending,
    Active,
}

/// A request that ThingSpace has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub stage: Stage,
    /// A WARNING on its way, before the answer.
    pub warning: bool,
    /// The answer on its way.
    pub answer: Option<Told>,
}

/// How far ThingSpace is with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// In its books since then, but the line does not show it yet.
    Booked(u32),
    Pending,
    Succeeded,
    Failed,
}

/// What may still go wrong, or be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    /// Crashes, pauses, lost and repeated messages, lost replies, errors.
    pub faults: u8,
    /// Refusals and failed activations.
    pub failures: u8,
    pub warnings: u8,
    pub retries: u8,
}

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Violation {
    SecondPost,
    PostWhileOpen,
    FinalChanged,
    AckLost,
    HotLoop,
}

/// One state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Seconds since the beginning.
    pub now: u32,
    pub stored: Stored,
    /// In order: they are alike, so which is which does not matter.
    pub controllers: Vec<Controller>,
    pub line: Line,
    pub requests: Vec<Request>,
    /// So many looks at ThingSpace will fail.
    pub outage: u8,
    pub budget: Budget,
    /// Claims so far.
    pub operations: u8,
    /// Those that were POSTed, a bit each.
    pub posted: u16,
    /// ThingSpace has been thanked for saying that the line is active.
    pub success_acknowledged: bool,
    pub violation: Option<Violation>,
}

impl World {
    pub fn new(fresh: StatusId, controllers: usize, budget: Budget) -> Self {
        let stored = Stored { status: fresh, retry: 0 };
        Self {
            now: 0,
            stored,
            controllers: vec![Controller { cached: stored, lags: false, asleep: false, task: Task::Idle }; controllers],
            line: Line::Inactive,
            requests: Vec::new(),
            outage: 0,
            budget,
            operations: 0,
            posted: 0,
            success_acknowledged: false,
            violation: None,
        }
    }

    /// Whether anything that was sent may still act on the line, or has.
    pub fn is_taken(&self) -> bool {
        self.line != Line::Inactive
            || self.requests.iter().any(|r| matches!(r.stage, Stage::Booked(_) | Stage::Pending))
    }

    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }
}
