//! The command line of the operator.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use euicc_operator::{
    api,
    callback::{self, CallbackArgs},
    controller::{self, ControllerArgs},
    ready,
    telemetry::LogArgs,
    validate::{self, ValidateArgs},
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
        #[arg(required = true, value_name = "URL")]
        urls: Vec<String>,
        /// How long to wait.
        #[arg(long, env = "EUICC_TIMEOUT", default_value = "60s")]
        timeout: kube::core::Duration,
    },
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        // Its exit code tells bad manifests from manifests that it could not look at.
        Command::Validate(args) => return validate::run(&args).unwrap_or_else(|error| say(&error, 2)),
        Command::Crds { output_dir } => crds(output_dir),
        Command::Ready { urls, timeout } => wait_for(&urls, timeout),
        Command::Controller(args) => serve(&args.log.clone(), |stop| controller::run(*args, stop)),
        Command::Callback(args) => serve(&args.log.clone(), |stop| callback::run(*args, stop)),
    };
    ended.map_or_else(|error| say(&error, 1), |()| ExitCode::SUCCESS)
}

fn say(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("euicc-operator: {error:#}");
    code.into()
}

/// Runs a process until it is asked to stop.
#[tokio::main]
async fn serve<F>(log: &LogArgs, run: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    log.init()?;
    install_crypto()?;
    run(stop_on_signal()?).await
}

#[tokio::main]
async fn wait_for(urls: &[String], timeout: kube::core::Duration) -> anyhow::Result<()> {
    install_crypto()?;
    ready::wait(urls, timeout.into()).await
}

fn crds(output_dir: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(dir) = output_dir else {
        print!("{}", api::to_yaml(&api::crds()?)?);
        return Ok(());
    };
    for crd in api::crds()? {
        let file = dir.join(format!("{}.yaml", crd.spec.names.plural));
        std::fs::write(&file, api::to_yaml(&[crd])?).with_context(|| format!("cannot write {}", file.display()))?;
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
