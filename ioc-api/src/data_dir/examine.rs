//! What a data directory holds, found without changing anything.
use super::{
    DataDir, DataDirError, KEY_FILE, Part,
    stamp::{self, Root, Stamp, fingerprint},
};
use crate::admin::chain;
use ioc_files::durable::is_full;
use ioc_journal::{Inspection, JournalError};
use ioc_records::{RecordsSummary, changes, summarize};
use ioc_store::StoreError;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Something of a part, or why it cannot be read; `None` when there is nothing.
pub type Look<T> = Option<Result<T, String>>;

/// What history holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Journal offset up to which everything is sealed.
    pub applied: u64,
    /// The highest device number with readings, as far as that is kept in one place.
    pub newest_device: Option<u32>,
    /// Named segment files that are not there, or not of the length that they had.
    pub lacking: Vec<PathBuf>,
}

/// What is there.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file at the top.
    pub root: Option<Root>,
    /// The stamp of the journal.
    pub journal_stamp: Option<Stamp>,
    /// The journal.
    pub journal: Look<Inspection>,
    /// The stamp of history.
    pub history_stamp: Option<Stamp>,
    /// History.
    pub history: Look<History>,
    /// Whether the file with the stamp of the journal, or of history, is there and damaged.
    pub is_stamp_damaged: [bool; 2],
    /// The records, with their stamp.
    pub records: Look<RecordsSummary>,
    /// How many changes the records had, as noted beside them.
    pub changes: Option<u64>,
    /// The fingerprint of the key of device tokens; an error when the file is not one.
    pub key: Look<u64>,
}

impl Found {
    /// Looks at every part of `data`.
    ///
    /// Errors: an identity file that cannot be read, or a part that cannot be opened now ([`DataDirError::Closed`]): that
    /// is no damage.
    pub fn look(data: &DataDir) -> Result<Self, DataDirError> {
        Self::look_at(data.path())
    }

    /// Looks at every part of the directory at `path`, which nobody must change meanwhile.
    ///
    /// Errors: as [`Found::look`].
    pub fn look_at(path: &Path) -> Result<Self, DataDirError> {
        let (journal, store) = (path.join("journal"), path.join("store"));
        let read = |part: &Path| {
            stamp::read(part).map_err(|cause| DataDirError::Io {
                doing: "read the identity of",
                path: part.to_owned(),
                cause,
            })
        };
        let look = Looking { path };
        Ok(Self {
            root: read(path)?,
            journal_stamp: read(&journal)?.map(|root| root.stamp),
            journal: look.journal(&journal)?,
            history_stamp: read(&store)?.map(|root| root.stamp),
            history: look.history(&store)?,
            is_stamp_damaged: [&journal, &store].map(|part| stamp::is_damaged(part)),
            records: look.records(&path.join("records.sqlite"))?,
            changes: changes::read(path).map_err(|cause| DataDirError::Io {
                doing: "read the number of changes in",
                path: path.to_owned(),
                cause,
            })?,
            key: look.key(&path.join(KEY_FILE))?,
        })
    }

    /// Returns the stamp of the records.
    pub fn records_stamp(&self) -> Option<Stamp> {
        self.records.as_ref()?.as_ref().ok()?.stamp
    }

    /// Reports whether a server or a command has ever worked here.
    pub fn is_empty(&self) -> bool {
        let has_journal = matches!(&self.journal, Some(Ok(found)) if !found.segments.is_empty());
        !has_journal && self.history.is_none() && self.records.is_none() && self.key.is_none()
    }
}

/// Looks at the parts of a directory, and tells what is damaged from what cannot be opened now.
struct Looking<'p> {
    path: &'p Path,
}

impl Looking<'_> {
    fn closed(&self, part: Part, cause: String, is_full: bool) -> DataDirError {
        DataDirError::Closed { path: self.path.to_owned(), part, cause, is_full }
    }

    fn journal(&self, journal: &Path) -> Result<Look<Inspection>, DataDirError> {
        if !journal.is_dir() {
            return Ok(None);
        }
        match ioc_journal::inspect(journal) {
            Err(JournalError::Io { source: cause, path, .. }) if is_closed(&cause) => {
                let why = format!("{}: {cause}", path.display());
                Err(self.closed(Part::Journal, why, is_full(&cause)))
            }
            found => Ok(Some(found.map_err(|error| journal_damage(&error)))),
        }
    }

    fn history(&self, store: &Path) -> Result<Look<History>, DataDirError> {
        if !store.is_dir() {
            return Ok(None);
        }
        let outline = match ioc_store::outline(store) {
            Ok(Some(outline)) => outline,
            Ok(None) if ioc_store::has_segments(store) => {
                return Ok(Some(Err("store/manifest, the list of its segments, is missing".to_owned())));
            }
            Ok(None) => return Ok(None),
            Err(StoreError::Io { source: cause, path, .. }) if is_closed(&cause) => {
                let why = format!("{}: {cause}", path.display());
                return Err(self.closed(Part::History, why, is_full(&cause)));
            }
            Err(StoreError::Manifest { path, what }) => {
                return Ok(Some(Err(format!("{} is damaged: {what}", path.display()))));
            }
            Err(error) => return Ok(Some(Err(chain(&error)))),
        };
        let ioc_store::Outline { applied, newest_device, lacking, .. } = outline;
        Ok(Some(Ok(History { applied, newest_device, lacking })))
    }

    fn records(&self, records: &Path) -> Result<Look<RecordsSummary>, DataDirError> {
        match summarize(records) {
            Some(Err(error)) if error.is_of_the_disk() => {
                Err(self.closed(Part::Records, chain(&error), error.is_full()))
            }
            found => Ok(found.map(|found| found.map_err(|error| chain(&error)))),
        }
    }

    fn key(&self, path: &Path) -> Result<Look<u64>, DataDirError> {
        match fs::read(path) {
            Ok(bytes) if bytes.len() == ioc_identity::TOKEN_KEY_BYTES => Ok(Some(Ok(fingerprint(&bytes)))),
            Ok(bytes) => Ok(Some(Err(format!("token.key has {} bytes instead of 32", bytes.len())))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.closed(Part::Keys, error.to_string(), is_full(&error))),
        }
    }
}

/// Describes what is wrong with a journal, without the ways out: what tells of the part names those.
fn journal_damage(error: &JournalError) -> String {
    match error {
        JournalError::Corrupt { path, byte, what } => {
            format!("{} is damaged at byte {byte}: {what}", path.display())
        }
        JournalError::Gap { path, expected, found } => {
            format!("{} starts at record {found} instead of {expected}", path.display())
        }
        other => chain(other),
    }
}

/// Reports whether the operating system would not let a file be read, rather than that it is not there.
fn is_closed(cause: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotADirectory, NotFound, UnexpectedEof};
    !matches!(cause.kind(), NotFound | NotADirectory | InvalidData | UnexpectedEof)
}
