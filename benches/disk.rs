//! What a disk takes at least: an alert waits for two fdatasyncs, one after the other, so it cannot be faster than a message
//! that only does that.
use crate::Outcome;
use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::FileExt,
    path::Path,
    thread,
};

/// Bytes of a message and of its answer.
pub const MESSAGE_BYTES: usize = 256;
const RECORD: [u8; 1024] = [b'x'; 1024];
/// Records that fit the file; then it begins anew.
const RECORDS: u64 = 4096;

/// Starts a thread that answers each message of one connection when it has written and synced a kilobyte, twice, into a
/// file that was written before; nothing else. It ends with the connection.
///
/// Errors: no port or file.
pub fn echo(directory: &Path) -> Outcome<SocketAddr> {
    let file = tempfile::tempfile_in(directory)?;
    for record in 0..RECORDS {
        file.write_all_at(&[0; RECORD.len()], record * RECORD.len() as u64)?;
    }
    file.sync_all()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("disk echo".into()).spawn(move || {
        let (stream, _) = listener.accept()?;
        answer(stream, &file)
    })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, file: &File) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE_BYTES];
    for record in (0..RECORDS).cycle() {
        stream.read_exact(&mut message)?;
        for half in 0..2 {
            file.write_all_at(&RECORD, (record ^ half) * RECORD.len() as u64)?;
            file.sync_data()?;
        }
        stream.write_all(&message)?;
    }
    Ok(())
}
