//! Times for messages that carry none, and the memory that finds their repeats.
//!
//! Such a message gets its time of arrival, moved forward so that no two of a device share one. A device that is
//! unsure whether a message arrived sends it again. When it has a `seq`, the same `seq` with the same bytes gets
//! the same time again, so that history sees a duplicate, provided that one of two things speaks for a repeat:
//!
//! - the packet has the DUP flag of MQTT, and the device can still have been without the acknowledgement. It cannot when it
//!   sent something newer more than [`ACK_MS`] later and has connected anew since, nor after [`DUP_MS`];
//! - the message is the newest that was accepted from the device, and the first delivery was not long ago.
//!
//! Anything else is a new reading: a device that restarted counts from the beginning, and a bay that is occupied
//! again says so with the same `seq` and bytes as yesterday. When in doubt a message is stored twice rather than
//! thrown away. Nothing compares which `seq` is larger, so a counter may wrap around.
//!
//! No such time is one that a reading with a time of its own has already: it would take that one's place in history as its
//! correction.
//!
//! What a message is recognised by stands beside it in the journal ([`Receipt`]), and the newest of the journal is
//! remembered at a start, so a repeat after a restart of ours is one, too.
use super::property::hash;
use ioc_model::{DeviceIndex, Receipt, Repeatable, time::CROSSING_MS};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Messages remembered per device; earlier ones are taken as new when they are repeated.
pub const SEQUENCE_MEMORY: usize = 32;
/// A device that sends something newer later than this has had the acknowledgement, in milliseconds: both go through one
/// connection in order. Several messages on their way at once follow each other faster.
pub const ACK_MS: i64 = 250;
/// How long after the first delivery a packet with DUP may be a repeat, in milliseconds: a day.
pub const DUP_MS: i64 = 86_400_000;
/// Times of a device at or ahead of their arrival that are remembered one by one.
const TAKEN_MAX: usize = 4096;
/// Locks, so that connections seldom wait for each other. A power of two.
const SHARDS: usize = 64;

/// A message as it was delivered.
#[derive(Debug)]
pub(super) struct Delivery<'a> {
    topic: &'a str,
    payload: &'a [u8],
    /// With DUP: when the connection began.
    dup_from_ms: Option<i64>,
    digest: OnceCell<u64>,
    /// Decided before any part of the message is accepted.
    may_repeat: OnceCell<bool>,
    /// Objects that were given a new time.
    objects: RefCell<VecDeque<(Repeatable, i64)>>,
    /// Anything was given a new time.
    is_new: Cell<bool>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(topic: &'a str, payload: &'a [u8], dup_from_ms: Option<i64>) -> Self {
        Self {
            topic,
            payload,
            dup_from_ms,
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
fn push_bounded<T>(objects: &mut VecDeque<T>, object: T) {
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
    seen: VecDeque<Seen>,
    taken: Taken,
}

/// An object that was accepted.
#[derive(Debug)]
struct Seen {
    identity: Repeatable,
    ts_ms: i64,
    /// When the next message came.
    followed_ms: Option<i64>,
}

/// Times that readings have already and no other may get.
#[derive(Debug, Default)]
struct Taken {
    times: BTreeSet<i64>,
    /// First and last of those beyond [`TAKEN_MAX`]: everything between counts as taken.
    beyond: Option<(i64, i64)>,
}

impl Taken {
    fn add(&mut self, ts_ms: i64, arrival_ms: i64) {
        if self.times.first().is_some_and(|first| *first < arrival_ms) {
            self.times = self.times.split_off(&arrival_ms);
        }
        self.times.insert(ts_ms);
        if self.times.len() > TAKEN_MAX
            && let Some(last) = self.times.pop_last()
        {
            let (from, to) = self.beyond.unwrap_or((last, last));
            self.beyond = Some((from.min(last), to.max(last)));
        }
    }

    /// Returns the first time from `ts_ms` on that is free.
    fn free_from(&self, mut ts_ms: i64) -> i64 {
        loop {
            match self.beyond {
                Some((from, to)) if (from..=to).contains(&ts_ms) => ts_ms = to.saturating_add(1),
                _ if ts_ms < i64::MAX && self.times.contains(&ts_ms) => ts_ms += 1,
                _ => return ts_ms,
            }
        }
    }
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
        let is_newest =
            *delivery.may_repeat.get_or_init(|| memory.is_newest(digest, arrival_ms, self.repeat_max_ms));
        let may_repeat = |seen: &Seen| {
            is_newest || delivery.dup_from_ms.is_some_and(|from_ms| seen.may_lack_ack(arrival_ms, from_ms))
        };
        let known = identity.and_then(|identity| memory.find(identity)).filter(|seen| may_repeat(seen));
        if let Some(seen) = known {
            return Ok(seen.ts_ms);
        }
        let ts_ms = memory.next_ts(arrival_ms, self.ahead_max_ms)?;
        memory.newest = Some((digest, arrival_ms));
        if !delivery.is_new.replace(true) {
            memory.follow(arrival_ms);
        }
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
        memory.follow(arrival_ms);
        for (identity, ts_ms) in &receipt.objects {
            memory.last_ts_ms = memory.last_ts_ms.max(*ts_ms);
            memory.remember(*identity, *ts_ms);
        }
    }

    /// Notes that something with a time of its own was accepted from the device.
    pub(super) fn supersede(&self, device: DeviceIndex, arrival_ms: i64) {
        let shard = self.shard(device);
        if shard.is_used.load(Ordering::Relaxed)
            && let Some(memory) = shard.lock().get_mut(&device)
        {
            memory.newest = None;
            memory.follow(arrival_ms);
        }
    }

    /// Notes a time that a reading has, for those that get theirs here. One before its arrival is never given again.
    pub(super) fn take(&self, device: DeviceIndex, ts_ms: i64, arrival_ms: i64) {
        if ts_ms >= arrival_ms {
            let mut devices = self.shard(device).lock();
            let memory = devices.entry(device).or_insert_with(|| Memory::new(arrival_ms));
            memory.taken.add(ts_ms, arrival_ms);
        }
    }

    /// Follows our own clock, which was put back by `by_ms`: times that were given already lie ahead no more, and none that
    /// follow need to lie behind them.
    pub(super) fn put_back(&self, by_ms: i64) {
        let used = self.shards.iter().filter(|shard| shard.is_used.load(Ordering::Relaxed));
        used.for_each(|shard| shard.lock().values_mut().for_each(|memory| memory.put_back(by_ms)));
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
            taken: Taken::default(),
        }
    }

    fn next_ts(&mut self, arrival_ms: i64, ahead_max_ms: i64) -> Result<i64, RanAhead> {
        let clock_went_back = arrival_ms < self.last_arrival_ms.saturating_sub(CROSSING_MS);
        self.last_arrival_ms = arrival_ms;
        let next = self.last_ts_ms.saturating_add(1);
        let ts_ms = self.taken.free_from(if clock_went_back { arrival_ms } else { next.max(arrival_ms) });
        if ts_ms > arrival_ms.saturating_add(ahead_max_ms) {
            return Err(RanAhead);
        }
        self.last_ts_ms = ts_ms;
        Ok(ts_ms)
    }

    fn put_back(&mut self, by_ms: i64) {
        self.last_ts_ms = self.last_ts_ms.saturating_sub(by_ms);
        self.last_arrival_ms = self.last_arrival_ms.saturating_sub(by_ms);
        if let Some((_, first_ms)) = &mut self.newest {
            *first_ms = first_ms.saturating_sub(by_ms);
        }
    }

    fn is_newest(&self, digest: u64, arrival_ms: i64, within_ms: i64) -> bool {
        self.newest.is_some_and(|(newest, first_ms)| {
            newest == digest && arrival_ms.saturating_sub(first_ms) <= within_ms
        })
    }

    fn find(&self, identity: Repeatable) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.identity == identity)
    }

    /// Keeps the newest time of an identity that came again as a new reading.
    fn remember(&mut self, identity: Repeatable, ts_ms: i64) {
        self.seen.retain(|seen| seen.identity != identity);
        push_bounded(&mut self.seen, Seen { identity, ts_ms, followed_ms: None });
    }

    /// Notes that another message came.
    fn follow(&mut self, arrival_ms: i64) {
        for seen in self.seen.iter_mut().rev().take_while(|seen| seen.followed_ms.is_none()) {
            seen.followed_ms = Some(arrival_ms);
        }
    }
}

impl Seen {
    /// Reports whether the device can be without the acknowledgement, and so send this again on a connection that began at
    /// `from_ms`.
    fn may_lack_ack(&self, arrival_ms: i64, from_ms: i64) -> bool {
        let is_same_connection = self.ts_ms >= from_ms;
        let was_acknowledged =
            self.followed_ms.is_some_and(|followed_ms| followed_ms.saturating_sub(self.ts_ms) > ACK_MS);
        (is_same_connection || !was_acknowledged) && arrival_ms.saturating_sub(self.ts_ms) <= DUP_MS
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
        connected(memory, at_ms, bytes, seq, is_dup.then_some(0))
    }

    /// As [`send`], with DUP on a connection that began at `dup_from_ms`.
    fn connected(
        memory: &SequenceMemory,
        at_ms: i64,
        bytes: &str,
        seq: Option<u64>,
        dup_from_ms: Option<i64>,
    ) -> Result<i64, RanAhead> {
        let delivery = Delivery::new("t", bytes.as_bytes(), dup_from_ms);
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
            memory.assign(other, 100, &Delivery::new("t", b"", None), None),
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
        memory.supersede(DEVICE, 904);
        assert_eq!(send(&memory, 905, "c", Some(1), false), Ok(905), "after a message with a time");
        assert_eq!(send(&memory, 1905, "c", Some(1), false), Ok(905), "in time");
        assert_eq!(send(&memory, 1906, "c", Some(1), false), Ok(1906), "a counter that stands still");
        assert_eq!(send(&memory, 1907, "", None, true), Ok(1907), "no number");
        assert_eq!(send(&memory, 1908, "", None, true), Ok(1908), "no number");
    }

    /// A device that went on to the next message knew that this one had arrived; after a new connection it is one that
    /// restarted and counts anew.
    #[test]
    fn with_dup_on_a_new_connection_what_was_acknowledged_is_no_repeat() {
        let again = |followed_ms: i64, from_ms: i64, at_ms: i64| {
            let memory = memory(100_000);
            send(&memory, 1000, "a", Some(0), false).unwrap();
            send(&memory, followed_ms, "b", Some(1), false).unwrap();
            connected(&memory, at_ms, "a", Some(0), Some(from_ms)) == Ok(1000)
        };
        assert!(again(1010, 2000, 2000), "both were on their way");
        assert!(again(1000 + ACK_MS, 2000, 2000));
        assert!(!again(1001 + ACK_MS, 2000, 2000), "acknowledged before the next one came");
        assert!(again(1001 + ACK_MS, 900, 2000), "the same connection");
        assert!(again(1010, 2000, 1000 + DUP_MS) && !again(1010, 2000, 1001 + DUP_MS), "a day");

        let memory = memory(100_000);
        send(&memory, 1000, "a", Some(0), false).unwrap();
        assert_eq!(connected(&memory, 60_000_000, "a", Some(0), Some(50_000_000)), Ok(1000), "nothing newer");
        memory.supersede(DEVICE, 60_000_001);
        assert_eq!(connected(&memory, 60_000_002, "a", Some(0), Some(60_000_002)), Ok(60_000_002));
    }

    #[test]
    fn times_that_readings_have_are_not_given_again() {
        let memory = memory(100_000);
        for ts_ms in [99, 100, 101, 103, 200] {
            memory.take(DEVICE, ts_ms, 100);
        }
        let send = |at| send(&memory, at, "", None, false);
        assert_eq!([send(100), send(100), send(100), send(200)], [Ok(102), Ok(104), Ok(105), Ok(201)]);
        for ts_ms in 0..10_000 {
            memory.take(DEVICE, 10_000 - ts_ms, 0);
        }
        assert_eq!((send(300), send(100_000)), (Ok(10_001), Ok(100_000)), "many of them count as one piece");
        assert!(memory.shard(DEVICE).lock()[&DEVICE].taken.times.len() <= TAKEN_MAX);
    }

    #[test]
    fn another_topic_is_no_repeat() {
        let memory = memory(1000);
        let identity = Some(Repeatable { seq: 1, digest: 5 });
        let on = |topic, at| memory.assign(DEVICE, at, &Delivery::new(topic, b"x", None), identity);
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
    }

    #[test]
    fn times_follow_our_clock_when_it_is_put_back() {
        const NOW: i64 = 1_761_523_200_000;
        for back_ms in [12_000, 60_000, 86_400_000] {
            let memory = memory(300_000);
            let times: Vec<_> = (0..3).map(|n| send(&memory, NOW + n * 1000, "", None, false)).collect();
            assert_eq!(times[2], Ok(NOW + 2000));
            let since = (3..6).map(|n| NOW + n * 1000 - back_ms);
            assert!(
                since.clone().map(|at| send(&memory, at, "", None, false)).eq(since.map(Ok)),
                "{back_ms} ms"
            );
        }
        // A step that threads might have made by handing over out of order is known once the clocks are compared.
        let memory = memory(300_000);
        assert_eq!(send(&memory, NOW, "", None, false), Ok(NOW));
        assert_eq!(send(&memory, NOW - 3000, "", None, false), Ok(NOW + 1));
        memory.put_back(4000);
        assert_eq!(send(&memory, NOW - 2900, "", None, false), Ok(NOW - 2900));
    }
}
