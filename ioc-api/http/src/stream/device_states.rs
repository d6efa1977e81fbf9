//! The state of every device as one byte and flags, with a version per change. A session remembers the version it
//! has sent and asks for what changed since: deltas coalesce by themselves, however slow the session is.
use std::sync::RwLock;

/// Worst open alert, or how the device is connected.
pub mod state {
    use ioc_model::Severity;

    /// Nothing open, heard of lately.
    pub const NORMAL: u8 = 0;
    /// Disconnected, or silent for more than three reporting periods.
    pub const OFFLINE: u8 = 1;

    /// Returns the state of a device whose worst open alert has this severity: 2 (low) to 5 (critical).
    pub const fn alarm(severity: Severity) -> u8 {
        6 - severity.rank()
    }
}

/// Every open alert of the device is acknowledged.
pub const FLAG_ACKNOWLEDGED: u8 = 1;
/// Silent for more than three reporting periods.
pub const FLAG_SILENT: u8 = 1 << 1;
/// Never heard of.
pub const FLAG_NEVER: u8 = 1 << 2;

/// State and flags of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// See [`state`].
    pub state: u8,
    /// `FLAG_*`.
    pub flags: u8,
}

/// What changed since a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Remember this.
    pub version: u64,
    /// Grows when the device table changed: send the table again.
    pub epoch: u32,
    /// Device index and its look.
    pub looks: Vec<(u32, Look)>,
}

#[derive(Default)]
struct Cells {
    version: u64,
    epoch: u32,
    cells: Vec<(Look, u64)>,
}

/// Holds the state of every device, with a version per change.
#[derive(Default)]
pub struct DeviceStateTable(RwLock<Cells>);

impl DeviceStateTable {
    /// Stores the looks of all devices, in the order of their indices; `epoch` counts changes of the registry.
    pub fn update(&self, epoch: u32, looks: impl IntoIterator<Item = Look>) {
        let mut board = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let next = board.version + 1;
        let mut changed = board.epoch != epoch;
        for (index, look) in looks.into_iter().enumerate() {
            match board.cells.get_mut(index) {
                Some(cell) if cell.0 == look => {}
                Some(cell) => {
                    *cell = (look, next);
                    changed = true;
                }
                None => {
                    board.cells.push((look, next));
                    changed = true;
                }
            }
        }
        if changed {
            board.version = next;
            board.epoch = epoch;
        }
    }

    /// Returns what changed after `version`; 0 is everything.
    pub fn since(&self, version: u64) -> Changes {
        let board = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut changes = Changes { version: board.version, epoch: board.epoch, looks: Vec::new() };
        if board.version > version {
            let newer = board.cells.iter().enumerate().filter(|(_, (_, at))| *at > version);
            changes.looks.extend(newer.map(|(index, (look, _))| (index as u32, *look)));
        }
        changes
    }

    /// Returns the look of one device.
    pub fn look(&self, index: u32) -> Look {
        let board = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        board
            .cells
            .get(index as usize)
            .map_or(Look { state: state::OFFLINE, flags: FLAG_NEVER }, |(look, _)| *look)
    }
}

/// Length of a frame without any device, in bytes.
pub const FRAME_HEAD_LEN: usize = 8;

/// Encodes a binary state frame: u8 version = 1, u8 full, u16 0, u32 epoch, then u32 index, u8 state, u8 flags each;
/// little-endian.
pub fn frame(full: bool, epoch: u32, looks: impl Iterator<Item = (u32, Look)>) -> Vec<u8> {
    let mut bytes = vec![1, u8::from(full), 0, 0];
    bytes.extend_from_slice(&epoch.to_le_bytes());
    for (index, look) in looks {
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&[look.state, look.flags]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::Severity;

    const ALARM: Look = Look { state: state::alarm(Severity::Critical), flags: 0 };

    #[test]
    fn changes_between_two_questions_coalesce() {
        let board = DeviceStateTable::default();
        board.update(1, [Look::default(), Look::default()]);
        let first = board.since(0);
        assert_eq!(first.looks.len(), 2);
        board.update(1, [ALARM, Look::default()]);
        board.update(1, [Look { flags: FLAG_ACKNOWLEDGED, ..ALARM }, Look::default()]);
        let second = board.since(first.version);
        assert_eq!(second.looks, [(0, Look { flags: FLAG_ACKNOWLEDGED, ..ALARM })]);
        assert_eq!(board.since(second.version).looks, []);
    }

    #[test]
    fn a_grown_registry_changes_the_epoch() {
        let board = DeviceStateTable::default();
        board.update(1, [Look::default()]);
        let before = board.since(0);
        board.update(2, [Look::default(), ALARM]);
        let after = board.since(before.version);
        assert_eq!((after.epoch, after.looks), (2, vec![(1, ALARM)]));
    }

    #[test]
    fn frames_are_little_endian() {
        let bytes = frame(true, 258, [(1, ALARM)].into_iter());
        assert_eq!(bytes, [1, 1, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 5, 0]);
    }
}
