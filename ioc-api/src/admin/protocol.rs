//! The line protocol of the admin socket: one request per connection as a line of JSON, one reply.
use super::OperationError;
use crate::backup::{CheckReport, Manifest, Progress};
use ioc_identity::Role;
use ioc_ingest::{Device, NewDevice};
use ioc_model::{CredentialKind, DeviceId, Domain};
use ioc_records::{DisplayTokenRow, QuarantineRow, UserRow};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest request, in bytes.
pub(super) const REQUEST_LEN_MAX: u64 = 1 << 20;
/// Longest answer, in bytes: a list of the largest registry.
pub(super) const ANSWER_LEN_MAX: u64 = 256 << 20;

/// What the command line can ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Request {
    /// Registers a device and makes its credential.
    DeviceAdd(NewDevice),
    /// Lists devices.
    DeviceList {
        /// Only of this domain.
        domain: Option<Domain>,
    },
    /// Gives a credential another token; the old one ends at once.
    DeviceRotate {
        /// Device or other credential.
        id: DeviceId,
    },
    /// Makes a credential.
    CredentialAdd {
        /// MQTT user name.
        id: DeviceId,
        /// What it may be used for.
        kind: CredentialKind,
        /// Devices listed under a gateway.
        devices: Vec<DeviceId>,
    },
    /// Adds a person.
    UserAdd {
        /// Sign-in name.
        name: String,
        /// What they may do at most.
        role: Role,
        /// Only these domains; empty = all.
        domains: Vec<Domain>,
        /// Only these wards; empty = all.
        wards: Vec<String>,
        /// `None` makes one.
        password: Option<String>,
    },
    /// Lists people.
    UserList,
    /// Gives a person another password.
    UserPasswd {
        /// Sign-in name.
        name: String,
        /// `None` makes one.
        password: Option<String>,
    },
    /// Ends a person's access; what they did stays theirs in the records.
    UserDisable {
        /// Sign-in name.
        name: String,
    },
    /// Lists display tokens.
    DisplayTokenList,
    /// Removes a display token.
    DisplayTokenRemove {
        /// Its name.
        name: String,
    },
    /// Lists rejected messages, newest first.
    QuarantineList {
        /// Only of this device or credential.
        device: Option<String>,
        /// Only with this reason.
        reason: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Backs the data directory up.
    Backup {
        /// Where to, as an absolute path.
        directory: PathBuf,
    },
    /// Reads everything on disk and checks it.
    DataCheck,
}

impl Request {
    /// Reports whether there must be a data directory already.
    pub fn needs_data(&self) -> bool {
        let is_list = matches!(
            self,
            Self::DeviceList { .. }
                | Self::UserList
                | Self::DisplayTokenList
                | Self::DisplayTokenRemove { .. }
                | Self::UserDisable { .. }
                | Self::QuarantineList { .. }
        );
        is_list || self.is_long()
    }

    /// Reports whether it takes a time that grows with the data, and tells of its progress.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Backup { .. } | Self::DataCheck)
    }
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::DeviceAdd`].
    DeviceAdded(DeviceAdded),
    /// To [`Request::DeviceList`].
    Devices(Items<Device>),
    /// To [`Request::DeviceRotate`] and [`Request::CredentialAdd`].
    Credential(CredentialToken),
    /// To [`Request::UserAdd`] and [`Request::UserPasswd`].
    UserAdded(UserAdded),
    /// To [`Request::UserList`].
    Users(Items<UserView>),
    /// To [`Request::UserDisable`].
    UserDisabled(UserView),
    /// To [`Request::DisplayTokenList`].
    DisplayTokens(Items<DisplayTokenView>),
    /// To [`Request::DisplayTokenRemove`].
    DisplayTokenRemoved(DisplayTokenRemoved),
    /// To [`Request::QuarantineList`].
    Quarantine(Items<QuarantineView>),
    /// To [`Request::Backup`].
    Backup(Manifest),
    /// To [`Request::DataCheck`].
    DataChecked(CheckReport),
}

/// A list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Items<T> {
    /// In the order of the list.
    pub items: Vec<T>,
}

/// A device that was registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceAdded {
    /// MQTT user name.
    pub id: String,
    /// MQTT password; shown this once.
    pub token: String,
    /// As registered.
    pub device: Device,
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

/// A person whose password was set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserAdded {
    /// The person.
    #[serde(flatten)]
    pub user: UserView,
    /// The password, when it was made here; shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A person, without anything secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserView {
    /// Sign-in name.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
    /// Only these domains; empty = all.
    pub domains: Vec<Domain>,
    /// Only these wards; empty = all.
    pub wards: Vec<String>,
    /// May not sign in.
    pub disabled: bool,
    /// When they were added, milliseconds since the epoch.
    pub created_at: i64,
}

impl From<&UserRow> for UserView {
    fn from(row: &UserRow) -> Self {
        let UserRow { name, role, domains, wards, disabled, created_ms, .. } = row.clone();
        Self { name, role, domains, wards, disabled, created_at: created_ms }
    }
}

/// A display token, without itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DisplayTokenView {
    /// Its name.
    pub name: String,
    /// Name of the person who made it.
    pub created_by: String,
    /// When, milliseconds since the epoch.
    pub created_at: i64,
}

impl From<DisplayTokenRow> for DisplayTokenView {
    fn from(row: DisplayTokenRow) -> Self {
        Self { name: row.name, created_by: row.created_by, created_at: row.created_ms }
    }
}

/// A display token that was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DisplayTokenRemoved {
    /// Its name.
    pub name: String,
}

/// A rejected message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuarantineView {
    /// Grows with time.
    pub seq: u64,
    /// When it arrived, milliseconds since the epoch.
    pub at: i64,
    /// Whose, when that is known.
    pub device: Option<DeviceId>,
    /// Who sent it.
    pub credential: String,
    /// On which topic.
    pub topic: String,
    /// Why: reason and detail of each rejected observation.
    pub items: Vec<RejectionView>,
    /// The first bytes of the payload as text; what is not UTF-8 is replaced.
    pub payload: String,
    /// The same bytes, hexadecimal.
    pub payload_hex: String,
    /// Length of the whole payload.
    pub payload_len: u32,
}

/// One rejected observation, or the whole message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RejectionView {
    /// From a closed set.
    pub reason: String,
    /// What was found and what would be right.
    pub detail: String,
}

impl From<QuarantineRow> for QuarantineView {
    fn from(row: QuarantineRow) -> Self {
        let rejection = |item: ioc_model::Rejection| RejectionView {
            reason: item.reason.to_string(),
            detail: item.detail,
        };
        Self {
            seq: row.seq,
            at: row.at_ms,
            device: row.device,
            credential: row.credential,
            topic: row.topic,
            items: row.items.into_iter().map(rejection).collect(),
            payload: String::from_utf8_lossy(&row.bytes).into_owned(),
            payload_hex: row.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            payload_len: row.bytes_len,
        }
    }
}

/// What travels back over the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Done.
    Done(Reply),
    /// Not done, and why.
    Refused(String),
    /// Not done yet; more answers follow.
    Progress(Progress),
}

impl From<Result<Reply, OperationError>> for Answer {
    fn from(result: Result<Reply, OperationError>) -> Self {
        result.map_or_else(|error| Self::Refused(chain(&error)), Self::Done)
    }
}

/// Writes an error with everything behind it that its own text does not say already.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
        source = error.source();
    }
    text
}
