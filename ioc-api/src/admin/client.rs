//! Has a command done: by the server that runs on the data directory, else here under the directory's lock.
use super::{
    FoundationError, OperationError, Operations, current_unix_user, open_foundation,
    protocol::{ANSWER_LEN_MAX, Answer, Reply, Request},
    server::short_path,
};
use crate::{
    backup::{BackupError, Progress, Source},
    clock::now_ms,
    config::Config,
    data_dir::{DataDir, DataDirError, admin_socket},
};
use ioc_identity::Principal;
use ioc_services::Services;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
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
    /// A backup, or a check of the data.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl AdminError {
    /// Reports whether the command line or the configuration is wrong, rather than what the command met.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoDataDir(_) => true,
            Self::DataDir(error) => error.is_usage(),
            Self::Foundation(error) => error.is_usage(),
            Self::Backup(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Has `request` done on the data directory of `config`. Blocks.
///
/// Errors: [`AdminError`].
pub fn execute(config: &Config, request: &Request) -> Result<Reply, AdminError> {
    execute_telling(config, request, &mut |_| ())
}

/// As [`execute`]; calls `progress` now and then with how far a long command has come.
///
/// Errors: [`AdminError`].
pub fn execute_telling(
    config: &Config,
    request: &Request,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Reply, AdminError> {
    let directory = config.data_dir.as_path();
    if request.needs_data() && !directory.exists() {
        return Err(AdminError::NoDataDir(directory.to_owned()));
    }
    let deadline = Instant::now() + SERVER_PATIENCE;
    loop {
        if let Some(reply) = ask_server(&admin_socket(directory), request, progress)? {
            return Ok(reply);
        }
        match DataDir::open(directory) {
            Ok(data) => return run_here(data, config, request, progress),
            Err(DataDirError::InUse { .. }) if Instant::now() < deadline => thread::sleep(RETRY),
            Err(error) if error.is_read_only() && request.is_long() => {
                let data = DataDir::open_to_read(directory)?;
                let lock = if data.is_locked() { "taken" } else { "absent: nobody holds it" };
                tracing::warn!(%error, lock, "the data directory cannot be written; it is only read");
                return run_here(data, config, request, progress);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn run_here(
    data: DataDir,
    config: &Config,
    request: &Request,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Reply, AdminError> {
    match request {
        Request::Backup { directory } => {
            data.verify()?;
            let manifest = Source::stopped(Arc::new(data)).back_up(directory, progress)?;
            Ok(Reply::Backup(manifest))
        }
        Request::DataCheck => Ok(Reply::DataChecked(Source::stopped(Arc::new(data)).check(progress)?)),
        _ => {
            data.verify()?;
            let foundation = open_foundation(&data, config, now_ms())?;
            let operations = Operations::new(Services::build(foundation, || ()));
            let caller = Principal::cli(&current_unix_user());
            Ok(operations.run(request.clone(), &caller, now_ms())?)
        }
    }
}

/// Asks the server behind the socket; `None` when there is none.
fn ask_server(
    path: &Path,
    request: &Request,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Option<Reply>, AdminError> {
    let failed = |cause| AdminError::Server { path: path.to_owned(), cause };
    let stream = match short_path(path).and_then(|short| UnixStream::connect(short.path)) {
        Ok(stream) => stream,
        Err(error) if nobody_listens(&error) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let answer = match talk(stream, request, progress) {
        // It stopped before it began with this command; the next one, or we ourselves, will do it.
        Err(error) if is_unanswered(&error) => return Ok(None),
        answer => answer.map_err(failed)?,
    };
    match answer {
        Answer::Done(reply) => Ok(Some(reply)),
        Answer::Refused(why) => Err(AdminError::Refused(why)),
        Answer::Progress(_) => Err(failed(io::ErrorKind::InvalidData.into())),
    }
}

/// Reports whether there is no server, or not even a directory: opening the directory tells more.
fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

/// Reports whether the server ended without an answer: one that stops answers what it has begun.
fn is_unanswered(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset)
}

fn talk(
    mut stream: UnixStream,
    request: &Request,
    progress: &mut dyn FnMut(&Progress),
) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reader = BufReader::new(stream.take(ANSWER_LEN_MAX));
    loop {
        let mut text = String::new();
        reader.read_line(&mut text)?;
        if text.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
        }
        match serde_json::from_str(&text)? {
            Answer::Progress(made) => progress(&made),
            answer => return Ok(answer),
        }
    }
}
