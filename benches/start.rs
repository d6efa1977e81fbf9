//! How long a start takes after kill -9, whatever devices sent: for some seconds one kind of input goes to a server with
//! its default limits, it is killed, and the time from its start to its first HTTP answer and to readiness is measured.
//! Aims: ready within 10 s after hostile input, within 5 s in normal use.
//!
//! Options: `--inputs NAME,NAME --seconds 30 --directory DIR`.
use ioc_benches::{
    Outcome,
    args::Args,
    fleet::{self, Device},
    ioc::{Ioc, Mode},
    load::Client,
    mqtt, now_ms, process,
    report::{say, table},
};
use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const OPTIONS: [&str; 3] = ["inputs", "seconds", "directory"];
const HEAD: [&str; 8] = [
    "input",
    "acknowledged readings",
    "history files",
    "history MiB",
    "journal MiB",
    "first answer s",
    "ready s",
    "resident MiB then",
];
/// Longer than this and the answer is "no".
const PATIENCE: Duration = Duration::from_secs(300);
/// Messages per second of one device within its limits.
const RATE: u32 = 100;
/// Elements of an array, two readings each.
const ELEMENTS: i64 = 3_000;
const SPAN_MS: i64 = 2 * 3_600_000;
const YEAR_MS: i64 = 364 * 86_400_000;
/// Devices that report as usual, and how often.
const STATIONS: usize = 200;

/// Writes the payload of message `number` of a device.
type Payload = fn(number: i64, now_ms: i64) -> String;

/// One kind of input.
struct Input {
    name: &'static str,
    /// Who sends: so many devices of the noise meter's kind, each as fast as its limits allow.
    devices: usize,
    payload: Payload,
    /// Whether a device leaves and comes back after each message.
    flaps: bool,
    /// How many rules beside the built-in ones compare its noise with a threshold of 60 dB and a little.
    rules: usize,
}

fn inputs() -> Vec<Input> {
    let input = |name, devices, payload| Input { name, devices, payload, flaps: false, rules: 0 };
    vec![
        input("normal", STATIONS, |number, now_ms| element(now_ms, number)),
        input("scattered", 1, |number, now_ms| {
            array(|at| now_ms - random(number * ELEMENTS + at) % YEAR_MS, number)
        }),
        input("falling", 1, |number, now_ms| array(|at| now_ms - number * ELEMENTS - at, number)),
        input("one-per-span", 1, |number, now_ms| {
            // Each array goes over all spans of the year, each time a millisecond later.
            array(|at| now_ms - YEAR_MS + at * SPAN_MS + number, number)
        }),
        input("back-fill-again", 1, |_, now_ms| array(|at| now_ms / 86_400_000 * 86_400_000 - at * 1_000, 0)),
        input("corrections", 1, |number, now_ms| {
            array(|at| now_ms / 86_400_000 * 86_400_000 - at * SPAN_MS / 4, number)
        }),
        input("all-bad", 1, |_, _| {
            format!("[{}]", vec![r#"{"ts":1,"values":{"laeq":"loud"}}"#; 3_000].join(","))
        }),
        Input {
            name: "presence-flaps",
            devices: 50,
            payload: |number, now_ms| element(now_ms, number),
            flaps: true,
            rules: 0,
        },
        Input {
            name: "alert-flaps",
            devices: 8,
            payload: |number, now_ms| {
                format!("{{\"ts\":{now_ms},\"values\":{{\"laeq\":{}}}}}", 50 + number % 2 * 20)
            },
            flaps: false,
            rules: 200,
        },
    ]
}

fn element(ts_ms: i64, number: i64) -> String {
    format!("{{\"ts\":{ts_ms},\"values\":{{\"laeq\":5{}.2,\"lamax\":61.{}}}}}", number % 10, number % 7)
}

fn array(ts_ms: impl Fn(i64) -> i64, number: i64) -> String {
    let elements: Vec<String> = (0..ELEMENTS).map(|at| element(ts_ms(at), number)).collect();
    format!("[{}]", elements.join(","))
}

/// A number that differs for each `seed` (splitmix64).
fn random(seed: i64) -> i64 {
    let mut z = (seed as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 1) as i64
}

fn main() -> Outcome<()> {
    let Some(args) = Args::read(&OPTIONS)? else { return Ok(()) };
    let directory: PathBuf = args.get("directory", env::temp_dir())?;
    let seconds = Duration::from_secs(args.get("seconds", 30)?);
    let wanted: Vec<String> = args.list("inputs", &[])?;
    process::prepare();
    let mut rows = Vec::new();
    for input in
        inputs().iter().filter(|input| wanted.is_empty() || wanted.iter().any(|name| name == input.name))
    {
        let row = measure(input, seconds, &directory)
            .unwrap_or_else(|error| vec![input.name.to_owned(), format!("failed: {error}")]);
        say(row.join(", "));
        rows.push(row);
    }
    table(&HEAD, &rows);
    Ok(())
}

fn measure(input: &Input, seconds: Duration, directory: &Path) -> Outcome<Vec<String>> {
    let mut ioc = Ioc::start(Mode::Limited, directory)?;
    if input.rules > 0 {
        ioc.use_rules(&rule_file(input.rules))?;
    }
    let devices: Vec<Device> = fleet::noise_meters(input.devices);
    let clients = ioc.register(&devices)?;
    let readings: u64 = thread::scope(|scope| -> Outcome<u64> {
        let ioc = &ioc;
        let senders: Vec<_> = devices
            .iter()
            .zip(&clients)
            .map(|(device, client)| scope.spawn(move || send(ioc, device, client, input, seconds)))
            .collect();
        let mut readings = 0;
        for sender in senders {
            readings += sender.join().map_err(|_| "a sender panicked")??;
        }
        Ok(readings)
    })?;
    ioc.kill();
    let (files, bytes) = count_files(&ioc.data_dir().join("store"))?;
    let (_, journal) = count_files(&ioc.data_dir().join("journal"))?;
    let started = Instant::now();
    ioc.restart()?;
    ioc.process
        .wait_until(PATIENCE, || ioc_benches::http::request(ioc.http, "GET", "/health/live", "").is_ok())?;
    let answered = started.elapsed();
    ioc.wait_until_ready(PATIENCE)?;
    let ready = started.elapsed();
    let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
    Ok(vec![
        input.name.to_owned(),
        readings.to_string(),
        files.to_string(),
        mib(bytes),
        mib(journal),
        format!("{:.2}", answered.as_secs_f64()),
        format!("{:.2}", ready.as_secs_f64()),
        mib(ioc.process.resident()?),
    ])
}

/// Writes a file of so many rules that one reading of 70 dB raises.
fn rule_file(rules: usize) -> String {
    let rule = |number: usize| {
        let threshold = 60.0 + number as f64 / 100.0;
        format!(
            "      - alert: Loud{number}\n        expr: laeq > {threshold}\n        labels: {{ severity: high, domain: environment }}\n        annotations: {{ summary_vi: Ồn, summary_en: Loud }}\n"
        )
    };
    let rules: String = (0..rules).map(rule).collect();
    format!("groups:\n  - name: loud\n    rules:\n{rules}")
}

/// Sends as one device for `seconds`, one message at a time. Returns how many readings were acknowledged.
fn send(ioc: &Ioc, device: &Device, client: &Client, input: &Input, seconds: Duration) -> Outcome<u64> {
    let (started, pause) = (Instant::now(), Duration::from_secs(1) / RATE);
    let mut stream = sign_in(ioc, client)?;
    let (mut readings, mut number) = (0, 0);
    while started.elapsed() < seconds {
        let payload = (input.payload)(number, now_ms());
        let (mut packet, id_at) = mqtt::publish(&device.topic(), payload.as_bytes());
        packet[id_at..id_at + 2].copy_from_slice(&1u16.to_be_bytes());
        stream.write_all(&packet)?;
        let mut ack = [0; mqtt::PUBACK_LEN];
        stream.read_exact(&mut ack)?;
        number += 1;
        readings += 2 * payload.matches("\"ts\"").count() as u64;
        if input.flaps {
            stream = sign_in(ioc, client)?;
        }
        thread::sleep((pause * number as u32).saturating_sub(started.elapsed()));
    }
    Ok(readings)
}

fn sign_in(ioc: &Ioc, client: &Client) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(ioc.mqtt)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let login = client.password.as_deref().map(|password| (client.user.as_str(), password));
    stream.write_all(&mqtt::connect(&client.id, login, 0))?;
    mqtt::read_connack(&mut stream)?;
    Ok(stream)
}

/// Returns the number of files in a directory and their bytes.
fn count_files(directory: &Path) -> Outcome<(usize, u64)> {
    let mut found = (0, 0);
    for entry in std::fs::read_dir(directory)? {
        found.0 += 1;
        found.1 += entry?.metadata()?.len();
    }
    Ok(found)
}
