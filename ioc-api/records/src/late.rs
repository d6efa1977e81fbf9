//! What must not wait for the disk: a right sign-in, a sign-out, and the audit trail of something that happened anyway.
//! It is written at once when the disk takes it; else it is kept here, in order and bounded, and written later.
use super::{ANONYMOUS, Audit, OriginRow, Records, RecordsError, SecretHash, SessionRow};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most writes that wait for the disk.
const WAITING_MAX: usize = 4096;

/// Something to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// An audit entry about something that changed nothing else here.
    Audit(Audit),
    /// A sign-in.
    SessionStart {
        /// The session.
        session: SessionRow,
        /// Where it came from, as far as that is new.
        origins: Vec<OriginRow>,
        /// Its entry.
        audit: Audit,
    },
    /// The end of a sign-in.
    SessionEnd {
        /// Which.
        hash: SecretHash,
        /// Its entry.
        audit: Audit,
    },
}

impl Write {
    fn audit(&self) -> &Audit {
        match self {
            Self::Audit(audit) | Self::SessionStart { audit, .. } | Self::SessionEnd { audit, .. } => audit,
        }
    }
}

/// Whether it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is.
    Now,
    /// It is not; it is tried again until it is, or the process ends.
    Later,
}

/// Writes now or later. Every call blocks on the disk.
pub struct LateWrites {
    records: Records,
    anonymous_rows_max: u32,
    waiting: Mutex<Waiting>,
    /// One writer at a time, so that what waits is written in order.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    writes: VecDeque<Write>,
    /// Audit entries that found no room.
    lost: u64,
    /// The last write failed, and the log has it.
    is_stuck: bool,
}

impl LateWrites {
    /// Writes to `records`, which keep at most `anonymous_rows_max` audit entries about people who are not signed in.
    pub fn new(records: Records, anonymous_rows_max: u32) -> Self {
        Self { records, anonymous_rows_max, waiting: Mutex::default(), writing: Mutex::default() }
    }

    /// Writes now if the disk takes it, else later. Never fails: what it is about has happened.
    pub fn write(&self, write: Write) -> Written {
        let now_ms = write.audit().at_ms;
        self.waiting().keep(write);
        match self.retry(now_ms) {
            0 => Written::Now,
            _ => Written::Later,
        }
    }

    /// Writes what waits, as far as the disk takes it. Returns how many writes still wait.
    pub fn retry(&self, now_ms: i64) -> usize {
        let _in_order = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(next) = self.waiting().writes.pop_front() else {
                self.tell_lost(now_ms);
                return 0;
            };
            match self.apply(&next) {
                Err(error) if error.is_of_the_disk() => return self.put_back(next, &error),
                Err(error) => {
                    tracing::error!(%error, entry = ?next.audit(), "the records refuse this; it is left out")
                }
                Ok(()) => self.recovered(),
            }
        }
    }

    fn put_back(&self, write: Write, error: &RecordsError) -> usize {
        let mut waiting = self.waiting();
        waiting.writes.push_front(write);
        if !std::mem::replace(&mut waiting.is_stuck, true) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "sign-ins and audit entries are kept in memory until the disk takes them; a restart before that loses them, and a sign-out that waits is undone by it");
        }
        waiting.writes.len()
    }

    fn recovered(&self) {
        if std::mem::take(&mut self.waiting().is_stuck) {
            tracing::info!("the disk takes sign-ins and audit entries again");
        }
    }

    /// Reports whether this session is in memory alone.
    pub fn holds_session(&self, hash: &SecretHash) -> bool {
        let is_it =
            |write: &Write| matches!(write, Write::SessionStart { session, .. } if session.hash == *hash);
        self.waiting().writes.iter().any(is_it)
    }

    fn apply(&self, write: &Write) -> Result<(), RecordsError> {
        match write {
            Write::Audit(audit) if audit.actor == ANONYMOUS => {
                self.records.append_anonymous(audit, self.anonymous_rows_max)
            }
            Write::Audit(audit) => self.records.append_audit(audit),
            Write::SessionStart { session, origins, audit } => {
                self.records.insert_session(session, origins, audit)
            }
            Write::SessionEnd { hash, audit } => self.records.delete_session(hash, audit),
        }
    }

    /// Writes down how many entries the audit trail lacks.
    fn tell_lost(&self, now_ms: i64) {
        let lost = std::mem::take(&mut self.waiting().lost);
        if lost == 0 {
            return;
        }
        let audit = Audit::new(now_ms, "system", "audit.gap", "audit trail");
        let audit = audit.with_detail(format!("{lost} entries are missing: the disk was full for too long"));
        if self.records.append_audit(&audit).is_err() {
            self.waiting().lost += lost;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A write is put in whole or not at all.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Keeps a write. When all places are taken the oldest audit entry goes, those of strangers first: ends of sessions
    /// must not be lost.
    fn keep(&mut self, write: Write) {
        if self.writes.len() >= WAITING_MAX {
            let is_anonymous =
                |write: &Write| matches!(write, Write::Audit(audit) if audit.actor == ANONYMOUS);
            let is_audit = |write: &Write| matches!(write, Write::Audit(_));
            let is_start = |write: &Write| matches!(write, Write::SessionStart { .. });
            let found = self.writes.iter().position(is_anonymous);
            let found = found.or_else(|| self.writes.iter().position(is_audit));
            let found = found.or_else(|| self.writes.iter().position(is_start)).unwrap_or(0);
            self.writes.remove(found);
            self.lost += 1;
        }
        self.writes.push_back(write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(actor: &str, n: usize) -> Write {
        Write::Audit(Audit::new(0, actor, "x", n.to_string()))
    }

    #[test]
    fn without_room_strangers_go_first_and_ends_of_sessions_stay() {
        let mut waiting = Waiting::default();
        let end = Write::SessionEnd { hash: [7; 32], audit: Audit::new(0, "mai", "session.end", "mai") };
        waiting.keep(end.clone());
        waiting.keep(audit("mai", 0));
        (0..2 * WAITING_MAX).for_each(|n| waiting.keep(audit(ANONYMOUS, n)));
        assert_eq!(waiting.writes.len(), WAITING_MAX);
        assert_eq!((&waiting.writes[0], &waiting.writes[1]), (&end, &audit("mai", 0)));
        (0..2 * WAITING_MAX).for_each(|n| waiting.keep(audit("mai", n)));
        assert_eq!((waiting.writes.len(), &waiting.writes[0]), (WAITING_MAX, &end));
        assert_eq!(waiting.lost as usize, 4 * WAITING_MAX + 2 - WAITING_MAX);
    }
}
