//! The demo: the flood drives Kim Long through báo động I, II and III and back; an ordinary day has its first alert
//! within a minute.
use crate::support::{Client, Ws, now_ms, one, ports, process, process::Process, skip, until, wait::within};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START: Duration = Duration::from_secs(60);
/// How long the story takes here; in the file it takes 1200 s.
const FLOOD_S: f64 = 110.0;
/// The story, and what a gauge's last report and the rules' delays add.
const FLOOD_LIMIT: Duration = Duration::from_secs(170);

/// A running demo.
struct Demo {
    process: Process,
    dir: TempDir,
    ports: [u16; 3],
    scenario: PathBuf,
}

impl Demo {
    fn start(dir: TempDir, ports: [u16; 3], scenario: &Path) -> Self {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut command = process::ioc();
        command
            .current_dir(dir.path())
            .args(["--devices", "300", "--seed", "7", "--data-dir"])
            .arg(dir.path().join("data"));
        command.args(["--http", &local(ports[0]), "--mqtt", &local(ports[1]), "--mqtts", &local(ports[2])]);
        command.arg("--scenario").arg(scenario);
        let mut process = Process::start(&mut command, &dir.path().join("log"));
        let client = Client::new(SocketAddr::from(([127, 0, 0, 1], ports[0])));
        within(START, "the demo to be ready", || {
            assert!(process.exit().is_none(), "the demo ended: {}", process.log());
            let ready = client.try_send("GET", "/health/ready", &[], b"").ok()?;
            (ready.status == 200).then_some(())
        });
        Self { process, dir, ports, scenario: scenario.to_owned() }
    }

    fn client(&self) -> Client {
        Client::new(SocketAddr::from(([127, 0, 0, 1], self.ports[0])))
    }

    /// Signs in with what the demo wrote down.
    fn sign_in(&self) -> Client {
        let path = self.dir.path().join("data/demo-signin.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sign_in: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let reply = self.client().post("/api/v1/session", &sign_in);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let password = sign_in["password"].as_str().unwrap();
        assert!(self.process.log().contains(password), "the sign-in is printed");
        assert!(self.process.log().contains(&format!(":{}", self.ports[0])), "and the address");
        self.client().with_cookie(reply.header("set-cookie").unwrap().split(';').next().unwrap())
    }

    fn restart(mut self) -> Self {
        assert_eq!(self.process.terminate().code(), Some(0), "a clean stop");
        let Self { process, dir, ports, scenario } = self;
        drop(process);
        Self::start(dir, ports, &scenario)
    }
}

fn free_ports() -> [u16; 3] {
    [ports::free(), ports::free(), ports::free()]
}

fn scenarios() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/scenarios"))
}

/// Tells a scenario in another length: every time in it is multiplied.
fn stretched(text: &str, factor: f64) -> String {
    const TIMES: [&str; 8] =
        ["length_s", "at_s", "every_s", "for_s", "for_s_max", "lag_s", "from_s", "mean_gap_s"];
    let stretch = |line: &str| -> Option<String> {
        let (key, rest) = line.split_once('=')?;
        let (value, comment) = rest.split_once('#').unwrap_or((rest, ""));
        let value: f64 = TIMES.contains(&key.trim()).then(|| value.trim().parse().ok())??;
        Some(format!("{key}= {:.3} # {comment}", value * factor))
    };
    text.lines().map(|line| stretch(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_flood_raises_each_alarm_level_once_and_all_clear() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("short-flood.toml");
    let text = fs::read_to_string(scenarios().join("flood-2025-10.toml")).unwrap();
    fs::write(&scenario, stretched(&text, FLOOD_S / 1200.0)).unwrap();
    let demo = Demo::start(dir, free_ports(), &scenario);
    let operator = demo.sign_in();
    let mut ws = Ws::open(&operator);
    ws.follow_alerts(0);

    let mut story: Vec<(String, String, String)> = Vec::new();
    let deadline = Instant::now() + FLOOD_LIMIT;
    while story.iter().filter(|(_, transition, _)| transition == "cleared").count() < 3 {
        let left = deadline.saturating_duration_since(Instant::now());
        story.push(ws.find(left, &format!("end of the flood after {story:?}"), |message| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let alert = &message["alert"];
            let ours = text(&alert["rule"]).starts_with("KimLongAlarm") && message["transition"] != "pending";
            // A pending alert that was withdrawn is cleared without ever having fired.
            let fired = !alert["firing_since"].is_null();
            (ours && fired).then(|| (text(&alert["rule"]), text(&message["transition"]), text(&alert["id"])))
        }));
    }
    let steps: Vec<(&str, &str)> =
        story.iter().map(|(rule, transition, _)| (rule.as_str(), transition.as_str())).collect();
    let (one, two, three) = ("KimLongAlarm1", "KimLongAlarm2", "KimLongAlarm3");
    let up = [(one, "firing"), (two, "firing"), (three, "firing")];
    let down = [(three, "cleared"), (two, "cleared"), (one, "cleared")];
    assert_eq!(steps, [up, down].concat(), "up through báo động I, II, III and back");
    for level in [one, two, three] {
        let ids: Vec<&String> = story.iter().filter(|(rule, ..)| rule == level).map(|(.., id)| id).collect();
        assert_eq!(ids[0], ids[1], "{level}: one alert");
    }
    let list = operator.get("/api/v1/alerts?state=all&device=WL-KIMLONG&limit=1000").expect(200);
    let alarms = list["items"].as_array().unwrap().iter().filter(|alert| {
        alert["rule"].as_str().is_some_and(|rule| rule.starts_with("KimLongAlarm"))
            && !alert["firing_since"].is_null()
    });
    assert_eq!(alarms.count(), 3, "three rules, three alerts");
}

#[test]
fn an_ordinary_day_has_its_first_alert_within_a_minute_and_goes_on_after_a_stop() {
    let demo = Demo::start(tempfile::tempdir().unwrap(), free_ports(), Path::new("normal-day"));
    let ready = Instant::now();
    let operator = demo.sign_in();
    let mut ws = Ws::open(&operator);
    ws.follow_alerts(0);
    let first = ws.find(Duration::from_secs(60), "first alert", |message| {
        (message["type"] == "alert" && message["transition"] == "firing").then(|| message["alert"].clone())
    });
    eprintln!("the first alert came {:?} after ready: {}", ready.elapsed(), first["rule"]);
    let rules = operator.get("/api/v1/rules").expect(200);
    let rules = rules["items"].as_array().unwrap();
    assert!(rules.len() >= 25, "{} rules", rules.len());
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:#?}");
    let list = || operator.get("/api/v1/devices?limit=1000").expect(200)["items"].as_array().unwrap().clone();
    until("every device online, most of them through their gateway", || {
        list().iter().all(|device| device["online"] == true).then_some(())
    });
    let devices = list().len();
    assert!((250..=350).contains(&devices), "{devices} devices");
    let metrics = crate::support::metrics::Metrics::parse(&demo.client().get("/metrics").text());
    assert!(metrics.get("ioc_observations_stored_total") > 100.0);
    assert_eq!(metrics.sum("ioc_observations_rejected_total"), 0.0, "the simulator sends nothing wrong");
    assert_eq!(demo.client().get("/wall").status, 200);
    connects_with_tls(&demo);

    let demo = demo.restart();
    let operator = demo.sign_in();
    let id = first["id"].as_str().unwrap();
    assert_eq!(
        operator.get(&format!("/api/v1/alerts/{id}")).expect(200)["active_since"],
        first["active_since"]
    );
    let again = operator.get("/api/v1/devices?limit=1000").expect(200)["items"].as_array().unwrap().len();
    assert_eq!(again, devices + 1, "the same city, and our own device");
    let mut demo = demo;
    assert_eq!(demo.process.terminate().code(), Some(0));
}

/// A device with mosquitto's own client on the TLS port, trusting the demo's certificate.
fn connects_with_tls(demo: &Demo) {
    let data = demo.dir.path().join("data");
    let place = ["--domain", "environment", "--kind", "water-level", "--lat", "16.46", "--lon", "107.59"];
    let mut command = process::ioc();
    command.args(["device", "add", "--id", "WL-TLS", "--json", "--data-dir"]).arg(&data).args(place);
    let added: Value = serde_json::from_slice(&process::run(&mut command).stdout).unwrap();
    let token = added["token"].as_str().unwrap();
    let (port, payload) =
        (demo.ports[2].to_string(), String::from_utf8(one(now_ms(), "water_level", 0.5)).unwrap());
    let topic = crate::support::telemetry("WL-TLS");
    let published = Command::new("mosquitto_pub")
        .args([
            "-h",
            "localhost",
            "-p",
            &port,
            "-q",
            "1",
            "-i",
            "WL-TLS",
            "-u",
            "WL-TLS",
            "-P",
            token,
            "-t",
            &topic,
            "-m",
            &payload,
        ])
        .arg("--cafile")
        .arg(data.join("demo-tls.crt"))
        .output();
    match published {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip::lacks(&format!("mosquitto_pub, which .ci/test installs: {error}")),
    }
}
