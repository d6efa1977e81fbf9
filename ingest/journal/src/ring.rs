//! The newest committed batches in memory, bounded by bytes.
use crate::{Offset, batch::Committed};
use std::collections::VecDeque;

/// What a batch costs besides its bytes; keeps a ring of tiny batches bounded too.
const BATCH_OVERHEAD_BYTES: usize = 128;

#[derive(Debug)]
pub(crate) struct Ring {
    batches: VecDeque<Committed>,
    bytes: usize,
    bytes_max: usize,
}

impl Ring {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds the newest batch and drops the oldest beyond the bound; the newest always stays.
    pub(crate) fn push(&mut self, batch: Committed) {
        self.bytes += batch.content.bytes.len() + BATCH_OVERHEAD_BYTES;
        self.batches.push_back(batch);
        while self.bytes > self.bytes_max && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.bytes -= oldest.content.bytes.len() + BATCH_OVERHEAD_BYTES;
            }
        }
    }

    /// Returns the batch that holds `offset`.
    pub(crate) fn find(&self, offset: Offset) -> Option<Committed> {
        let index = self.batches.partition_point(|batch| batch.content.mark.last() < offset);
        self.batches.get(index).filter(|batch| batch.content.mark.first <= offset).cloned()
    }
}
