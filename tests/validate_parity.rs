//! `euicc-operator validate` says what the API server says, field by field and word for word, without asking it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::{Namespace, control_plane, repository};
use crate::validate::{manifests, run};

/// Field and message of each thing that is wrong.
type Said = BTreeSet<(String, String)>;

const HEAD: &str = "apiVersion: euicc-operator.io/v1alpha1
kind: EuiccActivation
metadata: {name: quirk}
spec:
  connectionRef: {name: verizon}
  accountName: 0000123456-00001
  devices: [{deviceIds: [{kind: eid, id: \"89044011112233441122334411223321\"}]}]
";

#[tokio::test]
async fn validate_says_of_each_manifest_what_the_api_server_says() {
    let namespace = Namespace::new("parity").await;
    let mut compared = 0;
    let mut wrong = Vec::new();
    for folder in ["tests/invalid", "tests/valid", "examples"] {
        let folder = repository(folder);
        compared += compare(&namespace, &folder, as_kubectl_reads(&folder), &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 200);
    println!("{compared} manifests are judged as the API server judges them");
}

/// YAML 1.1 as kubectl has it: a country that is a boolean, digits that are octal.
#[tokio::test]
async fn validate_reads_yaml_as_kubectl_does() {
    const QUIRKS: &[&str] = &[
        "  mdnZipCode: 94105",
        "  mdnZipCode: 01234",
        "  mdnZipCode: 08123",
        "  mdnZipCode: 0x1F",
        "  mdnZipCode: 0o17",
        "  mdnZipCode: 1e3",
        "  mdnZipCode: 12345678901234567890123",
        "  mdnZipCode: 9223372036854775808",
        "  mdnZipCode: 1_000",
        "  mdnZipCode: 1.5",
        "  mdnZipCode: 9.0",
        "  mdnZipCode: no",
        "  mdnZipCode: y",
        "  mdnZipCode: 2026-01-01",
        "  mdnZipCode: 12:30:45",
        "  mdnZipCode: ~",
        "  mdnZipCode:",
        "  mdnZipCode: null\n  suspend: null\n  deletionPolicy: null",
        "  mdnZipCode: !!str 94105",
        "  mdnZipCode: ! 94105",
        "  mdnZipCode: |\n    94105",
        "  mdnZipCode: >-\n    94105",
        "  suspend: yes",
        "  suspend: off",
        "  1: 2",
        "  no: 1",
        "  mdnZipCode: {a: 1}",
        "  mdnZipCode: [1]",
        "  primaryPlaceOfUse: x",
        "  primaryPlaceOfUse: null",
        "  deletionPolicy: 1",
        "  resultTimeout: 24",
        "  <<: {suspend: true, mdnZipCode: x}\n  mdnZipCode: \"94105\"",
        "  carrierName: &a Verizon\n  servicePlan: *a",
        "  carrierName: \"\\x07\\u00e9\\u200b\\U0001F600\\t\\\"\"",
        "status: {foo: 1}",
        "status: {requestId: 5}",
        "other: {foo: 1}",
        "  place: 1\n  foo: {a: 1}\n  connectionRef: 5",
        "  connectionRef: {name: verizon, namespace: }",
        "  primaryPlaceOfUse: {customerName: [], address: {zip: 94105}}",
    ];
    let folder = tempfile::tempdir().unwrap();
    for (i, quirk) in QUIRKS.iter().enumerate() {
        std::fs::write(
            folder.path().join(format!("quirk-{i}.yaml")),
            format!("{}{quirk}\n", HEAD.replace("quirk", &format!("quirk-{i}"))),
        )
        .unwrap();
    }
    let metadata = |metadata: &str| HEAD.replace("{name: quirk}", metadata);
    for (name, text) in [
        ("Upper", metadata("{name: Upper}")),
        (
            "labels",
            metadata("{name: labels, labels: {\"a b\": \"1 2\", \"x/y/z\": a, \"/a\": b, \"b/\": c, \"B.c/d\": d}}"),
        ),
        ("annotations", metadata("{name: annotations, annotations: {\"??\": x, \"Fine.Example.com/a\": z}}")),
        ("metadata-typo", metadata("{name: metadata-typo, label: {a: b}}")),
    ] {
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let mut wrong = Vec::new();
    let compared =
        compare(&Namespace::new("quirks").await, folder.path(), as_kubectl_reads(folder.path()), &mut wrong).await;
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(compared, QUIRKS.len() + 4);
}

/// Good manifests, each with a mistake that nobody thought of.
#[tokio::test]
async fn validate_says_what_the_api_server_says_of_mistakes_that_nobody_thought_of() {
    let mut good: Vec<Value> = as_kubectl_reads(&repository("tests/valid")).into_values().collect();
    good.extend(as_kubectl_reads(&repository("examples")).into_values().filter(is_ours));
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(std::env::var("EUICC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1));
    let mut mutants = BTreeMap::new();
    for i in 0..600 {
        let name = format!("mutant-{i}");
        let mut mutant = good[dice.roll(good.len())].clone();
        for _ in 0..=dice.roll(2) {
            break_somewhere(&mut mutant["spec"], &mut dice);
        }
        mutant["metadata"] = json!({"name": name});
        std::fs::write(folder.path().join(format!("{name}.json")), format!("{mutant:#}")).unwrap();
        mutants.insert(name, mutant);
    }
    let refused = validate_says(folder.path()).len();
    assert!((200..590).contains(&refused), "they should be neither all good nor all bad: {refused} are bad");
    let mut wrong = Vec::new();
    let compared = compare(&Namespace::new("mutants").await, folder.path(), mutants, &mut wrong).await;
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{compared} mutants are judged as the API server judges them, {refused} of them bad");
}

/// Judges all manifests of a folder by both, and tells how many there were.
async fn compare(
    namespace: &Namespace,
    folder: &Path,
    judged: BTreeMap<String, Value>,
    wrong: &mut Vec<String>,
) -> usize {
    let ours = validate_says(folder);
    let ask = async |(name, manifest): (String, Value)| {
        let said = api_server_says(namespace, &manifest).await;
        (name, manifest, said)
    };
    let ours_only = judged.into_iter().filter(|(_, manifest)| is_ours(manifest));
    let asked: Vec<_> = stream::iter(ours_only).map(ask).buffered(8).collect().await;
    for (name, manifest, theirs) in &asked {
        let mut ours = ours.get(name).cloned().unwrap_or_default();
        // Of a key that stands twice, kubectl takes the last without a word.
        ours.retain(|(_, message)| !message.starts_with("duplicate key"));
        // The API server says nothing else where it does not know a field.
        if theirs.iter().any(|(_, message)| message == "unknown field") {
            ours.retain(|(_, message)| message == "unknown field");
        }
        if ours != *theirs {
            wrong.push(format!("{name}\n  API server {theirs:?}\n  validate   {ours:?}\n  {}", manifest["spec"]));
        }
    }
    asked.len()
}

fn is_ours(manifest: &Value) -> bool {
    manifest["apiVersion"] == "euicc-operator.io/v1alpha1"
}

/// The manifests of a folder by name, in JSON as kubectl makes it from YAML.
fn as_kubectl_reads(folder: &Path) -> BTreeMap<String, Value> {
    let folder = folder.to_string_lossy();
    let args = ["create", "--dry-run=client", "--validate=false", "--output=json", "--filename", &folder];
    let output = control_plane().kubectl().args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // One after the other, or as a List.
    let read = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>().map(Result::unwrap);
    let items = read.flat_map(|value| value["items"].as_array().cloned().unwrap_or_else(|| vec![value]));
    items.map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item)).collect()
}

/// What the API server answers to a creation that it only pretends.
async fn api_server_says(namespace: &Namespace, manifest: &Value) -> Said {
    let mut manifest = manifest.clone();
    manifest["metadata"].as_object_mut().unwrap().remove("namespace");
    let plural = format!("{}s", manifest["kind"].as_str().unwrap().to_lowercase());
    let url = format!(
        "/apis/euicc-operator.io/v1alpha1/namespaces/{}/{plural}?dryRun=All&fieldValidation=Strict",
        namespace.name
    );
    let request = http::Request::post(url).header("Content-Type", "application/json").body(manifest.to_string().into());
    let status = match namespace.client.request::<Value>(request.unwrap()).await {
        Ok(_) => return Said::new(),
        Err(kube::Error::Api(status)) => status,
        Err(error) => panic!("{error}"),
    };
    if let Some((_, unknown)) = status.message.split_once("strict decoding error: ") {
        let field = |words: &str| words.strip_prefix("unknown field \"")?.strip_suffix('"').map(str::to_owned);
        return unknown.split(", ").map(|words| (field(words).expect(words), "unknown field".into())).collect();
    }
    let causes = status.details.map(|details| details.causes).unwrap_or_default();
    assert!(!causes.is_empty(), "{}", status.message);
    // That rules were not checked is no mistake of its own.
    let said = causes.into_iter().filter(|cause| cause.field != "<nil>");
    said.map(|cause| (cause.field, cause.message)).collect()
}

/// The errors that `validate` finds in a folder, by file.
fn validate_says(folder: &Path) -> BTreeMap<String, Said> {
    let files = manifests(&folder.to_string_lossy());
    let args: Vec<&str> = ["--format", "json"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = run(&args, "");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut said = BTreeMap::<String, Said>::new();
    for finding in report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "error") {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        let name = match text("resource").rsplit_once(' ') {
            Some((_, name)) => name.rsplit('/').next().unwrap().to_owned(),
            None => PathBuf::from(text("file")).file_stem().unwrap().to_string_lossy().into_owned(),
        };
        said.entry(name).or_default().insert((text("field"), text("message")));
    }
    said
}

/// Numbers that look random, and are the same in each run (EUICC_SEED has others).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Somewhere in a value: another value, one less, one more, or one twice.
fn break_somewhere(value: &mut Value, dice: &mut Dice) {
    let stay = dice.roll(4) == 0;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(dice.roll(fields.len())).unwrap().clone();
            match (stay, dice.roll(4)) {
                (true, 0) => drop(fields.insert("unheardOf".into(), json!({"of": 1}))),
                (true, 1) => drop(fields.remove(&name)),
                (true, 2) => fields[&name] = strange(dice),
                (true, _) => {
                    let moved = fields.remove(&name).unwrap();
                    fields.insert(name.to_uppercase(), moved);
                }
                (false, _) => break_somewhere(&mut fields[&name], dice),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let i = dice.roll(items.len());
            match (stay, dice.roll(4)) {
                (true, 0) => items.clear(),
                (true, 1) => items[i] = strange(dice),
                (true, 2) => items.extend(vec![items[i].clone(); 1 + dice.roll(3)]),
                (true, _) => items.extend(vec![items[i].clone(); 120]),
                (false, _) => break_somewhere(&mut items[i], dice),
            }
        }
        Value::String(text) if dice.roll(3) > 0 => {
            let strange =
                ["'", "é", "<", " ", "\\", "0", "-", "\n", "\u{200b}", "x", "PO Box 1", ":8443/", "http://", "1h"];
            let piece = strange[dice.roll(strange.len())];
            let at = text.char_indices().map(|(at, _)| at).nth(dice.roll(text.chars().count().max(1))).unwrap_or(0);
            match dice.roll(4) {
                0 => *text = piece.repeat(1 + dice.roll(80)),
                1 => text.truncate(at),
                _ => text.insert_str(at, piece),
            }
        }
        _ => *value = strange(dice),
    }
}

fn strange(dice: &mut Dice) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(5_000_000),
        json!(1e30),
        json!(""),
        json!("   "),
        json!("Deactivate"),
        json!([]),
        json!({}),
        json!([1, "a"]),
        json!([null]),
        json!({"a": 1}),
        json!([[]]),
        json!({"name": "a"}),
        json!([{"deviceIds": []}]),
        json!({"names": []}),
        json!({"selector": {"matchLabels": {"a.b/c": 1}}}),
    ];
    values[dice.roll(values.len())].clone()
}
