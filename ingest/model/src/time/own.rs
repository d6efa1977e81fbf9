//! Our own clock: what most devices say about it, and whether it jumped.

/// Devices that must agree before they are believed more than our clock.
const DEVICES_MIN: usize = 5;
/// How far offsets may lie from their median to agree with it, in milliseconds.
const AGREEING_WITHIN_MS: i64 = 30_000;
/// Offsets up to this, in milliseconds, are travel and rounding.
const WRONG_FROM_MS: i64 = 30_000;

/// An offset that most devices share: then it is ours, not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreedOffset {
    /// Their median of arrival minus event, in milliseconds: positive when our clock is ahead.
    pub offset_ms: i64,
    /// Devices within 30 s of it.
    pub agreeing: usize,
    /// Devices whose offset is known.
    pub devices: usize,
}

/// Returns the offset that more than half of at least five devices share, if it exceeds 30 s.
///
/// `offsets_ms`: arrival minus event of every device whose offset is known; the order is lost.
pub fn agreed_offset(offsets_ms: &mut [i64]) -> Option<AgreedOffset> {
    let devices = offsets_ms.len();
    if devices < DEVICES_MIN {
        return None;
    }
    let offset_ms = *offsets_ms.select_nth_unstable(devices / 2).1;
    let agrees = |other: &&i64| other.saturating_sub(offset_ms).saturating_abs() <= AGREEING_WITHIN_MS;
    let agreeing = offsets_ms.iter().filter(agrees).count();
    (agreeing * 2 > devices && offset_ms.saturating_abs() > WRONG_FROM_MS).then_some(AgreedOffset {
        offset_ms,
        agreeing,
        devices,
    })
}

/// Returns the time by which old records may be forgotten: the wall clock, but no later than the newest record at our start
/// and the time that has passed since then, so that a clock that is wrong by years forgets nothing.
///
/// `newest_ms` is `None` when there is no record yet; `passed_ms` is monotonic.
pub fn forgetting_ms(wall_ms: i64, newest_ms: Option<i64>, passed_ms: i64) -> i64 {
    newest_ms.map_or(wall_ms, |newest_ms| wall_ms.min(newest_ms.saturating_add(passed_ms)))
}

/// Notices that the wall clock jumped, by the monotonic one beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JumpWatch {
    /// Wall minus monotonic time when last looked at, in milliseconds.
    drift_ms: Option<i64>,
}

impl JumpWatch {
    /// Steps smaller than this, in milliseconds, are slewing and the distance between two calls.
    const JUMP_MIN_MS: i64 = 1000;

    /// Takes both clocks, read at once. Returns by how much the wall clock jumped since the last call, in milliseconds,
    /// forward being positive; `None` when it did not.
    pub fn observe(&mut self, wall_ms: i64, monotonic_ms: i64) -> Option<i64> {
        let drift_ms = wall_ms.saturating_sub(monotonic_ms);
        let before_ms = self.drift_ms.replace(drift_ms)?;
        let jump_ms = drift_ms.saturating_sub(before_ms);
        (jump_ms.saturating_abs() >= Self::JUMP_MIN_MS).then_some(jump_ms)
    }
}
