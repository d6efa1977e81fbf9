//! How far a start has come, for those who wait for it, and its end when it is to stop.
use ioc_journal::Offset;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// So many records take long enough for a line in the log.
const LONG_REPLAY: u64 = 100_000;

/// What a start does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Identities, registry and journal are opened.
    #[default]
    Opening,
    /// History is opened.
    History,
    /// What history lacks is read from the journal.
    HistoryReplay,
    /// What the records of alerts and quarantine lack is read from the journal.
    RecordsReplay,
    /// What the rules are given again is read from the journal.
    Rules,
    /// The air quality index of the last hours is computed.
    AirQuality,
}

impl Phase {
    /// Returns the phase in English.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening the records and the journal",
            Self::History => "opening history",
            Self::HistoryReplay => "replaying the journal into history",
            Self::RecordsReplay => "replaying the journal into the records",
            Self::Rules => "replaying the journal for the rules",
            Self::AirQuality => "computing the air quality of the last hours",
        }
    }

    /// Returns the phase in Vietnamese.
    pub fn as_vietnamese(self) -> &'static str {
        match self {
            Self::Opening => "mở hồ sơ và nhật ký",
            Self::History => "mở dữ liệu lịch sử",
            Self::HistoryReplay => "đọc lại nhật ký vào dữ liệu lịch sử",
            Self::RecordsReplay => "đọc lại nhật ký vào hồ sơ cảnh báo",
            Self::Rules => "đọc lại nhật ký cho các quy tắc",
            Self::AirQuality => "tính chất lượng không khí của những giờ qua",
        }
    }
}

/// A moment of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// What is being done.
    pub phase: Phase,
    /// The last journal record that was read in this phase; 0 when none is read.
    pub offset: Offset,
    /// The first that is read in this phase, and the last.
    pub range: (Offset, Offset),
}

impl Status {
    /// Returns how much of the phase is done, 0 to 100; `None` when that is not known.
    pub fn percent(&self) -> Option<u64> {
        let (first, last) = self.range;
        let total = (last + 1).checked_sub(first).filter(|total| *total > 0 && last > 0)?;
        Some((self.offset + 1).saturating_sub(first).min(total) * 100 / total)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phase.as_str())?;
        match self.percent() {
            Some(percent) => write!(f, ", {percent} % (record {} of {})", self.offset, self.range.1),
            None => Ok(()),
        }
    }
}

type Ender = Box<dyn FnOnce() + Send>;

/// How far a start has come. Clones share it.
#[derive(Clone, Default)]
pub struct StartProgress(Arc<State>);

#[derive(Default)]
struct State {
    phase: Mutex<(Phase, (Offset, Offset))>,
    offset: AtomicU64,
    is_interrupted: AtomicBool,
    enders: Mutex<Vec<Ender>>,
}

impl StartProgress {
    /// Begins a phase that reads no journal records.
    pub fn enter(&self, phase: Phase) {
        self.enter_replay(phase, 0, 0);
    }

    /// Begins a phase that reads the journal records from `first` to `last`.
    pub fn enter_replay(&self, phase: Phase, first: Offset, last: Offset) {
        let mut current = lock(&self.0.phase);
        self.0.offset.store(first.saturating_sub(1), Relaxed);
        *current = (phase, (first, last));
        drop(current);
        let records = (last + 1).saturating_sub(first);
        match records >= LONG_REPLAY {
            true => tracing::info!(records, first, last, "start: {}", phase.as_str()),
            false => tracing::debug!(records, first, last, "start: {}", phase.as_str()),
        }
    }

    /// Notes that the journal was read up to `offset`.
    pub fn reached(&self, offset: Offset) {
        self.0.offset.store(offset, Relaxed);
    }

    /// Returns how far the start is.
    pub fn status(&self) -> Status {
        let (phase, range) = *lock(&self.0.phase);
        Status { phase, range, offset: self.0.offset.load(Relaxed) }
    }

    /// Has the start end as soon as it can.
    pub fn interrupt(&self) {
        self.0.is_interrupted.store(true, Relaxed);
        let enders = std::mem::take(&mut *lock(&self.0.enders));
        enders.into_iter().for_each(|end| end());
    }

    /// Reports whether the start is to end.
    pub fn is_interrupted(&self) -> bool {
        self.0.is_interrupted.load(Relaxed)
    }

    /// Has `end` called when the start is to end: what waits must then wait no longer.
    pub fn on_interrupt(&self, end: impl FnOnce() + Send + 'static) {
        lock(&self.0.enders).push(Box::new(end));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_known_where_records_are_read() {
        let progress = StartProgress::default();
        assert_eq!(progress.status().percent(), None);
        for (first, last, offset, percent) in
            [(1, 200, 50, 25), (101, 200, 150, 50), (101, 200, 200, 100), (7, 7, 6, 0)]
        {
            progress.enter_replay(Phase::HistoryReplay, first, last);
            assert_eq!(progress.status().percent(), Some(0));
            progress.reached(offset);
            assert_eq!(progress.status().percent(), Some(percent), "{first} to {last}");
        }
        progress.enter_replay(Phase::Rules, 8, 7);
        assert_eq!(progress.status().percent(), None, "nothing to read");
    }
}
