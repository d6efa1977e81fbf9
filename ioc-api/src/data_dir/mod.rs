//! The data directory: what lies where in it, its format version, the lock that keeps a second process out, and whether
//! its parts belong together.
//!
//! | Module | Owns |
//! |---|---|
//! | `lock` | the lock, and who holds it |
//! | `parts` | the parts, what can be wrong with one, what each way out costs |
//! | `stamp` | the identity that every part carries |
//! | `shapes` | whether files are files |
//! | `examine`, `judge` | what is there, and whether it belongs together |
//! | `verify` | the check at each start; the identity of new and of older directories |
//! | `accept` | going on without a part |
//! | `timeline` | numbers of records that no other life of the directory has |
pub(crate) mod accept;
mod error;
mod examine;
mod judge;
mod lock;
pub mod parts;
mod shapes;
pub mod stamp;
mod timeline;
mod verify;

pub use error::DataDirError;
pub use examine::{Found, History, Look};
pub use judge::judge;
pub use lock::{Holder, Owner};
pub use parts::{Fault, Part, Problem};
pub use shapes::Shape;
pub use timeline::{beyond, leap};
pub use verify::STAGING;

use ioc_files::durable::{make_dir, read_small, tighten, write_durably};
use ioc_identity::{TOKEN_KEY_BYTES, TokenKey, random_bytes};
use lock::Lock;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What the file `FORMAT` says; grows when an older program could no longer read the directory.
const FORMAT: &str = "ioc-data 2";
/// Those of earlier versions that this one goes on with: 1 has no events of alerts in its journal.
const EARLIER_FORMATS: [&str; 1] = ["ioc-data 1"];
const FORMAT_FILE: &str = "FORMAT";
/// What it is called while it is written.
const FORMAT_NEW: &str = "FORMAT.new";
const KEY_FILE: &str = "token.key";
const ADMIN_SOCKET: &str = "admin.sock";
const KEPT_RULES: &str = "rules.json";
const KEPT_CATALOGUE: &str = "catalogue.json";

/// A data directory that is open and locked; the lock goes with it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// `None` where nobody can have it.
    lock: Option<Lock>,
    is_read_only: bool,
}

impl DataDir {
    /// Opens and locks the directory at `path` for a command; makes it when there is none.
    ///
    /// Errors: [`DataDirError`] names the directory and what would be right.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        Self::open_as(path, Holder::Command)
    }

    /// Opens and locks the directory at `path`; makes it when there is none. A server waits some seconds for a command,
    /// or a server that is stopping, to end; that another server runs on it is told at once.
    ///
    /// Errors: [`DataDirError`] names the directory, who has it, and what would be right.
    pub fn open_as(path: &Path, holder: Holder) -> Result<Self, DataDirError> {
        let failed = |doing| move |cause| DataDirError::Io { doing, path: path.to_owned(), cause };
        if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
            return Err(DataDirError::File { path: path.to_owned() });
        }
        lock::await_restore(path, holder)?;
        refuse_cut_off(path)?;
        make_dir(path).map_err(failed("create"))?;
        shapes::check(path)?;
        let has_format = fs::metadata(path.join(FORMAT_FILE)).is_ok_and(|found| found.len() > 0);
        let is_ours = has_format || stamp::read(path).is_ok_and(|root| root.is_some());
        if !is_ours && holds_other_files(path).map_err(failed("read"))? {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
        let lock = Lock::take(path, holder)?;
        bring_format_up_to_date(path)?;
        tighten(path).map_err(failed("close to other users"))?;
        Ok(Self { path: path.to_owned(), lock: Some(lock), is_read_only: false })
    }

    /// Opens the directory at `path` to be read and nothing else, as on a file system that takes no writes. It is locked as
    /// far as that is possible: where there is no `LOCK` nobody can hold it.
    ///
    /// Errors: as [`DataDir::open`].
    pub fn open_to_read(path: &Path) -> Result<Self, DataDirError> {
        shapes::check(path)?;
        let has_format = fs::metadata(path.join(FORMAT_FILE)).is_ok_and(|found| found.len() > 0);
        if !has_format && !stamp::read(path).is_ok_and(|root| root.is_some()) {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
        let lock = Lock::take_to_read(path)?;
        if has_format {
            check_format(path)?;
        }
        Ok(Self { path: path.to_owned(), lock, is_read_only: true })
    }

    /// Reports whether it is only read.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Reports whether the lock was taken, rather than that nobody can have it.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Notes in the lock that this server is stopping, so that the next one waits for it.
    pub fn mark_stopping(&self) {
        // Without it the next one does not wait, which its user sees.
        let _ = self.lock.as_ref().map(|lock| lock.write(Holder::Stopping));
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

    /// Returns where the key of the device tokens lies.
    pub fn key(&self) -> PathBuf {
        self.path.join(KEY_FILE)
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
        write_durably(&path, text.as_bytes()).map_err(|cause| DataDirError::Io {
            doing: "write",
            path,
            cause,
        })
    }

    /// Reads the key of the token hashes; makes it when there is none.
    ///
    /// Errors: a key file that cannot be read or is damaged.
    pub fn secret_key(&self) -> Result<TokenKey, DataDirError> {
        let path = self.key();
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
                write_durably(&path, &bytes).map_err(failed("write"))?;
                Ok(TokenKey::new(&bytes))
            }
            Err(error) => Err(failed("read")(error)),
        }
    }
}

/// Returns what lies beside the directory `path` as NAME.WORD-…, oldest first.
pub fn beside(path: &Path, word: &str) -> Vec<PathBuf> {
    let Some(name) = path.file_name() else { return Vec::new() };
    let prefix = format!("{}.{word}-", name.to_string_lossy());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = fs::read_dir(parent).into_iter().flatten().flatten();
    let is_left = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(&prefix);
    let mut left: Vec<_> = files
        .filter(|file| is_left(&file.file_name()))
        .map(|file| path.with_file_name(file.file_name()))
        .collect();
    left.sort();
    left
}

/// Refuses a directory that is absent only because a restore was cut off: an empty one in its place would hide that.
fn refuse_cut_off(path: &Path) -> Result<(), DataDirError> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let newest = |word| beside(path, word).pop();
    let (left, is_whole) = match newest("replaced") {
        Some(left) => (Some(left), true),
        None => (newest("restoring"), false),
    };
    left.map_or(Ok(()), |left| Err(DataDirError::CutOff { path: path.to_owned(), left, is_whole }))
}

/// Takes the lock of the directory at `path` and looks at nothing else in it.
///
/// Errors: [`DataDirError::InUse`].
pub fn lock_only(path: &Path, holder: Holder) -> Result<impl Sized + use<>, DataDirError> {
    Lock::take(path, holder)
}

/// Returns where a server that runs on the data directory `path` listens for the command line.
pub fn admin_socket(path: &Path) -> PathBuf {
    path.join(ADMIN_SOCKET)
}

/// Returns where the data directory `path` keeps what the catalogue said last.
pub fn kept_catalogue_file(path: &Path) -> PathBuf {
    path.join(KEPT_CATALOGUE)
}

/// Returns where the data directory `path` keeps the rule files that were last in force.
pub fn kept_rules(path: &Path) -> PathBuf {
    path.join(KEPT_RULES)
}

/// Reports whether anything but a lock of ours and a `FORMAT` that is being written lies in `path`; a first start may have been
/// cut off after that.
fn holds_other_files(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !lock::is_lock(&name) && name != FORMAT_NEW {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the format of this version where there is none, or one of an earlier version, which this one goes on with.
fn bring_format_up_to_date(directory: &Path) -> Result<(), DataDirError> {
    if check_format(directory)? {
        return Ok(());
    }
    let path = directory.join(FORMAT_FILE);
    let failed = |cause| DataDirError::Io { doing: "write", path: path.clone(), cause };
    write_durably(&path, format!("{FORMAT}\n").as_bytes()).map_err(failed)
}

/// Reports whether the directory has the format of this version, rather than none, or an earlier one that this version reads.
fn check_format(directory: &Path) -> Result<bool, DataDirError> {
    let path = directory.join(FORMAT_FILE);
    let failed = |cause| DataDirError::Io { doing: "read", path: path.clone(), cause };
    let found = match File::open(&path) {
        Ok(mut file) => read_small(&mut file).map_err(failed)?.trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match &*found {
        FORMAT => Ok(true),
        // A copy onto a full disk, say; as if it were not there.
        "" => Ok(false),
        earlier if EARLIER_FORMATS.contains(&earlier) => Ok(false),
        _ => Err(DataDirError::Format { path: directory.to_owned(), found }),
    }
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
        let expected =
            format!("data directory {} is in use by pid {} (a command);", path.display(), std::process::id());
        assert!(error.starts_with(&expected), "{error}");
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn a_server_waits_for_a_command_and_for_one_that_stops_but_not_for_one_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let running = DataDir::open_as(dir.path(), Holder::Server).unwrap();
        let refused = DataDir::open_as(dir.path(), Holder::Server).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {} (a server);", std::process::id())), "{refused}");
        drop(running);
        for holder in [Holder::Command, Holder::Stopping] {
            let held = DataDir::open_as(dir.path(), holder).unwrap();
            std::thread::scope(|scope| {
                let starting = scope.spawn(|| DataDir::open_as(dir.path(), Holder::Server).map(|_| ()));
                // Long enough for a server that does not wait to be refused; one that waits gets the lock either way.
                std::thread::sleep(std::time::Duration::from_millis(400));
                assert!(!starting.is_finished(), "it waits");
                drop(held);
                starting.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn everything_in_it_is_for_its_own_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::create_dir_all(path.join("store/deep")).unwrap();
        fs::write(path.join(FORMAT_FILE), "ioc-data 1\n").unwrap();
        fs::write(path.join("store/deep/file"), "").unwrap();
        for open in ["", "store", "store/deep"] {
            fs::set_permissions(path.join(open), fs::Permissions::from_mode(0o755)).unwrap();
        }
        drop(DataDir::open(&path).unwrap());
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["", "store", "store/deep"].map(mode), [0o700; 3]);
        assert_eq!(["LOCK", FORMAT_FILE, "store/deep/file"].map(mode), [0o600; 3]);
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Foreign { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_format_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let format = dir.path().join(FORMAT_FILE);
        DataDir::open(dir.path()).unwrap().verify().unwrap();
        fs::write(&format, "").unwrap();
        DataDir::open(dir.path()).unwrap().verify().unwrap();
        assert_eq!(fs::read_to_string(&format).unwrap(), "ioc-data 2\n");
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(FORMAT_FILE), "").unwrap();
        assert!(matches!(DataDir::open(other.path()), Err(DataDirError::Foreign { .. })));
    }

    #[test]
    fn another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path()).unwrap());
        fs::write(dir.path().join(FORMAT_FILE), "ioc-data 9\n").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("has format \"ioc-data 9\", this program reads \"ioc-data 2\""), "{error}");
    }

    #[test]
    fn the_format_of_an_earlier_version_is_read_and_brought_up_to_date_by_whoever_writes() {
        let dir = tempfile::tempdir().unwrap();
        let format = dir.path().join(FORMAT_FILE);
        drop(DataDir::open(dir.path()).unwrap());
        fs::write(&format, "ioc-data 1\n").unwrap();
        drop(DataDir::open_to_read(dir.path()).unwrap());
        assert_eq!(fs::read_to_string(&format).unwrap(), "ioc-data 1\n");
        drop(DataDir::open(dir.path()).unwrap());
        assert_eq!(fs::read_to_string(&format).unwrap(), "ioc-data 2\n");
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
