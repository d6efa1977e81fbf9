//! Computes observations from observations (the hourly VN_AQI of every station) and gives them to the journal like
//! any other, so that history, rules and screens need to know nothing about it. Doing it twice after a restart
//! gives the same values at the same times, which history counts as duplicates.
use super::{Consumer, RETRY, Stop};
use ioc_ingest::AqiDeriver;
use ioc_journal::{AppendError, Batch, SharedLog};
use ioc_model::{Message, Origin, RecordKind, message::MessageView};

/// Follows the log and appends derived observations to it.
pub struct Derive {
    journal: SharedLog,
    deriver: AqiDeriver,
    stop: Stop,
}

impl Derive {
    /// Derives with `deriver`, already seeded from history.
    pub fn new(journal: SharedLog, deriver: AqiDeriver, stop: Stop) -> Self {
        Self { journal, deriver, stop }
    }

    fn append(&self, message: &Message) {
        loop {
            match self.journal.append(RecordKind::Message, |out| message.encode(out)) {
                Err(AppendError::Full) if !self.stop.is_stopped() => {
                    // Waiting here holds up nobody else.
                    let _ = self.journal.wait_durable(self.journal.durable() + 1, RETRY);
                }
                _ => return,
            }
        }
    }
}

impl Consumer for Derive {
    fn take(&mut self, batch: &Batch) {
        for record in batch.records().filter(|record| record.kind == RecordKind::Message) {
            let Ok(message) = MessageView::parse(record.payload) else { continue };
            let (Some(device), Origin::Device) = (message.device, message.origin) else { continue };
            if let Some(by_ms) = message.set_back_ms {
                self.deriver.set_back(device, by_ms);
            }
            let observations = message.observations();
            if let Some(index) = self.deriver.observe(device, observations, message.arrival_ms) {
                let (arrival_ms, observations) = (message.arrival_ms, vec![index]);
                let device = Some(device);
                self.append(&Message {
                    device,
                    arrival_ms,
                    origin: Origin::Derived,
                    observations,
                    rejected: None,
                    set_back_ms: None,
                });
            }
        }
    }
}
