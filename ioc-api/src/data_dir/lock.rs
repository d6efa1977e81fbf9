//! The lock that keeps a second process out, and who holds it.
use super::{DataDirError, beside};
use ioc_files::durable::{FILE_MODE, read_small, seam};
use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const LOCK_FILE: &str = "LOCK";
/// How long a starting server waits for a command, or for a server that is stopping.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the lock is tried meanwhile.
const RETRY: Duration = Duration::from_millis(50);
/// Looks at the same running server before it is believed: for a moment after it was taken, the lock names who had it
/// before.
const LOOKS: u32 = 5;

/// What holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A server.
    Server,
    /// A server that is on its way out.
    Stopping,
    /// A command, for a moment.
    Command,
}

impl Holder {
    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Stopping => "stopping",
            Self::Command => "command",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Server, Self::Stopping, Self::Command].into_iter().find(|holder| holder.word() == word)
    }
}

/// Who has a directory, as far as the lock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// The process.
    pub pid: Option<u32>,
    /// What it is.
    pub holder: Option<Holder>,
}

impl Owner {
    fn read(file: &mut File) -> Self {
        let text = file.rewind().and_then(|()| read_small(file)).unwrap_or_default();
        let mut lines = text.lines();
        let pid = lines.next().and_then(|line| line.trim().parse().ok());
        Self { pid, holder: lines.next().and_then(|line| Holder::parse(line.trim())) }
    }

    fn is_server(&self) -> bool {
        self.holder == Some(Holder::Server)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid}")?,
            None => f.write_str("another process")?,
        }
        match self.holder {
            Some(Holder::Server) => f.write_str(" (a server)"),
            Some(Holder::Stopping) => f.write_str(" (a server that is stopping)"),
            Some(Holder::Command) => f.write_str(" (a command)"),
            None => Ok(()),
        }
    }
}

/// The lock; goes with this value.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock of `directory` as `holder`. A server waits for a command, or a server that is stopping, to end.
    ///
    /// Errors: [`DataDirError::InUse`] names who has it.
    pub(super) fn take(directory: &Path, holder: Holder) -> Result<Self, DataDirError> {
        let deadline = Instant::now() + PATIENCE;
        let mut looks = 0;
        loop {
            match Self::try_take(directory, holder) {
                Err(DataDirError::InUse { owner, .. })
                    if holder == Holder::Server && Instant::now() < deadline =>
                {
                    looks = if owner.is_server() { looks + 1 } else { 0 };
                    if looks == LOOKS {
                        return Err(DataDirError::InUse { path: directory.to_owned(), owner });
                    }
                    thread::sleep(RETRY);
                }
                taken => return taken,
            }
        }
    }

    fn try_take(directory: &Path, holder: Holder) -> Result<Self, DataDirError> {
        let path = directory.join(LOCK_FILE);
        let failed = |doing, cause| DataDirError::Io { doing, path: path.clone(), cause };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let mut file = file.map_err(|cause| failed("open", cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = Owner::read(&mut file);
                return Err(DataDirError::InUse { path: directory.to_owned(), owner });
            }
            Err(TryLockError::Error(cause)) => return Err(failed("lock", cause)),
        }
        let lock = Self(file);
        lock.write(holder).map_err(|cause| failed("write", cause))?;
        Ok(lock)
    }

    /// Takes the lock of a directory that is only read; `None` when there is none.
    ///
    /// Errors: as [`Lock::take`].
    pub(super) fn take_to_read(directory: &Path) -> Result<Option<Self>, DataDirError> {
        let path = directory.join(LOCK_FILE);
        let failed = |doing, cause| DataDirError::Io { doing, path: path.clone(), cause };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => {
                let owner = Owner::read(&mut file);
                Err(DataDirError::InUse { path: directory.to_owned(), owner })
            }
            Err(TryLockError::Error(cause)) => Err(failed("lock", cause)),
        }
    }

    /// Says in the lock what holds it.
    pub(super) fn write(&self, holder: Holder) -> io::Result<()> {
        let mut file = &self.0;
        let text = format!("{}\n{}\n", std::process::id(), holder.word());
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text.as_bytes())
    }
}

/// Waits while a restore builds what will be the directory at `path`, as long as for a command; a command does not wait.
///
/// Errors: [`DataDirError::Restoring`].
pub(super) fn await_restore(path: &Path, holder: Holder) -> Result<(), DataDirError> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(beside) = restore_under_way(path) {
        if holder != Holder::Server || Instant::now() >= deadline {
            return Err(DataDirError::Restoring { path: path.to_owned(), beside });
        }
        seam::step();
        thread::sleep(RETRY);
    }
    Ok(())
}

/// Returns what a restore that runs now builds for the directory at `path`, if there is none yet: one that is to be replaced
/// is locked itself. A restore locks what it builds.
fn restore_under_way(path: &Path) -> Option<PathBuf> {
    let is_there = fs::read_dir(path).is_ok_and(|mut files| files.next().is_some());
    let is_held = |beside: &PathBuf| {
        File::open(beside).is_ok_and(|held| matches!(held.try_lock(), Err(TryLockError::WouldBlock)))
    };
    (!is_there).then(|| beside(path, "restoring").into_iter().find(is_held)).flatten()
}

/// Reports whether `name` is the lock's file.
pub(super) fn is_lock(name: &std::ffi::OsStr) -> bool {
    name == LOCK_FILE
}
