//! What a data directory holds, found without changing anything.
use super::{
    DataDir, KEY_FILE,
    stamp::{self, Root, Stamp, fingerprint},
};
use crate::records::{RecordsSummary, summarize};
use ioc_journal::Inspection;
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
    /// The records, with their stamp.
    pub records: Look<RecordsSummary>,
    /// The fingerprint of the key of device tokens; an error when the file is not one.
    pub key: Look<u64>,
}

impl Found {
    /// Looks at every part of `data`.
    ///
    /// Errors: an identity file that cannot be read.
    pub fn look(data: &DataDir) -> io::Result<Self> {
        Self::look_at(data.path())
    }

    /// Looks at every part of the directory at `path`, which nobody must change meanwhile.
    ///
    /// Errors: an identity file that cannot be read.
    pub fn look_at(path: &Path) -> io::Result<Self> {
        let (journal, store) = (path.join("journal"), path.join("store"));
        Ok(Self {
            root: stamp::read(path)?,
            journal_stamp: stamp::read(&journal)?.map(|root| root.stamp),
            journal: journal
                .is_dir()
                .then(|| ioc_journal::inspect(&journal).map_err(|e| crate::admin::chain(&e))),
            history_stamp: stamp::read(&store)?.map(|root| root.stamp),
            history: history(&store),
            records: summarize(&path.join("records.sqlite")),
            key: key(&path.join(KEY_FILE)),
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

fn history(store: &Path) -> Look<History> {
    if !store.is_dir() {
        return None;
    }
    let outline = match ioc_store::outline(store) {
        Ok(Some(outline)) => outline,
        Ok(None) if ioc_store::has_segments(store) => {
            return Some(Err("store/manifest, the list of its segments, is missing".to_owned()));
        }
        Ok(None) => return None,
        Err(error) => return Some(Err(crate::admin::chain(&error))),
    };
    let ioc_store::Outline { applied, newest_device, lacking, .. } = outline;
    Some(Ok(History { applied, newest_device, lacking }))
}

fn key(path: &Path) -> Look<u64> {
    match fs::read(path) {
        Ok(bytes) if bytes.len() == crate::identity::TOKEN_KEY_BYTES => Some(Ok(fingerprint(&bytes))),
        Ok(bytes) => Some(Err(format!("token.key has {} bytes instead of 32", bytes.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    }
}
