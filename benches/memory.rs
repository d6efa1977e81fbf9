//! Resident memory: of `ioc demo` (simulator included) over some minutes, and per idle connection that has signed in.
//! Buffers of the kernel's sockets are not in it.
//!
//! Options: `--minutes 10 --connections 4000 --directory DIR`; 0 leaves that part out.
use ioc_benches::{
    Outcome,
    args::Args,
    fleet,
    ioc::{Ioc, Mode},
    load::{Client, Load},
    process,
    report::{say, table},
};
use std::{
    env,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
/// What a server gets to come to rest.
const REST: Duration = Duration::from_secs(3);
/// Connections that make buffers and tables grow before it counts.
const WARM_UP_SHARE: usize = 10;

fn main() -> Outcome<()> {
    let Some(args) = Args::read(&["minutes", "connections", "directory"])? else { return Ok(()) };
    let directory: PathBuf = args.get("directory", env::temp_dir())?;
    process::prepare();
    let connections = args.get("connections", 4_000)?;
    if connections > 0 {
        idle_connections(&directory, connections)?;
    }
    match args.get("minutes", 10)? {
        0 => Ok(()),
        minutes => demo(&directory, minutes),
    }
}

/// All sign in as one gateway, each with a client id of its own: a registry that grows would leave free memory behind,
/// which the connections would then fill unseen.
fn idle_connections(directory: &Path, count: usize) -> Outcome<()> {
    let ioc = Ioc::start(Mode::Serve, directory)?;
    let devices = fleet::devices(1);
    ioc.register(&devices)?;
    let gateway = ioc.gateways(1, &devices)?.remove(0);
    let client = |number| Client { id: format!("idle-{number}"), templates: Vec::new(), ..gateway.clone() };
    let clients: Vec<Client> = (0..count).map(client).collect();
    let (first, others) = clients.split_at(count / WARM_UP_SHARE);
    let first_load = Load::connect(ioc.mqtt, first.to_vec())?;
    thread::sleep(REST);
    let before = ioc.process.resident()?;
    let load = Load::connect(ioc.mqtt, others.to_vec())?;
    thread::sleep(REST);
    let grown = ioc.process.resident()?.saturating_sub(before);
    let open = ioc.metric("ioc_mqtt_connections")?;
    say(format!(
        "{} idle connections ({open:.0} open in all): {:.1} MB more, {:.1} kB each",
        others.len(),
        grown as f64 / 1e6,
        grown as f64 / 1e3 / others.len() as f64
    ));
    drop((first_load, load));
    Ok(())
}

fn demo(directory: &Path, minutes: u32) -> Outcome<()> {
    let ioc = Ioc::start(Mode::Demo, directory)?;
    let mut rows = Vec::new();
    for minute in 1..=minutes {
        thread::sleep(MINUTE);
        let (resident, cpu) = (ioc.process.resident()?, ioc.process.cpu()?);
        rows.push(vec![
            minute.to_string(),
            format!("{:.0}", resident as f64 / 1e6),
            format!("{:.1}", cpu.as_secs_f64()),
            format!("{:.0}", ioc.metric("ioc_mqtt_publishes_total")?),
        ]);
    }
    table(&["minute", "resident MB", "CPU s", "messages"], &rows);
    Ok(())
}
