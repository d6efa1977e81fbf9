//! What appenders, the writer and followers share, and the order in which they see it.
//!
//! A record is pending, then part of a batch that is announced before it is written, and published when it is on disk:
//! end of the segment, ring, durable offset (both under the ring's mutex), listeners, waiters. So whoever reads a durable
//! offset finds its record in the ring or in the files, and whoever reads an announced one finds it there or as the batch
//! that is leaving.
use crate::{
    Health, JournalConfig, Offset,
    batch::{Committed, Content, SegmentPosition},
    pending::Pending,
    ring::Ring,
};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Something called after each commit with the durable offset.
pub(crate) type Listener = Box<dyn Fn(Offset) + Send + Sync>;

/// Followers and waiters sleep on this.
#[derive(Debug)]
pub(crate) struct JournalProgress {
    pub(crate) ring: Ring,
    /// The batch that is on its way to disk.
    pub(crate) leaving: Option<Arc<Content>>,
    /// The first record that somebody sleeps for; a commit before it wakes nobody, which saves system calls and keeps
    /// the processor for those who have something to do.
    wanted: Option<Offset>,
    /// The same of those who read ahead of the disk, for announcements.
    wanted_ahead: Option<Offset>,
    /// The writer has ended: nothing more becomes durable.
    pub(crate) stopped: bool,
}

impl JournalProgress {
    /// Notes that somebody is about to sleep until `offset` is committed, or announced.
    pub(crate) fn want(&mut self, offset: Offset, ahead: bool) {
        let wanted = if ahead { &mut self.wanted_ahead } else { &mut self.wanted };
        *wanted = Some(wanted.map_or(offset, |first| first.min(offset)));
    }

    /// Reports whether somebody sleeps for a record up to `last`. All are woken then, and those who go on sleeping say so
    /// again.
    fn take_wanted(&mut self, last: Offset, ahead: bool) -> bool {
        let wanted = if ahead { &mut self.wanted_ahead } else { &mut self.wanted };
        wanted.take_if(|first| *first <= last).is_some()
    }
}

pub(crate) struct Shared {
    pub(crate) config: JournalConfig,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) writer_wake: Condvar,
    pub(crate) appended: Condvar,
    pub(crate) progress: Mutex<JournalProgress>,
    pub(crate) progressed: Condvar,
    pub(crate) announced: Condvar,
    durable: AtomicU64,
    /// The last record of the batch that is, or was last, on its way to disk.
    leaving: AtomicU64,
    /// Epoch milliseconds since which there is no space or no next segment; 0 is none.
    out_of_space_since_ms: AtomicI64,
    pub(crate) listeners: RwLock<Vec<Listener>>,
    /// First offset of each segment file to the end of its committed part.
    pub(crate) segments: Mutex<BTreeMap<Offset, u64>>,
    pub(crate) checkpoints: Mutex<BTreeMap<String, Offset>>,
    /// Records that checkpoints needed and that were not there at opening.
    lost: Range<Offset>,
    pub(crate) counters: Counters,
}

/// Totals since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sync_micros: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: JournalConfig,
        segments: BTreeMap<Offset, u64>,
        checkpoints: BTreeMap<String, Offset>,
        lost: Range<Offset>,
        last: Offset,
    ) -> Self {
        let ring = Ring::new(config.ring_bytes_max);
        Self {
            config,
            pending: Mutex::new(Pending::new(last + 1)),
            writer_wake: Condvar::new(),
            appended: Condvar::new(),
            progress: Mutex::new(JournalProgress {
                ring,
                leaving: None,
                wanted: None,
                wanted_ahead: None,
                stopped: false,
            }),
            progressed: Condvar::new(),
            announced: Condvar::new(),
            durable: AtomicU64::new(last),
            leaving: AtomicU64::new(last),
            out_of_space_since_ms: AtomicI64::new(0),
            listeners: RwLock::new(Vec::new()),
            segments: Mutex::new(segments),
            checkpoints: Mutex::new(checkpoints),
            lost,
            counters: Counters::default(),
        }
    }

    /// Returns the offset itself, or the first one behind what was lost when it is one of those.
    pub(crate) fn pass_lost(&self, offset: Offset) -> Offset {
        if self.lost.contains(&offset) { self.lost.end } else { offset }
    }

    pub(crate) fn durable(&self) -> Offset {
        // Pairs with the store in `publish`: who sees the offset sees the batch.
        self.durable.load(Ordering::Acquire)
    }

    /// Returns the last record that was announced: it is on disk or on its way there.
    pub(crate) fn leaving(&self) -> Offset {
        // Pairs with the store in `announce`, as `durable` does.
        self.leaving.load(Ordering::Acquire)
    }

    /// Makes a batch that is about to be written visible to those who read ahead of the disk.
    pub(crate) fn announce(&self, content: &Arc<Content>) {
        let has_waiters = {
            let mut progress = lock(&self.progress);
            progress.leaving = Some(Arc::clone(content));
            self.leaving.store(content.mark.last(), Ordering::Release);
            progress.take_wanted(content.mark.last(), true)
        };
        if has_waiters {
            self.announced.notify_all();
        }
    }

    /// Makes a batch that is on disk visible to everybody.
    pub(crate) fn publish(&self, content: Arc<Content>, place: SegmentPosition) {
        let last = content.mark.last();
        lock(&self.segments).insert(place.segment, place.end);
        let has_waiters = {
            let mut progress = lock(&self.progress);
            progress.leaving = None;
            progress.ring.push(Committed { content, place });
            self.durable.store(last, Ordering::Release);
            progress.take_wanted(last, false)
        };
        self.tell_listeners();
        if has_waiters {
            self.progressed.notify_all();
        }
    }

    /// Tells followers and waiters that nothing more will come.
    pub(crate) fn publish_stop(&self) {
        lock(&self.progress).stopped = true;
        self.appended.notify_all();
        self.progressed.notify_all();
        self.announced.notify_all();
        self.tell_listeners();
    }

    fn tell_listeners(&self) {
        let durable = self.durable();
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(durable);
        }
    }

    /// Notes that the disk is full or makes no segment. Returns whether that is new.
    pub(crate) fn set_out_of_space(&self, now_ms: i64) -> bool {
        let since = &self.out_of_space_since_ms;
        since.compare_exchange(0, now_ms.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that the disk takes what is written. Returns whether that is new.
    pub(crate) fn set_space(&self) -> bool {
        self.out_of_space_since_ms.swap(0, Ordering::Relaxed) != 0
    }

    pub(crate) fn health(&self) -> Health {
        match self.out_of_space_since_ms.load(Ordering::Relaxed) {
            0 => Health::Ok,
            since_ms => Health::OutOfSpace { since_ms },
        }
    }
}

/// Locks; a panic elsewhere does not make the data unusable, every holder leaves it whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
