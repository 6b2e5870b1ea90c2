//! One call: with token and session, and again where ThingSpace has turned it away for one of them.

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::auth::Auth;
use super::error::{CallError, CredentialsProblem, NotSent};
use super::pass::Pass;
use super::reply::Reply;
use super::request::Claim;
use crate::fault_points::fault_point;

/// One request to be made with token and session.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) body: Option<Value>,
    /// Present where something is started that must not be started twice.
    pub(super) claim: Option<&'a dyn Claim>,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, body: None, claim: None }
    }

    pub(super) fn post(path: &'a [&'a str], body: &impl Serialize) -> Result<Self, CallError> {
        let unwritable = |_| NotSent::Request("the request cannot be written as JSON".into());
        let body = Some(serde_json::to_value(body).map_err(unwritable)?);
        Ok(Self { method: Method::POST, body, ..Self::get(path) })
    }
}

impl Auth {
    /// Makes one call; where ThingSpace turns it away for its token or its session, once more with a new one of
    /// either.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        call: Call<'_>,
        read: impl FnOnce(&Reply) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let answered = async {
            fault_point(|| format!("call.{operation}.before"));
            let reply = self.exchange(operation, &call).await;
            fault_point(|| format!("call.{operation}.after"));
            read(&reply?)
        };
        self.transport.observed(operation, answered).await
    }

    async fn exchange(&self, operation: &'static str, call: &Call<'_>) -> Result<Reply, CallError> {
        let (mut new_token, mut new_session) = (false, false);
        loop {
            let pass = self.pass().await?;
            // Last moment: this process may have been paused since it claimed, and another taken over.
            if call.claim.is_some_and(|claim| !claim.is_fresh()) {
                return Err(NotSent::ClaimExpired.into());
            }
            let reply = self.send(operation, call, &pass).await?;
            let Some(refusal) = reply.access_refusal() else {
                return Ok(reply);
            };
            self.discard(&pass, refusal).await;
            let in_vain = (refusal.token && new_token) || (refusal.session && new_session);
            // An unexplained refusal (contract 2.3) is not proof enough to act again on the same claim.
            if in_vain || (call.claim.is_some() && !refusal.named) {
                let message = reply.message();
                return Err(CredentialsProblem::AccessRefused { message }.into());
            }
            new_token |= refusal.token;
            new_session |= refusal.session;
        }
    }

    pub(super) async fn send(&self, operation: &'static str, call: &Call<'_>, pass: &Pass) -> Result<Reply, CallError> {
        // Such a segment would silently lead to another path.
        if call.path.iter().any(|name| matches!(*name, "" | "." | "..")) {
            let cause = "the request names nothing where ThingSpace expects a name";
            return Err(NotSent::Request(cause.into()).into());
        }
        let transport = &self.transport;
        let request = transport.m2m(call.method.clone(), call.path).headers(pass.headers().collect());
        let request = match &call.body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = transport.send(operation, request).await?;
        Ok(Reply::new(answer, self.redactor().and(pass.secrets())))
    }
}
