//! Alerts wake people when they should and never otherwise, each has a page that says what to do, and the dashboard asks
//! what Prometheus can answer.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::support::{control_plane, repository};

const ALERTS: &str = "charts/euicc-operator/files/alerts.yaml";
const DASHBOARD: &str = "charts/euicc-operator/files/dashboard.json";

#[tokio::test]
async fn alerts_fire_in_the_trouble_that_they_are_for_and_on_no_ordinary_day() {
    let rules = repository(ALERTS).to_string_lossy().into_owned();
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &rules]).await;
    let tests: Vec<String> = ["trouble", "calm"].map(|name| file(&format!("tests/alerts/{name}.yaml"))).to_vec();
    promtool(&["test", "rules", &tests[0], &tests[1]]).await;

    let trouble: Value = yaml("tests/alerts/trouble.yaml");
    let tried: BTreeSet<_> = trouble["tests"].as_array().unwrap().iter().map(|t| text(&t["name"])).collect();
    assert_eq!(tried, alerts().iter().map(|alert| text(&alert["alert"])).collect());
    for test in trouble["tests"].as_array().unwrap() {
        let looks = test["promql_expr_test"].as_array().unwrap();
        let fires = |look: &&Value| !look["exp_samples"].as_array().unwrap().is_empty();
        let name = text(&test["name"]);
        assert!(looks.iter().all(|look| text(&look["expr"]).contains(&format!("{name:?}"))), "{name}");
        assert!(looks.iter().any(|look| fires(&look)), "{name} fires");
        assert!(looks.iter().any(|look| !fires(&look)), "{name} does not fire before its time");
    }
}

#[test]
fn each_alert_has_its_section_in_the_runbooks_and_each_section_its_alert() {
    let page = fs::read_to_string(repository("docs/runbooks.md")).unwrap();
    let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
    let titles: Vec<&str> = sections.iter().map(|s| s.lines().next().unwrap()).collect();
    let alerts = alerts();
    assert_eq!(titles, alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect::<Vec<_>>());
    for (alert, section) in alerts.iter().zip(sections) {
        let (name, notes) = (text(&alert["alert"]), &alert["annotations"]);
        for part in ["**It means**", "**Meanwhile**", "**Look**", "**Do**"] {
            assert!(section.contains(part), "{name}: {part}");
        }
        assert!(text(&notes["runbook_url"]).ends_with(&format!("docs/runbooks.md#{}", name.to_lowercase())), "{name}");
        assert!(!text(&notes["summary"]).is_empty() && !text(&notes["description"]).is_empty(), "{name}");
        assert!(["critical", "warning"].contains(&text(&alert["labels"]["severity"]).as_str()), "{name}");
    }
}

#[tokio::test]
async fn every_question_of_the_dashboard_can_be_asked() {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(repository(DASHBOARD)).unwrap()).unwrap();
    let mut questions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|p| p["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        questions.extend(panel["targets"].as_array().unwrap().iter().map(|target| text(&target["expr"])));
    }
    assert!(questions.len() > 30);
    // As rules: promtool reads nothing else from a file.
    let rules = questions.iter().enumerate().map(|(n, question)| {
        let question = question.replace("$__rate_interval", "5m").replace("$namespace", ".*");
        format!("  - record: question:n{n}\n    expr: |\n      {question}\n")
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("questions.yaml");
    fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{}", rules.collect::<String>())).unwrap();
    promtool(&["check", "rules", &file.to_string_lossy()]).await;
}

fn alerts() -> Vec<Value> {
    let rules = yaml(ALERTS);
    rules["groups"].as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap()).cloned().collect()
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(repository(path)).unwrap()).unwrap()
}

fn file(path: &str) -> String {
    repository(path).to_string_lossy().into_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Runs promtool, which must be content.
async fn promtool(args: &[&str]) {
    let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
    let said = tokio::task::spawn_blocking(move || {
        let mut promtool: Command = control_plane().program("promtool");
        let output = promtool.args(args).output().expect("promtool: tests/controlplane/setup.sh --helm brings it");
        let said = [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).concat();
        if output.status.success() { Ok(said) } else { Err(said) }
    });
    said.await.unwrap().unwrap_or_else(|said| panic!("{said}"));
}
