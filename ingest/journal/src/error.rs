//! What can go wrong, by who has to act on it.
use crate::Offset;
use std::{io, path::PathBuf};

/// The journal cannot be opened, read or kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("journal: failed to {doing} {}", path.display())]
    Io {
        /// What was being tried, a verb.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// A segment holds bytes that were never written by us, before its end.
    #[error(
        "journal: segment {} is damaged at byte {byte}: {what}; restore this file from a backup, \
         or move it and all older segments away to go on without them",
        path.display()
    )]
    Corrupt {
        /// The damaged segment.
        path: PathBuf,
        /// Where in the file the damaged part starts.
        byte: u64,
        /// What was found there.
        what: &'static str,
    },
    /// Offsets between two segments are missing or there twice.
    #[error(
        "journal: segment {} starts at offset {found}, but the one before it ends at {}; \
         a segment file is missing or foreign: restore it from a backup, or move all segments older than this one \
         away to go on without them",
        path.display(), expected - 1
    )]
    Gap {
        /// The segment after the gap.
        path: PathBuf,
        /// The offset it should start at.
        expected: Offset,
        /// The offset it does start at.
        found: Offset,
    },
    /// Written by a newer version of this program.
    #[error(
        "journal: segment {} has format version {found}, this program reads up to {known}; \
         use the program that wrote it or a newer one", path.display()
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A follower has processed records that the journal does not have. Going on would give their numbers to others.
    #[error(
        "journal: {name:?} has processed records up to {offset}, but the journal ends at {last}; \
         segment files are missing: restore them from a backup, or, to go on without them, move all segments away \
         and make an empty file {}, so that no number is used again", path.display()
    )]
    Behind {
        /// Name of the checkpoint.
        name: String,
        /// Its offset.
        offset: Offset,
        /// Last offset of the journal.
        last: Offset,
        /// A segment so far ahead that none of its offsets was ever used.
        path: PathBuf,
    },
    /// A checkpoint is ahead of the journal.
    #[error(
        "journal: checkpoint {name:?} at {offset} must not be beyond the last durable record, which is {last}"
    )]
    Ahead {
        /// Name of the checkpoint.
        name: String,
        /// Its offset.
        offset: Offset,
        /// Last durable offset.
        last: Offset,
    },
    /// A name that cannot be kept in the checkpoint file.
    #[error("journal: checkpoint name {0:?} must be 1 to 64 characters of a-z 0-9 _ -")]
    CheckpointName(String),
    /// A checkpoint of a follower that was not registered at opening.
    #[error("journal: follower {0:?} is not registered; name it in the configuration's `followers`")]
    Unregistered(String),
    /// Two followers of the configuration have, or had, the same name.
    #[error("journal: follower name {0:?} is registered twice")]
    RegisteredTwice(String),
    /// A configuration that cannot work.
    #[error("journal: {0}")]
    Config(&'static str),
    /// Closed while there was no space or no next segment: these records were never acknowledged.
    #[error(
        "journal: closed while its disk was full or its next segment could not be made, see the log; \
         {records} unacknowledged records were not written"
    )]
    ClosedOutOfSpace {
        /// How many.
        records: u64,
    },
    /// The writer ended early; the log has its reason.
    #[error("journal: the writer has stopped after an error, see the log")]
    Stopped,
}

impl JournalError {
    /// Builds the `map_err` argument for a file operation.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

/// A record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The pending buffer is at its bound: try again after the next progress.
    #[error("journal buffer is full, try again after the next commit")]
    Full,
    /// The payload is longer than [`crate::RECORD_LEN_MAX`].
    #[error("record of {len} bytes is longer than {} bytes", crate::RECORD_LEN_MAX)]
    TooLarge {
        /// Length of the payload in bytes.
        len: usize,
    },
    /// The journal is closed.
    #[error("journal is closed")]
    Stopped,
}

/// An offset did not become durable in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// Not yet.
    #[error("not yet on disk")]
    Timeout,
    /// The journal was closed before.
    #[error("journal is closed")]
    Stopped,
}

/// A follower cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The journal is closed and everything in it was delivered.
    #[error("journal is closed")]
    Closed,
    /// The wanted records were deleted.
    #[error("journal: record {wanted} is no longer kept, the oldest is {first}")]
    Gone {
        /// The wanted offset.
        wanted: Offset,
        /// The oldest offset that is kept.
        first: Offset,
    },
    /// A segment cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
