//! The few file operations of the writer behind a trait, so that tests can run out of space and fail a sync.
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

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
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
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

/// Says whether the error means that the disk or the quota is full.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Replaces `path` by `bytes`, all or nothing, also through a crash.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let file = File::create(&temporary)?;
    FileExt::write_all_at(&file, bytes, 0)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}
