//! History of every observation, in compressed columns.
//!
//! Recent readings are in memory; the journal is their write-ahead log. About every two hours, or when memory is at
//! its bound, a thread of the store writes them to immutable segment files, one per span of event time, and then
//! replaces the manifest. So a crash loses nothing: after opening, the journal is replayed from
//! [`Store::replay_from`]. Late readings take the same way, into further segments of their span, which are merged
//! when there are several; of two values for the same time the last accepted one holds. Readers take a snapshot of
//! memory and then of the segments, and never wait for sealing.
//!
//! | Module | Owns |
//! |---|---|
//! | `store` | the handle |
//! | `inner` | the state; applying, outcomes, freezing |
//! | `head` | readings in memory, in groups of 64 devices |
//! | `sealer` | the thread: sealing, merging, retention |
//! | `block`, `segment`, `manifest`, `newest` | the files |
//! | `sealed` | the snapshot of segments, reading blocks, damage |
//! | `scan`, `query` | reading |
//! | `horizon` | where retention ends |
//! | [`History`] | the queries, for other backends too |
//!
//! Ward, domain and labels are not known here: callers join them. The time of day is not read here: callers say it.
mod block;
mod config;
mod error;
mod head;
mod history;
mod horizon;
mod inner;
mod manifest;
mod newest;
mod query;
mod scan;
mod sealed;
mod sealer;
mod segment;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use config::StoreConfig;
pub use error::{Damage, StoreError};
pub use history::{BUCKETS_MAX, History, QueryError};
pub use store::{Meters, Store};
pub use types::{Aggregate, Bucket, GroupBucket, Outcome, Point, Series, TimeRange};
