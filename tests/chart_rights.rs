//! The chart's rights are exactly enough: with them both processes are refused nothing, and none of them is spare.
//!
//! Processes run as the chart's Deployments say, with the tokens of its service accounts, on what `helm install` made.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use euicc_operator::api::{Deactivation, DeletionPolicy, ReasonCode};
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview},
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use rstest::rstest;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    connection_support::condition,
    support::{
        AuditEvent, AuditLog, ControlPlane, LONG, Namespace, Pod, QUICK, Release, Simulator, control_plane, eventually,
        fixtures, helm, holds, objects,
    },
};

/// One verb on one resource, for one of the two processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    component: String,
    group: String,
    resource: String,
    verb: String,
}

#[rstest]
#[case::for_all_namespaces_in_one_pod("sidecar", false)]
#[case::for_all_namespaces_in_two_pods("standalone", false)]
#[case::for_some_namespaces_in_one_pod("sidecar", true)]
#[case::for_some_namespaces_in_two_pods("standalone", true)]
#[tokio::test]
async fn both_processes_are_refused_nothing_and_need_all_that_they_may(#[case] mode: &str, #[case] narrow: bool) {
    let stage = Stage::set(mode, narrow).await;
    let pods = stage.start().await;
    stage.live(&pods).await;
    let output: Vec<_> = pods.iter().flat_map(|pod| &pod.containers).map(|(_, process, _)| process.output()).collect();
    assert!(!output.concat().contains("orbidden"), "{output:?}");

    // Watches are in the log when they have ended.
    let users: Vec<_> = pods.iter().map(|pod| (pod.component.clone(), pod.user.clone())).collect();
    for mut pod in pods {
        for (_, process, _) in &mut pod.containers {
            process.terminate(LONG).await;
        }
    }
    let granted: BTreeSet<_> = stage.grants().await.into_iter().collect();
    eventually("everything granted was used", LONG, async || {
        let mut used = BTreeSet::new();
        for (component, user) in &users {
            let mut events = AuditLog::open(stage.platform.cluster).read(user);
            events.retain(|event| event.user.username == *user);
            let refused: Vec<_> = events.iter().filter(|event| event.response_status.code == 403).collect();
            assert!(refused.is_empty(), "{refused:?}");
            used.extend(events.iter().map(|event| Grant::used(component, event)));
        }
        let spare: Vec<_> = granted.difference(&used).cloned().collect();
        if spare.is_empty() { Ok(()) } else { Err(spare) }
    })
    .await;
}

#[tokio::test]
async fn something_breaks_when_any_right_is_taken_away() {
    let all = Stage::set("standalone", true).await.grants().await;
    assert!(all.len() > 20, "{all:?}");
    let trials = all.into_iter().map(|grant| is_missed(grant).boxed_local());
    stream::iter(trials).buffer_unordered(6).collect::<()>().await;
}

/// Lives without this right until the API server refuses something: that, and nothing else.
async fn is_missed(grant: Grant) {
    let stage = Stage::set("standalone", true).await;
    stage.take_away(&grant).await;
    eventually("it is gone", LONG, async || !stage.is_in_force(&grant).await).await;
    let mut log = AuditLog::open(stage.platform.cluster);
    let pods = stage.start().await;
    let user = &pods.iter().find(|pod| pod.component == grant.component).unwrap().user;
    let refusal = eventually("it is missed", 2 * LONG, async || {
        let refused = |event: &AuditEvent| event.user.username == *user && event.response_status.code == 403;
        log.read(user).into_iter().find(refused)
    });
    tokio::select! {
        event = refusal => assert_eq!(Grant::used(&grant.component, &event), grant, "{event:?}"),
        () = stage.live(&pods) => panic!("{grant:?} is spare"),
    }
    // What is needed before anything is done says itself what to grant.
    if grant.resource == "leases" && grant.verb != "patch" {
        let controller = pods.iter().flat_map(|pod| &pod.containers).find(|(name, ..)| name == "controller").unwrap();
        eventually("it says which right is missing", LONG, async || match controller.2.get("/readyz").await {
            Ok((503, why)) if why.contains("give the service account get, patch and create on leases") => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

/// A release, two namespaces that it watches, and ThingSpace.
struct Stage {
    platform: Namespace,
    team: Namespace,
    release: Release,
    simulator: Simulator,
}

impl Stage {
    async fn set(mode: &str, narrow: bool) -> Self {
        // Who watches all namespaces has a cluster of its own: it would do the work of other tests.
        let cluster = tokio::task::spawn_blocking(move || if narrow { control_plane() } else { a_cluster() });
        let cluster = cluster.await.unwrap();
        let (platform, team) =
            (Namespace::new_on(cluster, "rights").await, Namespace::new_on(cluster, "rights-team").await);
        let watched = if narrow { format!("{}, {}", platform.name, team.name) } else { String::new() };
        let values = format!(
            "callback: {{mode: {mode}}}\n\
             controller: {{pollAfter: 1s}}\n\
             rbac: {{readNamespaces: true}}\n\
             watchNamespaces: [{watched}]\n"
        );
        let release = Release::install(&platform, &values).await;
        let simulator = Simulator::start(QUICK).await;
        let stage = Self { platform, team, release, simulator };
        for grant in stage.grants().await {
            eventually("rights that were given are in force", LONG, async || stage.is_in_force(&grant).await).await;
        }
        stage
    }

    async fn start(&self) -> Vec<Pod> {
        Pod::start_all(&self.release).await
    }

    /// All that the operator does with Kubernetes, from the first connection to its end.
    async fn live(&self, pods: &[Pod]) {
        let Self { platform, team, simulator, .. } = self;
        platform.apply(&self.connection(pods)).await;
        eventually("the connection is ready", LONG, async || {
            let ready = condition(platform, "Ready").await;
            ready.clone().filter(|c| c.status == "True").ok_or(ready)
        })
        .await;

        // An answer that comes by callback; deactivated when deleted.
        let mut forklift = fixtures::activation("forklift", 1);
        forklift.spec.deletion_policy = DeletionPolicy::Deactivate;
        forklift.spec.deactivation = Some(Deactivation { reason_code: ReasonCode::FF, etf_waiver: false });
        platform.create(&forklift).await;
        let activated = platform.until("forklift", "Ready", |o| holds(o, "Ready")).await;
        platform.until_events("forklift", &["Activated"]).await;

        // Somebody else writes between our read and our write: ThingSpace's clock stands still until that is done.
        simulator.fault("activate:delay=10m").await;
        platform.create(&fixtures::activation("contested", 1)).await;
        eventually("it is being sent", LONG, async || simulator.activate_posts().await.len() == 2).await;
        platform.kubectl(&["label", "euicc", "contested", "touched=yes"]).await.success();
        simulator.clear_faults().await;
        simulator.advance(600).await;
        platform.until("contested", "Ready", |o| holds(o, "Ready")).await;

        // An answer that is asked for.
        simulator.fault("callback:lost").await;
        platform.create(&fixtures::activation("polled", 1)).await;
        platform.until("polled", "Ready", |o| holds(o, "Ready")).await;
        simulator.clear_faults().await;

        // A message about a device of somebody who is not admitted.
        let mut stranger = fixtures::activation("stranger", 1);
        stranger.spec.devices = forklift.spec.devices;
        stranger.spec.connection_ref.namespace = Some(platform.name.clone());
        team.create(&stranger).await;
        platform.kubectl(&["delete", "euicc", "forklift", "--timeout=60s"]).await.success();
        team.until_reason("stranger", "ConnectionNotAllowed").await;
        let callback = pods.iter().find_map(Pod::callback).unwrap();
        eventually("the callback endpoint knows the stranger, and forklift no more", LONG, async || {
            let known = callback.metric("euicc_callback_index_activations", &[]).await;
            if known == 3.0 { Ok(()) } else { Err(known) }
        })
        .await;
        let delivered = async || simulator.deliveries().await.iter().filter(|d| d.status == Some(200)).count();
        let before = delivered().await;
        simulator.resend(&activated.status.unwrap().request_id.unwrap()).await;
        eventually("it was delivered once more", LONG, async || delivered().await > before).await;

        // Another namespace, which its labels admit.
        team.kubectl(&["label", "namespace", &team.name, "activates=here"]).await.success();
        let mut guest = fixtures::activation("guest", 1);
        guest.spec.connection_ref.namespace = Some(platform.name.clone());
        team.create(&guest).await;
        team.until("guest", "Ready", |o| holds(o, "Ready")).await;

        platform.kubectl(&["delete", "tsc", fixtures::CONNECTION, "--timeout=60s"]).await.success();
    }

    /// With everything that is read from Kubernetes: Secrets, a ConfigMap, the labels of namespaces.
    fn connection(&self, pods: &[Pod]) -> String {
        let kubeconfig = std::fs::read_to_string(&self.platform.cluster.kubeconfig).unwrap();
        let kubeconfig: Value = serde_yaml_ng::from_str(&kubeconfig).unwrap();
        let ca = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap();
        let ca = String::from_utf8(BASE64_STANDARD.decode(ca).unwrap()).unwrap().trim().replace('\n', "\n    ");
        let url = pods.iter().find_map(|pod| pod.callback_url(&self.platform)).unwrap();
        let connection = fixtures::connection(&self.simulator.endpoint(), Some(&url));
        let connection = connection.replace("thingspace-callback}}", "thingspace-callback}, onDelete: Deregister}");
        format!(
            "{connection}  caBundle: {{configMapKeyRef: {{name: ca}}}}\n  \
             allowedNamespaces: {{selector: {{matchLabels: {{activates: here}}}}}}\n\
             ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    {ca}\n"
        )
    }

    /// All that the release's roles grant to the two processes.
    async fn grants(&self) -> Vec<Grant> {
        let manifest = ["get", "manifest", &self.release.name, "--namespace", &self.platform.name];
        let manifest = helm(self.platform.cluster, &manifest, "").await.success();
        let roles = objects(&manifest).into_iter().filter(|o| o["kind"].as_str().unwrap().ends_with("Role"));
        let mut grants = BTreeSet::new();
        for role in roles {
            let component = role["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
            let rules = Vec::<PolicyRule>::deserialize(&role["rules"]).unwrap();
            if component != "rbac" {
                grants.extend(rules.iter().flat_map(|rule| Grant::of(component, rule)));
            }
        }
        grants.into_iter().collect()
    }

    /// What the release has made for one of the two processes.
    fn of(&self, component: &str) -> ListParams {
        let name = &self.release.name;
        let labels = format!("app.kubernetes.io/instance={name},app.kubernetes.io/component={component}");
        ListParams::default().labels(&labels)
    }

    /// Whether the API server acts by it, in any of the namespaces: it reads its roles by a watch, too.
    async fn is_in_force(&self, grant: &Grant) -> bool {
        let accounts = self.platform.api::<ServiceAccount>();
        let account = accounts.list(&self.of(&grant.component)).await.unwrap().items[0].name_any();
        let mut config = self.platform.config().await;
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{}:{account}", self.platform.name));
        let reviews: Api<SelfSubjectAccessReview> = Api::all(Client::try_from(config).unwrap());
        let (resource, subresource) = grant.resource.split_once('/').unwrap_or((&grant.resource, ""));
        for namespace in [&self.platform, &self.team] {
            let mut review = SelfSubjectAccessReview::default();
            review.spec.resource_attributes = Some(ResourceAttributes {
                group: Some(grant.group.clone()),
                name: Some(account.clone()), // the lease has it, too
                namespace: Some(namespace.name.clone()),
                resource: Some(resource.into()),
                subresource: Some(subresource.into()),
                verb: Some(grant.verb.clone()),
                ..ResourceAttributes::default()
            });
            let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
            if answer.status.unwrap().allowed {
                return true;
            }
        }
        false
    }

    async fn take_away(&self, grant: &Grant) {
        let of_release = self.of(&grant.component);
        for namespace in [&self.platform, &self.team] {
            let roles = namespace.api::<Role>();
            for mut role in roles.list(&of_release).await.unwrap() {
                role.rules = role.rules.map(|rules| without(rules, grant));
                roles.replace(&role.name_any(), &PostParams::default(), &role).await.unwrap();
            }
        }
        let roles: Api<ClusterRole> = Api::all(self.platform.client.clone());
        for mut role in roles.list(&of_release).await.unwrap() {
            role.rules = role.rules.map(|rules| without(rules, grant));
            roles.replace(&role.name_any(), &PostParams::default(), &role).await.unwrap();
        }
    }
}

fn without(rules: Vec<PolicyRule>, grant: &Grant) -> Vec<PolicyRule> {
    let one_resource_each = rules.into_iter().flat_map(|rule| {
        let resources = rule.resources.clone().unwrap_or_default();
        resources.into_iter().map(move |resource| PolicyRule { resources: Some(vec![resource]), ..rule.clone() })
    });
    let is_it = |rule: &PolicyRule| Grant::of(&grant.component, rule).contains(grant);
    let mut rules: Vec<_> = one_resource_each.collect();
    for rule in rules.iter_mut().filter(|rule| is_it(rule)) {
        rule.verbs.retain(|verb| *verb != grant.verb);
    }
    rules.retain(|rule| !rule.verbs.is_empty());
    rules
}

impl Grant {
    fn of(component: &str, rule: &PolicyRule) -> Vec<Self> {
        let mut grants = Vec::new();
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    let [component, group, resource, verb] =
                        [component, group, resource, verb].map(|word: &str| word.to_owned());
                    grants.push(Self { component, group, resource, verb });
                }
            }
        }
        grants
    }

    /// What a request needed.
    fn used(component: &str, event: &AuditEvent) -> Self {
        let object = &event.object_ref;
        let slash = if object.subresource.is_empty() { "" } else { "/" };
        Self {
            component: component.into(),
            group: object.api_group.clone(),
            resource: format!("{}{slash}{}", object.resource, object.subresource),
            verb: event.verb.clone(),
        }
    }
}

/// A cluster for those who watch all of it.
fn a_cluster() -> &'static ControlPlane {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let cluster = ControlPlane::bare(&format!("rights-{count}"));
    cluster.install_crds();
    // It ends with this test binary.
    Box::leak(Box::new(cluster))
}
