//! The command line of the operator.

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "euicc-operator", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CustomResourceDefinitions as YAML.
    Crds,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds => print!("{}", euicc_operator::api::to_yaml(&euicc_operator::api::crds()?)?),
    }
    Ok(())
}
