//! `euicc-operator validate`: checks manifests without a cluster, by the API server's rules and in its words.

mod documents;
mod finding;
mod kinds;
mod metadata;
mod node;
mod report;
mod scalar;
mod schema;
mod sources;
mod together;
mod yaml;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;

use documents::Document;
use finding::{Finding, Issue, Level, Place};
use kinds::Kind;
use node::Node;
pub use report::Format;
use report::Report;
use together::Together;

/// Flags of `euicc-operator validate`.
#[derive(Args, Clone, Debug)]
pub struct ValidateArgs {
    /// Manifests in YAML or JSON: files, folders (all *.yaml, *.yml and *.json below them), or - for standard input.
    /// Documents of other kinds are passed over. Name together what is applied together.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How findings are printed, on standard output.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Fail on warnings too: wrong check digits, missing fields that most accounts need, a line in two activations.
    #[arg(long)]
    pub strict: bool,
}

/// Checks what the arguments name and prints what it finds. The exit code is 0 if that is nothing, or warnings only; 1 if
/// it is more.
///
/// # Errors
/// When something cannot be read or written: the exit code of that is 2.
pub fn run(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let kinds = kinds::kinds()?;
    let (mut report, mut together) = (Report::default(), Together::default());
    for source in sources::read(&args.files)? {
        check_file(&kinds, &source, &mut together, &mut report);
    }
    let mut out = io::stdout().lock();
    report.print(args.format, &mut out).and_then(|()| out.flush()).context("cannot write the findings")?;
    eprintln!("{}", report.summary());
    let bad = report.count(Level::Error) > 0 || (args.strict && !report.findings.is_empty());
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn check_file(kinds: &[Kind], source: &sources::Source, together: &mut Together, report: &mut Report) {
    let file = &source.name;
    let mut found = Vec::new();
    let mut tell = |place: Place, resource: &str, issue: Issue| {
        let Issue { level, field, message, .. } = issue;
        let (file, resource) = (file.clone(), resource.to_owned());
        found.push(Finding { file, line: place.line, column: place.column, level, resource, field, message });
    };
    for document in yaml::read(&source.text) {
        let document = match document {
            Ok(document) => document,
            Err(broken) => {
                tell(broken.place, "", Issue::error("", format!("not YAML: {}", broken.message)));
                continue;
            }
        };
        let mut is_ours = false;
        for manifest in documents::manifests(kinds, &document.root) {
            match manifest {
                Document::Other => {
                    report.passed_over += 1;
                    continue;
                }
                Document::Wrong(issue, node) => {
                    report.checked += 1;
                    tell(node.locate(&issue.field), &resource(node), issue);
                }
                Document::Ours(kind, node) => {
                    report.checked += 1;
                    let resource = resource(node);
                    let issues = kind.check(&node.to_json());
                    report.rules_not_tried += usize::from(issues.iter().any(|issue| issue.blocks_rules));
                    for issue in issues {
                        let place = match issue.message.as_str() {
                            schema::UNKNOWN => node.locate_key(&issue.field),
                            _ => node.locate(&issue.field),
                        };
                        tell(place, &resource, issue);
                    }
                    for (place, issue) in together.add(file, &resource, node) {
                        tell(place, &resource, issue);
                    }
                }
            }
            is_ours = true;
        }
        if is_ours {
            let resource = resource(&document.root);
            document.duplicates.into_iter().for_each(|(place, issue)| tell(place, &resource, issue));
        }
    }
    found.sort_by_key(|finding| (finding.line, finding.column));
    report.findings.extend(found);
}

/// KIND NAMESPACE/NAME, or what is known of it.
fn resource(manifest: &Node) -> String {
    let metadata = |field: &str| manifest.get("metadata").and_then(|metadata| metadata.text(field));
    let kind = manifest.text("kind").unwrap_or("manifest");
    match (metadata("namespace"), metadata("name").or_else(|| metadata("generateName"))) {
        (Some(namespace), Some(name)) => format!("{kind} {namespace}/{name}"),
        (None, Some(name)) => format!("{kind} {name}"),
        (_, None) => kind.to_owned(),
    }
}
