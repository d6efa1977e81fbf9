//! Who may follow the live stream: so many in all, so many of one caller, and some places kept for callers that have
//! none yet. Sessions run on threads of their own, so that no request delays a heartbeat or an alert.
use ioc_model::share::{Full, ShareClass, ShareLimits, Shares};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// The threads of sessions; they end when it is dropped.
pub struct Threads(Option<Runtime>);

impl Threads {
    /// Starts them, one per core.
    ///
    /// Errors: the system refuses a thread.
    pub fn start() -> io::Result<Self> {
        Builder::new_multi_thread()
            .enable_all()
            .thread_name("stream")
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    /// Returns what runs tasks on them.
    ///
    /// Errors: they have ended.
    pub fn handle(&self) -> io::Result<Handle> {
        let ended = || io::Error::other("the threads of the live stream have ended");
        self.0.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(ended)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for them is not possible where tasks run.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The places; a clone is the same.
#[derive(Debug, Clone)]
pub struct Seats {
    shares: Arc<Mutex<Shares<Arc<str>>>>,
    /// What runs sessions.
    pub threads: Handle,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    caller: Arc<str>,
}

impl Seats {
    /// Returns `total` places, `each` of one caller; a tenth is kept for callers that have none.
    pub fn new(total: usize, each: usize, threads: Handle) -> Self {
        let limits = ShareLimits { total, reserved: total / 10, each };
        Self { shares: Arc::new(Mutex::new(Shares::new(limits))), threads }
    }

    /// Takes a place for `caller`.
    ///
    /// Errors: whose bound was reached.
    pub fn take(&self, caller: &Arc<str>) -> Result<Seat, Full> {
        let mut shares = self.lock();
        let class = if shares.of(caller) == 0 { ShareClass::Reserved } else { ShareClass::Ordinary };
        shares.take(Arc::clone(caller), class)?;
        Ok(Seat { seats: self.clone(), caller: Arc::clone(caller) })
    }

    fn lock(&self) -> MutexGuard<'_, Shares<Arc<str>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().give_back(&self.caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_caller_has_all_places() {
        let seats = Seats::new(20, 15, Handle::current());
        let (greedy, wall): (Arc<str>, Arc<str>) = ("greedy".into(), "display:wall".into());
        let mut held: Vec<Seat> = (0..15).map(|_| seats.take(&greedy).unwrap()).collect();
        assert_eq!(seats.take(&greedy).err(), Some(Full::Caller));
        held.extend((0..3).map(|_| seats.take(&wall).unwrap()));
        assert_eq!(seats.take(&wall).err(), Some(Full::All), "the rest is for those who have none");
        assert!(seats.take(&"mai".into()).is_ok());
        drop(held);
        assert!(seats.take(&greedy).is_ok());
    }
}
