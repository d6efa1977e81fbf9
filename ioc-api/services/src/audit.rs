//! The audit trail, for those who may see whom and what it is about.
use crate::{ServiceError, demand};
use ioc_identity::{Action, Principal, Resource, authorize};
use ioc_records::{AuditPage, Reach, Records};

/// The audit trail. Blocks on the disk.
#[derive(Clone)]
pub struct AuditLog(Records);

impl AuditLog {
    pub(crate) fn new(records: Records) -> Self {
        Self(records)
    }

    /// Lists at most `limit` changes and sign-ins before id `before`, newest first: all of them, or those about the
    /// fields that the caller is admin of. A page may be short.
    ///
    /// Errors: a caller who may not, the records.
    pub fn list(
        &self,
        caller: &Principal,
        before: Option<u64>,
        limit: usize,
    ) -> Result<AuditPage, ServiceError> {
        demand(caller, Action::ReadAudit, &Resource::City)?;
        let shows = |Reach { domains, wards }: &Reach| {
            authorize(caller, Action::ReadAudit, &Resource::Reach { domains, wards })
        };
        Ok(self.0.audit(before, limit, &shows)?)
    }
}
