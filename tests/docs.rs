//! The documents keep their word: links lead somewhere, every reason and event is explained, flags exist, manifests are
//! accepted, and commands work. Blocks marked `<!-- run: NAME -->` are run by the promise that they belong to.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::json;

use crate::support::{Namespace, QUICK, Scene, control_plane, docs, fixtures, repository};

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut tried = 0;
    for document in docs::all() {
        let folder = Path::new(&document.path).parent().unwrap().to_owned();
        for link in document.links() {
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { document.path.clone().into() } else { folder.join(file) };
            let target = repository(target.to_str().unwrap());
            assert!(target.exists(), "{}: {link}", document.path);
            if let Some(anchor) = anchor {
                let text = std::fs::read_to_string(&target).unwrap();
                let anchors = docs::Document { path: String::new(), text }.anchors();
                assert!(anchors.iter().any(|a| a == anchor), "{}: {link} is none of {anchors:?}", document.path);
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried} links");
}

#[test]
fn every_reason_and_every_event_of_the_code_is_in_the_operations_guide_and_no_other() {
    let guide = docs::all().into_iter().find(|d| d.path == "docs/operations.md").unwrap();
    let documented: BTreeSet<&str> = guide.table_keys().into_iter().filter(|key| is_a_name(key)).collect();
    let sources = ["src/activation", "src/controller", "src/cluster", "src/callback"];
    let text: String = sources.iter().map(|folder| code(&repository(folder))).collect();
    let others: BTreeSet<&str> = NO_REASONS.split_whitespace().collect();
    let named: BTreeSet<&str> = text.split('"').filter(|word| is_a_name(word) && !others.contains(word)).collect();
    let undocumented: Vec<_> = named.difference(&documented).collect();
    assert!(
        undocumented.is_empty(),
        "explain these in docs/operations.md (or list them in NO_REASONS): {undocumented:?}"
    );
    let gone: Vec<_> = documented.difference(&named).collect();
    assert!(gone.is_empty(), "docs/operations.md explains what is no more: {gone:?}");
}

/// Words of the code that look like reasons: conditions, their states and those of lines; kinds, severities, words of
/// ThingSpace; codes of status.lastError only.
const NO_REASONS: &str = "Ready Reconciling Stalled Authenticated CallbackRegistered NamespacesSelected True False \
     Active Deactive Pending Failed Unknown EuiccActivation ThingSpaceConnection Normal Warning Activate NiddService \
     DeviceAlreadyActive LookFailed";

fn is_a_name(word: &str) -> bool {
    let letters = |word: &str| word.len() > 3 && word.chars().all(char::is_alphabetic);
    letters(word) && word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase)
}

/// What ships of a folder of Rust: without tests and comments.
fn code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            text += &code(&path);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let file = std::fs::read_to_string(&path).unwrap();
            let shipped = file.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| text += &format!("{line}\n"));
        }
    }
    text
}

#[test]
fn every_flag_that_the_documents_name_exists() {
    let help = |program: &mut Command, args: &[&str]| -> String {
        let output = program.args(args).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let ours = ["controller", "callback", "crds", "validate"]
        .map(|process| help(&mut Command::new(env!("CARGO_BIN_EXE_euicc-operator")), &[process, "--help"]))
        .concat();
    let simulator = help(&mut Command::new(env!("CARGO_BIN_EXE_thingspace-simulator")), &["--help"]);
    let documents = docs::all();
    // In a command: one of that command.
    let mut theirs = BTreeSet::new();
    for (program, general) in [("kubectl", "options"), ("helm", "--help")] {
        let general = help(&mut control_plane().program(program), &[general]);
        let commands = |d: &docs::Document| [d.commands(program), d.inline_commands(program)].concat();
        for (document, command) in documents.iter().flat_map(|d| commands(d).into_iter().map(move |c| (d, c))) {
            for part in command.split(" | ").filter_map(|part| Some(&part[part.find(program)?..])) {
                let flags: Vec<&str> = part.split_whitespace().filter_map(flag).collect();
                let known = match flags.is_empty() {
                    true => String::new(),
                    false => {
                        general.clone()
                            + &help(&mut control_plane().program(program), &[&verb(part)[..], &["--help"]].concat())
                    }
                };
                for flag in flags {
                    assert!(names(&known, flag), "{}: there is no {flag} in: {part}", document.path);
                    theirs.insert(flag.to_owned());
                }
            }
        }
    }
    // In the text: one of ours, or of such a command.
    let guides = documents.iter().filter(|d| d.path == "README.md" || d.path.starts_with("docs/"));
    for document in guides.filter(|d| d.path != "docs/thingspace-contract.md") {
        let commands =
            ["euicc-operator", "thingspace-simulator"].map(|ours| document.commands(ours).join(" ")).join(" ");
        let text = document.prose() + &commands;
        for word in text.split(|c: char| c.is_whitespace() || "`(),;|".contains(c)) {
            if let Some(flag) = flag(word).filter(|flag| !theirs.contains(*flag)) {
                let known =
                    names(&ours, flag) || names(&simulator, flag) || OTHERS.split(' ').any(|other| other == flag);
                assert!(known, "{}: {flag} is no flag of ours", document.path);
            }
        }
    }
}

/// Flags of every program, of cargo, of docker, of Velero.
const OTHERS: &str = "--help --features --locked --all --build-arg --build-context --platform --tag --restore-status";

/// The words of a command before its first flag, `-n fleet` left out: what it does, and to what.
fn verb(command: &str) -> Vec<&str> {
    let command = command.split_once(' ').unwrap().1.trim_start_matches("-n fleet ");
    command.split_whitespace().take_while(|word| !word.starts_with('-')).collect()
}

fn flag(word: &str) -> Option<&str> {
    let flag = word.trim_start_matches(['"', '\'']).split(['=', '"', '\'', '.', ':']).next()?;
    let is_flag = flag.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    is_flag.then_some(flag)
}

fn names(help: &str, flag: &str) -> bool {
    help.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == flag)
}

#[tokio::test]
async fn every_manifest_in_the_documents_is_accepted() {
    let namespace = Namespace::new("documented").await;
    let mut tried = 0;
    for document in docs::all() {
        for block in document.blocks("yaml").into_iter().filter(|b| b.contains("apiVersion: euicc-operator.io/")) {
            let mut manifest: serde_json::Value = serde_yaml_ng::from_str(block).unwrap();
            manifest["metadata"]["namespace"] = json!(namespace.name);
            let applied =
                namespace.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &manifest.to_string()).await;
            assert!(applied.ok, "{}: {applied:?}\n{block}", document.path);
            tried += 1;
        }
    }
    assert!(tried > 0);
}

/// Those that look, wait and change a little; in a namespace of its own with what the examples have.
#[tokio::test]
async fn every_kubectl_command_in_the_documents_works() {
    let scene = Scene::start("commands", QUICK, &[]).await;
    let namespace = &scene.namespace;
    scene.simulator.rotate("the-new-one").await; // as docs/connection.md does
    for name in ["forklift-042", "unknown-device", "NAME"] {
        let name = name.to_lowercase();
        namespace.create(&fixtures::activation(&name, 1)).await;
        namespace.wait("Ready", &format!("euicc/{name}")).await;
    }
    let mut tried = 0;
    for document in docs::all() {
        for command in document.commands("kubectl") {
            let verbs = ["get", "describe", "explain", "annotate", "patch", "wait"];
            let ours = command.split(|c: char| !c.is_alphanumeric()).any(|w| ["euicc", "tsc", "secret"].contains(&w));
            let known = verb(&command).first().is_some_and(|verb| verbs.contains(verb));
            let elsewhere = ["httproute", "lease"].iter().any(|kind| command.contains(kind)); // not in this cluster
            if !known || !(ours || command.contains("$NS")) || elsewhere {
                continue;
            }
            // A grep for what is not there finds nothing, rightly; what follows a hash is said to the reader.
            let script = command.split(" #").next().unwrap().split(" | grep").next().unwrap();
            let script = script
                .replace("-n fleet", &format!("-n {}", namespace.name))
                .replace(" -A", &format!(" -n {}", namespace.name))
                .replace("NAME", "name");
            let says_where = script.contains("-n ") || script.starts_with("kubectl explain ");
            assert!(says_where, "{}: {script} looks into whatever namespace is the reader's", document.path);
            let mut shell = control_plane().program("sh");
            shell.args(["-ec", &script]).current_dir(env!("CARGO_TARGET_TMPDIR")).env("NS", &namespace.name);
            let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
            assert!(
                output.status.success(),
                "{}: {script}: {}",
                document.path,
                String::from_utf8_lossy(&output.stderr)
            );
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried} commands");
}
