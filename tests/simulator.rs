//! ThingSpace's simulator over real HTTP: what contract section 13 promises.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "simulator/access.rs"]
mod access;
#[path = "simulator/asynchronous.rs"]
mod asynchronous;
#[path = "simulator/life.rs"]
mod life;
#[path = "simulator/replies.rs"]
mod replies;
#[path = "simulator/support.rs"]
mod support;
