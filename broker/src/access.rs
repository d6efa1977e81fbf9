//! The port for questions about clients: their identity, and the devices that they speak for.
use ioc_model::CredentialKind;
use std::sync::Arc;

/// A client whose token was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Id of the credential; the MQTT user name. For a device it is the device id.
    pub credential: Arc<str>,
    /// What the credential may be used for.
    pub kind: CredentialKind,
    /// Which token of the credential was used; grows when it is rotated.
    pub generation: u64,
}

/// A reason for not letting a client in; each is one CONNACK return code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown credential or wrong token (return code 4). Repeated, it slows this address down for this
    /// credential.
    BadCredentials,
    /// The credential is known and may not connect (return code 5).
    NotAuthorized,
    /// The client identifier is not allowed (return code 2).
    IdentifierRejected,
    /// It cannot be decided now (return code 3).
    Unavailable,
}

/// Answers who a client is. Called on the reactor threads, so nothing here may wait.
pub trait Access: Send + Sync + 'static {
    /// Checks a token. Must be cheap (a keyed hash): thousands of devices reconnect at once.
    ///
    /// Errors: the [`Refusal`] that the client is told.
    fn authenticate(&self, credential: &str, token: &[u8]) -> Result<Principal, Refusal>;

    /// Reports whether the credential still exists and its token was not rotated; asked about once a second
    /// for each connection.
    fn still_valid(&self, principal: &Principal) -> bool;

    /// Returns for how many devices a gateway speaks; 1 for the other kinds. Its share of what all need is so many times
    /// a device's. Asked about at sign-in and twice a minute.
    fn devices(&self, principal: &Principal) -> u32;

    /// Reports whether `principal` may publish as `device` and receive its commands: the device itself, or a
    /// gateway that lists it.
    fn speaks_for(&self, principal: &Principal, device: &str) -> bool;
}
