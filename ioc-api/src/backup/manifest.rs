//! The list of what a backup holds.
use super::BackupError;
use ioc_files::{Links, durable::write_durably};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Format version that is written, and the newest that is read.
const FORMAT: u32 = 1;
const FILE: &str = "manifest.json";
const OBJECTS: &str = "objects";
/// Longest list that is read, in bytes.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it lies in the data directory.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its content's hash, hexadecimal.
    pub sha256: String,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The program that made it.
    pub version: String,
    /// When it was begun, milliseconds since the epoch.
    pub begun_ms: i64,
    /// Which directory it is of, hexadecimal.
    pub directory: String,
    /// The epoch of that directory: grows with each start and each backup.
    pub epoch: u64,
    /// Oldest record of the journal.
    pub journal_first: u64,
    /// Newest record of the journal; everything acknowledged before the backup began is at or before it.
    pub journal_last: u64,
    /// Record up to which history has everything.
    pub history_applied: u64,
    /// Record up to which alerts and rejected messages are in the records.
    pub records_through: u64,
    /// Bytes that were copied; the others were there already.
    pub copied_bytes: u64,
    /// Every file.
    pub files: Vec<Entry>,
}

impl Manifest {
    /// Returns the version of this format.
    pub(super) const fn format() -> u32 {
        FORMAT
    }

    /// Reads the list of the backup in `directory`; `None` when there is none.
    ///
    /// Errors: [`BackupError::Manifest`] when it is damaged, of a newer program, or names what no backup can hold.
    pub fn load(directory: &Path) -> Result<Option<Self>, BackupError> {
        let path = directory.join(FILE);
        let bytes = match ioc_files::read(&path, MANIFEST_BYTES_MAX, Links::Followed) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::io("read", path)(error)),
        };
        let wrong = |what: String| BackupError::Manifest { path: path.clone(), what };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(damage(&error)))?;
        if manifest.format > FORMAT {
            let what = format!(
                "it has format {}, this program reads up to {FORMAT}; run a newer one",
                manifest.format
            );
            return Err(wrong(what));
        }
        match manifest.files.iter().find(|entry| !entry.is_sound()) {
            Some(entry) => Err(wrong(format!("{:?} cannot be a file of a backup", entry.path))),
            None => Ok(Some(manifest)),
        }
    }

    /// Replaces the list of the backup in `directory`, durably.
    ///
    /// Errors: [`BackupError::Io`]; the earlier list holds then.
    pub(super) fn save(&self, directory: &Path) -> Result<(), BackupError> {
        let path = directory.join(FILE);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_durably(&path, &text).map_err(BackupError::io("write", path))
    }

    /// Returns the length of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }

    /// Removes what this list does not name.
    pub(super) fn prune(&self, directory: &Path) -> io::Result<()> {
        let named: BTreeSet<&str> = self.files.iter().map(|entry| entry.sha256.as_str()).collect();
        for object in fs::read_dir(directory.join(OBJECTS))? {
            let object = object?;
            let is_named = object.file_name().to_str().is_some_and(|name| named.contains(name));
            // A directory is what is read aside while a backup is made.
            if !is_named && !object.file_type()?.is_dir() {
                fs::remove_file(object.path())?;
            }
        }
        Ok(())
    }
}

/// Describes what is wrong with a list, and what would be right.
fn damage(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it is cut off".to_owned(),
        _ => format!("it is damaged: {error}"),
    };
    format!(
        "{what}; without this list nothing of the backup can be put back: copy it again, or use another backup"
    )
}

impl Entry {
    /// Reports whether it stays within a data directory and is named by a hash.
    fn is_sound(&self) -> bool {
        let path = Path::new(&self.path);
        let is_within = path.components().all(|part| matches!(part, Component::Normal(_)));
        let is_hash = self.sha256.len() == 64 && self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_within && is_hash && !self.path.is_empty()
    }
}

/// Returns where the content with this hash lies.
pub(super) fn object(directory: &Path, sha256: &str) -> PathBuf {
    directory.join(OBJECTS).join(sha256)
}
