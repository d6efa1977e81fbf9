//! The newest point of each series, and the last one where that is another, as of the last sealing: one table file, so that a
//! start needs no scan.
use crate::{
    Point, Series, StoreError,
    lanes::{LANES, series_at},
    last::Last,
    sealed::Sealed,
    segment::array,
};
use ioc_model::{DeviceIndex, PropertyId, Quality, time::SetBack};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Newest points by series.
pub(crate) type Newest = BTreeMap<Series, Point>;

/// What the table has.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By series.
    pub(crate) newest: Newest,
    /// Those of which the last point is not the newest, or their device's clock was set back since.
    pub(crate) lasts: BTreeMap<Series, Last>,
}

/// Followed by the number of `lasts`, these, and the newest points.
const MAGIC: &[u8; 8] = b"IOCNEWS3";
const ROW_LEN: usize = ROW_LEN_1 + 8;
const LAST_LEN: usize = ROW_LEN + 8;
/// The newest points alone.
const MAGIC_2: &[u8; 8] = b"IOCNEWS2";
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
pub(crate) fn save(dir: &Path, seq: u64, Table { newest, lasts }: &Table) -> Result<(), StoreError> {
    let len = MAGIC.len() + 4 + lasts.len() * LAST_LEN + newest.len() * ROW_LEN + 4;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(lasts.len() as u32).to_le_bytes());
    for (series, Last { point, set_back: SetBack(seconds) }) in lasts {
        put_row(&mut bytes, *series, point);
        bytes.extend_from_slice(&(i64::from(*seconds) * 1000).to_le_bytes());
    }
    newest.iter().for_each(|(series, point)| put_row(&mut bytes, *series, point));
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

fn put_row(bytes: &mut Vec<u8>, series: Series, point: &Point) {
    bytes.extend_from_slice(&series.device.0.to_le_bytes());
    bytes.extend_from_slice(&series.property.0.to_le_bytes());
    bytes.push(point.quality.0);
    bytes.extend_from_slice(&point.ts_ms.to_le_bytes());
    bytes.extend_from_slice(&point.value.to_le_bytes());
    bytes.extend_from_slice(&point.delay_ms.to_le_bytes());
}

/// Reads a table; `None` when it is missing or damaged.
pub(crate) fn load(dir: &Path, seq: u64) -> Option<Table> {
    let bytes = fs::read(path(dir, seq)).ok()?;
    let (summed, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(summed).to_le_bytes() != *crc {
        return None;
    }
    if let Some(rows) = summed.strip_prefix(MAGIC_1) {
        return Some(Table { newest: parse::<ROW_LEN_1>(rows)?, ..Table::default() });
    }
    if let Some(rows) = summed.strip_prefix(MAGIC_2) {
        return Some(Table { newest: parse::<ROW_LEN>(rows)?, ..Table::default() });
    }
    let (count, rows) = summed.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let lasts_len = (u32::from_le_bytes(*count) as usize).checked_mul(LAST_LEN)?;
    let (lasts, newest) = rows.split_at_checked(lasts_len)?;
    let lasts = lasts.as_chunks::<LAST_LEN>().0.iter().map(|bytes| {
        let (series, point) = row(&bytes[..ROW_LEN]);
        (series, Last { point, set_back: SetBack::default().and(i64::from_le_bytes(array(bytes, ROW_LEN))) })
    });
    Some(Table { newest: parse::<ROW_LEN>(newest)?, lasts: lasts.collect() })
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

/// Finds the newest and the last points by reading all segments: when their table is missing or damaged.
pub(crate) fn find(sealed: &Sealed) -> Table {
    let Table { mut newest, mut lasts } = Table::default();
    for segment in sealed.view().segments() {
        for entry in &segment.entries {
            // An unreadable block is reported and has no newest points.
            let Ok(block) = sealed.read(segment, entry) else { continue };
            for lane in 0..LANES {
                let series = series_at(entry.key.group, lane, entry.key.property);
                for point in block.points(block.lane(lane)) {
                    keep(&mut newest, series, point);
                    let last = lasts.entry(series).or_insert(Last::of(point));
                    *last = last.followed_in_order_by(point);
                }
            }
        }
    }
    lasts.retain(|series, last| !last.is_plain(newest.get(series).copied()));
    Table { newest, lasts }
}

/// Notes a point, unless a later one of its series is known.
pub(crate) fn keep(newest: &mut Newest, series: Series, point: Point) {
    let kept = newest.entry(series).or_insert(point);
    if point.ts_ms >= kept.ts_ms {
        *kept = point;
    }
}
