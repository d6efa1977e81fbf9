//! What a service refuses, and the decision whether a caller may.
use ioc_identity::{Action, IdentityError, NoRandom, Principal, Resource, Role, SignInError, authorize};
use ioc_ingest::RegistryError;
use ioc_model::{CredentialKind, DeviceId, catalogue::UnknownDomain};
use ioc_records::RecordsError;
use std::sync::Arc;

/// Something that was not done; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The caller may not do this.
    #[error("{name} may not do this ({role})")]
    Forbidden {
        /// The caller.
        name: Arc<str>,
        /// The caller's role.
        role: Role,
    },
    /// What was asked for makes no sense; the text tells what would.
    #[error("{0}")]
    Invalid(String),
    /// Nothing of that name is there; the text tells where to look.
    #[error("{0}")]
    NotFound(String),
    /// A domain that the city does not have.
    #[error(transparent)]
    UnknownDomain(#[from] UnknownDomain),
    /// The device cannot be registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// People.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A person's own password, tried to change it.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// No random numbers for a token.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// A credential for a device that does not exist.
    #[error(
        "device {0} is not registered; register it with `ioc device add`, which also makes its credential"
    )]
    UnknownDevice(DeviceId),
    /// Only gateways list devices.
    #[error("a credential of kind {0} lists no devices; leave --device out, or use --kind gateway")]
    NotAGateway(CredentialKind),
    /// Differs from a credential only by capitals.
    #[error(
        "{id} differs from {known} only by capitals, and people would take one for the other; choose another id"
    )]
    Lookalike {
        /// The new one.
        id: String,
        /// The one that is there.
        known: String,
    },
}

/// Demands that `caller` may do `action` to `resource`.
///
/// Errors: [`ServiceError::Forbidden`].
pub fn demand(caller: &Principal, action: Action, resource: &Resource<'_>) -> Result<(), ServiceError> {
    match authorize(caller, action, resource) {
        true => Ok(()),
        false => Err(ServiceError::Forbidden { name: Arc::clone(&caller.name), role: caller.role }),
    }
}
