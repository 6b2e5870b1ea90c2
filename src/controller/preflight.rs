//! What ThingSpace would refuse for its account, plan or pool is said before a request is spent on it.
//!
//! What is not known blocks nothing: a list that could not be read, or that is empty, objects to no activation.

use std::collections::BTreeSet;

use crate::{
    activation::Hold,
    api::EuiccActivationSpec,
    thingspace::wire::{Account, ServicePlan},
};

/// Plans or pools named in one sentence.
const NAMED: usize = 10;

/// What is known of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// ThingSpace does not let the operator have this account: what it says.
    pub refused: Option<String>,
    /// Whether lines may be activated in it.
    pub provisioning_allowed: Option<bool>,
    /// Codes of its plans.
    pub plans: BTreeSet<String>,
    /// Names of its IP pools.
    pub pools: BTreeSet<String>,
    /// The pool of requests that name none.
    pub default_pool: Option<String>,
}

impl Facts {
    /// From ThingSpace's two answers (contract 9.3), as far as they came.
    pub fn of(account: Option<&Account>, plans: &[ServicePlan]) -> Self {
        let offered = account.iter().flat_map(|a| &a.service_plans).chain(plans);
        let pools = || account.iter().flat_map(|a| &a.ip_pools).filter(|p| !p.pool_name.is_empty());
        Self {
            refused: None,
            provisioning_allowed: account.map(|a| a.is_provisioning_allowed),
            plans: offered.map(|p| p.code.clone()).filter(|code| !code.is_empty()).collect(),
            pools: pools().map(|p| p.pool_name.clone()).collect(),
            default_pool: pools().find(|p| p.is_default_pool).map(|p| p.pool_name.clone()),
        }
    }

    /// What stands against this activation. `connection` names it for people.
    pub fn objection(&self, spec: &EuiccActivationSpec, connection: &str) -> Option<Hold> {
        let account = &spec.account_name;
        if let Some(why) = &self.refused {
            return Some(stalled(
                "AccountRefused",
                format!(
                    "ThingSpace refuses account {account} to ThingSpaceConnection {connection} ({why}), so nothing is \
                     sent. Correct spec.accountName, or have the user of the connection admitted to the account."
                ),
            ));
        }
        if self.provisioning_allowed == Some(false) {
            return Some(stalled(
                "ProvisioningNotAllowed",
                format!(
                    "ThingSpace does not allow account {account} to activate lines, so nothing is sent. Ask Verizon to \
                     allow it; it is sent by itself then."
                ),
            ));
        }
        let plan = spec.service_plan.as_ref().filter(|p| !self.plans.is_empty() && !self.plans.contains(*p));
        if let Some(plan) = plan {
            return Some(stalled(
                "ServicePlanUnknown",
                format!(
                    "Account {account} has no service plan {plan} (it has {}), so nothing is sent. Correct \
                     spec.servicePlan, or have the plan added to the account; it is sent by itself then.",
                    list(&self.plans)
                ),
            ));
        }
        if self.pools.is_empty() {
            return None;
        }
        match spec.carrier_ip_pool_name.as_ref().filter(|p| !p.is_empty()) {
            Some(pool) if !self.pools.contains(pool) => Some(stalled(
                "IpPoolUnknown",
                format!(
                    "Account {account} has no IP pool {pool} (it has {}), so nothing is sent. Correct \
                     spec.carrierIpPoolName, or have the pool added to the account; it is sent by itself then.",
                    list(&self.pools)
                ),
            )),
            None if self.default_pool.is_none() => Some(stalled(
                "IpPoolRequired",
                format!(
                    "Account {account} has no default IP pool, so nothing is sent. Name one of {} in \
                     spec.carrierIpPoolName.",
                    list(&self.pools)
                ),
            )),
            _ => None,
        }
    }
}

fn stalled(reason: &'static str, message: String) -> Hold {
    Hold { reason, message, stalled: true }
}

fn list(names: &BTreeSet<String>) -> String {
    let mut shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    if names.len() > NAMED {
        shown.push("others");
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        let account = json!({
            "accountName": "0000123456-00001", "isProvisioningAllowed": true,
            "iPPools": [{"poolName": "Default", "isDefaultPool": true}, {"poolName": "Fleet"}],
            "servicePlans": [{"code": "HybridESim"}],
        });
        let plans: Vec<ServicePlan> = serde_json::from_value(json!([{"code": "M2M5MB"}])).unwrap();
        Facts::of(Some(&serde_json::from_value(account).unwrap()), &plans)
    }

    fn reason(facts: &Facts, plan: Option<&str>, pool: Option<&str>) -> Option<&'static str> {
        let spec: EuiccActivationSpec = serde_json::from_value(json!({
            "connectionRef": {"name": "verizon"}, "accountName": "0000123456-00001", "devices": [],
            "servicePlan": plan, "carrierIpPoolName": pool,
        }))
        .unwrap();
        facts.objection(&spec, "verizon").map(|hold| hold.reason)
    }

    #[test]
    fn what_the_account_has_is_not_objected_to() {
        for plan in [None, Some("HybridESim"), Some("M2M5MB")] {
            for pool in [None, Some(""), Some("Default"), Some("Fleet")] {
                assert_eq!(reason(&facts(), plan, pool), None, "{plan:?} {pool:?}");
            }
        }
    }

    #[test]
    fn what_the_account_has_not_is_named() {
        assert_eq!(reason(&facts(), Some("hybridesim"), None), Some("ServicePlanUnknown"), "codes are exact");
        assert_eq!(reason(&facts(), None, Some("Nowhere")), Some("IpPoolUnknown"));
        let no_default = Facts { default_pool: None, ..facts() };
        assert_eq!(reason(&no_default, None, Some("")), Some("IpPoolRequired"));
        assert_eq!(reason(&no_default, None, Some("Fleet")), None);
        let forbidden = Facts { provisioning_allowed: Some(false), ..facts() };
        assert_eq!(reason(&forbidden, None, None), Some("ProvisioningNotAllowed"));
        let refused = Facts { refused: Some("AccountNotFound".into()), ..Facts::default() };
        assert_eq!(reason(&refused, None, None), Some("AccountRefused"));
    }

    #[test]
    fn what_is_not_known_blocks_nothing() {
        assert_eq!(reason(&Facts::default(), Some("Any"), Some("Any")), None);
        assert_eq!(reason(&Facts::of(None, &[]), Some("Any"), None), None);
        let says_nothing: Account = serde_json::from_value(json!({})).unwrap();
        assert_eq!(reason(&Facts::of(Some(&says_nothing), &[]), Some("Any"), Some("Any")), None);
    }
}
