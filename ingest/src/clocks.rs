//! How far each device's clock is off, measured from what it sends, and which of its readings are late.
//!
//! The edge asks once for each message, before it is journaled: the flag [`Quality::LATE`] is part of the record, and so is
//! how far a clock was set back, so that a replay decides the same.
use ioc_model::{
    DeviceIndex, Observation, Quality,
    time::{ClockOffset, ClockVerdict, NOTABLE_OFFSET_MS, Standard, is_late},
};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

/// Locks, so that connections seldom wait for each other. A power of two.
const SHARDS: usize = 64;

/// Name of the property in the catalogue that says how far a device's clock is off, in seconds.
pub const PROPERTY: &str = "device_clock_offset";

/// Name of the property in the catalogue that says whether it is wrong, so that readings start no alert.
pub const WRONG_PROPERTY: &str = "device_clock_wrong";

/// What is known about the clock of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceClock {
    /// Arrival minus event in milliseconds: positive when its clock is behind ours; `None` before enough messages agree. Of a
    /// clock whose times do not move with ours, the smallest of late.
    pub offset_ms: Option<i64>,
    /// More than 15 minutes behind or 5 ahead, also by the clock that most devices agree on; or its times do not move with
    /// ours.
    pub is_wrong: bool,
    /// Wrong because its times do not move with ours: its offset says nothing about other clocks.
    pub is_adrift: bool,
}

/// The clocks of some devices, as far as they have spoken.
type Shard = Mutex<Vec<Option<Box<ClockOffset>>>>;

/// The clocks of all devices. Shared by all connections.
#[derive(Debug)]
pub struct DeviceClocks {
    /// Device `n` stands in shard `n % SHARDS` at `n / SHARDS`.
    shards: Box<[Shard]>,
    late_after_ms: i64,
    /// The offset that most devices agree on, see [`DeviceClocks::agree`].
    agreed_ms: AtomicI64,
}

impl DeviceClocks {
    /// Makes clocks of which nothing is known. Readings older than `late_after_ms` on arrival are late.
    pub fn new(late_after_ms: i64) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, late_after_ms, agreed_ms: AtomicI64::new(0) }
    }

    /// Takes the offset that most devices agree on, in milliseconds, see [`ioc_model::time::agreed_offset`]: our own clock is
    /// ahead by as much, or behind. 0 when it is right.
    pub fn agree(&self, offset_ms: i64) {
        self.agreed_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// Returns the latest arrival, of that by our clock and that by the clock that most devices agree on: what lies ahead of it
    /// lies ahead for both.
    pub fn latest_ms(&self, arrival_ms: i64) -> i64 {
        arrival_ms.max(arrival_ms.saturating_sub(self.agreed_ms.load(Ordering::Relaxed)))
    }

    fn standard(&self) -> Standard {
        Standard { agreed_ms: self.agreed_ms.load(Ordering::Relaxed), late_after_ms: self.late_after_ms }
    }

    /// Flags what is late among the observations of one message, after taking its times into account. `refused_ms` is a
    /// time that the device wrote and that was refused; it counts when no other is left.
    ///
    /// Returns by how much the device's clock was set back, in milliseconds, if this message is the one that shows it.
    pub fn assess(
        &self,
        device: DeviceIndex,
        arrival_ms: i64,
        refused_ms: Option<i64>,
        observations: &mut [Observation],
    ) -> Option<i64> {
        let standard = self.standard();
        let own = observations.iter().filter(|one| !one.quality.contains(Quality::ARRIVAL_TIMED));
        let newest_ms = own.map(|one| one.ts_ms).max();
        let (set_back_ms, offset_ms) = match (newest_ms, refused_ms) {
            (Some(event_ms), _) => self.change(device, |clock| {
                let set_back_ms = clock.observe(event_ms, arrival_ms);
                (set_back_ms, clock.usable_by(&standard))
            }),
            (None, Some(event_ms)) => self.change(device, |clock| {
                clock.observe_refused(event_ms, arrival_ms);
                (None, clock.usable_by(&standard))
            }),
            (None, None) => (None, None),
        };
        for observation in observations {
            observation.quality |= flags(observation, arrival_ms, offset_ms, &standard);
        }
        set_back_ms
    }

    /// Returns what is known about one device.
    pub fn get(&self, device: DeviceIndex) -> DeviceClock {
        let (shard, slot) = self.shard(device);
        let verdict = shard.get(slot).and_then(Option::as_ref).map(|clock| clock.verdict(&self.standard()));
        DeviceClock::from(verdict.unwrap_or(ClockVerdict::Unknown))
    }

    /// Takes up the offset that a device had before a restart, in milliseconds.
    pub fn resume(&self, device: DeviceIndex, offset_ms: i64) {
        self.change(device, |clock| clock.resume(offset_ms));
    }

    /// Takes up the times of the newest reading that a device had sent before a restart, in milliseconds.
    pub fn resume_newest(&self, device: DeviceIndex, event_ms: i64, arrival_ms: i64) {
        self.change(device, |clock| clock.resume_newest(event_ms, arrival_ms));
    }

    /// Follows a jump of our own clock by `jump_ms`, forward being positive.
    pub fn shift(&self, jump_ms: i64) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.iter_mut().flatten().for_each(|clock| clock.shift(jump_ms));
        }
    }

    /// Returns all devices whose offset is known, in milliseconds.
    pub fn known(&self) -> Vec<(DeviceIndex, DeviceClock)> {
        let (mut known, standard) = (Vec::new(), self.standard());
        for (number, shard) in self.shards.iter().enumerate() {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(shard.iter().enumerate().filter_map(|(slot, clock)| {
                let clock = DeviceClock::from(clock.as_ref()?.verdict(&standard));
                let device = DeviceIndex((slot * SHARDS + number) as u32);
                clock.offset_ms.map(|_| (device, clock))
            }));
        }
        known
    }

    fn change<T>(&self, device: DeviceIndex, change: impl FnOnce(&mut ClockOffset) -> T) -> T {
        let (mut shard, slot) = self.shard(device);
        if shard.len() <= slot {
            shard.resize_with(slot + 1, || None);
        }
        change(shard[slot].get_or_insert_default())
    }

    fn shard(&self, device: DeviceIndex) -> (MutexGuard<'_, Vec<Option<Box<ClockOffset>>>>, usize) {
        let index = device.0 as usize;
        // Plain numbers are usable whatever interrupted their change.
        (self.shards[index % SHARDS].lock().unwrap_or_else(PoisonError::into_inner), index / SHARDS)
    }
}

/// Returns what the time of an observation says of it; `offset_ms` is that of its device's clock, if it may be subtracted. A
/// device of which nothing is known is taken for right.
fn flags(observation: &Observation, arrival_ms: i64, offset_ms: Option<i64>, standard: &Standard) -> Quality {
    let is_ours = observation.quality.contains(Quality::ARRIVAL_TIMED);
    let offset_ms = offset_ms.filter(|_| !is_ours);
    let expected_ms = offset_ms.or_else(|| (!is_ours).then(|| standard.presumed_ms()));
    let mut flags = Quality::GOOD;
    if is_late(observation.ts_ms, arrival_ms, expected_ms, standard.late_after_ms) {
        flags |= Quality::LATE;
    }
    if offset_ms.is_some_and(|offset_ms| offset_ms.saturating_abs() >= NOTABLE_OFFSET_MS) {
        flags |= Quality::CLOCK_OFFSET;
    }
    flags
}

impl From<ClockVerdict> for DeviceClock {
    fn from(verdict: ClockVerdict) -> Self {
        let (offset_ms, is_wrong, is_adrift) = match verdict {
            ClockVerdict::Unknown => (None, false, false),
            ClockVerdict::Steady(offset_ms) => (Some(offset_ms), false, false),
            ClockVerdict::Wrong(offset_ms) => (Some(offset_ms), true, false),
            ClockVerdict::Adrift(least_ms) => (Some(least_ms), true, true),
        };
        Self { offset_ms, is_wrong, is_adrift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::{PropertyId, time::LATE_AFTER_MS};

    const NOW: i64 = 1_761_523_200_000;
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;

    fn observation(ts_ms: i64, quality: Quality) -> Observation {
        Observation { property: PropertyId(1), ts_ms, value: 9.0, quality }
    }

    /// Sends `count` messages 10 s apart, their clock `offset_ms` behind; returns the flags of the last one.
    fn report(clocks: &DeviceClocks, device: DeviceIndex, offset_ms: i64, count: i64) -> Quality {
        let mut flags = Quality::GOOD;
        for n in 0..count {
            let arrival_ms = NOW + n * 10 * SECOND;
            let mut observations = [observation(arrival_ms - offset_ms, Quality::GOOD)];
            clocks.assess(device, arrival_ms, None, &mut observations);
            flags = observations[0].quality;
        }
        flags
    }

    #[test]
    fn a_steady_offset_makes_nothing_late() {
        for (n, seconds) in [-300, -240, -5, 0, 9, 35, 60, 119, 120, 121, 300, 900].into_iter().enumerate() {
            let clocks = DeviceClocks::new(LATE_AFTER_MS);
            let (device, offset_ms) = (DeviceIndex(n as u32 * 100), seconds * SECOND);
            let flags = report(&clocks, device, offset_ms, 3);
            assert!(!flags.contains(Quality::LATE), "{seconds} s");
            assert_eq!(flags.contains(Quality::CLOCK_OFFSET), offset_ms.abs() >= NOTABLE_OFFSET_MS);
            assert_eq!(
                clocks.get(device),
                DeviceClock { offset_ms: Some(offset_ms), is_wrong: false, is_adrift: false }
            );
            assert_eq!(clocks.known(), [(device, clocks.get(device))]);
        }
    }

    #[test]
    fn a_wrong_clock_is_known_and_makes_everything_late() {
        let clocks = DeviceClocks::new(LATE_AFTER_MS);
        assert_eq!(report(&clocks, DeviceIndex(1), 16 * MINUTE, 5), Quality::LATE);
        let expected = DeviceClock { offset_ms: Some(16 * MINUTE), is_wrong: true, is_adrift: false };
        assert_eq!(clocks.get(DeviceIndex(1)), expected);
        assert_eq!(
            clocks.get(DeviceIndex(2)),
            DeviceClock { offset_ms: None, is_wrong: false, is_adrift: false }
        );
        assert_eq!(clocks.get(DeviceIndex(u32::MAX)).offset_ms, None);
    }

    /// Also across a restart of ours, and with nothing but repetitions of what is known there is none.
    #[test]
    fn a_clock_that_was_set_back_is_told_once() {
        for restart in [false, true] {
            let (mut clocks, device) = (DeviceClocks::new(LATE_AFTER_MS), DeviceIndex(65));
            report(&clocks, device, 0, 20);
            let last_ms = NOW + 190 * SECOND;
            if restart {
                clocks = DeviceClocks::new(LATE_AFTER_MS);
                clocks.resume(device, 0);
                clocks.resume_newest(device, last_ms, last_ms);
            }
            let told = [1, 2, 3, 4].map(|n| {
                let arrival_ms = last_ms + n * 10 * SECOND;
                let mut observations = [observation(arrival_ms - 200 * SECOND, Quality::GOOD)];
                let told = clocks.assess(device, arrival_ms, None, &mut observations);
                (told, observations[0].quality)
            });
            let usual = (None, Quality::CLOCK_OFFSET);
            let late = (None, Quality::LATE);
            assert_eq!(told, [late, late, (Some(200 * SECOND), Quality::CLOCK_OFFSET), usual]);
        }
    }

    #[test]
    fn a_restart_keeps_the_offset() {
        let clocks = DeviceClocks::new(LATE_AFTER_MS);
        clocks.resume(DeviceIndex(70), 10 * MINUTE);
        assert_eq!(report(&clocks, DeviceIndex(70), 10 * MINUTE, 1), Quality::CLOCK_OFFSET);
        clocks.shift(-5 * MINUTE);
        assert_eq!(clocks.get(DeviceIndex(70)).offset_ms, Some(5 * MINUTE));
    }

    #[test]
    fn refused_times_count_when_no_other_is_left() {
        let (clocks, device) = (DeviceClocks::new(LATE_AFTER_MS), DeviceIndex(7));
        for n in 0..3 {
            let arrival_ms = NOW + n * 10 * SECOND;
            clocks.assess(device, arrival_ms, Some(arrival_ms + 10 * MINUTE), &mut []);
        }
        assert_eq!(
            clocks.get(device),
            DeviceClock { offset_ms: Some(-10 * MINUTE), is_wrong: true, is_adrift: false }
        );
        let mut observations = [observation(NOW + 40 * SECOND, Quality::GOOD)];
        clocks.assess(device, NOW + 40 * SECOND, Some(i64::MAX), &mut observations);
        assert_eq!(observations[0].quality, Quality::GOOD);
    }

    #[test]
    fn arrival_times_say_nothing_about_a_clock() {
        let (clocks, device) = (DeviceClocks::new(LATE_AFTER_MS), DeviceIndex(7));
        report(&clocks, device, 10 * MINUTE, 5);
        let mut observations = [
            observation(NOW + 50 * SECOND - 10 * MINUTE, Quality::GOOD),
            observation(NOW + 50 * SECOND, Quality::ARRIVAL_TIMED),
            observation(NOW + 50 * SECOND - 3 * MINUTE, Quality::ARRIVAL_TIMED),
        ];
        clocks.assess(device, NOW + 50 * SECOND, None, &mut observations);
        let flags = observations.map(|one| one.quality);
        let late = Quality::ARRIVAL_TIMED | Quality::LATE;
        assert_eq!(flags, [Quality::CLOCK_OFFSET, Quality::ARRIVAL_TIMED, late]);
        assert_eq!(clocks.get(device).offset_ms, Some(10 * MINUTE));
    }

    #[test]
    fn a_clock_that_stands_still_is_told() {
        let (clocks, device) = (DeviceClocks::new(LATE_AFTER_MS), DeviceIndex(7));
        for n in 0..20 {
            let mut observations = [observation(NOW - 130 * SECOND, Quality::GOOD)];
            clocks.assess(device, NOW + n * 10 * SECOND, None, &mut observations);
            assert_eq!(observations[0].quality, Quality::LATE);
        }
        let expected = DeviceClock { offset_ms: Some(130 * SECOND), is_wrong: true, is_adrift: true };
        assert_eq!((clocks.get(device), clocks.known()), (expected, vec![(device, expected)]));
    }

    /// What is right by most devices raises its alert, and so does what is right by us.
    #[test]
    fn our_own_wrong_clock_makes_nothing_late() {
        for own_min in [-120, -7, 7, 20, 600] {
            let clocks = DeviceClocks::new(LATE_AFTER_MS);
            clocks.agree(own_min * MINUTE);
            for (n, offset_min) in [own_min, own_min + 10, own_min - 4, 0, 15].into_iter().enumerate() {
                let device = DeviceIndex(n as u32);
                let flags = report(&clocks, device, offset_min * MINUTE, 3);
                assert!(!flags.contains(Quality::LATE), "{offset_min} min by {own_min}");
                assert!(!clocks.get(device).is_wrong, "{offset_min} min by {own_min}");
                let latest_ms = clocks.latest_ms(NOW);
                assert!(NOW - offset_min * MINUTE <= latest_ms + 5 * MINUTE);
            }
            let far_min = own_min.max(0) + 16;
            assert!(report(&clocks, DeviceIndex(9), far_min * MINUTE, 3).contains(Quality::LATE));
            assert!(clocks.get(DeviceIndex(9)).is_wrong);
        }
    }
}
