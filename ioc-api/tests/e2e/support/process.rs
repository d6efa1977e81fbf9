//! The process under test: started, watched, ended by its own id, its log searched for panics.
use super::{
    City,
    wait::{POLL, within},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(20);
/// How long a start that is refused may take.
const REFUSAL: Duration = Duration::from_secs(30);
/// Lines of the log that are shown when a test fails.
const SHOWN_LINES: usize = 60;

/// The command `ioc`, without what the caller's environment would set.
pub(crate) fn ioc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ioc"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("IOC_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A user who may nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// The command for a user who may not read everything; `None` where that user cannot run the binary.
pub(crate) fn as_nobody(city: &mut City) -> Option<Command> {
    if !rustix::process::getuid().is_root() {
        return Some(city.serve());
    }
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(city.rules_dir().parent().unwrap());
    // A checkout may lie where that user cannot go: a copy beside the rules does not.
    let binary = city.path("ioc");
    fs::copy(ioc().get_program(), &binary).unwrap();
    open(&binary);
    let mut version = Command::new(&binary);
    version.arg("--version").uid(NOBODY).gid(NOBODY);
    version.output().ok().filter(|output| output.status.success())?;
    let data = city.data_dir();
    if !data.exists() {
        fs::create_dir(data).unwrap();
        chown(data, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let served = city.serve();
    let mut command = Command::new(binary);
    command.args(served.get_args()).stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    surround(&mut command, &served);
    Some(command)
}

/// The same command with a limit of open files that it cannot raise.
pub(crate) fn with_open_files(limit: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\""));
    limited.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    surround(&mut limited, command);
    limited
}

/// Gives a command the working directory and environment of another.
fn surround(command: &mut Command, model: &Command) {
    if let Some(dir) = model.get_current_dir() {
        command.current_dir(dir);
    }
    for (name, value) in model.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    // Both pipes are read while it runs; a command that hangs is ended by its id.
    let reader = thread::spawn(move || child.wait_with_output().unwrap());
    let deadline = Instant::now() + REFUSAL;
    while !reader.is_finished() && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    let in_time = reader.is_finished();
    if !in_time {
        signal(pid, Signal::KILL);
    }
    let output = reader.join().unwrap();
    assert!(in_time, "{command:?} did not end: {output:?}");
    output
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// A running `ioc`; ended when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; standard output and error are appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = || -> File { OpenOptions::new().create(true).append(true).open(log).unwrap() };
        let child = command.stdout(file()).stderr(file()).spawn().unwrap();
        Self { child, log: log.to_owned(), ended: None }
    }

    /// Returns its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how it ended; `None` while it runs.
    pub(crate) fn exit(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        if self.exit().is_none() {
            self.child.kill().unwrap();
            self.ended = Some(self.child.wait().unwrap());
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn signal_terminate(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    /// SIGTERM; returns how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        signal(self.child.id(), Signal::TERM);
        within(STOP, "a clean stop after SIGTERM", || self.exit())
    }

    /// Returns what it wrote so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("--- the end of the log of {} ---\n{}\n---", self.log.display(), shown.join("\n"));
        } else {
            let panics: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).collect();
            assert!(panics.is_empty(), "panics in the log: {panics:#?}");
        }
    }
}
