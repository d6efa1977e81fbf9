//! Keeps the projection of alerts in the records. Nobody who is told of an alert waits for it; who reads the records does,
//! see [`Hub::await_records`].
use super::{Projections, Work};
use crate::stream::hub::Hub;
use ioc_journal::{Batch, Journal, Offset};
use ioc_model::RecordKind;
use ioc_records::{Records, Sequenced};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Transitions recorded at once: each transaction costs some pages, however few rows it changes.
const PART: usize = 256;
/// How long transitions wait for others while there is more to read.
const GATHERING: Duration = Duration::from_millis(100);

/// How long to wait before the records are tried again.
const RETRY: Duration = Duration::from_millis(500);

/// See the module.
pub struct Alerts {
    journal: Journal,
    records: Records,
    hub: Arc<Hub>,
    projections: Projections,
    /// Not recorded yet.
    waiting: Vec<Sequenced>,
    /// When the first of them came.
    waiting_since: Instant,
    /// The end came before transitions could be recorded.
    given_up: bool,
}

impl Alerts {
    /// Joins the parts.
    pub fn new(journal: Journal, records: Records, hub: Arc<Hub>, projections: Projections) -> Self {
        let (waiting, waiting_since) = (Vec::new(), Instant::now());
        Self { journal, records, hub, projections, waiting, waiting_since, given_up: false }
    }

    /// Records what waits; everything up to `through` was taken.
    fn record(&mut self, through: Offset) {
        let transitions = mem::take(&mut self.waiting);
        if transitions.is_empty() || self.given_up {
            return;
        }
        // Nothing behind what could not be recorded is, so that the next start finds it.
        self.given_up = !self.project(&transitions, through);
        if !self.given_up {
            self.hub.recorded(through);
        }
    }

    /// Writes the projection, again until it works. Returns false when the end comes before.
    fn project(&self, transitions: &[Sequenced], through: Offset) -> bool {
        loop {
            match self.records.apply_transitions(transitions, through) {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(%error, "transitions cannot be recorded; alerts are told all the same");
                }
            }
            if self.projections.is_over_within(RETRY) {
                return false;
            }
        }
    }
}

/// Returns the transitions of a batch.
pub fn transitions_of(batch: &Batch) -> Vec<Sequenced> {
    let mut transitions = Vec::new();
    for record in batch.records().filter(|record| record.kind == RecordKind::Transition) {
        match serde_json::from_slice(record.payload) {
            Ok(transition) => transitions.push(Sequenced::new(record.offset, transition)),
            Err(error) => {
                tracing::error!(offset = record.offset, %error, "a journaled transition cannot be read")
            }
        }
    }
    transitions
}

impl Work for Alerts {
    fn take(&mut self, batch: &Batch) {
        if self.waiting.is_empty() {
            self.waiting_since = Instant::now();
        }
        self.waiting.extend(transitions_of(batch));
        let is_last = self.journal.durable() <= batch.last();
        if is_last || self.waiting.len() >= PART || self.waiting_since.elapsed() >= GATHERING {
            self.record(batch.last());
        }
    }

    fn safe(&mut self, taken: Offset) -> Option<Offset> {
        self.record(taken);
        if !self.given_up {
            self.records.apply_transitions(&[], taken).ok()?;
        }
        self.projections.safe()
    }
}
