//! Credentials and people's addresses stay where they were put: in Secrets and in `spec`.

use serde_json::{Value, json};

use crate::support::{Callback, Controller, LONG, Namespace, Simulator, eventually, fixtures, http_client};

/// The values of both Secrets: one canary a key, within ThingSpace's 40 characters.
const CLIENT_ID: &str = "canary-client-id";
const CLIENT_SECRET: &str = "canary-client-secret";
const USERNAME: &str = "canary-username";
const PASSWORD: &str = "canary-password";
const WRONG_PASSWORD: &str = "canary-wrong-password";
const CALLBACK_USERNAME: &str = "canary-callback-username";
const CALLBACK_PASSWORD: &str = "canary-callback-password";
const PREVIOUS_PASSWORD: &str = "canary-previous-password";
/// Each line that there can be.
const EVERYTHING: &str = "trace,kube_runtime=trace";

/// A place of use with a canary in each field that can hold one. (Two letters and ten digits of state, country and ZIP
/// codes cannot be told from other text; they stand next to these wherever they stand.)
const PLACE_OF_USE: [(&str, &str); 9] = [
    ("/customerName/title", "CanaryTitle"),
    ("/customerName/firstName", "CanaryFirstName"),
    ("/customerName/middleName", "CanaryMiddleName"),
    ("/customerName/lastName", "CanaryLastName"),
    ("/customerName/suffix", "CanarySuffix"),
    ("/address/addressLine1", "1 Canary Street"),
    ("/address/addressLine2", "Canary Floor"),
    ("/address/city", "Canary City"),
    ("/address/zip", "00501"),
];

/// The stage, with every process at its most talkative.
struct Talkative {
    namespace: Namespace,
    simulator: Simulator,
    controller: Controller,
    callback: Callback,
}

#[tokio::test]
async fn no_secret_and_no_address_is_told_when_all_goes_well_or_thingspace_says_no() {
    let stage = Talkative::start("discreet", PASSWORD).await;
    let refusal = json!({"servicePlan": "NoSuchPlan"});
    stage.activate("ready", &json!({}), &[]).await;
    stage.activate("refused", &refusal, &[]).await;
    stage.activate("invalid", &json!({}), &["activate:error=INPUT_INVALID.Request.InvalidCharacter"]).await;
    stage.activate("failed", &json!({}), &["callback:error=REQUEST_FAILED.DeviceNotFound"]).await;
    stage.activate("unknown", &json!({}), &["activate:reset,after", "callback:lost"]).await;
    for (name, condition) in [
        ("ready", "Ready"),
        ("refused", "Stalled"),
        ("invalid", "Stalled"),
        ("failed", "Stalled"),
        ("unknown", "Ready"),
    ] {
        stage.namespace.wait(condition, &format!("euicc/{name}")).await;
    }
    stage.tells_nothing().await;
}

#[tokio::test]
async fn no_secret_is_told_when_a_callback_has_a_wrong_password() {
    let stage = Talkative::start("impostor", PASSWORD).await;
    stage.simulator.fault("callback:password=wrong").await;
    stage.activate("forklift", &json!({}), &[]).await;
    let refused = async || stage.simulator.deliveries().await.iter().any(|d| d.status == Some(401));
    eventually("the callback is refused", LONG, refused).await;
    for body in [
        json!({"username": CALLBACK_USERNAME, "password": "canary-guess", "requestId": "x"}).to_string(),
        format!(r#"{{"username": "{CALLBACK_USERNAME}", "password": "{CALLBACK_PASSWORD}""#),
    ] {
        let url = stage.callback.url(&stage.namespace, fixtures::CONNECTION);
        let answer = http_client().post(url).body(body).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!([400, 401].contains(&status) && text.is_empty(), "no detail in refusals: {status} {text}");
    }
    stage.tells_nothing().await;
}

#[tokio::test]
async fn no_secret_is_told_when_the_login_fails() {
    let stage = Talkative::start("locked-out", WRONG_PASSWORD).await;
    stage.namespace.wait("Stalled", "tsc/verizon").await;
    stage.activate("forklift", &json!({}), &[]).await;
    stage.namespace.until_reason("forklift", "ConnectionNotReady").await;
    // The token endpoint too.
    let patch = json!({"stringData": {"clientSecret": "canary-other-secret"}}).to_string();
    stage.namespace.kubectl(&["patch", "secret", "thingspace", "--type=merge", "--patch", &patch]).await.success();
    let refused = async || stage.seen().await.contains("TokenRefused");
    eventually("the token is refused", LONG, refused).await;
    stage.tells_nothing().await;
}

impl Talkative {
    async fn start(hint: &str, password: &str) -> Self {
        let namespace = Namespace::new(hint).await;
        let flags = ["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET, "--username", USERNAME];
        let more = ["--password", PASSWORD, "--activation-time", "50ms", "--log-level", EVERYTHING];
        let simulator = Simulator::start(&[&flags[..], &more].concat()).await;
        let callback = Callback::start(&["--watch-namespace", &namespace.name, "--log-level", EVERYTHING]).await;
        let secret = |name: &str, values: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values});
        let login =
            json!({"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "username": USERNAME, "password": password});
        let own = json!({"username": CALLBACK_USERNAME, "password": CALLBACK_PASSWORD, "previousPassword": PREVIOUS_PASSWORD});
        let url = callback.url(&namespace, fixtures::CONNECTION);
        let connection = fixtures::connection(&simulator.endpoint(), Some(&url));
        let connection = connection.rsplit("---").next().unwrap(); // without the ordinary Secrets
        for object in [secret("thingspace", login).to_string(), secret("thingspace-callback", own).to_string()] {
            namespace.apply(&object).await;
        }
        namespace.apply(connection).await;
        let controller =
            Controller::start(&namespace, &["--settle-time", "1s", "--recheck-after", "1s", "--log-level", EVERYTHING])
                .await;
        callback.admin.ready().await;
        Self { namespace, simulator, controller, callback }
    }

    /// Creates an activation with a canary in each field of its place of use, whose device meets some faults.
    async fn activate(&self, name: &str, spec: &Value, faults: &[&str]) {
        let activation = fixtures::activation(name, 1);
        for fault in faults {
            self.simulator.fault(&format!("{fault},device={}", fixtures::eid_of(&activation, 0))).await;
        }
        let mut object = serde_json::to_value(&activation).unwrap();
        let place = &mut object["spec"]["primaryPlaceOfUse"];
        for (field, canary) in PLACE_OF_USE {
            let (parent, key) = field.rsplit_once('/').unwrap();
            place.pointer_mut(parent).unwrap()[key] = canary.into();
        }
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.namespace.apply(&object.to_string()).await;
    }

    /// Everything that anybody may see who must not see secrets.
    async fn seen(&self) -> String {
        let objects = self.namespace.kubectl(&["get", "euicc,tsc,events,leases", "-o", "json"]).await.success();
        let mut objects: Value = serde_json::from_str(&objects).unwrap();
        for object in objects["items"].as_array_mut().unwrap() {
            // What the user wrote; the rest is the operator's.
            object.as_object_mut().unwrap().remove("spec");
            object["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        let Self { simulator, controller, callback, .. } = self;
        [
            serde_json::to_string_pretty(&objects).unwrap(),
            controller.process.output(),
            callback.process.output(),
            simulator.process.output(),
            controller.admin.metrics().await,
            callback.admin.metrics().await,
            format!("{:#?}", simulator.journal().await),
        ]
        .join("\n")
    }

    async fn tells_nothing(&self) {
        let seen = self.seen().await;
        assert!(seen.contains("TRACE") && seen.contains("euicc_operator"), "the logs are at trace level");
        for (field, canary) in PLACE_OF_USE {
            let told = seen.lines().find(|line| has_word(line, canary));
            assert_eq!(told, None, "{field} is told");
        }
        let told = seen.lines().find(|line| line.to_ascii_lowercase().contains("canary"));
        assert_eq!(told, None, "a secret is told");
    }
}

/// Whether it stands there by itself, rather than within a longer number.
fn has_word(line: &str, word: &str) -> bool {
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    line.match_indices(word)
        .any(|(at, _)| alone(line[..at].chars().next_back()) && alone(line[at + word.len()..].chars().next()))
}
