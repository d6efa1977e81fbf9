//! How far a device has come, by the times that it writes, and what it writes that lies before.
use super::{CROSSING_MS, placed_ms};

/// The newest time of a device, and its messages that are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
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

impl Progress {
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
