//! Batches as followers see them.
use crate::{
    Offset,
    frame::{self, Mark},
};
use ioc_model::RecordKind;
use std::{fmt, sync::Arc};

/// What goes to disk together.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) mark: Mark,
    pub(crate) bytes: Box<[u8]>,
}

/// One batch that is on disk, with where it ends there.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) content: Arc<Content>,
    pub(crate) place: SegmentPosition,
}

/// A position in the files: behind a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentPosition {
    /// First offset of the segment, which is its name.
    pub(crate) segment: Offset,
    /// Byte behind the batch.
    pub(crate) end: u64,
}

/// Consecutive records that go to disk together. Cheap to clone. Without records where numbers are passed over.
#[derive(Clone)]
pub struct Batch {
    content: Arc<Content>,
    first: Offset,
    start: usize,
}

impl Batch {
    /// The part of `content` from `from` on; `from` must not be behind it.
    pub(crate) fn from(content: Arc<Content>, from: Offset) -> Self {
        let first = from.clamp(content.mark.first, content.mark.last());
        let mut start = 0;
        for _ in content.mark.first..first {
            // A leap has no records.
            let Some((_, _, rest)) = frame::split_record(&content.bytes[start..]) else { break };
            start = content.bytes.len() - rest.len();
        }
        Self { content, first, start }
    }

    /// Returns the offset of the first record.
    pub fn first(&self) -> Offset {
        self.first
    }

    /// Returns the offset of the last record.
    pub fn last(&self) -> Offset {
        self.content.mark.last()
    }

    /// Returns when the batch was handed to the disk, in milliseconds since the epoch; when it was found on its way there,
    /// for one that was read ahead.
    pub fn committed_ms(&self) -> i64 {
        self.content.mark.committed_ms
    }

    /// Returns the records in order of their offsets.
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.content.bytes[self.start..], next: self.first }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({}..={} at {} ms)", self.first(), self.last(), self.committed_ms())
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub offset: Offset,
    /// What it holds.
    pub kind: RecordKind,
    /// The bytes that were appended.
    pub payload: &'a [u8],
}

/// Iterates over the records of a [`Batch`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    next: Offset,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // Bytes and kinds were checked when the batch was built or read.
        let (kind, payload, rest) = frame::split_record(self.rest)?;
        let record = Record { offset: self.next, kind: RecordKind::from_u8(kind)?, payload };
        self.rest = rest;
        self.next += 1;
        Some(record)
    }
}
