//! The logs have one line a transition, with all that it takes to find the activation and to ask Verizon about it.

use serde_json::{Value, json};

use crate::support::{
    CLOSED_BOOKS, Controller, HELD, LONG, Process, QUICK, Scene, eventually, fixtures, operator, status,
};

#[tokio::test]
async fn one_activation_is_one_line_a_transition_with_its_ids_as_fields() {
    let scene = Scene::start("lines", HELD, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    scene.simulator.let_finish().await;
    scene.namespace.wait("Ready", "euicc/forklift").await;

    let sent = transitions(&scene.controller.process, "forklift", 2).await;
    let answered = transitions(&scene.callback.process, "forklift", 1).await;
    let lines = [sent, answered].concat();
    let object = status(&scene.namespace.activation("forklift").await);
    let operation = object.operation.unwrap();
    let (namespace, request_id) = (&scene.namespace.name, object.request_id.unwrap());
    let steps = [
        (Value::Null, "Submitting", Value::Null),
        (json!("Submitting"), "AwaitingResult", json!(request_id)),
        (json!("AwaitingResult"), "Activated", json!(request_id)),
    ];
    assert_eq!(lines.len(), steps.len(), "one each: {lines:#?}");
    for (line, (from, reason, request_id)) in lines.iter().zip(steps) {
        assert_eq!((&line["from"], &line["reason"], &line["request_id"]), (&from, &json!(reason), &request_id));
        let ids = json!([namespace, operation.id, operation.attempt, "INFO"]);
        assert_eq!(json!([line["namespace"], line["operation_id"], line["attempt"], line["level"]]), ids, "{line}");
        assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
    }
    let printed = scene.controller.process.output();
    assert!(printed.contains("connection changed") && !printed.contains("\"span"), "nothing twice: {printed}");
}

#[tokio::test]
async fn what_somebody_must_act_on_is_a_warning() {
    let scene = Scene::start("warnings", &[QUICK, CLOSED_BOOKS].concat(), &["--settle-time", "10m"]).await;
    let mut refused = fixtures::activation("refused", 1);
    refused.spec.service_plan = Some("NoSuchPlan".into());
    scene.namespace.create(&refused).await;
    let lines = transitions(&scene.controller.process, "refused", 2).await;
    assert_eq!((&lines[1]["reason"], &lines[1]["level"]), (&json!("Refused"), &json!("WARN")));

    scene.simulator.fault("activate:reset").await;
    scene.namespace.create(&fixtures::activation("lost", 1)).await;
    let lines = transitions(&scene.controller.process, "lost", 2).await;
    assert_eq!((&lines[1]["reason"], &lines[1]["level"]), (&json!("SubmissionUnknown"), &json!("WARN")));
}

#[tokio::test]
async fn form_and_level_of_the_logs_are_the_environment_s_to_choose() {
    let mut scene = Scene::start("forms", QUICK, &[]).await;
    scene.controller.process.terminate(LONG).await;
    let mut command = operator();
    command.arg("controller").args(["--watch-namespace", &scene.namespace.name]);
    command.env("EUICC_LOG_FORMAT", "text").env("EUICC_LOG_LEVEL", "warn,euicc_operator::telemetry=debug");
    scene.controller = Controller::start_as(&mut command, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    let process = &scene.controller.process;
    let told = async || process.output().contains("AwaitingResult");
    eventually("the transition is told", LONG, told).await;
    let output = process.output();
    let line = output.lines().find(|line| line.contains("AwaitingResult")).unwrap();
    let operation = status(&scene.namespace.activation("forklift").await).operation.unwrap();
    for part in ["INFO", "activation changed", r#"activation="forklift""#, "request_id=", &operation.id] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!output.contains("stopping") && !output.contains("called ThingSpace"), "only what was asked for: {output}");
}

/// The lines about transitions of an activation, when there are as many.
async fn transitions(process: &Process, activation: &str, wanted: usize) -> Vec<Value> {
    eventually(&format!("{wanted} transitions of {activation}"), LONG, async || {
        let output = process.output();
        let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of_it = |l: &Value| l["message"] == "activation changed" && l["activation"] == activation;
        let lines: Vec<Value> = lines.into_iter().filter(of_it).collect();
        if lines.len() >= wanted { Ok(lines) } else { Err(lines) }
    })
    .await
}
