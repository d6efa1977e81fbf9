//! The data directory: what lies where in it, its format version, and the lock that keeps a second server out.
use crate::identity::{NoRandom, TOKEN_KEY_BYTES, TokenKey, random_bytes};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// What the file `FORMAT` says; grows when an older program could no longer read the directory.
const FORMAT: &str = "ioc-data 1";
const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
const KEY_FILE: &str = "token.key";
const ADMIN_SOCKET: &str = "admin.sock";
const KEPT_RULES: &str = "rules.json";
/// Longest content of `FORMAT` and `LOCK` that is looked at.
const SMALL_FILE_MAX: u64 = 256;

/// A data directory that is open and locked; the lock goes with it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A running process has it.
    #[error(
        "data directory {} is in use by {}; stop that server, or choose another directory with --data-dir",
        path.display(),
        holder(*pid)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who, if that can be read.
        pid: Option<u32>,
    },
    /// The operating system refuses.
    #[error("cannot {doing} {}: {cause}; make it readable and writable for this user, or choose another directory with --data-dir", path.display())]
    Io {
        /// As in "create".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is a file.
    #[error("data directory {} is a file and a directory is needed; choose one with --data-dir", path.display())]
    File {
        /// The file.
        path: PathBuf,
    },
    /// Something else lives there.
    #[error("{} holds other files and no FORMAT file of ours; choose an empty or new directory with --data-dir", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Another version's directory.
    #[error("data directory {} has format {found:?}, this program reads {FORMAT:?}; run the version that wrote it, or choose another directory with --data-dir", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// What its `FORMAT` says.
        found: String,
    },
    /// The key of the token hashes is damaged.
    #[error("{} must hold {TOKEN_KEY_BYTES} bytes; restore it from a backup (without it no device token is valid)", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
    },
    /// No random numbers for a new key.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}

impl DataDir {
    /// Opens and locks the directory at `path`; makes it when there is none.
    ///
    /// Errors: [`DataDirError`] names the directory and what would be right.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |doing| move |cause| DataDirError::Io { doing, path: path.to_owned(), cause };
        if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
            return Err(DataDirError::File { path: path.to_owned() });
        }
        fs::DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(failed("create"))?;
        if !path.join(FORMAT_FILE).exists() && holds_other_files(path).map_err(failed("read"))? {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
        let lock = take_lock(path)?;
        check_format(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the journal lies.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Returns where history lies.
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Returns where the records lie.
    pub fn records(&self) -> PathBuf {
        self.path.join("records.sqlite")
    }

    /// Returns where the running server listens for the command line.
    pub fn admin_socket(&self) -> PathBuf {
        admin_socket(&self.path)
    }

    /// Returns where the demo writes its sign-in.
    pub fn demo_sign_in(&self) -> PathBuf {
        self.path.join("demo-signin.json")
    }

    /// Writes the demo's sign-in, readable for this user alone.
    ///
    /// Errors: what the operating system says.
    pub fn write_demo_sign_in(&self, username: &str, password: &str) -> Result<(), DataDirError> {
        let path = self.demo_sign_in();
        let text = serde_json::json!({ "username": username, "password": password }).to_string();
        write_private(&path, text.as_bytes()).map_err(|cause| DataDirError::Io {
            doing: "write",
            path,
            cause,
        })
    }

    /// Reads the key of the token hashes; makes it when there is none.
    ///
    /// Errors: a key file that cannot be read or is damaged.
    pub fn secret_key(&self) -> Result<TokenKey, DataDirError> {
        let path = self.path.join(KEY_FILE);
        let failed = |doing| {
            let path = path.clone();
            move |cause| DataDirError::Io { doing, path, cause }
        };
        match fs::read(&path) {
            Ok(bytes) => {
                let bytes = <[u8; TOKEN_KEY_BYTES]>::try_from(bytes.as_slice());
                bytes.map(|bytes| TokenKey::new(&bytes)).map_err(|_| DataDirError::Key { path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = random_bytes::<TOKEN_KEY_BYTES>()?;
                write_private(&path, &bytes).map_err(failed("write"))?;
                Ok(TokenKey::new(&bytes))
            }
            Err(error) => Err(failed("read")(error)),
        }
    }
}

/// Returns where a server that runs on the data directory `path` listens for the command line.
pub fn admin_socket(path: &Path) -> PathBuf {
    path.join(ADMIN_SOCKET)
}

/// Returns where the data directory `path` keeps the rule files that were last in force.
pub fn kept_rules(path: &Path) -> PathBuf {
    path.join(KEPT_RULES)
}

/// Says whether anything but a lock of ours lies in `path`; a first start may have been cut off after that.
fn holds_other_files(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        if entry?.file_name() != LOCK_FILE {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_lock(directory: &Path) -> Result<File, DataDirError> {
    let path = directory.join(LOCK_FILE);
    let failed = |doing, cause| DataDirError::Io { doing, path: path.clone(), cause };
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(&path);
    let mut file = file.map_err(|cause| failed("open", cause))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_small(&mut file).ok().and_then(|text| text.trim().parse().ok());
            return Err(DataDirError::InUse { path: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(cause)) => return Err(failed("lock", cause)),
    }
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|cause| failed("write", cause))?;
    Ok(file)
}

fn check_format(directory: &Path) -> Result<(), DataDirError> {
    let path = directory.join(FORMAT_FILE);
    let failed = |doing| {
        let path = path.clone();
        move |cause| DataDirError::Io { doing, path, cause }
    };
    match File::open(&path) {
        Ok(mut file) => {
            let found = read_small(&mut file).map_err(failed("read"))?.trim().to_owned();
            match found == FORMAT {
                true => Ok(()),
                false => Err(DataDirError::Format { path: directory.to_owned(), found }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_durably(&path, format!("{FORMAT}\n").as_bytes(), 0o640).map_err(failed("write"))
        }
        Err(error) => Err(failed("read")(error)),
    }
}

fn read_small(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(SMALL_FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_durably(path, bytes, 0o600)
}

/// Writes a file beside its place and moves it there, so that it is there whole or not at all.
fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_server_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        let expected = format!("data directory {} is in use by pid {};", path.display(), std::process::id());
        assert!(error.starts_with(&expected), "{error}");
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Foreign { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path()).unwrap());
        fs::write(dir.path().join(FORMAT_FILE), "ioc-data 9\n").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("has format \"ioc-data 9\", this program reads \"ioc-data 1\""), "{error}");
    }

    #[test]
    fn secrets_are_private_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let hash = data.secret_key().unwrap().hash(b"token");
        assert!(data.secret_key().unwrap().verify(b"token", &hash));
        data.write_demo_sign_in("operator", "a\"b").unwrap();
        data.write_demo_sign_in("operator", "c").unwrap();
        let text = fs::read_to_string(data.demo_sign_in()).unwrap();
        assert_eq!(text, r#"{"password":"c","username":"operator"}"#);
        for file in [KEY_FILE, "demo-signin.json"] {
            let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        fs::write(dir.path().join(KEY_FILE), "short").unwrap();
        assert!(matches!(data.secret_key(), Err(DataDirError::Key { .. })));
    }

    #[test]
    fn a_path_that_is_a_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        let expected = format!("data directory {} is a file and a directory is needed", path.display());
        assert!(error.starts_with(&expected), "{error}");
    }
}
