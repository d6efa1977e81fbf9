//! A block: readings of one property of 64 devices within some time, in compressed columns.
//!
//! Head: magic `BLK2`, property u16, 0 u16, group u32, body length u32, earliest and latest time i64, crc32 of
//! all but itself. Body: which devices (u64), readings of each (varints), then four columns, each with its length
//! before it: times (u32 milliseconds since the earliest, pco), values (f64, pco), quality (runs of byte and varint;
//! empty when all are good), arrival minus event time (i64 milliseconds, pco; empty when all are 0). Devices ascend,
//! times ascend within a device. Little-endian.
//!
//! Blocks of version 1 have magic `BLK1`, times of 32 bits since the start of the segment's span, also in the head,
//! and three columns. They are read, not written.
use crate::{Point, StoreError, TimeRange, lanes::LANES};
use ioc_model::{PropertyId, Quality};
use std::ops::Range;

/// Bytes before the body.
pub(crate) const HEAD_LEN: usize = 36;
pub(crate) const MAGIC: &[u8; 4] = b"BLK2";
const HEAD_LEN_1: usize = 28;
const MAGIC_1: &[u8; 4] = b"BLK1";
/// What both magics begin with.
pub(crate) const MAGIC_PREFIX: &[u8; 3] = b"BLK";
/// Compression level: the default of pco, and what was measured.
const PCO_LEVEL: usize = 8;

/// What a block is about, as its head and the segment's index say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockKey {
    pub(crate) property: PropertyId,
    /// Device index divided by 64.
    pub(crate) group: u32,
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHead {
    pub(crate) key: BlockKey,
    /// Length of the whole block, head and body.
    pub(crate) len: u32,
    /// Event times, milliseconds since the epoch.
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
    head_len: usize,
    /// What the times in the block are relative to.
    base_ms: i64,
}

/// The readings of a block by lane, each ascending in time; not more than 49 days apart.
pub(crate) type Lanes<'a> = [&'a [Point]; LANES];

/// Encodes blocks; keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub(crate) struct BlockEncoder {
    ts: Vec<u32>,
    values: Vec<f64>,
    quality: Vec<u8>,
    delays: Vec<i64>,
}

impl BlockEncoder {
    /// Appends a block with the readings of `lanes` to `out`. Returns its head.
    ///
    /// Errors: [`StoreError::Compress`].
    pub(crate) fn encode(
        &mut self,
        key: BlockKey,
        lanes: &Lanes<'_>,
        out: &mut Vec<u8>,
    ) -> Result<BlockHead, StoreError> {
        let (earliest, latest) = bounds(lanes).unwrap_or_default();
        self.fill(lanes, earliest);
        let start = out.len();
        out.resize(start + HEAD_LEN, 0);
        let present =
            (0..LANES).filter(|lane| !lanes[*lane].is_empty()).fold(0u64, |set, lane| set | 1 << lane);
        out.extend_from_slice(&present.to_le_bytes());
        for lane in lanes.iter().filter(|lane| !lane.is_empty()) {
            put_varint(out, lane.len() as u32);
        }
        put_column(out, &compress(&self.ts)?);
        put_column(out, &compress(&self.values)?);
        put_column(out, &encode_quality(&self.quality));
        let has_delays = self.delays.iter().any(|delay_ms| *delay_ms != 0);
        put_column(out, &if has_delays { compress(&self.delays)? } else { Vec::new() });
        let len = (out.len() - start) as u32;
        let head = BlockHead { key, len, earliest, latest, head_len: HEAD_LEN, base_ms: earliest };
        head.write(&mut out[start..]);
        Ok(head)
    }

    fn fill(&mut self, lanes: &Lanes<'_>, base_ms: i64) {
        self.ts.clear();
        self.values.clear();
        self.quality.clear();
        self.delays.clear();
        for point in lanes.iter().copied().flatten() {
            self.ts.push(point.ts_ms.wrapping_sub(base_ms) as u32);
            self.values.push(point.value);
            self.quality.push(point.quality.0);
            self.delays.push(point.delay_ms);
        }
    }
}

/// Returns the earliest and the latest time.
pub(crate) fn bounds(lanes: &Lanes<'_>) -> Option<(i64, i64)> {
    let earliest = lanes.iter().filter_map(|lane| lane.first()).map(|point| point.ts_ms).min()?;
    let latest = lanes.iter().filter_map(|lane| lane.last()).map(|point| point.ts_ms).max()?;
    Some((earliest, latest))
}

fn compress<T: pco::data_types::Number>(column: &[T]) -> Result<Vec<u8>, StoreError> {
    let config = pco::ChunkConfig::default().with_compression_level(PCO_LEVEL);
    pco::standalone::simple_compress(column, &config).map_err(|error| StoreError::Compress(error.to_string()))
}

impl BlockHead {
    /// Writes the head over the first bytes of a block whose body is in place.
    fn write(&self, block: &mut [u8]) {
        block[..4].copy_from_slice(MAGIC);
        block[4..6].copy_from_slice(&self.key.property.0.to_le_bytes());
        block[8..12].copy_from_slice(&self.key.group.to_le_bytes());
        block[12..16].copy_from_slice(&(self.len - HEAD_LEN as u32).to_le_bytes());
        block[16..24].copy_from_slice(&self.earliest.to_le_bytes());
        block[24..32].copy_from_slice(&self.latest.to_le_bytes());
        let crc = checksum(block, HEAD_LEN);
        block[32..36].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the head of a whole, intact block; `None` for anything else. `span_base_ms` is the start of the
    /// segment's span, which times in blocks of version 1 are relative to.
    pub(crate) fn check(block: &[u8], span_base_ms: i64) -> Option<Self> {
        let head = Self::peek(block, span_base_ms)?;
        let whole = block.get(..head.len as usize)?;
        (checksum(whole, head.head_len) == u32_at(whole, head.head_len - 4)?).then_some(head)
    }

    /// Reads the head without checking the checksum.
    fn peek(block: &[u8], span_base_ms: i64) -> Option<Self> {
        let property = PropertyId(u16::from_le_bytes(*block.get(4..)?.first_chunk()?));
        let key = BlockKey { property, group: u32_at(block, 8)? };
        let body_len = u32_at(block, 12)?;
        let (earliest, latest, head_len) = if block.starts_with(MAGIC) {
            (i64_at(block, 16)?, i64_at(block, 24)?, HEAD_LEN)
        } else if block.starts_with(MAGIC_1) {
            let absolute = |ts: u32| span_base_ms.saturating_add(i64::from(ts));
            (absolute(u32_at(block, 16)?), absolute(u32_at(block, 20)?), HEAD_LEN_1)
        } else {
            return None;
        };
        let base_ms = if head_len == HEAD_LEN { earliest } else { span_base_ms };
        let len = body_len.checked_add(head_len as u32)?;
        Some(Self { key, len, earliest, latest, head_len, base_ms })
    }
}

fn checksum(block: &[u8], head_len: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..head_len - 4]);
    hasher.update(&block[head_len..]);
    hasher.finalize()
}

/// Which readings a block has, without their values: what a look for single times needs.
#[derive(Debug)]
pub(crate) struct BlockTimes {
    base_ms: i64,
    /// `bounds[lane]..bounds[lane + 1]` are the readings of a lane.
    bounds: [u32; LANES + 1],
    ts: Vec<u32>,
    /// The columns behind the times, as they are in the file.
    rest: Box<[u8]>,
}

impl BlockTimes {
    /// Decodes the times of an intact block.
    ///
    /// Errors: what is wrong, when it is not.
    pub(crate) fn decode(block: &[u8], span_base_ms: i64) -> Result<Self, &'static str> {
        let head = BlockHead::check(block, span_base_ms).ok_or("block checksum does not match")?;
        let mut body = &block[head.head_len..];
        Self::decode_body(&mut body, head.base_ms).ok_or("block columns do not fit each other")
    }

    fn decode_body(body: &mut &[u8], base_ms: i64) -> Option<Self> {
        let present = u64::from_le_bytes(*body.split_off(..8)?.first_chunk()?);
        let mut bounds = [0u32; LANES + 1];
        for lane in 0..LANES {
            let count = if present >> lane & 1 == 1 { take_varint(body)? } else { 0 };
            bounds[lane + 1] = bounds[lane].checked_add(count)?;
        }
        let ts: Vec<u32> = pco::standalone::simple_decompress(take_column(body)?).ok()?;
        let rest = (*body).into();
        (ts.len() == bounds[LANES] as usize).then_some(Self { base_ms, bounds, ts, rest })
    }

    /// Decodes the values.
    pub(crate) fn values(&self) -> Option<Vec<f64>> {
        let values: Vec<f64> = pco::standalone::simple_decompress(take_column(&mut &*self.rest)?).ok()?;
        (values.len() == self.ts.len()).then_some(values)
    }

    /// Returns the position of the reading of a lane at exactly this time.
    pub(crate) fn position(&self, lane: usize, ts_ms: i64) -> Option<usize> {
        let range = self.lane(lane);
        let wanted = u32::try_from(ts_ms.checked_sub(self.base_ms)?).ok()?;
        let at = self.ts[range.clone()].binary_search(&wanted).ok()?;
        Some(range.start + at)
    }

    fn lane(&self, lane: usize) -> Range<usize> {
        self.bounds[lane] as usize..self.bounds[lane + 1] as usize
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ts.len() * 4 + self.rest.len()
    }
}

/// The readings of a block.
#[derive(Debug)]
pub(crate) struct Block {
    times: BlockTimes,
    values: Vec<f64>,
    /// Empty when all are good.
    quality: Vec<u8>,
    /// Empty when all are 0.
    delays: Vec<i64>,
}

impl Block {
    /// Decodes an intact block.
    ///
    /// Errors: what is wrong, when it is not.
    pub(crate) fn decode(block: &[u8], span_base_ms: i64) -> Result<Self, &'static str> {
        let times = BlockTimes::decode(block, span_base_ms)?;
        let has_delays = block.starts_with(MAGIC);
        Self::decode_rest(times, has_delays).ok_or("block columns do not fit each other")
    }

    fn decode_rest(mut times: BlockTimes, has_delays: bool) -> Option<Self> {
        let rest = std::mem::take(&mut times.rest);
        let (mut rest, readings) = (&*rest, times.ts.len());
        let values: Vec<f64> = pco::standalone::simple_decompress(take_column(&mut rest)?).ok()?;
        let quality = decode_quality(take_column(&mut rest)?, readings)?;
        let delays = if has_delays { decode_delays(take_column(&mut rest)?, readings)? } else { Vec::new() };
        (values.len() == readings).then_some(Self { times, values, quality, delays })
    }

    /// Positions of a lane's readings within `range`.
    pub(crate) fn range(&self, lane: usize, range: TimeRange) -> Range<usize> {
        let BlockTimes { base_ms, ts, .. } = &self.times;
        let within = self.times.lane(lane);
        let ts = &ts[within.clone()];
        let position = |at_ms: i64| ts.partition_point(|ts| base_ms + i64::from(*ts) < at_ms);
        within.start + position(range.from_ms)..within.start + position(range.to_ms)
    }

    /// Positions of all of a lane's readings.
    pub(crate) fn lane(&self, lane: usize) -> Range<usize> {
        self.times.lane(lane)
    }

    pub(crate) fn points(&self, range: Range<usize>) -> impl Iterator<Item = Point> + '_ {
        range.map(|at| Point {
            ts_ms: self.times.base_ms + i64::from(self.times.ts[at]),
            value: self.values[at],
            quality: Quality(self.quality.get(at).copied().unwrap_or(0)),
            delay_ms: self.delays.get(at).copied().unwrap_or(0),
        })
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

fn decode_delays(bytes: &[u8], readings: usize) -> Option<Vec<i64>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let delays: Vec<i64> = pco::standalone::simple_decompress(bytes).ok()?;
    (delays.len() == readings).then_some(delays)
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

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
