//! Segment files: their names, and reading their batches in order.
use crate::{
    JournalError, Offset, RECORD_LEN_MAX,
    batch::{Committed, Content, SegmentPosition},
    frame::{self, HEADER_LEN, Header, MARK_LEN, Mark},
};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

const EXTENSION: &str = "journal";
/// Bytes read at once.
const READ_AHEAD_BYTES: usize = 256 * 1024;
/// A mark that announces more than this is damage, whatever its checksum says.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 30;
const _: () = assert!(BATCH_BYTES_MAX > 2 * RECORD_LEN_MAX);

/// Returns the path of the segment that starts at `first`.
pub(crate) fn path(dir: &Path, first: Offset) -> PathBuf {
    dir.join(format!("{first:020}.{EXTENSION}"))
}

/// Returns the first offset of the segment with this path; `None` for other files.
pub(crate) fn first_of(path: &Path) -> Option<Offset> {
    let stem = path.file_stem()?.to_str()?;
    let is_ours =
        path.extension()? == EXTENSION && stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit());
    is_ours.then(|| stem.parse().ok()).flatten()
}

/// Reads the batches of one segment in order, each checked.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: File,
    path: PathBuf,
    segment: Offset,
    /// First offset that the next batch must have.
    next: Offset,
    /// Position of the next batch in the file.
    position: u64,
    buffer: Vec<u8>,
    /// Position in the file of `buffer[0]`.
    buffer_start: u64,
}

impl SegmentReader {
    /// Opens the segment that starts at `segment`.
    ///
    /// Errors: [`JournalError`] when it cannot be opened.
    pub(crate) fn open(dir: &Path, segment: Offset) -> Result<Self, JournalError> {
        let path = path(dir, segment);
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let position = HEADER_LEN as u64;
        Ok(Self { file, path, segment, next: segment, position, buffer: Vec::new(), buffer_start: position })
    }

    /// Continues behind a batch whose last record was `next - 1`.
    pub(crate) fn seek(&mut self, end: u64, next: Offset) {
        (self.position, self.next) = (end, next);
    }

    pub(crate) fn segment(&self) -> Offset {
        self.segment
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.next
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Checks the header.
    ///
    /// Errors: [`JournalError`] when it is not that of this segment; `Ok(false)` when it is cut short.
    pub(crate) fn check_header(&mut self, file_len: u64) -> Result<bool, JournalError> {
        if file_len < HEADER_LEN as u64 {
            return Ok(false);
        }
        let mut bytes = [0; HEADER_LEN];
        self.file.read_exact_at(&mut bytes, 0).map_err(JournalError::io("read", &self.path))?;
        match frame::parse_header(&bytes) {
            Header::First(first) if first == self.segment => Ok(true),
            Header::First(found) => {
                Err(JournalError::Gap { path: self.path.clone(), expected: self.segment, found })
            }
            Header::Version(found) => {
                Err(JournalError::Version { path: self.path.clone(), found, known: frame::VERSION })
            }
            Header::Damaged => Err(self.corrupt(0, "not the header of a journal segment")),
        }
    }

    /// Reads the next batch; `None` at `limit`, which is the end of the file or of its committed part, and where
    /// only zeros follow up to there: what a writer made longer and did not fill.
    ///
    /// Errors: [`JournalError::Corrupt`] with the position of what is wrong.
    pub(crate) fn next_batch(&mut self, limit: u64) -> Result<Option<Committed>, JournalError> {
        if self.position >= limit {
            return Ok(None);
        }
        let Some(mark) = self.read_mark(limit)? else { return Ok(None) };
        let start = self.position + MARK_LEN as u64;
        let bytes: Box<[u8]> = self.fill(start, mark.bytes as usize, limit)?.into();
        frame::verify(&mark, &bytes).map_err(|(at, what)| self.corrupt(start + at as u64, what))?;
        self.advance(&mark);
        let place = SegmentPosition { segment: self.segment, end: self.position };
        Ok(Some(Committed { content: Arc::new(Content { mark, bytes }), place }))
    }

    /// Passes over batches that end before `offset`, by their marks alone.
    ///
    /// Errors: [`JournalError::Corrupt`] with the position of a bad mark.
    pub(crate) fn skip_to(&mut self, offset: Offset, limit: u64) -> Result<(), JournalError> {
        while self.position < limit {
            match self.read_mark(limit)? {
                Some(mark) if mark.last() < offset => self.advance(&mark),
                _ => break,
            }
        }
        Ok(())
    }

    fn advance(&mut self, mark: &Mark) {
        self.position += (MARK_LEN + mark.bytes as usize) as u64;
        self.next = mark.last() + 1;
    }

    fn read_mark(&mut self, limit: u64) -> Result<Option<Mark>, JournalError> {
        let position = self.position;
        let len = MARK_LEN.min((limit - position) as usize);
        let bytes = self.fill(position, len, limit)?;
        let Some(mark) = bytes.first_chunk().and_then(Mark::parse) else {
            return match self.blank_from(position, limit)? == position {
                true => Ok(None),
                false => Err(self.corrupt(position, "not the start of a batch")),
            };
        };
        if mark.first != self.next {
            return Err(self.corrupt(position, "batch with an offset that is not the next"));
        }
        if mark.bytes as usize > BATCH_BYTES_MAX {
            return Err(self.corrupt(position, "batch longer than any that is written"));
        }
        Ok(Some(mark))
    }

    /// Returns where, at or behind `position`, the last byte before `limit` ends that is not zero.
    pub(crate) fn blank_from(&mut self, position: u64, limit: u64) -> Result<u64, JournalError> {
        let (mut at, mut blank) = (position, position);
        while at < limit {
            let len = READ_AHEAD_BYTES.min((limit - at) as usize);
            if let Some(last) = self.fill(at, len, limit)?.iter().rposition(|byte| *byte != 0) {
                blank = at + last as u64 + 1;
            }
            at += len as u64;
        }
        Ok(blank)
    }

    /// Returns `len` bytes from `start`, reading ahead up to `limit`.
    fn fill(&mut self, start: u64, len: usize, limit: u64) -> Result<&[u8], JournalError> {
        if start + len as u64 > limit {
            return Err(self.corrupt(start, "batch longer than the file"));
        }
        let buffered = self.buffer_start..self.buffer_start + self.buffer.len() as u64;
        if !(buffered.contains(&start) && start + len as u64 <= buffered.end) {
            let wanted = (len.max(READ_AHEAD_BYTES) as u64).min(limit - start) as usize;
            self.buffer.resize(wanted, 0);
            self.buffer_start = start;
            self.file
                .read_exact_at(&mut self.buffer, start)
                .inspect_err(|_| self.buffer.clear())
                .map_err(JournalError::io("read", &self.path))?;
        }
        let from = (start - self.buffer_start) as usize;
        Ok(&self.buffer[from..from + len])
    }

    pub(crate) fn corrupt(&self, byte: u64, what: &'static str) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), byte, what }
    }
}
