//! `make bench`: what the operator costs a fleet, on the real API server and the simulator, each measured against what
//! it cannot do without. One row is one process with a cluster of its own; its figures are kept, and the table shows
//! the last of each. What the rows mean is in docs/performance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod audit;
mod bare;
mod crowd;
mod gauge;
mod rows;
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use clap::{Parser, Subcommand};
use rows::{counts, latency, memory, speed, start};
use serde::{Serialize, de::DeserializeOwned};
use table::Line;

/// Every row, in the order of the table.
const ROWS: [&str; 10] = ["cost", "polling", "hundred", "start", "slow", "latency", "rest", "open", "speed", "table"];

#[derive(Parser)]
#[command(about = "Measures what the operator costs a fleet", disable_help_subcommand = true)]
struct Cli {
    /// Which rows: cost, polling, hundred, start, slow, latency, rest, open, speed; `table` only shows the table.
    #[arg(long, num_args = 1.., default_values_t = ROWS.map(String::from))]
    rows: Vec<String>,
    /// How many activations, for `speed` and `rest`.
    #[arg(long, num_args = 1..)]
    sizes: Vec<usize>,
    /// How often `speed` and `latency` are measured; the median counts.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Write the table into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One row, in a process of its own.
    #[command(hide = true)]
    Row { name: String, sizes: Vec<usize> },
    /// The loop that the operator is measured against.
    #[command(hide = true)]
    Bare { namespace: String, endpoint: String, at_once: usize },
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    match cli.part {
        None => run(&cli),
        Some(Part::Bare { namespace, endpoint, at_once }) => say(&bare::run(&namespace, &endpoint, at_once).await),
        Some(Part::Row { name, sizes }) => match name.as_str() {
            "cost" => say(&counts::cost().await),
            "polling" => say(&counts::polling().await),
            "hundred" => say(&counts::hundred().await),
            "start" => say(&start::start().await),
            "slow" => say(&speed::slow().await),
            "latency" => say(&latency::latency().await),
            "rest" => say(&memory::rest(&sizes).await),
            "open" => say(&memory::open().await),
            "bare-first" => say(&speed::pair(sizes[0], true).await),
            "operator-first" => say(&speed::pair(sizes[0], false).await),
            other => panic!("there is no row {other}"),
        },
    }
}

fn say(result: &impl Serialize) {
    println!("{}", serde_json::to_string(result).expect("JSON"));
}

fn run(cli: &Cli) {
    for name in &cli.rows {
        match name.as_str() {
            "table" => {}
            "speed" => {
                for &size in sizes(cli, &[5000, 10_000]) {
                    let order = |n| if n % 2 == 0 { "bare-first" } else { "operator-first" };
                    let pairs: Vec<_> = (0..cli.pairs).map(|n| part(order(n), &[size])).collect();
                    finish(&format!("speed-{size}"), &speed::lines(size, &pairs));
                }
            }
            "latency" => finish("latency", &median((0..cli.pairs).map(|_| part("latency", &[])).collect())),
            "rest" => finish("rest", &part::<Vec<Line>>("rest", sizes(cli, &[1000, 10_000, 50_000, 100_000]))),
            name => finish(name, &part::<Vec<Line>>(name, &[])),
        }
    }
    let first = ["cost", "polling", "hundred"].map(String::from);
    let last = ["slow", "latency", "rest", "open", "start"].map(String::from);
    let speeds = table::sizes("speed").into_iter().map(|size| format!("speed-{size}"));
    let table = table::markdown(first.into_iter().chain(speeds).chain(last));
    println!("\n{table}");
    if cli.write {
        table::write(&table);
    }
}

/// Of several runs the one in the middle, by the ratio of its first line; of each other line the one that fell short.
fn median(mut runs: Vec<Vec<Line>>) -> Vec<Line> {
    let ratio = |run: &[Line]| run[0].ratio.parse().unwrap_or(f64::MAX);
    runs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let mut lines = runs[runs.len() / 2].clone();
    for (n, line) in lines.iter_mut().enumerate().skip(1) {
        if let Some(short) = runs.iter().map(|run| &run[n]).find(|line| line.met == Some(false)) {
            line.clone_from(short);
        }
    }
    lines
}

fn sizes<'a>(cli: &'a Cli, default: &'a [usize]) -> &'a [usize] {
    if cli.sizes.is_empty() { default } else { &cli.sizes }
}

fn finish(name: &str, lines: &[Line]) {
    table::keep(name, lines);
    for line in lines {
        let verdict = line.met.map_or("", |met| if met { "reached: " } else { "NOT REACHED: " });
        println!("{}: {} {} ({verdict}{})", line.what, line.measured, line.ratio, line.reach);
    }
}

/// Runs one part in a process of its own, with a cluster of its own, and reads the last line that it says.
fn part<T: DeserializeOwned>(name: &str, sizes: &[usize]) -> T {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["row", name]).args(sizes.iter().map(usize::to_string)).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let last = lines.last().unwrap_or_default();
    assert!(child.wait().expect("it ends").success(), "{name} failed");
    serde_json::from_str(&last).unwrap_or_else(|error| panic!("{name}: {error}: {last}"))
}
