//! Verizon ThingSpace on your own machine: accepts activations, sends callbacks, fails on demand.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use euicc_operator::simulator::{Config, Simulator, faults::spec::GRAMMAR};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Verizon ThingSpace on your own machine: accepts activations, sends callbacks, fails on demand
#[derive(Parser)]
#[command(name = "thingspace-simulator", version, after_help = GRAMMAR)]
struct Line {
    #[command(flatten)]
    config: Config,
    /// Form of the logs, which go to stderr
    #[arg(long, env = "SIM_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What to log: a level, or directives such as `euicc_operator=debug`
    #[arg(long, env = "SIM_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    Json,
    #[default]
    Text,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let line = Line::parse();
    let filter = EnvFilter::try_new(&line.log_level).context("The log level cannot be read")?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match line.log_format {
        LogFormat::Json => logs.json().init(),
        LogFormat::Text => logs.init(),
    }
    // Before the address is told: whoever reads it may stop us at once.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let simulator = Simulator::start(line.config).await.context("The simulator cannot start")?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", simulator.url())?;
    stdout.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    simulator.shutdown().await.context("The simulator did not stop well")
}
