//! Why a backup cannot be made or put back.
use crate::data_dir::DataDirError;
use ioc_journal::JournalError;
use ioc_records::RecordsError;
use ioc_store::StoreError;
use std::{io, path::PathBuf};

/// A backup that cannot be made, checked or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The operating system refuses.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// As in "copy".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Something else lies there.
    #[error("{} holds other files and no backup; name an empty or new directory", .0.display())]
    NotABackup(PathBuf),
    /// There is no backup.
    #[error("{} has no manifest.json: there is no backup in it, or the first one was not finished", .0.display())]
    NoBackup(PathBuf),
    /// Its list is damaged, or of a newer program.
    #[error("{}: {what}", path.display())]
    Manifest {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A backup of another directory lies there.
    #[error("{} is a backup of another data directory; name another place for this one", .0.display())]
    OtherDirectory(PathBuf),
    /// It would lie in what it backs up.
    #[error("{} lies in the data directory; name a place outside it, best on another disk", .0.display())]
    Inside(PathBuf),
    /// A file is not what was backed up.
    #[error("{} is damaged: it is not what was backed up as {name}; nothing was changed; use another backup", path.display())]
    Damaged {
        /// The object.
        path: PathBuf,
        /// The file that it is of.
        name: String,
    },
    /// Its parts do not make a data directory.
    #[error("{}: {what}; nothing was changed; use another backup", path.display())]
    Lacking {
        /// The backup.
        path: PathBuf,
        /// What it lacks, or what is wrong with it.
        what: String,
    },
    /// There is something already.
    #[error(
        "{} is not empty; add --replace to put the backup in its place (what is there is kept beside it), or name \
         another directory", .0.display()
    )]
    NotEmpty(PathBuf),
    /// The directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// History.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl BackupError {
    /// Builds the `map_err` argument for a file operation.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { doing, path, cause }
    }

    /// Reports whether the command line is wrong, rather than what was met.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotABackup(_) | Self::OtherDirectory(_) | Self::Inside(_) | Self::NotEmpty(_))
    }
}
