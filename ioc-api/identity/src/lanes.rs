//! How fast sign-ins of one kind are tried: a lane is a queue by arithmetic, and a table of lanes takes the same memory
//! whoever asks.
use ioc_model::share::{Exceeded, Rate};
use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

/// Tries that were not followed by a right password are forgotten after this long without another.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// The tries in one lane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lane {
    /// See [`Rate`].
    state: u64,
    /// Tries that were not followed by a right password: wrong ones, and those under way.
    tries: u32,
    /// Tries among these that were wrong.
    wrong: u32,
}

/// How a lane flows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    /// Units are seconds of waiting.
    pub(super) rate: Rate,
    /// Each fourfold number of tries costs another unit.
    pub(super) grows: bool,
}

/// What a try took from a lane, to be given back when its password is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost(u64);

impl Lane {
    /// Returns how many tries count.
    pub(super) fn tries(&self, now_ns: u64) -> u32 {
        if self.is_over(now_ns) { 0 } else { self.tries }
    }

    /// Reports whether passwords were wrong here.
    pub(super) fn saw_wrong(&self, now_ns: u64) -> bool {
        self.wrong > 0 && !self.is_over(now_ns)
    }

    fn is_over(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.state) > FORGET.as_nanos() as u64
    }

    /// Takes the next turn. Returns how long to wait for it and what it cost.
    ///
    /// Errors: [`Exceeded`] when it lies beyond `patience`.
    pub(super) fn take(
        &mut self,
        flow: Flow,
        now_ns: u64,
        patience: Duration,
    ) -> Result<(Duration, Cost), Exceeded> {
        if self.is_over(now_ns) {
            (self.tries, self.wrong) = (0, 0);
        }
        let units = if flow.grows { 1 + u64::from(self.tries.max(1).ilog(4)) } else { 1 };
        let (state, wait) = flow.rate.reserve(self.state, units, now_ns, patience)?;
        (self.state, self.tries) = (state, self.tries.saturating_add(1));
        Ok((wait, Cost(units)))
    }

    /// Gives back what a right password took, and what was never tried.
    pub(super) fn give_back(&mut self, flow: Flow, Cost(units): Cost) {
        self.state = flow.rate.give_back(self.state, units);
        self.tries = self.tries.saturating_sub(1);
    }

    /// Notes that a password was wrong.
    pub(super) fn note_wrong(&mut self) {
        self.wrong = self.wrong.saturating_add(1);
    }
}

/// Lanes by key. Keys share a lane when their hashes collide, which nobody can arrange without knowing the hasher's
/// random key; in exchange no flood of keys makes the table grow or forget.
pub(super) struct Lanes<S = RandomState> {
    slots: Box<[Lane]>,
    hasher: S,
}

impl Lanes {
    /// Returns `len` empty lanes.
    pub(super) fn new(len: usize) -> Self {
        Self { slots: vec![Lane::default(); len.max(1)].into(), hasher: RandomState::new() }
    }
}

impl<S: BuildHasher> Lanes<S> {
    /// Returns the place of a key.
    pub(super) fn place(&self, key: impl Hash) -> usize {
        (self.hasher.hash_one(key) % self.slots.len() as u64) as usize
    }

    /// Returns the lane at a place.
    pub(super) fn at(&mut self, place: usize) -> &mut Lane {
        let last = self.slots.len() - 1;
        &mut self.slots[place.min(last)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow { rate: Rate::UNLIMITED, grows: true };

    #[test]
    fn tries_cost_more_and_more_and_are_forgotten() {
        let flow = Flow { rate: Rate::new(1, 1000), ..FLOW };
        let mut lane = Lane::default();
        let mut costs = Vec::new();
        for _ in 0..70 {
            costs.push(lane.take(flow, 0, Duration::ZERO).unwrap().1.0);
        }
        assert_eq!((costs[0], costs[3], costs[4], costs[15], costs[16], costs[64]), (1, 1, 2, 2, 3, 4));
        let later = 2 * FORGET.as_nanos() as u64;
        assert_eq!(lane.take(flow, later, Duration::ZERO).unwrap().1.0, 1);
    }

    #[test]
    fn a_right_password_costs_nothing() {
        let flow = Flow { rate: Rate::new(1, 1), ..FLOW };
        let mut lane = Lane::default();
        for now in 0..100 {
            let (wait, cost) = lane.take(flow, now, Duration::ZERO).unwrap();
            assert_eq!(wait, Duration::ZERO);
            lane.give_back(flow, cost);
        }
    }

    #[test]
    fn a_table_is_as_large_as_it_was_made() {
        let mut lanes = Lanes::new(8);
        for key in 0..10_000 {
            let place = lanes.place(key);
            let _ = lanes.at(place).take(FLOW, 0, Duration::ZERO);
        }
        assert_eq!(lanes.slots.len(), 8);
    }
}
