//! How often people, devices and credentials were changed, kept beside the records that count it: records put back from a
//! copy of the same start have the same identity, and a token that was revoked since would be valid again.
use crate::stamp::fingerprint;
use ioc_files::durable::{read_small, write_durably};
use std::{fs::File, io, path::Path};

/// Name of the file.
pub const FILE: &str = "changes";
const FIRST_LINE: &str = "ioc-changes 1";

/// Reads the count in `directory`; `None` when there is none, or it is damaged.
///
/// Errors: what the operating system says.
pub fn read(directory: &Path) -> io::Result<Option<u64>> {
    match File::open(directory.join(FILE)) {
        Ok(mut file) => Ok(parse(&read_small(&mut file)?)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes the count, durably. To be called once the records have it: they may be ahead, never behind.
///
/// Errors: what the operating system says.
pub fn write(directory: &Path, count: u64) -> io::Result<()> {
    write_durably(&directory.join(FILE), print(count).as_bytes())
}

fn print(count: u64) -> String {
    let body = format!("{FIRST_LINE}\ncount {count}\n");
    let check = fingerprint(body.as_bytes());
    format!("{body}check {check:016x}\n")
}

fn parse(text: &str) -> Option<u64> {
    let count = text.lines().nth(1)?.strip_prefix("count ")?.parse().ok()?;
    (text == print(count)).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        for count in [0, 7, u64::MAX] {
            write(dir.path(), count).unwrap();
            assert_eq!(read(dir.path()).unwrap(), Some(count));
        }
        let text = print(12);
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&String::from_utf8_lossy(&bytes)), None, "bit {bit}");
        }
    }
}
