//! What one sender's excess costs the others: while each attack runs against a server with its default limits, the time
//! from another device's publish to its alert's frame on a WebSocket is measured, and the longest time between two
//! heartbeats of that stream. Aims: p99 of an alert 100 ms, a heartbeat each 2 s.
//!
//! Options: `--attacks NAME,NAME --seconds 20 --probes 20 --directory DIR` (probes per second). An attack that is
//! measured is one line in a group's table.
mod http;
mod mqtt;
mod payload;
mod target;

use ioc_benches::{
    Outcome,
    args::Args,
    fleet,
    ioc::{Ioc, Mode},
    probe::{Prober, Times, Watch, alert_name},
    process,
    report::{percentile, say, table},
};
use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};
use target::{Attack, Target};

const OPTIONS: [&str; 4] = ["attacks", "seconds", "probes", "directory"];
const SIGNALS: usize = 400;
/// Of an attack before probes begin.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last alerts may take: what is slow is to be measured, too.
const PATIENCE: Duration = Duration::from_secs(60);
const HEAD: [&str; 7] = [
    "attack",
    "alert: p50 ms",
    "p99 ms",
    "worst ms",
    "longest gap of heartbeats ms",
    "resident MiB",
    "the attacker's",
];

fn main() -> Outcome<()> {
    let Some(args) = Args::read(&OPTIONS)? else { return Ok(()) };
    let directory: PathBuf = args.get("directory", env::temp_dir())?;
    let times = Times { rate: 0, seconds: args.get("seconds", 20)?, probes: args.get("probes", 20)? };
    let wanted: Vec<String> = args.list("attacks", &[])?;
    process::prepare();
    let all = [Attack { name: "none", run: |_, _| Ok("nothing".into()) }]
        .into_iter()
        .chain(mqtt::attacks())
        .chain(http::attacks());
    let mut rows = Vec::new();
    for attack in all.filter(|attack| wanted.is_empty() || wanted.iter().any(|name| name == attack.name)) {
        let row = measure(&attack, times, &directory).unwrap_or_else(|error| {
            vec![attack.name.to_owned(), format!("failed: {:.300}", error.to_string())]
        });
        say(row.join(", "));
        rows.push(row);
    }
    table(&HEAD, &rows);
    Ok(())
}

/// Starts a server, attacks it and probes meanwhile.
fn measure(attack: &Attack, times: Times, directory: &Path) -> Outcome<Vec<String>> {
    let ioc = Ioc::start(Mode::Limited, directory)?;
    let signals = fleet::signals(SIGNALS);
    ioc.register(&signals)?;
    let client = ioc.gateways(1, &signals)?.remove(0);
    let (told, seen) = mpsc::channel();
    let watch = Watch::start(&ioc, told)?;
    let mut prober = Prober::new(ioc.mqtt, &client, &signals, seen, alert_name)?;
    let (target, stop) = (Target::new(&ioc)?, AtomicBool::new(false));
    let (latencies, said) = thread::scope(|scope| {
        let attacker = scope.spawn(|| (attack.run)(&target, &stop));
        thread::sleep(WARM_UP);
        let latencies = prober.probe(times, PATIENCE);
        stop.store(true, Relaxed);
        (latencies, attacker.join().map_err(|_| "the attacker panicked".into()).flatten())
    });
    let (resident, gap) = (ioc.process.resident()?, watch.end()?);
    let latencies = latencies?;
    let ms = |percent| percentile(latencies.iter().map(|latency| latency.as_secs_f64() * 1e3), percent);
    Ok(vec![
        attack.name.to_owned(),
        format!("{:.2}", ms(50.0)),
        format!("{:.2}", ms(99.0)),
        format!("{:.2}", ms(100.0)),
        format!("{:.0}", gap.as_secs_f64() * 1e3),
        format!("{:.0}", resident as f64 / f64::from(1 << 20)),
        said?,
    ])
}
