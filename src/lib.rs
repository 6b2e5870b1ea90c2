//! A Kubernetes operator that activates eSIM devices through Verizon ThingSpace: once, and never twice.

pub mod activation;
pub mod api;
pub mod callback;
pub mod cli;
pub mod cluster;
pub mod controller;
mod fault_points;
pub mod ready;
pub mod simulator;
pub mod telemetry;
pub mod thingspace;
pub mod validate;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(test)]
mod reliability;
mod text;
