//! The alert thread: the only writer of alert state. Rules hand their decisions over and people their commands, through one
//! bounded queue; the thread makes an event of each, appends it to the journal and folds it. It tells nobody: everyone learns
//! of an alert by following the journal, so nothing is told that is not on disk.
mod permit;
mod writer;
mod written;

pub use written::Written;

use crate::Wakeup;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use ioc_alerts::{AlertCommand, AlertFold, CommandError, RuleDecision};
use ioc_journal::{Offset, SharedLog};
use ioc_model::{Alert, AlertId};
use ioc_rules::{RuleTransition, TransitionSink};
use permit::Permits;
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use writer::Writer;

/// Decisions and commands that wait for the thread. Beyond it rules wait; commands have fewer permits than that.
const WAITING_MAX: usize = 1_024;
/// How long a command may take until it is on disk.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a person's command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// It does not apply.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The journal, the records or the thread take nothing at the moment.
    #[error("{0}")]
    Unavailable(String),
}

/// The answer to a command: where the journal has it, and the alert after it.
pub type ActionResult = Result<(Offset, Alert), ActionError>;

/// Finds alerts that the fold has let go.
pub struct Archive {
    /// Finds one by id.
    pub find: Box<dyn Fn(AlertId) -> Option<Alert> + Send>,
    /// Returns the journal offset up to which it is complete.
    pub through: Box<dyn Fn() -> Offset + Send>,
}

/// What the thread is asked for.
enum Request {
    Decision(Box<RuleDecision>),
    Command(Box<Command>),
    /// The last request; nothing behind it is carried out.
    Close,
}

struct Command {
    alert: AlertId,
    command: AlertCommand,
    by: String,
    at_ms: i64,
    /// Nobody waits for it any more afterwards.
    deadline: Instant,
    answer: Sender<ActionResult>,
}

/// The running thread, and the way to it.
pub struct AlertThread {
    journal: SharedLog,
    requests: Sender<Request>,
    permits: Permits,
    written: Written,
    is_ending: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AlertThread {
    /// Starts the thread, which goes on from `fold`. `appended` is notified of every record.
    ///
    /// Errors: the operating system refuses a thread.
    pub fn start(
        journal: SharedLog,
        fold: AlertFold,
        archive: Archive,
        appended: Wakeup,
    ) -> io::Result<Self> {
        let (requests, taken) = bounded(WAITING_MAX);
        let (written, is_ending) = (Written::default(), Arc::new(AtomicBool::new(false)));
        let mut writer = Writer {
            journal: journal.clone(),
            fold,
            archive,
            written: written.clone(),
            appended,
            is_ending: Arc::clone(&is_ending),
        };
        let thread = thread::Builder::new().name("alert-writer".into()).spawn(move || writer.run(&taken))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { journal, requests, permits: Permits::default(), written, is_ending, thread })
    }

    /// Returns the count of the decisions that were written.
    pub fn written(&self) -> Written {
        self.written.clone()
    }

    /// Begins the end: what a journal without space does not take is left to the next start, which decides it again. Until
    /// then nobody who waits for the thread could end.
    pub fn begin_shutdown(&self) {
        self.is_ending.store(true, Relaxed);
    }

    /// Ends the thread once it has done what was asked of it before, and waits for that. Rules must have stopped.
    pub fn close(&self) {
        self.begin_shutdown();
        // It is gone already where this fails.
        let _ = self.requests.send(Request::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes alerts ended with a panic");
        }
    }

    /// Carries out a command of `by` on alert `id` at `at_ms`, and waits until it is on disk. Blocks.
    ///
    /// Errors: [`ActionError`] says why it was not.
    pub fn act(&self, id: AlertId, command: AlertCommand, by: &str, at_ms: i64) -> ActionResult {
        let _permit = self.permits.take()?;
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        let (answer, answered) = bounded(1);
        let by = by.to_owned();
        let request = Command { alert: id, command, by, at_ms, deadline, answer };
        self.send(Request::Command(Box::new(request)), deadline)?;
        let (offset, alert) = receive(&answered, deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        self.journal.wait_durable(offset, left).map_err(ActionError::of_journal)?;
        Ok((offset, alert))
    }

    fn send(&self, request: Request, deadline: Instant) -> Result<(), ActionError> {
        match self.requests.send_deadline(request, deadline) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(_)) => Err(ActionError::busy()),
            Err(SendTimeoutError::Disconnected(_)) => Err(ActionError::ended()),
        }
    }
}

fn receive(answered: &Receiver<ActionResult>, deadline: Instant) -> ActionResult {
    match answered.recv_deadline(deadline) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(ActionError::busy()),
        Err(RecvTimeoutError::Disconnected) => Err(ActionError::ended()),
    }
}

impl ActionError {
    fn of_journal(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(format!("the journal takes nothing at the moment: {error}"))
    }

    fn busy() -> Self {
        Self::Unavailable("too much is done to alerts at the moment; try again".into())
    }

    fn ended() -> Self {
        Self::Unavailable("the server stops".into())
    }
}

impl TransitionSink for AlertThread {
    /// Hands a decision over; waits while the queue is full.
    fn emit(&self, transition: RuleTransition) -> bool {
        let RuleTransition { kind, at_ms: at, cause, alert, .. } = transition;
        let decision = RuleDecision { kind, at, cause, alert };
        self.requests.send(Request::Decision(Box::new(decision))).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests;
