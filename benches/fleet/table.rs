//! What was measured, as a table.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::support::repository;

const BEGIN: &str = "<!-- make bench writes from here -->\n";
const END: &str = "<!-- to here -->\n";

/// One line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What was measured, and how large it was.
    pub what: String,
    /// What is to be reached.
    pub reach: String,
    /// What came out.
    pub measured: String,
    /// Against what it is compared; empty where nothing is.
    pub ratio: String,
    /// Whether it is reached; none: it is only shown.
    pub met: Option<bool>,
}

impl Line {
    /// A line that is only shown.
    pub fn shown(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), reach: String::new(), measured: measured.into(), ratio: String::new(), met: None }
    }

    /// What is to be reached, and whether it is.
    pub fn reach(mut self, reach: &str, met: bool) -> Self {
        (self.reach, self.met) = (reach.into(), Some(met));
        self
    }

    /// A comparison.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = format!("{ratio:.2}");
        self
    }

    fn markdown(&self) -> String {
        let verdict = match self.met {
            Some(true) => "reached",
            Some(false) => "**not reached**",
            None => "",
        };
        format!("| {} | {} | {} | {} | {verdict} |\n", self.what, self.reach, self.measured, self.ratio)
    }
}

/// Keeps the lines of one row, so that a later table has them.
pub fn keep(name: &str, lines: &[Line]) {
    std::fs::create_dir_all(folder()).expect("a folder");
    let text = serde_json::to_string_pretty(lines).expect("JSON");
    std::fs::write(folder().join(format!("{name}.json")), text).expect("written");
}

/// The last lines of a row.
pub fn kept(name: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_else(|_| "[]".into());
    serde_json::from_str(&text).expect("what was written")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}

/// The sizes that a row was ever measured at, in ascending order.
pub fn sizes(name: &str) -> Vec<usize> {
    let files =
        std::fs::read_dir(folder()).into_iter().flatten().filter_map(|file| file.ok()?.file_name().into_string().ok());
    let of_row =
        files.filter_map(|file| file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".json")?.parse().ok());
    let mut sizes: Vec<usize> = of_row.collect();
    sizes.sort_unstable();
    sizes
}

/// The table of these rows, as far as they were ever measured.
pub fn markdown(names: impl Iterator<Item = String>) -> String {
    let lines: String = names.flat_map(|name| kept(&name)).map(|line| line.markdown()).collect();
    format!("| what | reach | measured | ratio | |\n|---|---|---|---|---|\n{lines}")
}

/// Puts it into the documentation.
pub fn write(table: &str) {
    let path = repository("docs/performance.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("a mark");
    let (_, after) = rest.split_once(END).expect("another mark");
    std::fs::write(path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).expect("written");
}
