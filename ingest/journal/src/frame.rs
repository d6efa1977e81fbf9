//! The bytes of a segment: header, batch marks, records. Pure functions over slices, no files.
//!
//! A segment is a header and then whole batches. A batch is a mark ([`MARK_LEN`] bytes) and its records; a leap is a mark that
//! no records follow.
//! All numbers are little-endian.
//!
//! | Part | Fields |
//! |---|---|
//! | header | magic `IOCJRNL\n`, version u32, first offset u64, crc32 of these |
//! | mark | magic `BTCH`, first offset u64, records u32, bytes of records u32, committed ms i64, crc32 of these |
//! | leap | magic `LEAP`, first offset u64, how many numbers without a record u64, written ms i64, crc32 of these |
//! | record | payload length u32, crc32 of kind and payload (started from the offset), kind u8, payload |
use crate::{Offset, RECORD_LEN_MAX};
use crc32fast::Hasher;
use ioc_model::RecordKind;

/// Format version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub(crate) const HEADER_LEN: usize = 24;
/// Bytes of a batch's mark.
pub(crate) const MARK_LEN: usize = 32;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD_LEN: usize = 9;

const HEADER_MAGIC: &[u8; 8] = b"IOCJRNL\n";
const MARK_MAGIC: &[u8; 4] = b"BTCH";
const LEAP_MAGIC: &[u8; 4] = b"LEAP";

/// Returns the header of a segment whose first record is `first`.
pub(crate) fn header(first: Offset) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[..8].copy_from_slice(HEADER_MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&out[..20]);
    out[20..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A segment starting at this offset.
    First(Offset),
    /// A version that is not ours.
    Version(u32),
    /// Not a header.
    Damaged,
}

/// Reads a header.
pub(crate) fn parse_header(bytes: &[u8; HEADER_LEN]) -> Header {
    let version = u32_at(bytes, 8);
    if &bytes[..8] != HEADER_MAGIC {
        return Header::Damaged;
    }
    // The version comes before the checksum: a later format may place it elsewhere.
    if version > VERSION && version < 1 << 16 {
        return Header::Version(version);
    }
    match crc32fast::hash(&bytes[..20]) == u32_at(bytes, 20) && version == VERSION {
        true => Header::First(u64_at(bytes, 12)),
        false => Header::Damaged,
    }
}

/// What stands before the records of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Offset of the first record.
    pub(crate) first: Offset,
    /// Number of records, at least 1; of a leap, of numbers that are passed over.
    pub(crate) count: u64,
    /// Bytes of all records, their heads included; 0 for a leap.
    pub(crate) bytes: u32,
    /// When the batch was handed to the disk, milliseconds since the epoch.
    pub(crate) committed_ms: i64,
}

impl Mark {
    /// Makes the mark of a leap over the numbers from `first` to `last`.
    pub(crate) fn leap(first: Offset, last: Offset, committed_ms: i64) -> Self {
        Self { first, count: last + 1 - first, bytes: 0, committed_ms }
    }

    /// Offset of the last record.
    pub(crate) fn last(&self) -> Offset {
        self.first + (self.count - 1)
    }

    fn is_leap(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn encode(&self) -> [u8; MARK_LEN] {
        let mut out = [0; MARK_LEN];
        out[4..12].copy_from_slice(&self.first.to_le_bytes());
        if self.is_leap() {
            out[..4].copy_from_slice(LEAP_MAGIC);
            out[12..20].copy_from_slice(&self.count.to_le_bytes());
        } else {
            out[..4].copy_from_slice(MARK_MAGIC);
            out[12..16].copy_from_slice(&(self.count as u32).to_le_bytes());
            out[16..20].copy_from_slice(&self.bytes.to_le_bytes());
        }
        out[20..28].copy_from_slice(&self.committed_ms.to_le_bytes());
        let crc = crc32fast::hash(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a mark; `None` when these bytes are none.
    pub(crate) fn parse(bytes: &[u8; MARK_LEN]) -> Option<Self> {
        if !is_magic(bytes) || crc32fast::hash(&bytes[..28]) != u32_at(bytes, 28) {
            return None;
        }
        let (count, bytes_len) = match bytes.starts_with(LEAP_MAGIC) {
            true => (u64_at(bytes, 12), 0),
            false => (u64::from(u32_at(bytes, 12)), u32_at(bytes, 16)),
        };
        let mark =
            Self { first: u64_at(bytes, 4), count, bytes: bytes_len, committed_ms: u64_at(bytes, 20) as i64 };
        let is_whole = mark.count > 0 && mark.first.checked_add(mark.count).is_some();
        (is_whole && mark.is_leap() == bytes.starts_with(LEAP_MAGIC)).then_some(mark)
    }

    /// Reports whether a mark of a batch at or after `offset` starts anywhere in `bytes`.
    pub(crate) fn is_found_in(bytes: &[u8], offset: Offset) -> bool {
        bytes.windows(MARK_LEN).any(|window| {
            is_magic(window)
                && window.first_chunk().and_then(Self::parse).is_some_and(|mark| mark.first >= offset)
        })
    }
}

fn is_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK_MAGIC) || bytes.starts_with(LEAP_MAGIC)
}

/// Appends a record to `out`.
///
/// Errors: the length, when the payload is longer than [`RECORD_LEN_MAX`]; `out` is then as before.
pub(crate) fn push_record(
    out: &mut Vec<u8>,
    offset: Offset,
    kind: RecordKind,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Result<(), usize> {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, kind as u8]);
    encode(out);
    let payload_len = out.len().saturating_sub(start + RECORD_HEAD_LEN);
    if payload_len > RECORD_LEN_MAX {
        out.truncate(start);
        return Err(payload_len);
    }
    let crc = record_crc(offset, &out[start + 8..]);
    out[start..start + 4].copy_from_slice(&(payload_len as u32).to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Starting from the offset makes a record that was copied to another place invalid there.
fn record_crc(offset: Offset, kind_and_payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(offset as u32);
    hasher.update(kind_and_payload);
    hasher.finalize()
}

/// One record in place: kind, payload, and the bytes behind it.
pub(crate) fn split_record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, tail) = bytes.split_first_chunk::<RECORD_HEAD_LEN>()?;
    let (payload, rest) = tail.split_at_checked(u32_at(head, 0) as usize)?;
    Some((head[8], payload, rest))
}

/// Checks that `bytes` are exactly the records that `mark` announces.
///
/// Errors: where the first bad record starts, counted from the first record, and what is wrong.
pub(crate) fn verify(mark: &Mark, bytes: &[u8]) -> Result<(), (usize, &'static str)> {
    let mut rest = bytes;
    let records = if mark.is_leap() { 0 } else { mark.count };
    for index in 0..records {
        let at = bytes.len() - rest.len();
        let (kind, payload, behind) = split_record(rest).ok_or((at, "record longer than its batch"))?;
        if record_crc(mark.first + index, &rest[8..RECORD_HEAD_LEN + payload.len()]) != u32_at(rest, 4) {
            return Err((at, "record checksum does not match"));
        }
        if RecordKind::from_u8(kind).is_none() {
            return Err((at, "record of unknown kind"));
        }
        rest = behind;
    }
    if rest.is_empty() { Ok(()) } else { Err((bytes.len() - rest.len(), "bytes behind the last record")) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(array)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(array)
}
