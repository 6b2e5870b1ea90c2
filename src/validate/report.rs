//! The findings as people, editors and CI systems read them.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::finding::{Finding, Level};

/// In which form the findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// FILE:LINE:COLUMN: LEVEL: FIELD: MESSAGE, as compilers do it.
    #[default]
    Text,
    /// Workflow commands of GitHub Actions, which show them beside the changed lines.
    Github,
    /// A Code Quality report for GitLab.
    Gitlab,
    /// One JSON object, for scripts.
    Json,
}

/// What a run has found.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// By file in the order of the arguments, then by line.
    pub findings: Vec<Finding>,
    /// How many manifests of our kinds were checked.
    pub checked: usize,
    /// How many documents of other kinds were passed over.
    pub passed_over: usize,
    /// Of how many manifests the CEL rules could not be tried, for errors that come before.
    pub rules_not_tried: usize,
}

impl Report {
    /// How many findings of a level there are.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// What was done, in a line.
    pub fn summary(&self) -> String {
        let mut out = format!(
            "{} checked: {}, {}",
            plural(self.checked, "manifest"),
            plural(self.count(Level::Error), "error"),
            plural(self.count(Level::Warning), "warning")
        );
        if self.passed_over > 0 {
            out.push_str(&format!("; {} of other kinds passed over", plural(self.passed_over, "document")));
        }
        if self.rules_not_tried > 0 {
            let manifests = plural(self.rules_not_tried, "manifest");
            out.push_str(&format!("; correct the errors to have all rules tried ({manifests})"));
        }
        out
    }

    /// Prints the findings.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn print(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Text => self.findings.iter().try_for_each(|f| writeln!(out, "{}", text(f))),
            Format::Github => self.findings.iter().try_for_each(|f| writeln!(out, "{}", github(f))),
            Format::Gitlab => writeln!(out, "{:#}", self.findings.iter().map(gitlab).collect::<serde_json::Value>()),
            Format::Json => writeln!(out, "{:#}", json!(self)),
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn text(finding: &Finding) -> String {
    let Finding { file, line, column, level, .. } = finding;
    format!("{file}:{line}:{column}: {}: {}", level.as_str(), finding.sentence().replace('\n', " "))
}

fn github(finding: &Finding) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let Finding { file, line, column, level, resource, .. } = finding;
    let title = if resource.is_empty() { "not YAML" } else { resource };
    let (file, title) = (property(file), property(title));
    format!("::{} file={file},line={line},col={column},title={title}::{}", level.as_str(), data(&finding.sentence()))
}

fn gitlab(finding: &Finding) -> serde_json::Value {
    // It must survive that lines are added above.
    let identity = [finding.file.as_str(), &finding.resource, &finding.field, &finding.message].join("\n");
    json!({
        "description": finding.sentence(),
        "check_name": "euicc-operator validate",
        "fingerprint": Uuid::new_v5(&Uuid::NAMESPACE_OID, identity.as_bytes()).simple().to_string(),
        "severity": match finding.level {
            Level::Error => "major",
            Level::Warning => "minor",
        },
        "location": {"path": finding.file.trim_start_matches("./"), "lines": {"begin": finding.line}},
    })
}
