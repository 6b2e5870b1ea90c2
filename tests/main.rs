//! The promises that euicc-operator makes, one file each. They share one Kubernetes API server; each test has a
//! namespace of its own, and processes of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alerts;
mod another_cluster;
mod api_server_trouble;
mod callback_endpoint;
mod callback_quirks;
mod chart;
mod chart_rights;
mod chart_running;
mod chart_upgrade;
mod connection;
mod connection_accounts;
mod connection_endpoint;
mod connection_limits;
mod connection_listeners;
mod connection_logins;
mod connection_support;
mod connection_tenancy;
mod crash_matrix;
mod crds;
mod docs;
mod editing;
mod failing;
mod gitops_apply;
mod gitops_health;
mod image;
mod image_names;
mod lifecycle;
mod logs;
mod metrics;
mod one_activation;
mod one_line_one_owner;
mod process;
mod secrets_stay_secret;
mod sidecar_crashes;
mod simulator;
mod split_brain;
mod support;
mod suspend_and_delete;
mod thingspace_client;
#[cfg(feature = "otlp")]
mod traces;
mod unknown_outcome;
mod validation;
mod waiting;
