//! What ThingSpace would refuse for its account, plan or pool is said before a request is spent on it.

use serde_json::json;

use crate::{
    connection_support::{EAGER, QUICK, status},
    support::{LONG, Scene, eventually, fixtures, holds, why},
};

#[tokio::test]
async fn the_connection_says_of_each_account_what_it_offers() {
    let scene = Scene::start("offers", QUICK, &[]).await;
    let accounts = status(&scene.namespace).await.accounts;
    assert_eq!(
        accounts.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        [fixtures::ACCOUNT, fixtures::OTHER_ACCOUNT]
    );
    for account in accounts {
        assert_eq!(account.provisioning_allowed, Some(true));
        assert_eq!(account.service_plans, ["HybridESim", "M2M5MB"]);
        assert_eq!(
            (account.ip_pools, account.default_ip_pool.as_deref()),
            (vec!["DefaultPool".into()], Some("DefaultPool"))
        );
        let url = scene.callback.url(&scene.namespace, fixtures::CONNECTION);
        assert_eq!((account.callback_url.as_ref(), account.registered_url.as_ref()), (Some(&url), Some(&url)));
    }
}

#[tokio::test]
async fn a_wrong_plan_or_pool_is_said_before_anything_is_sent_and_goes_once_the_account_has_it() {
    let scene = Scene::start("plan", QUICK, EAGER).await;
    let mut plan = fixtures::activation("plan", 1);
    plan.spec.service_plan = Some("GigaPlan".into());
    let mut pool = fixtures::activation("pool", 1);
    pool.spec.carrier_ip_pool_name = Some("Private".into());
    for (activation, reason, words) in [
        (plan, "ServicePlanUnknown", "no service plan GigaPlan (it has HybridESim, M2M5MB)"),
        (pool, "IpPoolUnknown", "no IP pool Private (it has DefaultPool)"),
    ] {
        let name = activation.metadata.name.clone().unwrap();
        scene.namespace.create(&activation).await;
        let object = scene.namespace.until_reason(&name, reason).await;
        assert!(holds(&object, "Stalled") && why(&object).1.contains(words), "{:?}", why(&object));
        scene.namespace.until_events(&name, &[reason]).await;
    }
    assert!(scene.simulator.activate_posts().await.is_empty(), "no request is spent");

    // Verizon adds both: nobody has to touch the activations.
    let offers = json!({
        "accountName": fixtures::ACCOUNT,
        "servicePlans": [{"name": "Giga", "code": "GigaPlan"}, {"name": "Hybrid", "code": "HybridESim"}],
        "ipPools": [{"poolName": "Private"}, {"poolName": "DefaultPool", "isDefaultPool": true}],
    });
    scene.simulator.put_accounts(offers).await;
    scene.namespace.wait("Ready", "euicc/plan").await;
    scene.namespace.wait("Ready", "euicc/pool").await;
}

#[tokio::test]
async fn an_account_that_may_not_activate_is_said_and_its_lines_can_still_be_ended() {
    let scene = Scene::start("forbidden", QUICK, EAGER).await;
    let mut line = fixtures::activation("line", 1);
    line.spec = serde_json::from_value({
        let mut spec = serde_json::to_value(&line.spec).unwrap();
        spec["deletionPolicy"] = json!("Deactivate");
        spec["deactivation"] = json!({"etfWaiver": false});
        spec
    })
    .unwrap();
    scene.namespace.create(&line).await;
    scene.namespace.wait("Ready", "euicc/line").await;
    scene.simulator.put_accounts(json!({"accountName": fixtures::ACCOUNT, "isProvisioningAllowed": false})).await;
    eventually("the connection says so", LONG, async || {
        status(&scene.namespace).await.accounts[0].provisioning_allowed == Some(false)
    })
    .await;
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    let object = scene.namespace.until_reason("forklift", "ProvisioningNotAllowed").await;
    assert!(holds(&object, "Stalled") && why(&object).1.contains("Ask Verizon"), "{:?}", why(&object));
    assert_eq!(scene.simulator.activate_posts().await.len(), 1);
    scene.simulator.put_accounts(json!({"accountName": fixtures::ACCOUNT, "isProvisioningAllowed": true})).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn plans_that_cannot_be_read_block_nothing() {
    let scene =
        Scene::start("unread", &[QUICK, &["--fault", "plans:status=500", "--fault", "account:garbage"]].concat(), &[])
            .await;
    let account = status(&scene.namespace).await.accounts.remove(0);
    assert_eq!((account.provisioning_allowed, account.service_plans.len()), (None, 0));
    assert!(account.message.is_some());
    scene.namespace.create(&fixtures::activation("forklift", 1)).await;
    scene.namespace.wait("Ready", "euicc/forklift").await;
}

#[tokio::test]
async fn one_account_that_thingspace_refuses_holds_up_no_other() {
    let scene = Scene::start("refused", QUICK, EAGER).await;
    let stranger = "0000999999-00001";
    crate::connection_support::patch(&scene.namespace, json!({"accounts": [fixtures::ACCOUNT, stranger]})).await;
    let mut theirs = fixtures::activation("theirs", 1);
    theirs.spec.account_name = stranger.into();
    scene.namespace.create(&theirs).await;
    let object = scene.namespace.until_reason("theirs", "AccountRefused").await;
    assert!(holds(&object, "Stalled") && why(&object).1.contains(stranger), "{:?}", why(&object));
    scene.namespace.create(&fixtures::activation("ours", 1)).await;
    scene.namespace.wait("Ready", "euicc/ours").await;
}
