//! Brings committed observations into history and balances the books:
//! received = stored + duplicate + rejected, at every moment someone looks.
use super::Consumer;
use crate::clock::now_ms;
use ioc_ingest::{Ledger, Tally};
use ioc_journal::{Batch, Offset, Record, SharedLog};
use ioc_model::{Origin, RecordKind, RejectReason, message::MessageView};
use ioc_store::{ApplyOutcome, ApplyOutcomes, SharedHistory};
use std::sync::Arc;

/// So many bytes of records are taken into history at once when it is behind: for late readings it must read what it
/// has, and that costs the same for few as for many.
const GATHERED_BYTES_MAX: usize = 8 << 20;

/// Takes observations into history and counts what became of them.
pub struct HistoryFollower {
    store: SharedHistory,
    ledger: Arc<Ledger>,
    journal: SharedLog,
    /// Records up to here were counted by the process that took them in.
    counted: Offset,
    gathered: Vec<Batch>,
    gathered_bytes: usize,
    batch: ioc_store::Batch,
    outcomes: ApplyOutcomes,
    tally: Tally,
    /// The last record that history was given.
    taken: Offset,
    /// Records up to here are being sealed because the journal waits for it.
    asked: Offset,
}

impl HistoryFollower {
    /// Settles records of `journal` into `store`; what was committed up to `counted` is replay and not counted again.
    pub fn new(store: SharedHistory, ledger: Arc<Ledger>, journal: SharedLog, counted: Offset) -> Self {
        Self {
            store,
            ledger,
            journal,
            counted,
            gathered: Vec::new(),
            gathered_bytes: 0,
            batch: ioc_store::Batch::default(),
            outcomes: ApplyOutcomes::default(),
            tally: Tally::default(),
            taken: counted,
            asked: 0,
        }
    }

    /// Seals early when the journal keeps more for history than it is configured to: repeated readings, say, fill the
    /// journal and bring history nothing that would make it seal.
    fn seal_if_journal_waits(&mut self) {
        let sealed = self.store.replay_from().saturating_sub(1);
        // Once for each sealing: until it is done the journal goes on waiting.
        if self.journal.waits_for(sealed) && sealed >= self.asked {
            self.asked = self.taken;
            self.store.begin_sealing();
        }
    }

    /// Takes what was gathered into history.
    fn settle(&mut self) {
        self.batch.clear();
        for (record, message) in self.gathered.iter().flat_map(messages) {
            if let Some(device) = message.device {
                self.batch.push(record.offset, device, message.arrival_ms, message.observations());
                if let Some(by_ms) = message.set_back_ms {
                    self.batch.set_back(by_ms);
                }
            }
        }
        self.store.apply(&self.batch, &mut self.outcomes);
        self.count();
        if let Some(last) = self.gathered.last() {
            self.store.advance(last.last(), self.gathered_bytes as u64);
            self.taken = last.last();
        }
        self.gathered.clear();
        self.gathered_bytes = 0;
        self.ledger.book(&mut self.tally);
    }

    fn count(&mut self) {
        let mut outcomes = self.outcomes.records();
        for (record, message) in self.gathered.iter().flat_map(messages) {
            let settled = match message.device {
                Some(_) => outcomes.next(),
                None => Some(&[][..]),
            };
            // At a stop history may take no more; what it did not take is counted by the next process.
            let Some(settled) = settled else { return };
            if record.offset > self.counted {
                count(&mut self.tally, &message, settled);
            }
        }
    }
}

fn messages(batch: &Batch) -> impl Iterator<Item = (Record<'_>, MessageView<'_>)> {
    let messages = batch.records().filter(|record| record.kind == RecordKind::Message);
    messages.filter_map(|record| match MessageView::parse(record.payload) {
        Ok(message) => Some((record, message)),
        Err(error) => {
            tracing::error!(offset = record.offset, %error, "a journaled message cannot be read");
            None
        }
    })
}

fn count(tally: &mut Tally, message: &MessageView<'_>, outcomes: &[ApplyOutcome]) {
    if message.origin == Origin::Derived {
        message.observations().for_each(|_| tally.derived());
        return;
    }
    let observations = message.observations().len();
    tally.received(observations);
    for outcome in outcomes {
        match outcome {
            ApplyOutcome::Stored => tally.stored(),
            ApplyOutcome::Duplicate => tally.duplicate(),
            ApplyOutcome::Corrected => tally.corrected(),
            ApplyOutcome::TooOld => tally.rejected(RejectReason::TooOld),
        }
    }
    match message.rejected() {
        Ok(Some(rejected)) => {
            tally.received(rejected.items.len());
            rejected.items.iter().for_each(|item| tally.rejected(item.reason));
        }
        Ok(None) if observations == 0 => tally.empty(),
        _ => {}
    }
}

impl Consumer for HistoryFollower {
    fn take(&mut self, batch: &Batch) {
        self.gathered_bytes += batch.records().map(|record| record.payload.len()).sum::<usize>();
        self.gathered.push(batch.clone());
        let is_behind = self.journal.durable() > batch.last();
        if !is_behind || self.gathered_bytes >= GATHERED_BYTES_MAX {
            self.settle();
        }
    }

    fn idle(&mut self) {
        self.store.maintain(now_ms());
        self.seal_if_journal_waits();
    }

    fn checkpoint(&mut self, _taken: Offset) -> Option<Offset> {
        self.store.replay_from().checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::{DeviceIndex, Message, Rejected, Rejection};

    #[test]
    fn a_message_without_observations_is_counted_as_one() {
        let refused = Rejection { reason: RejectReason::Malformed, detail: String::new() };
        let rejected = Rejected::new("A", "t", b"", vec![refused]);
        for (origin, rejected, expected) in [
            (Origin::Device, None, (1, 0)),
            (Origin::Device, Some(rejected), (0, 1)),
            (Origin::Derived, None, (0, 0)),
        ] {
            let device = Some(DeviceIndex(0));
            let observations = Vec::new();
            let message =
                Message { device, arrival_ms: 0, origin, observations, rejected, set_back_ms: None };
            let mut bytes = Vec::new();
            message.encode_with(None, &mut bytes);
            let (ledger, mut tally) = (Ledger::default(), Tally::default());
            count(&mut tally, &MessageView::parse(&bytes).unwrap(), &[]);
            ledger.book(&mut tally);
            let counts = ledger.snapshot();
            assert_eq!((counts.empty, counts.received, counts.difference()), (expected.0, expected.1, 0));
        }
    }
}
