//! How fast a load generator goes.
use std::time::{Duration, Instant};

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the broker answers, with so many publishes unanswered per connection.
    InFlight(usize),
    /// So many publishes per second over all connections, evenly, whatever the broker does.
    PerSecond(u64),
}

/// Tells how many messages of a fixed rate are due.
#[derive(Debug)]
pub struct Due {
    start: Instant,
    per_second: u64,
    taken: u64,
}

impl Due {
    /// Starts now.
    pub fn new(per_second: u64) -> Self {
        Self { start: Instant::now(), per_second, taken: 0 }
    }

    /// Returns how many became due since the last call.
    pub fn take(&mut self) -> u64 {
        let due = (self.start.elapsed().as_secs_f64() * self.per_second as f64) as u64;
        let new = due.saturating_sub(self.taken);
        self.taken = due.max(self.taken);
        new
    }
}

/// The phases of one measurement.
#[derive(Debug, Clone, Copy)]
pub struct Phases {
    /// Load that is not counted.
    pub warm_up: Duration,
    /// Load that is.
    pub measured: Duration,
}
