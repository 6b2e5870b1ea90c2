//! Five failed logins lock the customer's user for good: the operator risks two with one content of the Secret, however
//! many ask, and rotates without failing anything.

use serde_json::json;

use crate::{
    connection_support::{EAGER, QUICK, says, told},
    support::{Controller, LONG, Namespace, Scene, Simulator, eventually, fixtures, holds, why},
};

#[tokio::test]
async fn a_wrong_password_costs_two_logins_with_ten_waiting_two_replicas_and_two_connections() {
    let (namespace, simulator) = (Namespace::new("locked").await, Simulator::start(QUICK).await);
    let manifests = fixtures::connection(&simulator.endpoint(), None);
    let wrong = manifests.replace(fixtures::LOGIN_PASSWORD, "wrong");
    namespace.apply(&wrong).await;
    namespace.apply(&wrong.replace("name: verizon", "name: second")).await;
    for n in 0..10 {
        let mut activation = fixtures::activation(&format!("line-{n}"), 1);
        activation.spec.connection_ref.name = if n % 2 == 0 { "verizon" } else { "second" }.into();
        namespace.create(&activation).await;
    }
    // Without leader election, so that both are at work.
    let replicas = [Controller::start(&namespace, EAGER).await, Controller::start(&namespace, EAGER).await];
    for connection in ["tsc/verizon", "tsc/second"] {
        namespace.wait("Stalled", connection).await;
    }
    for n in 0..10 {
        let name = format!("line-{n}");
        let waits = |o: &_| why(o).0 == "ConnectionNotReady" && why(o).1.contains("Correct the credentials Secret");
        let object = namespace.until(&name, "waits for the credentials", waits).await;
        assert!(holds(&object, "Reconciling"), "it goes on by itself");
    }
    // A new label is no new password, and neither is a restart.
    namespace.kubectl(&["label", "secret", "thingspace", "seen=yes"]).await.success();
    let [first, second] = replicas;
    drop(first);
    let again = Controller::start(&namespace, EAGER).await;
    for replica in [&second, &again] {
        let looked = replica.admin.metric("controller_runtime_reconcile_total", &["thingspaceconnection"]).await;
        eventually("it is looked at again and again", LONG, async || {
            replica.admin.metric("controller_runtime_reconcile_total", &["thingspaceconnection"]).await >= looked + 6.0
        })
        .await;
    }
    let logins = simulator.logins().await.len();
    assert_eq!(logins, 2, "three more, and Verizon locks the user for good");
    let counted = async |change: &str| {
        let label = format!("change=\"{change}\"");
        second.admin.metric("euicc_connection_changes_total", &[&label]).await
    };
    assert!(counted("login_failed").await <= 2.0);
    let note = told(&namespace, "LoginFailed").await;
    assert!(note.contains("login was refused"), "{note}");

    // A person may ask for two more.
    let blocked = says(&namespace, "Ready", "LoginBlocked").await;
    namespace.obey(&blocked.message).await;
    eventually("two more are tried", LONG, async || simulator.logins().await.len() == 4).await;
    says(&namespace, "Ready", "LoginBlocked").await;

    namespace.apply(&manifests).await;
    for n in 0..10 {
        namespace.wait("Ready", &format!("euicc/line-{n}")).await;
    }
    assert_eq!(simulator.activate_posts().await.len(), 10);
    assert!(!simulator.activate_posts().await.iter().any(|p| p.status != Some(200)));
}

#[tokio::test]
async fn connections_of_one_secret_share_one_session_and_edits_keep_it() {
    let scene = Scene::start("session", QUICK, &["--poll-after", "1s"]).await;
    let second = fixtures::connection(&scene.simulator.endpoint(), None).replace("{name: verizon}", "{name: second}");
    scene.namespace.apply(second.rsplit_once("---").unwrap().1).await;
    scene.namespace.wait("Ready", "tsc/second").await;
    crate::connection_support::patch(&scene.namespace, json!({"limits": {"inFlight": 7}})).await;
    let values = json!({"stringData": {"password": "another-callback-password"}}).to_string();
    scene
        .namespace
        .kubectl(&["patch", "secret", "thingspace-callback", "--type=merge", "--patch", &values])
        .await
        .success();
    let registered = async || {
        let posts = scene.simulator.journal().await;
        posts.iter().filter(|e| e.method == "POST" && e.path.ends_with(crate::connection_support::CALLBACKS)).count()
            >= 2
    };
    eventually("the new callback password is registered", LONG, registered).await;
    for (name, connection) in [("one", "verizon"), ("two", "second")] {
        let mut activation = fixtures::activation(name, 1);
        activation.spec.connection_ref.name = connection.into();
        scene.namespace.create(&activation).await;
        scene.namespace.wait("Ready", &format!("euicc/{name}")).await;
    }
    assert_eq!(scene.simulator.logins().await.len(), 1);
}

#[tokio::test]
async fn passwords_rotate_under_load_and_no_activation_fails_by_it() {
    let scene =
        Scene::start("rotation", &[QUICK, &["--activate-per-minute", "0"]].concat(), &["--poll-after", "2s"]).await;
    crate::connection_support::patch(&scene.namespace, json!({"limits": {"activationsPerMinute": 600}})).await;
    scene.namespace.wait("Ready", "tsc/verizon").await;
    const ALL: usize = 120;
    let create = async {
        for n in 0..ALL {
            scene.namespace.create(&fixtures::activation(&format!("line-{n}"), 1)).await;
        }
    };
    let rotate = async {
        for round in 1..=3 {
            let posted = async || scene.simulator.activate_posts().await.len() >= 30 * round - 15;
            eventually("some are sent", LONG, posted).await;
            // First at ThingSpace, then in the Secret, as people do; what is logged in stays so at most a moment.
            let password = format!("sim-pass-{round}");
            scene.simulator.rotate(&password).await;
            let login = json!({"stringData": {"password": password}}).to_string();
            scene
                .namespace
                .kubectl(&["patch", "secret", "thingspace", "--type=merge", "--patch", &login])
                .await
                .success();
            let before =
                if round == 1 { fixtures::CALLBACK_PASSWORD.to_owned() } else { format!("callback-{}", round - 1) };
            let values = json!({"stringData": {"password": format!("callback-{round}"), "previousPassword": before}});
            let patch = ["patch", "secret", "thingspace-callback", "--type=merge", "--patch", &values.to_string()];
            scene.namespace.kubectl(&patch).await.success();
        }
    };
    tokio::join!(create, rotate);
    for n in 0..ALL {
        scene.namespace.wait("Ready", &format!("euicc/line-{n}")).await;
    }
    let posts = scene.simulator.activate_posts().await;
    assert_eq!(posts.iter().filter(|p| p.status == Some(200)).count(), ALL, "each one once");
    assert!(!scene.simulator.deliveries().await.iter().any(|d| d.status == Some(401)), "no answer is refused");
    let refused: Vec<_> = scene.simulator.logins().await.into_iter().filter(|l| l.status != Some(200)).collect();
    assert!(refused.len() <= 2 * 3, "{refused:#?}");
}
