//! Where everything is wired. Read it from top to bottom to see what runs and who follows whom:
//!
//! devices → `ioc_broker` → [`Ingress`] → `ioc_journal` → followers (history, rules, live state, …)
//! rules → [`Book`] → journal → follower `alerts` → records, live stream, city app
use crate::{
    admin::{self, Foundation, Operations},
    book::{Book, Written},
    clock::now_ms,
    config::Config,
    data_dir::DataDir,
    demo::Demo,
    directory::{RegistryDirectory, StoreSamples},
    followers::{
        self, Nudge, Projections,
        Promptness::{AtOnce, Gathering, Nudged},
        Running, Stop,
        alerts::Alerts,
        derive::Derive,
        live::Live,
        quarantine::Quarantine,
        rules::{RegistryChanged, Rules},
        settle::Settle,
    },
    http::{
        server,
        state::{ApiState, CookiePolicy, Ready},
    },
    ingress::Ingress,
    kpis::KpiDesk,
    launch::{self, StartError},
    metrics,
    rule_desk::RuleDesk,
    startup,
    stream::{Feeds, KpiFrame, Meters, board::Board, hub::Hub},
};
use ioc_broker::Broker;
use ioc_ingest::{Decoder, Ledger, LiveState};
use ioc_journal::{Journal, Offset, Opened};
use ioc_rules::Engine;
use ioc_store::Store;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Decisions of the rules that wait for the book; when full, the rules wait.
const DECISIONS_MAX: usize = 8192;
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

/// Runs until SIGINT or SIGTERM.
///
/// Errors: [`StartError`] says why it did not start and what would be right.
pub async fn run(config: Config, mode: Mode) -> Result<(), StartError> {
    let data = DataDir::open(&config.data_dir)?;
    // Ports are taken before anything else happens, so that a taken one is told at once.
    let http = launch::bind_http(&config.http)?;
    let recorder = metrics::install().map_err(StartError::Metrics)?;
    let foundation = Foundation::open(&data, &config, now_ms())?;
    let (journal, opened) = Journal::open(launch::journal_config(&config, &data))?;
    let store = Store::open(launch::store_config(&config, &data))?;

    let stop = Stop::default();
    let (stopping, stopped) = watch::channel(false);
    let core = Core::restore(&config, &foundation, &journal, &store, opened)?;
    let ingress =
        Arc::new(Ingress::new(foundation.registry.clone(), Arc::clone(&core.decoder), journal.clone()));
    let broker = Arc::new(Broker::start(
        launch::broker_config(&config, &data, mode)?,
        Arc::clone(&foundation.grants) as _,
        Arc::clone(&ingress) as _,
    )?);
    let urgent = Nudge::default();
    let written = Written::default();
    let book = Book::start(
        journal.clone(),
        written.clone(),
        core.standing.clone(),
        core.decisions.clone(),
        launch::lookup(&foundation.records),
        urgent.clone(),
    )?;

    let last = opened.last;
    let start = |name, after, promptness, work: Box<dyn followers::Work>| {
        followers::start(name, &journal, after, promptness, &stop, work)
    };
    let records = &foundation.records;
    let changed = RegistryChanged::default();
    let (projections, syncing) = Projections::start(records, &stop)?;
    let quarantine_rows_max = config.records.quarantine_rows_max;
    let running: Vec<Running> = vec![
        start(
            "store",
            last,
            Gathering,
            Box::new(Settle::new(store.clone(), Arc::clone(&core.ledger), last)),
        )?,
        start("live", last, Gathering, Box::new(Live::new(Arc::clone(&core.live), Arc::clone(&ingress))))?,
        start(
            "rules",
            core.resume_after,
            AtOnce,
            Box::new(Rules::new(
                Arc::clone(&core.engine),
                journal.clone(),
                written,
                changed.clone(),
                (core.resume_after, core.resume_ms),
            )),
        )?,
        start(
            "derive",
            last,
            Gathering,
            Box::new(Derive::new(journal.clone(), core.deriver(&foundation, &store)?, stop.clone())),
        )?,
        start(
            "quarantine",
            last,
            Gathering,
            Box::new(
                Quarantine::new(Arc::clone(records), foundation.registry.clone(), quarantine_rows_max)
                    .synced_by(projections.clone()),
            ),
        )?,
        start(
            "alerts",
            last,
            Nudged(urgent),
            Box::new(Alerts::new(
                Arc::clone(records),
                Arc::clone(&core.hub),
                Arc::clone(&broker),
                projections,
                stop.clone(),
            )),
        )?,
    ];

    let (kpi_frames, kpis) = watch::channel(KpiFrame::default());
    let feeds = Arc::new(Feeds {
        hub: Arc::clone(&core.hub),
        board: Arc::clone(&core.board),
        registry: foundation.registry.clone(),
        kpis,
        older: launch::older(records),
        stopping: stopped.clone(),
        now: now_ms,
        build: env!("CARGO_PKG_VERSION"),
        meters: Meters::default(),
    });
    let threads = [
        syncing,
        followers::sweep(
            foundation.registry.clone(),
            Arc::clone(&core.live),
            Arc::clone(&core.hub),
            Arc::clone(&core.board),
            stop.clone(),
        )?,
        launch::measure_kpis(
            Arc::clone(&core.kpis),
            foundation.registry.clone(),
            Arc::clone(&core.live),
            kpi_frames,
            stop.clone(),
        )?,
        launch::forget_old_records(records, &config.records, stop.clone())?,
    ];
    let watching = core.rules.watch(Arc::clone(&core.engine), launch::stopped(&stop))?;

    let engine = Arc::clone(&core.engine);
    let operations = Arc::new(Operations::new(foundation.clone(), Box::new(move || changed.tell())));
    let simulated = launch::simulate(mode, &config, &operations, last)?;
    let sources = metrics::Sources {
        ledger: Arc::clone(&core.ledger),
        broker: Arc::clone(&broker),
        journal: journal.clone(),
        engine: Arc::clone(&engine),
        feeds: Arc::clone(&feeds),
        registry: foundation.registry.clone(),
        followers: running.iter().map(|running| (running.name, running.progress.clone())).collect(),
    };
    let state = ApiState {
        records: Arc::clone(records),
        identity: Arc::clone(&foundation.identity),
        registry: foundation.registry.clone(),
        live: Arc::clone(&core.live),
        history: Arc::new(store.clone()),
        book: book.handle(),
        feeds,
        rules: Arc::clone(&core.rules),
        engine: Arc::clone(&engine),
        catalogue: Arc::clone(&foundation.catalogue),
        city: Arc::clone(&foundation.city),
        areas: foundation.city.areas.clone().into(),
        kpis: Arc::clone(&core.kpis),
        journal: journal.clone(),
        ready: core.ready.clone(),
        metrics: metrics::page(recorder, sources),
        stream_clients_max: u64::from(config.http.stream_clients_max),
        cookie: CookiePolicy { secure: config.http.behind_tls },
    };
    let admin = admin::bind(&data.admin_socket())?;
    let admin = tokio::spawn(admin.serve(Arc::clone(&operations)));
    let addresses = Addresses {
        http: http.local_addr()?,
        mqtt: broker.addrs().tcp.clone(),
        mqtts: broker.addrs().tls.clone(),
    };
    launch::announce(mode, &data, &foundation, &addresses)?;
    let serving = tokio::spawn(server::serve(
        http,
        crate::http::router(state, config.http.body_max.as_len()),
        stopped.clone(),
    ));
    let devices =
        simulated.map(|demo: Demo| tokio::spawn(demo.run(addresses.mqtt[0].port(), stopped.clone())));
    let readiness = tokio::spawn(launch::become_ready(core.ready.clone(), Arc::clone(&engine), last));

    launch::wait_for_signal().await?;
    tracing::info!("stopping");
    // Devices first: what they were promised is on disk; then those who read, then those who write.
    stopping.send_replace(true);
    readiness.abort();
    if let Some(devices) = devices {
        let _ = devices.await;
    }
    tokio::task::spawn_blocking(move || {
        broker.shutdown(BROKER_GRACE);
        ingress.flush_presence();
        stop.stop();
        running.into_iter().for_each(Running::join);
        engine.stop();
        book.stop();
        threads.into_iter().chain(watching).for_each(|thread| drop(thread.join()));
        store.shutdown();
        journal.close().map_err(StartError::Stop)
    })
    .await
    .map_err(StartError::Panic)??;
    let _ = serving.await;
    admin.abort();
    drop(data);
    tracing::info!("stopped");
    Ok(())
}

/// Where everything listens.
pub struct Addresses {
    /// Web.
    pub http: SocketAddr,
    /// Plain MQTT.
    pub mqtt: Vec<SocketAddr>,
    /// MQTT over TLS.
    pub mqtts: Vec<SocketAddr>,
}

/// What lives in memory, as of the journal's last record.
struct Core {
    decoder: Arc<Decoder>,
    ledger: Arc<Ledger>,
    live: Arc<LiveState>,
    rules: Arc<RuleDesk>,
    engine: Arc<Engine>,
    decisions: crossbeam_channel::Receiver<ioc_rules::RuleTransition>,
    standing: Vec<ioc_model::Alert>,
    /// Where rules go on, and when that record was committed.
    resume_after: Offset,
    resume_ms: i64,
    hub: Arc<Hub>,
    board: Arc<Board>,
    kpis: Arc<KpiDesk>,
    ready: Ready,
}

impl Core {
    /// Replays what history, records and rules have not seen yet.
    fn restore(
        config: &Config,
        foundation: &Foundation,
        journal: &Journal,
        store: &Store,
        opened: Opened,
    ) -> Result<Self, StartError> {
        let Foundation { records, registry, catalogue, .. } = foundation;
        let (ledger, live) = (Arc::new(Ledger::default()), Arc::new(LiveState::default()));
        let mut settle = Settle::new(store.clone(), Arc::clone(&ledger), opened.last);
        startup::replay(journal, store.replay_from(), opened.last, &mut settle)
            .map_err(startup::StartupError::from)?;
        startup::fill_live(&live, store);
        let mut quarantine =
            Quarantine::new(Arc::clone(records), registry.clone(), config.records.quarantine_rows_max);
        startup::project(journal, records, &mut quarantine, opened.last)?;

        let rules = RuleDesk::open(launch::rule_source(config), Arc::clone(catalogue), now_ms)?;
        let resume_after = journal.checkpoint_of("rules").unwrap_or(0);
        let resume_ms = startup::committed_ms(journal, resume_after)?;
        let (decide, decisions) = crossbeam_channel::bounded(DECISIONS_MAX);
        let ready = Ready::default();
        let replayed =
            startup::replayed(journal, resume_after, opened.last).map_err(startup::StartupError::from)?;
        let engine = Engine::start(
            launch::engine_config(config, foundation, resume_after)?,
            Arc::clone(&rules.in_force().rules),
            Arc::clone(catalogue),
            Arc::new(RegistryDirectory(registry.clone())),
            Arc::new(StoreSamples {
                store: store.clone(),
                live: Arc::clone(&live),
                replayed,
                ready: ready.clone(),
            }),
            startup::restored(records, resume_after)?,
            resume_ms,
            decide,
        )?;
        Ok(Self {
            decoder: Arc::new(Decoder::new(Arc::clone(catalogue), launch::decode_limits(config))),
            ledger,
            live,
            rules,
            engine: Arc::new(engine),
            decisions,
            standing: records
                .standing_alerts()
                .map_err(startup::StartupError::from)?
                .into_iter()
                .map(|s| s.alert)
                .collect(),
            resume_after,
            resume_ms,
            hub: Arc::new(Hub::new(
                records.newest_transition().map_err(startup::StartupError::from)?,
                startup::open_alerts(records)?,
            )),
            board: Arc::new(Board::default()),
            kpis: Arc::new(KpiDesk::new(launch::kpi_definitions(config, catalogue)?)),
            ready,
        })
    }

    fn deriver(&self, foundation: &Foundation, store: &Store) -> Result<ioc_ingest::AqiDeriver, StartError> {
        Ok(startup::aqi_deriver(&foundation.catalogue, &foundation.registry, store, now_ms())?)
    }
}
