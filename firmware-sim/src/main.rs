//! Runs a simulated Huế against an MQTT broker. See `firmware-sim --help`.
use clap::Parser;
use firmware_sim::{RunConfig, RunMeters, Scenario, Simulation, connections, fleet};
use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Exit code of a refusal to start.
const REFUSED: u8 = 64;
/// How often the meters are printed.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Simulated city devices that speak MQTT 3.1.1 with QoS 1.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The broker, plain TCP.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    mqtt: String,
    /// Tokens, one JSON object a line: {"id": "<credential id>", "token": "<token>"}.
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    credentials: Option<PathBuf>,
    /// A scenario file, or the name of a built-in one: normal-day, flood-2025-10.
    #[arg(long, value_name = "FILE|NAME", default_value = "normal-day")]
    scenario: String,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// About how many devices.
    #[arg(long, default_value_t = 2000)]
    devices: usize,
    /// Plays the scenario's story this many times as fast; devices keep their reporting periods.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Prints the connections and the devices behind each, one JSON object a line, and exits.
    #[arg(long)]
    list: bool,
}

/// A refusal to start, in one line.
struct Refusal(String);

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are not refusals.
            let code = if error.use_stderr() { REFUSED } else { 0 };
            let _ = error.print();
            return code.into();
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal(message)) => {
            let _ = writeln!(std::io::stderr(), "firmware-sim: {message}");
            REFUSED.into()
        }
    }
}

fn start(args: &Args) -> Result<(), Refusal> {
    let scenario = scenario(args)?;
    if args.list {
        return list(args, &scenario);
    }
    let (host, port) = broker(&args.mqtt)?;
    let tokens = tokens(args.credentials.as_deref().unwrap_or(Path::new("")))?;
    let start_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let simulation = Simulation::new(devices(args, &scenario), &scenario, args.seed, start_ms)
        .map_err(|error| Refusal(error.to_string()))?;
    tracing::info!(
        scenario = scenario.name,
        length_s = scenario.length_s,
        seed = args.seed,
        devices = simulation.fleet().len(),
        connections = simulation.connections().len(),
        broker = args.mqtt,
        "simulating"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Refusal(format!("cannot start the runtime: {error}")))?;
    let run = run_until_interrupted(simulation, &tokens, RunConfig::new(host, port));
    runtime.block_on(run).map_err(|error| Refusal(error.to_string()))
}

async fn run_until_interrupted(
    simulation: Simulation,
    tokens: &HashMap<String, String>,
    config: RunConfig,
) -> Result<(), firmware_sim::RunError> {
    let (stop, stopped) = watch::channel(false);
    let meters = Arc::new(RunMeters::default());
    tokio::spawn(log_progress(meters.clone(), stopped.clone()));
    tokio::spawn(async move {
        interrupted().await;
        tracing::info!("stopping");
        let _ = stop.send(true);
        stop.closed().await;
    });
    firmware_sim::run(simulation, tokens, config, meters, stopped).await
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    // Without signals the run can only be killed; nothing is lost by that either.
    let ctrl_c = async { _ = tokio::signal::ctrl_c().await };
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => _ = terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        () = terminate => {}
    }
}

async fn log_progress(meters: Arc<RunMeters>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(TELL_EVERY);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = stop.changed() => return,
        }
        tracing::info!(
            connected = meters.connected.load(Ordering::Relaxed),
            published = meters.published.load(Ordering::Relaxed),
            acknowledged = meters.acknowledged.load(Ordering::Relaxed),
            lost = meters.lost.load(Ordering::Relaxed),
            skipped = meters.skipped.load(Ordering::Relaxed),
            "running"
        );
    }
}

/// Returns the city's devices and those that the scenario brings along.
fn devices(args: &Args, scenario: &Scenario) -> Vec<firmware_sim::SimDevice> {
    let mut devices = fleet(args.seed, args.devices);
    devices.extend(scenario.devices());
    devices
}

fn list(args: &Args, scenario: &Scenario) -> Result<(), Refusal> {
    let fleet = devices(args, scenario);
    let mut out = std::io::stdout().lock();
    for connection in connections(&fleet) {
        let devices: Vec<_> = connection.devices.iter().map(|index| device_json(&fleet[*index])).collect();
        let line = serde_json::json!({
            "credential": connection.credential_id, "kind": connection.kind.as_str(), "devices": devices,
        });
        writeln!(out, "{line}").map_err(|error| Refusal(format!("cannot print: {error}")))?;
    }
    Ok(())
}

fn device_json(device: &firmware_sim::SimDevice) -> serde_json::Value {
    let parent = device.parent.as_ref();
    let parent = parent.map(|p| serde_json::json!({ "kind": p.kind.as_str(), "id": p.id.as_str() }));
    serde_json::json!({
        "id": device.id.as_str(), "domain": device.domain.as_str(), "kind": device.kind.as_str(),
        "lat": device.lat, "lon": device.lon, "parent": parent, "labels": device.labels,
    })
}

fn scenario(args: &Args) -> Result<Scenario, Refusal> {
    let name = &args.scenario;
    let parsed = match Scenario::built_in(name) {
        Some(parsed) => parsed,
        None => Scenario::from_toml(
            name,
            &ioc_files::read_settings(Path::new(name)).map_err(|error| {
                Refusal(format!(
                    "cannot read {name} ({error}); name a scenario file, normal-day or flood-2025-10"
                ))
            })?,
        ),
    };
    let scenario = parsed.map_err(|error| Refusal(error.to_string()))?;
    if !args.speed.is_finite() || args.speed <= 0.0 {
        return Err(Refusal(format!("--speed is {}; it must be more than 0", args.speed)));
    }
    let length_s = scenario.length_s / args.speed;
    Ok(scenario.with_length(length_s))
}

fn broker(address: &str) -> Result<(String, u16), Refusal> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parts {
        Some((host, port)) if !host.is_empty() => Ok((host.to_owned(), port)),
        _ => Err(Refusal(format!("--mqtt is {address:?}; it must be HOST:PORT, as in 127.0.0.1:1883"))),
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenLine {
    id: String,
    token: String,
}

fn tokens(path: &Path) -> Result<HashMap<String, String>, Refusal> {
    let file = path.display();
    let text =
        ioc_files::read_settings(path).map_err(|error| Refusal(format!("cannot read {file}: {error}")))?;
    let mut tokens = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let entry: TokenLine = serde_json::from_str(line).map_err(|_| {
            let number = number + 1;
            Refusal(format!("{file}:{number}: expected {{\"id\": \"…\", \"token\": \"…\"}}"))
        })?;
        tokens.insert(entry.id, entry.token);
    }
    Ok(tokens)
}
