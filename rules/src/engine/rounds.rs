//! When rules of the whole city are evaluated together.

/// Shortest time between two evaluations of a rule of the whole city, by the inputs' time; what changes in
/// between waits for the next input, or the next tick.
pub(crate) const ROUND_MS_MIN: i64 = 100;

/// When rules of the whole city were last evaluated, and which have to be.
pub(crate) struct FleetClock {
    touched: Vec<bool>,
    list: Vec<usize>,
    last_ms: Vec<i64>,
    /// No rule of the list is due before.
    next_ms: i64,
}

impl FleetClock {
    pub(crate) fn new(rules: usize) -> Self {
        Self {
            touched: vec![false; rules],
            list: Vec::new(),
            last_ms: vec![i64::MIN / 2; rules],
            next_ms: i64::MAX,
        }
    }

    pub(crate) fn mark_dirty(&mut self, rules: &[usize]) {
        for rule in rules {
            if !std::mem::replace(&mut self.touched[*rule], true) {
                self.list.push(*rule);
                self.next_ms = self.next_ms.min(self.last_ms[*rule] + ROUND_MS_MIN);
            }
        }
    }

    /// Returns the touched rules whose time has come, and takes them off the list.
    pub(crate) fn due(&mut self, now_ms: i64) -> Option<Vec<usize>> {
        if now_ms < self.next_ms {
            return None;
        }
        let (due, rest): (Vec<_>, Vec<_>) =
            self.list.drain(..).partition(|rule| now_ms >= self.last_ms[*rule] + ROUND_MS_MIN);
        for rule in &due {
            self.touched[*rule] = false;
            self.last_ms[*rule] = now_ms;
        }
        self.next_ms = rest.iter().map(|rule| self.last_ms[*rule] + ROUND_MS_MIN).min().unwrap_or(i64::MAX);
        self.list = rest;
        (!due.is_empty()).then_some(due)
    }

    /// A tick evaluates all.
    pub(crate) fn ticked(&mut self, now_ms: i64) {
        self.touched.fill(false);
        self.list.clear();
        self.last_ms.fill(now_ms);
        self.next_ms = i64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_rule_is_due_at_once_and_then_once_in_a_while() {
        let mut clock = FleetClock::new(2);
        clock.mark_dirty(&[0]);
        assert_eq!(clock.due(1_000), Some(vec![0]));
        assert_eq!(clock.due(1_000), None, "nothing arrived since");
        clock.mark_dirty(&[0, 1]);
        assert_eq!(clock.due(1_050), Some(vec![1]), "the other one was evaluated 50 ms ago");
        assert_eq!(clock.due(1_100), Some(vec![0]));
        clock.mark_dirty(&[0, 1]);
        clock.ticked(1_120);
        assert_eq!(clock.due(1_500), None, "the tick evaluated all");
    }
}
