//! The processes start, wait, take over and stop as a cluster needs it.

use std::{net::TcpListener, process::Command, time::Duration};

use euicc_operator::api::OperationState;
use k8s_openapi::api::coordination::v1::Lease;

use crate::support::{
    ControlPlane, Controller, HELD, LONG, Namespace, QUICK, Scene, control_plane, eventually, fixtures, holds,
    operator, reconciles, repository, state, status,
};

/// What "within seconds" may be on a slow machine.
const SECONDS: Duration = Duration::from_secs(15);

#[tokio::test]
async fn of_two_controllers_one_works_and_the_other_takes_over_when_it_dies() {
    let mut scene = Scene::start("leader", QUICK, &[]).await;
    scene.controller.process.terminate(SECONDS).await; // that one asked nobody
    let namespace = scene.namespace.name.clone();
    let replica = async |name: &str| {
        let flags =
            ["--leader-elect", "--leader-election-namespace", &namespace, "--lease-duration", "3s", "--pod-name", name];
        Controller::start(&scene.namespace, &flags).await
    };
    let leader = |other: &'static str| {
        let leases = scene.namespace.api::<Lease>();
        eventually("somebody leads", LONG, async move || {
            let lease = leases.get_opt("euicc-operator-controller").await.unwrap();
            lease.and_then(|l| l.spec?.holder_identity).filter(|holder| !holder.is_empty() && holder != other)
        })
    };
    let mut replicas = vec![replica("a").await, replica("b").await];
    for replica in &replicas {
        replica.admin.ready().await; // one that stands by is healthy too
    }
    let first = leader("").await;
    let index = usize::from(first == "b");
    scene.namespace.create(&fixtures::activation("before", 1)).await;
    scene.namespace.wait("Ready", "euicc/before").await;
    assert_eq!(reconciles(&replicas[1 - index].admin).await, 0.0, "the other one stands by");

    replicas.remove(index).process.kill().await;
    scene.namespace.create(&fixtures::activation("after", 1)).await;
    scene.namespace.wait("Ready", "euicc/after").await;
    assert_ne!(leader(if first == "a" { "a" } else { "b" }).await, first);
    assert_eq!(scene.simulator.activate_posts().await.len(), 2, "one each");

    // One that is asked to stop gives the lease back, so that nobody has to wait for its end.
    assert!(replicas[0].process.terminate(SECONDS).await.success());
    let lease = scene.namespace.api::<Lease>().get("euicc-operator-controller").await.unwrap();
    assert!(lease.spec.and_then(|s| s.holder_identity).is_none_or(|holder| holder.is_empty()));
}

#[tokio::test]
async fn a_controller_that_cannot_have_its_lease_says_why_and_goes_on_when_it_can() {
    let here = Namespace::new("leaseless").await;
    let there = format!("{}-lease", here.name);
    let flags = ["--leader-elect", "--leader-election-namespace", &there, "--pod-name", "a"];
    let mut replicas = [Controller::start(&here, &flags).await, Controller::start(&here, &flags).await];
    for replica in &replicas {
        eventually("it says why it is not ready", LONG, async || match replica.admin.get("/readyz").await {
            Ok((503, why)) if why.contains(&format!("in namespace {there}")) => Ok(()),
            other => Err(other),
        })
        .await;
    }
    assert!(replicas[0].process.terminate(SECONDS).await.success(), "it can be stopped while it waits");
    here.kubectl(&["create", "namespace", &there]).await.success();
    replicas[1].admin.ready().await;
    eventually("it leads", LONG, async || replicas[1].process.output().contains("leading")).await;
}

#[tokio::test]
async fn stopping_never_cuts_a_request_that_has_been_sent() {
    let mut scene = Scene::start("cut", HELD, &[]).await;
    scene.simulator.fault("activate:delay=5m").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let sent = async || scene.simulator.activate_posts().await.len() == 1;
    eventually("the request is under way", LONG, sent).await;
    scene.controller.process.ask_to_end();
    scene.controller.process.word_after("waiting for what has been begun", LONG).await;
    scene.simulator.advance(300).await; // and only now it answers
    assert!(scene.controller.process.ended(LONG).await.success());
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(status(&object).request_id, scene.simulator.activate_posts().await[0].request_id);
    assert_eq!(state(&object), Some(OperationState::Accepted));
}

#[tokio::test]
async fn stopping_waits_for_a_thingspace_that_hangs_no_longer_than_the_request_may_take() {
    let mut scene = Scene::start("hang", QUICK, &["--request-timeout", "3s"]).await;
    scene.simulator.fault("activate:hang,after").await;
    scene.simulator.fault("callback:lost").await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let sent = async || scene.simulator.activate_posts().await.len() == 1;
    eventually("the request is under way", LONG, sent).await;
    assert!(scene.controller.process.terminate(LONG).await.success());
    let object = scene.namespace.activation("forklift").await;
    assert_eq!(state(&object), Some(OperationState::Unknown), "what is known is recorded");

    scene.controller = Controller::start(&scene.namespace, &["--settle-time", "1s"]).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
}

#[tokio::test]
async fn idle_processes_stop_within_seconds() {
    let mut scene = Scene::start("stop", HELD, &[]).await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.until_reason("forklift", "AwaitingResult").await;
    assert!(scene.controller.process.terminate(SECONDS).await.success());
    assert!(scene.callback.process.terminate(SECONDS).await.success());

    // What happened meanwhile is not lost.
    scene.restart_callback().await;
    scene.callback.admin.ready().await;
    scene.simulator.let_finish().await;
    scene.namespace.until("forklift", "ready without a controller", |o| holds(o, "Ready")).await;
}

/// As when it starts while the API server is slow, or its Role is missing.
#[tokio::test]
async fn a_controller_that_cannot_list_its_resources_can_still_be_stopped() {
    let (allowed, forbidden) = (Namespace::new("allowed").await, Namespace::new("forbidden").await);
    let user = format!("limited-{}", fixtures::next());
    let role = ["create", "role", "all", "--verb=*", "--resource=*.euicc-operator.io"];
    allowed.kubectl(&role).await.success();
    allowed.kubectl(&["create", "rolebinding", "all", "--role=all", &format!("--user={user}")]).await.success();
    let dir = control_plane().kubeconfig.parent().unwrap().to_owned();
    let kubeconfig =
        Command::new(repository("tests/controlplane/kubeconfig.sh")).arg(&dir).arg(&user).output().unwrap();
    let file = dir.join(&user);
    std::fs::write(&file, kubeconfig.stdout).unwrap();
    let mut command = operator();
    command.env("KUBECONFIG", &file).arg("controller");
    let namespaces = ["--watch-namespace", &allowed.name, "--watch-namespace", &forbidden.name];
    let mut controller = Controller::start_as(&mut command, &namespaces).await;
    controller.process.word_after("a watch was interrupted", LONG).await;
    assert!(controller.process.terminate(SECONDS).await.success());
}

#[tokio::test]
async fn without_its_crds_the_operator_waits_says_what_to_do_and_goes_on_when_they_come() {
    let bare = tokio::task::spawn_blocking(|| ControlPlane::bare("bare")).await.unwrap();
    let with = |subcommand: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_euicc-operator"));
        command.env("KUBECONFIG", &bare.kubeconfig).arg(subcommand);
        command
    };
    let mut controller = Controller::start_as(&mut with("controller"), &[]).await;
    let mut early = Controller::start_as(&mut with("controller"), &[]).await;
    for admin in [&controller.admin, &early.admin] {
        let (_, why) = eventually("it says why it is not ready", LONG, async || match admin.get("/readyz").await {
            Ok((503, why)) if why.contains("CustomResourceDefinition") => Ok((503, why)),
            other => Err(other),
        })
        .await;
        assert!(why.contains("euiccactivations.euicc-operator.io") && why.contains("kubectl apply -f crds/"), "{why}");
        assert_eq!(admin.get("/livez").await.unwrap().0, 200, "a restart would not help");
    }
    assert!(early.process.terminate(SECONDS).await.success(), "it can be stopped while it waits");

    let bare = tokio::task::spawn_blocking(move || {
        bare.install_crds();
        bare
    });
    let _bare = bare.await.unwrap();
    controller.admin.ready().await;
    assert!(controller.process.terminate(SECONDS).await.success());
}

#[tokio::test]
async fn what_is_wrong_with_a_flag_is_said_at_once_and_in_words() {
    let _ = Namespace::open("default").await; // so that there is a cluster
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let none = "/there/is/no/such/file";
    let cases: [(&[&str], &[&str]); 11] = [
        (&["controller", "--poll-after", "soon"], &["--poll-after", "'soon'", "90s, 5m or 1h30m"]),
        (&["controller", "--settle-time=-5m"], &["--settle-time", "longer than nothing"]),
        (&["controller", "--settle-time", "0s"], &["--settle-time", "longer than nothing"]),
        (&["controller", "--pol-after", "5m"], &["similar argument", "--poll-after"]),
        (&["controller", "--log-level", "a=b=c"], &["--log-level", "a=b=c"]),
        (&["controller", "--admin-listen", &taken], &[&taken, "--admin-listen", "in use"]),
        (&["callback", "--admin-listen", "127.0.0.1:0", "--listen", &taken], &[&taken, "--listen", "in use"]),
        (&["callback", "--tls-cert", none], &["--tls-key"]),
        (&["callback", "--tls-cert", none, "--tls-key", none], &[none, "cannot be read"]),
        (&["ready", "controller"], &["'controller'", "must be whole", "http://127.0.0.1:8081/readyz"]),
        (&["ready", "localhost:8081/readyz"], &["'localhost:8081/readyz'", "must be whole"]),
    ];
    for (args, says) in cases {
        let mut command = operator();
        command.args(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = tokio::time::timeout(LONG, output).await.expect("it ends").unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        assert!(says.iter().all(|text| error.contains(text)), "{args:?}: {error}");
    }
    let nowhere = operator().args(["controller"]).env("KUBECONFIG", none).output().unwrap();
    let error = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(!nowhere.status.success() && error.contains("set KUBECONFIG"), "{error}");
}
