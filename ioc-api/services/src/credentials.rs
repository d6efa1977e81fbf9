//! MQTT credentials: what devices, gateways and applications sign in with.
use crate::{Foundation, ServiceError, demand};
use ioc_identity::{Action, Principal, Resource, new_token};
use ioc_ingest::Device;
use ioc_model::{CredentialKind, DeviceId};
use ioc_records::{Audit, CredentialRow, Reach, RecordsError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// A credential with its new token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialToken {
    /// MQTT user name.
    pub id: String,
    /// What it may be used for.
    pub kind: CredentialKind,
    /// MQTT password; shown this once.
    pub token: String,
}

/// What can be done to credentials. Every call blocks on the disk.
#[derive(Clone)]
pub struct Credentials(Foundation);

impl Credentials {
    /// Works on `foundation`.
    pub(crate) fn new(foundation: Foundation) -> Self {
        Self(foundation)
    }

    /// Makes a credential.
    ///
    /// Errors: a caller who may not, a name that is taken, a device that is not registered.
    pub fn add(
        &self,
        caller: &Principal,
        credential: NewCredential,
        now_ms: i64,
    ) -> Result<CredentialToken, ServiceError> {
        self.demand_devices(&credential)?;
        let (token, kind, id) = (new_token()?, credential.kind, credential.id.to_string());
        let detail = format!("{kind}, {} devices listed", credential.devices.len());
        let row = row(&self.0, credential, &token, now_ms);
        let reach = self.reach(&row);
        demand_reach(caller, &reach)?;
        refuse_lookalikes(&self.0, std::slice::from_ref(&row))?;
        let audit = Audit::new(now_ms, &*caller.name, "credential.add", &id).about(reach);
        let audit = audit.with_detail(detail);
        self.0.records.insert_credentials(std::slice::from_ref(&row), &audit)?;
        self.0.grants.put(&[row]);
        Ok(CredentialToken { id, kind, token })
    }

    /// Gives a credential another token. The old one is refused from now on, and who is connected with it is
    /// disconnected within a second.
    ///
    /// Errors: a caller who may not, a credential that does not exist.
    pub fn rotate(
        &self,
        caller: &Principal,
        id: &DeviceId,
        now_ms: i64,
    ) -> Result<CredentialToken, ServiceError> {
        let Foundation { records, grants, .. } = &self.0;
        let missing = || RecordsError::Missing { what: "credential", name: id.to_string() };
        let found = records.credentials()?.into_iter().find(|row| row.id == *id).ok_or_else(missing)?;
        let reach = self.reach(&found);
        demand_reach(caller, &reach)?;
        let token = new_token()?;
        let row =
            CredentialRow { token_hash: grants.hash(&token), generation: found.generation + 1, ..found };
        let audit = Audit::new(now_ms, &*caller.name, "credential.rotate", id.as_str()).about(reach);
        records.update_credential(&row, &audit)?;
        let kind = row.kind;
        grants.put(&[row]);
        Ok(CredentialToken { id: id.to_string(), kind, token })
    }

    /// Demands that a credential's devices are there, and that it is of a kind that has some.
    fn demand_devices(&self, credential: &NewCredential) -> Result<(), ServiceError> {
        let devices = self.0.registry.devices();
        let own = (credential.kind == CredentialKind::Device).then_some(&credential.id);
        let mut named = own.into_iter().chain(&credential.devices);
        if let Some(id) = named.find(|id| devices.by_id(id.as_str()).is_none()) {
            return Err(ServiceError::UnknownDevice(id.clone()));
        }
        if credential.kind != CredentialKind::Gateway && !credential.devices.is_empty() {
            return Err(ServiceError::NotAGateway(credential.kind));
        }
        Ok(())
    }

    /// Returns whose field this credential is about: that of the devices it speaks for.
    fn reach(&self, credential: &CredentialRow) -> Reach {
        let devices = self.0.registry.devices();
        let id = credential.id.as_str();
        let speaks_for = |device: &&Arc<Device>| {
            device.id == credential.id || credential.devices.contains(&device.id) || device.is_under(id)
        };
        let own = devices.iter().filter(|_| credential.kind != CredentialKind::App).filter(speaks_for);
        Reach::union(own.map(|device| (device.domain, device.ward.as_deref())))
    }
}

fn demand_reach(caller: &Principal, Reach { domains, wards }: &Reach) -> Result<(), ServiceError> {
    demand(caller, Action::ManageDevices, &Resource::Reach { domains, wards })
}

/// Builds the row of a new credential.
pub(crate) fn row(
    foundation: &Foundation,
    credential: NewCredential,
    token: &str,
    now_ms: i64,
) -> CredentialRow {
    let NewCredential { id, kind, devices } = credential;
    let token_hash = foundation.grants.hash(token);
    CredentialRow { id, kind, token_hash, generation: 1, devices, disabled: false, created_ms: now_ms }
}

/// Refuses an id that differs from another only by capitals: people take it for the same.
pub(crate) fn refuse_lookalikes(
    foundation: &Foundation,
    credentials: &[CredentialRow],
) -> Result<(), ServiceError> {
    let found = foundation.grants.lookalike(credentials.iter().map(|row| row.id.as_str()));
    found.map_or(Ok(()), |(id, known)| Err(ServiceError::Lookalike { id, known }))
}
