//! The buffer that appends write into: already in the form that goes to disk.
use crate::{
    AppendError, Offset,
    batch::Content,
    frame::{self, MARK_LEN, Mark},
};
use ioc_model::RecordKind;

/// Capacity that a buffer starts with and shrinks back to after a burst.
const BUFFER_BYTES: usize = 256 * 1024;
/// A buffer larger than this is given back after use: bursts must not cost memory for ever.
const BUFFER_KEPT_BYTES: usize = 2 * 1024 * 1024;

/// No more is copied at once for who reads ahead of the disk.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// The state of the log towards new records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Records are taken.
    Open,
    /// No records are taken; those that are pending still go to disk.
    Closing,
    /// No records are taken; the writer has ended.
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
    /// What the writer sleeps for.
    pub(crate) writer: Sleep,
    /// A record is pending that should not wait for others.
    pub(crate) is_urgent: bool,
    /// Somebody who reads ahead of the disk sleeps until a record comes.
    pub(crate) reader_waits: bool,
    /// Records come so fast that who reads ahead of the disk does better with a batch at a time than with each.
    pub(crate) is_busy: bool,
}

/// What a sleeping writer wants to be woken for. Without it every append would cost a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// Nothing: it is awake.
    Awake,
    /// Any record.
    ForAny,
    /// It lets records gather: an urgent one, or the last of so many.
    ForUrgentOr(u32),
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
        Self {
            end: buffer.len(),
            buffer,
            first: next,
            next,
            phase: Phase::Open,
            writer: Sleep::Awake,
            is_urgent: false,
            reader_waits: false,
            is_busy: false,
        }
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
        self.is_urgent |= is_urgent(kind);
        let offset = self.next;
        self.next += 1;
        Ok(offset)
    }

    /// Reports whether the writer must be woken for what was pushed.
    pub(crate) fn wakes_writer(&mut self) -> bool {
        let wakes = match self.writer {
            Sleep::Awake => false,
            Sleep::ForAny => true,
            Sleep::ForUrgentOr(usual) => !self.may_gather(usual),
        };
        if wakes {
            self.writer = Sleep::Awake;
        }
        wakes
    }

    /// Returns a copy of the records from `from` on, when they are pending and few: copying many would hold up who
    /// appends, and they are on their way to disk in a moment.
    pub(crate) fn copy_few(&self, from: Offset, now_ms: i64) -> Option<Content> {
        if from < self.first || from >= self.next || self.end > COPIED_BYTES_MAX {
            return None;
        }
        let mut rest = &self.buffer[MARK_LEN..self.end];
        for _ in self.first..from {
            (_, _, rest) = frame::split_record(rest)?;
        }
        let mark =
            Mark { first: from, count: self.next - from, bytes: rest.len() as u32, committed_ms: now_ms };
        Some(Content { mark, bytes: rest.into() })
    }

    /// Reports whether records are taken and less than `bytes` are waiting.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.phase == Phase::Open && self.end < bytes
    }

    /// Reports whether what is pending may wait for more: none of it is urgent, and it is less than `usual`.
    pub(crate) fn may_gather(&self, usual: u32) -> bool {
        !self.is_empty() && !self.is_urgent && self.next - self.first < u64::from(usual)
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
        self.is_urgent = false;
        Some(taken)
    }
}

/// Reports whether somebody waits for a record of this kind, for example at a screen: what devices send waits for its
/// turn.
fn is_urgent(kind: RecordKind) -> bool {
    match kind {
        RecordKind::Transition | RecordKind::OperatorAction | RecordKind::AlertEvent => true,
        RecordKind::Message | RecordKind::Presence => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn push(pending: &mut Pending, kind: RecordKind) -> Offset {
        pending.push(kind, 1024, |out| out.push(0)).unwrap()
    }

    #[test]
    fn what_devices_send_gathers_and_what_people_wait_for_does_not() {
        let mut pending = Pending::new(1);
        assert!(!pending.may_gather(3), "nothing is no reason to wait with a time limit");
        push(&mut pending, RecordKind::Message);
        push(&mut pending, RecordKind::Presence);
        assert!(pending.may_gather(3));
        push(&mut pending, RecordKind::Message);
        assert!(!pending.may_gather(3), "as many as usual");
        assert!(pending.may_gather(4));
        push(&mut pending, RecordKind::Transition);
        assert!(!pending.may_gather(100));
        pending.take(&mut empty_buffer()).unwrap();
        push(&mut pending, RecordKind::Message);
        assert!(pending.may_gather(100), "the urgent one is on its way");
        push(&mut pending, RecordKind::OperatorAction);
        assert!(!pending.may_gather(100));
    }

    #[test]
    fn the_writer_is_woken_once_and_only_for_what_it_waits_for() {
        let mut pending = Pending::new(1);
        push(&mut pending, RecordKind::Message);
        assert!(!pending.wakes_writer(), "it is awake");
        pending.writer = Sleep::ForAny;
        assert!(pending.wakes_writer());
        assert!(!pending.wakes_writer());
        pending.writer = Sleep::ForUrgentOr(3);
        push(&mut pending, RecordKind::Message);
        assert!(!pending.wakes_writer());
        push(&mut pending, RecordKind::Message);
        assert!(pending.wakes_writer());
        pending.writer = Sleep::ForUrgentOr(30);
        push(&mut pending, RecordKind::Transition);
        assert!(pending.wakes_writer());
    }

    #[test]
    fn a_copy_holds_what_is_pending_from_a_record_on() {
        let mut pending = Pending::new(5);
        assert!(pending.copy_few(5, 9).is_none());
        for byte in 5..8 {
            pending.push(RecordKind::Message, 1024, |out| out.push(byte)).unwrap();
        }
        let content = pending.copy_few(6, 9).unwrap();
        let batch = crate::Batch::from(content.into(), 6);
        assert_eq!((batch.first(), batch.last(), batch.committed_ms()), (6, 7, 9));
        assert!(batch.records().map(|record| record.payload).eq([[6], [7]]));
        pending.take(&mut empty_buffer()).unwrap();
        assert!(pending.copy_few(6, 9).is_none(), "the writer has them");
        assert!(pending.copy_few(8, 9).is_none(), "not there yet");
    }
}
