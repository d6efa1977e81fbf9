//! Brings committed observations into history and balances the books:
//! received = stored + duplicate + rejected, at every moment someone looks.
use super::Work;
use crate::clock::now_ms;
use ioc_ingest::{Ledger, Tally};
use ioc_journal::{Batch, Offset, Record};
use ioc_model::{Origin, RecordKind, RejectReason, message::MessageView};
use ioc_store::{Outcome, Store};
use std::sync::Arc;

/// See the module.
pub struct Settle {
    store: Store,
    ledger: Arc<Ledger>,
    /// Records up to here were counted by the process that took them in.
    counted: Offset,
    outcomes: Vec<Outcome>,
    tally: Tally,
}

impl Settle {
    /// Settles into `store`; what was committed up to `counted` is replay and not counted again.
    pub fn new(store: Store, ledger: Arc<Ledger>, counted: Offset) -> Self {
        Self { store, ledger, counted, outcomes: Vec::new(), tally: Tally::default() }
    }

    fn settle(&mut self, record: &Record<'_>, message: &MessageView<'_>) {
        self.outcomes.clear();
        if let Some(device) = message.device {
            self.store.apply(record.offset, device, message.observations(), &mut self.outcomes);
        }
        // At a stop history may take no more; what it did not take is counted by the next process.
        let is_settled = message.device.is_none() || self.outcomes.len() == message.observations().len();
        if record.offset > self.counted && is_settled {
            self.count(message);
        }
    }

    fn count(&mut self, message: &MessageView<'_>) {
        if message.origin == Origin::Derived {
            message.observations().for_each(|_| self.tally.derived());
            return;
        }
        self.tally.received(message.observations().len());
        for outcome in &self.outcomes {
            match outcome {
                Outcome::Stored => self.tally.stored(),
                Outcome::Duplicate => self.tally.duplicate(),
                Outcome::Corrected => self.tally.corrected(),
                Outcome::TooOld => self.tally.rejected(RejectReason::TooOld),
            }
        }
        if let Ok(Some(rejected)) = message.rejected() {
            self.tally.received(rejected.items.len());
            rejected.items.iter().for_each(|item| self.tally.rejected(item.reason));
        }
    }
}

impl Work for Settle {
    fn take(&mut self, batch: &Batch) {
        for record in batch.records().filter(|record| record.kind == RecordKind::Message) {
            match MessageView::parse(record.payload) {
                Ok(message) => self.settle(&record, &message),
                Err(error) => {
                    tracing::error!(offset = record.offset, %error, "a journaled message cannot be read")
                }
            }
        }
        self.store.advance(batch.last());
        self.ledger.book(&mut self.tally);
    }

    fn idle(&mut self) {
        self.store.maintain(now_ms());
    }

    fn safe(&mut self, _taken: Offset) -> Option<Offset> {
        self.store.replay_from().checked_sub(1)
    }
}
