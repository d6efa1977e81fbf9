//! The last twelve hours of one pollutant of one station, in steps of five minutes.
use super::{RECENT_MAX, STEP_MS, STEPS, STEPS_PER_HOUR};
use std::collections::VecDeque;

/// Sums of readings by step, and the newest readings, to tell repetitions and corrections.
#[derive(Debug)]
pub(super) struct Ring {
    steps: [Step; STEPS],
    recent: VecDeque<RecentReading>,
    /// The largest event time of `recent`: what is newer is no repetition, and most readings are.
    newest_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct RecentReading {
    ts_ms: i64,
    /// The step it was counted in.
    step: i64,
    value: f64,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// Which step this is; a step of an earlier round counts as empty.
    number: i64,
    sum: f64,
    count: u32,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            steps: [Step { number: i64::MIN, sum: 0.0, count: 0 }; STEPS],
            recent: VecDeque::new(),
            newest_ms: i64::MIN,
        }
    }
}

impl Ring {
    /// Takes a reading with its event time and the time it is placed at, unless it is a repetition; another value for
    /// the same instant replaces the first.
    pub(super) fn take(&mut self, ts_ms: i64, placed_ms: i64, value: f64) {
        if ts_ms <= self.newest_ms
            && let Some(known) = self.recent.iter_mut().rev().find(|known| known.ts_ms == ts_ms)
        {
            let (step, change) = (known.step, value - std::mem::replace(&mut known.value, value));
            return self.correct(step, change);
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(RecentReading { ts_ms, step: step_number(placed_ms), value });
        self.newest_ms = self.newest_ms.max(ts_ms);
        self.add(placed_ms, value, 1);
    }

    fn correct(&mut self, number: i64, change: f64) {
        let step = &mut self.steps[place(number)];
        if step.number == number {
            step.sum += change;
        }
    }

    /// Adds `count` readings with this mean.
    pub(super) fn add(&mut self, placed_ms: i64, mean: f64, count: u32) {
        let number = step_number(placed_ms);
        let step = &mut self.steps[place(number)];
        if step.number < number {
            *step = Step { number, sum: 0.0, count: 0 };
        }
        // Older than the ring: its place holds a newer step by now.
        if step.number == number {
            step.sum += mean * f64::from(count);
            step.count = step.count.saturating_add(count);
        }
    }

    /// Returns the mean of the hour that ended `hours_ago` hours before `at_ms`, if enough of it is there.
    pub(super) fn hour(&self, at_ms: i64, hours_ago: usize, completeness: f64) -> Option<f64> {
        let last = step_number(at_ms) - (hours_ago * STEPS_PER_HOUR) as i64;
        let (mut sum, mut count, mut steps) = (0.0, 0.0, 0);
        for number in last - STEPS_PER_HOUR as i64 + 1..=last {
            let step = &self.steps[place(number)];
            if step.number == number && step.count > 0 {
                sum += step.sum;
                count += f64::from(step.count);
                steps += 1;
            }
        }
        let is_complete = steps > 0 && f64::from(steps) >= completeness * STEPS_PER_HOUR as f64;
        is_complete.then(|| sum / count)
    }

    /// Returns how many readings are told apart from repetitions.
    #[cfg(test)]
    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }
}

/// Steps are open at their start and closed at their end.
fn step_number(at_ms: i64) -> i64 {
    at_ms.saturating_sub(1).div_euclid(STEP_MS)
}

fn place(number: i64) -> usize {
    number.rem_euclid(STEPS as i64) as usize
}
