//! The records: people, sessions, credentials, the device registry, the audit trail, and the projections of
//! quarantine and alerts.
//!
//! Owns what must be looked up by name and survives a restart, behind traits ([`RecordsBackend`] is all of
//! them), so that nobody else knows it is SQLite. The journal is the truth about alerts and rejected
//! messages; what is kept here of them is a projection that remembers up to which offset it goes, so replay
//! repeats nothing. Leaves passwords, tokens and decisions to those who use them.
//!
//! Every call blocks on the disk: call from threads or `spawn_blocking`, never from an async task.
pub mod changes;
mod config;
mod error;
mod late;
mod random;
mod role;
mod rows;
mod sqlite;
pub mod stamp;

pub use config::Config;
pub use error::RecordsError;
pub use late::{LateWrites, Write, Written};
pub use random::{NoRandom, random_bytes};
pub use role::{Role, UnknownRole};
pub use rows::{
    ANONYMOUS, AlertEventRow, AlertQuery, Audit, AuditEntry, AuditPage, CredentialRow, DeviceRow,
    DisplayTokenRow, Ends, ORIGINS_PER_USER_MAX, OriginRow, QuarantineQuery, QuarantineRow, Reach,
    SecretHash, Sequenced, SessionRow, StandingAlert, UserRow,
};
pub use sqlite::{
    SqliteRecords,
    identity::{RecordsSummary, check, copy, go_on_from, lose_devices, note_leap, summarize, write_identity},
};

use ioc_model::{Alert, AlertId};
use std::{ops::RangeInclusive, sync::Arc};

/// A handle on the records; cheap to clone.
pub type Records = Arc<dyn RecordsBackend>;

type Result<T> = std::result::Result<T, RecordsError>;

/// People. Every change is written together with its audit entry.
pub trait Users {
    /// Returns everyone, by name.
    fn users(&self) -> Result<Vec<UserRow>>;
    /// Adds a person. Errors: [`RecordsError::Exists`].
    fn insert_user(&self, user: &UserRow, audit: &Audit) -> Result<()>;
    /// Replaces a person's row, and ends sessions in the same step. Errors: [`RecordsError::Missing`].
    fn update_user(&self, user: &UserRow, ends: Ends, audit: &Audit) -> Result<()>;
}

/// Sign-ins and display tokens.
pub trait Sessions {
    /// Returns the sessions that end after `now_ms`, oldest first.
    fn sessions(&self, now_ms: i64) -> Result<Vec<SessionRow>>;
    /// Forgets the sessions that ended before `now_ms`.
    fn prune_sessions(&self, now_ms: i64) -> Result<()>;
    /// Adds a session, and where it came from.
    fn insert_session(&self, session: &SessionRow, origins: &[OriginRow], audit: &Audit) -> Result<()>;
    /// Returns where people have signed in from since `since_ms`.
    fn origins(&self, since_ms: i64) -> Result<Vec<OriginRow>>;
    /// Ends a session; nothing happens when there is none.
    fn delete_session(&self, hash: &SecretHash, audit: &Audit) -> Result<()>;
    /// Returns every display token, by name.
    fn display_tokens(&self) -> Result<Vec<DisplayTokenRow>>;
    /// Adds a display token. Errors: [`RecordsError::Exists`].
    fn insert_display_token(&self, token: &DisplayTokenRow, audit: &Audit) -> Result<()>;
    /// Removes a display token. Errors: [`RecordsError::Missing`].
    fn delete_display_token(&self, name: &str, audit: &Audit) -> Result<()>;
}

/// MQTT credentials and the device registry.
pub trait Registry {
    /// Returns every credential, by id.
    fn credentials(&self) -> Result<Vec<CredentialRow>>;
    /// Adds credentials, all or none. Errors: [`RecordsError::Exists`].
    fn insert_credentials(&self, credentials: &[CredentialRow], audit: &Audit) -> Result<()>;
    /// Replaces a credential's row. Errors: [`RecordsError::Missing`].
    fn update_credential(&self, credential: &CredentialRow, audit: &Audit) -> Result<()>;
    /// Returns every device, by index.
    fn devices(&self) -> Result<Vec<DeviceRow>>;
    /// Adds devices with their credentials, all or none; an index must be the next free one.
    /// Errors: [`RecordsError::Exists`].
    fn insert_devices(
        &self,
        devices: &[DeviceRow],
        credentials: &[CredentialRow],
        audit: &Audit,
    ) -> Result<()>;
}

/// The audit trail.
pub trait AuditTrail {
    /// Adds an entry for something that changed nothing else here (a refused sign-in).
    fn append_audit(&self, audit: &Audit) -> Result<()>;
    /// Adds an entry about someone who is not signed in, and forgets the oldest of those beyond `rows_max`.
    fn append_anonymous(&self, audit: &Audit, rows_max: u32) -> Result<()>;
    /// Lists the entries before id `before` that `shows` lets through, newest first, at most `limit`. A page may be
    /// short where few of many are let through.
    fn audit(&self, before: Option<u64>, limit: usize, shows: &dyn Fn(&Reach) -> bool) -> Result<AuditPage>;
    /// Forgets entries older than `before_ms`.
    fn prune_audit(&self, before_ms: i64) -> Result<()>;
}

/// The projection of rejected messages.
pub trait Quarantine {
    /// Adds the rejected messages of a batch that goes up to journal offset `through`, and forgets the
    /// oldest beyond `rows_max`. Rows up to the offset that was reached before are skipped.
    fn append_quarantine(&self, rows: &[QuarantineRow], through: u64, rows_max: u32) -> Result<()>;
    /// Returns the journal offset up to which rejected messages are kept here.
    fn quarantined_through(&self) -> Result<u64>;
    /// Lists rejected messages, newest first.
    fn quarantine(&self, query: &QuarantineQuery) -> Result<Vec<QuarantineRow>>;
    /// Counts the rejected messages kept.
    fn quarantine_len(&self) -> Result<u64>;
}

/// The projection of alerts and their transitions, and the home of their events once the journal lets them go.
pub trait Alerts {
    /// Adds events, in order, from a batch that goes up to offset `through`, with what they come to and their audit entries,
    /// all in one step. Those up to the offset that was reached before are skipped.
    fn apply_alert_events(&self, events: &[AlertEventRow], through: u64) -> Result<()>;
    /// Returns the journal offset up to which events are kept here.
    fn applied_through(&self) -> Result<u64>;
    /// Returns at most `limit` events with an offset after `seq`, in order, as they were written.
    fn alert_events_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, String)>>;
    /// Forgets the events from before `before_ms`.
    fn prune_alert_events(&self, before_ms: i64) -> Result<()>;
    /// Returns the newest snapshot of the fold over the events.
    fn alert_snapshot(&self) -> Result<Option<Vec<u8>>>;
    /// Replaces the snapshot.
    fn keep_alert_snapshot(&self, bytes: &[u8]) -> Result<()>;
    /// Lists alerts that have fired, newest first.
    fn alerts(&self, query: &AlertQuery) -> Result<Vec<Alert>>;
    /// Finds one alert.
    fn alert(&self, id: AlertId) -> Result<Option<Alert>>;
    /// Returns what happened to one alert, oldest first.
    fn transitions_of(&self, id: AlertId) -> Result<Vec<Sequenced>>;
    /// Returns the alerts whose condition is pending or firing, resolved ones included.
    fn standing_alerts(&self) -> Result<Vec<StandingAlert>>;
    /// Returns at most `limit` transitions with an offset after `seq`, in order.
    fn transitions_after(&self, seq: u64, limit: usize) -> Result<Vec<Sequenced>>;
    /// Returns the newest transitions, at most `limit`, in order.
    fn newest_transitions(&self, limit: usize) -> Result<Vec<Sequenced>>;
    /// Returns the offset of the newest transition that was ever recorded; 0 when there was none.
    fn newest_transition(&self) -> Result<u64>;
    /// Returns the highest offset of a transition that has been forgotten; resuming before it has gaps.
    fn forgotten_through(&self) -> Result<u64>;
    /// Returns the offsets that were passed over, the first and the last: whoever was told one of them was told of another life
    /// of this directory. Where that was done more than once, from the first of all to the last of all.
    fn passed_over(&self) -> Result<Option<RangeInclusive<u64>>>;
    /// Forgets the alerts that were cleared or resolved before `before_ms`, and their transitions.
    fn prune_alerts(&self, before_ms: i64) -> Result<()>;
}

/// Everything the records can do.
pub trait RecordsBackend:
    Users + Sessions + Registry + AuditTrail + Quarantine + Alerts + Send + Sync + 'static
{
    /// Puts the projections on disk, and returns the journal offset up to which both of them are safe: what
    /// lies below may be deleted from the journal.
    fn sync_projections(&self) -> Result<u64>;
}
