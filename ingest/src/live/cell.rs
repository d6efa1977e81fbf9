//! One value that is written while others read it, and the chunks that hold such values.
use super::{
    Latest,
    sync::{
        atomic::{AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence},
        hint,
    },
};
use ioc_model::{
    PropertyId, Quality,
    time::{SeriesOrder, SetBack},
};
use std::sync::OnceLock;

/// A seqlock over plain atomics: an odd version means that a write is under way.
///
/// Ordering, after Boehm ("Can seqlocks get along with programming language memory models?", 2012): the
/// writer's fence keeps its field stores behind the odd version, the reader's fence keeps its field loads
/// before the second look at the version; so equal even versions around a read mean an undivided value.
#[derive(Debug)]
pub(super) struct Cell {
    version: AtomicU32,
    quality: AtomicU8,
    /// [`SetBack`]; for writers only.
    set_back_s: AtomicU16,
    ts_ms: AtomicI64,
    arrival_ms: AtomicI64,
    value_bits: AtomicU64,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            version: AtomicU32::new(0),
            quality: AtomicU8::new(0),
            set_back_s: AtomicU16::new(0),
            ts_ms: AtomicI64::new(0),
            arrival_ms: AtomicI64::new(0),
            value_bits: AtomicU64::new(0),
        }
    }
}

impl Cell {
    /// Returns the value, undivided; `None` before the first write.
    pub(super) fn read(&self) -> Option<Latest> {
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version == 0 {
                return None;
            }
            let latest = self.fields();
            fence(Ordering::Acquire);
            if version & 1 == 0 && self.version.load(Ordering::Relaxed) == version {
                return Some(latest);
            }
            hint::spin_loop();
        }
    }

    /// Has what is here count as older by `by_ms`.
    pub(super) fn set_back(&self, by_ms: i64) {
        // What was never written must not look as if it was.
        if self.version.load(Ordering::Relaxed) == 0 {
            return;
        }
        let version = self.begin_write();
        let SetBack(set_back_s) = SetBack(self.set_back_s.load(Ordering::Relaxed)).and(by_ms);
        self.set_back_s.store(set_back_s, Ordering::Relaxed);
        self.end_write(version);
    }

    /// Takes up how far the device's clock was set back since what is here.
    pub(super) fn restore_set_back(&self, SetBack(set_back_s): SetBack) {
        let version = self.begin_write();
        self.set_back_s.store(set_back_s, Ordering::Relaxed);
        self.end_write(version);
    }

    /// Takes `latest` unless what is here is newer in the order of its series; says whether it did.
    pub(super) fn replace(&self, latest: Latest) -> bool {
        let version = self.begin_write();
        // Version 1 is the first write ever: there is nothing yet to be newer.
        let is_newest = version == 1 || latest.order().follows(self.order());
        if is_newest {
            self.ts_ms.store(latest.ts_ms, Ordering::Relaxed);
            self.arrival_ms.store(latest.arrival_ms, Ordering::Relaxed);
            self.value_bits.store(latest.value.to_bits(), Ordering::Relaxed);
            self.quality.store(latest.quality.0, Ordering::Relaxed);
            self.set_back_s.store(0, Ordering::Relaxed);
        }
        self.end_write(version);
        is_newest
    }

    /// Makes the version even again.
    fn end_write(&self, version: u32) {
        // After 2^31 writes the version comes round to 2 instead of 0, which would mean "empty".
        self.version.store(version.checked_add(1).unwrap_or(2), Ordering::Release);
    }

    /// Makes the version odd. Writers are few and fields are few, so a second writer spins.
    fn begin_write(&self) -> u32 {
        let mut version = self.version.load(Ordering::Relaxed);
        loop {
            if version & 1 == 1 {
                hint::spin_loop();
                version = self.version.load(Ordering::Relaxed);
                continue;
            }
            let claim = self.version.compare_exchange_weak(
                version,
                version + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match claim {
                Ok(_) => {
                    fence(Ordering::Release);
                    return version + 1;
                }
                Err(now) => version = now,
            }
        }
    }

    fn order(&self) -> SeriesOrder {
        let order =
            SeriesOrder::new(self.ts_ms.load(Ordering::Relaxed), self.arrival_ms.load(Ordering::Relaxed));
        SetBack(self.set_back_s.load(Ordering::Relaxed)).of(order)
    }

    fn fields(&self) -> Latest {
        Latest {
            ts_ms: self.ts_ms.load(Ordering::Relaxed),
            arrival_ms: self.arrival_ms.load(Ordering::Relaxed),
            value: f64::from_bits(self.value_bits.load(Ordering::Relaxed)),
            quality: Quality(self.quality.load(Ordering::Relaxed)),
        }
    }
}

/// Cells per chunk: as many as the kind with the most properties reports, so that one is enough.
const CELLS: usize = 10;

/// A key that no cell was given to yet; above all property ids.
const FREE: u32 = u32::MAX;

/// Cells of one device, and more of them behind.
#[derive(Debug)]
pub(super) struct Chunk {
    keys: [AtomicU32; CELLS],
    cells: [Cell; CELLS],
    next: OnceLock<Box<Chunk>>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            keys: std::array::from_fn(|_| AtomicU32::new(FREE)),
            cells: std::array::from_fn(|_| Cell::default()),
            next: OnceLock::new(),
        }
    }
}

impl Chunk {
    /// Finds the cell of a property.
    pub(super) fn cell(&self, property: PropertyId) -> Option<&Cell> {
        let mut chunk = self;
        loop {
            for (key, cell) in chunk.keys.iter().zip(&chunk.cells) {
                match key.load(Ordering::Relaxed) {
                    found if found == u32::from(property.0) => return Some(cell),
                    FREE => return None,
                    _ => {}
                }
            }
            chunk = chunk.next.get()?;
        }
    }

    /// Finds the cell of a property, or gives it one. At most one chunk more per [`CELLS`] properties of
    /// the catalogue.
    pub(super) fn cell_made(&self, property: PropertyId) -> &Cell {
        let wanted = u32::from(property.0);
        let mut chunk = self;
        loop {
            for (key, cell) in chunk.keys.iter().zip(&chunk.cells) {
                // A key is set once and its cell starts empty, so the key itself orders nothing.
                let found = match key.load(Ordering::Relaxed) {
                    FREE => key.compare_exchange(FREE, wanted, Ordering::Relaxed, Ordering::Relaxed),
                    taken => Err(taken),
                };
                if found == Ok(FREE) || found == Err(wanted) {
                    return cell;
                }
            }
            chunk = chunk.next.get_or_init(Box::default);
        }
    }

    /// Returns the cells that were given out here.
    pub(super) fn cells(&self) -> impl Iterator<Item = (PropertyId, &Cell)> {
        let keys = self.keys.iter().map(|key| u16::try_from(key.load(Ordering::Relaxed)).ok());
        keys.zip(&self.cells).map_while(|(key, cell)| Some((PropertyId(key?), cell)))
    }

    /// Returns the chunk behind.
    pub(super) fn next(&self) -> Option<&Chunk> {
        self.next.get().map(|chunk| &**chunk)
    }
}
