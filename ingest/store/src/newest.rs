//! The newest point of each series, as of the last sealing: one table file, so that a start needs no scan.
use crate::{Point, Series, StoreError};
use ioc_model::{DeviceIndex, PropertyId, Quality};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Newest points by series.
pub(crate) type Newest = BTreeMap<Series, Point>;

const MAGIC: &[u8; 8] = b"IOCNEWS1";
const ROW_LEN: usize = 4 + 2 + 1 + 8 + 8;

/// Returns the path of a table.
pub(crate) fn path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:012}.newest"))
}

/// Writes a table and brings it to disk.
///
/// Errors: [`StoreError::Io`].
pub(crate) fn save(dir: &Path, seq: u64, newest: &Newest) -> Result<(), StoreError> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + newest.len() * ROW_LEN + 4);
    bytes.extend_from_slice(MAGIC);
    for (series, point) in newest {
        bytes.extend_from_slice(&series.device.0.to_le_bytes());
        bytes.extend_from_slice(&series.property.0.to_le_bytes());
        bytes.push(point.quality.0);
        bytes.extend_from_slice(&point.ts_ms.to_le_bytes());
        bytes.extend_from_slice(&point.value.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    let path = path(dir, seq);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(StoreError::io("write", path.clone()))
}

/// Reads a table; `None` when it is missing or damaged.
pub(crate) fn load(dir: &Path, seq: u64) -> Option<Newest> {
    let bytes = fs::read(path(dir, seq)).ok()?;
    let (summed, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(summed).to_le_bytes() != *crc {
        return None;
    }
    let (rows, rest) = summed.strip_prefix(MAGIC)?.as_chunks::<ROW_LEN>();
    rest.is_empty().then(|| rows.iter().map(row).collect())
}

fn row(r: &[u8; ROW_LEN]) -> (Series, Point) {
    let eight =
        |at: usize| [r[at], r[at + 1], r[at + 2], r[at + 3], r[at + 4], r[at + 5], r[at + 6], r[at + 7]];
    let series = Series {
        device: DeviceIndex(u32::from_le_bytes([r[0], r[1], r[2], r[3]])),
        property: PropertyId(u16::from_le_bytes([r[4], r[5]])),
    };
    let point = Point {
        ts_ms: i64::from_le_bytes(eight(7)),
        value: f64::from_le_bytes(eight(15)),
        quality: Quality(r[6]),
    };
    (series, point)
}
