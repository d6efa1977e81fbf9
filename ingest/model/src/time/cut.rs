//! Times that a device cuts to whole minutes, half minutes or ten seconds although it reports more often.
//!
//! Their delays are a sawtooth: a new time comes with the delay of the clock, and grows old until the next one. Only the
//! first message of each time says how far the clock is behind.
use super::delay_ms;

/// What times are cut to, in milliseconds.
const UNITS_MS: [i64; 3] = [60_000, 30_000, 10_000];

/// The time that a device writes now, and what its times are cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cut {
    now: Option<Tooth>,
    unit_ms: i64,
}

/// The messages of one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tooth {
    event_ms: i64,
    /// When its first message came.
    arrival_ms: i64,
    /// The one before was seen, and is a unit earlier.
    is_whole: bool,
    is_repeated: bool,
}

impl Cut {
    /// Takes a message. Returns how far the clock is behind, in milliseconds, when it ends a whole tooth: a time that came
    /// repeatedly, and the next one a unit later by both clocks.
    pub(super) fn take(&mut self, event_ms: i64, arrival_ms: i64) -> Option<i64> {
        let begun = Tooth { event_ms, arrival_ms, is_whole: false, is_repeated: false };
        let ended = self.now.replace(begun)?;
        if ended.event_ms == event_ms {
            self.now = Some(Tooth { is_repeated: true, ..ended });
            return None;
        }
        if self.unit_ms > 0 && event_ms % self.unit_ms != 0 {
            self.unit_ms = 0;
        }
        let advance_ms = event_ms.saturating_sub(ended.event_ms);
        let is_whole = UNITS_MS.contains(&advance_ms) && event_ms % advance_ms == 0;
        self.now = Some(Tooth { is_whole, ..begun });
        let strayed_ms = arrival_ms.saturating_sub(ended.arrival_ms).saturating_sub(advance_ms);
        let is_at_pace = strayed_ms.saturating_abs().saturating_mul(2) < advance_ms;
        if !(is_whole && ended.is_whole && ended.is_repeated && is_at_pace) {
            return None;
        }
        self.unit_ms = advance_ms;
        Some(delay_ms(event_ms, arrival_ms).min(delay_ms(ended.event_ms, ended.arrival_ms)))
    }

    /// Returns what times are cut to, in milliseconds; 0 when they are not, as far as is known.
    pub(super) fn unit_ms(&self) -> i64 {
        self.unit_ms
    }

    /// Forgets how times and arrivals go together.
    pub(super) fn interrupt(&mut self) {
        self.now = None;
    }
}
