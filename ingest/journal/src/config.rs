//! How a journal is kept.
use crate::{
    JournalError, RECORD_LEN_MAX,
    registration::{self, Registration},
};
use std::{path::PathBuf, time::Duration};

/// Most pending bytes that can be configured: a batch must fit what a reader accepts.
const PENDING_BYTES_LIMIT: usize = 256 * 1024 * 1024;

/// Where and how a journal is kept.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// The directory; created when missing. Holds nothing else.
    pub dir: PathBuf,
    /// A segment at least this long is sealed, in bytes.
    pub segment_bytes: u64,
    /// A segment open for at least this long is sealed by the next commit.
    pub segment_age: Duration,
    /// Appends are refused while at least this many bytes are pending. As many may be under way to the disk, and
    /// the last record may exceed it.
    pub pending_bytes_max: usize,
    /// Bytes of committed batches kept in memory for followers.
    pub ring_bytes_max: usize,
    /// Bytes of segments that stay on disk even when every follower has passed them.
    pub keep_bytes: u64,
    /// The followers that must have processed a record before it may be deleted. A new one begins with the oldest record
    /// that is kept; for one that is not among them any more nothing is kept. Empty = those of the last opening.
    pub followers: Vec<Registration>,
}

impl JournalConfig {
    /// Returns the defaults: segments of 64 MiB or an hour, 8 MiB pending, 32 MiB ring, 256 MiB kept.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 * 1024 * 1024,
            segment_age: Duration::from_secs(3600),
            pending_bytes_max: 8 * 1024 * 1024,
            ring_bytes_max: 32 * 1024 * 1024,
            keep_bytes: 256 * 1024 * 1024,
            followers: Vec::new(),
        }
    }

    /// Registers followers by their names.
    pub fn followed_by(mut self, names: &[&str]) -> Self {
        self.followers.extend(names.iter().map(|name| Registration::new(*name)));
        self
    }

    pub(crate) fn validate(&self) -> Result<(), JournalError> {
        if self.pending_bytes_max == 0 || self.pending_bytes_max > PENDING_BYTES_LIMIT - RECORD_LEN_MAX {
            return Err(JournalError::Config("pending_bytes_max must be between 1 byte and 255 MiB"));
        }
        if self.segment_bytes == 0 {
            return Err(JournalError::Config("segment_bytes must be at least 1"));
        }
        registration::validate(&self.followers)
    }
}
