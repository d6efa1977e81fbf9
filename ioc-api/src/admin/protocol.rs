//! The line protocol of the admin socket: one request per connection as a line of JSON, one reply.
use super::OperationError;
use crate::backup::{CheckReport, Manifest, Progress};
use ioc_identity::Role;
use ioc_ingest::{Device, NewDevice};
use ioc_model::{CredentialKind, DeviceId, Domain};
use ioc_services::{CredentialToken, DeviceAdded, DisplayTokenView, QuarantineView, UserView};
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

/// A display token that was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DisplayTokenRemoved {
    /// Its name.
    pub name: String,
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
