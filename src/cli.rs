//! The command line of `euicc-operator`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{callback::CallbackArgs, controller::ControllerArgs, ready, validate::ValidateArgs};

/// `euicc-operator`.
#[derive(Parser)]
#[command(name = "euicc-operator", version, about)]
pub struct Cli {
    /// What it does.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Reconcile EuiccActivations and ThingSpaceConnections.
    Controller(Box<ControllerArgs>),
    /// Take ThingSpace's callbacks and write them onto the resources.
    Callback(Box<CallbackArgs>),
    /// Check manifests without a cluster, by the API server's rules; exits with 1 if any is bad, with 2 if it cannot tell.
    Validate(ValidateArgs),
    /// Print the CustomResourceDefinitions as YAML.
    Crds {
        /// Write them as files into this folder instead, one a kind.
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Wait until processes are ready: each URL must answer 200.
    Ready {
        /// Such as http://euicc-operator-metrics:8081/readyz.
        #[arg(required = true, value_name = "URL", value_parser = ready::url)]
        urls: Vec<reqwest::Url>,
        /// How long to wait.
        #[arg(long, env = "EUICC_TIMEOUT", default_value = "60s")]
        timeout: kube::core::Duration,
    },
}
