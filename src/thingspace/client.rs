//! The operations of ThingSpace that the product uses.

use std::sync::Arc;

use jiff::Timestamp;

use super::config::ClientConfig;
use super::credentials::Credentials;
use super::endpoint::{Endpoint, EndpointError};
use super::error::CallError;
use super::ledger::LoginLedger;
use super::observer::CallObserver;
use super::request::{Claim, RequestId, RequestProgress};
use super::wire::{
    Account, ActivateRequest, CallbackListener, DeactivateRequest, DeviceId, DeviceRecord, History,
    RegisterCallback, ServicePlan,
};

/// One connection to ThingSpace: one token, one session, however many callers. Dropping a call's future does not
/// abort a login that it has begun.
pub struct Client {}

impl Client {
    /// A client for one version of the credentials; new credentials need a new client.
    pub fn new(
        endpoint: Endpoint,
        credentials: Credentials,
        ledger: Arc<dyn LoginLedger>,
        config: ClientConfig,
    ) -> Result<Self, EndpointError> {
        let _ = (endpoint, credentials, ledger, config);
        todo!()
    }

    /// Reports each call to `observer`.
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        let _ = observer;
        todo!()
    }

    /// The version of the credentials that this client uses.
    pub fn credentials_version(&self) -> &str {
        todo!()
    }

    /// Asks for an activation (contract 3). The answer means accepted, not activated.
    ///
    /// A claim is good for one request:
    ///
    /// ```
    /// # use euicc_operator::thingspace::{CallError, Claim, Client, wire::ActivateRequest};
    /// async fn once(client: &Client, claim: impl Claim, request: &ActivateRequest) -> Result<(), CallError> {
    ///     client.activate(claim, request).await.map(|_| ())
    /// }
    /// ```
    ///
    /// Not for two:
    ///
    /// ```compile_fail,E0382
    /// # use euicc_operator::thingspace::{CallError, Claim, Client, wire::ActivateRequest};
    /// async fn twice(client: &Client, claim: impl Claim, request: &ActivateRequest) -> Result<(), CallError> {
    ///     client.activate(claim, request).await?;
    ///     client.activate(claim, request).await.map(|_| ())
    /// }
    /// ```
    ///
    /// And without one there is no request:
    ///
    /// ```compile_fail,E0061
    /// # use euicc_operator::thingspace::{CallError, Client, wire::ActivateRequest};
    /// async fn unclaimed(client: &Client, request: &ActivateRequest) -> Result<(), CallError> {
    ///     client.activate(request).await.map(|_| ())
    /// }
    /// ```
    pub async fn activate(
        &self,
        claim: impl Claim,
        request: &ActivateRequest,
    ) -> Result<RequestId, CallError> {
        let _ = (claim, request);
        todo!()
    }

    /// Asks for a deactivation (contract 5.1), under the same rule as [`Client::activate`].
    pub async fn deactivate(
        &self,
        claim: impl Claim,
        request: &DeactivateRequest,
    ) -> Result<RequestId, CallError> {
        let _ = (claim, request);
        todo!()
    }

    /// How far a request is: asks v2, and v1 for what v2 does not know (contract 9.1).
    pub async fn request_status(
        &self,
        account: &str,
        request: &RequestId,
    ) -> Result<RequestProgress, CallError> {
        let _ = (account, request);
        todo!()
    }

    /// What ThingSpace knows of the device with these identifiers (contract 9.2): looked for by ICCID, then IMEI,
    /// EID and MDN (contract 12 #13). `None`: it is not in this account.
    pub async fn find_device(
        &self,
        account: &str,
        ids: &[DeviceId],
    ) -> Result<Option<DeviceRecord>, CallError> {
        let _ = (account, ids);
        todo!()
    }

    /// What was done to a device (contract 9.3).
    pub async fn history(
        &self,
        device: &DeviceId,
        earliest: Timestamp,
        latest: Timestamp,
    ) -> Result<History, CallError> {
        let _ = (device, earliest, latest);
        todo!()
    }

    /// The account's callback registrations, with their passwords (contract 6.1).
    pub async fn callbacks(&self, account: &str) -> Result<Vec<CallbackListener>, CallError> {
        let _ = account;
        todo!()
    }

    /// Registers a callback listener: the account has one for each service (contract 6.1).
    pub async fn register_callback(
        &self,
        account: &str,
        registration: &RegisterCallback,
    ) -> Result<(), CallError> {
        let _ = (account, registration);
        todo!()
    }

    /// Removes the listener of `service`.
    pub async fn deregister_callback(&self, account: &str, service: &str) -> Result<(), CallError> {
        let _ = (account, service);
        todo!()
    }

    /// The account itself (contract 9.3).
    pub async fn account(&self, account: &str) -> Result<Account, CallError> {
        let _ = account;
        todo!()
    }

    /// The account's service plans.
    pub async fn plans(&self, account: &str) -> Result<Vec<ServicePlan>, CallError> {
        let _ = account;
        todo!()
    }

    /// Ends the session, if there is one. The next call opens another.
    pub async fn logout(&self) -> Result<(), CallError> {
        todo!()
    }
}
