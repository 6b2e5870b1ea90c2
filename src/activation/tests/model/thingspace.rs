//! ThingSpace: what it makes of a request, and what it says of it.

use super::{
    machine::{Answer, Told},
    world::{Line, Request, Stage, Violation, World},
};

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

/// A POST reaches ThingSpace.
pub fn arrive(world: &mut World, operation: u8, fate: Fate) -> Answer {
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
pub fn begin(world: &mut World, r: usize) {
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

pub fn finish(world: &mut World, r: usize, well: bool) {
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
    pub fn message(&self) -> Option<Told> {
        if self.warning { Some(Told::Warning) } else { self.answer }
    }

    pub fn take_message(&mut self) -> Option<Told> {
        let message = self.message();
        if self.warning {
            self.warning = false;
        } else {
            self.answer = None;
        }
        message
    }
}
