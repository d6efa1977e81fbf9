//! The newest point of each series, as of the last sealing: one table file, so that a start needs no scan.
use crate::{Point, Series, StoreError, segment::array};
use ioc_model::{DeviceIndex, PropertyId, Quality};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Newest points by series.
pub(crate) type Newest = BTreeMap<Series, Point>;

const MAGIC: &[u8; 8] = b"IOCNEWS2";
const ROW_LEN: usize = ROW_LEN_1 + 8;
/// Without arrival minus event time.
const MAGIC_1: &[u8; 8] = b"IOCNEWS1";
const ROW_LEN_1: usize = 4 + 2 + 1 + 8 + 8;

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
        bytes.extend_from_slice(&point.delay_ms.to_le_bytes());
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
    if let Some(rows) = summed.strip_prefix(MAGIC_1) {
        return parse::<ROW_LEN_1>(rows);
    }
    parse::<ROW_LEN>(summed.strip_prefix(MAGIC)?)
}

fn parse<const LEN: usize>(rows: &[u8]) -> Option<Newest> {
    let (rows, rest) = rows.as_chunks::<LEN>();
    rest.is_empty().then(|| rows.iter().map(|bytes| row(bytes)).collect())
}

/// Reads a row; the last field is 0 where a row of the first version ends.
fn row(bytes: &[u8]) -> (Series, Point) {
    let device = DeviceIndex(u32::from_le_bytes(array(bytes, 0)));
    let property = PropertyId(u16::from_le_bytes(array(bytes, 4)));
    let point = Point {
        quality: Quality(bytes[6]),
        ts_ms: i64::from_le_bytes(array(bytes, 7)),
        value: f64::from_le_bytes(array(bytes, 15)),
        delay_ms: i64::from_le_bytes(array(bytes, 23)),
    };
    (Series { device, property }, point)
}
