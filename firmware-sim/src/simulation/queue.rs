//! What is due next, in order of time.
use super::Event;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Something to be done at a time.
#[derive(Debug)]
pub(super) enum Task {
    /// A device reports, as it does every period.
    Report(usize),
    /// A device tells at once.
    Tell(usize),
    /// A bay may change.
    Bay(usize),
    /// An incident of the scenario's list starts.
    Start(usize),
    /// An incident by chance starts.
    Random,
    /// A running incident ends.
    End(u64),
    /// A device sends what it kept.
    Flush(usize),
    /// A connection is cut.
    Cut(usize),
    /// A connection comes back.
    Restore(usize),
    /// A message is sent a second time.
    Again(Box<Event>),
}

/// Tasks by time; those of one instant in the order they were put in, so that runs agree.
///
/// Bounded by the fleet and the incidents at work: each device and connection has a fixed number of tasks.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Due>>,
    pushed: u64,
}

struct Due {
    at_ms: i64,
    order: u64,
    task: Task,
}

impl Queue {
    pub(super) fn push(&mut self, at_ms: i64, task: Task) {
        self.pushed += 1;
        self.heap.push(Reverse(Due { at_ms, order: self.pushed, task }));
    }

    /// Takes the next task if it is due before `end_ms`.
    pub(super) fn pop_before(&mut self, end_ms: i64) -> Option<(i64, Task)> {
        if self.heap.peek()?.0.at_ms >= end_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| (due.at_ms, due.task))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.order) == (other.at_ms, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}
