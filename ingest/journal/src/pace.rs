//! How close to each other commits are. One by one, thousands a second of a few messages each, they would keep the disk and,
//! by their wake-ups, the processors busy that an alert waits for.
use std::time::{Duration, Instant};

/// Distance from commit to commit of what devices send, unless as many records are there as there usually are. Alerts and
/// what people do do not wait for it, nor does the first record after a pause.
const SPACING: Duration = Duration::from_micros(500);

/// The same while the journal is busy: then everybody waits for the processors, and each commit wakes a dozen threads.
const SPACING_BUSY: Duration = Duration::from_millis(2);

/// Records in a millisecond beyond which the journal is busy.
const BUSY_PER_MS: f32 = 20.0;

/// Batches over which the rate of records is averaged.
const RATE_BATCHES: f32 = 16.0;

/// How what is usual shrinks from batch to batch: to half in 44 of them, 20 ms of single devices' messages. Already the next
/// batch needs one record less: to wait for the slowest of ten clients made them a sixth slower.
const USUAL_DECAY: f32 = 63.0 / 64.0;

/// So many records are worth a commit in any case.
const ENOUGH: u32 = 256;

/// What was usual of late.
#[derive(Debug)]
pub(crate) struct Pace {
    took_at: Instant,
    /// Records of the largest batches: of as many clients as wait for their PUBACK, say.
    usual: f32,
    per_ms: f32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { took_at: now, usual: 0.0, per_ms: 0.0 }
    }

    /// Notes that a batch of `count` records was taken.
    pub(crate) fn took(&mut self, count: u32, now: Instant) {
        // Two batches at once do not make a busy journal.
        let elapsed_ms = ((now - self.took_at).as_secs_f32() * 1e3).max(0.1);
        self.took_at = now;
        self.usual = (self.usual * USUAL_DECAY).max(count as f32);
        self.per_ms += (count as f32 / elapsed_ms - self.per_ms) / RATE_BATCHES;
    }

    /// Returns how many records need not wait for more.
    pub(crate) fn enough(&self) -> u32 {
        (self.usual as u32).min(ENOUGH)
    }

    /// Returns for how long fewer may still gather.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        let spacing = if self.is_busy() { SPACING_BUSY } else { SPACING };
        spacing.saturating_sub(now - self.took_at)
    }

    /// Reports whether records come so fast that one does better with a batch at a time than with each.
    pub(crate) fn is_busy(&self) -> bool {
        self.per_ms > BUSY_PER_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROS: Duration = Duration::from_micros(1);

    #[test]
    fn a_busy_journal_lets_more_gather_and_a_quiet_one_forgets_that_it_was_busy() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let mut commits = |pace: &mut Pace, count, distance| {
            for _ in 0..100 {
                now += distance;
                pace.took(count, now);
            }
            (pace.enough(), pace.left(now + 100 * MICROS), pace.is_busy())
        };
        assert_eq!(commits(&mut pace, 5, 500 * MICROS), (5, 400 * MICROS, false), "10 in a millisecond");
        assert_eq!(commits(&mut pace, 40, 500 * MICROS), (40, 1_900 * MICROS, true), "80 in a millisecond");
        assert_eq!(commits(&mut pace, 5_000, 500 * MICROS), (ENOUGH, 1_900 * MICROS, true));
        let (_, left, is_busy) = commits(&mut pace, 1, 1_000 * MICROS);
        assert_eq!((left, is_busy), (400 * MICROS, false));
    }

    #[test]
    fn a_single_burst_makes_no_busy_journal_and_nothing_waits_after_a_pause() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.took(30, start + 5_000 * MICROS);
        pace.took(20, start + 5_010 * MICROS);
        assert!(!pace.is_busy());
        assert_eq!(pace.left(start + 5_600 * MICROS), Duration::ZERO);
    }
}
