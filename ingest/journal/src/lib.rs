//! Durable, ordered record of everything the operations center accepted.
//!
//! Appending copies a record into a pending buffer under a tiny mutex and returns its offset; it never waits for
//! the disk. One writer thread takes all that is pending, writes it at once, calls fdatasync once, and then
//! publishes the durable offset. So a device is acknowledged when `durable() >= offset`, and a burst shares one
//! sync. Under load what devices send gathers for up to half a millisecond from commit to commit, two when it is
//! more than 20 messages a millisecond; transitions of alerts and what people do take everything pending with them
//! at once. Followers read committed batches in order, from memory when near the end and from the files when
//! behind, and keep their own checkpoints; segments that every registered follower has passed are deleted. Who decides
//! something that goes into the journal too may read a record as soon as it is appended, so that the decision often
//! goes to disk together with its cause ([`Visibility::Appended`]).
//!
//! When the disk is full, or the next segment cannot be made for another reason (too many open files, say), the
//! batch stays pending and is tried again; [`Log::append_with`] answers [`AppendError::Full`] once the buffer is at
//! its bound. When a write or a sync fails otherwise the process aborts: what the page cache holds then is unknown,
//! a restart reads what is on disk.
//!
//! | Module | Owns |
//! |---|---|
//! | `log` | the port: what everybody outside knows of it |
//! | `journal` | the embedded log behind it |
//! | `frame` | bytes: headers, marks, records, checksums |
//! | `pending` | the buffer that appends write into |
//! | `writer` | the writer thread: commit, rotation, lack of space |
//! | `pace` | how close to each other commits are |
//! | `disk` | file operations of the writer, replaceable in tests |
//! | `ring` | the newest batches in memory |
//! | `segment` | reading segment files |
//! | `recover` | opening after a crash |
//! | `inspect` | looking at a journal without opening it |
//! | `leap` | passing over numbers in one that was put back |
//! | `follower`, `batch` | reading records |
//! | `registration`, `checkpoint` | which followers there are, and the file of how far each has come |
//! | `retention` | noting how far one has come, deletion, and which follower keeps what |
//!
//! What a record means is left to others; payloads are bytes here. The directory must be locked by the caller.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! use ioc_journal::{JournalConfig, Visibility};
//! use ioc_model::RecordKind;
//! use std::time::Duration;
//!
//! let (journal, opened) = ioc_journal::open(JournalConfig::new(dir.path()))?;
//! let offset = journal.append(RecordKind::Message, |out| out.extend_from_slice(b"hello"))?;
//! journal.wait_durable(offset, Duration::from_secs(10))?;
//! let batch = journal.follow(opened.first, Visibility::Durable).next(Duration::ZERO)?.ok_or("no batch")?;
//! assert_eq!(batch.records().next().map(|record| record.payload), Some(&b"hello"[..]));
//! journal.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod batch;
mod checkpoint;
mod config;
mod disk;
mod error;
mod follower;
mod frame;
mod health;
mod inspect;
mod journal;
mod leap;
mod log;
mod meters;
mod pace;
mod pending;
mod recover;
mod registration;
mod retention;
mod ring;
mod segment;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

pub use batch::{Batch, Record, Records};
pub use config::JournalConfig;
pub use error::{AppendError, FollowError, JournalError, WaitError};
pub use health::Health;
pub use inspect::{Inspection, check, damaged_checkpoints, inspect};
pub use journal::Opened;
pub use leap::leap;
pub use log::{Follow, Log, SharedLog, Visibility};
pub use meters::JournalMeters;
pub use registration::Registration;
pub use retention::Held;

/// Opens the embedded log in `config.dir`, cuts a torn tail off and starts its writer.
///
/// Errors: [`JournalError`] when the directory or a segment cannot be used; the message names the file and the byte.
pub fn open(config: JournalConfig) -> Result<(SharedLog, Opened), JournalError> {
    let (journal, opened) = journal::Journal::open(config)?;
    Ok((std::sync::Arc::new(journal), opened))
}

/// Number of a record. The first is 1; none is used again.
pub type Offset = u64;

/// Longest payload of a record, in bytes.
pub const RECORD_LEN_MAX: usize = 1024 * 1024;
