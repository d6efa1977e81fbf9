//! What the journal has about alerts, as one projection reads it: each folds the events by itself, from its own place on.
use ioc_alerts::{AlertEvent, AlertFold, Applied, EventBody, Ignored, encode};
use ioc_journal::{Batch, Offset, Record};
use ioc_model::{Alert, RecordKind, Transition};
use ioc_records::{AlertEventRow, Audit, Reach, Sequenced};
use std::sync::Arc;

/// Reads records of alerts in order.
#[derive(Debug, Clone)]
pub struct AlertLog {
    fold: AlertFold,
    /// Events that changed nothing, as last told.
    told: ioc_alerts::Tally,
}

impl AlertLog {
    /// Goes on from `fold`.
    pub fn new(fold: AlertFold) -> Self {
        let told = fold.tally();
        Self { fold, told }
    }

    /// Returns the fold as of the last record that was read.
    pub fn fold(&self) -> &AlertFold {
        &self.fold
    }

    /// Returns the fold as of the last record that was read.
    pub fn into_fold(self) -> AlertFold {
        self.fold
    }

    /// Folds a batch, and returns the events in it with what they come to.
    pub fn read(&mut self, batch: &Batch) -> Vec<AlertEventRow> {
        let rows = batch.records().filter_map(|record| self.fold_record(&record)).collect();
        self.fold.reach(batch.last());
        self.tell_skipped(batch.last());
        rows
    }

    /// Folds a batch, and returns what is told of it.
    pub fn transitions(&mut self, batch: &Batch) -> Vec<Sequenced> {
        let told = |AlertEventRow { seq, transition, .. }| Some(Sequenced { seq, transition: transition? });
        self.read(batch).into_iter().filter_map(told).collect()
    }

    fn fold_record(&mut self, record: &Record<'_>) -> Option<AlertEventRow> {
        let folded = match record.kind {
            RecordKind::AlertEvent => self.fold_event(record.offset, record.payload),
            RecordKind::Transition => self.fold_transition(record.offset, record.payload),
            RecordKind::Message | RecordKind::Presence | RecordKind::OperatorAction => return None,
        };
        match folded {
            Ok(row) => row,
            Err(error) => {
                tracing::error!(offset = record.offset, error, "what happened to an alert cannot be read");
                None
            }
        }
    }

    fn fold_event(&mut self, seq: Offset, bytes: &[u8]) -> Result<Option<AlertEventRow>, String> {
        let (applied, event) = self.fold.apply_bytes(seq, bytes).map_err(|error| error.to_string())?;
        let json = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
        let Some(transition) = told(applied) else { return Ok(None) };
        let audit = event.as_ref().and_then(|event| audit(event, &transition.as_ref()?.alert));
        let at_ms = event.as_ref().map_or(0, |event| event.at);
        let alert = event.map(|event| event.alert);
        Ok(Some(AlertEventRow { seq, alert, at_ms, json, transition, audit }))
    }

    /// Takes over what an earlier version wrote. That has written its audit entries itself.
    fn fold_transition(&mut self, seq: Offset, bytes: &[u8]) -> Result<Option<AlertEventRow>, String> {
        let transition = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut event = AlertEvent::imported(transition);
        let Some(transition) = told(self.fold.apply(seq, &event)) else { return Ok(None) };
        let json = encode(&mut event).map_err(|error| error.to_string())?;
        let json = String::from_utf8(json).map_err(|error| error.to_string())?;
        let (alert, at_ms) = (Some(event.alert), event.at);
        Ok(Some(AlertEventRow { seq, alert, at_ms, json, transition, audit: None }))
    }

    /// Tells of events that changed nothing: a newer program wrote them, or the beginning of their alert is lost.
    fn tell_skipped(&mut self, through: Offset) {
        let tally = self.fold.tally();
        if tally != self.told {
            let unknown = tally.unknown - self.told.unknown;
            let ignored = tally.ignored - self.told.ignored;
            tracing::warn!(through, unknown, ignored, "events of alerts are kept and change nothing");
            self.told = tally;
        }
    }
}

/// Returns what is told of an event; `None` for one that was folded before.
fn told(applied: Applied) -> Option<Option<Arc<Transition>>> {
    match applied {
        Applied::Told(transition) => Some(Some(Arc::from(transition))),
        Applied::Ignored(Ignored::Repeated) => None,
        Applied::Quiet | Applied::Unknown | Applied::Ignored(_) => Some(None),
    }
}

/// Returns the audit entry that a command is.
fn audit(event: &AlertEvent, alert: &Alert) -> Option<Audit> {
    let action = match event.body {
        EventBody::Acknowledged(_) => "alert.acknowledge",
        EventBody::Resolved(_) => "alert.resolve",
        EventBody::Noted(_) => "alert.note",
        _ => return None,
    };
    let audit = Audit::new(event.at, event.by()?, action, event.alert.to_string());
    Some(audit.about(Reach::of_place(alert.domain, alert.ward.as_deref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_alerts::{AlertCommand, RuleDecision};
    use ioc_journal::{JournalConfig, SharedLog, Visibility};
    use ioc_model::TransitionKind;
    use ioc_services::fixtures::firing;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Appends records, and returns them as one batch or several, read by `log`.
    fn read(
        log: &mut AlertLog,
        journal: &SharedLog,
        records: &[(RecordKind, Vec<u8>)],
    ) -> Vec<AlertEventRow> {
        let first = journal.durable() + 1;
        for (kind, bytes) in records {
            journal.append(*kind, |out| out.extend_from_slice(bytes)).unwrap();
        }
        let last = first + records.len() as u64 - 1;
        journal.wait_durable(last, PATIENCE).unwrap();
        let (mut follower, mut rows) = (journal.follow(first, Visibility::Durable), Vec::new());
        while log.fold().through() < last {
            rows.extend(log.read(&follower.next(PATIENCE).unwrap().unwrap()));
        }
        rows
    }

    #[test]
    fn everything_that_can_be_read_is_kept_and_only_what_changes_an_alert_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path())).unwrap();
        let mut log = AlertLog::new(AlertFold::default());
        let mut fold = AlertFold::default();
        let decision = RuleDecision { kind: TransitionKind::Firing, at: 5, cause: 1, alert: firing() };
        let mut fired = fold.decide(decision);
        fold.apply(1, &fired);
        let mut taken = fold.command(firing().id, AlertCommand::Acknowledge { why: None }, "lan", 6).unwrap();
        let transition = Transition {
            transition: TransitionKind::Noted,
            at: 7,
            by: Some("mai".into()),
            cause: None,
            alert: firing(),
        };
        let event = |event: &mut AlertEvent| (RecordKind::AlertEvent, encode(event).unwrap());
        let records = [
            event(&mut fired),
            (RecordKind::Message, b"not about alerts".to_vec()),
            event(&mut taken),
            event(&mut taken.clone()),
            (RecordKind::AlertEvent, br#"{"v":1,"kind":999}"#.to_vec()),
            (RecordKind::AlertEvent, b"no event".to_vec()),
            (RecordKind::Transition, serde_json::to_vec(&transition).unwrap()),
        ];
        let rows = read(&mut log, &journal, &records);
        let told = |row: &AlertEventRow| row.transition.as_ref().map(|transition| transition.transition);
        let told: Vec<_> = rows.iter().map(|row| (row.seq, told(row), row.audit.is_some())).collect();
        let acknowledged = Some(TransitionKind::Acknowledged);
        assert_eq!(
            told,
            [
                (1, Some(TransitionKind::Firing), false),
                (3, acknowledged, true),
                (4, None, false),
                (5, None, false),
                // The version that wrote it wrote its audit entry, too.
                (7, Some(TransitionKind::Noted), false),
            ]
        );
        assert_eq!(rows[3].alert, None, "a newer program's");
        let audit = rows[1].audit.as_ref().unwrap();
        assert_eq!((&*audit.actor, &*audit.action, audit.at_ms), ("lan", "alert.acknowledge", 6));
        assert_eq!((log.fold().tally().ignored, log.fold().tally().unknown), (1, 1));
        // What was read before is not read again.
        let again: Vec<_> =
            std::iter::from_fn(|| journal.follow(1, Visibility::Durable).next(PATIENCE).unwrap())
                .take(1)
                .collect();
        assert!(again.iter().all(|batch| log.read(batch).is_empty()));
    }
}
