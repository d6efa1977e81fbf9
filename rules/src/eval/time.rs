//! When an evaluation takes place, and which input it goes back to.

/// What decided, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EvalTime {
    /// When it was evaluated, milliseconds since the epoch.
    pub(crate) at_ms: i64,
    /// By a clock that never jumps.
    pub(crate) monotonic_ms: i64,
    /// Journal offset of the last input that is known.
    pub(crate) offset: u64,
    /// When the deciding input was handed to the disk; 0 for timers that know of none.
    pub(crate) committed_ms: i64,
    /// When the deciding input arrived; 0 for timers that know of none.
    pub(crate) arrival_ms: i64,
    /// When our last outage ended, at first our own start: silence counts a while from here.
    pub(crate) grace_from_ms: i64,
}

/// An input that was read: what a decision by time alone goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InputRef {
    /// In the journal.
    offset: u64,
    committed_ms: i64,
    arrival_ms: i64,
}

impl EvalTime {
    /// Returns the input behind the moment; `None` for timers.
    pub(crate) fn input_ref(self) -> Option<InputRef> {
        let Self { offset, committed_ms, arrival_ms, .. } = self;
        (arrival_ms != 0).then_some(InputRef { offset, committed_ms, arrival_ms })
    }

    /// Fills in, for a timer, the last input that was read; it stays without one when none was since our start, or when
    /// the clock was put back behind it.
    pub(crate) fn after(self, last_input: Option<InputRef>) -> Self {
        let known =
            last_input.filter(|last_input| self.arrival_ms == 0 && last_input.committed_ms <= self.at_ms);
        match known {
            Some(InputRef { committed_ms, arrival_ms, .. }) => Self { committed_ms, arrival_ms, ..self },
            None => self,
        }
    }

    /// Returns the event time of what was decided, by the newest sample that was read. Silence is measured when it is
    /// looked at; what it goes back to is the last input.
    pub(crate) fn event_ms(self, newest: Option<i64>) -> i64 {
        let newest = newest.unwrap_or(self.at_ms);
        if self.arrival_ms == 0 { newest } else { newest.min(self.arrival_ms) }
    }
}
