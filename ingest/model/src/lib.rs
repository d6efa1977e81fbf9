//! The vocabulary of the operations center. No I/O, no clock, no threads: every other crate may depend on
//! this one, and it depends on none of ours.
//!
//! | Module | Holds |
//! |---|---|
//! | [`ids`] | identifiers: devices, properties, alerts, fingerprints |
//! | [`domain`] | names of the fields of the city, which the catalogue lists |
//! | [`string_enum`] | closed sets of strings: severities, credential kinds |
//! | [`catalogue`] | domains, properties with unit and physical range, device kinds with reporting period |
//! | [`observation`] | one value of one property of one device, and its quality |
//! | [`message`] | one committed device message: accepted observations and what was rejected, and its binary form |
//! | [`presence`] | a device came online or went offline |
//! | [`topic`] | the MQTT topic grammar and filter matching |
//! | [`alert`] | alerts, their transitions and the evidence each transition carries |
//! | [`parent`] | what a device hangs on |
//! | [`record`] | the kinds of journal records |
//! | [`settings`] | what is wrong with a setting, and what would be right |
//! | [`share`] | fair shares: what one caller may take of what all need |
//! | [`text`] | Unicode forms of text from outside: for identity and for search |
//! | [`time`] | the time policy: what is current, newer, late, and which clocks are wrong |
//! | [`units`] | settings with a unit: spans of time, sizes, listening addresses |
//!
//! Times are `i64` milliseconds since the Unix epoch, UTC, in fields ending in `_ms` or documented so.
pub mod alert;
pub mod catalogue;
pub mod domain;
pub mod ids;
pub mod message;
pub mod observation;
pub mod parent;
pub mod presence;
pub mod record;
pub mod settings;
pub mod share;
pub mod string_enum;
pub mod text;
pub mod time;
pub mod topic;
pub mod units;
pub mod wire;

pub use alert::{Alert, Condition, Evidence, Transition, TransitionKind};
pub use catalogue::{Catalogue, DeviceKind, Property, ValueKind};
pub use domain::Domain;
pub use ids::{AlertId, DeviceId, DeviceIndex, Fingerprint, PropertyId};
pub use message::{Message, Origin, Receipt, RejectReason, Rejected, Rejection, Repeatable};
#[cfg(feature = "schema")]
pub use observation::QualityFlag;
pub use observation::{Observation, Quality};
pub use parent::{Parent, ParentKind};
pub use presence::Presence;
pub use record::RecordKind;
pub use string_enum::{CredentialKind, Severity};
pub use topic::{DeviceTopic, TopicLeaf};
