//! What ends the process, and the thread that a stop needs.
use std::{io, time::Duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Keeps a thread for blocking work at hand: when the system gives no more threads, requests wait for that one instead of
/// failing.
pub(super) fn keep_blocking_thread() {
    tokio::spawn(async {
        // An idle thread ends after ten seconds.
        let mut ticks = tokio::time::interval(Duration::from_secs(4));
        loop {
            ticks.tick().await;
            let _ = tokio::task::spawn_blocking(|| ()).await;
        }
    });
}

/// Ctrl-C and SIGTERM, which no longer end the process by themselves.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// Errors: the signals cannot be listened to.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, also one that has come already.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
