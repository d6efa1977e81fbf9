//! The files of one moment, held while the server goes on: sealed ones by hard links, which cost nothing and keep them
//! when the server deletes its own; what changes is copied.
//!
//! The order makes it consistent: the journal's segments are held first, so that what records and history have not taken
//! in yet stays; then the records, then history, and at last how far the journal has come meanwhile. So no part knows more
//! than the journal has, and all that was acknowledged before is in it. They are held within the data directory: links do
//! not reach other file systems.
use super::{BackupError, Source};
use crate::data_dir::{Found, STAGING};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// How often history is tried: its list changes when segments are merged.
const ATTEMPTS: usize = 20;
/// Files at the top that belong to a backup, when they are there.
const TOP: [&str; 9] = [
    "FORMAT",
    "identity",
    "changes",
    "token.key",
    "rules.json",
    "catalogue.json",
    "demo-signin.json",
    "demo-tls.crt",
    "demo-tls.key",
];

/// Small files of the parts.
const SMALL: [&str; 3] = ["journal/checkpoints", "journal/identity", "store/identity"];

/// The files of one moment; the links go with it.
pub(super) struct Stage {
    directory: PathBuf,
    /// Where each lies in the data directory, where it is held, and how much of it counts.
    pub(super) files: Vec<Held>,
    /// What they hold.
    pub(super) found: Found,
    /// Newest record that counts.
    pub(super) journal_last: u64,
}

/// A file that is held.
pub(super) struct Held {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Stage {
    /// Holds the files of `source` as of now. Those of a directory that is only read nobody changes: they stay where they
    /// are, and the records alone are copied, beside `target`'s.
    ///
    /// Errors: [`BackupError`].
    pub(super) fn hold(source: &Source, target: &Path) -> Result<Self, BackupError> {
        if source.data.is_read_only() {
            return in_place(source, target);
        }
        let directory = source.data.path().join(STAGING);
        remove(&directory).map_err(BackupError::io("remove", &directory))?;
        let stage = Holding { source, directory: directory.clone() };
        let result = stage.hold();
        if result.is_err() {
            // Nothing names it; a later backup removes it otherwise.
            let _ = remove(&directory);
        }
        result
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = remove(&self.directory);
    }
}

/// Names the files of a directory that is only read, where they are.
fn in_place(source: &Source, target: &Path) -> Result<Stage, BackupError> {
    let path = source.data.path();
    let directory = target.join("objects/reading");
    remove(&directory).map_err(BackupError::io("remove", &directory))?;
    let mut files = Vec::new();
    let mut hold = |name: String, path: PathBuf, bytes: Option<u64>| {
        if let Ok(found) = fs::metadata(&path) {
            files.push(Held { name, path, bytes: bytes.unwrap_or(found.len()).min(found.len()) });
        }
    };
    for name in SMALL.into_iter().chain(TOP) {
        hold(name.to_owned(), path.join(name), None);
    }
    let of_part = |part: &str, path: &Path| {
        format!("{part}/{}", path.file_name().unwrap_or_default().to_string_lossy())
    };
    for (path, bytes) in source.segments()? {
        hold(of_part("journal", &path), path, Some(bytes));
    }
    for path in ioc_store::outline(&source.data.store())?.into_iter().flat_map(|outline| outline.files) {
        hold(of_part("store", &path), path, None);
    }
    let mut stage = Stage { directory, files: Vec::new(), found: Found::look_at(path)?, journal_last: 0 };
    if stage.found.records.is_some() {
        ioc_files::durable::make_dir(&stage.directory)
            .map_err(BackupError::io("create", &stage.directory))?;
        let copy = stage.directory.join("records.sqlite");
        ioc_records::copy(&source.data.records(), &copy)?;
        hold("records.sqlite".to_owned(), copy, None);
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    stage.files = files;
    if let Some(Ok(journal)) = &stage.found.journal {
        stage.journal_last = journal.last;
    }
    Ok(stage)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct Holding<'s> {
    source: &'s Source,
    directory: PathBuf,
}

impl Holding<'_> {
    fn hold(&self) -> Result<Stage, BackupError> {
        for part in ["journal", "store"] {
            let path = self.directory.join(part);
            ioc_files::durable::make_dir(&path).map_err(BackupError::io("create", path))?;
        }
        let mut segments = BTreeMap::new();
        self.hold_segments(&mut segments)?;
        for name in SMALL.into_iter().chain(TOP) {
            self.copy(name)?;
        }
        let records = self.directory.join("records.sqlite");
        ioc_records::copy(&self.source.data.records(), &records)?;
        self.hold_history()?;
        self.hold_segments(&mut segments)?;
        ioc_files::durable::tighten(&self.directory).map_err(BackupError::io("close", &self.directory))?;
        self.stage(&segments)
    }

    /// Links the segments that are there now, and notes how much of each is whole.
    fn hold_segments(&self, lengths: &mut BTreeMap<String, u64>) -> Result<(), BackupError> {
        for (path, bytes) in self.source.segments()? {
            let Some(name) = path.file_name() else { continue };
            let name = format!("journal/{}", name.to_string_lossy());
            if self.link(&path, &name)? {
                lengths.insert(name, bytes);
            }
        }
        Ok(())
    }

    fn hold_history(&self) -> Result<(), BackupError> {
        for _attempt in 0..ATTEMPTS {
            let Some(outline) = ioc_store::outline(&self.source.data.store())? else { return Ok(()) };
            let mut is_whole = true;
            for path in &outline.files {
                let Some(name) = path.file_name() else { continue };
                let name = format!("store/{}", name.to_string_lossy());
                is_whole &= self.link(path, &name)?;
            }
            // The list that was read and the one that was linked may differ, and segments may have been merged.
            let held = ioc_store::outline(&self.directory.join("store"))?;
            if is_whole && held.is_some_and(|held| held.lacking.len() == outline.lacking.len()) {
                return Ok(());
            }
            fs::remove_file(self.directory.join("store/manifest"))
                .map_err(BackupError::io("remove", "manifest"))?;
        }
        let busy = io::Error::other("its list of segments changes all the time; try again");
        Err(BackupError::io("hold", self.source.data.store())(busy))
    }

    /// Links a file, or copies it where that is not possible. Returns false when it is gone.
    fn link(&self, path: &Path, name: &str) -> Result<bool, BackupError> {
        let target = self.directory.join(name);
        if target.exists() {
            return Ok(true);
        }
        let linked = match fs::hard_link(path, &target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(path, &target).map(|_| ()),
            linked => linked,
        };
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BackupError::io("hold", path)(error)),
        }
    }

    /// Copies a small file, if it is there.
    fn copy(&self, name: &str) -> Result<(), BackupError> {
        let path = self.source.data.path().join(name);
        match fs::copy(&path, self.directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BackupError::io("copy", path)(error))
            }
            _ => Ok(()),
        }
    }

    fn stage(&self, segments: &BTreeMap<String, u64>) -> Result<Stage, BackupError> {
        let mut held = Vec::new();
        for part in ["", "journal", "store"] {
            let directory = self.directory.join(part);
            for file in fs::read_dir(&directory).map_err(BackupError::io("read", &directory))? {
                let path = file.map_err(BackupError::io("read", &directory))?.path();
                let found = fs::metadata(&path).map_err(BackupError::io("read", &path))?;
                if found.is_dir() {
                    continue;
                }
                let name = path.strip_prefix(&self.directory).unwrap_or(&path).to_string_lossy().into_owned();
                let bytes = segments.get(&name).copied().unwrap_or(found.len()).min(found.len());
                held.push(Held { name, path, bytes });
            }
        }
        held.sort_by(|a, b| a.name.cmp(&b.name));
        let found = Found::look_at(&self.directory)?;
        let last = match &found.journal {
            Some(Ok(journal)) => journal.last,
            _ => 0,
        };
        let journal_last = self.source.journal.as_ref().map_or(last, |journal| journal.durable().min(last));
        Ok(Stage { directory: self.directory.clone(), files: held, found, journal_last })
    }
}
