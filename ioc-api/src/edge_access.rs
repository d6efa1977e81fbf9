//! The credentials as the device edge asks about them.
use ioc_broker::{Access, Principal, Refusal};
use ioc_identity::{CredentialRefusal, Grants};
use std::sync::Arc;

/// Answers the edge's questions from the credentials in memory.
pub(crate) struct EdgeAccess(pub Arc<Grants>);

impl Access for EdgeAccess {
    fn authenticate(&self, credential: &str, token: &[u8]) -> Result<Principal, Refusal> {
        match self.0.authenticate(credential, token) {
            Ok(found) => {
                Ok(Principal { credential: found.credential, kind: found.kind, generation: found.generation })
            }
            Err(CredentialRefusal::BadCredentials) => Err(Refusal::BadCredentials),
            Err(CredentialRefusal::Disabled) => Err(Refusal::NotAuthorized),
        }
    }

    fn still_valid(&self, principal: &Principal) -> bool {
        self.0.still_valid(&principal.credential, principal.generation)
    }

    fn devices(&self, principal: &Principal) -> u32 {
        self.0.devices(&principal.credential, principal.kind)
    }

    fn speaks_for(&self, principal: &Principal, device: &str) -> bool {
        self.0.speaks_for(&principal.credential, principal.kind, device)
    }
}
