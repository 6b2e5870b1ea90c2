//! What ThingSpace would refuse, `kubectl apply` refuses, in words that say what to mend.

use std::path::{Path, PathBuf};

use futures::{StreamExt, stream};

use crate::support::{Namespace, Output, repository};

#[tokio::test]
async fn each_mistake_in_a_manifest_is_refused_by_field_and_rule() {
    let namespace = Namespace::new("invalid").await;
    let tried = apply_each("tests/invalid", &namespace).await;
    let wrong: Vec<String> = tried.iter().filter_map(|(file, output)| not_refused_as_it_says(file, output)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), tried.len(), wrong.join("\n"));
    assert!(tried.len() >= 60);
    println!("{} bad manifests were refused", tried.len());
}

#[tokio::test]
async fn good_manifests_are_accepted() {
    let namespace = Namespace::new("valid").await;
    let mut tried = apply_each("tests/valid", &namespace).await;
    // The examples name their namespace themselves.
    let fleet = Namespace::open("fleet").await;
    fleet.kubectl(&["apply", "-f", &path(&repository("examples/namespace.yaml"))]).await.success();
    tried.extend(apply_each("examples", &fleet).await);
    let refused: Vec<_> = tried.iter().filter(|(_, output)| !output.ok).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(tried.len() >= 20);
    println!("{} good manifests were accepted", tried.len());
}

/// Each manifest breaks one rule, which its first line names: `# refused: FIELD: RULE`.
fn not_refused_as_it_says(file: &Path, output: &Output) -> Option<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let first = text.lines().next().unwrap();
    let (field, rule) =
        first.strip_prefix("# refused: ").and_then(|l| l.split_once(": ")).expect("# refused: FIELD: RULE");
    let is_it = |line: &&str| line.split_once(&format!("{field}: ")).is_some_and(|(_, words)| words.contains(rule));
    let is_more = |line: &&str| line.starts_with("* ") && !line.contains("some validation rules were not checked");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let said = !output.ok && lines.iter().any(|l| is_it(l)) && lines.iter().filter(|l| is_more(l)).count() <= 1;
    (!said).then(|| format!("{}\n  expected {field}: {rule}\n  got {output:?}", file.display()))
}

/// `kubectl apply --dry-run=server` of each manifest by itself.
async fn apply_each(folder: &str, namespace: &Namespace) -> Vec<(PathBuf, Output)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let apply = async |file: PathBuf| {
        let output = namespace.kubectl(&["apply", "--dry-run=server", "-f", &path(&file)]).await;
        (file, output)
    };
    stream::iter(files).map(apply).buffered(4).collect().await
}

fn path(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}
