//! What GitOps tools do all day: apply what is there already. Nothing changes by it, and nothing looks changed; and the
//! manifests of `examples/gitops` come up in the order that they say.

use std::{collections::BTreeMap, path::Path};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{ArgoCd, Kstatus, LONG, QUICK, Scene, eventually, fixtures, kstatus, repository};

#[rstest]
#[case::flux("flux", &["--server-side", "--field-manager=kustomize-controller", "--force-conflicts"])]
#[case::argo_cd("argocd", &["--server-side", "--field-manager=argocd-controller", "--force-conflicts"])]
#[case::by_hand("kubectl", &[])]
#[tokio::test]
async fn applying_every_example_a_second_time_changes_nothing_and_shows_no_diff(
    #[case] name: &str,
    #[case] how: &[&str],
) {
    let scene = Scene::start(&format!("twice-{name}"), QUICK, &[]).await;
    let namespace = &scene.namespace;
    let manifests: Vec<Value> = read_all("examples").into_iter().map(|m| settle(m, &scene)).collect();
    let yaml = json!({"apiVersion": "v1", "kind": "List", "items": manifests}).to_string();
    let run = async |verb: &str| namespace.kubectl_with(&[&[verb, "-f", "-"], how].concat(), &yaml).await;
    run("apply").await.success();
    let ours: Vec<&Value> = manifests.iter().filter(|m| m["apiVersion"] == "euicc-operator.io/v1alpha1").collect();
    let live = async || {
        let mut live = BTreeMap::new();
        for manifest in &ours {
            let object = format!("{}/{}", manifest["kind"].as_str().unwrap(), name_of(manifest));
            let text = namespace.kubectl(&["get", &object, "-o", "json"]).await.success();
            live.insert(object, serde_json::from_str::<Value>(&text).unwrap());
        }
        live
    };
    let settled = async || match live().await {
        live if live.values().all(|o| matches!(kstatus(o), Kstatus::Current | Kstatus::Failed)) => Ok(live),
        live => Err(live.into_iter().find(|(_, o)| kstatus(o) == Kstatus::InProgress)),
    };
    let before = eventually("every example has come to its end", LONG, settled).await;
    assert!(before.len() >= 8, "{:?}", before.keys());

    let diff = run("diff").await;
    assert!(diff.ok && diff.stdout.is_empty(), "{diff:?}");
    run("apply").await.success();
    let version = |o: &Value| (o["metadata"]["generation"].clone(), o["metadata"]["resourceVersion"].clone());
    for (object, after) in live().await {
        assert_eq!(version(&before[&object]), version(&after), "{object}");
        // What the API server adds to a spec are the schema's defaults, and the operator adds nothing.
        let manifest = ours.iter().find(|m| object.ends_with(&format!("/{}", name_of(m)))).unwrap();
        only_defaults_added("spec", &manifest["spec"], &after["spec"]);
    }
}

#[tokio::test]
async fn the_fleet_comes_up_wave_by_wave_when_argo_cd_waits_for_each_waves_health() {
    let scene = Scene::start("waves", QUICK, &[]).await;
    // The example's connection takes the place of the scene's.
    scene.namespace.kubectl(&["delete", "tsc", "verizon"]).await.success();
    let (argo, mut waves) = (ArgoCd::read(), BTreeMap::<i64, Vec<Value>>::new());
    for manifest in read_all("examples/gitops/fleet") {
        let wave = &manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        waves.entry(wave.as_str().unwrap().parse().unwrap()).or_default().push(settle(manifest, &scene));
    }
    let kinds: Vec<Vec<&str>> =
        waves.values().map(|wave| wave.iter().map(|m| m["kind"].as_str().unwrap()).collect()).collect();
    assert_eq!(kinds, [vec!["Namespace"], vec!["ThingSpaceConnection"], vec!["EuiccActivation", "EuiccActivation"]]);
    for (wave, manifests) in waves.split_off(&0) {
        for manifest in manifests {
            scene.namespace.apply(&manifest.to_string()).await;
            let object = format!("{}/{}", manifest["kind"].as_str().unwrap(), name_of(&manifest));
            eventually(&format!("wave {wave}: {object} is healthy"), LONG, async || {
                let text = scene.namespace.kubectl(&["get", &object, "-o", "json"]).await.success();
                match argo.health(&serde_json::from_str(&text).unwrap()) {
                    (health, _) if health == "Healthy" => Ok(()),
                    other => Err(other),
                }
            })
            .await;
        }
    }
    assert_eq!(scene.simulator.activate_posts().await.len(), 2);
}

#[test]
fn what_the_argo_cd_and_flux_examples_refer_to_exists() {
    let named = |all: &[Value], kind: &str| -> Vec<String> {
        all.iter().filter(|m| m["kind"] == kind).map(|m| name_of(m).to_owned()).collect()
    };
    let is_there = |path: &Value| {
        let path = path.as_str().unwrap_or_else(|| panic!("a path: {path}"));
        assert!(repository(path.trim_start_matches("./")).is_dir(), "{path}");
    };
    // Argo CD: every Application has a folder, and they come in the order of their waves.
    let root = &read_all("examples/gitops/argocd/root.yaml")[0];
    is_there(&root["spec"]["source"]["path"]);
    let mut applications = read_all(root["spec"]["source"]["path"].as_str().unwrap());
    let wave =
        |m: &Value| m["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"].as_str().map(|w| w.parse::<i64>());
    applications.sort_by_key(|a| wave(a).unwrap().unwrap());
    applications.iter().for_each(|a| is_there(&a["spec"]["source"]["path"]));
    assert_eq!(named(&applications, "Application"), ["euicc-operator-crds", "euicc-operator", "euicc-fleet"]);

    // Flux: everything that is depended on, checked or read from is one of these.
    let flux = [read_all("examples/gitops/flux"), read_all("examples/gitops/flux/operator")].concat();
    let fleet = read_all("examples/gitops/fleet");
    let sources = named(&flux, "GitRepository");
    for manifest in &flux {
        let (kind, spec) = (manifest["kind"].as_str().unwrap(), &manifest["spec"]);
        for needed in spec["dependsOn"].as_array().into_iter().flatten() {
            assert!(named(&flux, kind).contains(&name_of_ref(needed)), "{kind} {}: {needed}", name_of(manifest));
        }
        for source in [&spec["sourceRef"], &spec["chart"]["spec"]["sourceRef"]].into_iter().filter(|s| !s.is_null()) {
            assert!(sources.contains(&name_of_ref(source)), "{source}");
        }
        for path in [&spec["path"], &spec["chart"]["spec"]["chart"]].into_iter().filter(|p| !p.is_null()) {
            is_there(path);
        }
        for check in spec["healthChecks"].as_array().into_iter().flatten() {
            let known = [named(&flux, check["kind"].as_str().unwrap()), named(&fleet, check["kind"].as_str().unwrap())];
            assert!(known.concat().contains(&name_of_ref(check)), "{check}");
        }
    }
    let order: Vec<(String, usize)> = flux
        .iter()
        .filter(|m| m["kind"] == "Kustomization")
        .map(|m| (name_of(m).to_owned(), m["spec"]["dependsOn"].as_array().map_or(0, Vec::len)))
        .collect();
    let wanted = [("euicc-operator", 0), ("euicc-connection", 1), ("euicc-activations", 1)];
    assert_eq!(order, wanted.map(|(name, needs)| (name.to_owned(), needs)));
}

/// The manifests of a file, or of a folder in the order of their names; of `examples/gitops/fleet` with its folders, as
/// Argo CD and Flux read them.
fn read_all(path: &str) -> Vec<Value> {
    let full = repository(path);
    let mut files: Vec<_> = match full.is_dir() {
        true => std::fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().path()).collect(),
        false => vec![full],
    };
    files.sort();
    let below = |file: &Path| path.ends_with("fleet") && file.is_dir();
    let manifests = files.iter().flat_map(|file| match file {
        file if below(file) => read_all(&format!("{path}/{}", file.file_name().unwrap().to_str().unwrap())),
        file if file.extension().is_some_and(|e| e == "yaml") => documents(file),
        _ => vec![],
    });
    manifests.collect()
}

fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text).map(|d| serde::Deserialize::deserialize(d).unwrap());
    documents.filter(|d: &Value| !d.is_null()).collect()
}

/// The manifest in the scene's namespace, with its ThingSpace and its callback endpoint.
fn settle(mut manifest: Value, scene: &Scene) -> Value {
    manifest["metadata"]["namespace"] = json!(scene.namespace.name);
    if manifest["kind"] == "Namespace" {
        manifest["metadata"] = json!({"name": scene.namespace.name});
    }
    if manifest["kind"] == "ThingSpaceConnection" {
        manifest["spec"]["endpoint"] = json!(scene.simulator.endpoint());
        manifest["spec"]["insecureEndpoint"] = json!(true);
        manifest["spec"]["callback"]["url"] = json!(scene.callback.url(&scene.namespace, fixtures::CONNECTION));
    }
    manifest
}

fn only_defaults_added(path: &str, given: &Value, live: &Value) {
    let (Some(given), Some(live)) = (given.as_object(), live.as_object()) else {
        return assert_eq!(given, live, "{path}");
    };
    for (field, value) in live {
        let path = format!("{path}.{field}");
        match given.get(field) {
            Some(given) => only_defaults_added(&path, given, value),
            None => assert!(DEFAULTS.contains(&path.as_str()), "{path}: {value}"),
        }
    }
    assert!(given.keys().all(|field| live.contains_key(field)), "{path}: {given:?} {live:?}");
}

/// What the schema fills in.
const DEFAULTS: &[&str] = &["spec.deletionPolicy", "spec.suspend", "spec.resultTimeout"];

fn name_of(manifest: &Value) -> &str {
    manifest["metadata"]["name"].as_str().unwrap()
}

fn name_of_ref(reference: &Value) -> String {
    reference["name"].as_str().unwrap().to_owned()
}
