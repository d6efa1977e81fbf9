//! Whether what lies in a data directory is what it should be at all: opening a pipe in the place of a file waits for ever,
//! and a directory in the place of a file fails far from its cause.
use super::{ADMIN_SOCKET, DataDirError};
use std::{
    fmt,
    fs::{self, FileType},
    io,
    os::unix::fs::FileTypeExt,
    path::Path,
};

/// What something in the directory is, or should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// A named pipe.
    Pipe,
    /// A device.
    Device,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Socket => "a socket",
            Self::Pipe => "a named pipe",
            Self::Device => "a device",
        })
    }
}

impl Shape {
    fn of(kind: FileType) -> Self {
        match kind {
            _ if kind.is_dir() => Self::Directory,
            _ if kind.is_socket() => Self::Socket,
            _ if kind.is_fifo() => Self::Pipe,
            _ if kind.is_char_device() || kind.is_block_device() => Self::Device,
            _ => Self::File,
        }
    }
}

/// Parts that are directories of files.
const PARTS: [&str; 2] = ["journal", "store"];
/// Other directories of ours; what lies in them is not read at a start.
const ASIDE: [&str; 2] = ["lost", super::STAGING];
/// Files at the top, apart from those of SQLite.
const FILES: [&str; 12] = [
    "FORMAT",
    "changes",
    "LOCK",
    "identity",
    "token.key",
    "records.sqlite",
    "rules.json",
    "catalogue.json",
    "accepting",
    "demo-signin.json",
    "demo-tls.crt",
    "demo-tls.key",
];

/// Refuses a directory at `path` in which something is not what it should be. What is not ours is passed over, unless it
/// is neither file nor directory.
///
/// Errors: [`DataDirError::Shape`] names the first, or the directory cannot be read.
pub(super) fn check(path: &Path) -> Result<(), DataDirError> {
    let expected = |name: &str, found: Shape| match name {
        // A file in the socket's place is replaced; a socket that is being made may be left.
        ADMIN_SOCKET | "admin.new" if matches!(found, Shape::File | Shape::Socket) => found,
        ADMIN_SOCKET => Shape::Socket,
        _ if PARTS.contains(&name) || ASIDE.contains(&name) => Shape::Directory,
        _ if FILES.contains(&name) || found != Shape::Directory => Shape::File,
        _ => Shape::Directory,
    };
    check_entries(path, &expected)?;
    let of_part = |name: &str, found: Shape| {
        let is_ours = matches!(name, "identity" | "manifest" | "checkpoints")
            || [".journal", ".history", ".newest"].iter().any(|ending| name.ends_with(ending));
        if is_ours || found != Shape::Directory { Shape::File } else { Shape::Directory }
    };
    PARTS.iter().try_for_each(|part| check_entries(&path.join(part), &of_part))
}

fn check_entries(directory: &Path, expected: &dyn Fn(&str, Shape) -> Shape) -> Result<(), DataDirError> {
    let failed = |cause| DataDirError::Io { doing: "read", path: directory.to_owned(), cause };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        // A link counts as what it leads to; what is gone meanwhile, or leads nowhere, is told by who needs it.
        let Ok(found) = fs::metadata(&path).map(|found| Shape::of(found.file_type())) else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let expected = expected(&name, found);
        if found != expected {
            return Err(DataDirError::Shape { path, found, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::DataDir;
    use rustix::fs::{CWD, Mode, mknodat};
    use std::{os::unix::net::UnixListener, path::PathBuf};

    /// Every place that a start reads, and what may stand there instead.
    #[test]
    fn whatever_lies_in_a_place_that_is_read_is_told_and_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let files = FILES.map(PathBuf::from);
        let within = ["journal/checkpoints", "journal/00000000000000000001.journal", "journal/identity"];
        let stored = ["store/manifest", "store/identity", "store/1.history", "store/1.newest"];
        let files = files.into_iter().chain(within.into_iter().chain(stored).map(PathBuf::from));
        let directories = PARTS.map(PathBuf::from);
        let socket = PathBuf::from(ADMIN_SOCKET);
        let cases = files
            .map(|path| (path, Shape::File))
            .chain(directories.map(|path| (path, Shape::Directory)))
            .chain([(socket, Shape::Socket)]);
        for (n, (path, expected)) in cases.enumerate() {
            for (m, found) in
                [Shape::File, Shape::Directory, Shape::Socket, Shape::Pipe].into_iter().enumerate()
            {
                if found == expected || (expected, found) == (Shape::Socket, Shape::File) {
                    continue;
                }
                // Names of sockets must be short.
                let root = home.path().join(format!("{n}-{m}"));
                let place = root.join(&path);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                if path != Path::new("FORMAT") {
                    fs::write(root.join("FORMAT"), "ioc-data 1\n").unwrap();
                }
                match found {
                    Shape::File => fs::write(&place, "").unwrap(),
                    Shape::Directory => fs::create_dir(&place).unwrap(),
                    Shape::Socket => drop(UnixListener::bind(&place).unwrap()),
                    _ => {
                        mknodat(CWD, &place, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap()
                    }
                }
                let error = DataDir::open(&root).unwrap_err().to_string();
                let said = format!("{} is {found} where {expected} belongs", place.display());
                assert!(error.starts_with(&said), "{error} should say {said}");
            }
        }
    }

    #[test]
    fn links_and_what_is_not_ours_are_let_be() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(elsewhere.path().join("history")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("history"), dir.path().join("store")).unwrap();
        fs::write(dir.path().join("FORMAT"), "ioc-data 1\n").unwrap();
        fs::write(dir.path().join("notes.txt"), "ours").unwrap();
        fs::create_dir_all(dir.path().join("journal/old")).unwrap();
        check(dir.path()).unwrap();
    }
}
