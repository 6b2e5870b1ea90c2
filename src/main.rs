//! The command line of the operator.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use euicc_operator::{
    api,
    callback::{self, CallbackArgs},
    controller::{self, ControllerArgs},
    ready,
};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(name = "euicc-operator", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile EuiccActivations and ThingSpaceConnections.
    Controller(Box<ControllerArgs>),
    /// Take ThingSpace's callbacks and write them onto the resources.
    Callback(Box<CallbackArgs>),
    /// Print the CustomResourceDefinitions as YAML.
    Crds {
        /// Write them as files into this folder instead, one a kind.
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Wait until processes are ready: each URL must answer 200.
    Ready {
        /// Such as http://euicc-operator-metrics:8081/readyz.
        #[arg(required = true, value_name = "URL")]
        urls: Vec<String>,
        /// How long to wait.
        #[arg(long, env = "EUICC_TIMEOUT", default_value = "60s")]
        timeout: kube::core::Duration,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("euicc-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Controller(args) => {
            args.log.init()?;
            install_crypto()?;
            controller::run(*args, stop_on_signal()?).await?;
        }
        Command::Callback(args) => {
            args.log.init()?;
            install_crypto()?;
            callback::run(*args, stop_on_signal()?).await?;
        }
        Command::Crds { output_dir: None } => print!("{}", api::to_yaml(&api::crds()?)?),
        Command::Crds { output_dir: Some(dir) } => {
            for crd in api::crds()? {
                let file = dir.join(format!("{}.yaml", crd.spec.names.plural));
                std::fs::write(&file, api::to_yaml(&[crd])?)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Command::Ready { urls, timeout } => {
            install_crypto()?;
            ready::wait(&urls, timeout.into()).await?;
        }
    }
    Ok(())
}

fn install_crypto() -> anyhow::Result<()> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("a TLS provider was installed before"))
}

/// Cancelled by SIGTERM and SIGINT.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
        stopping.cancel();
    });
    Ok(stop)
}
