//! The identity that every part of a data directory carries.
//!
//! `directory` is drawn when the directory is made and never changes. `epoch` grows, and `mark` is drawn anew, at each
//! start of a server and after each backup, in every part: so a part from a backup or an older copy is known to be
//! older, and a part of a copy that has lived on elsewhere is known to be foreign. The file `identity` at the top says
//! which mark holds; while the parts get a new one it names both, so that a crash in between refuses nothing.
use ioc_files::durable::{read_small, write_durably};
pub use ioc_records::stamp::{Stamp, fingerprint};
use std::{fs::File, io, path::Path};

/// Name of the file that carries it.
pub const FILE: &str = "identity";
const FIRST_LINE: &str = "ioc-identity 2";
/// Without a check.
const FIRST_LINE_1: &str = "ioc-identity 1";

/// What the file at the top says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// What every part carries.
    pub stamp: Stamp,
    /// The mark before, while not every part has the new one; 0 while parts have none yet.
    pub previous: Option<u64>,
    /// Fingerprint of the key of the device tokens; 0 when it is not known.
    pub key: u64,
}

/// Reads the stamp in `directory`; `None` when there is none, or it is damaged.
///
/// Errors: what the operating system says.
pub fn read(directory: &Path) -> io::Result<Option<Root>> {
    match File::open(directory.join(FILE)) {
        Ok(mut file) => Ok(parse(&read_small(&mut file)?)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes the stamp of a part, durably.
///
/// Errors: what the operating system says.
pub fn write(directory: &Path, stamp: &Stamp) -> io::Result<()> {
    write_root(directory, &Root { stamp: *stamp, previous: None, key: 0 })
}

/// Writes the file at the top, durably.
///
/// Errors: what the operating system says.
pub fn write_root(directory: &Path, root: &Root) -> io::Result<()> {
    write_durably(&directory.join(FILE), print(root).as_bytes())
}

fn print(root: &Root) -> String {
    let Root { stamp: Stamp { directory, epoch, mark }, previous, key } = root;
    let mut text = format!("{FIRST_LINE}\ndirectory {directory:016x}\nepoch {epoch}\nmark {mark:016x}\n");
    if *key != 0 {
        text.push_str(&format!("key {key:016x}\n"));
    }
    if let Some(previous) = previous {
        text.push_str(&format!("previous {previous:016x}\n"));
    }
    let check = fingerprint(text.as_bytes());
    text.push_str(&format!("check {check:016x}\nend\n"));
    text
}

fn parse(text: &str) -> Option<Root> {
    let first = text.lines().next();
    let body = match first {
        Some(FIRST_LINE) => checked(text.strip_suffix("end\n")?)?,
        Some(FIRST_LINE_1) => text.strip_suffix("end\n")?,
        _ => return None,
    };
    let value = |name: &str| {
        let mut found = body.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.next()
    };
    let hex = |name: &str| u64::from_str_radix(value(name)?, 16).ok();
    let stamp =
        Stamp { directory: hex("directory")?, epoch: value("epoch")?.parse().ok()?, mark: hex("mark")? };
    Some(Root { stamp, previous: hex("previous"), key: hex("key").unwrap_or(0) })
}

/// Returns what stands before the last line, which must be the check of it.
fn checked(text: &str) -> Option<&str> {
    let at = text.strip_suffix('\n')?.rfind('\n')? + 1;
    let (body, check) = text.split_at(at);
    let expected = format!("check {:016x}\n", fingerprint(body.as_bytes()));
    (check == expected).then_some(body)
}

/// Reports whether the file of the stamp in `directory` is there and cannot be read.
pub fn is_damaged(directory: &Path) -> bool {
    read(directory).is_ok_and(|root| root.is_none()) && directory.join(FILE).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_torn_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let stamp = Stamp::draw().unwrap();
        let root =
            Root { stamp: stamp.next().unwrap(), previous: Some(stamp.mark), key: fingerprint(b"key") };
        for root in [root, Root { previous: None, key: 0, ..root }, Root { previous: Some(0), ..root }] {
            write_root(dir.path(), &root).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Some(root));
        }
        let text = print(&root);
        for len in 0..text.len() {
            assert_eq!(parse(&text[..len]), None, "{len}");
        }
        let old = text.replace("identity 2", "identity 1");
        let at = old.find("check").unwrap();
        assert_eq!(parse(&format!("{}end\n", &old[..at])), Some(root), "an earlier version's");
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let text = print(&Root { stamp: Stamp::draw().unwrap(), previous: Some(7), key: 9 });
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&String::from_utf8_lossy(&bytes)), None, "bit {bit}");
        }
    }
}
