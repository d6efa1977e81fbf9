//! The last value of every property of every device, when it was last heard, and whether it is connected.
//!
//! One follower writes, any number of screens read. Reading takes no lock and never makes the writer wait: a
//! reader that meets a cell in the middle of a change reads it again. Memory follows what was reported: a
//! block of device slots at a time, and within a device a chunk of cells at a time, never given back.
mod cell;
mod sync;

use arc_swap::ArcSwap;
use cell::Chunk;
use ioc_model::{
    DeviceIndex, Observation, PropertyId, Quality,
    time::{SeriesOrder, SetBack},
};
use std::{
    iter,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

/// The newest value of one property.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latest {
    /// Event time, milliseconds since the epoch.
    pub ts_ms: i64,
    /// When it reached us, milliseconds since the epoch.
    pub arrival_ms: i64,
    /// The value in the property's unit.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
}

impl Latest {
    /// Returns its place among the readings of its series.
    pub const fn order(&self) -> SeriesOrder {
        SeriesOrder::new(self.ts_ms, self.arrival_ms)
    }
}

/// When a message reached us, by both of our clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Milliseconds since the epoch; for people and for history.
    pub wall_ms: i64,
    /// Milliseconds of a clock that never jumps; for ages.
    pub monotonic_ms: i64,
}

/// Whether a device is connected, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Connected or not.
    pub online: bool,
    /// Since when, milliseconds since the epoch.
    pub since_ms: i64,
}

/// Devices per block of slots; growing copies one pointer per block.
const BLOCK: usize = 256;

/// Time of a device that never spoke.
const NEVER: i64 = i64::MIN;

/// The live state of all devices.
#[derive(Debug, Default)]
pub struct LiveState {
    blocks: ArcSwap<Vec<Arc<[Slot]>>>,
    growing: Mutex<()>,
}

#[derive(Debug)]
struct Slot {
    last_seen_ms: AtomicI64,
    /// The same moment by the monotonic clock.
    heard_ms: AtomicI64,
    /// `since_ms * 2 + online`, or [`NEVER`].
    connection: AtomicI64,
    cells: OnceLock<Box<Chunk>>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            last_seen_ms: AtomicI64::new(NEVER),
            heard_ms: AtomicI64::new(NEVER),
            connection: AtomicI64::new(NEVER),
            cells: OnceLock::new(),
        }
    }
}

impl LiveState {
    /// Makes room for device indices below `devices`.
    ///
    /// Room is made on demand too; this does it once for a whole registry.
    pub fn reserve(&self, devices: usize) {
        let wanted = devices.div_ceil(BLOCK);
        if self.blocks.load().len() >= wanted {
            return;
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = Vec::clone(&self.blocks.load());
        blocks
            .resize_with(wanted.max(blocks.len()), || iter::repeat_with(Slot::default).take(BLOCK).collect());
        self.blocks.store(Arc::new(blocks));
    }

    /// Takes the observations of a message that reached us at `arrival_ms`. Returns how many of them are the newest of
    /// their property now.
    ///
    /// The newest is decided by [`SeriesOrder`]: a newer event time replaces, an equal one corrects, an older one is
    /// history only, and one that lies ahead counts as its arrival. What arrives after our own clock was put back replaces.
    pub fn apply(
        &self,
        device: DeviceIndex,
        observations: impl IntoIterator<Item = Observation>,
        arrival_ms: i64,
    ) -> usize {
        let mut observations = observations.into_iter().peekable();
        if observations.peek().is_none() {
            return 0;
        }
        self.with_slot_made(device, |slot| {
            let cells = slot.cells.get_or_init(Box::default);
            let replaces = |observation: &Observation| {
                let Observation { property, ts_ms, value, quality } = *observation;
                cells.cell_made(property).replace(Latest { ts_ms, arrival_ms, value, quality })
            };
            observations.filter(replaces).count()
        })
    }

    /// Takes what was the last value of a property before a restart, and by how much its device's clock was set back since.
    pub fn restore(&self, device: DeviceIndex, last: Observation, arrival_ms: i64, set_back: SetBack) {
        self.with_slot_made(device, |slot| {
            let Observation { property, ts_ms, value, quality } = last;
            let cell = slot.cells.get_or_init(Box::default).cell_made(property);
            cell.replace(Latest { ts_ms, arrival_ms, value, quality });
            cell.restore_set_back(set_back);
        });
    }

    /// Follows a clock that was set back by `by_ms`: what the device reported before stays, and counts as so much older.
    pub fn set_back(&self, device: DeviceIndex, by_ms: i64) {
        self.with_slot(device, |slot| {
            let chunks = iter::successors(slot.cells.get().map(|chunk| &**chunk), |chunk| chunk.next());
            chunks.flat_map(Chunk::cells).for_each(|(_, cell)| cell.set_back(by_ms));
            Some(())
        });
    }

    /// Notes that a message of the device reached us, whatever was in it. An earlier one than what is known is passed over;
    /// the monotonic clock decides, so that no jump of the wall clock keeps a device silent or alive.
    pub fn heard(&self, device: DeviceIndex, arrival: Arrival) {
        self.with_slot_made(device, |slot| {
            if slot.heard_ms.fetch_max(arrival.monotonic_ms, Ordering::Relaxed) <= arrival.monotonic_ms {
                slot.last_seen_ms.store(arrival.wall_ms, Ordering::Relaxed);
            }
        });
    }

    /// Returns the newest value of a property.
    pub fn get(&self, device: DeviceIndex, property: PropertyId) -> Option<Latest> {
        self.with_slot(device, |slot| slot.cells.get()?.cell(property)?.read())
    }

    /// Returns the newest value of every property that the device has reported, by property.
    pub fn latest(&self, device: DeviceIndex) -> Vec<(PropertyId, Latest)> {
        let mut found = Vec::new();
        self.with_slot(device, |slot| {
            for chunk in iter::successors(slot.cells.get().map(|chunk| &**chunk), |chunk| chunk.next()) {
                found.extend(chunk.cells().filter_map(|(property, cell)| Some((property, cell.read()?))));
            }
            Some(())
        });
        found.sort_unstable_by_key(|(property, _)| *property);
        found
    }

    /// Returns when the device was last heard, by arrival, in milliseconds since the epoch; `None` when never.
    pub fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        self.with_slot(device, |slot| known(&slot.last_seen_ms))
    }

    /// Returns when the device was last heard, by the monotonic clock; `None` when never.
    pub fn last_heard_ms(&self, device: DeviceIndex) -> Option<i64> {
        self.with_slot(device, |slot| known(&slot.heard_ms))
    }

    /// Notes that the device connected or went at `at_ms`. News come in the order of the journal, so the newest counts
    /// whatever our clock said. Says whether the device is now in another state than before.
    pub fn set_online(&self, device: DeviceIndex, online: bool, at_ms: i64) -> bool {
        // Half of i64 is enough for any date; what is beyond it is not a date.
        let at_ms = at_ms.clamp(i64::MIN / 4, i64::MAX / 4);
        self.with_slot_made(device, |slot| {
            let update = |known: i64| match unpack(known) {
                Some(known) if known.online == online => None,
                _ => Some(at_ms * 2 + i64::from(online)),
            };
            slot.connection.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok()
        })
    }

    /// Returns whether the device is connected; `None` when it never was.
    pub fn connection(&self, device: DeviceIndex) -> Option<Connection> {
        self.with_slot(device, |slot| unpack(slot.connection.load(Ordering::Relaxed)))
    }

    fn with_slot<T>(&self, device: DeviceIndex, read: impl FnOnce(&Slot) -> Option<T>) -> Option<T> {
        let index = device.0 as usize;
        read(self.blocks.load().get(index / BLOCK)?.get(index % BLOCK)?)
    }

    fn with_slot_made<T>(&self, device: DeviceIndex, write: impl FnOnce(&Slot) -> T) -> T {
        let index = device.0 as usize;
        if self.blocks.load().len() <= index / BLOCK {
            self.reserve(index + 1);
        }
        let blocks = self.blocks.load();
        // There is room now: blocks are never taken away.
        write(&blocks[index / BLOCK][index % BLOCK])
    }
}

fn known(time_ms: &AtomicI64) -> Option<i64> {
    Some(time_ms.load(Ordering::Relaxed)).filter(|ms| *ms != NEVER)
}

fn unpack(connection: i64) -> Option<Connection> {
    (connection != NEVER)
        .then_some(Connection { online: connection & 1 == 1, since_ms: connection.div_euclid(2) })
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
