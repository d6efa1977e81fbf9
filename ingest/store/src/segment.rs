//! A segment file: blocks by property, device group and time, and an index at its end. It covers one span of time, or
//! it is wide and has readings of any time.
//!
//! Header ([`HEADER_LEN`] bytes): magic `IOCHIST\n`, format version u32, span ms u32 (0 beyond 49 days), span
//! number i64 (the least one in a wide segment), segment number u64. Then blocks. Then the index: an entry per block
//! (property u32, group u32, position u32, length u32, earliest and latest time i64), its start u64, its length in
//! blocks u32, crc32 of all that, magic `IOCY`. When the index is damaged it is made anew from the blocks.
//!
//! Version 1 had one block of a key, blocks of version 1, and an index with times of 32 bits since the start of the
//! span and magic `IOCX`. It is read, not written.
use crate::{
    StoreError,
    block::{self, BlockEncoder, BlockHead, BlockKey, Lanes},
};
use ioc_model::PropertyId;
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Format version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 2;
pub(crate) const HEADER_LEN: usize = 32;
const MAGIC: &[u8; 8] = b"IOCHIST\n";
const INDEX_MAGIC: &[u8; 4] = b"IOCY";
const ENTRY_LEN: usize = 32;
const INDEX_MAGIC_1: &[u8; 4] = b"IOCX";
const ENTRY_LEN_1: usize = 24;
const TAIL_LEN: usize = 8 + 4 + 4 + 4;
const WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// What the manifest keeps of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    /// Number of the file.
    pub(crate) seq: u64,
    /// Number of the span: its start is this times the span's length. `None` for a wide segment.
    pub(crate) partition: Option<i64>,
    pub(crate) readings: u64,
    pub(crate) bytes: u64,
}

/// Where a block is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) key: BlockKey,
    pub(crate) position: u32,
    pub(crate) len: u32,
    /// Event times, milliseconds since the epoch.
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
}

impl Entry {
    fn new(head: &BlockHead, position: u32) -> Self {
        let BlockHead { key, len, earliest, latest, .. } = *head;
        Self { key, position, len, earliest, latest }
    }

    fn rank(&self) -> (BlockKey, i64) {
        (self.key, self.earliest)
    }
}

/// A sealed segment. Its file goes when it is obsolete and nobody reads it any more.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) info: SegmentInfo,
    pub(crate) path: PathBuf,
    /// Ordered by property, group and time; the blocks of a key do not overlap.
    pub(crate) entries: Box<[Entry]>,
    obsolete: AtomicBool,
}

impl Segment {
    pub(crate) fn new(dir: &Path, info: SegmentInfo, entries: Vec<Entry>) -> Self {
        let path = path(dir, info.seq);
        Self { info, path, entries: entries.into(), obsolete: AtomicBool::new(false) }
    }

    /// Returns the blocks of a key, in order of time.
    pub(crate) fn blocks(&self, key: BlockKey) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.key < key);
        let end = start + self.entries[start..].partition_point(|entry| entry.key == key);
        &self.entries[start..end]
    }

    /// Returns the time of the latest reading.
    pub(crate) fn latest(&self) -> Option<i64> {
        self.entries.iter().map(|entry| entry.latest).max()
    }

    /// Has the file removed once the last reader is done. Only for segments that the manifest no longer names.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire)
            && let Err(error) = fs::remove_file(&self.path)
        {
            // The next start removes what the manifest does not name.
            tracing::warn!(path = %self.path.display(), %error, "old history segment could not be removed");
        }
    }
}

/// Returns the path of a segment.
pub(crate) fn path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:012}.history"))
}

/// Writes a segment under a temporary name.
pub(crate) struct SegmentWriter {
    dir: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    info: SegmentInfo,
    entries: Vec<Entry>,
    encoder: BlockEncoder,
    buffer: Vec<u8>,
}

impl SegmentWriter {
    /// Starts the segment `seq` of a span, or a wide one.
    ///
    /// Errors: [`StoreError::Io`].
    pub(crate) fn create(
        dir: &Path,
        seq: u64,
        partition: Option<i64>,
        span_ms: i64,
    ) -> Result<Self, StoreError> {
        let temporary = path(dir, seq).with_extension("tmp");
        let file = File::create(&temporary).map_err(StoreError::io("create", &temporary))?;
        let mut file = BufWriter::with_capacity(WRITE_BUFFER_BYTES, file);
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&u32::try_from(span_ms).unwrap_or(0).to_le_bytes());
        header[16..24].copy_from_slice(&partition.unwrap_or(i64::MIN).to_le_bytes());
        header[24..].copy_from_slice(&seq.to_le_bytes());
        file.write_all(&header).map_err(StoreError::io("write", &temporary))?;
        let info = SegmentInfo { seq, partition, readings: 0, bytes: HEADER_LEN as u64 };
        let (entries, encoder, buffer) = (Vec::new(), BlockEncoder::default(), Vec::new());
        Ok(Self { dir: dir.to_owned(), temporary, file, info, entries, encoder, buffer })
    }

    /// Adds a block; keys ascend by property and group, and the times of a key.
    ///
    /// Errors: [`StoreError`] when it cannot be compressed or written.
    pub(crate) fn add(&mut self, key: BlockKey, lanes: &Lanes<'_>) -> Result<(), StoreError> {
        self.buffer.clear();
        let head = self.encoder.encode(key, lanes, &mut self.buffer)?;
        let position = u32::try_from(self.info.bytes).map_err(|_| StoreError::SegmentTooLong)?;
        self.file.write_all(&self.buffer).map_err(StoreError::io("write", &self.temporary))?;
        self.entries.push(Entry::new(&head, position));
        self.info.bytes += self.buffer.len() as u64;
        self.info.readings += lanes.iter().map(|lane| lane.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Brings the file to disk under its name. The caller syncs the directory, and then names it in the manifest.
    ///
    /// Errors: [`StoreError::Io`].
    pub(crate) fn finish(mut self) -> Result<Segment, StoreError> {
        let index = encode_index(&self.entries, self.info.bytes);
        self.info.bytes += index.len() as u64;
        self.file.write_all(&index).map_err(StoreError::io("write", &self.temporary))?;
        self.file.flush().map_err(StoreError::io("write", &self.temporary))?;
        self.file.get_ref().sync_all().map_err(StoreError::io("sync", &self.temporary))?;
        let path = path(&self.dir, self.info.seq);
        fs::rename(&self.temporary, &path).map_err(StoreError::io("rename to", &path))?;
        Ok(Segment::new(&self.dir, self.info, std::mem::take(&mut self.entries)))
    }
}

impl Drop for SegmentWriter {
    /// What was not finished must not take space: lack of it may be why. After `finish` there is no such name.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

fn encode_index(entries: &[Entry], start: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY_LEN + TAIL_LEN);
    for entry in entries {
        out.extend_from_slice(&u32::from(entry.key.property.0).to_le_bytes());
        for field in [entry.key.group, entry.position, entry.len] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&entry.earliest.to_le_bytes());
        out.extend_from_slice(&entry.latest.to_le_bytes());
    }
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(INDEX_MAGIC);
    out
}

/// A segment that was opened, and what had to be worked around.
pub(crate) struct OpenedSegment {
    pub(crate) segment: Segment,
    /// Position and description of what is damaged, if anything.
    pub(crate) damage: Option<(u64, String)>,
}

/// Opens a segment that the manifest names. A file that is damaged or missing serves what is left of it.
/// `base_ms` is the start of its span.
///
/// Errors: [`StoreError::Version`] when a newer program wrote it.
pub(crate) fn open(dir: &Path, info: SegmentInfo, base_ms: i64) -> Result<OpenedSegment, StoreError> {
    let path = path(dir, info.seq);
    let unusable = |what: String| OpenedSegment {
        segment: Segment::new(dir, info, Vec::new()),
        damage: Some((0, what)),
    };
    let Outline { header, index, len } = match read_outline(&path) {
        Ok(outline) => outline,
        Err(error) => return Ok(unusable(format!("segment cannot be read: {error}"))),
    };
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let has_magic = &header[..8] == MAGIC;
    if has_magic && version > VERSION && version < 1 << 16 {
        return Err(StoreError::Version { path, found: version, known: VERSION });
    }
    let is_known = has_magic && (1..=VERSION).contains(&version) && header[24..32] == info.seq.to_le_bytes();
    let mut damage = (!is_known).then(|| (0, "segment header is not what was written".to_owned()));
    let entries = match index.as_deref().and_then(|index| parse_index(index, base_ms)) {
        Some(entries) => entries,
        None => {
            damage = Some((len, "segment index is damaged; it was made anew from the blocks".to_owned()));
            match fs::read(&path) {
                Ok(bytes) => find_blocks(&bytes, base_ms),
                Err(error) => return Ok(unusable(format!("segment cannot be read: {error}"))),
            }
        }
    };
    Ok(OpenedSegment { segment: Segment::new(dir, info, entries), damage })
}

struct Outline {
    header: [u8; HEADER_LEN],
    /// From the index to the end of the file, when the end says where that is.
    index: Option<Vec<u8>>,
    len: u64,
}

fn read_outline(path: &Path) -> std::io::Result<Outline> {
    use std::os::unix::fs::FileExt;
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut header = [0; HEADER_LEN];
    file.read_exact_at(&mut header, 0)?;
    let mut tail = [0; TAIL_LEN];
    file.read_exact_at(&mut tail, len.saturating_sub(TAIL_LEN as u64))?;
    let count = u32::from_le_bytes([tail[8], tail[9], tail[10], tail[11]]);
    let entry_len = if tail.ends_with(INDEX_MAGIC_1) { ENTRY_LEN_1 } else { ENTRY_LEN };
    let index_len = u64::from(count) * entry_len as u64 + TAIL_LEN as u64;
    let index = (index_len + HEADER_LEN as u64 <= len).then(|| {
        let mut bytes = vec![0; index_len as usize];
        file.read_exact_at(&mut bytes, len - index_len).map(|()| bytes)
    });
    Ok(Outline { header, index: index.transpose()?, len })
}

fn parse_index(bytes: &[u8], base_ms: i64) -> Option<Vec<Entry>> {
    let (summed, end) = bytes.split_last_chunk::<8>()?;
    let (crc, magic) = end.split_at(4);
    if crc != crc32fast::hash(summed).to_le_bytes() {
        return None;
    }
    let entries = &summed[..summed.len().checked_sub(12)?];
    if magic == INDEX_MAGIC {
        Some(entries.as_chunks().0.iter().map(entry).collect())
    } else if magic == INDEX_MAGIC_1 {
        Some(entries.as_chunks().0.iter().map(|bytes| entry_1(bytes, base_ms)).collect())
    } else {
        None
    }
}

fn entry(bytes: &[u8; ENTRY_LEN]) -> Entry {
    let times: [i64; 2] = [16, 24].map(|at| i64::from_le_bytes(array(bytes, at)));
    let [property, group, position, len] = fields(bytes);
    let key = BlockKey { property: PropertyId(property as u16), group };
    Entry { key, position, len, earliest: times[0], latest: times[1] }
}

fn entry_1(bytes: &[u8; ENTRY_LEN_1], base_ms: i64) -> Entry {
    let times: [i64; 2] =
        [16, 20].map(|at| base_ms.saturating_add(i64::from(u32::from_le_bytes(array(bytes, at)))));
    let [property, group, position, len] = fields(bytes);
    let key = BlockKey { property: PropertyId(property as u16), group };
    Entry { key, position, len, earliest: times[0], latest: times[1] }
}

fn fields(bytes: &[u8]) -> [u32; 4] {
    [0, 4, 8, 12].map(|at| u32::from_le_bytes(array(bytes, at)))
}

/// The bytes from `at` on, zeros where there are none.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|offset| bytes.get(at + offset).copied().unwrap_or(0))
}

/// Finds the intact blocks of a file.
fn find_blocks(bytes: &[u8], base_ms: i64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut position = HEADER_LEN.min(bytes.len());
    while let Some(found) = bytes[position..].windows(3).position(|window| window == block::MAGIC_PREFIX) {
        position += found;
        match BlockHead::check(&bytes[position..], base_ms) {
            Some(head) => {
                entries.push(Entry::new(&head, position as u32));
                position += head.len as usize;
            }
            None => position += 1,
        }
    }
    entries.sort_by_key(Entry::rank);
    entries
}
