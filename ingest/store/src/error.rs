//! What can go wrong with the files of history.
use std::{io, path::PathBuf};

/// History cannot be opened or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("history: failed to {doing} {}", path.display())]
    Io {
        /// What was being tried, a verb.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The list of segments is not what we wrote.
    #[error("history: manifest {} is damaged: {what}; restore the directory from a backup", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Written by a newer version of this program.
    #[error(
        "history: {} has format version {found}, this program reads up to {known}; use the program that wrote \
         it or a newer one", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A column could not be compressed.
    #[error("history: failed to compress a column: {0}")]
    Compress(String),
    /// A configuration that cannot work.
    #[error("history: {0}")]
    Config(&'static str),
    /// A merged segment would exceed 4 GiB: the segments stay as they are.
    #[error("history: a segment would be longer than 4 GiB")]
    SegmentTooLong,
    /// Compaction met a damaged block: the segments stay as they are.
    #[error("history: a damaged block keeps segments from being merged")]
    DamagedInput,
    /// The store was shut down before this was done.
    #[error("history: the store is shut down")]
    ShutDown,
    /// Sealing failed; it is tried again by the next [`crate::Store::maintain`], or sooner when memory is full.
    #[error("history: sealing failed: {0}")]
    Sealing(String),
}

impl StoreError {
    /// Builds the `map_err` argument for a file operation.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

/// A part of history that cannot be read. What is around it is served.
#[derive(Debug, Clone, PartialEq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file the damaged part starts.
    pub byte: u64,
    /// The property and the first device index of the 64 whose readings are affected, if known.
    pub block: Option<(ioc_model::PropertyId, ioc_model::DeviceIndex)>,
    /// The event times affected, as far as known.
    pub range: crate::TimeRange,
    /// What is wrong.
    pub what: String,
}
