//! What lives in memory, brought back to where the journal stands.
use crate::{
    clock::{Clocks, now_ms},
    clock_watch,
    config::Config,
    data_dir::kept_rules,
    followers::{Nudge, quarantine::Quarantine, settle::Settle},
    launch::{self, StartError},
    startup,
};
use ioc_alerts::AlertFold;
use ioc_http::stream::{board::Board, hub::Hub};
use ioc_ingest::{Decoder, Ledger, LiveState};
use ioc_journal::{Offset, Opened, SharedLog};
use ioc_rules::Engine;
use ioc_services::{
    ClockProperties, Foundation, OwnClock, Ready,
    alerting::AlertThread,
    indicators::KpiService,
    rule_inputs::{RegistryDirectory, StoreSamples},
    rules::{LastGoodRules, RuleStore},
    start_progress::{Phase, StartProgress},
};
use ioc_store::SharedHistory;
use std::sync::Arc;

/// What lives in memory, as of the journal's last record.
pub(super) struct Memory {
    pub(super) decoder: Arc<Decoder>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) live: Arc<LiveState>,
    pub(super) rules: Arc<RuleStore>,
    pub(super) engine: Arc<Engine>,
    pub(super) alerts: Arc<AlertThread>,
    /// The fold over the events of alerts, as of the journal's last record.
    pub(super) fold: AlertFold,
    /// Urges who tells of alerts.
    pub(super) urgent: Nudge,
    /// Where rules go on, and when that record was committed.
    pub(super) resume_after: Offset,
    pub(super) resume_ms: i64,
    pub(super) hub: Arc<Hub>,
    pub(super) records_wanted: Nudge,
    pub(super) board: Arc<Board>,
    pub(super) kpis: Arc<KpiService>,
    pub(super) own_clock: Arc<OwnClock>,
    pub(super) ready: Ready,
}

impl Memory {
    /// Replays what history, records and rules have not seen yet.
    ///
    /// Errors: [`StartError`] says what cannot be read, or is configured wrongly.
    pub(super) fn restore(
        config: &Config,
        foundation: &Foundation,
        journal: &SharedLog,
        store: &SharedHistory,
        opened: Opened,
        decoder: Arc<Decoder>,
        progress: &StartProgress,
    ) -> Result<Self, StartError> {
        let Foundation { records, registry, catalogue, .. } = foundation;
        // What people write comes first: a mistake is told at once and not after a replay.
        let kpis = KpiService::new(Arc::clone(catalogue));
        let rules = RuleStore::open(
            launch::rule_source(config),
            LastGoodRules::at(kept_rules(&config.data_dir)),
            Arc::clone(catalogue),
            launch::rule_checks(config, catalogue),
            opened.last > 0,
            now_ms,
        )?;
        let (ledger, live) = (Arc::new(Ledger::default()), Arc::new(LiveState::default()));
        let mut settle = Settle::new(store.clone(), Arc::clone(&ledger), journal.clone(), opened.last);
        let from = startup::oldest_of(journal, store.replay_from());
        progress.enter_replay(Phase::HistoryReplay, from, opened.last);
        startup::replay(journal, from, opened.last, &mut settle, progress)?;
        startup::keep_meaning(config, catalogue, store).map_err(startup::StartupError::from)?;
        startup::fill_live(&live, store, Clocks::read());
        let quarantine =
            Quarantine::new(Arc::clone(records), registry.clone(), config.records.quarantine_rows_max);
        let fold = startup::project(journal, records, quarantine, opened.last, progress)?;

        let resume_after = journal.checkpoint_of("rules").unwrap_or(0);
        let resume_ms = startup::committed_ms(journal, resume_after)?;
        let (ready, records_wanted, urgent) = (Ready::default(), Nudge::default(), Nudge::default());
        let hub = Hub::new(
            records.newest_transition().map_err(startup::StartupError::from)?,
            startup::open_alerts(&fold),
            records_wanted.clone(),
        );
        let passed_over = records.passed_over().map_err(startup::StartupError::from)?;
        let hub = Arc::new(hub.passing_over(passed_over));
        hub.recorded(opened.last);
        let archive = launch::archive(records, &hub);
        let alerts = AlertThread::start(journal.clone(), fold.clone(), archive, urgent.clone())?;
        let alerts = Arc::new(alerts);
        let replayed = startup::replayed(journal, resume_after, opened.last, progress)?;
        let engine = Engine::start(
            launch::engine_config(config, foundation, resume_after)?,
            rules.at_start(),
            Arc::clone(catalogue),
            Arc::new(RegistryDirectory(registry.clone())),
            Arc::new(StoreSamples {
                store: store.clone(),
                live: Arc::clone(&live),
                replayed,
                ready: ready.clone(),
                clocks: ClockProperties::of(catalogue),
            }),
            startup::restored(records, &fold, resume_after)?,
            resume_ms,
            Arc::clone(&alerts) as _,
        )?;
        if let Some(properties) = ClockProperties::of(catalogue) {
            clock_watch::resume(decoder.clocks(), &live, registry, properties);
        }
        clock_watch::resume_newest(decoder.clocks(), &live, registry);
        startup::recall(journal, Arc::clone(&decoder), opened.last, progress)?;
        Ok(Self {
            decoder,
            ledger,
            live,
            rules,
            engine: Arc::new(engine),
            alerts,
            fold,
            urgent,
            resume_after,
            resume_ms,
            hub,
            records_wanted,
            board: Arc::new(Board::default()),
            own_clock: Arc::default(),
            kpis: Arc::new(kpis),
            ready,
        })
    }

    pub(super) fn deriver(
        &self,
        foundation: &Foundation,
        store: &SharedHistory,
        progress: &StartProgress,
    ) -> Result<ioc_ingest::AqiDeriver, StartError> {
        let Foundation { catalogue, registry, .. } = foundation;
        let stations = startup::Stations { catalogue, registry, live: &self.live, store };
        Ok(startup::aqi_deriver(stations, now_ms(), progress)?)
    }
}
