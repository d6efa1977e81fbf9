//! SHA-256 of files, while they are read or copied.
use super::BackupError;
use ioc_files::Links;
use ring::digest::{Context, SHA256};
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the first `len` bytes of `source`, writes them to `target` if there is one, calls `tell` with each part's length,
/// and returns their hash in hexadecimal and how many there were.
///
/// Errors: the file cannot be read, or `target` not written.
pub(super) fn copy(
    source: &Path,
    len: u64,
    mut target: Option<&mut File>,
    tell: &mut dyn FnMut(u64),
) -> Result<(String, u64), BackupError> {
    let mut file =
        ioc_files::open(source, Links::Followed).map_err(BackupError::io("open", source))?.take(len);
    let (mut context, mut buffer, mut bytes) = (Context::new(&SHA256), vec![0; BUFFER_BYTES], 0);
    loop {
        let read = file.read(&mut buffer).map_err(BackupError::io("read", source))?;
        if read == 0 {
            break;
        }
        context.update(&buffer[..read]);
        if let Some(target) = &mut target {
            target.write_all(&buffer[..read]).map_err(BackupError::io("copy", source))?;
        }
        bytes += read as u64;
        tell(read as u64);
    }
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, bytes))
}
