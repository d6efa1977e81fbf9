//! A block: the readings of one property of 64 devices within one span, in compressed columns.
//!
//! Head: magic `BLK1`, property u16, 0 u16, group u32, body length u32, earliest and latest time u32, crc32 of
//! all but itself. Body: which devices (u64), readings of each (varints), then three columns, each with its length
//! before it: times (u32 milliseconds since the start of the span, pco), values (f64, pco), quality (runs of byte
//! and varint; empty when all are good). Devices ascend, times ascend within a device. Little-endian.
use crate::{Point, StoreError, TimeRange, head::LANES};
use ioc_model::{PropertyId, Quality};
use std::ops::Range;

/// Bytes before the body.
pub(crate) const HEAD_LEN: usize = 28;
pub(crate) const MAGIC: &[u8; 4] = b"BLK1";
/// Compression level: the default of pco, and what was measured.
const PCO_LEVEL: usize = 8;

/// What a block is about, as its head and the segment's index say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockKey {
    pub(crate) property: PropertyId,
    /// Device index divided by 64.
    pub(crate) group: u32,
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub(crate) key: BlockKey,
    pub(crate) body_len: u32,
    /// Milliseconds since the start of the span.
    pub(crate) earliest: u32,
    pub(crate) latest: u32,
}

/// Collects the readings of a block, device by device.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    present: u64,
    counts: Vec<u32>,
    ts: Vec<u32>,
    values: Vec<f64>,
    quality: Vec<u8>,
}

impl BlockBuilder {
    pub(crate) fn clear(&mut self) {
        self.present = 0;
        self.counts.clear();
        self.ts.clear();
        self.values.clear();
        self.quality.clear();
    }

    /// Adds the readings of a device; lanes ascend, times ascend. `base_ms` is the start of the span.
    pub(crate) fn push_lane(&mut self, lane: usize, points: impl Iterator<Item = Point>, base_ms: i64) {
        let before = self.ts.len();
        for point in points {
            self.ts.push(point.ts_ms.wrapping_sub(base_ms) as u32);
            self.values.push(point.value);
            self.quality.push(point.quality.0);
        }
        if self.ts.len() > before {
            self.present |= 1 << lane;
            self.counts.push((self.ts.len() - before) as u32);
        }
    }

    pub(crate) fn readings(&self) -> usize {
        self.ts.len()
    }

    /// Appends the block to `out`. Returns its head.
    ///
    /// Errors: [`StoreError::Compress`].
    pub(crate) fn encode(&self, key: BlockKey, out: &mut Vec<u8>) -> Result<BlockHead, StoreError> {
        let start = out.len();
        out.resize(start + HEAD_LEN, 0);
        out.extend_from_slice(&self.present.to_le_bytes());
        for count in &self.counts {
            put_varint(out, *count);
        }
        let config = pco::ChunkConfig::default().with_compression_level(PCO_LEVEL);
        let failed = |error: pco::errors::PcoError| StoreError::Compress(error.to_string());
        put_column(out, &pco::standalone::simple_compress(&self.ts, &config).map_err(failed)?);
        put_column(out, &pco::standalone::simple_compress(&self.values, &config).map_err(failed)?);
        put_column(out, &encode_quality(&self.quality));
        let head = BlockHead {
            key,
            body_len: (out.len() - start - HEAD_LEN) as u32,
            earliest: self.ts.iter().copied().min().unwrap_or(0),
            latest: self.ts.iter().copied().max().unwrap_or(0),
        };
        head.write(&mut out[start..]);
        Ok(head)
    }
}

impl BlockHead {
    /// Writes the head over the first bytes of a block whose body is in place.
    fn write(&self, block: &mut [u8]) {
        block[..4].copy_from_slice(MAGIC);
        block[4..6].copy_from_slice(&self.key.property.0.to_le_bytes());
        block[8..12].copy_from_slice(&self.key.group.to_le_bytes());
        block[12..16].copy_from_slice(&self.body_len.to_le_bytes());
        block[16..20].copy_from_slice(&self.earliest.to_le_bytes());
        block[20..24].copy_from_slice(&self.latest.to_le_bytes());
        let crc = checksum(block);
        block[24..28].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the head of a whole, intact block; `None` for anything else.
    pub(crate) fn check(block: &[u8]) -> Option<Self> {
        let head = Self::peek(block)?;
        let whole = block.get(..HEAD_LEN + head.body_len as usize)?;
        (checksum(whole) == u32_at(whole, 24)?).then_some(head)
    }

    /// Reads the head without checking the checksum.
    pub(crate) fn peek(block: &[u8]) -> Option<Self> {
        if !block.starts_with(MAGIC) || block.len() < HEAD_LEN {
            return None;
        }
        let property = PropertyId(u16::from_le_bytes([block[4], block[5]]));
        Some(Self {
            key: BlockKey { property, group: u32_at(block, 8)? },
            body_len: u32_at(block, 12)?,
            earliest: u32_at(block, 16)?,
            latest: u32_at(block, 20)?,
        })
    }
}

fn checksum(block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..24]);
    hasher.update(&block[HEAD_LEN..]);
    hasher.finalize()
}

/// The readings of a block.
#[derive(Debug)]
pub(crate) struct Block {
    base_ms: i64,
    /// `bounds[lane]..bounds[lane + 1]` are the readings of a lane.
    bounds: [u32; LANES + 1],
    ts: Vec<u32>,
    values: Vec<f64>,
    /// Empty when all are good.
    quality: Vec<u8>,
}

impl Block {
    /// Decodes an intact block.
    ///
    /// Errors: what is wrong, when it is not.
    pub(crate) fn decode(block: &[u8], base_ms: i64) -> Result<Self, &'static str> {
        BlockHead::check(block).ok_or("block checksum does not match")?;
        Self::decode_body(&block[HEAD_LEN..], base_ms).ok_or("block columns do not fit each other")
    }

    fn decode_body(mut body: &[u8], base_ms: i64) -> Option<Self> {
        let present = u64::from_le_bytes(*body.split_off(..8)?.first_chunk()?);
        let mut bounds = [0u32; LANES + 1];
        for lane in 0..LANES {
            let count = if present >> lane & 1 == 1 { take_varint(&mut body)? } else { 0 };
            bounds[lane + 1] = bounds[lane].checked_add(count)?;
        }
        let readings = bounds[LANES] as usize;
        let ts: Vec<u32> = pco::standalone::simple_decompress(take_column(&mut body)?).ok()?;
        let values: Vec<f64> = pco::standalone::simple_decompress(take_column(&mut body)?).ok()?;
        let quality = decode_quality(take_column(&mut body)?, readings)?;
        (ts.len() == readings && values.len() == readings).then_some(Self {
            base_ms,
            bounds,
            ts,
            values,
            quality,
        })
    }

    pub(crate) fn readings(&self) -> usize {
        self.ts.len()
    }

    /// Positions of a lane's readings within `range`.
    pub(crate) fn range(&self, lane: usize, range: TimeRange) -> Range<usize> {
        let (start, end) = (self.bounds[lane] as usize, self.bounds[lane + 1] as usize);
        let ts = &self.ts[start..end];
        let position = |at_ms: i64| ts.partition_point(|ts| self.base_ms + i64::from(*ts) < at_ms);
        start + position(range.from_ms)..start + position(range.to_ms)
    }

    /// Positions of all of a lane's readings.
    pub(crate) fn lane(&self, lane: usize) -> Range<usize> {
        self.bounds[lane] as usize..self.bounds[lane + 1] as usize
    }

    pub(crate) fn points(&self, range: Range<usize>) -> impl Iterator<Item = Point> + '_ {
        range.map(|at| Point {
            ts_ms: self.base_ms + i64::from(self.ts[at]),
            value: self.values[at],
            quality: Quality(self.quality.get(at).copied().unwrap_or(0)),
        })
    }

    /// Returns the value of a lane at exactly this time.
    pub(crate) fn value_at(&self, lane: usize, ts_ms: i64) -> Option<f64> {
        let range = self.lane(lane);
        let wanted = u32::try_from(ts_ms.checked_sub(self.base_ms)?).ok()?;
        let at = self.ts[range.clone()].binary_search(&wanted).ok()?;
        Some(self.values[range.start + at])
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}

fn put_column(out: &mut Vec<u8>, column: &[u8]) {
    out.extend_from_slice(&(column.len() as u32).to_le_bytes());
    out.extend_from_slice(column);
}

fn take_column<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
    bytes.split_off(..len as usize)
}

fn encode_quality(quality: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if quality.iter().any(|q| *q != 0) {
        for run in quality.chunk_by(|a, b| a == b) {
            out.push(run[0]);
            put_varint(&mut out, run.len() as u32);
        }
    }
    out
}

fn decode_quality(mut bytes: &[u8], readings: usize) -> Option<Vec<u8>> {
    let mut quality = Vec::new();
    if bytes.is_empty() {
        return Some(quality);
    }
    while let Some(byte) = bytes.split_off_first() {
        let len = take_varint(&mut bytes)? as usize;
        if quality.len() + len > readings {
            return None;
        }
        quality.resize(quality.len() + len, *byte);
    }
    (quality.len() == readings).then_some(quality)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
