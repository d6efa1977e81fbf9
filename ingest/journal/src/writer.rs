//! The writer thread: everything pending, one write, one fdatasync, and again.
//!
//! Segments are filled with zeros ahead of the writing: an fdatasync behind the end of a file has to write the file's new
//! length too, which takes about half as long again.
use crate::{
    batch::{Content, SegmentPosition},
    disk::{self, Disk, SegmentFile},
    frame::{self, HEADER_LEN, MARK_LEN, Mark},
    pace::Pace,
    pending::{self, Phase, Sleep, Taken},
    recover::Recovered,
    segment,
    shared::{Shared, lock, now_ms},
};
use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

/// How long after a refusal, for lack of space or of what else a new segment needs, the disk is asked again.
const SPACE_RETRY: Duration = Duration::from_millis(200);

/// How much longer a segment is made at once, as a part of its size: 64 KiB with the default. Those few zeros are
/// hardly felt by the sync that takes them along, where a megabyte of them could hold up an alert for many milliseconds.
const RESERVE_PART: u64 = 1024;

/// The segment that is written.
struct Active {
    file: Box<dyn SegmentFile>,
    segment: u64,
    /// End of the committed part.
    end: u64,
    /// Up to where the file has been made longer, or would have been if there had been space.
    reserved: u64,
    opened: Instant,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Box<dyn Disk>,
    active: Option<Active>,
    buffer: Vec<u8>,
    pace: Pace,
}

impl Writer {
    /// Continues the last segment, if there is one.
    ///
    /// Errors: when that segment cannot be opened for writing.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut disk: Box<dyn Disk>,
        recovered: &Recovered,
    ) -> io::Result<Self> {
        let active = match recovered.segments.last_key_value() {
            Some((segment, end)) => Some(Active {
                file: disk.reopen(&segment::path(&shared.config.dir, *segment))?,
                segment: *segment,
                end: *end,
                reserved: *end,
                opened: Instant::now(),
            }),
            None => None,
        };
        Ok(Self { shared, disk, active, buffer: pending::empty_buffer(), pace: Pace::new(Instant::now()) })
    }

    /// Commits until the journal is closed and everything pending is on disk.
    pub(crate) fn run(mut self) {
        while let Some(taken) = self.take() {
            if !self.commit(taken) {
                return;
            }
        }
        if let Some(active) = &mut self.active {
            active.cut();
        }
    }

    /// Waits for records, and lets them gather unless one is urgent; `None` when closing and none are left.
    fn take(&mut self) -> Option<Taken> {
        let shared = Arc::clone(&self.shared);
        let mut pending = lock(&shared.pending);
        loop {
            let is_open = pending.phase == Phase::Open;
            let gathering = match is_open && pending.may_gather(self.pace.enough()) {
                true => self.pace.left(Instant::now()),
                false => Duration::ZERO,
            };
            if gathering.is_zero() {
                if let Some(taken) = pending.take(&mut self.buffer) {
                    self.pace.took(taken.count, Instant::now());
                    pending.is_busy = self.pace.is_busy();
                    return Some(taken);
                }
                if !is_open {
                    return None;
                }
                pending.writer = Sleep::ForAny;
                pending = shared.writer_wake.wait(pending).unwrap_or_else(PoisonError::into_inner);
            } else {
                pending.writer = Sleep::ForUrgentOr(self.pace.enough());
                let woken = shared.writer_wake.wait_timeout(pending, gathering);
                pending = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            pending.writer = Sleep::Awake;
        }
    }

    /// Brings one batch to disk, waiting for space, or for what a new segment needs, if need be. Returns false when
    /// the writer must end.
    fn commit(&mut self, taken: Taken) -> bool {
        let bytes = (self.buffer.len() - MARK_LEN) as u32;
        // Set once: a repeated attempt writes the same bytes to the same place.
        let mark = Mark { first: taken.first, count: u64::from(taken.count), bytes, committed_ms: now_ms() };
        self.buffer[..MARK_LEN].copy_from_slice(&mark.encode());
        let content = Arc::new(Content { mark, bytes: self.buffer[MARK_LEN..].into() });
        self.shared.announce(&content);
        loop {
            match self.write(mark.first) {
                Ok(place) => {
                    self.finish(content, place);
                    return true;
                }
                Err(Failure::Harmless(doing, error)) => {
                    if self.shared.set_out_of_space(now_ms()) {
                        tracing::error!(
                            %error,
                            dir = %self.shared.config.dir.display(),
                            "journal cannot {doing}: nothing is acknowledged until it can; it is tried again"
                        );
                    }
                    if !self.wait_for_space() {
                        return false;
                    }
                }
                Err(Failure::Unknown(error)) => {
                    tracing::error!(
                        %error,
                        "journal cannot be written; what is on disk is unknown, so the process ends"
                    );
                    self.disk.give_up();
                    return false;
                }
            }
        }
    }

    fn finish(&mut self, content: Arc<Content>, place: SegmentPosition) {
        if self.shared.set_space() {
            tracing::info!("journal can be written again");
        }
        let counters = &self.shared.counters;
        counters.batches.fetch_add(1, Ordering::Relaxed);
        counters.records.fetch_add(content.mark.count, Ordering::Relaxed);
        counters.bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.shared.publish(content, place);
    }

    /// Sleeps until the next attempt. Returns false when the journal is closed meanwhile.
    fn wait_for_space(&self) -> bool {
        let pending = lock(&self.shared.pending);
        let (pending, _) = self
            .shared
            .writer_wake
            .wait_timeout_while(pending, SPACE_RETRY, |pending| pending.phase == Phase::Open)
            .unwrap_or_else(PoisonError::into_inner);
        pending.phase == Phase::Open
    }

    /// Writes and syncs the buffer behind the last batch.
    fn write(&mut self, first: u64) -> Result<SegmentPosition, Failure> {
        let config = &self.shared.config;
        let is_full = |active: &mut Active| {
            active.end > HEADER_LEN as u64
                && (active.end >= config.segment_bytes || active.opened.elapsed() >= config.segment_age)
        };
        if let Some(mut full) = self.active.take_if(is_full) {
            full.cut();
        }
        let active = match &mut self.active {
            Some(active) => active,
            none => none.insert(create(self.disk.as_mut(), &self.shared, first)?),
        };
        let end = active.end + self.buffer.len() as u64;
        active.file.write_all_at(&self.buffer, active.end).map_err(|error| {
            // What was written of it goes, so that the file ends with a whole batch whatever happens next.
            active.cut();
            Failure::of_write(error)
        })?;
        active.reserve(end, config.segment_bytes);
        let before = Instant::now();
        active.file.sync_data().map_err(Failure::Unknown)?;
        let micros = before.elapsed().as_micros() as u64;
        self.shared.counters.sync_micros.fetch_add(micros, Ordering::Relaxed);
        active.end = end;
        Ok(SegmentPosition { segment: active.segment, end: active.end })
    }
}

impl Active {
    /// Makes the file longer behind `end`, where it ends now, for what will follow.
    fn reserve(&mut self, end: u64, segment_bytes: u64) {
        if end <= self.reserved {
            return;
        }
        let ahead = segment_bytes / RESERVE_PART;
        // Without space for so much, writing makes the file longer.
        let _ = self.file.reserve(end, ahead);
        self.reserved = end + ahead;
    }

    /// Takes away what is behind the committed part. If it stays, readers find nothing there.
    fn cut(&mut self) {
        let _ = self.file.truncate(self.end);
        self.reserved = self.end;
    }
}

impl Drop for Writer {
    /// Runs also when a listener panicked: nobody may wait for a writer that is gone.
    fn drop(&mut self) {
        lock(&self.shared.pending).phase = Phase::Stopped;
        self.shared.publish_stop();
    }
}

enum Failure {
    /// Known to be harmless: nothing was written, or it was taken back. With what was being tried, a verb.
    Harmless(&'static str, io::Error),
    /// What is on disk is unknown.
    Unknown(io::Error),
}

impl Failure {
    /// Judges a failed write to a segment that may hold committed batches.
    fn of_write(error: io::Error) -> Self {
        match disk::is_out_of_space(&error) {
            true => Self::Harmless("find space on its disk", error),
            false => Self::Unknown(error),
        }
    }

    /// Whatever the reason, a segment that is not there yet holds nothing that could be lost.
    fn of_making(error: io::Error) -> Self {
        Self::Harmless("make its next segment", error)
    }
}

/// Makes the segment that starts at `first`. What a failure leaves of it is emptied by the next attempt.
fn create(disk: &mut dyn Disk, shared: &Shared, first: u64) -> Result<Active, Failure> {
    let dir = &shared.config.dir;
    let path = segment::path(dir, first);
    let mut file = disk.create(&path).map_err(Failure::of_making)?;
    file.write_all_at(&frame::header(first), 0).map_err(Failure::of_making)?;
    // The name must be on disk before the first record in the file is acknowledged.
    disk.sync_dir(dir).map_err(|error| match disk.remove(&path) {
        // The next attempt makes a new name: syncing again may say nothing about one whose sync has failed.
        Ok(()) => Failure::of_making(error),
        Err(_) => Failure::Unknown(error),
    })?;
    let end = HEADER_LEN as u64;
    Ok(Active { file, segment: first, end, reserved: end, opened: Instant::now() })
}
