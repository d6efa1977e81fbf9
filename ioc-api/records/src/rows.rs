//! What the records hold, as plain data. Times are milliseconds since the epoch.
use crate::Role;
use ioc_model::{
    Alert, AlertId, CredentialKind, DeviceId, DeviceIndex, Domain, Parent, RejectReason, Rejection, Severity,
    Transition,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A keyed or plain SHA-256 of a secret; the secret itself is never kept.
pub type SecretHash = [u8; 32];

/// One committed transition with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequenced {
    /// Journal offset of the transition record.
    pub seq: u64,
    /// What happened.
    pub transition: Arc<Transition>,
}

impl Sequenced {
    /// Joins the two.
    pub fn new(seq: u64, transition: Transition) -> Self {
        Self { seq, transition: Arc::new(transition) }
    }
}

/// One event of an alert as the journal has it, and what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEventRow {
    /// Journal offset of the record.
    pub seq: u64,
    /// Which alert; `None` where the event is of a newer program.
    pub alert: Option<AlertId>,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// The event as it was written.
    pub json: String,
    /// What is told of it; `None` when nothing is.
    pub transition: Option<Arc<Transition>>,
    /// The audit entry that it is, for what people did.
    pub audit: Option<Audit>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Sign-in name, unique.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
    /// Only these domains; empty = all.
    pub domains: Vec<Domain>,
    /// Only these wards, by code; empty = all.
    pub wards: Vec<String>,
    /// PHC string of argon2id.
    pub password_hash: String,
    /// May not sign in.
    pub disabled: bool,
    /// When it was made.
    pub created_ms: i64,
}

/// One sign-in of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the session id.
    pub hash: SecretHash,
    /// Whose.
    pub user: String,
    /// Start.
    pub created_ms: i64,
    /// End.
    pub expires_ms: i64,
}

/// A network or browser that a person has signed in from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginRow {
    /// Whose.
    pub user: String,
    /// Hash of the network or of the browser's secret.
    pub origin: SecretHash,
    /// Last sign-in from there, to the day.
    pub last_ms: i64,
}

/// Networks and browsers remembered for one person; the one that was not used for longest goes.
pub const ORIGINS_PER_USER_MAX: usize = 32;

/// Which sessions a change of a person ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// None.
    Nothing,
    /// All but this one.
    OtherSessions(SecretHash),
    /// All, and the networks and browsers are forgotten.
    Everything,
}

/// A read-only token for a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayTokenRow {
    /// Unique name, for people.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: SecretHash,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_ms: i64,
}

/// An MQTT credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// MQTT user name, unique.
    pub id: DeviceId,
    /// What it may be used for.
    pub kind: CredentialKind,
    /// Keyed hash of the token.
    pub token_hash: SecretHash,
    /// Grows with each rotation.
    pub generation: u64,
    /// Devices that are listed under a gateway, beside those whose registry parent it is.
    pub devices: Vec<DeviceId>,
    /// May not connect.
    pub disabled: bool,
    /// When it was made.
    pub created_ms: i64,
}

/// A device as the registry keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRow {
    /// Dense, never reused.
    pub index: DeviceIndex,
    /// Its name.
    pub id: DeviceId,
    /// Where it belongs.
    pub domain: Domain,
    /// Kind of the catalogue.
    pub kind: String,
    /// WGS 84 degrees.
    pub lat: f64,
    /// WGS 84 degrees.
    pub lon: f64,
    /// What it hangs on.
    pub parent: Option<Parent>,
    /// Free labels, for rules.
    pub labels: BTreeMap<String, String>,
    /// No longer in the field.
    pub retired: bool,
    /// When it was registered.
    pub created_ms: i64,
}

/// One change or sign-in, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at_ms: i64,
    /// Who: a user name, `cli:<unix user>`, `system`.
    pub actor: String,
    /// What, as in `user.add`, `session.refused`.
    pub action: String,
    /// To what.
    pub object: String,
    /// Anything else worth knowing; never a secret.
    pub detail: String,
    /// Whose field it is about.
    pub reach: Reach,
}

/// Actor of the audit entries about people who are not signed in.
pub const ANONYMOUS: &str = "anonymous";

/// Domains and wards; an empty list is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Domains.
    pub domains: Vec<Domain>,
    /// Codes of the wards.
    pub wards: Vec<String>,
}

impl Reach {
    /// Returns the place of one thing; what has no domain concerns the whole city.
    pub fn of_place(domain: Option<Domain>, ward: Option<&str>) -> Self {
        let wards = domain.and(ward).map(str::to_owned);
        Self { domains: domain.into_iter().collect(), wards: wards.into_iter().collect() }
    }

    /// Returns all these places together; of no place at all, the whole city.
    pub fn union<'p>(places: impl Iterator<Item = (Domain, Option<&'p str>)>) -> Self {
        let (mut domains, mut wards, mut lies_outside) = (BTreeSet::new(), BTreeSet::new(), false);
        for (domain, ward) in places {
            domains.insert(domain);
            wards.extend(ward);
            lies_outside |= ward.is_none();
        }
        // Outside of all wards is for those alone who are not restricted to some.
        let wards = if lies_outside { BTreeSet::new() } else { wards };
        Self { domains: domains.into_iter().collect(), wards: wards.into_iter().map(str::to_owned).collect() }
    }
}

impl Audit {
    /// Builds an entry without detail.
    pub fn new(
        at_ms: i64,
        actor: impl Into<String>,
        action: impl Into<String>,
        object: impl Into<String>,
    ) -> Self {
        Self {
            at_ms,
            actor: actor.into(),
            action: action.into(),
            object: object.into(),
            detail: String::new(),
            reach: Reach::default(),
        }
    }

    /// Says whose field it is about; without it, the whole city's.
    #[must_use]
    pub fn about(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Adds what else is worth knowing.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// One change or sign-in, as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Grows with time; the cursor.
    pub id: u64,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
    /// Anything else worth knowing.
    pub detail: String,
}

/// A page of the audit trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditEntry>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<u64>,
}

/// A rejected message, or the rejected part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Journal offset of the message; unique, the cursor.
    pub seq: u64,
    /// When it arrived.
    pub at_ms: i64,
    /// Whose, when that is known.
    pub device: Option<DeviceId>,
    /// Who sent it.
    pub credential: String,
    /// On which topic.
    pub topic: String,
    /// What was wrong; at least one.
    pub items: Vec<Rejection>,
    /// The first bytes of the payload.
    pub bytes: Vec<u8>,
    /// Length of the whole payload.
    pub bytes_len: u32,
}

/// Which rejected messages to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineQuery {
    /// Only of this device (by registry id or credential).
    pub device: Option<String>,
    /// Only with this reason.
    pub reason: Option<RejectReason>,
    /// Only before this seq.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Which alerts to list, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertQuery {
    /// Only those on the wall.
    pub open: bool,
    /// Only these severities; empty = all.
    pub severities: Vec<Severity>,
    /// Only these domains; empty = all.
    pub domains: Vec<Domain>,
    /// Only these wards; empty = all.
    pub wards: Vec<String>,
    /// Only of this device.
    pub device: Option<String>,
    /// Only those active at or after, milliseconds.
    pub from_ms: Option<i64>,
    /// Only those that became active before, milliseconds.
    pub to_ms: Option<i64>,
    /// Only those listed after this one.
    pub before: Option<AlertId>,
    /// At most so many.
    pub limit: usize,
}

/// An alert whose condition still counts after a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingAlert {
    /// As of its last transition.
    pub alert: Alert,
    /// Newest journal offset that decided one of its transitions; replaying up to it changes nothing.
    pub cause: u64,
    /// Journal offset of its last transition.
    pub seq: u64,
}
