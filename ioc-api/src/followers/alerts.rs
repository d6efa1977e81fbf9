//! Keeps the projection of alerts in the records. Nobody who is told of an alert waits for it; who reads the records does,
//! see [`Hub::await_records`].
use super::{Projections, Work};
use crate::{
    records::{Records, Sequenced},
    stream::hub::Hub,
};
use ioc_journal::{Batch, Offset};
use ioc_model::RecordKind;
use std::{sync::Arc, time::Duration};

/// How long to wait before the records are tried again.
const RETRY: Duration = Duration::from_millis(500);

/// See the module.
pub struct Alerts {
    records: Records,
    hub: Arc<Hub>,
    projections: Projections,
    /// The end came before transitions could be recorded.
    given_up: bool,
}

impl Alerts {
    /// Joins the parts.
    pub fn new(records: Records, hub: Arc<Hub>, projections: Projections) -> Self {
        Self { records, hub, projections, given_up: false }
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
        let transitions = transitions_of(batch);
        // Nothing behind what could not be recorded is, so that the next start finds it.
        self.given_up = self.given_up || !transitions.is_empty() && !self.project(&transitions, batch.last());
        if !transitions.is_empty() && !self.given_up {
            self.hub.recorded(batch.last());
        }
    }

    fn safe(&mut self, taken: Offset) -> Option<Offset> {
        if !self.given_up {
            self.records.apply_transitions(&[], taken).ok()?;
        }
        self.projections.safe()
    }
}
