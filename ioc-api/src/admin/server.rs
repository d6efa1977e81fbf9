//! The admin socket of a running server. Who may open it is the file's mode: the server's own user and root.
use super::{
    Operations,
    protocol::{Answer, REQUEST_LEN_MAX, Request, chain},
    unix_user,
};
use crate::{backup::Progress, clock::now_ms};
use ioc_identity::Principal;
use std::{
    fs::{self, File, Permissions},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    time::timeout,
};

/// Commands at the same time; a further one waits for its turn.
const COMMANDS_MAX: usize = 8;
/// How long a client may take to say what it wants, and to take the answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stop waits for commands that are being answered.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Longest path that a socket address holds, on every Unix.
const SOCKET_PATH_LEN_MAX: usize = 100;

/// The bound socket; the file goes when it is dropped.
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    turns: Arc<Semaphore>,
}

/// The commands that are being answered.
pub struct Answering(Arc<Semaphore>);

impl Answering {
    /// Waits until none is, for a while: a client that gets no answer then knows that its command was not begun.
    pub async fn end(self) {
        let all = self.0.acquire_many(COMMANDS_MAX as u32);
        // A long one is cut off; its client is told by the connection's end.
        let _ = timeout(STOP_GRACE, all).await;
    }
}

/// A path that fits a socket address; `via` must stay open while it is used.
pub(super) struct ShortPath {
    pub(super) path: PathBuf,
    _via: Option<File>,
}

/// Finds a short way to a path that is too long for a socket address: through an open directory.
pub(super) fn short_path(path: &Path) -> io::Result<ShortPath> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(ShortPath { path: path.to_owned(), _via: None });
    };
    if path.as_os_str().len() <= SOCKET_PATH_LEN_MAX {
        return Ok(ShortPath { path: path.to_owned(), _via: None });
    }
    let via = File::open(directory)?;
    let path = Path::new("/proc/self/fd").join(via.as_raw_fd().to_string()).join(name);
    Ok(ShortPath { path, _via: Some(via) })
}

/// Binds the socket at `path`, readable for this user alone. The caller holds the directory's lock, so a file
/// that is there already was left by a server that is no more. Must be called within a tokio runtime.
///
/// Errors: what the operating system says.
pub fn bind(path: &Path) -> io::Result<AdminSocket> {
    let new = path.with_extension("new");
    for stale in [path, &new] {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let short = short_path(&new)?;
    let listener = UnixListener::bind(&short.path)?;
    // Nobody finds the socket before its mode is right.
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    let turns = Arc::new(Semaphore::new(COMMANDS_MAX));
    Ok(AdminSocket { listener, path: path.to_owned(), turns })
}

impl AdminSocket {
    /// Returns what to wait for once no more commands are accepted.
    pub fn answering(&self) -> Answering {
        Answering(Arc::clone(&self.turns))
    }

    /// Answers commands until the task is dropped.
    pub async fn serve(self, operations: Arc<Operations>) {
        loop {
            let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let operations = Arc::clone(&operations);
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, operations).await {
                            tracing::warn!(%error, "a command on the admin socket was cut off");
                        }
                        drop(turn);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, operations: Arc<Operations>) -> io::Result<()> {
    let caller = Principal::cli(&unix_user(stream.peer_cred()?.uid()));
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_LEN_MAX));
    timeout(CLIENT_TIMEOUT, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            // A client that reads slowly misses progress, nothing else.
            let (told, mut progress) = mpsc::channel::<Progress>(1);
            let work = move || {
                let mut tell = |made: &Progress| drop(told.try_send(made.clone()));
                Answer::from(operations.run_telling(request, &caller, now_ms(), &mut tell))
            };
            let work = tokio::task::spawn_blocking(work);
            while let Some(made) = progress.recv().await {
                send(&mut writer, &Answer::Progress(made)).await?;
            }
            work.await.map_err(io::Error::other)?
        }
        Err(error) => Answer::Refused(refusal(&line, &error)),
    };
    send(&mut writer, &answer).await?;
    writer.shutdown().await
}

async fn send(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    timeout(CLIENT_TIMEOUT, writer.write_all(&text)).await?
}

/// Says why a request cannot be read: what is wrong in it, or that it is of another version.
fn refusal(line: &str, error: &serde_json::Error) -> String {
    if !line.ends_with('\n') {
        return format!("the request was cut off; one is a line of JSON of at most {REQUEST_LEN_MAX} bytes");
    }
    match serde_json::from_str::<Command>(line) {
        Ok(command) if command.is_known() => format!("{}: {}", command.op, chain(error)),
        _ => format!(
            "the running server does not know this command ({}); it is another version than this program",
            chain(error)
        ),
    }
}

/// A request of which only the name is read.
#[derive(serde::Deserialize)]
struct Command {
    op: String,
}

impl Command {
    /// Reports whether there is such a request, whatever its fields.
    fn is_known(&self) -> bool {
        let alone = serde_json::from_value::<Request>(serde_json::json!({ "op": self.op }));
        alone.err().is_none_or(|error| !error.to_string().starts_with("unknown variant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_wrong_in_the_request() {
        let device = r#""id":"WL-1","domain":"environment","kind":"water-level""#;
        let cases = [
            (r#"{"op":"device-add"}"#.to_owned(), "device-add: missing field"),
            (format!(r#"{{"op":"device-add",{device},"lat":null,"lon":1}}"#), "expected degrees as a number"),
            (
                format!(r#"{{"op":"device-add",{device},"lat":"16","lon":1}}"#),
                "\"16\" is text; expected degrees",
            ),
            (
                format!(r#"{{"op":"device-add",{device},"lat":1,"lon":1,"x":1}}"#),
                "device-add: unknown field `x`",
            ),
            (r#"{"op":"device-rotate","id":"a b"}"#.to_owned(), "must be 1 to 64 characters"),
            (
                r#"{"op":"device-list","domain":"Light"}"#.to_owned(),
                "device-list: \"Light\" cannot name a domain",
            ),
            (r#"{"op":"device-list","domain":7}"#.to_owned(), "device-list: "),
            (r#"{"op":"device-explode"}"#.to_owned(), "it is another version than this program"),
            ("{}".to_owned(), "it is another version than this program"),
            ("GET / HTTP/1.1".to_owned(), "it is another version than this program"),
        ];
        for (line, expected) in cases {
            let error = serde_json::from_str::<Request>(&line).unwrap_err();
            let said = refusal(&format!("{line}\n"), &error);
            assert!(said.contains(expected), "{line}: {said}");
            assert!(refusal(&line, &error).contains("cut off"));
        }
    }
}
