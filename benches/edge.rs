//! Acknowledged QoS 1 publishes per second and CPU time per message: `ioc serve` with everything on (authentication,
//! topic access, decoding, fdatasync before PUBACK, history, last values, the whole rule pack; only the token buckets
//! are lifted) beside mosquitto, which takes the same bytes and relays them to one subscriber.
//!
//! 2,000 devices speak in every cell: through gateways at fewer connections, each for itself at 2,000. Mix `city` has six
//! kinds of devices, `air` has stations alone, whose five pollutants go into the air quality index and into rules.
//! Options: `--mix city|air|both --devices 2000 --connections 10,200,2000 --in-flight 32,1 --seconds 5 --rounds 3 --directory DIR`.
use ioc_benches::{
    Outcome,
    args::Args,
    fleet::{Device, Mix},
    ioc::{Ioc, Mode},
    load::{Client, Load, Measured},
    mosquitto::{self, Mosquitto},
    pace::{Pace, Phases},
    process,
    report::{median, say, table},
};
use std::{env, path::PathBuf, sync::mpsc, time::Duration};

const WARM_UP: Duration = Duration::from_secs(1);
const OPTIONS: [&str; 7] = ["mix", "devices", "connections", "in-flight", "seconds", "rounds", "directory"];
const HEAD: [&str; 12] = [
    "mix",
    "in flight",
    "connections",
    "ioc: acknowledged/s",
    "µs CPU per message",
    "per reading",
    "caught up after",
    "mosquitto: acknowledged/s",
    "µs CPU per message",
    "of which relayed/s",
    "ratio of rates",
    "ratio of CPU",
];

/// One load on one broker.
struct Sample {
    per_second: f64,
    /// Until followers, or the relay, had nothing left to do.
    cpu_us: f64,
    /// Of ours: how long followers took after the load. Of mosquitto: messages relayed per second.
    rest: f64,
    generator_us: f64,
}

struct Bench {
    mix: &'static str,
    readings_per_message: f64,
    ioc: Ioc,
    mosquitto: Mosquitto,
    seconds: u64,
    rounds: usize,
}

fn main() -> Outcome<()> {
    let Some(args) = Args::read(&OPTIONS)? else { return Ok(()) };
    process::prepare();
    let mixes: &[_] = match args.get("mix", "city".to_owned())?.as_str() {
        "city" => &[("city", Mix::City)],
        "air" => &[("air", Mix::Air)],
        "both" => &[("city", Mix::City), ("air", Mix::Air)],
        other => return Err(format!("--mix {other:?}; there are city, air and both").into()),
    };
    let mut rows = Vec::new();
    for (name, mix) in mixes {
        rows.extend(measure(name, *mix, &args)?);
    }
    table(&HEAD, &rows);
    Ok(())
}

/// Measures one mix on brokers of its own. Returns the rows of the table.
fn measure(name: &'static str, mix: Mix, args: &Args) -> Outcome<Vec<Vec<String>>> {
    let directory: PathBuf = args.get("directory", env::temp_dir())?;
    let devices = mix.devices(args.get("devices", 2_000)?);
    let readings: usize = devices.iter().map(Device::readings).sum();
    let bench = Bench {
        mix: name,
        readings_per_message: readings as f64 / devices.len().max(1) as f64,
        ioc: Ioc::start(Mode::Serve, &directory)?,
        mosquitto: Mosquitto::start(&directory, "", mpsc::channel().0)?,
        seconds: args.get("seconds", 5)?,
        rounds: args.get("rounds", 3)?,
    };
    say(format!(
        "mix {name}: {} devices, {:.2} readings per message; median of {} rounds of {} s, in turn",
        devices.len(),
        bench.readings_per_message,
        bench.rounds,
        bench.seconds
    ));
    say(format!("ioc has process id {}, mosquitto {}", bench.ioc.process.id(), bench.mosquitto.process.id()));
    let own = bench.ioc.register(&devices)?;
    let mut rows = Vec::new();
    for connections in args.list("connections", &[10, 200, 2_000])? {
        let clients = bench.clients(connections, &devices, &own)?;
        for in_flight in args.list("in-flight", &[32, 1])? {
            rows.push(bench.cell(&clients, in_flight)?);
        }
    }
    bench.books()?;
    Ok(rows)
}

impl Bench {
    fn clients(&self, connections: usize, devices: &[Device], own: &[Client]) -> Outcome<Vec<Client>> {
        match connections {
            0 => Err("at least one connection".into()),
            count if count < devices.len() => self.ioc.gateways(count, devices),
            count if count == devices.len() => Ok(own.to_vec()),
            _ => Err(format!("at most {} connections for as many devices", devices.len()).into()),
        }
    }

    /// Measures both brokers in turn. Returns a row of the table.
    fn cell(&self, clients: &[Client], in_flight: usize) -> Outcome<Vec<String>> {
        let mut ours = Load::connect(self.ioc.mqtt, clients.to_vec())?;
        let mut theirs = Load::connect(self.mosquitto.mqtt, mosquitto::anonymous(clients))?;
        let (mut ioc, mut peer) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let (a, b) = (self.load_ioc(&mut ours, in_flight)?, self.load_mosquitto(&mut theirs, in_flight)?);
            say(format!(
                "{in_flight} in flight, {} connections, round {round}: ioc {:.0}/s {:.2} µs, caught up {:.1} s; \
                 mosquitto {:.0}/s {:.2} µs; generator {:.2} and {:.2} µs",
                clients.len(),
                a.per_second,
                a.cpu_us,
                a.rest,
                b.per_second,
                b.cpu_us,
                a.generator_us,
                b.generator_us
            ));
            ioc.push(a);
            peer.push(b);
        }
        let of = |samples: &[Sample], what: fn(&Sample) -> f64| median(samples.iter().map(what));
        let (rate, their_rate) = (of(&ioc, |s| s.per_second), of(&peer, |s| s.per_second));
        let (cpu, their_cpu) = (of(&ioc, |s| s.cpu_us), of(&peer, |s| s.cpu_us));
        Ok(vec![
            self.mix.to_owned(),
            in_flight.to_string(),
            clients.len().to_string(),
            format!("{:.1}k", rate / 1e3),
            format!("{cpu:.2}"),
            format!("{:.2}", cpu / self.readings_per_message),
            format!("{:.1} s", of(&ioc, |s| s.rest)),
            format!("{:.1}k", their_rate / 1e3),
            format!("{their_cpu:.2}"),
            format!("{:.1}k", of(&peer, |s| s.rest) / 1e3),
            format!("{:.2}", rate / their_rate),
            format!("{:.2}", cpu / their_cpu),
        ])
    }

    fn run(&self, load: &mut Load, in_flight: usize) -> Outcome<Measured> {
        let measured = Duration::from_secs(self.seconds);
        load.run(Pace::InFlight(in_flight), Phases { warm_up: WARM_UP, measured })
    }

    fn load_ioc(&self, load: &mut Load, in_flight: usize) -> Outcome<Sample> {
        let (before, own) = (self.ioc.process.cpu()?, process::own_cpu()?);
        let measured = self.run(load, in_flight)?;
        let generator = process::own_cpu()? - own;
        let rest = self.ioc.catch_up()?.as_secs_f64();
        Ok(sample(measured, self.ioc.process.cpu()? - before, generator, rest))
    }

    fn load_mosquitto(&self, load: &mut Load, in_flight: usize) -> Outcome<Sample> {
        let (before, own) = (self.mosquitto.process.cpu()?, process::own_cpu()?);
        let relayed = self.mosquitto.relayed();
        let measured = self.run(load, in_flight)?;
        let generator = process::own_cpu()? - own;
        let seconds = (WARM_UP.as_secs() + self.seconds) as f64;
        let relayed = (self.mosquitto.relayed() - relayed) as f64 / seconds;
        self.mosquitto.settle()?;
        Ok(sample(measured, self.mosquitto.process.cpu()? - before, generator, relayed))
    }

    /// Shows that what was acknowledged is in history.
    fn books(&self) -> Outcome<()> {
        let names = ["received", "stored", "duplicate", "corrected", "rejected"];
        let count =
            |name| Ok(format!("{name} {:.0}", self.ioc.metric(&format!("ioc_observations_{name}_total"))?));
        let counts: Vec<String> = names.into_iter().map(count).collect::<Outcome<_>>()?;
        let commits = self.ioc.metric("ioc_journal_commits_total")?;
        say(format!("\nobservations: {}", counts.join(", ")));
        say(format!(
            "{:.0} messages per fdatasync, {:.0} µs each; {:.0} alerts open; resident {:.0} MB",
            self.ioc.metric("ioc_journal_records_total")? / commits,
            self.ioc.metric("ioc_journal_sync_microseconds_total")? / commits,
            self.ioc.metric("ioc_alerts_open")?,
            self.ioc.process.resident()? as f64 / 1e6
        ));
        Ok(())
    }
}

fn sample(measured: Measured, cpu: Duration, generator: Duration, rest: f64) -> Sample {
    let per_message = |time: Duration| time.as_secs_f64() * 1e6 / measured.acknowledged.max(1) as f64;
    let (cpu_us, generator_us) = (per_message(cpu), per_message(generator));
    Sample { per_second: measured.per_second, cpu_us, rest, generator_us }
}
