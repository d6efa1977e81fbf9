//! The time policy, as pure functions: every comparison of two times in this workspace goes through here.
//!
//! A reading has three times. The *event* time is the device's clock, the *arrival* time is ours when it reached us, the
//! *decision* time is ours when something was concluded from it. Two clocks never agree, so that comparing one with the
//! other is a decision of its own:
//!
//! | Question | Compared | Function |
//! |---|---|---|
//! | Is it current? | arrival with now: both ours | [`is_current`] |
//! | Which of two readings of a series is the newer one? | event, clamped to arrival | [`SeriesOrder`] |
//! | Was the device's clock set back? | event, clamped to arrival, with the newest before; and arrivals | [`ClockOffset::observe`] |
//! | Into which hour or window does it go? | event, moved back as far as its clock is ahead, or its message; never ahead of arrival | [`Placer`], [`Placing`] |
//! | Was it late? | arrival with event, minus the device's steady offset | [`is_late`] |
//! | Is the device's clock right? | the steady part of arrival minus event, with that of a right clock | [`ClockOffset`], [`Standard`] |
//! | Does it keep time at all? | times of late messages with their arrivals, over ten messages or more | [`ClockVerdict::Adrift`] |
//! | Is our own clock right? | what most devices say, and wall with monotonic time | [`agreed_offset`], [`JumpWatch`] |
//!
//! Offsets are *arrival minus event*: positive is a device whose clock is behind ours, or whose readings travel long.
//!
//! # Clocks that are set back
//!
//! A device that restarts, or is set by hand, may write times that it wrote before. Order by event time would hide what it
//! sends until it has caught up, so that a step back begins a new order: [`ClockOffset::observe`] notices it, once, at the
//! edge; the message that shows it is journaled with how far the clock went back; and everyone who follows the journal moves
//! what the device sent before by as much ([`SeriesOrder::put_back`]), so that it stands where the device's clock, as it
//! goes now, would have had it. Nobody decides it again, so that a replay does the same.
//!
//! When our own clock is set back, arrivals are earlier than those before. [`SeriesOrder::follows`] sees that by itself.
//!
//! # Clocks that are wrong
//!
//! No fault of a clock silences a whole device without a word. All its readings may be late for three reasons: its clock is steadily
//! behind, then the offset is subtracted; it catches up on what it kept back, then they are history; or its times do not move
//! with ours (a clock that stands still, runs at half the pace, jumps, or several that write for one device), then the clock
//! is [`ClockVerdict::Adrift`] with the smallest delay. Times that are cut to the minute keep time all the same: the first
//! message of each minute tells the offset.
//!
//! What is late between readings that are not is taken for history, also when a second clock writes it, or when a gateway
//! sends it in one array with a reading of its own: nothing tells it from what was kept back.
//!
//! When our own clock is wrong, a right device's offset is what most devices agree on ([`agreed_offset`]). Everything that is
//! judged by a device's clock is then judged as if that were 0 ([`Standard::agreed_ms`]), by the edge, so that a replay does
//! the same: readings of right devices are neither late nor refused, and raise their alerts. Times are kept as measured.
mod adrift;
mod cut;
mod offset;
mod own;
mod placing;
mod set_back;

pub use offset::{ClockOffset, ClockVerdict, Standard};
pub use own::{AgreedOffset, JumpWatch, agreed_offset, forgetting_ms};
pub use placing::{Placer, Placing, ahead_ms};
pub use set_back::SetBack;

/// How far ahead of arrival an event time may be, in milliseconds; beyond it a reading is rejected.
pub const AHEAD_MAX_MS: i64 = 5 * 60_000;
/// How far a device's clock may be behind, in milliseconds, for its readings to be judged by its offset.
pub const BEHIND_MAX_MS: i64 = 15 * 60_000;
/// How old a reading may be on arrival before it is late, in milliseconds, unless configured otherwise.
pub const LATE_AFTER_MS: i64 = 2 * 60_000;
/// How many reporting periods a reading stays current.
pub const CURRENT_PERIODS: i64 = 3;
/// Offsets from which on a clock is worth mentioning, in milliseconds. Networks for sensors take some seconds.
pub const NOTABLE_OFFSET_MS: i64 = 10_000;

/// How far apart two threads may hand over what happened at once, in milliseconds: arrivals that lie further back are those of
/// a clock of ours that was set back.
pub const CROSSING_MS: i64 = 10_000;

/// Returns where a reading stands on the time axis: at its event time, or at its arrival when that lies ahead.
pub const fn placed_ms(event_ms: i64, arrival_ms: i64) -> i64 {
    if event_ms < arrival_ms { event_ms } else { arrival_ms }
}

/// Returns for how long a reading stays current, in milliseconds.
pub const fn current_for_ms(reporting_period_ms: i64) -> i64 {
    reporting_period_ms.saturating_mul(CURRENT_PERIODS)
}

/// Reports whether what arrived last at `last_arrival_ms` is current at `now_ms`. Both are readings of one clock of ours,
/// monotonic or not; an arrival that lies ahead, because that clock was set back, is current.
pub const fn is_current(last_arrival_ms: i64, now_ms: i64, reporting_period_ms: i64) -> bool {
    now_ms.saturating_sub(last_arrival_ms) <= current_for_ms(reporting_period_ms)
}

/// Returns how long ago something was, in milliseconds, never less than 0. Both are readings of one clock.
pub const fn age_ms(then_ms: i64, now_ms: i64) -> i64 {
    let age = now_ms.saturating_sub(then_ms);
    if age < 0 { 0 } else { age }
}

/// Returns the delay of a reading: arrival minus event, in milliseconds; negative when the event time lies ahead.
pub const fn delay_ms(event_ms: i64, arrival_ms: i64) -> i64 {
    arrival_ms.saturating_sub(event_ms)
}

/// Reports whether a reading was older than `late_after_ms` on arrival, once the steady offset of its device's clock is
/// subtracted. Late readings go to windows and history and never start an alert.
///
/// `offset_ms` is [`ClockOffset::usable_by`], else [`Standard::presumed_ms`]; without one, the clocks are taken for equal.
pub const fn is_late(event_ms: i64, arrival_ms: i64, offset_ms: Option<i64>, late_after_ms: i64) -> bool {
    let offset_ms = match offset_ms {
        Some(offset_ms) => offset_ms,
        None => 0,
    };
    delay_ms(event_ms, arrival_ms).saturating_sub(offset_ms) > late_after_ms
}

/// The order of the readings of one series: the largest is the newest. No event time that lies ahead hides a reading that
/// arrives later; a repetition of an instant counts by its arrival, so that corrections win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesOrder {
    placed_ms: i64,
    arrival_ms: i64,
    event_ms: i64,
}

impl SeriesOrder {
    /// Returns the place of a reading in its series.
    pub const fn new(event_ms: i64, arrival_ms: i64) -> Self {
        Self { placed_ms: placed_ms(event_ms, arrival_ms), arrival_ms, event_ms }
    }

    /// Returns the place of the same reading after its device's clock was set back by `by_ms`.
    #[must_use]
    pub const fn put_back(self, by_ms: i64) -> Self {
        let Self { placed_ms, arrival_ms, event_ms } = self;
        Self {
            placed_ms: placed_ms.saturating_sub(by_ms),
            arrival_ms,
            event_ms: event_ms.saturating_sub(by_ms),
        }
    }

    /// Reports whether this reading, which was journaled after `known`, replaces it as the newest of its series: it does not
    /// come before it, or our own clock was set back in between, so that the times of one say nothing about the other.
    pub fn follows(self, known: Self) -> bool {
        self >= known || self.arrival_ms < known.arrival_ms.saturating_sub(CROSSING_MS)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong_tests;
