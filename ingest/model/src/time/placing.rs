//! Where the readings of a message stand on our time axis.
use super::placed_ms;

/// How far ahead a clock is moved back, in milliseconds: in whole steps, so that an offset that is measured anew, and differs
/// a little, leaves every reading where it stands.
const STEP_MS: i64 = 1_000;

/// Where the readings of one message stand: at their event times, and not ahead of its arrival. When they lie ahead, all move
/// by as much, so that they stand as far apart as they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placing {
    shift_ms: i64,
    arrival_ms: i64,
}

impl Placing {
    /// Places a message by itself: its newest reading, made at `newest_ms`, stands at its arrival if it lies ahead of it.
    pub const fn alone(newest_ms: i64, arrival_ms: i64) -> Self {
        let shift_ms = newest_ms.saturating_sub(placed_ms(newest_ms, arrival_ms));
        Self { shift_ms, arrival_ms }
    }

    /// Returns where a reading of the message stands.
    pub const fn place(self, event_ms: i64) -> i64 {
        placed_ms(event_ms.saturating_sub(self.shift_ms), self.arrival_ms)
    }
}

/// Places the messages of one device, in the order of their arrival.
///
/// A clock that is known to be ahead has all its readings moved back by its offset, so that each stands in one place however
/// often and in whichever message it comes. But no message is moved behind what stands already, which would hide it: the
/// clock may just have been set right, and then what its messages say by themselves counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placer {
    newest_ms: Option<i64>,
}

impl Placer {
    /// Takes a message whose newest reading was made at `newest_ms` by the device's clock, with its offset as far as that is
    /// usable, see [`super::ClockOffset::usable_ms`].
    pub fn take(&mut self, newest_ms: i64, arrival_ms: i64, offset_ms: Option<i64>) -> Placing {
        let alone = Placing::alone(newest_ms, arrival_ms);
        let steady = Placing { shift_ms: alone.shift_ms.max(ahead_ms(offset_ms)), arrival_ms };
        let hides = self.newest_ms.is_some_and(|known_ms| steady.place(newest_ms) <= known_ms);
        let placing = if hides { alone } else { steady };
        self.stands(placing.place(newest_ms));
        placing
    }

    /// Takes up that something of the device stands at `placed_ms`.
    pub fn stands(&mut self, placed_ms: i64) {
        self.newest_ms = self.newest_ms.max(Some(placed_ms));
    }

    /// Follows what was placed when it is moved back in time, because a clock was.
    pub fn put_back(&mut self, by_ms: i64) {
        self.newest_ms = self.newest_ms.map(|newest_ms| newest_ms.saturating_sub(by_ms));
    }
}

/// Returns how far a clock with this offset is ahead, rounded up so that none of its readings is ahead of its arrival; 0 for
/// less than a second, which is travel and rounding.
pub fn ahead_ms(offset_ms: Option<i64>) -> i64 {
    let ahead_ms = offset_ms.unwrap_or(0).saturating_neg();
    if ahead_ms < STEP_MS { 0 } else { ahead_ms.saturating_add(STEP_MS - 1) / STEP_MS * STEP_MS }
}
