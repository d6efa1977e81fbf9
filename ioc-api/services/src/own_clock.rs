//! Whether our own clock can be believed.
use ioc_ingest::DeviceClock;
use ioc_model::{
    DeviceIndex,
    time::{AgreedOffset, JumpWatch, agreed_offset},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known about our own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnClockState {
    /// Whether the system synchronizes it; `None` when the system does not say.
    pub synchronized: Option<bool>,
    /// An offset that most devices share: then it is ours.
    pub agreed: Option<AgreedOffset>,
    /// Devices whose offset is known.
    pub measured: usize,
    /// Of these, more than 15 minutes behind or 5 ahead.
    pub wrong: usize,
    /// Jumps of the wall clock since the start.
    pub jumps: u64,
}

/// Our own clock. Shared by the watch, which writes, and those who show it.
#[derive(Debug, Default)]
pub struct OwnClock(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    state: OwnClockState,
    jumps: JumpWatch,
}

impl OwnClock {
    /// Returns what is known.
    pub fn state(&self) -> OwnClockState {
        self.lock().state
    }

    /// Compares the wall clock with the monotonic one, both in milliseconds. Returns by how much the wall clock jumped, in milliseconds, if it did.
    pub fn tick(&self, wall_ms: i64, monotonic_ms: i64) -> Option<i64> {
        let mut watched = self.lock();
        let jump_ms = watched.jumps.observe(wall_ms, monotonic_ms)?;
        watched.state.jumps += 1;
        tracing::warn!(jump_ms, "the wall clock jumped; event times of devices are compared with it");
        Some(jump_ms)
    }

    /// Takes what the system says, and logs it when it changed.
    pub fn synchronized(&self, synchronized: Option<bool>) {
        let before = std::mem::replace(&mut self.lock().state.synchronized, synchronized);
        match (before, synchronized) {
            (_, Some(false)) if before != synchronized => tracing::warn!(
                "the clock of this server is not synchronized; set up NTP, else readings are placed at wrong times"
            ),
            (Some(false), Some(true)) => tracing::info!("the clock of this server is synchronized"),
            (None, None) => tracing::info!(
                "whether the clock of this server is synchronized is unknown: timedatectl does not say"
            ),
            _ => {}
        }
    }

    /// Takes the offsets of all devices, and logs when most begin or cease to agree that ours is the wrong clock.
    ///
    /// Returns what readings are to be judged by, in milliseconds: what most devices agree on, or 0.
    pub fn measured(&self, known: &[(DeviceIndex, DeviceClock)]) -> i64 {
        let steady = known.iter().filter(|(_, clock)| !clock.is_adrift);
        let mut offsets: Vec<i64> = steady.filter_map(|(_, clock)| clock.offset_ms).collect();
        let wrong = known.iter().filter(|(_, clock)| clock.is_wrong).count();
        let agreed = agreed_offset(&mut offsets);
        let mut watched = self.lock();
        let before = watched.state.agreed.is_some();
        (watched.state.agreed, watched.state.measured, watched.state.wrong) = (agreed, offsets.len(), wrong);
        match agreed {
            Some(AgreedOffset { offset_ms, agreeing, devices }) if !before => tracing::warn!(
                offset_ms,
                agreeing,
                devices,
                "most devices agree on another time: the clock of this server seems to be wrong; {}, set it",
                if judged_by(offset_ms) == 0 {
                    "too far to judge readings by theirs"
                } else {
                    "readings are judged by theirs, alerts go on"
                }
            ),
            None if before => tracing::info!("devices no longer agree on another time than this server's"),
            _ => {}
        }
        agreed.map_or(0, |agreed| judged_by(agreed.offset_ms))
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what readings are judged by when most devices agree on this offset. Devices that lost power together begin
/// together in 1970 or 2000: what is further off than a day is more likely theirs.
pub fn judged_by(offset_ms: i64) -> i64 {
    const MAX_MS: i64 = 86_400_000;
    if offset_ms.saturating_abs() <= MAX_MS { offset_ms } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_devices_say_is_told() {
        let own = OwnClock::default();
        let clock = |minutes: i64| {
            let device = DeviceIndex(minutes.unsigned_abs() as u32);
            (
                device,
                DeviceClock { offset_ms: Some(minutes * 60_000), is_wrong: minutes > 15, is_adrift: false },
            )
        };
        let judged_by = own.measured(&[clock(10), clock(10), clock(10), clock(20), clock(0)]);
        assert_eq!(judged_by, 600_000);
        let state = own.state();
        assert_eq!(state.agreed.map(|agreed| agreed.offset_ms), Some(600_000));
        assert_eq!((state.measured, state.wrong), (5, 1));
        assert_eq!((own.measured(&[clock(0); 6]), own.state().agreed), (0, None));
        let adrift = |(device, clock)| (device, DeviceClock { is_adrift: true, ..clock });
        assert_eq!(own.measured(&[10; 5].map(|minutes| adrift(clock(minutes)))), 0);
        assert_eq!(own.measured(&[30_000_000; 9].map(clock)), 0, "all began in 1970");
    }

    #[test]
    fn jumps_are_counted() {
        let own = OwnClock::default();
        let jumps = [(1_000, 0), (2_000, 1_000), (603_000, 2_000), (604_000, 3_000)]
            .map(|(wall_ms, monotonic_ms)| own.tick(wall_ms, monotonic_ms));
        assert_eq!(jumps, [None, None, Some(600_000), None]);
        assert_eq!(own.state().jumps, 1);
    }
}
