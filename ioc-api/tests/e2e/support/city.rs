//! A city of one's own: data directory, rule directory, ports, and the server on them.
use super::{
    http::Client,
    metrics::Metrics,
    mqtt::Mqtt,
    ports,
    process::{self, Process},
    wait::{until, within},
    ws::Ws,
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output},
    time::Duration,
};
use tempfile::TempDir;

/// How long a start may take in a debug build on a busy machine.
const START: Duration = Duration::from_secs(40);

/// See the module. The server is ended when it is dropped.
pub(crate) struct City {
    // Dropped before the directory that it works in.
    process: Option<Process>,
    dir: TempDir,
    data: PathBuf,
    config: String,
    http: u16,
    mqtt: u16,
}

impl City {
    /// Prepares a city with this configuration (TOML) and no rules; nothing runs yet.
    pub(crate) fn prepare(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        let data = dir.path().join("data");
        let (http, mqtt) = (ports::free(), ports::free());
        Self { process: None, dir, data, config: config.to_owned(), http, mqtt }
    }

    /// A running city with the rules of one file.
    pub(crate) fn with_rules(rules: &str) -> Self {
        let mut city = Self::prepare("");
        city.write_rules("city.yaml", rules);
        city.start();
        city
    }

    /// Puts the data somewhere else; before the first start.
    pub(crate) fn set_data_dir(&mut self, data: &Path) {
        self.data = data.to_owned();
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data
    }

    pub(crate) fn rules_dir(&self) -> PathBuf {
        self.dir.path().join("rules")
    }

    /// Where files of a test may lie.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn http_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.http))
    }

    pub(crate) fn mqtt_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.mqtt))
    }

    /// Writes a rule file the way editors do: beside its place, then moved there.
    pub(crate) fn write_rules(&self, name: &str, text: &str) {
        let (new, path) = (self.rules_dir().join(format!(".{name}.new")), self.rules_dir().join(name));
        fs::write(&new, text).unwrap();
        fs::rename(&new, &path).unwrap();
    }

    /// The command that serves this city.
    pub(crate) fn serve(&self) -> Command {
        let config = self.path("ioc.toml");
        fs::write(&config, &self.config).unwrap();
        let mut command = process::ioc();
        command.current_dir(self.dir.path()).arg("serve").arg("--config").arg(config);
        command.arg("--data-dir").arg(&self.data).arg("--rules").arg(self.rules_dir());
        command.args(["--http", &self.http_addr().to_string(), "--mqtt", &self.mqtt_addr().to_string()]);
        command
    }

    /// The command that serves this city with a small simulated fleet.
    pub(crate) fn demo(&self) -> Command {
        let mut command = process::ioc();
        command.current_dir(self.dir.path()).args(["demo", "--devices", "60", "--mqtts", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&self.data).arg("--rules").arg(self.rules_dir());
        command.args(["--http", &self.http_addr().to_string(), "--mqtt", &self.mqtt_addr().to_string()]);
        command
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let mut command = self.serve();
        self.start_as(&mut command);
    }

    /// Returns the id of the server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Returns the memory of the server that is resident, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        kib.unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// As [`City::start`], with a command of its own, see [`City::serve`].
    pub(crate) fn start_as(&mut self, command: &mut Command) {
        let mut process = Process::start(command, &self.path("log"));
        let client = self.client();
        within(START, "/health/ready", || {
            assert!(process.exit().is_none(), "the server ended: {}", process.log());
            let ready = client.try_send("GET", "/health/ready", &[], b"").ok()?;
            (ready.status == 200).then_some(())
        });
        self.process = Some(process);
    }

    /// Stops the server with SIGTERM.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        process.terminate()
    }

    /// Stops it cleanly and starts it again.
    pub(crate) fn restart(&mut self) {
        assert_eq!(self.stop().code(), Some(0), "a clean stop");
        self.start();
    }

    /// Ends the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill();
    }

    /// What the server wrote, over all starts.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until a counter has this value for a reason.
    #[track_caller]
    pub(crate) fn counts(&self, name: &str, reason: &str, count: f64) {
        until(&format!("{name} of {reason} is {count}"), || {
            let counted = self.metrics().reason(name, reason);
            assert!(counted <= count, "{name} of {reason} is {counted}");
            (counted == count).then_some(())
        });
    }

    /// Runs `ioc` on this city's data directory.
    pub(crate) fn ioc(&self, args: &[&str]) -> Output {
        let mut command = process::ioc();
        command.current_dir(self.dir.path()).args(args).arg("--data-dir").arg(&self.data);
        process::run(&mut command)
    }

    /// Runs `ioc … --json`, which must work, and returns what it printed.
    #[track_caller]
    pub(crate) fn ioc_json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let output = self.ioc(&args);
        assert!(output.status.success(), "ioc {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
    }

    /// Registers a device of the environment near the river and returns its token.
    pub(crate) fn device(&self, id: &str, kind: &str) -> String {
        self.device_in("environment", id, kind)
    }

    /// Registers a device and returns its token.
    pub(crate) fn device_in(&self, domain: &str, id: &str, kind: &str) -> String {
        let place = ["--lat", "16.4637", "--lon", "107.5909"];
        let args = ["device", "add", "--id", id, "--domain", domain, "--kind", kind];
        let added = self.ioc_json(&[&args[..], &place[..]].concat());
        assert_eq!(added["id"], id);
        added["token"].as_str().unwrap().to_owned()
    }

    /// Makes a credential and returns its token.
    pub(crate) fn credential(&self, id: &str, kind: &str) -> String {
        let made = self.ioc_json(&["credential", "add", "--id", id, "--kind", kind]);
        made["token"].as_str().unwrap().to_owned()
    }

    /// A client that is not signed in.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.http_addr())
    }

    /// Adds a person with the command line and signs them in.
    pub(crate) fn user(&self, name: &str, role: &str) -> Client {
        let password = self.add_user(name, role);
        self.sign_in(name, &password)
    }

    /// Adds a person with the command line and returns their password.
    pub(crate) fn add_user(&self, name: &str, role: &str) -> String {
        let added = self.ioc_json(&["user", "add", name, "--role", role]);
        added["password"].as_str().unwrap().to_owned()
    }

    /// Signs a person in.
    pub(crate) fn sign_in(&self, name: &str, password: &str) -> Client {
        let reply = self.client().post("/api/v1/session", &json!({ "username": name, "password": password }));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        self.client().with_cookie(&cookie)
    }

    /// Connects a device.
    #[track_caller]
    pub(crate) fn mqtt(&self, id: &str, token: &str) -> Mqtt {
        Mqtt::device(self.mqtt_addr(), id, token)
    }

    /// Opens the live stream.
    #[track_caller]
    pub(crate) fn ws(&self, client: &Client) -> Ws {
        Ws::open(client)
    }

    /// Scrapes the metrics.
    pub(crate) fn metrics(&self) -> Metrics {
        let reply = self.client().get("/metrics");
        assert_eq!(reply.status, 200);
        Metrics::parse(&reply.text())
    }

    /// Raw history of one property, from `from` to `to` in milliseconds.
    pub(crate) fn points(
        &self,
        client: &Client,
        device: &str,
        property: &str,
        from: i64,
        to: i64,
    ) -> Vec<(i64, f64)> {
        let path = format!("/api/v1/history?device={device}&property={property}&from={from}&to={to}");
        let answer = client.get(&path).expect(200);
        assert_eq!(answer["property"], property);
        let point = |point: &Value| (point["t"].as_i64().unwrap(), point["v"].as_f64().unwrap());
        answer["points"].as_array().unwrap().iter().map(point).collect()
    }

    /// The alerts of one rule, newest first, open or not.
    pub(crate) fn alerts(&self, client: &Client, rule: &str) -> Vec<Value> {
        let list = client.get("/api/v1/alerts?state=all&limit=1000").expect(200);
        list["items"].as_array().unwrap().iter().filter(|alert| alert["rule"] == rule).cloned().collect()
    }
}
