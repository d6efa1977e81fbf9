//! Times for messages that carry none, and the memory that finds their repeats.
//!
//! Such a message gets its time of arrival, moved forward so that no two of a device share one. A broker
//! or device that is unsure sends a message again; when it has a `seq`, the same `seq` with the same bytes
//! gets the same time again, so that history sees a duplicate. The bytes are compared too because a device
//! that restarted counts from the beginning.
//!
//! The memory is of this process: after a restart of ours a repeat is taken as new, so delivery without `ts`
//! is at least once.
use ioc_model::DeviceIndex;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Messages remembered per device: more than a device has in flight.
pub const SEQUENCE_MEMORY: usize = 32;
/// Locks, so that connections seldom wait for each other. A power of two.
const SHARDS: usize = 64;

/// What identifies a message without `ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeatable {
    pub(super) seq: u64,
    /// A hash of the message's bytes.
    pub(super) digest: u64,
}

/// A device sends so much without `ts` that its times ran too far ahead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RanAhead;

#[derive(Debug)]
pub(super) struct SequenceMemory {
    shards: Box<[Mutex<HashMap<DeviceIndex, Memory>>]>,
    ahead_max_ms: i64,
}

#[derive(Debug)]
struct Memory {
    last_ts_ms: i64,
    last_arrival_ms: i64,
    /// A ring; `next` is the oldest.
    seen: Vec<(Repeatable, i64)>,
    next: usize,
}

impl SequenceMemory {
    /// Times may run ahead of arrival by `ahead_max_ms`.
    pub(super) fn new(ahead_max_ms: i64) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), ahead_max_ms }
    }

    /// Returns the time of a message that carries none: that of its first delivery, or a new one.
    ///
    /// Errors: [`RanAhead`].
    pub(super) fn assign(
        &self,
        device: DeviceIndex,
        arrival_ms: i64,
        identity: Option<Repeatable>,
    ) -> Result<i64, RanAhead> {
        let shard = &self.shards[device.0 as usize % SHARDS];
        // A map of plain numbers is usable whatever interrupted its change.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = shard.entry(device).or_insert_with(|| Memory::new(arrival_ms));
        if let Some(identity) = identity
            && let Some((_, ts_ms)) = memory.seen.iter().find(|(seen, _)| *seen == identity)
        {
            return Ok(*ts_ms);
        }
        let ts_ms = memory.next_ts(arrival_ms, self.ahead_max_ms)?;
        if let Some(identity) = identity {
            memory.remember(identity, ts_ms);
        }
        Ok(ts_ms)
    }
}

impl Memory {
    fn new(arrival_ms: i64) -> Self {
        Self {
            last_ts_ms: arrival_ms.saturating_sub(1),
            last_arrival_ms: arrival_ms,
            seen: Vec::new(),
            next: 0,
        }
    }

    fn next_ts(&mut self, arrival_ms: i64, ahead_max_ms: i64) -> Result<i64, RanAhead> {
        let clock_went_back = arrival_ms < self.last_arrival_ms.saturating_sub(ahead_max_ms);
        self.last_arrival_ms = arrival_ms;
        let next = self.last_ts_ms.saturating_add(1);
        let ts_ms = if clock_went_back { arrival_ms } else { next.max(arrival_ms) };
        if ts_ms > arrival_ms.saturating_add(ahead_max_ms) {
            return Err(RanAhead);
        }
        self.last_ts_ms = ts_ms;
        Ok(ts_ms)
    }

    fn remember(&mut self, identity: Repeatable, ts_ms: i64) {
        if self.seen.len() < SEQUENCE_MEMORY {
            self.seen.push((identity, ts_ms));
        } else {
            self.seen[self.next] = (identity, ts_ms);
            self.next = (self.next + 1) % SEQUENCE_MEMORY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceIndex = DeviceIndex(7);

    fn identity(seq: u64) -> Option<Repeatable> {
        Some(Repeatable { seq, digest: 1 })
    }

    #[test]
    fn times_increase_strictly_per_device() {
        let memory = SequenceMemory::new(1000);
        let times: Vec<_> = [100, 100, 99, 100, 200].map(|at| memory.assign(DEVICE, at, None)).into();
        assert_eq!(times, [Ok(100), Ok(101), Ok(102), Ok(103), Ok(200)]);
        assert_eq!(memory.assign(DeviceIndex(7 + SHARDS as u32), 100, None), Ok(100), "another device");
    }

    #[test]
    fn a_repeat_gets_the_time_of_its_first_delivery() {
        let memory = SequenceMemory::new(1000);
        assert_eq!(memory.assign(DEVICE, 100, identity(1)), Ok(100));
        assert_eq!(memory.assign(DEVICE, 150, identity(2)), Ok(150));
        assert_eq!(memory.assign(DEVICE, 900, identity(1)), Ok(100));
        let restarted = Some(Repeatable { seq: 1, digest: 2 });
        assert_eq!(memory.assign(DEVICE, 901, restarted), Ok(901), "other bytes are another message");
    }

    #[test]
    fn the_memory_is_bounded() {
        let memory = SequenceMemory::new(1000);
        for seq in 0..1000 {
            memory.assign(DEVICE, 10_000 + seq as i64, identity(seq)).unwrap();
        }
        let newest = memory.assign(DEVICE, 20_000, identity(1000 - SEQUENCE_MEMORY as u64));
        assert_eq!(newest, Ok(10_000 + 1000 - SEQUENCE_MEMORY as i64));
        let forgotten = memory.assign(DEVICE, 20_000, identity(999 - SEQUENCE_MEMORY as u64));
        assert_eq!(forgotten, Ok(20_000));
        let shard = memory.shards[7].lock().unwrap();
        assert_eq!(shard[&DEVICE].seen.len(), SEQUENCE_MEMORY);
    }

    #[test]
    fn times_do_not_run_away() {
        let memory = SequenceMemory::new(10);
        for n in 0..=10 {
            assert_eq!(memory.assign(DEVICE, 100, None), Ok(100 + n));
        }
        assert_eq!(memory.assign(DEVICE, 100, None), Err(RanAhead));
        assert_eq!(memory.assign(DEVICE, 101, None), Ok(111));
        assert_eq!(memory.assign(DEVICE, 50, None), Ok(50), "our clock was set back");
    }
}
