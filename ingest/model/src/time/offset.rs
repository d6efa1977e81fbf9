//! The steady offset of one device's clock, from the delays of its messages.
use super::{
    AHEAD_MAX_MS, BEHIND_MAX_MS, LATE_AFTER_MS,
    adrift::{Late, is_adrift},
    age_ms,
    cut::Cut,
    delay_ms, is_late,
    set_back::DeviceProgress,
};
use std::ops::RangeInclusive;

/// Messages that an offset is measured from.
const MESSAGES: usize = 20;
/// Messages that agree before there is an offset.
const MESSAGES_MIN: usize = 3;
/// How far the delays of these messages may lie apart, in milliseconds.
const SPREAD_MAX_MS: i64 = 30_000;
/// Time that the messages take at least which show that a clock was set back, in milliseconds: a back-fill is a burst.
const SET_BACK_SPAN_MS: i64 = 1_000;
/// From so many messages on, some of them may have come in a clump.
const MANY: usize = 10;

/// How long a message stands for those before it, in milliseconds.
const ANCHOR_MS: u32 = 60_000;

/// What the delays of a device's messages say about its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// Too few messages, or delays that do not agree.
    Unknown,
    /// This offset in milliseconds, small enough to be subtracted.
    Steady(i64),
    /// This offset in milliseconds, more than 15 minutes behind or 5 ahead: somebody must set the clock.
    Wrong(i64),
    /// Its times do not move with ours, and all of them are late; the smallest delay in milliseconds. Somebody must mend it.
    Adrift(i64),
}

/// What a device's clock is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standard {
    /// Arrival minus event of a right clock, in milliseconds: 0, unless our own clock is wrong, see
    /// [`super::agreed_offset`].
    pub agreed_ms: i64,
    /// How old a reading may be before it is late, in milliseconds.
    pub late_after_ms: i64,
}

impl Default for Standard {
    fn default() -> Self {
        Self { agreed_ms: 0, late_after_ms: LATE_AFTER_MS }
    }
}

impl Standard {
    /// Returns the offset that a device is judged by of which none may be subtracted: that of a right clock, or that of ours
    /// where this makes less late.
    pub fn presumed_ms(&self) -> i64 {
        self.agreed_ms.max(0)
    }

    /// Reports whether an offset may be subtracted: it is within the limits by our clock, or by what most devices agree on.
    /// Never by less than our clock alone: when in doubt a reading raises its alert.
    pub fn allows(&self, offset_ms: i64) -> bool {
        let limits = -AHEAD_MAX_MS..=BEHIND_MAX_MS;
        limits.contains(&offset_ms) || limits.contains(&offset_ms.saturating_sub(self.agreed_ms))
    }
}

/// Measures the offset of one device's clock: the minimum of arrival minus event over its last 20 messages, as long as
/// they spread by at most 30 s.
///
/// A message cannot arrive before it was made, so the smallest delay is nearest to the offset; what exceeds it is travel.
/// Delays of a back-fill spread: its event times run faster than their arrivals. Of a repetition they do too, in the other
/// direction. So delays only count as steady when they differ by less than half of the time in which they came; this
/// tells even a burst of back-fill within a second from a device that is simply behind.
///
/// Of a device that cuts its times to whole minutes or the like, delays spread by as much more, and the first message of each
/// time tells the offset.
///
/// An offset once found stays until another one is, or until a message comes that is too early for it: a back-fill after an
/// outage says nothing about a clock.
///
/// It also notices when the clock is set back: three or more messages in a row are older than the newest before them, and
/// come at the pace of their times. See [`ClockOffset::observe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockOffset {
    delays_ms: [i64; MESSAGES],
    /// Arrivals of the same messages, modulo 2^32 ms (49 days).
    arrivals_ms: [u32; MESSAGES],
    /// Where the next message goes.
    next: u8,
    count: u8,
    /// Delay and arrival of a message up to a minute before: of devices that report quickly, all others are of one moment.
    anchor: Option<(i64, u32)>,
    offset_ms: Option<i64>,
    progress: DeviceProgress,
    cut: Cut,
}

impl Default for ClockOffset {
    fn default() -> Self {
        Self {
            delays_ms: [0; MESSAGES],
            arrivals_ms: [0; MESSAGES],
            next: 0,
            count: 0,
            anchor: None,
            offset_ms: None,
            progress: DeviceProgress::default(),
            cut: Cut::default(),
        }
    }
}

/// The newest messages whose delays agree.
#[derive(Debug, Clone, Copy)]
struct Agreeing {
    count: usize,
    least_ms: i64,
    most_ms: i64,
    /// Time in which they came.
    span_ms: i64,
    /// How far before the arrival of the newest one the oldest of their times lies, clamped to arrival.
    reach_ms: i64,
    /// From each to the next, the clock ran no more than twice as fast as ours, and not back.
    is_even: bool,
}

impl Agreeing {
    const NONE: Self = Self {
        count: 0,
        least_ms: i64::MAX,
        most_ms: i64::MIN,
        span_ms: 0,
        reach_ms: i64::MIN,
        is_even: true,
    };

    /// Reports whether they are enough, and come at the pace of their event times.
    fn is_steady(&self) -> bool {
        let spread_ms = self.most_ms.saturating_sub(self.least_ms);
        self.count >= MESSAGES_MIN && spread_ms.saturating_mul(2) < self.span_ms
    }

    /// Reports whether they show that a clock goes on elsewhere: a back-fill may hold some messages that stalls of the
    /// network make look steady, so few of them must each be.
    fn is_of_a_clock(&self) -> bool {
        self.is_steady() && self.span_ms >= SET_BACK_SPAN_MS && (self.is_even || self.count >= MANY)
    }
}

impl ClockOffset {
    /// Takes up what was known before a restart, until messages say otherwise.
    pub fn resume(&mut self, offset_ms: i64) {
        self.offset_ms = Some(offset_ms);
    }

    /// Takes up the newest times that are known from before a restart.
    pub fn resume_newest(&mut self, event_ms: i64, arrival_ms: i64) {
        self.progress.take(event_ms, arrival_ms);
        self.progress.interrupt();
    }

    /// Follows a jump of our own clock by `jump_ms`, forward being positive: all offsets change by it at once.
    pub fn shift(&mut self, jump_ms: i64) {
        self.offset_ms = self.offset_ms.map(|offset_ms| offset_ms.saturating_add(jump_ms));
        self.progress.shift(jump_ms);
        self.cut.interrupt();
        self.anchor = None;
        self.count = 0;
    }

    /// Takes a message whose newest reading has this event time. Messages without a time of their own say nothing about a
    /// clock and do not belong here.
    ///
    /// Returns by how much the clock was set back, in milliseconds, when this message is the one that shows it: what came
    /// before, moved back by as much, lies before all that came since. The offset is that of the clock as it goes now.
    pub fn observe(&mut self, event_ms: i64, arrival_ms: i64) -> Option<i64> {
        self.note(event_ms, arrival_ms);
        self.progress.take(event_ms, arrival_ms);
        let set_back_ms = self.set_back(arrival_ms);
        self.conclude(set_back_ms, event_ms, arrival_ms);
        set_back_ms
    }

    /// Takes a message as [`ClockOffset::observe`] does, but leaves it to whoever journaled it whether the clock was set
    /// back with it.
    pub fn follow(&mut self, event_ms: i64, arrival_ms: i64, set_back_ms: Option<i64>) {
        self.note(event_ms, arrival_ms);
        self.progress.take(event_ms, arrival_ms);
        self.conclude(set_back_ms, event_ms, arrival_ms);
    }

    /// Takes a time that was refused: it says something about the clock, and nothing about the order of what is kept.
    pub fn observe_refused(&mut self, event_ms: i64, arrival_ms: i64) {
        self.note(event_ms, arrival_ms);
        self.progress.interrupt();
        self.cut.interrupt();
        self.measure(None);
    }

    /// Returns the times that the clock has written since it was set back by `by_ms`, as a message shows whose newest time is
    /// `event_ms`; to be asked before that message is taken. Others that came meanwhile are as old as what came before.
    pub fn since(&self, by_ms: i64, event_ms: i64) -> RangeInclusive<i64> {
        let before = self.progress.newest().map(|newest| newest.placed_ms.saturating_sub(by_ms));
        before.map_or(i64::MIN, |before_ms| before_ms.saturating_add(1))..=event_ms
    }

    /// Reports whether the message taken last is older than the newest one.
    pub fn is_behind(&self) -> bool {
        self.progress.behind() > 0
    }

    fn note(&mut self, event_ms: i64, arrival_ms: i64) {
        self.delays_ms[usize::from(self.next)] = delay_ms(event_ms, arrival_ms);
        self.arrivals_ms[usize::from(self.next)] = arrival_ms as u32;
        self.next = (self.next + 1) % MESSAGES as u8;
        self.count = (self.count + 1).min(MESSAGES as u8);
        let is_recent = |(_, then_ms): (i64, u32)| (arrival_ms as u32).wrapping_sub(then_ms) < ANCHOR_MS;
        if !self.anchor.is_some_and(is_recent) {
            self.anchor = Some((delay_ms(event_ms, arrival_ms), arrival_ms as u32));
        }
    }

    fn conclude(&mut self, set_back_ms: Option<i64>, event_ms: i64, arrival_ms: i64) {
        let tooth_ms = self.cut.take(event_ms, arrival_ms);
        match set_back_ms {
            Some(by_ms) => self.begin_anew(by_ms, event_ms, arrival_ms),
            None => self.measure(tooth_ms),
        }
    }

    /// Takes up the offset that the last messages show; `tooth_ms` is that of the first messages of times that are cut.
    fn measure(&mut self, tooth_ms: Option<i64>) {
        let delay_ms = self.delays_ms[self.slot(0)];
        if self.is_undecided(delay_ms) {
            return;
        }
        let agreeing = self.agreeing(usize::from(self.count), |_| false);
        let is_too_early = |offset_ms: i64| offset_ms.saturating_sub(delay_ms) > self.spread_max_ms();
        if agreeing.is_steady() {
            self.offset_ms = Some(agreeing.least_ms);
        } else if tooth_ms.is_some() {
            self.offset_ms = tooth_ms;
        } else if self.offset_ms.is_some_and(is_too_early) {
            self.offset_ms = None;
        }
    }

    /// Returns how far delays may lie apart, in milliseconds.
    fn spread_max_ms(&self) -> i64 {
        SPREAD_MAX_MS + self.cut.unit_ms()
    }

    /// Reports whether the last messages, of which the newest has this delay, may be the first after a step, or some of a
    /// back-fill: either way the order that they are judged in is still the one before, and so is the offset.
    fn is_undecided(&self, delay_ms: i64) -> bool {
        let behind = self.progress.behind();
        let newest = self.progress.newest().filter(|_| behind > 0);
        newest.is_some_and(|newest| self.stood_elsewhere(behind, newest.delay_ms(), delay_ms))
    }

    /// Returns by how much the clock was set back, if the messages that are behind the newest one show it. The last of them
    /// arrived at `arrival_ms`.
    fn set_back(&self, arrival_ms: i64) -> Option<i64> {
        let (newest, behind) = (self.progress.newest()?, self.progress.behind());
        if behind < MESSAGES_MIN {
            return None;
        }
        let since = self.agreeing(behind, Agreeing::is_of_a_clock);
        if !since.is_of_a_clock() || !self.stood_elsewhere(behind, newest.delay_ms(), since.least_ms) {
            return None;
        }
        let before_ms = self.offset_ms.unwrap_or(newest.delay_ms()).max(0);
        let first_ms = arrival_ms.saturating_sub(since.reach_ms);
        let overlap_ms = newest.placed_ms.saturating_sub(first_ms).saturating_add(1);
        Some(since.least_ms.max(0).saturating_sub(before_ms).max(overlap_ms))
    }

    /// Reports whether most of the messages right before the last `behind` ones, as far as there were any, are nearer to the
    /// delay of the newest than to the delay since: where two clocks write for one device, the newest is no step.
    fn stood_elsewhere(&self, behind: usize, before_ms: i64, since_ms: i64) -> bool {
        let is_forgotten = usize::from(self.count) == MESSAGES && behind + MESSAGES_MIN > MESSAGES;
        if is_forgotten {
            return false;
        }
        let before = behind..usize::from(self.count).min(behind + MESSAGES_MIN);
        let known = before.len();
        let is_near = |back: &usize| {
            let delay_ms = self.delays_ms[self.slot(*back)];
            delay_ms.saturating_sub(before_ms) < since_ms.saturating_sub(delay_ms)
        };
        before.filter(is_near).count() * 2 >= known
    }

    /// Forgets what was before the clock was set back by `by_ms`.
    fn begin_anew(&mut self, by_ms: i64, event_ms: i64, arrival_ms: i64) {
        let since = self.agreeing(self.progress.behind().max(1), Agreeing::is_of_a_clock);
        self.count = since.count as u8;
        self.offset_ms = match self.offset_ms {
            _ if since.count >= MESSAGES_MIN => Some(since.least_ms),
            // Whoever decided it knew more messages.
            before_ms => before_ms.map(|before_ms| before_ms.saturating_add(by_ms)),
        };
        self.progress = DeviceProgress::default();
        self.progress.take(event_ms, arrival_ms);
    }

    /// Returns the newest messages whose delays agree, of the last `among`: all of them, or as few as are enough.
    fn agreeing(&self, among: usize, are_enough: impl Fn(&Agreeing) -> bool) -> Agreeing {
        let newest_ms = self.arrivals_ms[self.slot(0)];
        let mut found = Agreeing::NONE;
        let mut later: Option<(i64, i64)> = None;
        for back in 0..among.min(usize::from(self.count)) {
            let slot = self.slot(back);
            let delay_ms = self.delays_ms[slot];
            let ago_ms = i64::from(newest_ms.wrapping_sub(self.arrivals_ms[slot]) as i32);
            let (least_ms, most_ms) = (found.least_ms.min(delay_ms), found.most_ms.max(delay_ms));
            if most_ms.saturating_sub(least_ms) > self.spread_max_ms() {
                break;
            }
            let is_even = later.is_none_or(|(later_ms, later_ago_ms)| {
                later_ms.saturating_sub(delay_ms).saturating_abs() <= ago_ms - later_ago_ms
            });
            later = Some((delay_ms, ago_ms));
            found = Agreeing {
                count: found.count + 1,
                least_ms,
                most_ms,
                // Messages of one device may be handed over by several threads a moment out of order: take those together.
                span_ms: age_ms(0, ago_ms),
                reach_ms: found.reach_ms.max(delay_ms.max(0).saturating_add(ago_ms)),
                is_even: found.is_even && is_even,
            };
            if are_enough(&found) {
                break;
            }
        }
        found
    }

    /// Returns where the message stands that came `back` messages before the newest.
    fn slot(&self, back: usize) -> usize {
        (usize::from(self.next) + 2 * MESSAGES - 1 - back) % MESSAGES
    }

    /// Returns what is known about the clock.
    pub fn verdict(&self, standard: &Standard) -> ClockVerdict {
        match (self.adrift_ms(standard), self.offset_ms) {
            (Some(least_ms), _) => ClockVerdict::Adrift(least_ms),
            (None, None) => ClockVerdict::Unknown,
            (None, Some(offset_ms)) if standard.allows(offset_ms) => ClockVerdict::Steady(offset_ms),
            (None, Some(offset_ms)) => ClockVerdict::Wrong(offset_ms),
        }
    }

    /// Returns the offset that lateness is judged by, in milliseconds; `None` when it is unknown or beyond the limits.
    pub fn usable_by(&self, standard: &Standard) -> Option<i64> {
        self.offset_ms.filter(|offset_ms| standard.allows(*offset_ms))
    }

    /// As [`ClockOffset::usable_by`] while our own clock is right.
    pub fn usable_ms(&self) -> Option<i64> {
        self.usable_by(&Standard::default())
    }

    /// Returns the smallest delay of the last messages, in milliseconds, if all of them were late, agree on no offset, and are
    /// none of a back-fill.
    fn adrift_ms(&self, standard: &Standard) -> Option<i64> {
        let count = usize::from(self.count);
        let offset_ms = Some(self.usable_by(standard).unwrap_or_else(|| standard.presumed_ms()));
        let is_late = |delay_ms: i64| is_late(0, delay_ms, offset_ms, standard.late_after_ms);
        let delays = || (0..count).map(|back| self.delays_ms[self.slot(back)]);
        if !delays().all(is_late) || self.agreeing(count, |_| false).is_steady() {
            return None;
        }
        let newest_ms = self.arrivals_ms[self.slot(0)];
        let late = |delay_ms: i64, arrival_ms: u32| {
            let arrival_ms = i64::from(arrival_ms.wrapping_sub(newest_ms) as i32);
            Late { arrival_ms, event_ms: arrival_ms.saturating_sub(delay_ms) }
        };
        let slots = (0..count).rev().map(|back| self.slot(back));
        let mut messages: Vec<_> =
            slots.map(|slot| late(self.delays_ms[slot], self.arrivals_ms[slot])).collect();
        let is_all = count == MESSAGES;
        let anchor = self.anchor.filter(|(delay_ms, _)| is_all && is_late(*delay_ms));
        let anchor = anchor.map(|(delay_ms, arrival_ms)| late(delay_ms, arrival_ms));
        if let Some(anchor) = anchor.filter(|anchor| anchor.arrival_ms < messages[0].arrival_ms) {
            messages.insert(0, anchor);
        }
        delays().min().filter(|_| is_adrift(&messages, is_all))
    }

    /// Returns the offset however large it is, in milliseconds, for people to see.
    pub fn measured_ms(&self) -> Option<i64> {
        self.offset_ms
    }
}
