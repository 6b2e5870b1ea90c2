//! What ThingSpace would refuse, `kubectl apply` refuses, in words that say what to mend.

use std::path::{Path, PathBuf};

use euicc_operator::api::{DeviceId, EuiccActivation, IdKind};
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use crate::support::{ACTIVATE, Namespace, Output, Simulator, fixtures, repository};

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

/// Whatever passes our rules passes ThingSpace's, given that it knows the plan, the pool and the carrier.
#[tokio::test]
async fn what_kubectl_apply_accepts_thingspace_does_not_refuse_for_its_form() {
    let mut tried = 0;
    for file in [manifests("tests/valid"), manifests("examples")].concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        let Ok(activation) = serde_yaml_ng::from_str::<EuiccActivation>(&text) else { continue };
        let spec = activation.spec;
        let simulator = Simulator::start(&[]).await;
        let plan = spec.service_plan.as_deref().unwrap_or("HybridESim");
        let pool = spec.carrier_ip_pool_name.as_deref().unwrap_or("DefaultPool");
        let carrier = spec.carrier_name.as_deref().unwrap_or("Verizon Wireless");
        simulator
            .put_accounts(json!({
                "accountName": spec.account_name,
                "servicePlans": [{"name": plan, "code": plan}],
                "ipPools": [{"poolName": pool, "poolType": "Dynamic IP", "isDefaultPool": true}],
                "carriers": [carrier],
            }))
            .await;
        let (status, answer) = simulator.thingspace(Method::POST, ACTIVATE, serde_json::to_value(&spec).unwrap()).await;
        assert_eq!(status, 200, "{}: {answer}", file.display());
        tried += 1;
    }
    assert!(tried >= 20);
    println!("{tried} requests were accepted");
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
    let said = !output.ok && lines.iter().any(is_it) && lines.iter().filter(|line| is_more(line)).count() <= 1;
    (!said).then(|| format!("{}\n  expected {field}: {rule}\n  got {output:?}", file.display()))
}

/// `kubectl apply --dry-run=server` of each manifest by itself.
async fn apply_each(folder: &str, namespace: &Namespace) -> Vec<(PathBuf, Output)> {
    let apply = async |file: PathBuf| {
        let output = namespace.kubectl(&["apply", "--dry-run=server", "-f", &path(&file)]).await;
        (file, output)
    };
    stream::iter(manifests(folder)).map(apply).buffered(4).collect().await
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn path(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_hundred_devices_with_all_their_identifiers_are_accepted_and_one_more_is_not() {
    let namespace = Namespace::new("hundred").await;
    let mut activation = fixtures::activation("hundred", 100);
    for device in &mut activation.spec.devices {
        let n = fixtures::next();
        device.device_ids.push(DeviceId { kind: IdKind::Iccid, id: fixtures::iccid(n) });
        device.device_ids.push(DeviceId { kind: IdKind::Mdn, id: format!("415{n:07}") });
    }
    namespace.apply(&fixtures::yaml(&activation)).await;
    assert_eq!(namespace.activation("hundred").await.spec.devices, activation.spec.devices);

    let one_more = fixtures::yaml(&fixtures::activation("one-more", 101));
    let error = namespace.kubectl_with(&["apply", "-f", "-"], &one_more).await.failure();
    assert!(error.contains("spec.devices: Too many: 101: must have at most 100 items"), "{error}");

    let twice = activation.spec.devices[0].device_ids[3].clone();
    activation.spec.devices[99].device_ids[3] = twice;
    let error = namespace.kubectl_with(&["apply", "-f", "-"], &fixtures::yaml(&activation)).await.failure();
    assert!(error.contains("spec.devices: Invalid value: no identifier may stand twice"), "{error}");
}

#[tokio::test]
async fn every_state_district_and_territory_is_a_place_of_use() {
    const CODES: &str = "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC \
                         ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR UM VI";
    let namespace = Namespace::new("states").await;
    let manifests: Vec<String> = CODES
        .split_whitespace()
        .map(|code| {
            let name = format!("in-{}", code.to_lowercase());
            fixtures::yaml(&fixtures::activation(&name, 1)).replace("state: CA", &format!("state: '{code}'"))
        })
        .collect();
    namespace.apply(&manifests.join("---\n")).await;
    let states =
        namespace.kubectl(&["get", "euicc", "-o", "jsonpath={.items[*].spec.primaryPlaceOfUse.address.state}"]);
    let mut stored: Vec<String> = states.await.success().split(' ').map(str::to_owned).collect();
    stored.sort();
    let mut expected: Vec<&str> = CODES.split_whitespace().collect();
    expected.sort_unstable();
    assert_eq!(stored, expected);
    assert_eq!(stored.len(), 50 + 1 + 6);
}
