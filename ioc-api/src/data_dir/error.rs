//! Why a data directory cannot be used.
use super::{
    FORMAT,
    lock::Owner,
    parts::{Part, Problem},
    shapes::Shape,
};
use ioc_files::durable::remedy;
use ioc_identity::{NoRandom, TOKEN_KEY_BYTES};
use ioc_journal::JournalError;
use ioc_records::RecordsError;
use ioc_store::StoreError;
use std::{io, path::PathBuf};

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A running process has it.
    #[error(
        "data directory {} is in use by {owner}; stop that process, or choose another directory with --data-dir",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who, if that can be read.
        owner: Owner,
    },
    /// The operating system refuses.
    #[error("cannot {doing} {}: {cause}; {}, or choose another directory with --data-dir", path.display(), remedy(cause))]
    Io {
        /// As in "create".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is not there, and what a restore that was cut off left lies beside it.
    #[error(
        "data directory {} is not there and {} lies beside it: a restore was cut off; {}", path.display(), left.display(),
        if *is_whole { "move that back (`mv`), or restore again; to begin without it, move it elsewhere" }
        else { "restore again, or remove it" }
    )]
    CutOff {
        /// The directory.
        path: PathBuf,
        /// What lies beside it.
        left: PathBuf,
        /// Whether that is the directory that was to be replaced.
        is_whole: bool,
    },
    /// A restore is making it.
    #[error(
        "data directory {} is being restored at this moment ({}); start again when `ioc restore` has ended", path.display(),
        beside.display()
    )]
    Restoring {
        /// The directory.
        path: PathBuf,
        /// What is being built.
        beside: PathBuf,
    },
    /// A part cannot be opened now, which says nothing about what it holds.
    #[error(
        "data directory {}: {} cannot be opened: {cause}; {}; nothing is lost", path.display(), part.name(),
        if *is_full { "the disk is full: free space and start again" }
        else { "make it readable and writable for this user, and start again" }
    )]
    Closed {
        /// The directory.
        path: PathBuf,
        /// The part.
        part: Part,
        /// Why.
        cause: String,
        /// Whether the disk is full.
        is_full: bool,
    },
    /// It is a file.
    #[error("data directory {} is a file and a directory is needed; choose one with --data-dir", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// Something in it is not what belongs in its place.
    #[error(
        "{} is {found} where {expected} belongs; move it away and start again, or put a backup back (`ioc restore`)",
        path.display()
    )]
    Shape {
        /// Where.
        path: PathBuf,
        /// What it is.
        found: Shape,
        /// What it should be.
        expected: Shape,
    },
    /// Something else lives there.
    #[error("{} holds other files and no FORMAT file of ours; choose an empty or new directory with --data-dir", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Another version's directory.
    #[error("data directory {} has format {found:?}, this program reads {FORMAT:?}; run the version that wrote it, or choose another directory with --data-dir", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// What its `FORMAT` says.
        found: String,
    },
    /// The key of the token hashes is damaged.
    #[error("{} must hold {TOKEN_KEY_BYTES} bytes; restore it from a backup (without it no device token is valid)", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
    },
    /// Parts are missing, older than the rest, or of another directory. One line each.
    #[error("{}", lines(path, problems))]
    Parts {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// A loss was accepted of a part that is as it should be.
    #[error(
        "--accept-loss {part}: nothing is wrong with {} of {}; leave the flag out", part.name(), path.display()
    )]
    NothingLost {
        /// The directory.
        path: PathBuf,
        /// The part.
        part: Part,
    },
    /// The journal, while a loss is accepted.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// History, while a loss is accepted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records, while they get their identity.
    #[error("the records cannot be written{}", if .0.is_full() { ": the disk is full: free space and start again" } else { "" })]
    Records(#[from] RecordsError),
    /// No random numbers for a new key.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

impl DataDirError {
    /// Reports whether the directory cannot be written, which who only reads can do without.
    pub fn is_read_only(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self, Self::Io { cause, .. } if matches!(cause.kind(), PermissionDenied | ReadOnlyFilesystem))
    }

    /// Reports whether the command line names a directory that can never be right.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Foreign { .. } | Self::NothingLost { .. })
    }
}

fn lines(path: &std::path::Path, problems: &[Problem]) -> String {
    let line = |problem: &Problem| format!("data directory {}: {}", path.display(), problem.text(path));
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
