//! Has a command done: by the server that runs on the data directory, else here under the directory's lock.
use super::{
    Foundation, FoundationError, OperationError, Operations, current_unix_user,
    protocol::{ANSWER_LEN_MAX, Answer, Reply, Request},
    server::short_path,
};
use crate::{
    clock::now_ms,
    config::Config,
    data_dir::{DataDir, DataDirError, admin_socket},
};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a server may hold the directory without answering yet: it is starting or stopping.
const SERVER_PATIENCE: Duration = Duration::from_secs(15);
/// How often it is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// How long the server may take over a command.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A command that was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is nothing to list.
    #[error("there is no data directory at {}; name one with --data-dir (the demo's is data/demo)", .0.display())]
    NoDataDir(PathBuf),
    /// The directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What it holds cannot be used.
    #[error(transparent)]
    Foundation(#[from] FoundationError),
    /// The server is there and cannot be talked to.
    #[error("the server on {} does not answer: {cause}; run this as its user or as root", path.display())]
    Server {
        /// Its socket.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(String),
    /// It cannot be done.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl AdminError {
    /// Says whether the command could not even begin (exit code 64).
    pub fn is_refusal_to_start(&self) -> bool {
        matches!(self, Self::NoDataDir(_) | Self::DataDir(_) | Self::Foundation(_) | Self::Server { .. })
    }
}

/// Has `request` done on the data directory of `config`. Blocks.
///
/// Errors: [`AdminError`].
pub fn execute(config: &Config, request: &Request) -> Result<Reply, AdminError> {
    let directory = config.data_dir.as_path();
    if request.is_list() && !directory.exists() {
        return Err(AdminError::NoDataDir(directory.to_owned()));
    }
    let deadline = Instant::now() + SERVER_PATIENCE;
    loop {
        if let Some(reply) = ask_server(&admin_socket(directory), request)? {
            return Ok(reply);
        }
        match DataDir::open(directory) {
            Ok(data) => return run_here(&data, config, request),
            Err(DataDirError::InUse { .. }) if Instant::now() < deadline => thread::sleep(RETRY),
            Err(error) => return Err(error.into()),
        }
    }
}

fn run_here(data: &DataDir, config: &Config, request: &Request) -> Result<Reply, AdminError> {
    let foundation = Foundation::open(data, config, now_ms())?;
    let operations = Operations::new(foundation, Box::new(|| {}));
    let actor = format!("cli:{}", current_unix_user());
    Ok(operations.run(request.clone(), &actor, now_ms())?)
}

/// Asks the server behind the socket; `None` when there is none.
fn ask_server(path: &Path, request: &Request) -> Result<Option<Reply>, AdminError> {
    let failed = |cause| AdminError::Server { path: path.to_owned(), cause };
    let stream = match short_path(path).and_then(|short| UnixStream::connect(short.path)) {
        Ok(stream) => stream,
        Err(error) if nobody_listens(&error) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    match talk(stream, request).map_err(failed)? {
        Answer::Done(reply) => Ok(Some(reply)),
        Answer::Refused(why) => Err(AdminError::Refused(why)),
    }
}

/// Says whether there is no server, or not even a directory: opening the directory tells more.
fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

fn talk(mut stream: UnixStream, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut text = String::new();
    BufReader::new(stream.take(ANSWER_LEN_MAX)).read_line(&mut text)?;
    match text.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
        false => Ok(serde_json::from_str(&text)?),
    }
}
