//! The few file operations of the writer behind a trait, so that tests can run out of space and fail a sync.
use crate::JournalError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Only the user of the process reads what the city has sent.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Where segments are written.
pub(crate) trait Disk: Send + 'static {
    /// Creates an empty segment file; one of that name holds nothing committed and is emptied.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Opens an existing segment file for writing.
    fn reopen(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes created and renamed names in `dir` durable.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
    /// Removes a segment file that holds nothing committed.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Ends the process after a write or sync whose outcome is unknown. Returns only in tests.
    fn give_up(&mut self);
}

/// One open segment file.
pub(crate) trait SegmentFile: Send {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn sync_data(&mut self) -> io::Result<()>;
    /// Makes the file `len` bytes longer from `end`, where it ends, with zeros that go to disk with the next sync.
    fn reserve(&mut self, end: u64, len: u64) -> io::Result<()>;
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct Files;

impl Disk for Files {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn reopen(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn give_up(&mut self) {
        // What the page cache holds after a failed sync is unknown: only a restart reads what is on disk.
        std::process::abort();
    }
}

impl SegmentFile for File {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, at)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn reserve(&mut self, end: u64, len: u64) -> io::Result<()> {
        // Not by fallocate: a file system has to note of each block so made that it holds data now, which costs the sync
        // after the write a third of its time.
        let mut done = 0;
        while done < len {
            let part = ZEROS.len().min((len - done) as usize);
            FileExt::write_all_at(self, &ZEROS[..part], end + done)?;
            done += part as u64;
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Makes created, renamed and removed names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Reports whether the error means that the disk or the quota is full.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Replaces `path` by `bytes`, all or nothing, also through a crash.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&temporary)?;
    FileExt::write_all_at(&file, bytes, 0)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

/// Creates the directory, or closes one that is there to other users, with the files in it.
///
/// Errors: [`JournalError::Io`].
pub(crate) fn make_private(dir: &Path) -> Result<(), JournalError> {
    let make = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
        tighten(dir, DIR_MODE)?;
        fs::read_dir(dir)?.try_for_each(|entry| tighten(&entry?.path(), FILE_MODE))
    };
    make().map_err(JournalError::io("make private", dir))
}

fn tighten(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let is_directory = found.is_dir();
    let is_open = found.permissions().mode() & 0o077 != 0 && !found.file_type().is_symlink();
    let mode = if is_directory { DIR_MODE } else { mode };
    if is_open { fs::set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
}
