//! Alerts, brought back to where the journal stands: the newest snapshot, the events behind it that the records have, and
//! those that only the journal has.
use super::{PAGE, RecoverError, replay};
use crate::followers::{Consumer, alert_log::AlertLog, alerts::keep_snapshot};
use ioc_alerts::{AlertFold, AlertState, FINISHED_KEPT};
use ioc_journal::{Batch, Offset, SharedLog};
use ioc_model::{Alert, Condition, Transition};
use ioc_records::{AlertEventRow, Records, RecordsError, Sequenced};
use ioc_rules::RestoredAlert;
use ioc_services::start_progress::{Phase, StartProgress};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Events that a start may fold anew; where there are more, it leaves a snapshot for the next one.
const FOLDED_MAX: usize = 1_000;

/// Brings the records up to `to`, and returns the fold as of then.
///
/// Errors: the journal or the records cannot be used.
pub(super) fn project(
    journal: &SharedLog,
    records: &Records,
    to: Offset,
    progress: &StartProgress,
) -> Result<AlertFold, RecoverError> {
    let (fold, folded) = recover(records)?;
    let mut projection = Projection::new(records, fold);
    let from = records.applied_through()? + 1;
    progress.enter_replay(Phase::RecordsReplay, from, to);
    replay(journal, from, to, &mut projection, progress)?;
    let folded = folded.map(|folded| folded + projection.applied + projection.gathered.len());
    let fold = projection.end(to)?;
    if folded.is_none_or(|folded| folded > FOLDED_MAX) {
        keep_snapshot(records, &fold);
    }
    Ok(fold)
}

/// Returns the fold as of what the records have, and how many events were folded for it; `None` when there was no snapshot.
fn recover(records: &Records) -> Result<(AlertFold, Option<usize>), RecordsError> {
    let through = records.applied_through()?;
    let snapshot = records.alert_snapshot()?.and_then(|bytes| read_snapshot(&bytes, through));
    let Some(mut fold) = snapshot else { return Ok((imported(records, through)?, None)) };
    let mut folded = 0;
    loop {
        let page = records.alert_events_after(fold.through(), PAGE)?;
        if page.is_empty() {
            break;
        }
        folded += page.len();
        for (seq, json) in page {
            if let Err(error) = fold.apply_bytes(seq, json.as_bytes()) {
                tracing::error!(seq, %error, "an event of an alert that the records have cannot be read");
                fold.reach(seq);
            }
        }
    }
    fold.reach(through);
    Ok((fold, Some(folded)))
}

fn read_snapshot(bytes: &[u8], through: Offset) -> Option<AlertFold> {
    match AlertFold::from_snapshot(bytes) {
        Ok(fold) if fold.through() <= through => Some(fold),
        Ok(fold) => {
            tracing::warn!(
                snapshot = fold.through(),
                records = through,
                "the snapshot of alerts is not of these records"
            );
            None
        }
        Err(error) => {
            tracing::warn!(%error, "alerts are read from the records instead");
            None
        }
    }
}

/// Takes over what the records have: at the first start of this version, and where a snapshot cannot be used.
fn imported(records: &Records, through: Offset) -> Result<AlertFold, RecordsError> {
    let standing = records.standing_alerts()?.into_iter();
    let mut states: BTreeMap<_, AlertState> = standing
        .map(|standing| {
            let alert = Arc::new(standing.alert);
            (alert.id, AlertState { alert, cause: standing.cause, seq: standing.seq })
        })
        .collect();
    for Sequenced { seq, transition } in records.newest_transitions(FINISHED_KEPT)? {
        let Transition { alert, cause, .. } = &*transition;
        if alert.state == Condition::Cleared {
            let cause = cause.unwrap_or(0).max(states.get(&alert.id).map_or(0, |known| known.cause));
            states.insert(alert.id, AlertState { alert: Arc::new(alert.clone()), cause, seq });
        }
    }
    let mut states: Vec<_> = states.into_values().collect();
    states.sort_unstable_by_key(|state| state.seq);
    Ok(AlertFold::starting_with(states, through))
}

/// Applies events many at a time: one write for each of the small batches that single devices make would be slow, and its
/// log larger than the journal.
struct Projection {
    records: Records,
    log: AlertLog,
    gathered: Vec<AlertEventRow>,
    applied: usize,
    failed: Option<RecordsError>,
}

impl Projection {
    fn new(records: &Records, fold: AlertFold) -> Self {
        let (records, log) = (Arc::clone(records), AlertLog::new(fold));
        Self { records, log, gathered: Vec::new(), applied: 0, failed: None }
    }

    fn apply(&mut self, through: Offset) {
        if self.failed.is_none() {
            self.failed = self.records.apply_alert_events(&self.gathered, through).err();
        }
        self.applied += self.gathered.len();
        self.gathered.clear();
    }

    fn end(mut self, through: Offset) -> Result<AlertFold, RecordsError> {
        self.apply(through);
        let mut fold = self.log.into_fold();
        fold.reach(through);
        self.failed.map_or(Ok(fold), Err)
    }
}

impl Consumer for Projection {
    fn take(&mut self, batch: &Batch) {
        self.gathered.extend(self.log.read(batch));
        if self.gathered.len() >= PAGE {
            self.apply(batch.last());
        }
    }
}

/// What rules must know of the alerts that were, for a replay from behind `resume_after`: all that are pending or firing,
/// and of those decided since then the last decision, so that deciding again repeats nothing.
///
/// Errors: the records cannot be read.
pub(crate) fn restored(
    records: &Records,
    fold: &AlertFold,
    resume_after: Offset,
) -> Result<Vec<RestoredAlert>, RecoverError> {
    let active = fold.states().filter(|state| state.alert.state != Condition::Cleared);
    let restored =
        |state: &AlertState| RestoredAlert { alert: Alert::clone(&state.alert), cause: state.cause };
    let mut known: HashMap<_, RestoredAlert> =
        active.map(|state| (state.alert.fingerprint, restored(state))).collect();
    let mut seq = resume_after;
    loop {
        let page = records.transitions_after(seq, PAGE)?;
        let Some(last) = page.last() else { break };
        seq = last.seq;
        for Sequenced { transition, .. } in page {
            let Transition { cause: Some(cause), alert, .. } = Arc::unwrap_or_clone(transition) else {
                continue;
            };
            let newer = known.get(&alert.fingerprint).is_none_or(|known| known.cause <= cause);
            if newer && alert.state == Condition::Cleared {
                known.insert(alert.fingerprint, RestoredAlert { alert, cause });
            }
        }
    }
    Ok(known.into_values().collect())
}

/// Returns the alerts that belong on the wall.
pub(crate) fn open_alerts(fold: &AlertFold) -> Vec<Alert> {
    let open = fold.states().filter(|state| state.alert.is_open());
    open.map(|state| Alert::clone(&state.alert)).collect()
}

#[cfg(test)]
mod tests;
