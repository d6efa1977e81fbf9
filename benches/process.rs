//! A server as a child process: its CPU time, its memory, its end.
use crate::Outcome;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Ends with its owner.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts it.
    ///
    /// Errors: the program cannot be run.
    pub fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
        let child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        Ok(Self { name, child })
    }

    /// Returns its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns the CPU time it has used so far, user and system, of all its threads.
    ///
    /// Errors: it has ended.
    pub fn cpu(&self) -> io::Result<Duration> {
        cpu_of(&self.id().to_string())
    }

    /// Returns its resident memory in bytes.
    ///
    /// Errors: it has ended.
    pub fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other(format!("{} has ended", self.name)))
    }

    /// Waits until `is_ready`.
    ///
    /// Errors: it ends before, or takes longer than `patience`.
    pub fn wait_until(&mut self, patience: Duration, mut is_ready: impl FnMut() -> bool) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        while !is_ready() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended at its start: {status}", self.name).into());
            }
            if Instant::now() > deadline {
                return Err(format!("{} was not ready within {patience:?}", self.name).into());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(POLL);
        }
    }
}

/// Returns the CPU time of this process.
///
/// Errors: there is no `/proc`.
pub fn own_cpu() -> io::Result<Duration> {
    cpu_of("self")
}

fn cpu_of(process: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name and may hold anything; times are fields 14 and 15.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Returns a port that is free now.
///
/// Errors: there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Gets the machine ready: raises the limit of open files, and brings to disk what others have left to be written, a
/// build's output say, which would be measured instead.
pub fn prepare() {
    raise_open_files();
    rustix::fs::sync();
}

/// Raises the limit of open files as far as allowed, for this process and those it starts.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Returns the binary to be measured: `IOC_BIN`, else `ioc` in the directory that cargo built this benchmark in.
///
/// Errors: it is not there.
pub fn ioc_binary() -> Outcome<PathBuf> {
    let built = env::current_exe()?;
    let beside = built.parent().and_then(Path::parent).map(|directory| directory.join("ioc"));
    env::var_os("IOC_BIN")
        .map(PathBuf::from)
        .or(beside)
        .filter(|path| path.is_file())
        .ok_or_else(|| "there is no ioc binary; run `cargo build --release` first, or set IOC_BIN".into())
}
