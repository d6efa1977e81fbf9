//! Where everything is wired. Read it from top to bottom to see what runs and who follows whom:
//!
//! devices → `ioc_broker` → [`Ingress`] → `ioc_journal` → followers (history, rules, live state, …)
//! rules → [`ioc_services::alerting`] → journal → followers `tell` (live stream, city app) and `alerts` (records)
mod memory;

use crate::{
    admin::{self, Operations, open_foundation},
    backup::Source,
    clock::now_ms,
    clock_watch,
    config::Config,
    dashboards,
    data_dir::{DataDir, Holder, Part},
    edge_access::EdgeAccess,
    followers::{
        self, Projections,
        Promptness::{Ahead, Gathering, Nudged, Unhurried},
        Running as Follower, Stop,
        alerts::Alerts,
        derive::Derive,
        live::Live,
        quarantine::Quarantine,
        rules::{RegistryChanged, Rules},
        settle::Settle,
        tell::Tell,
    },
    ingress::Ingress,
    launch::{self, StartError},
    metrics,
    startup::{self, StartupError},
    tls::Certificate,
    web::Web,
};
use ioc_broker::Broker;
use ioc_http::{
    starting::{self, Switch},
    state::{ApiState, Troubles},
    stream::{Feeds, KpiFrame, Meters},
};
use ioc_ingest::Decoder;
use ioc_journal::{Health, Offset, SharedLog};
use ioc_services::{
    ClockProperties, Foundation, Services,
    start_progress::{Phase, StartProgress},
};
use ioc_store::SharedHistory;
use memory::Memory;
use metrics_exporter_prometheus::PrometheusHandle;
use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::{sync::watch, task::spawn_blocking};

/// How long devices may take to get their last PUBACKs after a stop.
const BROKER_GRACE: Duration = Duration::from_secs(2);

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The operations center alone.
    Serve,
    /// With a simulated city.
    Demo,
}

/// Where everything listens.
pub struct Addresses {
    /// Web.
    pub http: SocketAddr,
    /// Web over TLS.
    pub https: Option<SocketAddr>,
    /// Plain MQTT.
    pub mqtt: Vec<SocketAddr>,
    /// MQTT over TLS.
    pub mqtts: Vec<SocketAddr>,
}

/// Runs until SIGINT or SIGTERM.
///
/// Errors: [`StartError`] says why it did not start and what would be right.
pub async fn run(config: Config, mode: Mode, accepted_losses: &[Part]) -> Result<(), StartError> {
    let data = Arc::new(DataDir::open_as(&config.data_dir, Holder::Server)?);
    // Ports are taken before anything else happens, so that a taken one is told at once.
    let mut web = Web::bind(&config.http)?;
    data.begin(accepted_losses)?;
    launch::keep_blocking_thread();
    // Who sees that we listen may tell us to stop.
    let mut signals = launch::Signals::listen()?;
    let recorder = metrics::install().map_err(StartError::Metrics)?;
    let (stop, (stopping, stopped)) = (Stop::default(), watch::channel(false));

    let progress = StartProgress::default();
    let starting = || Switch::new(starting::router(progress.clone()));
    let (requests, scrapes) = (starting(), starting());
    let serving = tokio::spawn(web.serve(requests.router(), scrapes.router(), stopped.clone()));
    let mut opening = spawn_blocking({
        let (data, progress, stop) = (Arc::clone(&data), progress.clone(), stop.clone());
        move || Running::open(config, mode, &data, &progress, &stop)
    });
    let opened = tokio::select! {
        opened = &mut opening => opened,
        () = signals.next() => {
            tracing::info!("stopping during the start");
            let progress = progress.clone();
            spawn_blocking(move || progress.interrupt());
            opening.await
        }
    };
    let Running { center, mut threads } = match opened.map_err(StartError::Panic)? {
        Err(StartError::Startup(StartupError::Interrupted)) => {
            tracing::info!("stopped");
            return Ok(());
        }
        opened => opened?,
    };
    let feeds = center.watch(&stop, &web, stopped.clone(), &mut threads.others)?;
    let services = center.services();
    let simulated = launch::simulate(mode, &center.config, &services.devices, center.last)?;
    let hub = Arc::clone(&center.memory.hub);
    let telling = web.seats.threads.spawn(async move { hub.tell().await });
    let source = Source::running(Arc::clone(&data), center.journal.clone());
    let operations = Arc::new(Operations::new(services.clone()).keeping(source));
    let state = center.api(services, recorder, &threads, feeds, &web);

    launch::warn_of_few_open_files(&center.config);
    let admin = admin::bind(&data.admin_socket())?;
    let answering = admin.answering();
    let admin = tokio::spawn(admin.serve(operations));
    let addresses = center.addresses(&web);
    launch::announce(mode, &data, &center.foundation, &addresses)?;
    scrapes.set(ioc_http::metrics_only(state.clone()));
    requests.set(ioc_http::router(state, web.body_bytes_max));
    center.broker.serve();
    let renewing = tokio::spawn(launch::renew_mqtts(center.certificate.clone()));
    let devices = simulated.map(|demo| tokio::spawn(demo.run(addresses.mqtt[0].port(), stopped)));
    let memory = &center.memory;
    let ready = launch::become_ready(memory.ready.clone(), Arc::clone(&memory.engine), center.last);
    let ready = tokio::spawn(ready);

    if !progress.is_interrupted() {
        signals.next().await;
    }
    tracing::info!("stopping");
    stopping.send_replace(true);
    ready.abort();
    renewing.abort();
    if let Some(devices) = devices {
        let _ = devices.await;
    }
    data.mark_stopping();
    // Here, not on a thread of its own: when none can be made, a stop must still be clean. Nothing else runs on this one.
    center.close(threads, &stop)?;
    let _ = serving.await;
    telling.abort();
    admin.abort();
    let _ = admin.await;
    answering.end().await;
    drop(data);
    tracing::info!("stopped");
    Ok(())
}

/// What a start brings up.
struct Running {
    center: Center,
    threads: Threads,
}

impl Running {
    /// Opens everything and starts those who live on the journal. Blocks.
    fn open(
        config: Config,
        mode: Mode,
        data: &DataDir,
        progress: &StartProgress,
        stop: &Stop,
    ) -> Result<Self, StartError> {
        let center = Center::open(config, mode, data, progress)?;
        let threads = center.follow(progress, stop)?;
        Ok(Self { center, threads })
    }
}

/// The parts that everything else is made of.
struct Center {
    config: Config,
    foundation: Foundation,
    journal: SharedLog,
    /// The newest record of the processes before this one.
    last: Offset,
    store: SharedHistory,
    memory: Memory,
    ingress: Arc<Ingress>,
    broker: Arc<Broker>,
    /// The certificate of MQTT over TLS, if that is on.
    certificate: Option<Arc<Certificate>>,
    changed: RegistryChanged,
}

/// What runs until the stop.
struct Threads {
    followers: Vec<Follower>,
    /// Everyone else.
    others: Vec<JoinHandle<()>>,
}

impl Center {
    /// Opens what is on disk and brings memory up to date with it. Devices are told to come later meanwhile.
    fn open(
        config: Config,
        mode: Mode,
        data: &DataDir,
        progress: &StartProgress,
    ) -> Result<Self, StartError> {
        let foundation = open_foundation(data, &config, now_ms())?;
        let (journal, opened) = ioc_journal::open(launch::journal_config(&config, data))?;
        let decoder =
            Arc::new(Decoder::new(Arc::clone(&foundation.catalogue), launch::decode_limits(&config)));
        let (registry, grants) = (foundation.registry.clone(), Arc::clone(&foundation.grants));
        let ingress = Arc::new(Ingress::new(registry, grants, Arc::clone(&decoder), journal.clone()));
        let certificate = launch::mqtts_certificate(&config, data, mode)?;
        let broker = Arc::new(Broker::start_closed(
            launch::broker_config(&config, certificate.as_ref(), mode)?,
            Arc::new(EdgeAccess(Arc::clone(&foundation.grants))),
            Arc::clone(&ingress) as _,
        )?);
        progress.enter(Phase::History);
        let store = ioc_store::open(launch::store_config(&config, data))?;
        let waiting = store.clone();
        progress.on_interrupt(move || waiting.shutdown());
        let memory = Memory::restore(&config, &foundation, &journal, &store, opened, decoder, progress)?;
        let hub = Arc::clone(&memory.hub);
        journal.on_progress(Box::new(move |durable| hub.committed(durable)));
        let (last, changed) = (opened.last, RegistryChanged::default());
        Ok(Self { config, foundation, journal, last, store, memory, ingress, broker, certificate, changed })
    }

    /// Starts everyone who lives on the journal's records.
    fn follow(&self, progress: &StartProgress, stop: &Stop) -> Result<Threads, StartError> {
        let Self { foundation, journal, last, store, memory, .. } = self;
        let (records, last) = (&foundation.records, *last);
        let (projections, syncing) = Projections::start(records, stop)?;
        let rows_max = self.config.records.quarantine_rows_max;

        let history = Settle::new(store.clone(), Arc::clone(&memory.ledger), journal.clone(), last);
        let live = Live::new(Arc::clone(&memory.live), Arc::clone(&self.ingress));
        let rules = Rules::new(
            Arc::clone(&memory.engine),
            journal.clone(),
            memory.alerts.written(),
            self.changed.clone(),
            (memory.resume_after, memory.resume_ms),
        );
        let in_force = Arc::clone(&memory.rules);
        let rules = rules.timeless_while(move |taken| taken >= last && in_force.is_changing());
        let derive = Derive::new(journal.clone(), memory.deriver(foundation, store, progress)?, stop.clone());
        let quarantine = Quarantine::new(Arc::clone(records), foundation.registry.clone(), rows_max)
            .synced_by(projections.clone());
        let (hub, fold) = (|| Arc::clone(&memory.hub), || memory.fold.clone());
        let alerts = Alerts::new(journal.clone(), Arc::clone(records), hub(), projections, fold());
        let tell = Tell::new(journal.clone(), fold(), hub(), Arc::clone(&self.broker), stop.clone());
        let followers = vec![
            followers::start("store", journal, last, Gathering, stop, history)?,
            followers::start("live", journal, last, Gathering, stop, live)?,
            followers::start("rules", journal, memory.resume_after, Ahead, stop, rules)?,
            followers::start("derive", journal, last, Gathering, stop, derive)?,
            followers::start("quarantine", journal, last, Gathering, stop, quarantine)?,
            followers::start("tell", journal, last, Nudged(memory.urgent.clone()), stop, tell)?,
            followers::start(
                "alerts",
                journal,
                last,
                Unhurried(memory.records_wanted.clone()),
                stop,
                alerts,
            )?,
        ];
        Ok(Threads { followers, others: vec![syncing] })
    }

    /// Starts what looks at the city now and then, and returns what screens are fed from.
    fn watch(
        &self,
        stop: &Stop,
        web: &Web,
        stopping: watch::Receiver<bool>,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Arc<Feeds>, StartError> {
        let Self { foundation: Foundation { registry, records, .. }, memory, .. } = self;
        let (kpi_frames, kpis) = watch::channel(KpiFrame::default());
        let feeds = Arc::new(Feeds {
            hub: Arc::clone(&memory.hub),
            board: Arc::clone(&memory.board),
            registry: registry.clone(),
            kpis,
            older: launch::older(records),
            stopping,
            now: now_ms,
            build: env!("CARGO_PKG_VERSION"),
            meters: Meters::default(),
            turns: web.fair.streams.clone(),
        });
        let live = || Arc::clone(&memory.live);
        let (hub, board) = (Arc::clone(&memory.hub), Arc::clone(&memory.board));
        let kpis = Arc::clone(&memory.kpis);
        let newest_ms = Some(startup::committed_ms(&self.journal, self.last)?).filter(|at_ms| *at_ms > 0);
        threads.extend([
            followers::sweep(registry.clone(), live(), hub, board, stop.clone())?,
            launch::measure_kpis(kpis, registry.clone(), live(), kpi_frames, stop.clone())?,
            launch::forget_old_records(records, &self.config.records, newest_ms, stop.clone())?,
            clock_watch::start(self.watched_clocks(), stop.clone())?,
            launch::write_late(&self.foundation, stop.clone())?,
        ]);
        let told = launch::audit_rules(&self.foundation.late);
        let (engine, ready) = (Arc::clone(&memory.engine), memory.ready.clone());
        threads.extend(memory.rules.watch(engine, move || ready.get(), told, launch::stopped(stop))?);
        Ok(feeds)
    }

    fn watched_clocks(&self) -> clock_watch::Watched {
        let Self { foundation: Foundation { registry, catalogue, .. }, memory, .. } = self;
        clock_watch::Watched {
            decoder: Arc::clone(&memory.decoder),
            live: Arc::clone(&memory.live),
            registry: registry.clone(),
            journal: self.journal.clone(),
            properties: ClockProperties::of(catalogue),
            own: Arc::clone(&memory.own_clock),
        }
    }

    /// Builds what people can do. Rules hear of it when devices change, and so does who counts connections.
    fn services(&self) -> Services {
        let (changed, ingress) = (self.changed.clone(), Arc::clone(&self.ingress));
        let tell = move || {
            changed.tell();
            ingress.relist();
        };
        Services::build(self.foundation.clone(), tell)
    }

    /// What requests are answered from.
    fn api(
        &self,
        services: Services,
        recorder: PrometheusHandle,
        threads: &Threads,
        feeds: Arc<Feeds>,
        web: &Web,
    ) -> ApiState {
        let Self { foundation, memory, config, .. } = self;
        let followers: Arc<[_]> =
            threads.followers.iter().map(|running| (running.name, running.progress.clone())).collect();
        let sources = metrics::Sources {
            ledger: Arc::clone(&memory.ledger),
            broker: Arc::clone(&self.broker),
            journal: self.journal.clone(),
            history: self.store.clone(),
            engine: Arc::clone(&memory.engine),
            rules: Arc::clone(&memory.rules),
            feeds: Arc::clone(&feeds),
            registry: foundation.registry.clone(),
            followers: Arc::clone(&followers),
            own_clock: Arc::clone(&memory.own_clock),
            listener: web.listener.clone(),
            https: web.certificate.clone(),
            mqtts: self.certificate.clone(),
        };
        ApiState {
            services,
            records: Arc::clone(&foundation.records),
            late: Arc::clone(&foundation.late),
            identity: Arc::clone(&foundation.identity),
            registry: foundation.registry.clone(),
            live: Arc::clone(&memory.live),
            clocks: Arc::clone(memory.decoder.clocks()),
            own_clock: Arc::clone(&memory.own_clock),
            history: self.store.clone(),
            alerts: Arc::clone(&memory.alerts),
            feeds,
            rules: Arc::clone(&memory.rules),
            engine: Arc::clone(&memory.engine),
            catalogue: Arc::clone(&foundation.catalogue),
            city: Arc::clone(&foundation.city),
            areas: foundation.city.areas.clone().into(),
            kpis: Arc::clone(&memory.kpis),
            ready: memory.ready.clone(),
            troubles: troubles(followers, self.journal.clone()),
            assets: Arc::new(dashboards::assets()),
            metrics: metrics::page(recorder, sources),
            seats: web.seats.clone(),
            trust: web.trust.clone(),
            fair: web.fair.clone(),
            metrics_open: config.http.metrics.open,
            door: web.door.clone(),
        }
    }

    fn addresses(&self, web: &Web) -> Addresses {
        let mqtt = self.broker.addrs();
        let (http, https) = (web.addr(), web.https_addr());
        Addresses { http, https, mqtt: mqtt.tcp.clone(), mqtts: mqtt.tls.clone() }
    }

    /// Devices first: what they were promised is on disk; then those who read, then those who write.
    fn close(self, threads: Threads, stop: &Stop) -> Result<(), StartError> {
        self.broker.shutdown(BROKER_GRACE);
        self.ingress.flush_presence();
        self.memory.alerts.begin_shutdown();
        stop.stop();
        // Nobody waits for room in history any more; what it does not take is replayed.
        self.store.shutdown();
        threads.followers.into_iter().for_each(Follower::join);
        self.memory.engine.stop();
        self.memory.alerts.close();
        threads.others.into_iter().for_each(|thread| drop(thread.join()));
        self.journal.close().map_err(StartError::Stop)
    }
}

fn troubles(followers: Arc<[(&'static str, followers::Progress)]>, journal: SharedLog) -> Troubles {
    let failed = move || followers.iter().find(|(_, progress)| progress.has_failed()).map(|(name, _)| *name);
    let full = move || match journal.health() {
        Health::Ok => None,
        Health::OutOfSpace { since_ms } => Some(since_ms),
    };
    Troubles { failed_follower: Arc::new(failed), journal_full_since_ms: Arc::new(full) }
}
