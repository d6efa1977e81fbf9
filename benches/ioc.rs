//! `ioc` under test, on free ports and a directory of its own.
use crate::{
    Outcome,
    admin::Admin,
    fleet::Device,
    http,
    load::Client,
    process::{self, Process},
};
use std::{
    fs::OpenOptions,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long followers may take to come to the end of the journal after a load.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(100);

/// What it runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `ioc serve`, everything on, limits of one sender lifted.
    Serve,
    /// `ioc serve` as it is, with its limits.
    Limited,
    /// `ioc demo`, as it is.
    Demo,
}

/// A running server.
#[derive(Debug)]
pub struct Ioc {
    /// Its process.
    pub process: Process,
    /// MQTT.
    pub mqtt: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// Its admin socket.
    pub admin: Admin,
    mode: Mode,
    mqtts: SocketAddr,
    // Goes after the process.
    data: TempDir,
}

/// Starts a process in `directory`, where its data and its log lie.
fn spawn(
    mode: Mode,
    directory: &Path,
    mqtt: SocketAddr,
    mqtts: SocketAddr,
    http: SocketAddr,
) -> Outcome<Process> {
    let log = OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    let mut command = Command::new(process::ioc_binary()?);
    command
        .arg(if mode == Mode::Demo { "demo" } else { "serve" })
        .args(["--mqtt", &mqtt.to_string(), "--http", &http.to_string()])
        .arg("--data-dir")
        .arg(directory.join("data"))
        // No rule files there: the built-in pack, all of it, wherever the benchmark is started from.
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    match mode {
        Mode::Serve => command
            .env("IOC_MQTT__LIMITS__DEVICE_RATE", "0")
            .env("IOC_MQTT__LIMITS__DEVICE_BYTES_RATE", "0B")
            .env("IOC_MQTT__LIMITS__DEVICE_READINGS_RATE", "0")
            .env("IOC_MQTT__LIMITS__CONNECTIONS_PER_ADDRESS_MAX", "100000"),
        Mode::Limited => &mut command,
        Mode::Demo => command.args(["--mqtts", &mqtts.to_string()]),
    };
    Process::start("ioc", &mut command)
}

impl Ioc {
    /// Starts it with an empty data directory below `directory` and waits until it is ready.
    ///
    /// Errors: it does not start; its log is in the message.
    pub fn start(mode: Mode, directory: &Path) -> Outcome<Self> {
        let data = TempDir::with_prefix_in("ioc-bench-", directory)?;
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (mqtt, http) = (address(process::free_port()?), address(process::free_port()?));
        let mqtts = address(process::free_port()?);
        let admin = Admin::of(&data.path().join("data"));
        let process = spawn(mode, data.path(), mqtt, mqtts, http)?;
        let mut ioc = Self { process, mqtt, http, admin, mode, mqtts, data };
        ioc.wait_until_ready(START_PATIENCE)?;
        Ok(ioc)
    }

    /// Returns its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// Ends it as kill -9 does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, after it ended, with what is in its data directory. Does not wait until it is ready.
    ///
    /// Errors: it cannot be run.
    pub fn restart(&mut self) -> Outcome<()> {
        self.process = spawn(self.mode, self.data.path(), self.mqtt, self.mqtts, self.http)?;
        Ok(())
    }

    /// Starts it again with this rule file in the place of the built-in ones, and waits until it is ready.
    ///
    /// Errors: the file cannot be written, or the server does not start with it.
    pub fn use_rules(&mut self, text: &str) -> Outcome<()> {
        let directory = self.data.path().join("configs/rules");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("bench.yaml"), text)?;
        self.kill();
        self.restart()?;
        self.wait_until_ready(START_PATIENCE)
    }

    /// Waits until it is ready.
    ///
    /// Errors: it ends, or takes longer than `patience`; its log is in the message.
    pub fn wait_until_ready(&mut self, patience: Duration) -> Outcome<()> {
        let http = self.http;
        let is_ready =
            || http::request(http, "GET", "/health/ready", "").is_ok_and(|answer| answer.status == 200);
        let log = self.data.path().join("log");
        self.process
            .wait_until(patience, is_ready)
            .map_err(|error| format!("{error}\n{}", std::fs::read_to_string(&log).unwrap_or_default()).into())
    }

    /// Registers devices. Returns a client for each.
    ///
    /// Errors: one is refused.
    pub fn register(&self, devices: &[Device]) -> Outcome<Vec<Client>> {
        let client = |device: &Device| {
            let password = Some(self.admin.add_device(device)?);
            let (id, user) = (device.id.clone(), device.id.clone());
            Ok(Client { id, user, password, templates: vec![device.template()] })
        };
        devices.iter().map(client).collect()
    }

    /// Makes `count` gateways that share registered devices. Returns a client for each.
    ///
    /// Errors: one is refused.
    pub fn gateways(&self, count: usize, devices: &[Device]) -> Outcome<Vec<Client>> {
        let client = |(number, group): (usize, &[Device])| {
            let user = format!("GW-{count}-{number}");
            let password = Some(self.admin.add_gateway(&user, group)?);
            let templates = group.iter().map(Device::template).collect();
            Ok(Client { id: user.clone(), user, password, templates })
        };
        devices.chunks(devices.len().div_ceil(count)).enumerate().map(client).collect()
    }

    /// Adds a viewer and signs in. Returns the session cookie.
    ///
    /// Errors: it is refused.
    pub fn sign_in(&self) -> Outcome<String> {
        self.sign_in_as("bench", "viewer")
    }

    /// Adds a person of this name and role and signs in. Returns the session cookie.
    ///
    /// Errors: it is refused.
    pub fn sign_in_as(&self, name: &str, role: &str) -> Outcome<String> {
        let password = self.admin.add_person(name, role)?;
        let json = serde_json::json!({ "username": name, "password": password }).to_string();
        let answer = http::request(self.http, "POST", "/api/v1/session", &json)?;
        let cookie = answer.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next())?
        });
        Ok(cookie.ok_or_else(|| format!("no session: {} {}", answer.status, answer.body))?.to_owned())
    }

    /// Returns the sum of a metric over its labels.
    ///
    /// Errors: the server does not answer.
    pub fn metric(&self, name: &str) -> Outcome<f64> {
        Ok(self.metric_values(name)?.iter().sum())
    }

    fn metric_values(&self, name: &str) -> Outcome<Vec<f64>> {
        let page = http::request(self.http, "GET", "/metrics", "")?.body;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse().ok())?
        };
        Ok(page.lines().filter_map(value).collect())
    }

    /// Returns how many committed records the slowest follower has not read.
    ///
    /// Errors: the server does not answer.
    pub fn lag(&self) -> Outcome<u64> {
        let lags = self.metric_values("ioc_follower_lag_records")?;
        if lags.is_empty() {
            return Err("no follower says how far it is".into());
        }
        Ok(lags.into_iter().fold(0.0, f64::max) as u64)
    }

    /// Waits until every follower has read everything. Returns how long that took.
    ///
    /// Errors: it takes too long.
    pub fn catch_up(&self) -> Outcome<Duration> {
        let start = Instant::now();
        loop {
            if self.lag()? == 0 {
                // The rule shards have a few batches of their own.
                let took = start.elapsed();
                thread::sleep(POLL);
                return Ok(took);
            }
            if start.elapsed() > CATCH_UP_PATIENCE {
                return Err(format!("followers are behind after {CATCH_UP_PATIENCE:?}").into());
            }
            thread::sleep(POLL);
        }
    }
}
