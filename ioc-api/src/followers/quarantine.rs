//! Keeps what was rejected where an engineer finds it: device, topic, bytes and why.
use super::{Consumer, Projections, RETRY};
use ioc_ingest::Registry;
use ioc_journal::{Batch, Offset};
use ioc_model::{DeviceTopic, RecordKind, message::MessageView};
use ioc_records::{QuarantineRow, Records, RecordsError};

/// Follows the log and copies what was rejected into the records.
pub struct Quarantine {
    records: Records,
    registry: Registry,
    rows_max: u32,
    /// None while the records are brought up to date before the start.
    projections: Option<Projections>,
    /// Why rows could not be written before the end: nothing behind them is, so that the next start finds them.
    failed: Option<RecordsError>,
}

impl Quarantine {
    /// Keeps at most `rows_max` rows in `records`.
    pub fn new(records: Records, registry: Registry, rows_max: u32) -> Self {
        Self { records, registry, rows_max, projections: None, failed: None }
    }

    /// Learns from `projections` what is on disk.
    pub fn synced_by(self, projections: Projections) -> Self {
        Self { projections: Some(projections), ..self }
    }

    /// Says how it went.
    ///
    /// Errors: rows could not be written.
    pub fn end(self) -> Result<(), RecordsError> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Writes rows, trying again until it works or the end comes.
    fn append(&mut self, rows: &[QuarantineRow], through: Offset) {
        while self.failed.is_none() {
            let Err(error) = self.records.append_quarantine(rows, through, self.rows_max) else { return };
            tracing::error!(%error, rows = rows.len(), "rejected messages cannot be listed; tried again");
            if self.projections.as_ref().is_none_or(|projections| projections.is_over_within(RETRY)) {
                self.failed = Some(error);
            }
        }
    }

    fn rows(&self, batch: &Batch) -> Vec<QuarantineRow> {
        let mut rows = Vec::new();
        let messages = batch.records().filter(|record| record.kind == RecordKind::Message);
        for record in messages {
            let Ok(message) = MessageView::parse(record.payload) else { continue };
            if !message.has_rejected() {
                continue;
            }
            let Ok(Some(rejected)) = message.rejected() else { continue };
            let devices = self.registry.devices();
            let by_index =
                message.device.and_then(|index| devices.by_index(index)).map(|device| device.id.clone());
            let named = || DeviceTopic::parse(&rejected.topic).and_then(|topic| topic.device.parse().ok());
            rows.push(QuarantineRow {
                seq: record.offset,
                at_ms: message.arrival_ms,
                device: by_index.or_else(named),
                credential: rejected.credential,
                topic: rejected.topic,
                items: rejected.items,
                bytes: rejected.bytes,
                bytes_len: rejected.bytes_len,
            });
        }
        rows
    }
}

impl Consumer for Quarantine {
    fn take(&mut self, batch: &Batch) {
        let rows = self.rows(batch);
        if !rows.is_empty() {
            self.append(&rows, batch.last());
        }
    }

    fn checkpoint(&mut self, taken: Offset) -> Option<Offset> {
        if self.failed.is_none() {
            self.records.append_quarantine(&[], taken, self.rows_max).ok()?;
        }
        self.projections.as_ref()?.checkpoint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{defaults, followers::Stop};
    use ioc_journal::{JournalConfig, Visibility};
    use ioc_model::{Catalogue, Message, Origin, RejectReason, Rejected, Rejection};
    use ioc_records::{QuarantineQuery, SqliteRecords};
    use rusqlite::Connection;
    use std::{sync::Arc, time::Duration};

    #[test]
    fn what_could_not_be_listed_before_the_end_is_listed_after_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.sqlite");
        let records: Records = Arc::new(SqliteRecords::open(&path).unwrap());
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path().join("journal"))).unwrap();
        let catalogue = Catalogue::from_toml(defaults::text("catalogue/catalogue.toml").unwrap()).unwrap();
        let registry = Registry::new(Arc::new(catalogue), Arc::default());
        let stop = Stop::default();
        stop.stop();
        let (projections, thread) = Projections::start(&records, &stop).unwrap();
        thread.join().unwrap();
        let reject = || {
            let items = vec![Rejection { reason: RejectReason::Malformed, detail: "no JSON".into() }];
            let rejected = Some(Rejected::new("WL-1", "ioc/v1/environment/WL-1/telemetry", b"{", items));
            let observations = Vec::new();
            let (device, arrival_ms, origin, set_back_ms) = (None, 1, Origin::Device, None);
            let message = Message { device, arrival_ms, origin, observations, rejected, set_back_ms };
            let offset = journal.append(RecordKind::Message, |out| message.encode(out)).unwrap();
            journal.follow(offset, Visibility::Durable).next(Duration::from_secs(30)).unwrap().unwrap()
        };
        let new = || Quarantine::new(Arc::clone(&records), registry.clone(), 10);
        let mut quarantine = new().synced_by(projections);

        let other = Connection::open(&path).unwrap();
        other.execute("ALTER TABLE quarantine RENAME TO elsewhere", []).unwrap();
        quarantine.take(&reject());
        assert!(
            crate::app::recover::project(&journal, &records, new(), 1, &Default::default()).is_err(),
            "nor does a start go over it"
        );
        other.execute("ALTER TABLE elsewhere RENAME TO quarantine", []).unwrap();
        quarantine.take(&reject());
        let _ = quarantine.checkpoint(2);
        assert_eq!(records.quarantined_through().unwrap(), 0);

        crate::app::recover::project(&journal, &records, new(), 2, &Default::default()).unwrap();
        let query = QuarantineQuery { limit: 10, ..QuarantineQuery::default() };
        let listed: Vec<_> = records.quarantine(&query).unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(listed, [2, 1]);
    }
}
