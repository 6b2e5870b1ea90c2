//! What an account offers (section 9.3).

use serde::{Deserialize, Serialize};

/// Answer of `GET /m2m/v1/accounts/{account}` (section 9.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    /// The account.
    pub account_name: String,
    /// Whether it may provision lines; where ThingSpace does not say, it may.
    #[serde(default = "unless_denied")]
    pub is_provisioning_allowed: bool,
    /// Its carriers.
    pub carriers: Vec<String>,
    /// Its IP pools.
    #[serde(rename = "iPPools", alias = "ipPools")]
    pub ip_pools: Vec<IpPool>,
    /// Its plans.
    pub service_plans: Vec<ServicePlan>,
}

fn unless_denied() -> bool {
    true
}

/// An IP pool of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPool {
    /// What `carrierIpPoolName` names.
    pub pool_name: String,
    /// For example `Dynamic`.
    pub pool_type: Option<String>,
    /// The pool of requests that name none.
    pub is_default_pool: bool,
}

/// A service plan of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePlan {
    /// For people.
    pub name: String,
    /// What `servicePlan` names.
    pub code: String,
    /// Allowance in kilobytes.
    pub size_kb: Option<i64>,
    /// The carrier's own code.
    pub carrier_service_plan_code: Option<String>,
}
