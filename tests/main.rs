//! The promises that euicc-operator makes, one file each. They share one Kubernetes API server; each test has a
//! namespace of its own, and processes of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crds;
mod editing;
mod failing;
mod lifecycle;
mod one_activation;
mod one_line_one_owner;
mod secrets_stay_secret;
mod simulator;
mod support;
mod thingspace_client;
mod validation;
mod waiting;
