//! The API server dies, forgets what was watched, and comes back: everything is sent once and ends all the same.

use std::{fs, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

const MANY: usize = 24;
/// With restarts in between, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happens to the cluster while activations are under way.
async fn trouble(own: &ControlPlane, kind: &str) {
    match kind {
        "API server killed" => kill(own, "server.pid"),
        "etcd killed" => kill(own, "etcd.pid"),
        "both killed" => {
            kill(own, "etcd.pid");
            kill(own, "server.pid");
        }
        _ => compact(own).await,
    }
}

fn kill(own: &ControlPlane, file: &str) {
    let pid: i32 = fs::read_to_string(own.file(file)).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

/// Has etcd forget all history, so that a watch that is behind is told 410 Gone, and then cuts the watches.
async fn compact(own: &ControlPlane) {
    let newest = own.kubectl().args(["get", "tsc", "verizon", "-o", "jsonpath={.metadata.resourceVersion}"]).output();
    let revision = String::from_utf8(newest.unwrap().stdout).unwrap();
    let body = format!(r#"{{"revision":"{revision}"}}"#);
    let mut socket = tokio::net::UnixStream::connect(own.file("etcd.sock")).await.unwrap();
    let head = format!(
        "POST /v3/kv/compaction HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    kill(own, "server.pid");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_dies_and_comes_back_costs_no_activation() {
    let kinds = ["API server killed", "etcd killed", "both killed", "history compacted, watches cut"];
    let flags = ["--poll-after", "2s", "--settle-time", "1s", "--request-timeout", "5s"];
    let own = tokio::task::spawn_blocking(|| ControlPlane::bare("trouble")).await.unwrap();
    own.install_crds();
    let simulator = Simulator::start(&["--activation-time", "1s", "--activate-per-minute", "0"]).await;
    let start = |command: &str| {
        let mut process = operator();
        process.env("KUBECONFIG", &own.kubeconfig).arg(command);
        process
    };
    let callback = Callback::start_as(&mut start("callback"), &[]).await;
    let url = format!("http://{}/v1/callbacks/default/verizon", callback.address);
    apply(&own, &fixtures::connection(&simulator.endpoint(), Some(&url))).await;
    let controller = Controller::start_as(&mut start("controller"), &flags).await;
    controller.admin.ready().await;

    let mut posted = 0;
    for kind in kinds {
        let objects: Vec<_> = (0..MANY).map(|i| fixtures::activation(&format!("line-{posted}-{i}"), 1)).collect();
        let yaml: Vec<String> = objects.iter().map(fixtures::yaml).collect();
        apply(&own, &yaml.join("---\n")).await;
        trouble(&own, kind).await;
        eventually(&format!("all are ready after: {kind}"), PATIENCE, async || {
            let template = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
            let got = own.kubectl().args(["get", "euicc", "-o", template]).output().unwrap();
            let ready = String::from_utf8_lossy(&got.stdout).lines().filter(|l| *l == "True").count();
            if ready == posted + MANY { Ok(()) } else { Err(format!("{ready} of {}", posted + MANY)) }
        })
        .await;
        posted += MANY;
        let posts = simulator.activate_posts().await;
        for object in &objects {
            let eid = fixtures::eid_of(object, 0);
            assert_eq!(posts.iter().filter(|p| p.is_about(&eid)).count(), 1, "{kind}: {eid}");
        }
    }
    reliability("api-server-trouble", posted, kinds.len());
}

async fn apply(own: &ControlPlane, yaml: &str) {
    let file = own.file("manifest.yaml");
    fs::write(&file, yaml).unwrap();
    eventually("the manifests are applied", LONG, async || {
        let done = own.kubectl().args(["apply", "-f"]).arg(&file).output().unwrap();
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
    })
    .await;
}
