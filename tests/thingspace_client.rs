//! The client keeps its promises against a ThingSpace that misbehaves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod callbacks;
mod outcomes;
mod scene;
