//! Reading batches in order: from memory when near the end, from the files when behind.
use crate::{
    FollowError, JournalError, Offset,
    batch::{Batch, Content, SegmentPosition},
    log::Follow,
    pending::Phase,
    segment::SegmentReader,
    shared::{JournalProgress, Shared, lock, now_ms},
};
use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Delivers every record from a starting offset on, once and in order: committed ones, or those on their way to disk
/// too. Each follower belongs to one thread; any number may follow at the same time.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    next: Offset,
    is_ahead: bool,
    /// Where the last delivered batch ends, to find the next one in the files without searching; not known of one
    /// that was delivered ahead of the disk.
    place: Option<SegmentPosition>,
    reader: Option<SegmentReader>,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, from: Offset, is_ahead: bool) -> Self {
        let next = if from == 0 { first_kept(&shared) } else { shared.pass_lost(from) };
        Self { shared, next, is_ahead, place: None, reader: None }
    }
}

impl Follow for Follower {
    fn position(&self) -> Offset {
        self.next
    }

    fn next(&mut self, timeout: Duration) -> Result<Option<Batch>, FollowError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if !self.is_there() {
                match self.await_next(deadline)? {
                    Found::Nothing => return Ok(None),
                    Found::Pending(content) => {
                        (self.reader, self.place) = (None, None);
                        return Ok(Some(self.deliver(Batch::from(Arc::new(content), self.next))));
                    }
                    Found::There => {}
                }
            }
            if let Some((content, place)) = self.find_in_memory() {
                self.reader = None;
                self.place = place;
                return Ok(Some(self.deliver(Batch::from(content, self.next))));
            }
            if let Some(batch) = self.read()? {
                return Ok(Some(self.deliver(batch)));
            }
        }
    }
}

impl Follower {
    fn await_next(&self, deadline: Option<Instant>) -> Result<Found, FollowError> {
        if self.is_ahead
            && let Some(found) = self.await_pending(deadline)?
        {
            return Ok(found);
        }
        Ok(if self.wait(deadline)? { Found::There } else { Found::Nothing })
    }

    /// Waits until the next record is pending; `None` when it is taken in a moment by the writer, or was just now, and
    /// when records come so fast that each would wake somebody for next to nothing.
    fn await_pending(&self, deadline: Option<Instant>) -> Result<Option<Found>, FollowError> {
        let mut pending = lock(&self.shared.pending);
        loop {
            if pending.is_busy {
                return Ok(None);
            }
            if let Some(content) = pending.copy_few(self.next, now_ms()) {
                return Ok(Some(Found::Pending(content)));
            }
            if self.next <= pending.last() {
                return Ok(None);
            }
            if pending.phase == Phase::Stopped {
                return Err(FollowError::Closed);
            }
            let left = left_until(deadline);
            if left.is_zero() {
                return Ok(Some(Found::Nothing));
            }
            pending.reader_waits = true;
            let woken = self.shared.appended.wait_timeout(pending, left);
            pending = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Reports whether the next record is on disk, or is leaving for it for those who read ahead.
    fn is_there(&self) -> bool {
        let last = if self.is_ahead { self.shared.leaving() } else { self.shared.durable() };
        self.next <= last
    }

    fn find_in_memory(&self) -> Option<(Arc<Content>, Option<SegmentPosition>)> {
        let progress = lock(&self.shared.progress);
        if let Some(found) = progress.ring.find(self.next) {
            return Some((found.content, Some(found.place)));
        }
        let leaving =
            progress.leaving.clone().filter(|leaving| self.is_ahead && leaving.mark.first <= self.next);
        leaving.map(|content| (content, None))
    }

    fn deliver(&mut self, batch: Batch) -> Batch {
        self.next = batch.last() + 1;
        batch
    }

    /// Waits until the next record can be delivered. Returns false when it cannot by the deadline.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool, FollowError> {
        let mut progress = lock(&self.shared.progress);
        loop {
            if self.is_there() {
                return Ok(true);
            }
            if progress.stopped {
                return Err(FollowError::Closed);
            }
            let left = left_until(deadline);
            if left.is_zero() {
                return Ok(false);
            }
            progress = self.sleep(progress, left);
        }
    }

    fn sleep<'p>(
        &self,
        mut progress: MutexGuard<'p, JournalProgress>,
        left: Duration,
    ) -> MutexGuard<'p, JournalProgress> {
        let bell = if self.is_ahead { &self.shared.announced } else { &self.shared.progressed };
        progress.want(self.next, self.is_ahead);
        bell.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Reads the batch with the next record from the files; `None` when the place must be looked up again.
    fn read(&mut self) -> Result<Option<Batch>, FollowError> {
        let Some((segment, limit)) = find_segment(&self.shared, self.next) else {
            return Err(FollowError::Gone { wanted: self.next, first: first_kept(&self.shared) });
        };
        let mut reader = match self.reader.take() {
            Some(reader) if reader.segment() == segment && reader.next_offset() == self.next => reader,
            _ => match self.open(segment, limit) {
                // Deleted between the look-up and now: the next look-up tells.
                Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    if find_segment(&self.shared, self.next).is_some_and(|(found, _)| found == segment) {
                        return Err(FollowError::Gone { wanted: self.next, first: first_kept(&self.shared) });
                    }
                    return Ok(None);
                }
                opened => opened?,
            },
        };
        let Some(committed) = reader.next_batch(limit)? else {
            return Err(reader.corrupt(limit, "records are missing at the end").into());
        };
        self.place = Some(committed.place);
        self.reader = Some(reader);
        Ok(Some(Batch::from(committed.content, self.next)))
    }

    fn open(&self, segment: Offset, limit: u64) -> Result<SegmentReader, JournalError> {
        let mut reader = SegmentReader::open(&self.shared.config.dir, segment)?;
        match self.place {
            Some(place) if place.segment == segment => reader.seek(place.end, self.next),
            _ => {
                if !reader.check_header(limit)? {
                    return Err(reader.corrupt(0, "file ends within its header"));
                }
                reader.skip_to(self.next, limit)?;
            }
        }
        Ok(reader)
    }
}

/// What a wait has found.
enum Found {
    /// Nothing in time.
    Nothing,
    /// The next record in memory or in the files.
    There,
    /// Records from the next one on that the writer has not taken.
    Pending(Content),
}

/// Without a deadline the timeout was beyond what can be expressed: one waits in long steps.
fn left_until(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
}

/// Returns the oldest offset that is kept.
pub(crate) fn first_kept(shared: &Shared) -> Offset {
    lock(&shared.segments).keys().next().copied().unwrap_or_else(|| shared.durable() + 1)
}

/// Returns the segment that holds `offset` and the end of its committed part.
fn find_segment(shared: &Shared, offset: Offset) -> Option<(Offset, u64)> {
    lock(&shared.segments).range(..=offset).next_back().map(|(first, end)| (*first, *end))
}
