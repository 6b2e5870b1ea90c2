//! Runs the pod of `helm test`, as a kubelet does, with what cluster DNS and Services do for it.

use std::process::Command;

use k8s_openapi::{
    api::core::v1::{self, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Api, ResourceExt, api::ListParams};
use reqwest::Url;
use serde_json::json;

use super::{LONG, Output, Pod, Release, eventually};

/// Waits for the pod, runs it to its end and tells Kubernetes how it ended. It gives up after two seconds.
pub async fn run(release: &Release, pods: &[Pod]) -> Output {
    let api: Api<v1::Pod> = release.namespace.api();
    let of_test = format!("app.kubernetes.io/instance={},app.kubernetes.io/component=test", release.name);
    let hook = eventually("helm has made the pod", LONG, async || {
        let found = api.list(&ListParams::default().labels(&of_test)).await.unwrap();
        found.into_iter().find(|pod| pod.status.as_ref().is_none_or(|s| s.phase.is_none()))
    });
    let hook = hook.await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_euicc-operator"));
    command.env("EUICC_TIMEOUT", "2s");
    for arg in hook.spec.as_ref().unwrap().containers[0].args.iter().flatten() {
        match arg.parse::<Url>() {
            Ok(url) => command.arg(routed(url, release, pods).await.as_str()),
            Err(_) => command.arg(arg),
        };
    }
    let output = Output::of(command, "").await;
    let phase = if output.ok { "Succeeded" } else { "Failed" };
    let patch = json!({"status": {"phase": phase}}).to_string();
    let args = ["patch", "pod", &hook.name_any(), "--subresource=status", "--type=merge", "--patch", &patch];
    release.namespace.kubectl(&args).await.success();
    output
}

/// The URL of the pod that a Service sends it to.
async fn routed(mut url: Url, release: &Release, pods: &[Pod]) -> Url {
    let (name, namespace) = url.host_str().unwrap().split_once('.').unwrap();
    assert_eq!(namespace, release.namespace.name);
    let spec = release.namespace.api::<Service>().get(name).await.unwrap().spec.unwrap();
    let port = spec.ports.iter().flatten().find(|port| Some(port.port.try_into().unwrap()) == url.port()).unwrap();
    let Some(IntOrString::String(target)) = &port.target_port else { panic!("{port:?}") };
    let selector = spec.selector.unwrap();
    for pod in pods {
        let labels = pod.template.metadata.as_ref().unwrap().labels.as_ref().unwrap();
        let selected = selector.iter().all(|label| labels.get_key_value(label.0) == Some(label));
        if selected && (spec.publish_not_ready_addresses == Some(true) || pod.is_ready().await) {
            url.set_host(Some(&pod.address.to_string())).unwrap();
            url.set_port(Some(pod.port(target))).unwrap();
            return url;
        }
    }
    // A Service without endpoints.
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(1)).unwrap();
    url
}
