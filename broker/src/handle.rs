//! A connection as other threads see it: it can be woken, told to end, and waited for.
use crate::meters::CloseReason;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};
use tokio::sync::Notify;

const OPEN: u8 = u8::MAX;

/// Shared by the connection's task, the session table, the subscription table and the caps.
#[derive(Debug)]
pub(crate) struct Handle {
    /// [`OPEN`] or the position of a [`CloseReason`].
    closing: AtomicU8,
    waker: Mutex<Option<Waker>>,
    gone: AtomicBool,
    gone_changed: Notify,
}

impl Handle {
    pub(crate) fn new() -> Self {
        Self {
            closing: AtomicU8::new(OPEN),
            waker: Mutex::new(None),
            gone: AtomicBool::new(false),
            gone_changed: Notify::new(),
        }
    }

    /// Tells the connection to end; it does so as soon as its reactor gets to it. A reason that hears the client out gives
    /// way to one that does not.
    pub(crate) fn close(&self, reason: CloseReason) {
        let replace = |closing| match CloseReason::at(closing) {
            None => Some(reason as u8),
            Some(current) => (current.hears_out() && !reason.hears_out()).then_some(reason as u8),
        };
        // Sequentially consistent, with the registration in `poll_closing`: either that sees the reason or
        // this sees the waker.
        if self.closing.fetch_update(SeqCst, SeqCst, replace).is_ok() {
            self.wake();
        }
    }

    /// Returns why the connection is to end, if it is.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        CloseReason::at(self.closing.load(SeqCst))
    }

    /// Has the task polled again.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    /// Makes [`Handle::wake`] wake the task of `cx`.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waker {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Registers and is ready once the connection is to end.
    pub(crate) fn poll_closing(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        self.register(cx);
        self.closing().map_or(Poll::Pending, Poll::Ready)
    }

    /// Marks the connection as gone from all tables.
    pub(crate) fn set_gone(&self) {
        self.gone.store(true, SeqCst);
        self.gone_changed.notify_waiters();
    }

    /// Waits for [`Handle::set_gone`].
    pub(crate) async fn gone(&self) {
        loop {
            let changed = self.gone_changed.notified();
            if self.gone.load(SeqCst) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins_but_for_one_that_hears_the_client_out() {
        let handle = Handle::new();
        assert_eq!(handle.closing(), None);
        handle.close(CloseReason::TakenOver);
        handle.close(CloseReason::WriteTimeout);
        assert_eq!(handle.closing(), Some(CloseReason::TakenOver));
        handle.close(CloseReason::Revoked);
        handle.close(CloseReason::Shutdown);
        assert_eq!(handle.closing(), Some(CloseReason::Revoked));
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(handle.poll_closing(&cx), Poll::Ready(CloseReason::Revoked));
    }

    #[tokio::test]
    async fn gone_is_seen_before_and_after() {
        let handle = std::sync::Arc::new(Handle::new());
        let waiting = tokio::spawn({
            let handle = std::sync::Arc::clone(&handle);
            async move { handle.gone().await }
        });
        handle.set_gone();
        waiting.await.unwrap();
        handle.gone().await;
    }
}
