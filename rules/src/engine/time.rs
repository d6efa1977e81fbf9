//! What time it is, by the wall clock and by a clock that never jumps.

/// How far messages may move monotonic time on past the last tick: a wall clock that jumps ends no `for`.
const TICK_GAP_MS_MAX: i64 = 5_000;
/// How far wall clock and monotonic clock may drift apart from tick to tick before it counts as a jump.
const CLOCK_DRIFT_MS_MAX: i64 = 1_000;
/// Longest jump that is no outage: devices report every ten seconds or less often, so a shorter one makes nobody silent,
/// and one back is soon caught up with.
const OUTAGE_MS_MIN: i64 = 10_000;

/// How the wall clock went from one tick to the next, beside the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jump {
    None,
    /// Too short to matter.
    Short,
    /// Ahead, or time stood still for whoever tells it.
    Long,
    /// It was put back.
    Back {
        by_ms: i64,
    },
}

/// Monotonic time from wall-clock times of inputs and monotonic times of ticks.
///
/// It starts where the wall clock stood at the end of the seeds, and follows the ticks' monotonic clock. Between
/// ticks, and in replay, which has none, it follows the inputs' arrival times, never backwards.
pub(crate) struct Time {
    /// Wall clock and own monotonic time at the last tick, or at the start.
    base: (i64, i64),
    ticks_ms: Option<i64>,
    last: (i64, i64),
}

impl Time {
    pub(crate) fn starting_at(wall_ms: i64) -> Self {
        Self { base: (wall_ms, wall_ms), ticks_ms: None, last: (wall_ms, wall_ms) }
    }

    pub(crate) fn input(&mut self, wall_ms: i64) -> i64 {
        let longest = if self.ticks_ms.is_some() { TICK_GAP_MS_MAX } else { i64::MAX / 4 };
        let since = (wall_ms - self.base.0).clamp(0, longest);
        self.advance(wall_ms, self.base.1 + since)
    }

    /// Reports whether an input is so far from the last tick that one of the clocks must have jumped.
    pub(crate) fn is_far(&self, wall_ms: i64) -> bool {
        self.ticks_ms.is_some() && (wall_ms - self.base.0).abs() > OUTAGE_MS_MIN
    }

    pub(crate) fn tick(&mut self, wall_ms: i64, ticks_ms: i64) -> (i64, Jump) {
        let passed = match self.ticks_ms {
            Some(before) => (ticks_ms - before).max(0),
            None => (wall_ms - self.base.0).max(0),
        };
        let jump = self.jump(wall_ms, passed);
        let monotonic = self.advance(wall_ms, self.base.1 + passed);
        self.base = (wall_ms, monotonic);
        self.ticks_ms = Some(ticks_ms);
        (monotonic, jump)
    }

    fn jump(&self, wall_ms: i64, passed: i64) -> Jump {
        let drift = wall_ms - self.base.0 - passed;
        match drift.abs() {
            by_ms if by_ms <= CLOCK_DRIFT_MS_MAX => Jump::None,
            by_ms if by_ms <= OUTAGE_MS_MIN => Jump::Short,
            by_ms if wall_ms < self.base.0 => Jump::Back { by_ms },
            _ => Jump::Long,
        }
    }

    fn advance(&mut self, wall_ms: i64, monotonic_ms: i64) -> i64 {
        self.last = (wall_ms, self.last.1.max(monotonic_ms));
        self.last.1
    }

    pub(crate) fn last(&self) -> (i64, i64) {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_follows_arrivals_and_never_goes_back() {
        let mut time = Time::starting_at(1_000);
        assert_eq!(time.input(4_000_000), 4_000_000);
        assert_eq!(time.input(3_000_000), 4_000_000);
        assert_eq!(time.tick(4_000_500, 77), (4_000_500, Jump::None));
        assert_eq!(time.tick(4_001_500, 1_077), (4_001_500, Jump::None));
    }

    #[test]
    fn a_wall_clock_that_jumps_moves_monotonic_time_a_little_at_most() {
        let mut time = Time::starting_at(0);
        time.tick(0, 0);
        assert_eq!(time.input(3_600_000), TICK_GAP_MS_MAX);
        assert_eq!(time.tick(3_601_000, 1_000), (TICK_GAP_MS_MAX, Jump::Long));
        assert_eq!(time.tick(3_607_000, 7_000), (TICK_GAP_MS_MAX + 6_000, Jump::None));
        let back = Jump::Back { by_ms: 3_608_000 };
        assert_eq!(time.tick(0, 8_000), (TICK_GAP_MS_MAX + 7_000, back), "and backwards");
    }

    #[test]
    fn only_a_clock_that_shows_an_earlier_time_was_put_back() {
        let mut time = Time::starting_at(0);
        time.tick(0, 0);
        assert_eq!(time.tick(3_000, 1_000).1, Jump::Short);
        assert!(!time.is_far(13_000) && time.is_far(13_001) && time.is_far(-7_001));
        // Whoever tells the time was behind.
        assert_eq!(time.tick(3_500, 31_000).1, Jump::Long);
        assert_eq!(time.tick(33_500, 32_000).1, Jump::Long);
        assert_eq!(time.tick(23_499, 33_000).1, Jump::Back { by_ms: 11_001 });
    }

    #[test]
    fn a_clock_that_was_put_back_while_we_were_down_is_noticed_by_the_first_tick() {
        let mut time = Time::starting_at(3_600_000);
        assert_eq!(time.tick(0, 77).1, Jump::Back { by_ms: 3_600_000 });
        let mut time = Time::starting_at(0);
        assert_eq!(time.tick(3_600_000, 77).1, Jump::None, "a pause is none");
    }
}
