//! Keeps events of alerts, and what they come to, in the records. Telling of an alert does not wait for it; reading the
//! records does, see [`Hub::await_records`].
use super::{Consumer, Projections, alert_log::AlertLog};
use ioc_alerts::AlertFold;
use ioc_http::stream::hub::Hub;
use ioc_journal::{Batch, Offset, SharedLog};
use ioc_records::{AlertEventRow, Records};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Events recorded at once: each transaction costs some pages, however few rows it changes.
const PART: usize = 256;
/// How long events wait for others while there is more to read.
const GATHERING: Duration = Duration::from_millis(100);

/// How long to wait before the records are tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Events between snapshots, at least; more where more alerts are in the fold, so that snapshots cost about as much as the
/// events between them.
const SNAPSHOT_EVENTS: usize = 1_000;

/// Writes what the journal has about alerts into the records.
pub struct Alerts {
    journal: SharedLog,
    records: Records,
    hub: Arc<Hub>,
    projections: Projections,
    log: AlertLog,
    /// Not recorded yet.
    waiting: Vec<AlertEventRow>,
    /// When the first of them came.
    waiting_since: Instant,
    /// Events recorded since the last snapshot.
    since_snapshot: usize,
    /// The end came before events could be recorded.
    given_up: bool,
}

impl Alerts {
    /// Joins the parts; goes on from `fold`.
    pub fn new(
        journal: SharedLog,
        records: Records,
        hub: Arc<Hub>,
        projections: Projections,
        fold: AlertFold,
    ) -> Self {
        Self {
            journal,
            records,
            hub,
            projections,
            log: AlertLog::new(fold),
            waiting: Vec::new(),
            waiting_since: Instant::now(),
            since_snapshot: 0,
            given_up: false,
        }
    }

    /// Records what waits; everything up to `through` was taken.
    fn record(&mut self, through: Offset) {
        let events = mem::take(&mut self.waiting);
        if events.is_empty() || self.given_up {
            return;
        }
        // Nothing behind what could not be recorded is, so that the next start finds it.
        self.given_up = !self.project(&events, through);
        if !self.given_up {
            self.hub.recorded(through);
            self.since_snapshot += events.len();
            self.keep_snapshot_if_due();
        }
    }

    /// Keeps a snapshot of the fold now and then. Without one, a start folds more events.
    fn keep_snapshot_if_due(&mut self) {
        let fold = self.log.fold();
        if self.since_snapshot >= SNAPSHOT_EVENTS.max(fold.states().count()) {
            self.since_snapshot = 0;
            keep_snapshot(&self.records, fold);
        }
    }

    /// Writes the projection, again until it works. Returns false when the end comes before.
    fn project(&self, events: &[AlertEventRow], through: Offset) -> bool {
        loop {
            match self.records.apply_alert_events(events, through) {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(%error, "events of alerts cannot be recorded; alerts are told all the same");
                }
            }
            if self.projections.is_over_within(RETRY) {
                return false;
            }
        }
    }
}

/// Keeps a snapshot of `fold`, which the records have in full.
pub fn keep_snapshot(records: &Records, fold: &AlertFold) {
    let kept = fold.to_snapshot().map_err(|error| error.to_string());
    if let Err(error) =
        kept.and_then(|bytes| records.keep_alert_snapshot(&bytes).map_err(|error| error.to_string()))
    {
        tracing::warn!(error, "a snapshot of alerts cannot be kept; the next start takes longer");
    }
}

impl Consumer for Alerts {
    fn take(&mut self, batch: &Batch) {
        if self.waiting.is_empty() {
            self.waiting_since = Instant::now();
        }
        self.waiting.extend(self.log.read(batch));
        let is_last = self.journal.durable() <= batch.last();
        if is_last || self.waiting.len() >= PART || self.waiting_since.elapsed() >= GATHERING {
            self.record(batch.last());
        }
    }

    fn checkpoint(&mut self, taken: Offset) -> Option<Offset> {
        self.record(taken);
        if !self.given_up {
            self.records.apply_alert_events(&[], taken).ok()?;
        }
        self.projections.checkpoint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::followers::Stop;
    use ioc_alerts::{RuleDecision, encode};
    use ioc_journal::{JournalConfig, Visibility};
    use ioc_model::{Alert, AlertId, RecordKind, TransitionKind};
    use ioc_records::SqliteRecords;
    use ioc_services::{Wakeup, fixtures::firing};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_snapshot_is_kept_each_thousand_events() {
        let dir = tempfile::tempdir().unwrap();
        let records: Records = Arc::new(SqliteRecords::open(&dir.path().join("records.sqlite")).unwrap());
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path().join("journal"))).unwrap();
        let stop = Stop::default();
        let (projections, syncing) = Projections::start(&records, &stop).unwrap();
        let hub = Arc::new(Hub::new(0, [], Wakeup::default()));
        let mut fold = AlertFold::default();
        let mut alerts =
            Alerts::new(journal.clone(), Arc::clone(&records), hub.clone(), projections, fold.clone());
        for n in 1..=SNAPSHOT_EVENTS as u64 {
            let alert = Alert { id: AlertId::new(1, u128::from(n)), ..firing() };
            let mut event =
                fold.decide(RuleDecision { kind: TransitionKind::Firing, at: 1, cause: n, alert });
            fold.apply(n, &event);
            let bytes = encode(&mut event).unwrap();
            journal.append(RecordKind::AlertEvent, |out| out.extend_from_slice(&bytes)).unwrap();
        }
        journal.wait_durable(SNAPSHOT_EVENTS as u64, PATIENCE).unwrap();
        let mut follower = journal.follow(1, Visibility::Durable);
        while alerts.log.fold().through() < SNAPSHOT_EVENTS as u64 {
            assert_eq!(records.alert_snapshot().unwrap(), None);
            alerts.take(&follower.next(PATIENCE).unwrap().unwrap());
        }
        assert_eq!(hub.recorded_through(), SNAPSHOT_EVENTS as u64);
        let kept = records.alert_snapshot().unwrap().unwrap();
        assert!(kept == fold.to_snapshot().unwrap());
        stop.stop();
        syncing.join().unwrap();
    }
}
