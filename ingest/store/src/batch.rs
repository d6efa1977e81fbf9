//! Journal records gathered for history, and how they are taken in.
use crate::ApplyOutcome;
use ioc_model::{DeviceIndex, Observation};

/// The observations of consecutive journal records, to be applied together: what history must look up for late ones,
/// it looks up once for all.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) records: Vec<Taken>,
    observations: Vec<Observation>,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) offset: u64,
    pub(crate) device: DeviceIndex,
    pub(crate) arrival_ms: i64,
    pub(crate) set_back_ms: Option<i64>,
    start: usize,
    end: usize,
}

impl Batch {
    /// Adds the observations of the record at `offset`; offsets ascend.
    pub fn push(
        &mut self,
        offset: u64,
        device: DeviceIndex,
        arrival_ms: i64,
        observations: impl Iterator<Item = Observation>,
    ) {
        let start = self.observations.len();
        self.observations.extend(observations);
        let end = self.observations.len();
        self.records.push(Taken { offset, device, arrival_ms, set_back_ms: None, start, end });
    }

    /// Notes that the record added last showed its device's clock set back by `by_ms`: its readings are the last ones, wherever
    /// those before stand.
    pub fn set_back(&mut self, by_ms: i64) {
        if let Some(record) = self.records.last_mut() {
            record.set_back_ms = Some(by_ms);
        }
    }

    /// Returns the number of observations.
    pub fn len(&self) -> usize {
        self.observations.len()
    }

    /// Reports whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.records.clear();
        self.observations.clear();
    }

    pub(crate) fn observations(&self, record: &Taken) -> &[Observation] {
        &self.observations[record.start..record.end]
    }
}

/// What became of the observations of a [`Batch`].
#[derive(Debug, Default)]
pub struct ApplyOutcomes {
    pub(crate) all: Vec<ApplyOutcome>,
    /// Where each record's end.
    pub(crate) ends: Vec<usize>,
}

impl ApplyOutcomes {
    /// Returns the outcomes of each record, in order. There are fewer records than in the batch when the store was shut
    /// down meanwhile.
    pub fn records(&self) -> impl Iterator<Item = &[ApplyOutcome]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.all[start..*end])
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.ends.clear();
    }
}
