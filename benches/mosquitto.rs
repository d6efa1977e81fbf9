//! mosquitto beside us: it takes anybody (we check a token and a topic list), keeps nothing on disk (we sync) and
//! relays to one subscriber (we decode, store and evaluate rules).
use crate::{
    Outcome,
    load::Client,
    process::{self, Process},
    subscriber::{Seen, Subscriber},
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START_PATIENCE: Duration = Duration::from_secs(10);
/// It is idle once its subscriber got nothing for this long.
const QUIET: Duration = Duration::from_millis(300);
const RELAY_PATIENCE: Duration = Duration::from_secs(60);

/// A running mosquitto and its subscriber.
#[derive(Debug)]
pub struct Mosquitto {
    // Fields end in this order.
    subscriber: Subscriber,
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub mqtt: SocketAddr,
    _data: TempDir,
}

impl Mosquitto {
    /// Starts it with one subscriber to everything. Messages whose topic contains `watched` are told to `seen`.
    ///
    /// Errors: it is not installed, or does not start.
    pub fn start(directory: &Path, watched: &str, seen: mpsc::Sender<Seen>) -> Outcome<Self> {
        let data = TempDir::with_prefix_in("mosquitto-bench-", directory)?;
        let port = process::free_port()?;
        let config = data.path().join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n\
             max_inflight_messages 100\nmax_queued_messages 100000\nset_tcp_nodelay true\n"
        );
        fs::write(&config, text)?;
        let mqtt = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&config).env("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::start("mosquitto", &mut command)?;
        process.wait_until(START_PATIENCE, || TcpStream::connect(mqtt).is_ok())?;
        let subscriber = Subscriber::start(mqtt, "ioc/v1/#", watched, seen)?;
        Ok(Self { subscriber, process, mqtt, _data: data })
    }

    /// Returns how many messages its subscriber got.
    pub fn relayed(&self) -> u64 {
        self.subscriber.received()
    }

    /// Waits until it relays nothing more.
    ///
    /// Errors: it takes too long.
    pub fn settle(&self) -> Outcome<()> {
        let deadline = Instant::now() + RELAY_PATIENCE;
        let mut before = self.relayed();
        loop {
            thread::sleep(QUIET);
            let now = self.relayed();
            if now == before {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("mosquitto still relays after {RELAY_PATIENCE:?}").into());
            }
            before = now;
        }
    }
}

/// Makes the same clients anonymous.
pub fn anonymous(clients: &[Client]) -> Vec<Client> {
    clients.iter().map(|client| Client { password: None, ..client.clone() }).collect()
}
