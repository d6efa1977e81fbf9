//! Everything that changes devices, credentials and people. Each change is audited, and in force at once.
use super::{
    Foundation,
    protocol::{
        CredentialToken, DeviceAdded, DisplayTokenRemoved, Items, Reply, Request, UserAdded, UserView,
    },
};
use crate::backup::{BackupError, Progress, Source};
use ioc_identity::{IdentityError, NewUser, NoRandom, UserChange, new_token};
use ioc_ingest::{Device, NewDevice, RegistryError};
use ioc_model::{CredentialKind, DeviceId, Domain, catalogue::UnknownDomain};
use ioc_records::{Audit, CredentialRow, DeviceRow, QuarantineQuery, Reach, RecordsError};
use ioc_services::row_of;
use std::{collections::HashMap, sync::Arc};

/// Most rejected messages in one list.
const QUARANTINE_LIST_MAX: usize = 10_000;

/// Something that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The device cannot be registered.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// People.
    #[error(transparent)]
    Identity(#[from] IdentityError),
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
    /// A domain that the city does not have.
    #[error(transparent)]
    UnknownDomain(#[from] UnknownDomain),
    /// A word that is not a reason.
    #[error("{0}")]
    Reason(String),
    /// A backup, or a check of the data.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Nothing here keeps a data directory.
    #[error("there is no data directory to work on")]
    NoSource,
}

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// MQTT user name.
    pub id: DeviceId,
    /// What it may be used for.
    pub kind: CredentialKind,
    /// Devices listed under a gateway, beside those whose registry parent it is.
    pub devices: Vec<DeviceId>,
}

/// What can be done to devices, credentials and people. Every call blocks on the disk.
pub struct Operations {
    foundation: Foundation,
    devices_changed: Box<dyn Fn() + Send + Sync>,
    /// The data directory of a running server, to be backed up and checked.
    source: Option<Source>,
}

impl Operations {
    /// Works on `foundation`; calls `devices_changed` after the registry changed.
    pub fn new(foundation: Foundation, devices_changed: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { foundation, devices_changed, source: None }
    }

    /// Adds the data directory of a running server.
    pub fn keeping(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Does what `request`, which may take long, asks in the name of `actor`; calls `progress` now and then.
    ///
    /// Errors: [`OperationError`] says what would be right.
    pub fn run_telling(
        &self,
        request: Request,
        actor: &str,
        now_ms: i64,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Reply, OperationError> {
        let source = || self.source.as_ref().ok_or(OperationError::NoSource);
        match request {
            Request::Backup { directory } => {
                let manifest = source()?.back_up(&directory, progress)?;
                let audit = Audit::new(now_ms, actor, "data.backup", directory.display().to_string());
                self.foundation.records.append_audit(&audit)?;
                Ok(Reply::Backup(manifest))
            }
            Request::DataCheck => Ok(Reply::DataChecked(source()?.check(progress)?)),
            request => self.run(request, actor, now_ms),
        }
    }

    /// Does what `request` asks in the name of `actor`.
    ///
    /// Errors: [`OperationError`] says what would be right; nothing has changed then.
    pub fn run(&self, request: Request, actor: &str, now_ms: i64) -> Result<Reply, OperationError> {
        match request {
            Request::DeviceAdd(device) => self.add_device(device, actor, now_ms).map(Reply::DeviceAdded),
            Request::DeviceList { domain } => self.devices(domain).map(Reply::Devices),
            Request::DeviceRotate { id } => self.rotate(&id, actor, now_ms).map(Reply::Credential),
            Request::CredentialAdd { id, kind, devices } => {
                let credential = NewCredential { id, kind, devices };
                self.add_credential(credential, actor, now_ms).map(Reply::Credential)
            }
            Request::UserAdd { name, role, domains, wards, password } => {
                let (password, made) = given_or_made(password)?;
                let new = NewUser { name, role, domains, wards, password };
                let row = self.foundation.identity.add_user(new, actor, now_ms)?;
                Ok(Reply::UserAdded(UserAdded { user: UserView::from(&*row), password: made }))
            }
            Request::UserList => {
                let users = self.foundation.identity.users();
                Ok(Reply::Users(Items { items: users.iter().map(|row| UserView::from(&**row)).collect() }))
            }
            Request::UserPasswd { name, password } => {
                let (password, made) = given_or_made(password)?;
                let change = UserChange { password: Some(password), ..UserChange::default() };
                let row = self.foundation.identity.change_user(&name, change, actor, now_ms)?;
                Ok(Reply::UserAdded(UserAdded { user: UserView::from(&*row), password: made }))
            }
            Request::UserDisable { name } => {
                let change = UserChange { disabled: Some(true), ..UserChange::default() };
                let row = self.foundation.identity.change_user(&name, change, actor, now_ms)?;
                Ok(Reply::UserDisabled(UserView::from(&*row)))
            }
            Request::DisplayTokenList => {
                let tokens = self.foundation.identity.display_tokens()?;
                Ok(Reply::DisplayTokens(Items { items: tokens.into_iter().map(Into::into).collect() }))
            }
            Request::DisplayTokenRemove { name } => {
                self.foundation.identity.remove_display_token(&name, actor, now_ms)?;
                Ok(Reply::DisplayTokenRemoved(DisplayTokenRemoved { name }))
            }
            Request::QuarantineList { device, reason, limit } => self.quarantine(device, reason, limit),
            long @ (Request::Backup { .. } | Request::DataCheck) => {
                self.run_telling(long, actor, now_ms, &mut |_| ())
            }
        }
    }

    /// Registers a device and makes its credential.
    ///
    /// Errors: [`OperationError`]; nothing has changed then.
    pub fn add_device(
        &self,
        device: NewDevice,
        actor: &str,
        now_ms: i64,
    ) -> Result<DeviceAdded, OperationError> {
        let token = new_token()?;
        let id = device.id.clone();
        let credential = NewCredential { id: id.clone(), kind: CredentialKind::Device, devices: Vec::new() };
        let row = self.row(credential, &token, now_ms);
        let ward = self.foundation.city.wards.ward_of(device.lat, device.lon).map(|ward| &*ward.code);
        let audit = Audit::new(now_ms, actor, "device.add", id.as_str());
        let audit = audit.about(Reach::of_place(Some(device.domain), ward));
        let detail = format!("{} in {}", device.kind, device.domain);
        let devices = self.enrol(vec![device], vec![row], audit.with_detail(detail), now_ms)?;
        let device = devices.into_iter().next().ok_or_else(|| OperationError::UnknownDevice(id.clone()))?;
        Ok(DeviceAdded { id: id.to_string(), token, device: Device::clone(&device) })
    }

    /// Registers the devices and credentials of a simulated city that are not there yet, and returns the token
    /// of every one of `credentials` by id. Their tokens are derived from the directory's key, so that the next
    /// start knows them too; a credential that was rotated since keeps its new token and is refused the old one.
    ///
    /// Errors: [`OperationError`]; nothing has changed then.
    pub fn simulate(
        &self,
        devices: Vec<NewDevice>,
        credentials: Vec<NewCredential>,
        now_ms: i64,
    ) -> Result<HashMap<String, String>, OperationError> {
        let Foundation { registry, grants, .. } = &self.foundation;
        let known = registry.devices();
        let tokens: HashMap<String, String> =
            credentials.iter().map(|c| (c.id.to_string(), grants.derive(c.id.as_str()))).collect();
        let devices: Vec<_> = devices.into_iter().filter(|d| known.by_id(d.id.as_str()).is_none()).collect();
        let missing = credentials.into_iter().filter(|c| !grants.contains(c.id.as_str()));
        let rows: Vec<_> = missing
            .map(|c| (grants.derive(c.id.as_str()), c))
            .map(|(t, c)| self.row(c, &t, now_ms))
            .collect();
        if !devices.is_empty() || !rows.is_empty() {
            let detail = format!("{} devices, {} credentials", devices.len(), rows.len());
            let audit = Audit::new(now_ms, "system", "device.add", "demo").with_detail(detail);
            self.enrol(devices, rows, audit, now_ms)?;
        }
        Ok(tokens)
    }

    /// Writes devices and credentials, all or none, and puts them in force.
    fn enrol(
        &self,
        devices: Vec<NewDevice>,
        credentials: Vec<CredentialRow>,
        audit: Audit,
        now_ms: i64,
    ) -> Result<Vec<Arc<Device>>, OperationError> {
        let Foundation { registry, records, grants, .. } = &self.foundation;
        self.refuse_lookalikes(&credentials)?;
        let added = registry.edit(
            |draft| draft.insert_many(devices, now_ms),
            |changed| {
                let rows: Vec<DeviceRow> = changed.iter().map(|device| row_of(device)).collect();
                records.insert_devices(&rows, &credentials, &audit).map_err(OperationError::from)
            },
        )?;
        grants.put(&credentials);
        (self.devices_changed)();
        Ok(added)
    }

    /// Makes a credential.
    ///
    /// Errors: a name that is taken, a device that is not registered.
    pub fn add_credential(
        &self,
        credential: NewCredential,
        actor: &str,
        now_ms: i64,
    ) -> Result<CredentialToken, OperationError> {
        let devices = self.foundation.registry.devices();
        let own = (credential.kind == CredentialKind::Device).then_some(&credential.id);
        if let Some(id) =
            own.into_iter().chain(&credential.devices).find(|id| devices.by_id(id.as_str()).is_none())
        {
            return Err(OperationError::UnknownDevice(id.clone()));
        }
        if credential.kind != CredentialKind::Gateway && !credential.devices.is_empty() {
            return Err(OperationError::NotAGateway(credential.kind));
        }
        let (token, kind, id) = (new_token()?, credential.kind, credential.id.to_string());
        let detail = format!("{kind}, {} devices listed", credential.devices.len());
        let row = self.row(credential, &token, now_ms);
        self.refuse_lookalikes(std::slice::from_ref(&row))?;
        let audit = Audit::new(now_ms, actor, "credential.add", &id).about(self.reach(&row));
        let audit = audit.with_detail(detail);
        self.foundation.records.insert_credentials(std::slice::from_ref(&row), &audit)?;
        self.foundation.grants.put(&[row]);
        Ok(CredentialToken { id, kind, token })
    }

    /// Gives a credential another token. The old one is refused from now on, and who is connected with it is
    /// disconnected within a second.
    ///
    /// Errors: a credential that does not exist.
    pub fn rotate(&self, id: &DeviceId, actor: &str, now_ms: i64) -> Result<CredentialToken, OperationError> {
        let Foundation { records, grants, .. } = &self.foundation;
        let missing = || RecordsError::Missing { what: "credential", name: id.to_string() };
        let found = records.credentials()?.into_iter().find(|row| row.id == *id).ok_or_else(missing)?;
        let token = new_token()?;
        let row =
            CredentialRow { token_hash: grants.hash(&token), generation: found.generation + 1, ..found };
        let audit = Audit::new(now_ms, actor, "credential.rotate", id.as_str()).about(self.reach(&row));
        records.update_credential(&row, &audit)?;
        let kind = row.kind;
        grants.put(&[row]);
        Ok(CredentialToken { id: id.to_string(), kind, token })
    }

    /// Refuses an id that differs from another only by capitals: people take it for the same.
    fn refuse_lookalikes(&self, credentials: &[CredentialRow]) -> Result<(), OperationError> {
        let found = self.foundation.grants.lookalike(credentials.iter().map(|row| row.id.as_str()));
        found.map_or(Ok(()), |(id, known)| Err(OperationError::Lookalike { id, known }))
    }

    /// Returns whose field an audit entry about this credential is about: that of the devices it speaks for.
    fn reach(&self, credential: &CredentialRow) -> Reach {
        let devices = self.foundation.registry.devices();
        let id = credential.id.as_str();
        let speaks_for = |device: &&Arc<Device>| {
            device.id == credential.id || credential.devices.contains(&device.id) || device.is_under(id)
        };
        let own = devices.iter().filter(|_| credential.kind != CredentialKind::App).filter(speaks_for);
        Reach::union(own.map(|device| (device.domain, device.ward.as_deref())))
    }

    fn row(&self, credential: NewCredential, token: &str, now_ms: i64) -> CredentialRow {
        let NewCredential { id, kind, devices } = credential;
        let token_hash = self.foundation.grants.hash(token);
        CredentialRow { id, kind, token_hash, generation: 1, devices, disabled: false, created_ms: now_ms }
    }

    fn devices(&self, domain: Option<Domain>) -> Result<Items<Device>, OperationError> {
        let domain = domain.map(|name| self.foundation.catalogue.known_domain(name)).transpose()?;
        let devices = self.foundation.registry.devices();
        let wanted = devices.iter().filter(|device| domain.is_none_or(|domain| device.domain == domain));
        Ok(Items { items: wanted.map(|device| Device::clone(device)).collect() })
    }

    fn quarantine(
        &self,
        device: Option<String>,
        reason: Option<String>,
        limit: usize,
    ) -> Result<Reply, OperationError> {
        let reason = reason.map(|word| word.parse()).transpose();
        let reason = reason.map_err(|error: ioc_model::words::UnknownWord| {
            let known: Vec<&str> = ioc_model::RejectReason::ALL.iter().map(|r| r.as_str()).collect();
            OperationError::Reason(format!("{error}: {}", known.join(", ")))
        })?;
        let query = QuarantineQuery { device, reason, before: None, limit: limit.min(QUARANTINE_LIST_MAX) };
        let rows = self.foundation.records.quarantine(&query)?;
        Ok(Reply::Quarantine(Items { items: rows.into_iter().map(Into::into).collect() }))
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
