//! What lives in memory, brought back to where the journal stands.
use crate::{
    app::{RecoverError, StartError, settings},
    clock::{Clocks, now_ms},
    clock_watch,
    config::Config,
    data_dir::kept_rules,
    followers::{Wakeup, history::HistoryFollower, quarantine::Quarantine},
};
use ioc_alerts::AlertFold;
use ioc_http::stream::{device_states::DeviceStateTable, hub::Hub};
use ioc_ingest::{Decoder, Ledger, LiveState};
use ioc_journal::{Offset, Opened, SharedLog};
use ioc_records::Records;
use ioc_rules::{Engine, Feeder};
use ioc_services::{
    ClockProperties, Foundation, OwnClock, Ready,
    alerting::{AlertThread, Archive},
    indicators::KpiService,
    rule_inputs::{RegistryDirectory, StoreSamples},
    rules::{LastGoodRules, RuleStore},
    start_progress::{Phase, StartProgress},
};
use ioc_store::SharedHistory;
use std::sync::Arc;

/// What lives in memory, as of the journal's last record.
pub(in crate::app) struct Memory {
    pub(in crate::app) decoder: Arc<Decoder>,
    pub(in crate::app) ledger: Arc<Ledger>,
    pub(in crate::app) live: Arc<LiveState>,
    pub(in crate::app) rules: Arc<RuleStore>,
    pub(in crate::app) engine: Arc<Engine>,
    pub(in crate::app) alerts: Arc<AlertThread>,
    /// The fold over the events of alerts, as of the journal's last record.
    pub(in crate::app) fold: AlertFold,
    /// Urges who tells of alerts.
    pub(in crate::app) urgent: Wakeup,
    /// Where rules go on, and when that record was committed.
    pub(in crate::app) resume_after: Offset,
    pub(in crate::app) resume_ms: i64,
    pub(in crate::app) hub: Arc<Hub>,
    pub(in crate::app) records_wanted: Wakeup,
    pub(in crate::app) board: Arc<DeviceStateTable>,
    pub(in crate::app) kpis: Arc<KpiService>,
    pub(in crate::app) own_clock: Arc<OwnClock>,
    pub(in crate::app) ready: Ready,
}

impl Memory {
    /// Replays what history, records and rules have not seen yet.
    ///
    /// Errors: [`StartError`] says what cannot be read, or is configured wrongly.
    pub(in crate::app) fn restore(
        config: &Config,
        foundation: &Foundation,
        journal: &SharedLog,
        store: &SharedHistory,
        opened: Opened,
        decoder: Arc<Decoder>,
        progress: &StartProgress,
    ) -> Result<(Self, Feeder), StartError> {
        let Foundation { records, registry, catalogue, .. } = foundation;
        // What people write comes first: a mistake is told at once and not after a replay.
        let kpis = KpiService::new(Arc::clone(catalogue));
        let rules = RuleStore::open(
            settings::rule_source(config),
            LastGoodRules::at(kept_rules(&config.data_dir)),
            Arc::clone(catalogue),
            settings::rule_checks(config, catalogue),
            opened.last > 0,
            now_ms,
        )?;
        let (ledger, live) = (Arc::new(Ledger::default()), Arc::new(LiveState::default()));
        let mut settle =
            HistoryFollower::new(store.clone(), Arc::clone(&ledger), journal.clone(), opened.last);
        let from = super::oldest_of(journal, store.replay_from());
        progress.enter_replay(Phase::HistoryReplay, from, opened.last);
        super::replay(journal, from, opened.last, &mut settle, progress)?;
        super::keep_meaning(config, catalogue, store).map_err(RecoverError::from)?;
        super::fill_live(&live, store, Clocks::read());
        let quarantine =
            Quarantine::new(Arc::clone(records), registry.clone(), config.records.quarantine_rows_max);
        let fold = super::project(journal, records, quarantine, opened.last, progress)?;

        let resume_after = journal.checkpoint_of("rules").unwrap_or(0);
        let resume_ms = super::committed_ms(journal, resume_after)?;
        let (ready, records_wanted, urgent) = (Ready::default(), Wakeup::default(), Wakeup::default());
        let hub = Hub::new(
            records.newest_transition().map_err(RecoverError::from)?,
            super::open_alerts(&fold),
            records_wanted.clone(),
        );
        let passed_over = records.passed_over().map_err(RecoverError::from)?;
        let hub = Arc::new(hub.passing_over(passed_over));
        hub.recorded(opened.last);
        let archive = archive(records, &hub);
        let alerts = AlertThread::start(journal.clone(), fold.clone(), archive, urgent.clone())?;
        let alerts = Arc::new(alerts);
        let replayed = super::replayed(journal, resume_after, opened.last, progress)?;
        let (engine, feeder) = Engine::start(
            settings::engine_config(config, foundation, resume_after)?,
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
            super::restored(records, &fold, resume_after)?,
            resume_ms,
            Arc::clone(&alerts) as _,
        )?;
        if let Some(properties) = ClockProperties::of(catalogue) {
            clock_watch::resume(decoder.clocks(), &live, registry, properties);
        }
        clock_watch::resume_newest(decoder.clocks(), &live, registry);
        super::recall(journal, Arc::clone(&decoder), opened.last, progress)?;
        let memory = Self {
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
            board: Arc::new(DeviceStateTable::default()),
            own_clock: Arc::default(),
            kpis: Arc::new(kpis),
            ready,
        };
        Ok((memory, feeder))
    }

    pub(in crate::app) fn deriver(
        &self,
        foundation: &Foundation,
        store: &SharedHistory,
        progress: &StartProgress,
    ) -> Result<ioc_ingest::AqiDeriver, StartError> {
        let Foundation { catalogue, registry, .. } = foundation;
        let stations = super::Stations { catalogue, registry, live: &self.live, store };
        Ok(super::aqi_deriver(stations, now_ms(), progress)?)
    }
}

/// Finds alerts that the fold has let go: those that the records have.
fn archive(records: &Records, hub: &Arc<Hub>) -> Archive {
    let (records, hub) = (Arc::clone(records), Arc::clone(hub));
    Archive {
        find: Box::new(move |id| records.alert(id).ok().flatten()),
        through: Box::new(move || hub.recorded_through()),
    }
}
