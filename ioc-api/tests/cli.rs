//! The command line as a user meets it: the real binary, its exit codes, and what it says where.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A working directory of its own, so that nothing outside counts.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ioc"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("IOC_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).stdin(Stdio::null()).output().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Starts a server on free ports and waits until it says where it listens.
    fn serve(&self) -> Server {
        let line = "serve --data-dir data --http 127.0.0.1:0 --mqtt 127.0.0.1:0";
        let mut child = self.command(line).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening") {
            let before = said.len();
            log.read_line(&mut said).unwrap();
            assert_ne!(said.len(), before, "the server ended: {said}");
        }
        // Nobody reads the rest, so it must go somewhere.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let mqtt = said.split("mqtt=[").nth(1).unwrap().split(']').next().unwrap().parse().unwrap();
        wait_for(|| self.0.path().join("data/admin.sock").exists());
        Server { child, mqtt }
    }
}

struct Server {
    child: Child,
    mqtt: SocketAddr,
}

impl Server {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and returns the exit code.
    fn stop(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not stop");
    }

    /// Sends CONNECT and returns the code of the CONNACK.
    fn connect(&self, user: &str, token: &str) -> u8 {
        let mut packet = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xc2, 0, 60];
        for text in [user, user, token] {
            packet.extend_from_slice(&(text.len() as u16).to_be_bytes());
            packet.extend_from_slice(text.as_bytes());
        }
        let mut stream = TcpStream::connect(self.mqtt).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[0x10, packet.len() as u8]).unwrap();
        stream.write_all(&packet).unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        connack[3]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Asserts a refusal because of usage or configuration: 64, nothing on standard output, one line.
fn assert_refused(output: &Output, expected: &str) {
    assert_ended(output, 64, expected);
}

/// Asserts a failure because of what the command met: 1, nothing on standard output, one line.
fn assert_failed(output: &Output, expected: &str) {
    assert_ended(output, 1, expected);
}

fn assert_ended(output: &Output, code: i32, expected: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("ioc: ") && said.contains(expected), "{said}");
}

const ADD: &str =
    "--data-dir data device add --domain environment --kind water-level --lat 16.456 --lon 107.559 --id";

#[test]
fn help_names_what_works_and_nothing_else() {
    let output = Place::new().run("--help");
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        [
            "demo",
            "serve",
            "check",
            "backup",
            "restore",
            "rules",
            "device",
            "credential",
            "user",
            "display-token",
            "quarantine"
        ]
    );
    let flags = [
        "--config",
        "--data-dir",
        "--http",
        "--mqtt",
        "--mqtts",
        "--rules",
        "--scenario",
        "--seed",
        "--devices",
        "--accept-loss",
        "--json",
    ];
    flags.iter().for_each(|flag| assert!(help.contains(flag), "{flag}"));
}

#[test]
fn mistakes_of_usage_are_refused_in_one_line() {
    let place = Place::new();
    let cases = [
        ("--htpp 80", "'--htpp'"),
        ("frobnicate", "'frobnicate'"),
        ("device add --id X", "--domain <DOMAIN>"),
        ("device rotate --id a/b", "must be 1 to 64 characters"),
        ("serve --seed 3", "--seed: is a flag of the demo"),
        ("user list --accept-loss keys", "--accept-loss: is a flag of a server's start"),
        ("serve --accept-loss everything", "'everything'"),
        ("serve --http nowhere", "--http: http.listen: \"nowhere\" is not an address"),
        ("serve --mqtts 8884", "--mqtts: there is no certificate to listen with"),
        ("serve --config none.toml", "none.toml: cannot be read"),
    ];
    for (line, expected) in cases {
        assert_refused(&place.run(line), expected);
    }
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_by_place() {
    let place = Place::new();
    place.write("city.toml", "[http]\nlissten = \"80\"\n");
    let expected = "city.toml:2:1: unknown key \"http.lissten\"; did you mean \"listen\"?";
    assert_refused(&place.run("serve --config city.toml"), expected);
    let output = place.run("check --config city.toml --json");
    assert_eq!(output.status.code(), Some(64));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"][0]["line"], 2);
}

#[test]
fn a_variable_that_cannot_be_meant_is_refused() {
    let place = Place::new();
    let output = place.command("serve").env("IOC_MQTT__LIMITS__PAKET_MAX", "1KiB").output().unwrap();
    assert_refused(&output, "IOC_MQTT__LIMITS__PAKET_MAX: unknown key");
}

#[test]
fn a_taken_port_ends_a_start_and_names_its_owner() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let output = place.run(&format!("serve --data-dir data --http {addr}"));
    assert_failed(&output, "--http");
    assert_failed(&output, &format!("it is in use by pid {} (", std::process::id()));
    let output = place.run(&format!("serve --data-dir data --http 127.0.0.1:0 --mqtt {addr}"));
    assert_failed(&output, &addr.to_string());
    assert_failed(&output, &format!("it is in use by pid {} (", std::process::id()));
}

#[test]
fn a_data_directory_that_cannot_be_used_is_refused() {
    let place = Place::new();
    place.write("file", "");
    place.write("letters/one.txt", "dear");
    for (directory, expected) in
        [("file", "file is a file and a directory is needed"), ("letters", "letters holds other files")]
    {
        for line in ["serve", "user list"] {
            assert_refused(&place.run(&format!("{line} --data-dir {directory}")), expected);
        }
    }
    assert_refused(&place.run("user list --data-dir nowhere"), "there is no data directory at nowhere");
    assert!(!place.0.path().join("nowhere").exists());
}

#[test]
fn devices_and_people_are_managed_without_a_server() {
    let place = Place::new();
    let output = place.run(&format!("{ADD} WL-1 --label river=huong --parent gateway:GW-1"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let token = text(&output.stdout).trim_end();
    assert_eq!(token.len(), 43, "the token stands alone: {token}");

    let list = place.run("--data-dir data device list --json");
    let devices: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let device = &devices["items"][0];
    assert_eq!((&device["id"], &device["labels"]["river"]), (&"WL-1".into(), &"huong".into()));
    assert_eq!(device["parent"]["id"], "GW-1");

    let again = place.run(&format!("{ADD} WL-1"));
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("ioc: device id WL-1 is taken"), "{}", text(&again.stderr));

    let rotated = place.run("--data-dir data --json device rotate --id WL-1");
    let rotated: serde_json::Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert_ne!(rotated["token"].as_str().unwrap(), token);

    let added = place.run("--data-dir data user add mai --role admin --json");
    let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!(added["password"].as_str().map(str::len), Some(20));
    let users = place.run("--data-dir data user list");
    assert!(text(&users.stdout).contains("mai   admin"), "{}", text(&users.stdout));
    let short = place.command("--data-dir data user passwd mai --password-stdin");
    assert_eq!(with_input(short, "short\n").status.code(), Some(1));
    for (password, reason) in [("1234567890", "list of common passwords"), ("maimaimaimai", "repeats")] {
        for line in ["user passwd mai", "user add lan --role viewer"] {
            let command = place.command(&format!("--data-dir data {line} --password-stdin"));
            let output = with_input(command, &format!("{password}\n"));
            let said = text(&output.stderr).to_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with("ioc: this password ") && said.contains(reason), "{line}: {said}");
        }
    }
    for (name, reason) in [
        ("System", "stands for the system itself"),
        ("MAI", "\"mai\" already exists"),
        ("hạnh", "without marks"),
    ] {
        let output = place.command("--data-dir data user add --role viewer").arg(name).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(reason), "{name}: {}", text(&output.stderr));
    }
    let nowhere = place.run("--data-dir data user add lan --role viewer --ward 00000");
    assert!(text(&nowhere.stderr).contains("no ward \"00000\""), "{}", text(&nowhere.stderr));
    let long = place.command("--data-dir data user passwd mai --password-stdin");
    assert_eq!(with_input(long, "correct horse battery\n").status.code(), Some(0));
    let rejected = place.run("--data-dir data quarantine list --json");
    assert_eq!(text(&rejected.stdout).split_whitespace().collect::<String>(), "{\"items\":[]}");
}

fn with_input(mut command: Command, input: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_reader_that_goes_is_no_fault() {
    let place = Place::new();
    assert_eq!(place.run(&format!("{ADD} WL-1")).status.code(), Some(0));
    for line in ["device list", "device list --json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(&format!("--data-dir data {line}"));
        let output = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_running_server_is_asked_and_a_second_one_refused() {
    let place = Place::new();
    let server = place.serve();
    let output = place.run(&format!("{ADD} WL-1"));
    let token = text(&output.stdout).trim_end().to_owned();
    assert_eq!(token.len(), 43, "{}", text(&output.stderr));
    assert_eq!(server.connect("WL-1", &token), 0, "accepted by the next CONNECT");
    assert_eq!(server.connect("WL-1", "wrong"), 4);
    assert_eq!(server.connect("WL-2", &token), 4);

    let rotated = place.run("--data-dir data device rotate --id WL-1");
    assert_eq!(server.connect("WL-1", &token), 4, "the old token is refused");
    assert_eq!(server.connect("WL-1", text(&rotated.stdout).trim_end()), 0);

    let second = place.run("serve --data-dir data --http 127.0.0.1:0 --mqtt 127.0.0.1:0");
    assert_failed(&second, &format!("is in use by pid {} (a server)", server.pid()));
    assert_eq!(server.stop(), Some(0), "SIGTERM ends it well");
    assert!(!place.0.path().join("data/admin.sock").exists());
    let list = place.run("--data-dir data device list");
    assert!(text(&list.stdout).contains("WL-1"));
}

#[test]
fn a_directory_is_backed_up_checked_and_restored_with_and_without_a_server() {
    let place = Place::new();
    assert_eq!(place.run(&format!("{ADD} WL-1")).status.code(), Some(0));
    let json = |output: &Output| -> serde_json::Value {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let stopped = json(&place.run("--data-dir data backup stopped --json"));
    assert!(stopped["files"].as_array().unwrap().iter().any(|file| file["path"] == "records.sqlite"));
    assert_eq!(json(&place.run("--data-dir data check --data --json"))["ok"], true);
    let server = place.serve();
    let running = json(&place.run("--data-dir data backup running --json"));
    assert_eq!(running["directory"], stopped["directory"]);
    assert_eq!(json(&place.run("--data-dir data check --data --json"))["ok"], true);
    let checked = place.run("--data-dir data check --data");
    assert!(text(&checked.stdout).contains("all in order"), "{}", text(&checked.stdout));
    assert_failed(&place.run("--data-dir data restore running --replace"), "(a server)");
    assert_refused(&place.run("--data-dir data restore running"), "is not empty; add --replace");
    assert_eq!(server.stop(), Some(0));
    json(&place.run("--data-dir elsewhere restore running --json"));
    let list = place.run("--data-dir elsewhere device list");
    assert!(text(&list.stdout).contains("WL-1"), "{}", text(&list.stderr));
    json(&place.run("--data-dir data restore stopped --replace --json"));
    assert!(text(&place.run("--data-dir data device list").stdout).contains("WL-1"));

    for (line, code) in [
        ("--data-dir data backup data/inside", 64),
        ("--data-dir data backup elsewhere", 64),
        ("--data-dir nowhere backup new", 64),
        ("--data-dir nowhere check --data", 64),
        ("--data-dir data restore nowhere --replace", 1),
    ] {
        let output = place.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stderr));
    }
    assert!(!place.0.path().join("nowhere").exists());

    fs::remove_file(place.0.path().join("elsewhere/records.sqlite")).unwrap();
    for line in ["device list", "serve --http 127.0.0.1:0 --mqtt 127.0.0.1:0"] {
        let output = place.run(&format!("{line} --data-dir elsewhere"));
        assert_failed(&output, "the records (records.sqlite) are missing");
        assert_failed(&output, "--accept-loss records");
    }
    assert!(!place.0.path().join("elsewhere/records.sqlite").exists(), "nothing was begun in its place");
    let report = place.run("--data-dir elsewhere check --data --json");
    assert_eq!(report.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(report["problems"][0]["what"].as_str().unwrap().contains("are missing"), "{report}");
}

#[test]
fn starts_meet_commands_and_both_get_through() {
    const STARTS: usize = 50;
    let place = Place::new();
    assert_eq!(place.run(&format!("{ADD} WL-1")).status.code(), Some(0));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Holds the lock again and again whenever no server does.
        let commands = scope.spawn(|| {
            let mut done = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let output = place.run("--data-dir data device list");
                assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
                done += 1;
            }
            done
        });
        let starts = scope.spawn(|| (0..STARTS).for_each(|_| assert_eq!(place.serve().stop(), Some(0))));
        let started = starts.join();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        started.unwrap();
        assert!(commands.join().unwrap() > 0);
    });
}

#[test]
fn rule_files_are_checked_by_line_and_column() {
    let place = Place::new();
    let rule = |expr: &str| {
        format!(
            "groups:\n  - name: g\n    rules:\n      - alert: High\n        expr: {expr}\n        labels: {{severity: high}}\n        annotations: {{summary_vi: Cao, summary_en: High}}\n"
        )
    };
    place.write("good/a.yaml", &rule("water_level > 2"));
    place.write("bad/a.yaml", &rule("watr_level > 2"));
    let good = place.run("rules check good");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert!(text(&good.stdout).starts_with("1 rules in order"));
    let bad = place.run("rules check bad");
    assert_eq!(bad.status.code(), Some(1));
    let said = text(&bad.stderr);
    assert!(said.starts_with("ioc: bad/a.yaml:5:15: ") && said.contains("water_level"), "{said}");
    let json = place.run("rules check bad --json");
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["ok"], &report["problems"][0]["column"]), (&false.into(), &15.into()));
    assert_eq!(text(&json.stderr), "");
    assert_eq!(place.run("rules check nowhere").status.code(), Some(1));
}

#[test]
fn a_check_that_finds_no_rules_says_so_and_names_what_it_passed_over() {
    let place = Place::new();
    let rule = "groups:\n  - name: g\n    rules:\n      - alert: High\n        expr: water_level > 2\n        labels: {severity: high}\n        annotations: {summary_vi: Cao, summary_en: High}\n";
    fs::create_dir(place.0.path().join("empty")).unwrap();
    place.write("other/flood.yaml.txt", rule);
    place.write("bare/a.yaml", "groups: []\n");
    for (directory, said) in
        [("empty", "no file ending in .yaml"), ("other", "no file ending"), ("bare", "no rule in bare")]
    {
        let output = place.run(&format!("rules check {directory}"));
        assert_eq!(output.status.code(), Some(1), "{directory}");
        let text = text(&output.stderr);
        assert!(text.contains(said), "{directory}: {text}");
        assert_eq!(
            text.contains("flood.yaml.txt: holds rules and is not read"),
            directory == "other",
            "{text}"
        );
    }
    place.write("upper/A.YAML", rule);
    let output = place.run("rules check upper");
    assert!(text(&output.stdout).starts_with("1 rules in order"), "{}", text(&output.stderr));
    let json = place.run("rules check other --json");
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(report["warnings"][0]["file"].as_str().unwrap().ends_with("flood.yaml.txt"), "{report}");
}

/// Opening a pipe in the place of a file would wait for ever, and a device would fill the memory.
#[test]
fn what_is_no_file_is_told_and_not_waited_for() {
    let place = Place::new();
    let pipe = place.0.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    fs::create_dir(place.0.path().join("city")).unwrap();
    std::os::unix::fs::symlink(&pipe, place.0.path().join("city/city.toml")).unwrap();
    place.write("kpis.toml", "[display]\nkpis = \"pipe\"\n");
    place.write("tls.toml", "[http.tls]\ncertificate = \"pipe\"\nkey = \"pipe\"\n");
    place.write("mqtts.toml", "[mqtt.tls]\ncertificate = \"pipe\"\nkey = \"pipe\"\n");
    place.write("scenario.toml", "[demo]\nscenario = \"pipe\"\n");
    place.write("city.toml", "city = \"city\"\n");
    for line in [
        "--config pipe check",
        "--config /dev/zero check",
        "--config kpis.toml check",
        "--config tls.toml check",
        "--config mqtts.toml check",
        "--config scenario.toml check",
        "--config city.toml check",
    ] {
        let output = place.run(line);
        assert!(matches!(output.status.code(), Some(1 | 64)), "{line}: {output:?}");
        assert!(
            text(&output.stderr).contains("it is not a regular file"),
            "{line}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn everything_built_in_passes_the_check() {
    let output = Place::new().run("check");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
