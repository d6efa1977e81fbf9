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
    pace::{Pace, Phases},
    probe::{Prober, Times, Watch, alert_name},
    process,
    report::{median, percentile, say, table},
};
use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::mpsc,
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

/// Probes while `load` runs.
fn measure(
    times: Times,
    load: &mut Load,
    probe: impl FnOnce(Times) -> Outcome<Vec<Duration>> + Send,
) -> Outcome<Latencies> {
    let phases = Phases { warm_up: WARM_UP, measured: Duration::from_secs(times.seconds) };
    let (measured, latencies) = thread::scope(|scope| {
        let prober = scope.spawn(move || {
            thread::sleep(WARM_UP);
            probe(times)
        });
        let measured = load.run(Pace::PerSecond(times.rate), phases);
        (measured, prober.join().map_err(|_| "the prober panicked".into()).flatten())
    });
    let Measured { per_second, held_back, .. } = measured?;
    if held_back > 0 || per_second < times.rate as f64 * 0.97 {
        say(format!("the background was {per_second:.0}/s instead of {}/s", times.rate));
    }
    Ok(Latencies::of(&latencies?))
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
    let watch = Watch::start(&ioc, told)?;
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
            let a = measure(times, &mut our_load, |times| ours.probe(times, LAST_ANSWERS))?;
            let b = measure(times, &mut their_load, |times| theirs.probe(times, LAST_ANSWERS))?;
            let c = measure(times, &mut our_load, |times| floor.probe(times))?;
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
    watch.end()?;
    Ok(())
}

fn relay_name(device: &Device, _fault: bool) -> String {
    device.topic()
}
