//! Runs what the command line asks for.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use euicc_operator::{
    api, callback,
    cli::{Cli, Command},
    controller, ready,
    telemetry::LogArgs,
    validate,
};
use tokio_util::sync::CancellationToken;

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

/// Runs a process until it is asked to stop. One thread has time for a fleet many times over; more of them would wake
/// each other, and have a heap arena each.
#[tokio::main(flavor = "current_thread")]
async fn serve<F>(log: &LogArgs, run: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    log.init()?;
    install_crypto()?;
    run(stop_on_signal()?).await
}

#[tokio::main(flavor = "current_thread")]
async fn wait_for(urls: &[reqwest::Url], timeout: kube::core::Duration) -> anyhow::Result<()> {
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
