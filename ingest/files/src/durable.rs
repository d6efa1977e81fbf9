//! Small files of the data directory: whole or not there, and for their own user alone.
use rustix::fs::Access;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Mode of every file: the journal, history and records tell who was where, and keys are secrets.
pub const FILE_MODE: u32 = 0o600;
/// Mode of every directory.
pub const DIR_MODE: u32 = 0o700;
/// Longest content of a small file that is looked at, in bytes.
const SMALL_FILE_MAX: u64 = 4096;

/// Writes a file beside its place and moves it there, so that it is there whole or not at all, also through a crash.
///
/// Errors: what the operating system says.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&temporary)?;
    seam::step();
    file.write_all(bytes)?;
    file.sync_all()?;
    seam::step();
    fs::rename(&temporary, path)?;
    seam::step();
    sync_parent(path)
}

/// Reports whether the disk, or the share of it that this user may have, is full.
pub fn is_full(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Returns what would put a failed operation on a file right.
pub fn remedy(cause: &io::Error) -> &'static str {
    match is_full(cause) {
        true => "the disk is full: free space and start again",
        false => "make it readable and writable for this user",
    }
}

/// Makes created, renamed and removed names beside `path` durable.
///
/// Errors: what the operating system says.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads the beginning of a small file as text.
///
/// Errors: what the operating system says.
pub fn read_small(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Creates a directory, with those above it, for this user alone.
///
/// Errors: what the operating system says.
pub fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
}

/// Reports whether files can be made in a directory, as far as the file system and its mode say.
pub fn can_write_in(directory: &Path) -> bool {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    !seam::is_read_only(directory)
        && rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Directories that tests take for read-only (for the superuser every directory can be written), and what they look at
/// between two steps, where a process may end.
pub mod seam {
    use std::path::Path;
    #[cfg(any(test, feature = "seam"))]
    use std::{cell::RefCell, path::PathBuf};

    #[cfg(any(test, feature = "seam"))]
    thread_local! {
        /// Called at each step of this thread.
        pub static AT_STEP: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
        /// Directories below this one are taken for read-only by this thread.
        pub static READ_ONLY: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    }

    /// Marks a step after which a process may end and leave what it has written so far.
    pub fn step() {
        #[cfg(any(test, feature = "seam"))]
        AT_STEP.with_borrow_mut(|hook| hook.iter_mut().for_each(|hook| hook()));
    }

    #[cfg(any(test, feature = "seam"))]
    pub(super) fn is_read_only(directory: &Path) -> bool {
        READ_ONLY.with_borrow(|read_only| read_only.as_ref().is_some_and(|path| directory.starts_with(path)))
    }

    #[cfg(not(any(test, feature = "seam")))]
    pub(super) fn is_read_only(_: &Path) -> bool {
        false
    }
}

/// Closes a directory and all that lies in it to other users.
///
/// Errors: what the operating system says.
pub fn tighten(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        // Gone since it was listed: a temporary file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if found.file_type().is_symlink() {
        return Ok(());
    }
    let mode = if found.is_dir() { DIR_MODE } else { FILE_MODE };
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    match found.is_dir() {
        true => fs::read_dir(path)?.try_for_each(|entry| tighten(&entry?.path())),
        false => Ok(()),
    }
}
