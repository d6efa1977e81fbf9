//! What the command line can ask for, done by the services in the name of whoever asks.
use super::protocol::{DisplayTokenRemoved, Items, Reply, Request, UserAdded};
use crate::backup::{BackupError, Progress, Source};
use ioc_identity::{NewUser, NoRandom, Principal, UserChange, new_token};
use ioc_ingest::Device;
use ioc_model::Domain;
use ioc_records::Audit;
use ioc_services::{NewCredential, QuarantineFilter, ServiceError, Services, parse_reason};

/// Most rejected messages in one list.
const QUARANTINE_LIST_MAX: usize = 10_000;

/// Something that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// A service refuses.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A backup, or a check of the data.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Nothing here keeps a data directory.
    #[error("there is no data directory to work on")]
    NoSource,
}

impl From<NoRandom> for OperationError {
    fn from(error: NoRandom) -> Self {
        Self::Service(error.into())
    }
}

/// What the command line can ask for. Every call blocks on the disk.
pub struct Operations {
    services: Services,
    /// The data directory of a running server, to be backed up and checked.
    source: Option<Source>,
}

impl Operations {
    /// Has `services` do the work.
    pub fn new(services: Services) -> Self {
        Self { services, source: None }
    }

    /// Adds the data directory of a running server.
    pub fn keeping(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Does what `request`, which may take long, asks in the name of `caller`; calls `progress` now and then.
    ///
    /// Errors: [`OperationError`] says what would be right.
    pub fn run_telling(
        &self,
        request: Request,
        caller: &Principal,
        now_ms: i64,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Reply, OperationError> {
        let source = || self.source.as_ref().ok_or(OperationError::NoSource);
        match request {
            Request::Backup { directory } => {
                let manifest = source()?.back_up(&directory, progress)?;
                let place = directory.display().to_string();
                let audit = Audit::new(now_ms, &*caller.name, "data.backup", place);
                self.services.foundation.records.append_audit(&audit).map_err(ServiceError::from)?;
                Ok(Reply::Backup(manifest))
            }
            Request::DataCheck => Ok(Reply::DataChecked(source()?.check(progress)?)),
            request => self.run(request, caller, now_ms),
        }
    }

    /// Does what `request` asks in the name of `caller`.
    ///
    /// Errors: [`OperationError`] says what would be right; nothing has changed then.
    pub fn run(&self, request: Request, caller: &Principal, now_ms: i64) -> Result<Reply, OperationError> {
        let Services { devices, credentials, people, .. } = &self.services;
        Ok(match request {
            Request::DeviceAdd(device) => Reply::DeviceAdded(devices.add(caller, device, now_ms)?),
            Request::DeviceList { domain } => Reply::Devices(self.list_devices(caller, domain)?),
            Request::DeviceRotate { id } => Reply::Credential(credentials.rotate(caller, &id, now_ms)?),
            Request::CredentialAdd { id, kind, devices } => {
                let credential = NewCredential { id, kind, devices };
                Reply::Credential(credentials.add(caller, credential, now_ms)?)
            }
            Request::UserAdd { name, role, domains, wards, password } => {
                let (password, made) = given_or_made(password)?;
                let new = NewUser { name, role, domains, wards, password };
                Reply::UserAdded(UserAdded { user: people.add(caller, new, now_ms)?, password: made })
            }
            Request::UserList => Reply::Users(Items { items: people.list(caller)? }),
            Request::UserPasswd { name, password } => {
                let (password, made) = given_or_made(password)?;
                let change = UserChange { password: Some(password), ..UserChange::default() };
                let user = people.change(caller, &name, change, now_ms)?;
                Reply::UserAdded(UserAdded { user, password: made })
            }
            Request::UserDisable { name } => {
                let change = UserChange { disabled: Some(true), ..UserChange::default() };
                Reply::UserDisabled(people.change(caller, &name, change, now_ms)?)
            }
            Request::DisplayTokenList => {
                Reply::DisplayTokens(Items { items: people.display_tokens(caller)? })
            }
            Request::DisplayTokenRemove { name } => {
                people.remove_display_token(caller, &name, now_ms)?;
                Reply::DisplayTokenRemoved(DisplayTokenRemoved { name })
            }
            Request::QuarantineList { device, reason, limit } => {
                self.list_quarantine(caller, device, reason, limit)?
            }
            long @ (Request::Backup { .. } | Request::DataCheck) => {
                self.run_telling(long, caller, now_ms, &mut |_| ())?
            }
        })
    }

    fn list_devices(
        &self,
        caller: &Principal,
        domain: Option<Domain>,
    ) -> Result<Items<Device>, ServiceError> {
        let devices = self.services.devices.list(caller, domain)?;
        Ok(Items { items: devices.iter().map(|device| Device::clone(device)).collect() })
    }

    fn list_quarantine(
        &self,
        caller: &Principal,
        device: Option<String>,
        reason: Option<String>,
        limit: usize,
    ) -> Result<Reply, ServiceError> {
        let reason = reason.as_deref().map(parse_reason).transpose()?;
        let filter = QuarantineFilter { device, reason, before: None };
        let page = self.services.quarantine.list(caller, filter, limit.min(QUARANTINE_LIST_MAX))?;
        Ok(Reply::Quarantine(Items { items: page.items }))
    }
}

/// Returns the password, and once more when it was made here and must be shown.
fn given_or_made(password: Option<String>) -> Result<(String, Option<String>), NoRandom> {
    /// Characters of a password that is made: some 120 bits.
    const MADE_LEN: usize = 20;
    match password {
        Some(password) => Ok((password, None)),
        None => {
            let made: String = new_token()?.chars().take(MADE_LEN).collect();
            Ok((made.clone(), Some(made)))
        }
    }
}

#[cfg(test)]
#[path = "operations_tests.rs"]
mod tests;
