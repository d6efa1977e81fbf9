//! Keeps what was rejected where an engineer finds it: device, topic, bytes and why.
use super::{Projections, Work};
use crate::records::{QuarantineRow, Records};
use ioc_ingest::Registry;
use ioc_journal::{Batch, Offset};
use ioc_model::{DeviceTopic, RecordKind, message::MessageView};

/// See the module.
pub struct Quarantine {
    records: Records,
    registry: Registry,
    rows_max: u32,
    /// None while the records are brought up to date before the start.
    projections: Option<Projections>,
    /// Set once a batch could not be written; the place in the journal then stays until the next start.
    failed: bool,
}

impl Quarantine {
    /// Keeps at most `rows_max` rows in `records`.
    pub fn new(records: Records, registry: Registry, rows_max: u32) -> Self {
        Self { records, registry, rows_max, projections: None, failed: false }
    }

    /// Learns from `projections` what is on disk.
    pub fn synced_by(self, projections: Projections) -> Self {
        Self { projections: Some(projections), ..self }
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

impl Work for Quarantine {
    fn take(&mut self, batch: &Batch) {
        let rows = self.rows(batch);
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.records.append_quarantine(&rows, batch.last(), self.rows_max) {
            tracing::error!(%error, rows = rows.len(), "rejected messages cannot be listed; they stay in the journal and are listed after a restart");
            self.failed = true;
        }
    }

    fn safe(&mut self, taken: Offset) -> Option<Offset> {
        if self.failed {
            return None;
        }
        self.records.append_quarantine(&[], taken, self.rows_max).ok()?;
        self.projections.as_ref()?.safe()
    }
}
