//! The operations of ThingSpace that the product uses.

use std::sync::Arc;

use reqwest::Method;
use serde::Serialize;

use super::auth::Auth;
use super::call::Call;
use super::config::ClientConfig;
use super::credentials::Credentials;
use super::endpoint::{Endpoint, EndpointError};
use super::error::CallError;
use super::ledger::LoginLedger;
use super::observer::CallObserver;
use super::read;
use super::reply::Reply;
use super::request::{Claim, RequestId, RequestProgress};
use super::transport::Transport;
use super::wire::{Account, ActivateRequest, CallbackListener, DeactivateRequest, RegisterCallback, ServicePlan};

/// One connection to ThingSpace: one token, one session, however many callers and clones. Dropping a call's future
/// does not abort a login that it has begun.
#[derive(Clone)]
pub struct Client {
    pub(super) auth: Auth,
}

impl Client {
    /// A client for one version of the credentials; new credentials need a new client.
    pub fn new(
        endpoint: Endpoint,
        credentials: Credentials,
        ledger: Arc<dyn LoginLedger>,
        config: ClientConfig,
    ) -> Result<Self, EndpointError> {
        let transport = Transport::new(endpoint, &config)?;
        Ok(Self { auth: Auth::new(transport, credentials, ledger, config) })
    }

    /// Reports each call to `observer`.
    pub fn with_observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.auth.transport.observer = observer;
        self
    }

    /// The version of the credentials that this client uses.
    pub fn credentials_version(&self) -> &str {
        self.auth.credentials_version()
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
    pub async fn activate(&self, claim: impl Claim, request: &ActivateRequest) -> Result<RequestId, CallError> {
        self.act("activate", &claim, request).await
    }

    /// Asks for a deactivation (contract 5.1), under the same rule as [`Client::activate`].
    pub async fn deactivate(&self, claim: impl Claim, request: &DeactivateRequest) -> Result<RequestId, CallError> {
        self.act("deactivate", &claim, request).await
    }

    /// How far a request is: asks v2, and v1 for what v2 does not know (contract 9.1).
    pub async fn request_status(&self, account: &str, request: &RequestId) -> Result<RequestProgress, CallError> {
        for version in ["v2", "v1"] {
            let path = [version, "accounts", account, "requests", request.as_str(), "status"];
            if let Some(status) = self.auth.call("request_status", Call::get(&path), read::request_status).await? {
                return Ok(status.into());
            }
        }
        Ok(RequestProgress::not_known())
    }

    /// The account's callback registrations, with their passwords (contract 6.1).
    pub async fn callbacks(&self, account: &str) -> Result<Vec<CallbackListener>, CallError> {
        self.auth.call("callbacks", Call::get(&["v1", "callbacks", account]), read::callbacks).await
    }

    /// Registers a callback listener: the account has one for each service (contract 6.1).
    pub async fn register_callback(&self, account: &str, registration: &RegisterCallback) -> Result<(), CallError> {
        let path = ["v1", "callbacks", account];
        let call = Call::post(&path, registration)?;
        self.auth.call("register_callback", call, Reply::done).await
    }

    /// Removes the listener of `service`.
    pub async fn deregister_callback(&self, account: &str, service: &str) -> Result<(), CallError> {
        let path = ["v1", "callbacks", account, "name", service];
        let call = Call { method: Method::DELETE, ..Call::get(&path) };
        self.auth.call("deregister_callback", call, Reply::done).await
    }

    /// The account itself (contract 9.3).
    pub async fn account(&self, account: &str) -> Result<Account, CallError> {
        self.auth.call("account", Call::get(&["v1", "accounts", account]), Reply::json).await
    }

    /// The account's service plans.
    pub async fn plans(&self, account: &str) -> Result<Vec<ServicePlan>, CallError> {
        self.auth.call("plans", Call::get(&["v1", "plans", account]), Reply::json).await
    }

    /// Ends the session, if there is one. The next call opens another.
    pub async fn logout(&self) -> Result<(), CallError> {
        let Some(pass) = self.auth.take_session().await else {
            return Ok(());
        };
        let path = ["v1", "session", "logout"];
        let call = Call { method: Method::POST, ..Call::get(&path) };
        let ended = async {
            let reply = self.auth.send("logout", &call, &pass).await?;
            match reply.access_refusal() {
                Some(refusal) if refusal.session => Ok(()),
                _ => reply.done(),
            }
        };
        self.auth.transport.observed("logout", ended).await
    }

    async fn act(
        &self,
        action: &'static str,
        claim: &dyn Claim,
        request: &impl Serialize,
    ) -> Result<RequestId, CallError> {
        let path = ["v1", "devices", "profile", "actions", action];
        let call = Call { claim: Some(claim), ..Call::post(&path, request)? };
        self.auth.call(action, call, read::accepted).await
    }
}
