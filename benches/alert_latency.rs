//! From a publish to the frame that tells a WebSocket client of the alert (decoded, decided by a rule,
//! both on disk, sent), under background load; beside mosquitto's publish → subscriber for the same
//! messages under the same load. The floor is a message over TCP that is answered after two fdatasyncs, by a thread that
//! does nothing else, while we carry the load: the observation and the decision are on disk before anyone is told.
//!
//! Options: `--devices 2000 --rates 1000,10000 --seconds 15 --rounds 3 --probes 20 --directory DIR` (probes per second).
use ioc_benches::{
    Outcome,
    args::Args,
    disk,
    fleet::{self, Device},
    ioc::{Ioc, Mode},
    load::{Client, Load, Measured},
    mosquitto::{self, Mosquitto},
    mqtt, now_ms,
    pace::{Pace, Phases},
    process,
    report::{median, percentile, say, table},
    subscriber::Seen,
    web_socket::WebSocket,
};
use serde_json::Value;
use std::{
    collections::HashMap,
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

const GATEWAYS: usize = 200;
const SIGNALS: usize = 40;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
const OPTIONS: [&str; 6] = ["devices", "rates", "seconds", "rounds", "probes", "directory"];
const HEAD: [&str; 9] = [
    "messages/s",
    "ioc alert: p50 ms",
    "p99 ms",
    "mosquitto relay: p50 ms",
    "p99 ms",
    "floor: p50 ms",
    "p99 ms",
    "ratio of p99 to the relay",
    "of the floor's",
];

/// What one load gave, in milliseconds.
struct Latencies {
    p50: f64,
    p99: f64,
}

impl Latencies {
    fn of(all: &[Duration]) -> Self {
        let ms = || all.iter().map(|latency| latency.as_secs_f64() * 1e3);
        Self { p50: percentile(ms(), 50.0), p99: percentile(ms(), 99.0) }
    }
}

/// Probes per second for some seconds, under a background of `rate` messages per second.
#[derive(Clone, Copy)]
struct Times {
    rate: u64,
    seconds: u64,
    probes: u64,
}

impl Times {
    fn count(self) -> u64 {
        self.seconds * self.probes
    }

    /// When to probe, from now on. Spread evenly over the period: a fixed beat would meet work that is done ten times a
    /// second always or never.
    fn due(self) -> impl Iterator<Item = Instant> {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let (start, period) = (Instant::now(), Duration::from_secs(1) / self.probes as u32);
        let late = |number: u64| (number as f64 * GOLDEN).fract();
        (0..self.count()).map(move |number| start + period.mul_f64(number as f64 + late(number)))
    }

    /// Probes while `load` runs.
    fn measure(
        self,
        load: &mut Load,
        probe: impl FnOnce(Self) -> Outcome<Vec<Duration>> + Send,
    ) -> Outcome<Latencies> {
        let phases = Phases { warm_up: WARM_UP, measured: Duration::from_secs(self.seconds) };
        let (measured, latencies) = thread::scope(|scope| {
            let prober = scope.spawn(move || {
                thread::sleep(WARM_UP);
                probe(self)
            });
            let measured = load.run(Pace::PerSecond(self.rate), phases);
            (measured, prober.join().map_err(|_| "the prober panicked".into()).flatten())
        });
        let Measured { per_second, held_back, .. } = measured?;
        if held_back > 0 || per_second < self.rate as f64 * 0.97 {
            say(format!("the background was {per_second:.0}/s instead of {}/s", self.rate));
        }
        Ok(Latencies::of(&latencies?))
    }
}

/// Messages that wait for two fdatasyncs, and for nothing else.
struct Floor(TcpStream);

impl Floor {
    fn new(echo: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(echo)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LAST_ANSWERS))?;
        Ok(Self(stream))
    }

    fn probe(&mut self, times: Times) -> Outcome<Vec<Duration>> {
        let mut message = [0; disk::MESSAGE_BYTES];
        let probe = |due: Instant| {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let at = Instant::now();
            self.0.write_all(&message)?;
            self.0.read_exact(&mut message)?;
            Ok(at.elapsed())
        };
        times.due().map(probe).collect()
    }
}

/// How a probe's answer is called by those who see it.
type Name = fn(&Device, bool) -> String;

struct Prober {
    stream: TcpStream,
    signals: Vec<Device>,
    seen: mpsc::Receiver<Seen>,
    name: Name,
    sent: u64,
}

fn main() -> Outcome<()> {
    let Some(args) = Args::read(&OPTIONS)? else { return Ok(()) };
    let directory: PathBuf = args.get("directory", env::temp_dir())?;
    let (seconds, rounds, probes) =
        (args.get("seconds", 15)?, args.get("rounds", 3)?, args.get("probes", 20)?);
    process::prepare();
    let ioc = Ioc::start(Mode::Serve, &directory)?;
    let (relayed, seen_relays) = mpsc::channel();
    let mosquitto = Mosquitto::start(&directory, "/SIG-", relayed)?;
    let (devices, signals) = (fleet::devices(args.get("devices", 2_000)?), fleet::signals(SIGNALS));
    ioc.register(&devices)?;
    ioc.register(&signals)?;
    let clients = ioc.gateways(GATEWAYS, &devices)?;
    let probe = ioc.gateways(1, &signals)?.remove(0);
    let (told, seen_alerts) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let watching = watch_alerts(&ioc, told, Arc::clone(&stop))?;
    let mut ours = Prober::new(ioc.mqtt, &probe, &signals, seen_alerts, alert_name)?;
    let anonymous = Client { password: None, ..probe };
    let mut theirs = Prober::new(mosquitto.mqtt, &anonymous, &signals, seen_relays, relay_name)?;
    let mut floor = Floor::new(disk::echo(&directory)?)?;
    let mut our_load = Load::connect(ioc.mqtt, clients.clone())?;
    let mut their_load = Load::connect(mosquitto.mqtt, mosquitto::anonymous(&clients))?;
    let mut rows = Vec::new();
    for rate in args.list("rates", &[1_000, 10_000])? {
        let (mut alerts, mut relays, mut floors) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let times = Times { rate, seconds, probes };
            let a = times.measure(&mut our_load, |times| ours.probe(times))?;
            let b = times.measure(&mut their_load, |times| theirs.probe(times))?;
            let c = times.measure(&mut our_load, |times| floor.probe(times))?;
            say(format!(
                "{rate}/s, round {round}: alert p50 {:.2} p99 {:.2} ms, relay p50 {:.2} p99 {:.2} ms, \
                 floor p50 {:.2} p99 {:.2} ms",
                a.p50, a.p99, b.p50, b.p99, c.p50, c.p99
            ));
            alerts.push(a);
            relays.push(b);
            floors.push(c);
        }
        let figures: Vec<f64> = [&alerts, &relays, &floors]
            .into_iter()
            .flat_map(|all| [median(all.iter().map(|l| l.p50)), median(all.iter().map(|l| l.p99))])
            .collect();
        let mut row = vec![rate.to_string()];
        row.extend(figures.iter().map(|ms| format!("{ms:.2}")));
        row.extend([figures[1], figures[5]].map(|p99| format!("{:.2}", p99 / figures[3])));
        rows.push(row);
    }
    table(&HEAD, &rows);
    stop.store(true, Relaxed);
    let _ = watching.join();
    Ok(())
}

fn alert_name(device: &Device, fault: bool) -> String {
    format!("{} {}", device.id, if fault { "firing" } else { "cleared" })
}

fn relay_name(device: &Device, _fault: bool) -> String {
    device.topic()
}

/// Tells when an alert of a signal controller came over a WebSocket.
fn watch_alerts(
    ioc: &Ioc,
    told: mpsc::Sender<Seen>,
    stop: Arc<AtomicBool>,
) -> Outcome<thread::JoinHandle<()>> {
    let cookie = ioc.sign_in()?;
    let mut socket = WebSocket::open(ioc.http, "/api/v1/stream", &cookie)?;
    socket.send(r#"{"type":"subscribe","channels":["alerts"],"filter":{"domain":["traffic"]}}"#)?;
    Ok(thread::Builder::new().name("web socket".into()).spawn(move || {
        while !stop.load(Relaxed) {
            let texts = match socket.texts() {
                Ok(texts) => texts,
                Err(error) => return say(format!("the live stream ended: {error}")),
            };
            let now = Instant::now();
            for name in texts.iter().filter_map(|text| name_of(text)) {
                if told.send((name, now)).is_err() {
                    return;
                }
            }
        }
    })?)
}

fn name_of(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    let (device, transition) = (message["alert"]["device"].as_str()?, message["transition"].as_str()?);
    device.starts_with("SIG-").then(|| format!("{device} {transition}"))
}

impl Prober {
    fn new(
        broker: SocketAddr,
        client: &Client,
        signals: &[Device],
        seen: mpsc::Receiver<Seen>,
        name: Name,
    ) -> Outcome<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        let login = client.password.as_deref().map(|password| (client.user.as_str(), password));
        stream.write_all(&mqtt::connect(&client.id, login, 0))?;
        mqtt::read_connack(&mut stream)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, signals: signals.to_vec(), seen, name, sent: 0 })
    }

    /// Sends probes at a fixed rate, whether answered or not, but not in step with anything.
    fn probe(&mut self, times: Times) -> Outcome<Vec<Duration>> {
        let count = times.count();
        let mut open: HashMap<String, Instant> = HashMap::new();
        let mut latencies = Vec::new();
        for due in times.due() {
            self.collect(due, &mut open, &mut latencies);
            let (name, at) = self.send()?;
            if open.insert(name.clone(), at).is_some() {
                return Err(format!("{name:?} was not seen in time").into());
            }
        }
        let deadline = Instant::now() + LAST_ANSWERS;
        while !open.is_empty() && Instant::now() < deadline {
            self.collect(Instant::now() + Duration::from_millis(50), &mut open, &mut latencies);
        }
        match open.len() {
            0 => Ok(latencies),
            lost => Err(format!("{lost} of {count} probes were never seen").into()),
        }
    }

    /// Takes answers until `until`.
    fn collect(&self, until: Instant, open: &mut HashMap<String, Instant>, latencies: &mut Vec<Duration>) {
        while let Ok((name, at)) = self.seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(sent) = open.remove(&name) {
                latencies.push(at.saturating_duration_since(sent));
            }
        }
    }

    /// Sends the next controller's lamp fault, or its end. Returns how the answer is called.
    fn send(&mut self) -> Outcome<(String, Instant)> {
        let turn = self.sent as usize;
        let (device, fault) =
            (&self.signals[turn % self.signals.len()], (turn / self.signals.len()).is_multiple_of(2));
        let payload = format!(r#"{{"ts":{},"values":{{"lamp_fault":{}}}}}"#, now_ms(), u8::from(fault));
        let (packet, _) = mqtt::publish(&device.topic(), payload.as_bytes());
        let at = Instant::now();
        self.stream.write_all(&packet)?;
        self.sent += 1;
        // Its PUBACKs are not looked at.
        let _ = self.stream.read(&mut [0; 4096]);
        Ok(((self.name)(device, fault), at))
    }
}
