//! Times for messages that carry none, and the memory that finds their repeats.
//!
//! Such a message gets its time of arrival, moved forward so that no two of a device share one. A device that is
//! unsure whether a message arrived sends it again. When it has a `seq`, the same `seq` with the same bytes gets
//! the same time again, so that history sees a duplicate, provided that one of two things speaks for a repeat:
//!
//! - the packet has the DUP flag of MQTT, or
//! - the message is the newest that was accepted from the device, and the first delivery was not long ago.
//!
//! Anything else is a new reading: a device that restarted counts from the beginning, and a bay that is occupied
//! again says so with the same `seq` and bytes as yesterday. When in doubt a message is stored twice rather than
//! thrown away. Nothing compares which `seq` is larger, so a counter may wrap around.
//!
//! What a message is recognised by stands beside it in the journal ([`Receipt`]), and the newest of the journal is
//! remembered at a start, so a repeat after a restart of ours is one, too.
use super::property::hash;
use ioc_model::{DeviceIndex, Receipt, Repeatable};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Messages remembered per device; earlier ones are taken as new when they are repeated.
pub const SEQUENCE_MEMORY: usize = 32;
/// Locks, so that connections seldom wait for each other. A power of two.
const SHARDS: usize = 64;

/// A message as it was delivered.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    topic: &'a str,
    payload: &'a [u8],
    is_dup: bool,
    digest: OnceCell<u64>,
    /// Decided before any part of the message is accepted.
    may_repeat: OnceCell<bool>,
    /// Objects that were given a new time.
    objects: RefCell<VecDeque<(Repeatable, i64)>>,
    /// Anything was given a new time.
    is_new: Cell<bool>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(topic: &'a str, payload: &'a [u8], is_dup: bool) -> Self {
        Self {
            topic,
            payload,
            is_dup,
            digest: OnceCell::new(),
            may_repeat: OnceCell::new(),
            objects: RefCell::default(),
            is_new: Cell::new(false),
        }
    }

    /// A publish on another topic is no repeat, so the topic counts.
    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| hash(self.topic.as_bytes()).rotate_left(1) ^ hash(self.payload))
    }

    /// Reports whether any part of it was given a time here.
    pub(super) fn was_timed(&self) -> bool {
        self.may_repeat.get().is_some()
    }
}

impl Delivery<'_> {
    fn note(&self, identity: Repeatable, ts_ms: i64) {
        push_bounded(&mut self.objects.borrow_mut(), (identity, ts_ms));
    }

    /// Returns what it is recognised by, if it can be recognised; a repeat has a receipt without objects.
    pub(super) fn into_receipt(self) -> Option<Receipt> {
        let digest = self.digest.get().copied()?;
        let objects = Vec::from(self.objects.into_inner());
        (!objects.is_empty() || !self.is_new.get()).then_some(Receipt { digest, objects })
    }
}

/// Appends to what is remembered; beyond [`SEQUENCE_MEMORY`] the oldest goes.
fn push_bounded(objects: &mut VecDeque<(Repeatable, i64)>, object: (Repeatable, i64)) {
    if objects.len() == SEQUENCE_MEMORY {
        objects.pop_front();
    }
    objects.push_back(object);
}

/// A device sends so much without `ts` that its times ran too far ahead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RanAhead;

#[derive(Debug)]
pub(super) struct SequenceMemory {
    shards: Box<[Shard]>,
    ahead_max_ms: i64,
    repeat_max_ms: i64,
}

#[derive(Debug, Default)]
struct Shard {
    /// Whether there is any device in it: most send `ts` and are never looked for.
    is_used: AtomicBool,
    devices: Mutex<HashMap<DeviceIndex, Memory>>,
}

#[derive(Debug)]
struct Memory {
    last_ts_ms: i64,
    last_arrival_ms: i64,
    /// Digest and arrival of the newest accepted message, if it had no `ts`.
    newest: Option<(u64, i64)>,
    /// Oldest first.
    seen: VecDeque<(Repeatable, i64)>,
}

impl SequenceMemory {
    /// Times may run ahead of arrival by `ahead_max_ms`. Without DUP a repeat follows its first delivery within
    /// `repeat_max_ms`.
    pub(super) fn new(ahead_max_ms: i64, repeat_max_ms: i64) -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), ahead_max_ms, repeat_max_ms }
    }

    /// Returns the time of an object that carries none: that of its first delivery, or a new one.
    ///
    /// Errors: [`RanAhead`].
    pub(super) fn assign(
        &self,
        device: DeviceIndex,
        arrival_ms: i64,
        delivery: &Delivery<'_>,
        identity: Option<Repeatable>,
    ) -> Result<i64, RanAhead> {
        let digest = delivery.digest();
        let mut devices = self.shard(device).lock();
        let memory = devices.entry(device).or_insert_with(|| Memory::new(arrival_ms));
        let may_repeat = delivery
            .may_repeat
            .get_or_init(|| delivery.is_dup || memory.is_newest(digest, arrival_ms, self.repeat_max_ms));
        let known = identity.filter(|_| *may_repeat).and_then(|identity| memory.find(identity));
        if let Some(ts_ms) = known {
            return Ok(ts_ms);
        }
        let ts_ms = memory.next_ts(arrival_ms, self.ahead_max_ms)?;
        memory.newest = Some((digest, arrival_ms));
        delivery.is_new.set(true);
        if let Some(identity) = identity {
            memory.remember(identity, ts_ms);
            delivery.note(identity, ts_ms);
        }
        Ok(ts_ms)
    }

    /// Remembers a message that was accepted before this process began; to be called in their order.
    pub(super) fn recall(&self, device: DeviceIndex, arrival_ms: i64, receipt: &Receipt) {
        if receipt.objects.is_empty() {
            return;
        }
        let mut devices = self.shard(device).lock();
        let memory = devices.entry(device).or_insert_with(|| Memory::new(arrival_ms));
        memory.last_arrival_ms = arrival_ms;
        memory.newest = Some((receipt.digest, arrival_ms));
        for (identity, ts_ms) in &receipt.objects {
            memory.last_ts_ms = memory.last_ts_ms.max(*ts_ms);
            memory.remember(*identity, *ts_ms);
        }
    }

    /// Notes that something with a time of its own was accepted from the device.
    pub(super) fn supersede(&self, device: DeviceIndex) {
        let shard = self.shard(device);
        if shard.is_used.load(Ordering::Relaxed)
            && let Some(memory) = shard.lock().get_mut(&device)
        {
            memory.newest = None;
        }
    }

    fn shard(&self, device: DeviceIndex) -> &Shard {
        &self.shards[device.0 as usize % SHARDS]
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceIndex, Memory>> {
        self.is_used.store(true, Ordering::Relaxed);
        // A map of plain numbers is usable whatever interrupted its change.
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn new(arrival_ms: i64) -> Self {
        Self {
            last_ts_ms: arrival_ms.saturating_sub(1),
            last_arrival_ms: arrival_ms,
            newest: None,
            seen: VecDeque::new(),
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

    fn is_newest(&self, digest: u64, arrival_ms: i64, within_ms: i64) -> bool {
        self.newest.is_some_and(|(newest, first_ms)| {
            newest == digest && arrival_ms.saturating_sub(first_ms) <= within_ms
        })
    }

    fn find(&self, identity: Repeatable) -> Option<i64> {
        self.seen.iter().find(|(seen, _)| *seen == identity).map(|(_, ts_ms)| *ts_ms)
    }

    /// Keeps the newest time of an identity that came again as a new reading.
    fn remember(&mut self, identity: Repeatable, ts_ms: i64) {
        self.seen.retain(|(seen, _)| *seen != identity);
        push_bounded(&mut self.seen, (identity, ts_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceIndex = DeviceIndex(7);

    fn memory(ahead_max_ms: i64) -> SequenceMemory {
        SequenceMemory::new(ahead_max_ms, 1000)
    }

    /// Sends one object whose bytes are `bytes`.
    fn send(
        memory: &SequenceMemory,
        at_ms: i64,
        bytes: &str,
        seq: Option<u64>,
        is_dup: bool,
    ) -> Result<i64, RanAhead> {
        let delivery = Delivery::new("t", bytes.as_bytes(), is_dup);
        let identity = seq.map(|seq| Repeatable { seq, digest: hash(bytes.as_bytes()) });
        memory.assign(DEVICE, at_ms, &delivery, identity)
    }

    #[test]
    fn times_increase_strictly_per_device() {
        let memory = memory(1000);
        let times: Vec<_> = [100, 100, 99, 100, 200].map(|at| send(&memory, at, "", None, false)).into();
        assert_eq!(times, [Ok(100), Ok(101), Ok(102), Ok(103), Ok(200)]);
        let other = DeviceIndex(7 + SHARDS as u32);
        assert_eq!(
            memory.assign(other, 100, &Delivery::new("t", b"", false), None),
            Ok(100),
            "another device"
        );
    }

    #[test]
    fn what_is_a_repeat() {
        let memory = memory(100_000);
        assert_eq!(send(&memory, 100, "a", Some(1), false), Ok(100));
        assert_eq!(send(&memory, 150, "a", Some(1), false), Ok(100), "nothing newer since");
        assert_eq!(send(&memory, 200, "b", Some(2), false), Ok(200));
        assert_eq!(send(&memory, 900, "a", Some(1), true), Ok(100), "DUP");
        assert_eq!(send(&memory, 901, "b", Some(2), false), Ok(200), "a repeat is nothing newer");
        assert_eq!(send(&memory, 902, "a", Some(1), false), Ok(902), "restarted");
        assert_eq!(send(&memory, 903, "c", Some(1), true), Ok(903), "other bytes");
        assert_eq!(send(&memory, 904, "a", Some(1), true), Ok(902), "of the newest with that number");
        memory.supersede(DEVICE);
        assert_eq!(send(&memory, 905, "c", Some(1), false), Ok(905), "after a message with a time");
        assert_eq!(send(&memory, 1905, "c", Some(1), false), Ok(905), "in time");
        assert_eq!(send(&memory, 1906, "c", Some(1), false), Ok(1906), "a counter that stands still");
        assert_eq!(send(&memory, 1907, "", None, true), Ok(1907), "no number");
        assert_eq!(send(&memory, 1908, "", None, true), Ok(1908), "no number");
    }

    #[test]
    fn another_topic_is_no_repeat() {
        let memory = memory(1000);
        let identity = Some(Repeatable { seq: 1, digest: 5 });
        let on = |topic, at| memory.assign(DEVICE, at, &Delivery::new(topic, b"x", false), identity);
        assert_eq!((on("telemetry", 100), on("event", 101), on("event", 102)), (Ok(100), Ok(101), Ok(101)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let memory = memory(100_000);
        for seq in 0..1000 {
            send(&memory, 10_000 + seq as i64, "", Some(seq), false).unwrap();
        }
        let newest = send(&memory, 20_000, "", Some(1000 - SEQUENCE_MEMORY as u64), true);
        assert_eq!(newest, Ok(10_000 + 1000 - SEQUENCE_MEMORY as i64));
        assert_eq!(
            send(&memory, 20_000, "", Some(999 - SEQUENCE_MEMORY as u64), true),
            Ok(20_000),
            "forgotten"
        );
        assert_eq!(memory.shard(DEVICE).lock()[&DEVICE].seen.len(), SEQUENCE_MEMORY);
    }

    #[test]
    fn times_do_not_run_away() {
        let memory = memory(10);
        let send = |at| send(&memory, at, "", None, false);
        for n in 0..=10 {
            assert_eq!(send(100), Ok(100 + n));
        }
        assert_eq!((send(100), send(101)), (Err(RanAhead), Ok(111)));
        assert_eq!(send(50), Ok(50), "our clock was set back");
    }
}
