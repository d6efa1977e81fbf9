//! Putting a backup back.
use super::{BackupError, Manifest, Progress, hash, make::create, manifest::object};
use crate::{
    clock::now_ms,
    data_dir::{DataDirError, Fault, Found, Holder, Problem, beside, judge, leap},
};
use ioc_files::durable::{make_dir, sync_parent};
use serde::Serialize;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Where to.
    pub data_dir: PathBuf,
    /// When the backup was begun, milliseconds since the epoch.
    pub begun_ms: i64,
    /// Newest record of the journal in it.
    pub journal_last: u64,
    /// How many files.
    pub files: usize,
    /// Their length.
    pub bytes: u64,
    /// Where what was there before is kept.
    pub replaced: Option<PathBuf>,
}

/// Puts the backup in `backup` back as the data directory `target`. Every hash is checked before anything is touched; the
/// directory is built beside its place, which is held meanwhile, and then moved there. With `replace` what is there is kept beside it.
///
/// Errors: [`BackupError`]; `target` is as before then.
pub fn restore(
    backup: &Path,
    target: &Path,
    replace: bool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Restored, BackupError> {
    let manifest = Manifest::load(backup)?.ok_or_else(|| BackupError::NoBackup(backup.to_owned()))?;
    let (named, target) = (target, &fs::canonicalize(target).unwrap_or_else(|_| target.to_owned()));
    let is_taken = !is_empty(target)?;
    if is_taken && !replace {
        return Err(BackupError::NotEmpty(named.to_owned()));
    }
    // Held until the end: no server must run on what is replaced. What is there may be damaged in any other way.
    let _lock = is_taken.then(|| crate::data_dir::lock_only(target, Holder::Command)).transpose()?;
    remove_cut_off(target);
    let beside = sibling(target, "restoring");
    // From the beginning: a start where there is no directory yet is told that there will be one.
    let _building = hold(&beside)?;
    let verified = verify(backup, &manifest, progress);
    let built = verified.and_then(|()| build(backup, &manifest, &beside, progress));
    let moved = built.and_then(|()| move_there(&beside, target, is_taken));
    if moved.is_err() {
        // Nothing names it.
        let _ = fs::remove_dir_all(&beside);
    }
    Ok(Restored {
        data_dir: named.to_owned(),
        begun_ms: manifest.begun_ms,
        journal_last: manifest.journal_last,
        files: manifest.files.len(),
        bytes: manifest.bytes(),
        replaced: moved?,
    })
}

fn is_empty(target: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(target) {
        Ok(mut files) => Ok(files.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(DataDirError::File { path: target.to_owned() }.into())
        }
        Err(error) => Err(BackupError::io("read", target)(error)),
    }
}

fn sibling(target: &Path, word: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or("data".as_ref()).to_owned();
    name.push(format!(".{word}-{}", now_ms()));
    target.with_file_name(name)
}

/// Makes the directory that is built, and locks it for as long as it is.
fn hold(directory: &Path) -> Result<File, BackupError> {
    make_dir(directory).map_err(BackupError::io("create", directory))?;
    let held = File::open(directory).and_then(|held| held.lock().map(|()| held));
    held.map_err(BackupError::io("lock", directory))
}

/// Removes what restores to `target` that were cut off left beside it: secrets lie in it.
fn remove_cut_off(target: &Path) {
    for left in beside(target, "restoring") {
        let is_free = File::open(&left).is_ok_and(|held| held.try_lock().is_ok());
        if is_free && let Err(error) = fs::remove_dir_all(&left) {
            tracing::warn!(path = %left.display(), %error, "what a restore left that was cut off cannot be removed");
        }
    }
}

/// Checks the hash of every object.
fn verify(
    backup: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(), BackupError> {
    let mut made =
        Progress { doing: "checking".to_owned(), file: String::new(), bytes: 0, of: manifest.bytes() };
    for entry in &manifest.files {
        made.file.clone_from(&entry.path);
        let path = object(backup, &entry.sha256);
        let mut tell = |bytes| {
            made.bytes += bytes;
            progress(&made);
        };
        match hash::copy(&path, u64::MAX, None, &mut tell) {
            Ok((sha256, bytes)) if sha256 == entry.sha256 && bytes == entry.bytes => {}
            Ok(_) => return Err(BackupError::Damaged { path, name: entry.path.clone() }),
            Err(BackupError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Damaged { path, name: entry.path.clone() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn build(
    backup: &Path,
    manifest: &Manifest,
    beside: &Path,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(), BackupError> {
    let mut made =
        Progress { doing: "restoring".to_owned(), file: String::new(), bytes: 0, of: manifest.bytes() };
    for entry in &manifest.files {
        made.file.clone_from(&entry.path);
        let path = beside.join(&entry.path);
        if let Some(parent) = path.parent() {
            make_dir(parent).map_err(BackupError::io("create", parent))?;
        }
        let mut file = create(&path)?;
        let mut tell = |bytes| {
            made.bytes += bytes;
            progress(&made);
        };
        let from = object(backup, &entry.sha256);
        let (sha256, _) = hash::copy(&from, u64::MAX, Some(&mut file), &mut tell)?;
        if sha256 != entry.sha256 {
            return Err(BackupError::Damaged { path: from, name: entry.path.clone() });
        }
        file.sync_all().map_err(BackupError::io("sync", &path))?;
        sync_parent(&path).map_err(BackupError::io("sync", &path))?;
    }
    let problems = judge(&Found::look_at(beside)?);
    match problems.is_empty() {
        // What came after the backup is known to some, by its numbers.
        true => Ok(leap(beside, now_ms())?),
        false => Err(BackupError::Lacking {
            path: backup.to_owned(),
            what: problems.iter().map(lacks).collect::<Vec<_>>().join("; "),
        }),
    }
}

fn lacks(problem: &Problem) -> String {
    match problem.fault {
        Fault::Missing => format!("this backup lacks {}", problem.part.name()),
        _ => format!("in this backup {}", problem.what()),
    }
}

/// Moves the new directory to its place. Returns where the one before is kept.
fn move_there(beside: &Path, target: &Path, is_taken: bool) -> Result<Option<PathBuf>, BackupError> {
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_dir(parent).map_err(BackupError::io("create", parent))?;
    }
    let replaced = is_taken.then(|| sibling(target, "replaced"));
    let moved = match &replaced {
        Some(replaced) => exchange(beside, target, replaced),
        None => fs::rename(beside, target),
    };
    moved.map_err(BackupError::io("move the restored directory to", target))?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(BackupError::io("sync", parent))?;
    Ok(replaced)
}

/// Puts `beside` in the place of `target`, which is `replaced` then: in one step where the file system can, so that there is
/// a data directory at every moment.
fn exchange(beside: &Path, target: &Path, replaced: &Path) -> io::Result<()> {
    fs::rename(beside, replaced)?;
    let exchanged = fs_exchange(replaced, target);
    if exchanged.is_ok() {
        return Ok(());
    }
    fs::rename(replaced, beside)?;
    fs::rename(target, replaced)?;
    // As it was, where that fails.
    fs::rename(beside, target).inspect_err(|_| drop(fs::rename(replaced, target)))
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn fs_exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn fs_exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
