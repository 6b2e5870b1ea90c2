//! Billing accounts: plans, pools and callback listeners (contract sections 6.1 and 9.3).

use std::{collections::BTreeMap, net::IpAddr};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::super::errors::Refusal;
use crate::thingspace::wire::{Account as AccountRecord, CallbackListener, IpPool, RegisterCallback, ServicePlan};

/// The services that a listener can be registered for (contract section 6.1).
const SERVICES: [&str; 23] = [
    "AlertService",
    "CarrierService",
    "DevicePRLInformation",
    "DeviceProfileService",
    "DevicePromoUsage",
    "DeviceService",
    "DeviceSuspensionStatus",
    "DeviceUsage",
    "DiagnosticsService",
    "EnhancedConnectivityService",
    "ExtendedEnhancedConnectivityService",
    "ExternalProvisioningChanges",
    "IntelligenceService",
    "NetworkEventService",
    "NiddService",
    "PromoChanges",
    "PwnService",
    "QoS",
    "ResumeTrackingNotification",
    "SMSDeliveryConfirmation",
    "StateService",
    "SubscriptionNotificationService",
    "VIPCallbackService",
];

/// Longest user name and password of a listener.
const LONGEST_CREDENTIAL: usize = 40;

/// An account as a seed file or the admin API describes it; what is left out gets the platform's usual values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AccountSeed {
    /// Ten digits, a hyphen, five digits.
    pub account_name: String,
    /// Its plans.
    pub service_plans: Vec<ServicePlan>,
    /// Its IP pools.
    pub ip_pools: Vec<IpPool>,
    /// Its carriers.
    pub carriers: Vec<String>,
    /// Whether lines may be provisioned in it.
    pub is_provisioning_allowed: bool,
}

impl Default for AccountSeed {
    fn default() -> Self {
        let plan = |code: &str, name: &str, size: i64| ServicePlan {
            name: name.into(),
            code: code.into(),
            size_kb: Some(size),
            carrier_service_plan_code: Some(format!("84777{size}")),
        };
        let pool = IpPool {
            pool_name: "DefaultPool".into(),
            pool_type: Some("Dynamic IP Address Pool".into()),
            is_default_pool: true,
        };
        Self {
            account_name: String::new(),
            service_plans: vec![plan("HybridESim", "Hybrid eSIM", 0), plan("M2M5MB", "M2M 5 MB", 5120)],
            ip_pools: vec![pool],
            carriers: vec!["Verizon Wireless".into()],
            is_provisioning_allowed: true,
        }
    }
}

/// An account and who listens for it.
#[derive(Clone)]
pub struct Account {
    /// What it offers.
    pub offers: AccountSeed,
    listeners: BTreeMap<String, Listener>,
}

/// Where the callbacks of a service go.
#[derive(Clone)]
pub struct Listener {
    /// As registered.
    pub registered: CallbackListener,
    /// The password of the registration before: the platform has been seen to go on sending it (contract section 6.1).
    pub old_password: Option<String>,
}

/// What the platform does with a second registration of a service: not known (contract section 12, number 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Duplicate {
    /// The new one takes the place of the old one.
    #[default]
    Replace,
    /// The new one is refused.
    Refuse,
}

impl Account {
    /// An account without listeners.
    #[must_use]
    pub const fn new(offers: AccountSeed) -> Self {
        Self { offers, listeners: BTreeMap::new() }
    }

    /// Whether a plan can be chosen.
    pub fn plan(&self, code: Option<&str>) -> Result<(), Refusal> {
        match code {
            Some(code) if !self.offers.service_plans.iter().any(|plan| plan.code == code) => {
                Err(Refusal::code(format!("REQUEST_FAILED.{code}.NotFound"), "The service plan was not found."))
            }
            _ => Ok(()),
        }
    }

    /// Whether an IP pool can be chosen, or left to the account.
    pub fn pool(&self, name: Option<&str>) -> Result<(), Refusal> {
        let mut pools = self.offers.ip_pools.iter();
        match name {
            Some(name) if !pools.any(|pool| pool.pool_name == name) => {
                Err(Refusal::bad_value("carrierIpPoolName is not a pool of the account."))
            }
            None if !pools.any(|pool| pool.is_default_pool) => Err(Refusal::code(
                "REQUEST_FAILED.DefaultIpPoolNotDefined",
                "The account has no default IP pool and the request names none.",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a carrier can be chosen.
    pub fn carrier(&self, name: Option<&str>) -> Result<(), Refusal> {
        match name {
            Some(name) if !self.offers.carriers.iter().any(|carrier| carrier == name) => {
                Err(Refusal::bad_value("carrierName is not a carrier of the account."))
            }
            _ => Ok(()),
        }
    }

    /// The answer of `GET /accounts/{account}`.
    #[must_use]
    pub fn record(&self) -> AccountRecord {
        let offers = self.offers.clone();
        AccountRecord {
            account_name: offers.account_name,
            is_provisioning_allowed: offers.is_provisioning_allowed,
            carriers: offers.carriers,
            ip_pools: offers.ip_pools,
            service_plans: offers.service_plans,
        }
    }

    /// Who listens for a service.
    #[must_use]
    pub fn listener(&self, service: &str) -> Option<&Listener> {
        self.listeners.get(service)
    }

    /// All registrations, passwords in clear as the platform shows them.
    #[must_use]
    pub fn listeners(&self) -> Vec<CallbackListener> {
        self.listeners.values().map(|listener| listener.registered.clone()).collect()
    }

    /// Registers a listener. `any_port` leaves the allow-list out; `uws` are the API user's own credentials.
    pub fn register(
        &mut self,
        wanted: RegisterCallback,
        duplicate: Duplicate,
        any_port: bool,
        uws: (&str, &str),
    ) -> Result<(), Refusal> {
        let invalid = |part: &str, message: &str| Refusal::code(format!("INPUT_INVALID.{part}.Invalid"), message);
        if !SERVICES.contains(&wanted.name.as_str()) {
            return Err(invalid("CallbackService", "The name is not a callback service."));
        }
        if !reachable(&wanted.url, any_port) {
            return Err(invalid("CallbackUrl", "The url is not an http or https address on an allowed port."));
        }
        for (credential, own) in [(&wanted.username, uws.0), (&wanted.password, uws.1)] {
            let Some(credential) = credential else {
                continue;
            };
            if credential.len() > LONGEST_CREDENTIAL {
                return Err(invalid("CallbackCredentials", "The username and password have at most 40 characters."));
            }
            if credential == own {
                return Err(invalid(
                    "CallbackCredentials",
                    "The username and password must not be those of the API user.",
                ));
            }
        }
        let before = self.listeners.get(&wanted.name);
        if before.is_some() && duplicate == Duplicate::Refuse {
            return Err(Refusal::code(
                "REQUEST_FAILED.CallbackAlreadyRegistered",
                "The service has a listener already.",
            ));
        }
        let old_password = before.and_then(|before| before.registered.password.clone());
        let registered = CallbackListener {
            account_name: Some(self.offers.account_name.clone()),
            service_name: wanted.name.clone(),
            url: wanted.url,
            username: wanted.username,
            password: wanted.password,
        };
        self.listeners.insert(wanted.name, Listener { registered, old_password });
        Ok(())
    }

    /// Removes a listener.
    pub fn deregister(&mut self, service: &str) -> Result<(), Refusal> {
        self.listeners.remove(service).map(|_| ()).ok_or_else(|| {
            Refusal::code("REQUEST_FAILED.CallbackNotRegistered", "The service has no listener in this account.")
        })
    }
}

/// The scheme and port rules of contract section 6.1.
fn reachable(url: &str, any_port: bool) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    if !["http", "https"].contains(&url.scheme()) || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    // Tests and demos listen on this machine, on whatever port is free; the platform could never reach them there,
    // so the rule loses nothing.
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if any_port || host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return true;
    }
    matches!(url.port_or_known_default(), Some(80 | 443 | 9001..=9006 | 50551..=50559 | 28200..=28220))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://callbacks.example.com/v1", true)]
    #[case("http://callbacks.example.com/v1", true)]
    #[case("https://callbacks.example.com:9006/v1", true)]
    #[case("https://callbacks.example.com:50559/v1", true)]
    #[case("https://callbacks.example.com:8443/v1", false)]
    #[case("http://127.0.0.1:39871/v1", true)]
    #[case("http://[::1]:39871/v1", true)]
    #[case("http://localhost:39871/v1", true)]
    #[case("ftp://callbacks.example.com/v1", false)]
    #[case("https://user:pass@callbacks.example.com/v1", false)]
    #[case("callbacks.example.com", false)]
    fn listeners_stand_on_allowed_ports(#[case] url: &str, #[case] admitted: bool) {
        assert_eq!(reachable(url, false), admitted);
    }

    fn register(account: &mut Account, password: &str, duplicate: Duplicate) -> Result<(), Refusal> {
        let wanted = RegisterCallback {
            name: "DeviceProfileService".into(),
            url: "https://callbacks.example.com/".into(),
            username: Some("callback".into()),
            password: Some(password.into()),
        };
        account.register(wanted, duplicate, false, ("sim-user", "sim-pass"))
    }

    #[test]
    fn one_listener_a_service_replaced_or_refused() {
        let mut account = Account::new(AccountSeed::default());
        register(&mut account, "first", Duplicate::Refuse).unwrap();
        assert!(register(&mut account, "second", Duplicate::Refuse).is_err());
        register(&mut account, "second", Duplicate::Replace).unwrap();
        assert_eq!(account.listeners().len(), 1);
        let listener = account.listener("DeviceProfileService").unwrap();
        assert_eq!(listener.old_password.as_deref(), Some("first"));
        account.deregister("DeviceProfileService").unwrap();
        assert!(account.deregister("DeviceProfileService").is_err());
    }

    #[test]
    fn credentials_are_short_and_not_the_users_own() {
        let mut account = Account::new(AccountSeed::default());
        assert!(register(&mut account, "sim-pass", Duplicate::Replace).is_err());
        assert!(register(&mut account, &"x".repeat(41), Duplicate::Replace).is_err());
        assert!(register(&mut account, &"x".repeat(40), Duplicate::Replace).is_ok());
    }
}
