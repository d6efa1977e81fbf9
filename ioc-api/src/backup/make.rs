//! Making a backup.
use super::{
    BackupError, Entry, Manifest, Progress, Source, hash,
    manifest::object,
    stage::{Held, Stage},
};
use crate::{
    clock::now_ms,
    data_dir::{DataDirError, judge},
};
use ioc_files::durable::{FILE_MODE, make_dir, sync_parent, tighten};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

impl Source {
    /// Backs the data directory up into `target`. What is there already under the same hash is not copied again. Everything
    /// that was acknowledged before is in it. Calls `progress` now and then.
    ///
    /// Errors: [`BackupError`]; an earlier backup in `target` is whole then.
    pub fn back_up(
        &self,
        target: &Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Manifest, BackupError> {
        let _turn = self.turn();
        let begun_ms = now_ms();
        let before = self.prepare(target)?;
        let stage = Stage::hold(self, target)?;
        let problems = judge(&stage.found);
        if !problems.is_empty() {
            return Err(DataDirError::Parts { path: self.data.path().to_owned(), problems }.into());
        }
        let root = stage.found.root;
        let directory = format!("{:016x}", root.map_or(0, |root| root.stamp.directory));
        if before.as_ref().is_some_and(|before| before.directory != directory) {
            return Err(BackupError::OtherDirectory(target.to_owned()));
        }
        let mut copying = Copying::new(target, &stage, progress);
        let files = stage.files.iter().map(|held| copying.take(held)).collect::<Result<Vec<_>, _>>()?;
        let journal = stage.found.journal.as_ref().and_then(|found| found.as_ref().ok());
        let manifest = Manifest {
            format: Manifest::format(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            begun_ms,
            directory,
            epoch: root.map_or(0, |root| root.stamp.epoch),
            journal_first: journal.map_or(1, |journal| journal.first),
            journal_last: stage.journal_last,
            history_applied: stage
                .found
                .history
                .as_ref()
                .and_then(|h| Some(h.as_ref().ok()?.applied))
                .unwrap_or(0),
            records_through: stage
                .found
                .records
                .as_ref()
                .and_then(|r| Some(r.as_ref().ok()?.ends()))
                .unwrap_or(0),
            copied_bytes: copying.copied_bytes,
            files,
        };
        sync_parent(&object(target, "x")).map_err(BackupError::io("sync", target))?;
        manifest.save(target)?;
        // What is left over does no harm.
        let _ = manifest.prune(target);
        // From here on what was backed up is older than what is in use.
        if !self.data.is_read_only() {
            self.data.next_epoch()?;
        }
        Ok(manifest)
    }

    /// Makes the place of the backup ready. Returns the one that is there.
    fn prepare(&self, target: &Path) -> Result<Option<Manifest>, BackupError> {
        let absolute = |path: &Path| -> PathBuf {
            let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            fs::canonicalize(existing).map_or_else(|_| path.to_owned(), |found| found.join(rest))
        };
        if absolute(target).starts_with(absolute(self.data.path())) {
            return Err(BackupError::Inside(target.to_owned()));
        }
        make_dir(target).map_err(BackupError::io("create", target))?;
        let before = Manifest::load(target)?;
        let objects = target.join("objects");
        if before.is_none() {
            let mut others = fs::read_dir(target).map_err(BackupError::io("read", target))?;
            if others.any(|file| !file.is_ok_and(|file| file.file_name() == "objects")) {
                return Err(BackupError::NotABackup(target.to_owned()));
            }
        }
        make_dir(&objects).map_err(BackupError::io("create", &objects))?;
        tighten(target).map_err(BackupError::io("close", target))?;
        Ok(before)
    }
}

/// Copying, with what is told of it.
struct Copying<'c> {
    target: &'c Path,
    progress: &'c mut dyn FnMut(&Progress),
    made: Progress,
    copied_bytes: u64,
}

impl<'c> Copying<'c> {
    fn new(target: &'c Path, stage: &Stage, progress: &'c mut dyn FnMut(&Progress)) -> Self {
        let of = stage.files.iter().map(|held| held.bytes).sum();
        let made = Progress { doing: "backing up".to_owned(), file: String::new(), bytes: 0, of };
        Self { target, progress, made, copied_bytes: 0 }
    }

    /// Puts a file into the backup, unless its content is there.
    fn take(&mut self, held: &Held) -> Result<Entry, BackupError> {
        self.made.file.clone_from(&held.name);
        let (target, progress, made) = (self.target, &mut *self.progress, &mut self.made);
        let mut tell = |bytes: u64| {
            made.bytes += bytes;
            progress(made);
        };
        let entry = |(sha256, bytes)| Entry { path: held.name.clone(), bytes, sha256 };
        let known = entry(hash::copy(&held.path, held.bytes, None, &mut tell)?);
        if is_whole(&object(target, &known.sha256), &known) {
            return Ok(known);
        }
        let temporary = target.join("objects/copying.tmp");
        let copied = entry(hash::copy(&held.path, held.bytes, Some(&mut create(&temporary)?), &mut |_| ())?);
        let synced = File::open(&temporary).and_then(|file| file.sync_all());
        synced.map_err(BackupError::io("sync", &temporary))?;
        let path = object(target, &copied.sha256);
        fs::rename(&temporary, &path).map_err(BackupError::io("write", path))?;
        self.copied_bytes += copied.bytes;
        Ok(copied)
    }
}

/// Reports whether the content is there already, read and hashed: what an earlier backup wrote may have been damaged since,
/// and is copied again then.
fn is_whole(object: &Path, known: &Entry) -> bool {
    if fs::metadata(object).is_err() {
        return false;
    }
    let found = hash::copy(object, u64::MAX, None, &mut |_| ());
    let is_whole = found.is_ok_and(|(sha256, bytes)| sha256 == known.sha256 && bytes == known.bytes);
    if !is_whole {
        let (object, name) = (object.display(), &known.path);
        tracing::warn!(%object, %name, "a file of the backup is damaged; it is copied again; check the disk that it lies on");
    }
    is_whole
}

/// Creates a file for its own user alone.
pub(super) fn create(path: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE_MODE);
    options.open(path).map_err(BackupError::io("create", path))
}
