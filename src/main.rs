//! The command line of the operator.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};
use euicc_operator::api;

#[derive(Parser)]
#[command(name = "euicc-operator", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CustomResourceDefinitions as YAML.
    Crds {
        /// Write them as files into this folder instead, one a kind.
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds { output_dir: None } => print!("{}", api::to_yaml(&api::crds()?)?),
        Command::Crds { output_dir: Some(dir) } => {
            for crd in api::crds()? {
                let file = dir.join(format!("{}.yaml", crd.spec.names.plural));
                std::fs::write(&file, api::to_yaml(&[crd])?)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    }
    Ok(())
}
