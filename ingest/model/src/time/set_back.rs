//! How far a device has come, by the times that it writes, and what it writes that lies before.
use super::{CROSSING_MS, SeriesOrder, placed_ms};

/// The newest time of a device, and its messages that are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DeviceProgress {
    newest: Option<Newest>,
    /// Messages in a row, up to now, that are older than `newest`.
    behind: u8,
}

/// The newest message of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newest {
    /// Event time, clamped to arrival.
    pub(super) placed_ms: i64,
    arrival_ms: i64,
}

impl Newest {
    /// Returns how long it travelled, as far as its clock is right; never negative.
    pub(super) fn delay_ms(&self) -> i64 {
        self.arrival_ms.saturating_sub(self.placed_ms)
    }
}

impl DeviceProgress {
    /// Takes a message.
    pub(super) fn take(&mut self, event_ms: i64, arrival_ms: i64) {
        let placed_ms = placed_ms(event_ms, arrival_ms);
        match self.newest {
            Some(newest) if placed_ms < newest.placed_ms && !newest.is_of_another_clock(arrival_ms) => {
                self.behind = self.behind.saturating_add(1);
            }
            _ => *self = Self { newest: Some(Newest { placed_ms, arrival_ms }), behind: 0 },
        }
    }

    /// Ends the row of older messages without a newer one.
    pub(super) fn interrupt(&mut self) {
        self.behind = 0;
    }

    /// Follows a jump of our own clock: what lies ahead of it from then on lies at its arrival.
    pub(super) fn shift(&mut self, jump_ms: i64) {
        self.behind = 0;
        if let Some(newest) = &mut self.newest {
            newest.arrival_ms = newest.arrival_ms.saturating_add(jump_ms);
            newest.placed_ms = placed_ms(newest.placed_ms, newest.arrival_ms);
        }
    }

    pub(super) fn newest(&self) -> Option<Newest> {
        self.newest
    }

    pub(super) fn behind(&self) -> usize {
        usize::from(self.behind)
    }
}

impl Newest {
    /// Reports whether our own clock was set back since.
    fn is_of_another_clock(&self, arrival_ms: i64) -> bool {
        arrival_ms < self.arrival_ms.saturating_sub(CROSSING_MS)
    }
}

/// By how much a device's clock was set back since a reading, in whole seconds, rounded up: so much older the reading counts.
/// It fits beside a reading in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetBack(pub u16);

impl SetBack {
    /// From here on, whatever comes is newer: eighteen hours.
    const OUTDATED: u16 = u16::MAX;

    /// Returns it after one more step back by `by_ms`.
    #[must_use]
    pub fn and(self, by_ms: i64) -> Self {
        let by_s = u16::try_from(by_ms.max(0).saturating_add(999) / 1000).unwrap_or(Self::OUTDATED);
        Self(self.0.saturating_add(by_s))
    }

    /// Returns the place of a reading in its series.
    #[must_use]
    pub fn of(self, order: SeriesOrder) -> SeriesOrder {
        match self.0 {
            0 => order,
            Self::OUTDATED => order.put_back(i64::MAX),
            set_back_s => order.put_back(i64::from(set_back_s) * 1000),
        }
    }
}
