//! `euicc-operator validate`: what a pipeline, an editor and a person see of it. No cluster, no network.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::repository;

/// What a run of it said.
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// The findings.
    pub stdout: String,
    /// The summary, or what stood in the way.
    pub stderr: String,
}

/// Runs `euicc-operator validate`, with nothing in its environment that could lead it to a cluster.
pub fn run(args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_euicc-operator"));
    command.arg("validate").args(args).env_clear().current_dir(repository("."));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("euicc-operator");
    // One that refuses its arguments does not read what we write.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn activation(name: &str, eid: &str) -> String {
    format!(
        "apiVersion: euicc-operator.io/v1alpha1
kind: EuiccActivation
metadata:
  name: {name}
  namespace: fleet
spec:
  connectionRef:
    name: verizon
  accountName: 0000123456-00001
  servicePlan: HybridESim
  mdnZipCode: \"94105\"
  devices:
    - deviceIds:
        - kind: eid
          id: \"{eid}\"
"
    )
}

const EID: &str = "89044011112233441122334411223321";
const OTHER_EID: &str = "89034011560010000000000000000121";

#[test]
fn every_example_validates_clean_even_strictly() {
    // Each is one cluster's.
    for together in [manifests("examples"), vec!["examples/gitops".into()]] {
        let args: Vec<&str> = ["--strict"].into_iter().chain(together.iter().map(String::as_str)).collect();
        let ran = run(&args, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(" checked: 0 errors, 0 warnings; ") && !ran.stderr.starts_with('0'),
            "{}",
            ran.stderr
        );
    }
}

/// The manifests that stand in a folder itself, as kubectl takes them.
pub fn manifests(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
    let manifests = files.filter(|file| file.extension().is_some_and(|e| e == "yaml" || e == "json"));
    manifests.map(|file| file.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_finding_points_at_the_field() {
    let good = activation("forklift", EID);
    for (from, to, expected) in [
        ("mdnZipCode: \"94105\"", "mdnZipCode: 94105", "-:11:15: error: spec.mdnZipCode: Invalid value: \"integer\""),
        ("servicePlan:", "servicePlam:", "-:10:3: error: spec.servicePlam: unknown field"),
        ("    name: verizon", "    {}", "-:7:3: error: spec.connectionRef.name: Required value"),
        (
            "id: \"8904",
            "id: \"904",
            "-:15:15: error: spec.devices[0].deviceIds[0].id: Invalid value: id of kind eid must be 32 digits",
        ),
        ("kind: eid", "kind: mdn", "-:13:7: error: spec.devices[0].deviceIds: Invalid value: must hold an eid"),
        ("metadata:", "spec: {}\nmetadata:", "-:7:1: error: spec: duplicate key: it stands on line 3 already"),
        (
            "/v1alpha1",
            "/v1beta1",
            "-:1:13: error: apiVersion: no matches for kind \"EuiccActivation\" in version \"euicc-operator.io/v1beta1\"",
        ),
        (
            "kind: EuiccActivation",
            "kind: EuiccActivations",
            "-:2:7: error: kind: no matches for kind \"EuiccActivations\"",
        ),
        ("apiVersion: euicc-operator.io/v1alpha1\n", "", "-:1:1: error: apiVersion: apiVersion not set"),
        ("name: forklift", "name: Forklift", "-:4:9: error: metadata.name: Invalid value: \"Forklift\""),
        ("  mdnZip", "\tmdnZip", "-:10:16: error: not YAML: "),
        ("name: verizon", "name: [verizon", "error: not YAML: "),
        ("\"94105\"", "*zip", "-:11:15: error: not YAML: "),
        (
            "23321\"",
            "23322\"",
            "-:15:15: warning: spec.devices[0].deviceIds[0].id: eid 89044011112233441122334411223322 is probably mistyped",
        ),
        ("  servicePlan: HybridESim\n", "", "-:6:1: warning: spec.servicePlan: is not set"),
    ] {
        assert!(good.contains(from), "{from}");
        let ran = run(&["-"], &good.replace(from, to));
        let found = ran
            .stdout
            .lines()
            .any(|line| line.starts_with(expected) || (expected.starts_with("error") && line.contains(expected)));
        assert!(found, "{to}: expected {expected}\n{}", ran.stdout);
        assert_eq!(ran.code, i32::from(!expected.contains("warning")), "{to}");
    }
}

#[test]
fn the_exit_code_tells_bad_manifests_from_those_that_cannot_be_read() {
    let (good, mistyped) = (activation("forklift", EID), activation("forklift", &EID.replace("23321", "23322")));
    for (args, input, code) in [
        (&["-"][..], good.as_str(), 0),
        (&["-"], mistyped.as_str(), 0),
        (&["--strict", "-"], mistyped.as_str(), 1),
        (&["--strict", "-"], good.as_str(), 0),
        (&["-"], "kind: ConfigMap", 0),
        (&["-"], "", 0),
        (&["tests/invalid"], "", 1),
        (&["no-such-file.yaml"], "", 2),
        (&["scripts"], "", 2), // a folder without manifests is a wrong folder
        (&[], "", 2),
        (&["--format", "xml", "-"], "", 2),
    ] {
        let ran = run(args, input);
        assert_eq!(ran.code, code, "{args:?}\n{}{}", ran.stdout, ran.stderr);
    }
    let ran = run(&["no-such-file.yaml"], "");
    assert!(ran.stderr.contains("cannot read no-such-file.yaml: No such file"), "{}", ran.stderr);
}

#[test]
fn only_our_kinds_are_looked_at_wherever_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let bad = |name: &str, eid: &str| activation(name, eid).replace("94105", "941");
    write("kustomization.yaml", "resources: [a.yml]\nresources: []\n");
    write("values.yaml", "devices: 5\n");
    write("notes.txt", "kind: EuiccActivation\n");
    write(".git/hidden.yaml", &bad("hidden", EID));
    write("deep/er/a.yml", &format!("---\n---\nkind: ConfigMap\napiVersion: v1\n---\n{}", bad("a", EID)));
    let json = r#"{"apiVersion":"v1","kind":"List","items":[{"kind":"Secret"},
        {"apiVersion":"euicc-operator.io/v1alpha1","kind":"ThingSpaceConnection","metadata":{"name":"c"},
         "spec":{"accounts":[],"credentialsSecretRef":{"name":"s"}}}]}"#;
    write("list.json", json);
    let name = |file: &str| folder.path().join(file).display().to_string();
    let ran = run(&[&folder.path().to_string_lossy()], "");
    let places: Vec<&str> = ran.stdout.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [format!("{}:16:15", name("deep/er/a.yml")), format!("{}:3:18", name("list.json"))],
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stderr, "2 manifests checked: 2 errors, 0 warnings; 4 documents of other kinds passed over\n");
}

#[test]
fn what_is_applied_together_is_checked_together() {
    let two = |second: String| run(&["-"], &format!("{}---\n{second}", activation("a", EID)));
    let ran = two(activation("a", OTHER_EID));
    let words = "-:20:9: error: metadata.name: Duplicate value: EuiccActivation fleet/a is also in -:4: the last one applied would win";
    assert_eq!((ran.code, ran.stdout.trim()), (1, words));
    let ran = two(activation("b", EID));
    let words = format!(
        "-:31:15: warning: spec.devices[0].deviceIds[0].id: eid {EID} is also in EuiccActivation fleet/a (-:15): only one of \
         the two is sent, the other says DeviceConflict"
    );
    assert_eq!((ran.code, ran.stdout.trim()), (0, words.as_str()));
    let elsewhere = activation("a", OTHER_EID).replace("namespace: fleet", "namespace: depot");
    assert_eq!(two(elsewhere).stdout, "");
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let ran = run(&["-"], &format!("a: [\n---\n{}", activation("b", "1")));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stdout);
    assert!(lines[0].contains("error: not YAML: ") && lines[1].contains("must be 32 digits"), "{}", ran.stdout);
}

#[test]
fn aliases_cannot_make_a_small_file_a_large_one() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")));
    }
    let ran = run(&["-"], &bomb);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("its aliases make it too large"), "{}", ran.stdout);
    let ran = run(&["-"], &format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

#[test]
fn github_gitlab_and_scripts_get_findings_in_their_own_form() {
    let bad = activation("a", EID).replace("94105", "94%\\n1");
    let github = run(&["--format", "github", "-"], &bad);
    assert_eq!(
        github.stdout.trim(),
        "::error file=-,line=11,col=15,title=EuiccActivation fleet/a::spec.mdnZipCode: Invalid value: \"94%25\\n1\": must \
         be a ZIP code: five digits"
    );
    let field = "spec.mdnZipCode";
    let gitlab: Value = serde_json::from_str(&run(&["--format", "gitlab", "-"], &bad).stdout).unwrap();
    assert_eq!(gitlab[0]["location"], serde_json::json!({"path": "-", "lines": {"begin": 11}}));
    assert_eq!(gitlab[0]["severity"], "major");
    assert!(gitlab[0]["description"].as_str().unwrap().starts_with(field));
    let moved: Value =
        serde_json::from_str(&run(&["--format", "gitlab", "-"], &format!("# more\n{bad}")).stdout).unwrap();
    assert_eq!(moved[0]["location"]["lines"]["begin"], 12);
    assert_eq!(moved[0]["fingerprint"], gitlab[0]["fingerprint"], "GitLab knows it again");
    let json: Value = serde_json::from_str(&run(&["--format", "json", "-"], &bad).stdout).unwrap();
    assert_eq!(json["checked"], 1);
    let finding = &json["findings"][0];
    assert_eq!((&finding["line"], &finding["field"], &finding["level"]), (&11.into(), &field.into(), &"error".into()));
    let clean = run(&["--format", "gitlab", "-"], "");
    assert_eq!(clean.stdout.trim(), "[]", "a report is valid also when it is empty");
}

#[test]
fn a_hundred_devices_with_all_their_identifiers_are_checked_in_a_moment() {
    let device = |n: usize| {
        format!(
            "    - deviceIds: [{{kind: eid, id: \"{n:032}\"}}, {{kind: iccid, id: \"{n:020}\"}}, {{kind: imei, id: \"{n:015}\"}}]\n"
        )
    };
    let head = activation("a", EID);
    let head = head.split("    - deviceIds").next().unwrap();
    let manifest = format!("{head}{}", (0..100).map(device).collect::<String>());
    let began = std::time::Instant::now();
    let ran = run(&["-"], &manifest);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}
