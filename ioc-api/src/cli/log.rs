//! The log on standard error, written by a thread of its own.
//!
//! Whoever logs neither waits for the log nor fails with it: lines stand in a bounded queue, and what does not fit, because
//! a pipe's reader stands still, or cannot be written, because the disk is full or the reader is gone, is counted. The next
//! line that can be written is preceded by one that says how many were lost.
use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const LINES_MAX: usize = 4_096;
/// Longest line that waits, in bytes; what is longer is cut.
const LINE_LEN_MAX: usize = 16 << 10;
/// How long the end of the process waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

enum Entry {
    Line(Box<[u8]>),
    /// Everything before it was written.
    Flush(SyncSender<()>),
}

/// Makes writers for the lines of the log.
#[derive(Clone)]
pub(super) struct Log {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Starts the thread that writes to `out`.
    ///
    /// Errors: no thread can be made.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, waiting) = sync_channel(LINES_MAX);
        let lost = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&lost);
        thread::Builder::new().name("log".to_owned()).spawn(move || write_all(out, &waiting, &counted))?;
        Ok(Self { entries, lost })
    }

    /// Waits until what was logged so far is written, but not for long.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        // A full queue that does not move is not worth waiting for.
        if self.entries.try_send(Entry::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Log {
    /// Takes one line, whatever becomes of it: an error would end the thread that logs.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = &line[..line.len().min(LINE_LEN_MAX)];
        let mut kept = kept.to_vec();
        if kept.len() < line.len() {
            kept.push(b'\n');
        }
        match self.entries.try_send(Entry::Line(kept.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(mut out: impl Write, waiting: &Receiver<Entry>, lost: &AtomicU64) {
    for entry in waiting {
        match entry {
            Entry::Line(line) => {
                if write_line(&mut out, &line, lost).is_err() {
                    lost.fetch_add(1, Relaxed);
                }
            }
            Entry::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

fn write_line(out: &mut impl Write, line: &[u8], lost: &AtomicU64) -> io::Result<()> {
    let before = lost.load(Relaxed);
    if before > 0 {
        writeln!(out, "{before} lines of the log were lost: it could not be written, or not fast enough")?;
        lost.fetch_sub(before, Relaxed);
    }
    out.write_all(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex, PoisonError, atomic::AtomicBool};

    /// What was written, unless it fails; the first write waits for the barrier.
    #[derive(Clone, Default)]
    struct Out {
        text: Arc<Mutex<Vec<u8>>>,
        fails: Arc<AtomicBool>,
        gate: Option<Arc<Barrier>>,
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(gate) = self.gate.take() {
                gate.wait();
            }
            if self.fails.load(Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Out {
        fn text(&self) -> String {
            let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8(text.clone()).expect("UTF-8")
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_later() {
        let out = Out::default();
        let mut log = Log::start(out.clone()).expect("a thread");
        out.fails.store(true, Relaxed);
        (0..3).for_each(|_| log.write_all(b"lost\n").expect("never fails"));
        log.flush();
        out.fails.store(false, Relaxed);
        log.write_all(b"kept\n").expect("never fails");
        log.flush();
        assert!(out.text().starts_with("3 lines of the log were lost"), "{}", out.text());
        assert!(out.text().ends_with("kept\n"));
    }

    #[test]
    fn whoever_logs_does_not_wait_for_a_reader_that_stands_still() {
        let gate = Arc::new(Barrier::new(2));
        let out = Out { gate: Some(Arc::clone(&gate)), ..Out::default() };
        let mut log = Log::start(out.clone()).expect("a thread");
        let lines = LINES_MAX + 100;
        (0..lines).for_each(|_| log.write_all(b"line\n").expect("never fails"));
        let lost = log.lost.load(Relaxed);
        assert!((99..=100).contains(&lost), "{lost}");
        gate.wait();
        while log.entries.try_send(Entry::Line((*b"last\n").into())).is_err() {
            thread::yield_now();
        }
        log.flush();
        let written = out.text().lines().filter(|line| *line == "line").count() as u64;
        assert_eq!(written + lost, lines as u64);
        assert!(out.text().contains(&format!("{lost} lines of the log were lost")));
    }

    #[test]
    fn a_line_is_cut_at_its_bound() {
        let out = Out::default();
        let mut log = Log::start(out.clone()).expect("a thread");
        assert_eq!(log.write(&[b'x'; 2 * LINE_LEN_MAX]).expect("never fails"), 2 * LINE_LEN_MAX);
        log.flush();
        assert_eq!(out.text().len(), LINE_LEN_MAX + 1);
    }
}
