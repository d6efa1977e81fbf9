//! From the configuration to what each part wants, and why a start can fail.
use crate::{
    admin::FoundationError,
    app::{Addresses, Mode},
    clock::{Clocks, monotonic_ms, now_ms},
    config::{Config, Mqtt, Size},
    data_dir::{DataDir, DataDirError},
    defaults,
    demo::{self, Demo, DemoError},
    followers::{self, Stop},
    startup::{self, StartupError},
    tls::{self, Certificate, TlsError},
};
use ioc_broker::{BrokerConfig, Limits, TlsConfig, TlsIdentity};
use ioc_http::stream::{KpiFrame, OlderTransitions, hub::Hub};
use ioc_identity::random_bytes;
use ioc_ingest::{DecodeLimits, LiveState, Registry};
use ioc_journal::{JournalConfig, JournalError, Offset};
use ioc_model::{AlertId, Catalogue, share::Rate, time::forgetting_ms};
use ioc_records::{Audit, LateWrites, Records, Write};
use ioc_rules::{Engine, EngineConfig, Place, RuleSet};
use ioc_services::{
    Devices, Foundation, Ready,
    alerting::Archive,
    indicators::KpiService,
    rules::{RuleChecks, RuleSource, RuleStoreError},
};
use ioc_store::{StoreConfig, StoreError};
use rustix::process::{Resource, getrlimit};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

const KPI_PERIOD: Duration = Duration::from_secs(1);
const FORGET_PERIOD: Duration = Duration::from_secs(3600);
/// How long events of alerts are kept at least, in milliseconds: five years.
const ALERT_EVENTS_KEEP_MS: i64 = 5 * 366 * 24 * 3_600_000;
/// How often it is tried to write what the disk did not take.
const LATE_PERIOD: Duration = Duration::from_secs(1);
const REFUSALS_PERIOD: Duration = Duration::from_secs(60);
/// Open files besides connections of devices and live streams: other web connections, segments, the records.
const OTHER_FILES: u64 = 2048;
const READY_POLL: Duration = Duration::from_millis(20);

/// Why the operations center did not start, or ended badly. Each message says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The web server's address.
    #[error("cannot listen for the web on {addr}: {source}; {} with {setting}", http_remedy(source))]
    Http {
        /// As configured.
        addr: std::net::SocketAddr,
        /// Where it is configured.
        setting: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate of HTTPS.
    #[error("https: {0}")]
    Https(#[source] TlsError),
    /// The certificate of MQTT.
    #[error("mqtts: {0}")]
    Mqtts(#[source] TlsError),
    /// Catalogue, city, records, identities.
    #[error(transparent)]
    Foundation(#[from] FoundationError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// History.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device edge.
    #[error("{error}{flag}", error = .0, flag = mqtt_flag(.0))]
    Broker(#[from] ioc_broker::StartError),
    /// A certificate for the demo.
    #[error("a certificate for the demo cannot be made: {0}")]
    Certificate(String),
    /// Rule files.
    #[error(transparent)]
    Rules(#[from] RuleStoreError),
    /// The rule engine.
    #[error(transparent)]
    Engine(#[from] ioc_rules::StartError),
    /// The city's time zone.
    #[error("time zone {0:?} is not known; write one as in Asia/Ho_Chi_Minh")]
    TimeZone(String),
    /// What lives in memory.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The simulated city.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The recorder of metrics.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(metrics_exporter_prometheus::BuildError),
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    Io(#[from] io::Error),
    /// The end: what was pending could not be written.
    #[error("not stopped cleanly: {0}")]
    Stop(#[source] JournalError),
    /// A bug.
    #[error("a part of the server panicked while it started: {0}")]
    Panic(tokio::task::JoinError),
}

impl StartError {
    /// Reports whether the command line or the configuration is wrong, rather than what the start met.
    pub fn is_usage(&self) -> bool {
        use ioc_broker::StartError as Broker;
        match self {
            Self::DataDir(error) => error.is_usage(),
            Self::Foundation(error) => error.is_usage(),
            Self::Startup(StartupError::Meaning(_)) => true,
            Self::Broker(Broker::Bind { .. } | Broker::Thread(_)) => false,
            Self::Https(_)
            | Self::Mqtts(_)
            | Self::Broker(_)
            | Self::Rules(_)
            | Self::TimeZone(_)
            | Self::Demo(_) => true,
            _ => false,
        }
    }

    /// Returns the address that another process has, if that is the reason.
    pub fn taken_address(&self) -> Option<std::net::SocketAddr> {
        let (addr, source) = match self {
            Self::Http { addr, source, .. } => (addr, source),
            Self::Broker(ioc_broker::StartError::Bind { addr, source }) => (addr, source),
            _ => return None,
        };
        (source.kind() == io::ErrorKind::AddrInUse).then_some(*addr)
    }
}

/// Warns when devices and screens may need more open files than there can be: connections are then refused.
pub fn warn_of_few_open_files(config: &Config) {
    let connections =
        u64::from(config.mqtt.limits.connections_max) + u64::from(config.http.stream_clients_max);
    let needed = connections + OTHER_FILES;
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is lower than the configured connections need: beyond it devices and screens are \
             refused; raise it (ulimit -n, LimitNOFILE= of systemd), or lower mqtt.limits.connections_max"
        );
    }
}

/// Keeps a thread for blocking work at hand: when the system gives no more threads, requests wait for that one instead of
/// failing.
pub fn keep_blocking_thread() {
    tokio::spawn(async {
        // An idle thread ends after ten seconds.
        let mut ticks = tokio::time::interval(Duration::from_secs(4));
        loop {
            ticks.tick().await;
            let _ = tokio::task::spawn_blocking(|| ()).await;
        }
    });
}

fn http_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "give the program the right to it or choose a port above 1023",
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; give one that it has, or a port alone for all of them,"
        }
        io::ErrorKind::AddrInUse => "free the port or choose another",
        _ => "choose another address",
    }
}

/// Names the flag where an address is the problem; the edge knows no command line.
fn mqtt_flag(error: &ioc_broker::StartError) -> &'static str {
    match error {
        ioc_broker::StartError::Bind { .. } => " with --mqtt or --mqtts",
        _ => "",
    }
}

/// Returns what the journal wants.
pub fn journal_config(config: &Config, data: &DataDir) -> JournalConfig {
    let journal = &config.journal;
    JournalConfig {
        dir: data.journal(),
        segment_bytes: journal.segment.0,
        segment_age: journal.segment_age.0,
        pending_bytes_max: journal.pending_max.as_len(),
        ring_bytes_max: journal.ring_max.as_len(),
        keep_bytes: journal.keep.0,
        followers: followers::registrations(),
    }
}

/// Returns what history wants.
pub fn store_config(config: &Config, data: &DataDir) -> StoreConfig {
    let (retention, segment_span) = (config.store.retention.0, config.store.segment_span.0);
    StoreConfig { retention, segment_span, ..StoreConfig::new(data.store()) }
}

/// Returns what the decoder wants.
pub fn decode_limits(config: &Config) -> DecodeLimits {
    DecodeLimits {
        future_max_ms: config.ingest.future_max.as_ms(),
        retention_ms: config.store.retention.as_ms(),
        late_after_ms: config.ingest.late_after.as_ms(),
        payload_len_max: config.mqtt.limits.packet_max.as_len(),
        // An object may hold a single value, so that one bound serves both.
        elements_max: config.ingest.values_max as usize,
        values_max: config.ingest.values_max as usize,
    }
}

/// Whose certificate it is, in the log.
const MQTTS: &str = "MQTT over TLS";

/// Returns the certificate of MQTT over TLS, if there is one. The demo makes its own when none is configured.
///
/// Errors: no certificate can be made, or the files cannot be used.
pub fn mqtts_certificate(
    config: &Config,
    data: &DataDir,
    mode: Mode,
) -> Result<Option<Arc<Certificate>>, StartError> {
    let tls = &config.mqtt.tls;
    let (certificate, key) = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ if mode == Mode::Demo => tls::self_signed(data.path()).map_err(StartError::Certificate)?,
        _ => return Ok(None),
    };
    let certificate = Certificate::load(&certificate, &key).map_err(StartError::Mqtts)?;
    tls::tell_expiry(MQTTS, &certificate);
    Ok(Some(Arc::new(certificate)))
}

/// Reads the certificate of MQTT over TLS again when its files change, for ever.
pub async fn renew_mqtts(certificate: Option<Arc<Certificate>>) {
    if let Some(certificate) = certificate {
        tls::renew(MQTTS, certificate).await;
    }
}

/// Returns what the device edge wants.
///
/// Errors: the certificate cannot be used.
pub fn broker_config(
    config: &Config,
    certificate: Option<&Arc<Certificate>>,
    mode: Mode,
) -> Result<BrokerConfig, StartError> {
    let mqtt = &config.mqtt;
    let identity = certificate.map(|certificate| certificate.server(&[])).transpose();
    let identity = identity.map_err(StartError::Mqtts)?.map(TlsIdentity::Config);
    let limits = &mqtt.limits;
    Ok(BrokerConfig {
        tcp: plain_addresses(mqtt, mode),
        tls: identity.map(|identity| TlsConfig { addrs: vec![mqtt.tls.listen.0], identity }),
        limits: Limits {
            packet_bytes_max: limits.packet_max.as_len(),
            connections_max: limits.connections_max as usize,
            connections_per_address_max: limits.connections_per_address_max as usize,
            ipv6_prefix: limits.ipv6_prefix,
            connections_per_credential_max: limits.connections_per_credential_max as usize,
            unauthenticated_max: limits.unauthenticated_max as usize,
            unauthenticated_per_address_max: limits.unauthenticated_per_address_max as usize,
            sign_ins_per_second: limits.sign_in_rate,
            sign_in_burst: limits.sign_in_burst,
            subscriptions_max: limits.subscriptions_max as usize,
            connect_timeout: limits.connect_timeout.0,
            write_timeout: limits.write_timeout.0,
            publishes_per_second: limits.device_rate,
            publish_burst: limits.device_burst,
            bytes_per_second: as_rate(limits.device_bytes_rate),
            bytes_burst: as_rate(limits.device_bytes_burst),
            readings_per_second: limits.device_readings_rate,
            readings_burst: limits.device_readings_burst,
            gateway_devices_max: limits.gateway_devices_max,
            read_ahead_bytes: limits.read_ahead.as_len(),
            read_ahead_total_bytes: limits.read_ahead_total.as_len(),
            foreign_topics_max: limits.foreign_topics_max,
            ..Limits::default()
        },
        reactors: mqtt.reactors as usize,
    })
}

/// Returns where plain MQTT is spoken. The demo's own devices need it; when it is off they have it to themselves.
fn plain_addresses(mqtt: &Mqtt, mode: Mode) -> Vec<SocketAddr> {
    match (mqtt.tcp.enabled, mode) {
        (true, _) => vec![mqtt.tcp.listen.0],
        (false, Mode::Demo) => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        (false, _) => Vec::new(),
    }
}

fn as_rate(size: Size) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

/// Returns where rules come from: the configured directories, or the built-in rules when the default one is not there.
pub fn rule_source(config: &Config) -> RuleSource {
    let dirs = &config.rules.dirs;
    let is_default = *dirs == Config::default().rules.dirs;
    match is_default && dirs.iter().all(|dir| !dir.is_dir()) {
        true => RuleSource::Embedded(defaults::rule_files()),
        false => rules_in(dirs.clone()),
    }
}

/// Returns the rules of these directories, with ours beside them.
pub fn rules_in(directories: Vec<std::path::PathBuf>) -> RuleSource {
    RuleSource::Directories { directories, ours: defaults::rules_of_ours() }
}

/// Returns the places for checks of rule texts.
pub fn rule_checks(config: &Config, catalogue: &Arc<Catalogue>) -> RuleChecks {
    let limits = &config.http.limits;
    let (total, each) = (limits.rule_checks_max as usize, limits.rule_checks_per_caller_max as usize);
    RuleChecks::new(Arc::clone(catalogue), total, each)
}

/// Returns what the rule engine wants.
///
/// Errors: a time zone that does not exist.
pub fn engine_config(
    config: &Config,
    foundation: &Foundation,
    resume_after: Offset,
) -> Result<EngineConfig, StartError> {
    let city = &foundation.city.city;
    let time_zone =
        jiff::tz::TimeZone::get(&city.time_zone).map_err(|_| StartError::TimeZone(city.time_zone.clone()))?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let shards = config.rules.shards as usize;
    Ok(EngineConfig {
        shards: if shards == 0 { cores } else { shards },
        queue_batches: config.rules.queue_batches as usize,
        flapping: Rate::new(config.rules.device_flap_rate, config.rules.device_flap_burst),
        new_id: Arc::new(new_alert_id),
        place: Place { latitude: city.center[1], longitude: city.center[0], time_zone },
        startup_ms: now_ms(),
        resume_after,
    })
}

fn new_alert_id(at_ms: i64) -> AlertId {
    // Without random numbers ids still differ: the clock and a counter stand in.
    let random = random_bytes::<16>().map_or_else(|_| u128::from(next_number()), u128::from_le_bytes);
    AlertId::new(at_ms, random)
}

fn next_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Finds alerts that the fold has let go: those that the records have.
pub fn archive(records: &Records, hub: &Arc<Hub>) -> Archive {
    let (records, hub) = (Arc::clone(records), Arc::clone(hub));
    Archive {
        find: Box::new(move |id| records.alert(id).ok().flatten()),
        through: Box::new(move || hub.recorded_through()),
    }
}

/// Reads transitions that the hub no longer holds.
pub fn older(records: &Records) -> OlderTransitions {
    let records = Arc::clone(records);
    Arc::new(move |seq, limit| {
        let page = startup::older(&records, seq, limit);
        page.map_err(|error| tracing::error!(%error, "transitions cannot be read for the live stream")).ok()
    })
}

/// Returns what notes in the audit trail that the rule files changed.
pub fn audit_rules(late: &Arc<LateWrites>) -> impl Fn(&RuleSet) + Send + 'static {
    let late = Arc::clone(late);
    move |rules| {
        let audit = Audit::new(now_ms(), "system", "rules.reload", "rule files");
        let detail = format!("{} rules in force", rules.rules().len());
        late.write(Write::Audit(audit.with_detail(detail)));
    }
}

/// Writes what the disk did not take before, and every minute what was counted of refused sign-ins.
///
/// Errors: the operating system refuses a thread.
pub fn write_late(foundation: &Foundation, stop: Stop) -> io::Result<thread::JoinHandle<()>> {
    let (identity, late) = (Arc::clone(&foundation.identity), Arc::clone(&foundation.late));
    thread::Builder::new().name("records-late".into()).spawn(move || {
        let mut told = Instant::now();
        while !stop.wait(LATE_PERIOD) {
            if told.elapsed() >= REFUSALS_PERIOD {
                identity.tell_refusals(now_ms());
                told = Instant::now();
            }
            late.retry(now_ms());
        }
        identity.tell_refusals(now_ms());
        late.retry(now_ms());
    })
}

/// Returns what waits for the stop.
pub fn stopped(stop: &Stop) -> impl Fn(Duration) -> bool + Send + 'static {
    let stop = stop.clone();
    move |timeout| stop.wait(timeout)
}

/// Measures the indicators every second.
///
/// Errors: the operating system refuses a thread.
pub fn measure_kpis(
    kpis: Arc<KpiService>,
    registry: Registry,
    live: Arc<LiveState>,
    frames: watch::Sender<KpiFrame>,
    stop: Stop,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("kpis".into()).spawn(move || {
        while !stop.wait(KPI_PERIOD) {
            let now = Clocks::read();
            let items = kpis.measure(&registry, &live, now.wall_ms, now.monotonic_ms);
            frames.send_replace(KpiFrame { t: now.wall_ms, items });
        }
    })
}

/// Forgets records that are older than they are kept, now and then. `newest_ms` is the time of the newest journal record at
/// the start, see [`forgetting_ms`].
///
/// Errors: the operating system refuses a thread.
pub fn forget_old_records(
    records: &Records,
    keep: &ioc_records::Config,
    newest_ms: Option<i64>,
    stop: Stop,
) -> io::Result<thread::JoinHandle<()>> {
    let (records, keep) = (Arc::clone(records), keep.clone());
    let started_ms = monotonic_ms();
    thread::Builder::new().name("records-keep".into()).spawn(move || {
        while !stop.wait(FORGET_PERIOD) {
            let now = forgetting_ms(now_ms(), newest_ms, monotonic_ms() - started_ms);
            let alerts = records.prune_alerts(now - keep.alerts_keep.as_ms());
            let events_keep_ms = keep.alerts_keep.as_ms().max(ALERT_EVENTS_KEEP_MS);
            let events = records.prune_alert_events(now - events_keep_ms);
            let audit = records.prune_audit(now - keep.audit_keep.as_ms());
            let sessions = records.prune_sessions(now);
            for error in [alerts, events, audit, sessions].into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "old records cannot be forgotten; tried again in an hour");
            }
        }
    })
}

/// Registers the simulated city, in the demo.
///
/// Errors: the scenario or the fleet cannot be used.
pub fn simulate(
    mode: Mode,
    config: &Config,
    devices: &Devices,
    last: Offset,
) -> Result<Option<Demo>, StartError> {
    match mode {
        Mode::Serve => Ok(None),
        Mode::Demo => Ok(Some(demo::prepare(&config.demo, devices, last == 0)?)),
    }
}

/// Says ready once the rules have decided about everything that was committed before the start.
pub async fn become_ready(ready: Ready, engine: Arc<Engine>, last: Offset) {
    while engine.processed() < last {
        tokio::time::sleep(READY_POLL).await;
    }
    ready.set();
    tracing::info!("ready");
}

/// Prints where everything is, and the demo's sign-in.
///
/// Errors: the sign-in cannot be made or written.
pub fn announce(
    mode: Mode,
    data: &DataDir,
    foundation: &Foundation,
    addresses: &Addresses,
) -> Result<(), StartError> {
    let web = browse(addresses.http);
    tracing::info!(http = %addresses.http, https = ?addresses.https, mqtt = ?addresses.mqtt, mqtts = ?addresses.mqtts, "listening");
    if mode == Mode::Serve {
        return Ok(());
    }
    let password = demo::sign_in(&foundation.identity, &foundation.grants)?;
    if let Some(password) = &password {
        data.write_demo_sign_in(demo::USER, password)?;
    }
    let password = password.unwrap_or_else(|| "(the password that you gave it)".to_owned());
    let lines = [
        String::new(),
        format!(
            "  wall      {web}/wall#token={}",
            demo::wall_token(&foundation.identity, &foundation.grants)?
        ),
        format!("  console   {web}/"),
        format!("  sign in   {} / {password}", demo::USER),
        format!("  MQTT      {}", ports(&addresses.mqtt)),
        format!("  MQTTS     {}", ports(&addresses.mqtts)),
        format!("  data      {}", data.path().display()),
        String::new(),
        "  A simulated Huế; Ctrl-C stops it, starting again goes on with its data.".to_owned(),
        String::new(),
    ];
    use io::Write as _;
    // Nobody reading standard output is no reason to stop.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
    Ok(())
}

fn ports(addrs: &[std::net::SocketAddr]) -> String {
    let ports: Vec<_> = addrs.iter().map(|addr| format!("localhost:{}", addr.port())).collect();
    if ports.is_empty() { "off".to_owned() } else { ports.join(", ") }
}

fn browse(addr: std::net::SocketAddr) -> String {
    match addr.ip().is_unspecified() {
        true => format!("http://localhost:{}", addr.port()),
        false => format!("http://{addr}"),
    }
}

/// Ctrl-C and SIGTERM, which no longer end the process by themselves.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// Errors: the signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, also one that has come already.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
