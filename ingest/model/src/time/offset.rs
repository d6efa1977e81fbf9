//! The steady offset of one device's clock, from the delays of its messages.
use super::{AHEAD_MAX_MS, BEHIND_MAX_MS, age_ms, delay_ms};

/// Messages that an offset is measured from.
const MESSAGES: usize = 20;
/// Messages that agree before there is an offset.
const MESSAGES_MIN: usize = 3;
/// How far the delays of these messages may lie apart, in milliseconds.
const SPREAD_MAX_MS: i64 = 30_000;

/// What the delays of a device's messages say about its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// Too few messages, or delays that do not agree.
    Unknown,
    /// This offset in milliseconds, small enough to be subtracted.
    Steady(i64),
    /// This offset in milliseconds, more than 15 minutes behind or 5 ahead: somebody must set the clock.
    Wrong(i64),
}

/// Measures the offset of one device's clock: the minimum of arrival minus event over its last 20 messages, as long as
/// they spread by at most 30 s.
///
/// A message cannot arrive before it was made, so the smallest delay is nearest to the offset; what exceeds it is travel.
/// Delays of a back-fill spread: its event times run faster than their arrivals. Of a repetition they do too, in the other
/// direction. So delays only count as steady when they differ by less than half of the time in which they came; this
/// tells even a burst of back-fill within a second from a device that is simply behind.
///
/// An offset once found stays until another one is, or until a message comes that is too early for it: a back-fill after an
/// outage says nothing about a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockOffset {
    delays_ms: [i64; MESSAGES],
    /// Arrivals of the same messages, modulo 2^32 ms (49 days).
    arrivals_ms: [u32; MESSAGES],
    /// Where the next message goes.
    next: u8,
    count: u8,
    offset_ms: Option<i64>,
}

impl Default for ClockOffset {
    fn default() -> Self {
        Self { delays_ms: [0; MESSAGES], arrivals_ms: [0; MESSAGES], next: 0, count: 0, offset_ms: None }
    }
}

impl ClockOffset {
    /// Takes up what was known before a restart, until messages say otherwise.
    pub fn resume(&mut self, offset_ms: i64) {
        self.offset_ms = Some(offset_ms);
    }

    /// Follows a jump of our own clock by `jump_ms`, forward being positive: all offsets change by it at once.
    pub fn shift(&mut self, jump_ms: i64) {
        self.offset_ms = self.offset_ms.map(|offset_ms| offset_ms.saturating_add(jump_ms));
        self.count = 0;
    }

    /// Takes a message whose newest reading has this event time; also one that is rejected for its time. Messages without
    /// a time of their own say nothing about a clock and do not belong here.
    pub fn observe(&mut self, event_ms: i64, arrival_ms: i64) {
        let delay_ms = delay_ms(event_ms, arrival_ms);
        self.delays_ms[usize::from(self.next)] = delay_ms;
        self.arrivals_ms[usize::from(self.next)] = arrival_ms as u32;
        self.next = (self.next + 1) % MESSAGES as u8;
        self.count = (self.count + 1).min(MESSAGES as u8);
        if let Some(offset_ms) = self.steady() {
            self.offset_ms = Some(offset_ms);
        } else if self.offset_ms.is_some_and(|offset_ms| offset_ms.saturating_sub(delay_ms) > SPREAD_MAX_MS) {
            self.offset_ms = None;
        }
    }

    /// Returns the minimum delay of the newest messages that agree, if they are enough and come at the pace of their
    /// event times.
    fn steady(&self) -> Option<i64> {
        let newest_ms = self.arrivals_ms[self.slot(0)];
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        let (mut agreeing, mut span_ms) = (0, 0);
        for back in 0..usize::from(self.count) {
            let slot = self.slot(back);
            let (lower, upper) = (least.min(self.delays_ms[slot]), most.max(self.delays_ms[slot]));
            if upper.saturating_sub(lower) > SPREAD_MAX_MS {
                break;
            }
            (least, most) = (lower, upper);
            agreeing += 1;
            // Messages of one device may be handed over by several threads a moment out of order: take those together.
            span_ms = age_ms(0, i64::from(newest_ms.wrapping_sub(self.arrivals_ms[slot]) as i32));
        }
        let is_at_pace = most.saturating_sub(least).saturating_mul(2) < span_ms;
        (agreeing >= MESSAGES_MIN && is_at_pace).then_some(least)
    }

    /// Returns where the message stands that came `back` messages before the newest.
    fn slot(&self, back: usize) -> usize {
        (usize::from(self.next) + 2 * MESSAGES - 1 - back) % MESSAGES
    }

    /// Returns what is known about the clock.
    pub fn verdict(&self) -> ClockVerdict {
        match self.offset_ms {
            None => ClockVerdict::Unknown,
            Some(offset_ms) if (-AHEAD_MAX_MS..=BEHIND_MAX_MS).contains(&offset_ms) => {
                ClockVerdict::Steady(offset_ms)
            }
            Some(offset_ms) => ClockVerdict::Wrong(offset_ms),
        }
    }

    /// Returns the offset that lateness is judged by, in milliseconds; `None` when it is unknown or beyond the limits.
    pub fn usable_ms(&self) -> Option<i64> {
        match self.verdict() {
            ClockVerdict::Steady(offset_ms) => Some(offset_ms),
            ClockVerdict::Unknown | ClockVerdict::Wrong(_) => None,
        }
    }

    /// Returns the offset however large it is, in milliseconds, for people to see.
    pub fn measured_ms(&self) -> Option<i64> {
        self.offset_ms
    }
}
