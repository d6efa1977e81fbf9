//! The last value of every property of every device, when it was last heard, and whether it is connected.
//!
//! One follower writes, any number of screens read. Reading takes no lock and never makes the writer wait: a
//! reader that meets a cell in the middle of a change reads it again. Memory follows what was reported: a
//! block of device slots at a time, and within a device a chunk of cells at a time, never given back.
mod cell;

use arc_swap::ArcSwap;
use cell::Chunk;
use ioc_model::{DeviceIndex, Observation, PropertyId, Quality};
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
    /// When it reached us, milliseconds since the epoch; `None` when that was before our start.
    pub arrival_ms: Option<i64>,
    /// The value in the property's unit.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
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
    /// `since_ms * 2 + online`, or [`NEVER`].
    connection: AtomicI64,
    cells: OnceLock<Box<Chunk>>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            last_seen_ms: AtomicI64::new(NEVER),
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

    /// Takes an observation; says whether it is the newest of its property now.
    ///
    /// A newer event time replaces, an equal one corrects, an older one is history only. The arrival counts
    /// as a sign of life in any case.
    pub fn apply(&self, device: DeviceIndex, observation: &Observation, arrival_ms: i64) -> bool {
        self.heard(device, arrival_ms);
        self.take(device, observation, Some(arrival_ms))
    }

    /// Takes an observation from history, which does not say when it arrived: not before its event time, so that is
    /// the sign of life.
    pub fn recall(&self, device: DeviceIndex, observation: &Observation) -> bool {
        self.heard(device, observation.ts_ms);
        self.take(device, observation, None)
    }

    fn take(&self, device: DeviceIndex, observation: &Observation, arrival_ms: Option<i64>) -> bool {
        self.with_slot_made(device, |slot| {
            slot.cells.get_or_init(Box::default).cell_made(observation.property).replace(Latest {
                ts_ms: observation.ts_ms,
                arrival_ms,
                value: observation.value,
                quality: observation.quality,
            })
        })
    }

    /// Notes a sign of life without a value, as of a message with nothing usable in it.
    pub fn heard(&self, device: DeviceIndex, arrival_ms: i64) {
        self.with_slot_made(device, |slot| {
            slot.last_seen_ms.fetch_max(arrival_ms, Ordering::Relaxed);
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

    /// Returns when the device was last heard, by arrival; `None` when never.
    pub fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        self.with_slot(device, |slot| {
            Some(slot.last_seen_ms.load(Ordering::Relaxed)).filter(|ms| *ms != NEVER)
        })
    }

    /// Notes that the device connected or went at `at_ms`; older news than what is known is passed over.
    /// Says whether the device is now in another state than before.
    pub fn set_online(&self, device: DeviceIndex, online: bool, at_ms: i64) -> bool {
        // Half of i64 is enough for any date; what is beyond it is not a date.
        let at_ms = at_ms.clamp(i64::MIN / 4, i64::MAX / 4);
        self.with_slot_made(device, |slot| {
            let update = |known: i64| match unpack(known) {
                Some(known) if known.since_ms > at_ms || known.online == online => None,
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

fn unpack(connection: i64) -> Option<Connection> {
    (connection != NEVER)
        .then_some(Connection { online: connection & 1 == 1, since_ms: connection.div_euclid(2) })
}

#[cfg(test)]
mod tests;
