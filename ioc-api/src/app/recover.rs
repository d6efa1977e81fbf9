//! Bringing everything that lives in memory back to where the journal stands.
mod air_quality;
mod alerts;
pub(super) mod memory;

pub(crate) use air_quality::{Stations, aqi_deriver};
pub(crate) use alerts::{open_alerts, restored};

use super::RecoverError;
use crate::{
    clock::Clocks,
    config::Config,
    data_dir::kept_catalogue_file,
    followers::{Consumer, quarantine::Quarantine},
    kept_catalogue::{KeptCatalogue, MeaningLost},
};
use ioc_alerts::AlertFold;
use ioc_ingest::{Decoder, LiveState};
use ioc_journal::{Batch, Offset, SharedLog, Visibility};
use ioc_model::{Catalogue, Observation, Quality, RecordKind, message::MessageView, time::placed_ms};
use ioc_records::Records;
use ioc_services::{
    rule_inputs::Replayed,
    start_progress::{Phase, StartProgress},
};
use ioc_store::{Last, Point, Series, SharedHistory};
use std::{sync::Arc, time::Duration};

/// How long one batch of a replay may take to read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Readings told apart from the past while rules catch up; usually those of the second before the stop. Beyond it
/// windows may hold some of them early.
const REPLAYED_MAX: usize = 2_000_000;
/// Transitions and events read from the records, or written to them, at once.
const PAGE: usize = 10_000;

/// Gives `work` every committed record from `from` to `to`, and tells `progress` how far it is.
///
/// Errors: the journal cannot be read, or the start is to end.
pub(crate) fn replay(
    journal: &SharedLog,
    from: Offset,
    to: Offset,
    work: &mut impl Consumer,
    progress: &StartProgress,
) -> Result<(), RecoverError> {
    let mut follower = journal.follow(from, Visibility::Durable);
    // Not always `from`: damaged segments may have been taken away.
    let mut taken = follower.position().saturating_sub(1);
    while taken < to {
        if progress.is_interrupted() {
            return Err(RecoverError::Interrupted);
        }
        let Some(batch) = follower.next(READ_TIMEOUT)? else { continue };
        work.take(&batch);
        taken = batch.last();
        progress.reached(taken);
    }
    Ok(())
}

/// Records behind the journal's end that are looked through for messages whose repeats may still come.
const RECALLED_RECORDS: u64 = 20_000;

/// Has the decoder remember the newest messages of the journal, up to `last`.
///
/// Errors: the journal cannot be read.
pub(crate) fn recall(
    journal: &SharedLog,
    decoder: Arc<Decoder>,
    last: Offset,
    progress: &StartProgress,
) -> Result<(), RecoverError> {
    let from = last.saturating_sub(RECALLED_RECORDS).max(journal.first());
    progress.enter_replay(Phase::Rules, from, last);
    replay(journal, from, last, &mut Recall(decoder), progress)
}

struct Recall(Arc<Decoder>);

impl Consumer for Recall {
    fn take(&mut self, batch: &Batch) {
        for record in batch.records().filter(|record| record.kind == RecordKind::Message) {
            if let Ok(message) = MessageView::parse(record.payload) {
                self.0.recall(&message);
            }
        }
    }
}

/// Returns where history can be replayed from when it wants to go on at `wanted`. History that was lost is longer gone
/// from the journal; a center that does not start would be worse than a gap.
pub(crate) fn oldest_of(journal: &SharedLog, wanted: Offset) -> Offset {
    let first = journal.first();
    if wanted < first {
        tracing::error!(
            wanted,
            first,
            "the journal no longer has records that history lacks; history has a gap before the first that it has"
        );
    }
    wanted.max(first)
}

/// Brings the records' projections up to `to`, and returns the fold over the events of alerts as of then.
///
/// Errors: the journal or the records cannot be used.
pub(crate) fn project(
    journal: &SharedLog,
    records: &Records,
    mut quarantine: Quarantine,
    to: Offset,
    progress: &StartProgress,
) -> Result<AlertFold, RecoverError> {
    let fold = alerts::project(journal, records, to, progress)?;
    let from = records.quarantined_through()? + 1;
    progress.enter_replay(Phase::RecordsReplay, from, to);
    replay(journal, from, to, &mut quarantine, progress)?;
    quarantine.end()?;
    Ok(fold)
}

/// Collects what rules are given again when they resume behind `resume_after`: the readings of the records up to
/// `to`. Without a place to resume from, windows begin empty and nothing needs to be told apart.
///
/// Errors: the journal cannot be read, or the start is to end.
pub(crate) fn replayed(
    journal: &SharedLog,
    resume_after: Offset,
    to: Offset,
    progress: &StartProgress,
) -> Result<Replayed, RecoverError> {
    let mut collect = Collect(Replayed::default());
    progress.enter_replay(Phase::Rules, resume_after + 1, to);
    if resume_after > 0 {
        replay(journal, resume_after + 1, to, &mut collect, progress)?;
    }
    Ok(collect.0)
}

struct Collect(Replayed);

impl Consumer for Collect {
    fn take(&mut self, batch: &ioc_journal::Batch) {
        for record in batch.records().filter(|record| record.kind == RecordKind::Message) {
            let Ok(message) = MessageView::parse(record.payload) else { continue };
            let Some(device) = message.device else { continue };
            for one in message.observations() {
                self.0.insert(device, one.property, one.ts_ms, REPLAYED_MAX);
            }
        }
    }
}

/// Refuses a catalogue that would take the meaning from what history has, and keeps what it says for the next start.
///
/// Errors: [`MeaningLost`] says what to do.
pub(crate) fn keep_meaning(
    config: &Config,
    catalogue: &Catalogue,
    history: &SharedHistory,
) -> Result<(), MeaningLost> {
    let kept = KeptCatalogue::at(kept_catalogue_file(&config.data_dir));
    let with_history = history.last().into_iter().map(|(Series { property, .. }, _)| property).collect();
    kept.check(catalogue, &with_history)?;
    if let Err(error) = kept.keep(catalogue, &config.catalogue.dirs) {
        tracing::warn!(%error, "what the catalogue says cannot be kept: a later start may not notice what changes in it");
    }
    Ok(())
}

/// Fills the last values from history. Derived values are no sign of life.
pub(crate) fn fill_live(live: &LiveState, store: &SharedHistory, clocks: Clocks) {
    for (Series { device, property }, Last { point, set_back }) in store.last() {
        let Point { ts_ms, value, quality, .. } = point;
        // Whatever its times say, it arrived before now.
        let arrival_ms = placed_ms(point.arrival_ms(), clocks.wall_ms);
        live.restore(device, Observation { property, ts_ms, value, quality }, arrival_ms, set_back);
        if !quality.contains(Quality::DERIVED) {
            live.heard(device, clocks.arrival(arrival_ms));
        }
    }
}

/// Returns when the record at `offset` was committed: windows of rules are filled from history up to then.
///
/// Errors: the journal cannot be read.
pub(crate) fn committed_ms(journal: &SharedLog, offset: Offset) -> Result<i64, RecoverError> {
    if offset == 0 || journal.first() > journal.durable() {
        return Ok(0);
    }
    // It may be the last of what was deleted; then what follows is about as old.
    let mut kept = journal.follow(offset.max(journal.first()), Visibility::Durable);
    Ok(kept.next(READ_TIMEOUT)?.map_or(0, |batch| batch.committed_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults;
    use ioc_ingest::Registry;
    use ioc_journal::JournalConfig;
    use ioc_model::{Catalogue, DeviceIndex, PropertyId};
    use ioc_records::SqliteRecords;
    use ioc_store::{ApplyOutcomes, Batch as Applied, StoreConfig};
    use proptest::prelude::*;
    use std::fs;

    const GAUGE: DeviceIndex = DeviceIndex(3);

    /// One message: how long after the one before (our own clock may have been put back), how far behind its clock was for each
    /// property, the values, and how far its clock turned out to be set back.
    type Sent = (i64, Vec<(u16, i64, u8)>, Option<i64>);

    fn sent() -> impl Strategy<Value = Sent> {
        let pause = prop_oneof![20 => 0i64..5_000, 1 => -60_000i64..0];
        // Few distinct times: repetitions and corrections are frequent.
        let behind = prop_oneof![
            3 => (-300i64..900).prop_map(|n| n * 1_000), 3 => Just(0i64), 1 => -300_000i64..100_000,
        ];
        let readings = prop::collection::vec((0u16..2, behind, 0u8..3), 1..4);
        (pause, readings, prop_oneof![9 => Just(None), 1 => (1i64..200_000).prop_map(Some)])
    }

    /// Gives messages to live state, as its follower does, and to history, where there is one.
    fn apply(live: &LiveState, store: Option<&SharedHistory>, (offset, arrival_ms): (u64, i64), sent: &Sent) {
        let (_, readings, set_back_ms) = sent;
        let observation = |(property, behind_ms, value): &(u16, i64, u8)| Observation {
            property: PropertyId(*property),
            ts_ms: (arrival_ms - behind_ms).div_euclid(500) * 500,
            value: f64::from(*value),
            quality: Quality::GOOD,
        };
        let observations: Vec<_> = readings.iter().map(observation).collect();
        set_back_ms.iter().for_each(|by_ms| live.set_back(GAUGE, *by_ms));
        live.apply(GAUGE, observations.iter().copied(), arrival_ms);
        if let Some(store) = store {
            let (mut batch, mut outcomes) = (Applied::default(), ApplyOutcomes::default());
            batch.push(offset, GAUGE, arrival_ms, observations.into_iter());
            set_back_ms.iter().for_each(|by_ms| batch.set_back(*by_ms));
            store.apply(&batch, &mut outcomes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]
        /// Whatever devices sent, and whatever clocks did: a start shows what was shown before it, and goes on alike.
        #[test]
        fn a_start_shows_what_was_shown_before(
            before in prop::collection::vec(sent(), 1..30), after in prop::collection::vec(sent(), 0..10),
            is_sealed: bool,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let config = || StoreConfig::new(dir.path());
            let mut store = ioc_store::open(config()).unwrap();
            let (live, restored) = (LiveState::default(), LiveState::default());
            let mut arrival_ms = Clocks::read().wall_ms - 86_400_000;
            for (offset, sent) in (1..).zip(&before) {
                arrival_ms += sent.0;
                apply(&live, Some(&store), (offset, arrival_ms), sent);
            }
            if is_sealed {
                store.seal().unwrap();
                store.shutdown();
                store = ioc_store::open(config()).unwrap();
            }
            fill_live(&restored, &store, Clocks::read());
            prop_assert_eq!(live.latest(GAUGE), restored.latest(GAUGE));
            for sent in &after {
                arrival_ms += sent.0;
                apply(&live, None, (0, arrival_ms), sent);
                apply(&restored, None, (0, arrival_ms), sent);
                prop_assert_eq!(live.latest(GAUGE), restored.latest(GAUGE));
            }
        }
    }

    #[test]
    fn catching_up_with_many_small_batches_writes_little() {
        const BATCHES: u64 = 1_500;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.sqlite");
        let records: Records = Arc::new(SqliteRecords::open(&path).unwrap());
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path().join("journal"))).unwrap();
        for _ in 0..BATCHES {
            let offset = journal.append(RecordKind::Message, |_| ()).unwrap();
            journal.wait_durable(offset, READ_TIMEOUT).unwrap();
        }
        let log = dir.path().join("records.sqlite-wal");
        let before = fs::metadata(&log).unwrap().len();
        let catalogue = Catalogue::from_toml(defaults::text("catalogue/catalogue.toml").unwrap()).unwrap();
        let registry = Registry::new(Arc::new(catalogue), Arc::default());
        let quarantine = Quarantine::new(Arc::clone(&records), registry, 10);
        project(&journal, &records, quarantine, BATCHES, &StartProgress::default()).unwrap();
        assert_eq!(records.applied_through().unwrap(), BATCHES);
        let written = fs::metadata(&log).unwrap().len() - before;
        assert!(written < 100_000, "{written} bytes");
    }
}
