//! Runs the center: starts those who live on the journal, serves, and waits for the signal that ends it.
use super::{
    Mode, RecoverError, StartError, announce,
    build::{Center, Threads},
    jobs, recover,
    settings::MQTTS,
    shutdown::Started,
    signals::{Signals, keep_blocking_thread},
    web::Web,
};
use crate::{
    admin::{self, Operations},
    backup::Source,
    clock::now_ms,
    clock_watch,
    config::Config,
    data_dir::{DataDir, Holder, Part},
    demo::{self, Demo},
    followers::{
        self,
        BatchPolicy::{Batched, LowPriority, OnNotify, ReadAhead},
        Projections, Stop,
        alerts::Alerts,
        derive::Derive,
        history::HistoryFollower,
        live::Live,
        publisher::Publisher,
        quarantine::Quarantine,
        rules::Rules,
    },
    metrics,
    tls::{self, Certificate},
};
use ioc_http::{
    starting::{self, Switch},
    stream::{Feeds, KpiFrame, Meters, OlderPage, OlderTransitions},
};
use ioc_journal::Offset;
use ioc_records::{Records, RecordsError};
use ioc_rules::{Engine, Feeder};
use ioc_services::{ClockProperties, Devices, Foundation, Ready, start_progress::StartProgress};
use std::{sync::Arc, thread::JoinHandle, time::Duration};
use tokio::{sync::watch, task::spawn_blocking};

const READY_POLL: Duration = Duration::from_millis(20);

/// Runs until SIGINT or SIGTERM.
///
/// Errors: [`StartError`] says why it did not start and what would be right.
pub async fn run(config: Config, mode: Mode, accepted_losses: &[Part]) -> Result<(), StartError> {
    let data = Arc::new(DataDir::open_as(&config.data_dir, Holder::Server)?);
    // Ports are taken before anything else happens, so that a taken one is told at once.
    let mut web = Web::bind(&config.http)?;
    data.begin(accepted_losses)?;
    keep_blocking_thread();
    // Who sees that we listen may tell us to stop.
    let mut signals = Signals::listen()?;
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
        Err(StartError::Recover(RecoverError::Interrupted)) => {
            tracing::info!("stopped");
            return Ok(());
        }
        opened => opened?,
    };
    let feeds = center.watch(&stop, &web, stopped.clone(), &mut threads.others)?;
    let services = center.services();
    let simulated = simulate(mode, &center.config, &services.devices, center.last)?;
    let hub = Arc::clone(&center.memory.hub);
    let telling = web.seats.threads.spawn(async move { hub.tell().await });
    let source = Source::running(Arc::clone(&data), center.journal.clone());
    let operations = Arc::new(Operations::new(services.clone()).keeping(source));
    let state = center.api(services, recorder, &threads, feeds, &web);

    announce::warn_of_few_open_files(&center.config);
    let admin = admin::bind(&data.admin_socket())?;
    let answering = admin.answering();
    let admin = tokio::spawn(admin.serve(operations));
    let addresses = center.addresses(&web);
    announce::announce(mode, &data, &center.foundation, &addresses)?;
    scrapes.set(ioc_http::metrics_only(state.clone()));
    requests.set(ioc_http::router(state, web.body_bytes_max));
    center.broker.serve();
    let renewing = tokio::spawn(renew_mqtts(center.certificate.clone()));
    let devices = simulated.map(|demo| tokio::spawn(demo.run(addresses.mqtt[0].port(), stopped)));
    let memory = &center.memory;
    let ready = become_ready(memory.ready.clone(), Arc::clone(&memory.engine), center.last);
    let ready = tokio::spawn(ready);

    if !progress.is_interrupted() {
        signals.next().await;
    }
    let started =
        Started { stopping, starting: vec![ready, renewing], devices, serving, telling, admin, answering };
    started.stop(center, threads, &stop, data).await
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
        let (center, feeder) = Center::open(config, mode, data, progress)?;
        let threads = center.follow(feeder, progress, stop)?;
        Ok(Self { center, threads })
    }
}

/// Registers the simulated city, in the demo.
///
/// Errors: the scenario or the fleet cannot be used.
fn simulate(
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

/// Sets `ready` once the rules have decided about everything that was committed before the start.
async fn become_ready(ready: Ready, engine: Arc<Engine>, last: Offset) {
    while engine.processed() < last {
        tokio::time::sleep(READY_POLL).await;
    }
    ready.set();
    tracing::info!("ready");
}

/// Reads the certificate of MQTT over TLS again when its files change, for ever.
async fn renew_mqtts(certificate: Option<Arc<Certificate>>) {
    if let Some(certificate) = certificate {
        tls::renew(MQTTS, certificate).await;
    }
}

impl Center {
    /// Starts everyone who lives on the journal's records.
    fn follow(&self, feeder: Feeder, progress: &StartProgress, stop: &Stop) -> Result<Threads, StartError> {
        let Self { foundation, journal, last, store, memory, .. } = self;
        let (records, last) = (&foundation.records, *last);
        let (projections, syncing) = Projections::start(records, stop)?;
        let rows_max = self.config.records.quarantine_rows_max;

        let history = HistoryFollower::new(store.clone(), Arc::clone(&memory.ledger), journal.clone(), last);
        let live = Live::new(Arc::clone(&memory.live), Arc::clone(&self.ingress));
        let rules = Rules::new(
            (Arc::clone(&memory.engine), feeder),
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
        let tell = Publisher::new(journal.clone(), fold(), hub(), Arc::clone(&self.broker), stop.clone());
        let followers = vec![
            followers::start("store", journal, last, Batched, stop, history)?,
            followers::start("live", journal, last, Batched, stop, live)?,
            followers::start("rules", journal, memory.resume_after, ReadAhead, stop, rules)?,
            followers::start("derive", journal, last, Batched, stop, derive)?,
            followers::start("quarantine", journal, last, Batched, stop, quarantine)?,
            followers::start("tell", journal, last, OnNotify(memory.urgent.clone()), stop, tell)?,
            followers::start(
                "alerts",
                journal,
                last,
                LowPriority(memory.records_wanted.clone()),
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
            older: older(records),
            stopping,
            now: now_ms,
            build: env!("CARGO_PKG_VERSION"),
            meters: Meters::default(),
            turns: web.fair.streams.clone(),
        });
        let live = || Arc::clone(&memory.live);
        let (hub, board) = (Arc::clone(&memory.hub), Arc::clone(&memory.board));
        let kpis = Arc::clone(&memory.kpis);
        let newest_ms = Some(recover::committed_ms(&self.journal, self.last)?).filter(|at_ms| *at_ms > 0);
        threads.extend([
            followers::sweep(registry.clone(), live(), hub, board, stop.clone())?,
            jobs::measure_kpis(kpis, registry.clone(), live(), kpi_frames, stop.clone())?,
            jobs::forget_old_records(records, &self.config.records, newest_ms, stop.clone())?,
            clock_watch::start(self.watched_clocks(), stop.clone())?,
            jobs::write_late(&self.foundation, stop.clone())?,
        ]);
        let told = jobs::audit_rules(&self.foundation.late);
        let (engine, ready) = (Arc::clone(&memory.engine), memory.ready.clone());
        threads.extend(memory.rules.watch(engine, move || ready.get(), told, jobs::stopped(stop))?);
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
}

/// Reads transitions that the hub no longer holds.
fn older(records: &Records) -> OlderTransitions {
    let records = Arc::clone(records);
    Arc::new(move |seq, limit| {
        let page = older_page(&records, seq, limit);
        page.map_err(|error| tracing::error!(%error, "transitions cannot be read for the live stream")).ok()
    })
}

/// Reads transitions for sessions that fell behind the ring.
///
/// Errors: the records cannot be read.
fn older_page(records: &Records, seq: u64, limit: usize) -> Result<OlderPage, RecordsError> {
    let transitions = records.transitions_after(seq, limit)?;
    // In this order: what was forgotten before the page was read is then known.
    let is_whole = records.forgotten_through()? <= seq;
    Ok(OlderPage { transitions, is_whole })
}
