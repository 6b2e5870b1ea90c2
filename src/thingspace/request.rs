//! Requests that ThingSpace carries out later: the proof that one may be sent, its name, how far it is.

use super::wire;

/// Proof that the intent to send one request has been written durably.
///
/// ThingSpace has no idempotency key (contract 11), so whoever implements this must hand out one value for one
/// durable write, and the type must be neither `Copy` nor `Clone`: [`Client::activate`](super::Client::activate)
/// takes it by value, so that a claim is good for one request only.
pub trait Claim: Send + Sync {
    /// Whether nobody else can have taken over since. Asked at the last moment: a claim that is not fresh any more sends
    /// nothing.
    fn is_fresh(&self) -> bool;
}

/// A request's name, minted by ThingSpace: opaque (contract 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Takes 1 to 64 characters, none of them a control character.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidRequestId> {
        let id = id.into();
        let good = (1..=64).contains(&id.chars().count()) && !id.chars().any(char::is_control);
        if good { Ok(Self(id)) } else { Err(InvalidRequestId) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a request's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A requestId has 1 to 64 characters and no control character")]
pub struct InvalidRequestId;

/// How far a request, or one device's part of it, is (contract 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not over. Words that we do not know count as this.
    Pending,
    /// Done.
    Succeeded,
    /// Failed; ThingSpace does not say why.
    Failed,
    /// ThingSpace does not know the request: that is no failure (contract 12 #8).
    NotKnown,
}

impl Progress {
    pub(super) fn parse(status: &str) -> Self {
        match status.trim().to_ascii_lowercase().as_str() {
            "success" | "succeeded" => Self::Succeeded,
            "failed" | "failure" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// Answer of [`Client::request_status`](super::Client::request_status).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestProgress {
    /// The whole request.
    pub overall: Progress,
    /// Device by device, where ThingSpace tells.
    pub devices: Vec<DeviceProgress>,
}

/// One device's part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProgress {
    /// The identifiers that ThingSpace names the device by.
    pub ids: Vec<wire::DeviceId>,
    /// Its progress.
    pub progress: Progress,
}

impl RequestProgress {
    /// The answer for a request that nobody knows.
    pub(super) fn not_known() -> Self {
        Self { overall: Progress::NotKnown, devices: Vec::new() }
    }
}

impl From<wire::RequestStatus> for RequestProgress {
    fn from(status: wire::RequestStatus) -> Self {
        let device = |sub: wire::SubRequest| DeviceProgress { ids: sub.ids, progress: Progress::parse(&sub.status) };
        Self {
            overall: Progress::parse(&status.status),
            devices: status.sub_requests.into_iter().map(device).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_opaque_but_bounded() {
        assert!(RequestId::new("d1f08526-5443-4054-9a29-4456490ea9f8").is_ok());
        assert!(RequestId::new("x".repeat(64)).is_ok());
        for bad in [String::new(), "x".repeat(65), "a\nb".into()] {
            assert_eq!(RequestId::new(bad), Err(InvalidRequestId));
        }
    }

    #[test]
    fn both_words_for_failure_are_understood() {
        assert_eq!(Progress::parse("Failed"), Progress::Failed);
        assert_eq!(Progress::parse("FAILURE"), Progress::Failed);
        assert_eq!(Progress::parse("Success"), Progress::Succeeded);
        assert_eq!(Progress::parse("Pending"), Progress::Pending);
        assert_eq!(Progress::parse("what?"), Progress::Pending);
    }
}
