//! The buffer that appends write into: already in the form that goes to disk.
use crate::{
    AppendError, Offset,
    frame::{self, MARK_LEN},
};
use ioc_model::RecordKind;

/// Capacity that a buffer starts with and shrinks back to after a burst.
const BUFFER_BYTES: usize = 256 * 1024;
/// A buffer larger than this is given back after use: bursts must not cost memory for ever.
const BUFFER_KEPT_BYTES: usize = 2 * 1024 * 1024;

/// Whether records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Yes.
    Open,
    /// No; what is pending still goes to disk.
    Closing,
    /// No; the writer has ended.
    Stopped,
}

/// Records between append and disk. Lives behind a mutex that is never held across a file operation.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Room for the mark, then records.
    buffer: Vec<u8>,
    /// Bytes of whole records: a panic in a caller's encoder leaves a part behind it.
    end: usize,
    first: Offset,
    next: Offset,
    pub(crate) phase: Phase,
    /// The writer sleeps and wants a wake-up. Without it every append would cost a system call.
    pub(crate) writer_waits: bool,
}

/// What the writer takes: the records `first..first + count`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) first: Offset,
    pub(crate) count: u32,
}

impl Pending {
    /// Starts empty; the first record will be `next`.
    pub(crate) fn new(next: Offset) -> Self {
        let buffer = empty_buffer();
        Self { end: buffer.len(), buffer, first: next, next, phase: Phase::Open, writer_waits: false }
    }

    /// Encodes one record behind the others. Returns its offset.
    ///
    /// Errors: as [`AppendError`] says; nothing has changed then.
    pub(crate) fn push(
        &mut self,
        kind: RecordKind,
        bytes_max: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Offset, AppendError> {
        if self.phase != Phase::Open {
            return Err(AppendError::Stopped);
        }
        if self.end >= bytes_max {
            return Err(AppendError::Full);
        }
        self.buffer.truncate(self.end);
        frame::push_record(&mut self.buffer, self.next, kind, encode)
            .map_err(|len| AppendError::TooLarge { len })?;
        self.end = self.buffer.len();
        let offset = self.next;
        self.next += 1;
        Ok(offset)
    }

    /// Says whether records are taken and less than `bytes` are waiting.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.phase == Phase::Open && self.end < bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// Offset of the last record that was taken in.
    pub(crate) fn last(&self) -> Offset {
        self.next - 1
    }

    /// Exchanges the filled buffer for `spare`, which becomes the filled one; `None` when nothing is pending.
    pub(crate) fn take(&mut self, spare: &mut Vec<u8>) -> Option<Taken> {
        if self.is_empty() {
            return None;
        }
        recycle(spare);
        self.buffer.truncate(self.end);
        std::mem::swap(&mut self.buffer, spare);
        self.end = self.buffer.len();
        let taken = Taken { first: self.first, count: (self.next - self.first) as u32 };
        self.first = self.next;
        Some(taken)
    }
}

/// Returns a buffer that holds only the room for the mark.
pub(crate) fn empty_buffer() -> Vec<u8> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    buffer.resize(MARK_LEN, 0);
    buffer
}

fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > BUFFER_KEPT_BYTES {
        *buffer = empty_buffer();
    }
    buffer.clear();
    buffer.resize(MARK_LEN, 0);
}
