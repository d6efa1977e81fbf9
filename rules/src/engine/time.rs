//! What time it is, by the wall clock and by a clock that never jumps.

/// How far messages may move monotonic time on past the last tick: a wall clock that jumps ends no `for`.
const TICK_GAP_MS_MAX: i64 = 5_000;
/// How far wall clock and monotonic clock may drift apart from tick to tick before it counts as a jump.
const CLOCK_DRIFT_MS_MAX: i64 = 1_000;

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

    pub(crate) fn tick(&mut self, wall_ms: i64, ticks_ms: i64) -> (i64, bool) {
        let passed = match self.ticks_ms {
            Some(before) => (ticks_ms - before).max(0),
            None => (wall_ms - self.base.0).max(0),
        };
        let drift = wall_ms - self.base.0 - passed;
        let jumped = self.ticks_ms.is_some() && drift.abs() > CLOCK_DRIFT_MS_MAX;
        let monotonic = self.advance(wall_ms, self.base.1 + passed);
        self.base = (wall_ms, monotonic);
        self.ticks_ms = Some(ticks_ms);
        (monotonic, jumped)
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
        assert_eq!(time.tick(4_000_500, 77), (4_000_500, false));
        assert_eq!(time.tick(4_001_500, 1_077), (4_001_500, false));
    }

    #[test]
    fn a_wall_clock_that_jumps_moves_monotonic_time_a_little_at_most() {
        let mut time = Time::starting_at(0);
        time.tick(0, 0);
        assert_eq!(time.input(3_600_000), TICK_GAP_MS_MAX);
        assert_eq!(time.tick(3_601_000, 1_000), (TICK_GAP_MS_MAX, true));
        assert_eq!(time.tick(3_607_000, 7_000), (TICK_GAP_MS_MAX + 6_000, false));
        assert_eq!(time.tick(0, 8_000), (TICK_GAP_MS_MAX + 7_000, true), "and backwards");
    }
}
