//! The promises that euicc-operator makes, one file each. They share one Kubernetes API server; each test has a
//! namespace of its own, and processes of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod callback_endpoint;
mod connection;
mod crash_matrix;
mod crds;
mod editing;
mod failing;
mod lifecycle;
mod one_activation;
mod one_line_one_owner;
mod process;
mod secrets_stay_secret;
mod simulator;
mod support;
mod suspend_and_delete;
mod thingspace_client;
mod unknown_outcome;
mod validation;
mod waiting;
