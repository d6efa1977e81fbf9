//! History of every observation, in compressed columns.
//!
//! Recent readings are in memory; the journal is their write-ahead log. About every two hours, when memory is at its
//! bound, or when much of the journal would be read again after a crash, a thread of the store writes them to immutable
//! segment files and then replaces the manifest. So a crash loses nothing: after opening, the journal is replayed from
//! [`HistoryWriter::replay_from`]. A span of event time that has an eighth of the readings gets a file; the readings of all
//! others, however scattered, share one wide file, as do corrections. Files of a span are merged when there are several,
//! wide ones by size. Readers take a snapshot of memory and then of the segments, and never wait for sealing.
//!
//! | Module | Owns |
//! |---|---|
//! | `store` | the handle of the embedded history |
//! | `inner`, `batch` | the state; applying, outcomes, freezing |
//! | `head`, `run`, `lanes` | readings in memory, in groups of 64 devices |
//! | `lookup`, `cache` | whether the segments have a late reading |
//! | `sealer` | the thread: sealing, merging, retention |
//! | `seal`, `cut`, `merge` | which readings go into which file |
//! | `block`, `segment`, `manifest`, `newest` | the files |
//! | `sealed` | the snapshot of segments, reading blocks, damage |
//! | `sweep`, `scan`, `points`, `query`, `summary`, `summarize` | reading |
//! | `horizon` | where retention ends |
//! | `outline` | looking at the files of a store without opening it |
//! | `history` | the port: queries ([`History`]) and writing ([`HistoryWriter`]), for other backends too |
//!
//! Ward, domain and labels are not known here: callers join them. The time of day is not read here: callers say it.
mod batch;
mod block;
mod cache;
mod config;
mod cut;
mod error;
mod head;
mod history;
mod horizon;
mod inner;
mod lanes;
mod last;
mod lookup;
mod manifest;
mod merge;
mod meters;
mod newest;
mod outline;
mod points;
mod query;
mod run;
mod scan;
mod seal;
mod sealed;
mod sealer;
mod segment;
mod store;
mod summarize;
mod summary;
mod sweep;
#[cfg(test)]
mod tests;
mod types;

pub use batch::{ApplyOutcomes, Batch};
pub use config::StoreConfig;
pub use error::{Damage, StoreError};
pub use history::{
    BUCKETS_MAX, DAMAGED_MAX, History, HistoryHealth, HistoryWriter, QueryError, SharedHistory,
};
pub use last::Last;
pub use meters::HistoryMeters;
pub use outline::{Outline, check, go_on_from, has_segments, outline};
pub use summary::Summary;
pub use types::{Aggregate, ApplyOutcome, Bucket, GroupBucket, Point, Series, TimeRange};

/// Opens the embedded history in `config.dir` and starts its sealing thread. The directory must be locked by the caller.
///
/// Damaged segments do not keep it from opening; see [`History::damage`]. Segments without a manifest are renamed and not
/// read: history begins anew then.
///
/// Errors: [`StoreError`] when the directory cannot be used or its manifest is damaged.
pub fn open(config: StoreConfig) -> Result<SharedHistory, StoreError> {
    Ok(std::sync::Arc::new(store::Store::open(config)?))
}
