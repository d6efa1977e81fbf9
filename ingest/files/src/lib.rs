//! Reading files that people name: bounded, and never waiting for what is no file. A pipe without a writer would keep a start
//! waiting for ever, and a device or a huge file would take all memory.
pub mod durable;

use rustix::fs::OFlags;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// Whether a link may stand in place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Followed,
    /// It is refused.
    Refused,
}

/// Largest file of settings that is read: configuration, indicators, city, scenario, certificates.
pub const SETTINGS_BYTES_MAX: usize = 16 << 20;

/// Opens a regular file to be read.
///
/// Errors: it cannot be opened, or it is a directory, a pipe or a device (which is not waited for).
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let no_follow = if links == Links::Refused { OFlags::NOFOLLOW } else { OFlags::empty() };
    // A pipe without a writer would keep us waiting for ever.
    match open_with(path, OFlags::NONBLOCK | no_follow) {
        // Another process has a lease on the file, as servers of network shares take; the system takes it away in time.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let named = regular(open_with(path, OFlags::PATH | no_follow)?)?;
            regular(File::open(format!("/proc/self/fd/{}", named.as_raw_fd()))?)
        }
        opened => regular(opened?),
    }
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = (flags | OFlags::NOCTTY).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Reads a whole regular file of at most `bytes_max`.
///
/// Errors: those of [`open`], or it is larger.
pub fn read(path: &Path, bytes_max: usize, links: Links) -> io::Result<Vec<u8>> {
    let file = open(path, links)?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > bytes_max {
        true => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {bytes_max} bytes")))
        }
        false => Ok(bytes),
    }
}

/// Reads a whole text file, as [`read`] does; links are followed.
///
/// Errors: those of [`read`], and it is not UTF-8.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<String> {
    let not_utf8 = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8; save it as UTF-8");
    String::from_utf8(read(path, bytes_max, Links::Followed)?).map_err(not_utf8)
}

/// Reads a whole file of settings as text, as [`read_text`] does.
///
/// Errors: those of [`read_text`].
pub fn read_settings(path: &Path) -> io::Result<String> {
    read_text(path, SETTINGS_BYTES_MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_small_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), "Huế").unwrap();
        symlink(at("a"), at("link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(read_text(&at("a"), 5).unwrap(), "Huế");
        assert_eq!(read_text(&at("link"), 5).unwrap(), "Huế");
        let refused = |path: &Path, max, links| read(path, max, links).unwrap_err().to_string();
        assert_eq!(refused(&at("a"), 4, Links::Followed), "it is larger than 4 bytes");
        assert_eq!(refused(&at("pipe"), 9, Links::Followed), "it is not a regular file");
        assert_eq!(refused(dir.path(), 9, Links::Followed), "it is not a regular file");
        assert_eq!(refused(Path::new("/dev/zero"), 9, Links::Followed), "it is not a regular file");
        assert!(refused(&at("link"), 9, Links::Refused).contains("symbolic link"));
    }
}
