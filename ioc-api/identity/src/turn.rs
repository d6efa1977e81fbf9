//! A turn to try a password: claimed in memory, waited for, and given back.
use super::{
    lock::lock,
    password_error::PasswordError,
    person::SignInError,
    throttle::{LoginThrottle, NoTurn, Outcome, PATIENCE, POLL, Try},
};
use ioc_model::share::Network;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Where a sign-in comes from.
#[derive(Debug, Clone)]
pub struct SignInFrom {
    /// The client's network.
    pub network: Network,
    /// The secret that the browser was given at an earlier sign-in.
    pub browser: Option<String>,
}

/// A turn to try a password, or the wait for one. Dropping a turn costs the same as a wrong password.
pub struct Turn {
    pub(super) throttle: Arc<Mutex<LoginThrottle>>,
    pub(super) turn: Option<Try>,
    /// How long until it begins; `None` while there is none.
    pub(super) begins: Option<Duration>,
    pub(super) clock: Clock,
    pub(super) name: String,
    pub(super) network: Network,
    pub(super) browser: Option<String>,
}

/// The throttle's clock, which no change of the date moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now_ns(self) -> u64 {
        /// It begins late, so that a lane that was never used is an old one.
        const BEGIN_NS: u64 = 1 << 50;
        let since = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        BEGIN_NS.saturating_add(since)
    }
}

impl Turn {
    /// Waits until the password may be tried.
    ///
    /// Errors: [`SignInError`] when that takes too long; the same password asked for again has waited for longer.
    pub async fn wait(&mut self) -> Result<(), SignInError> {
        let come = Instant::now();
        while !self.has_come() {
            if come.elapsed() >= PATIENCE {
                return Err(self.give_up());
            }
            sleep(POLL).await;
        }
        sleep(self.begins.unwrap_or_default()).await;
        Ok(())
    }

    /// Returns how long until it begins; `None` while there is no turn.
    #[cfg(test)]
    pub(super) fn begins(&self) -> Option<Duration> {
        self.begins
    }

    /// Claims a turn if one is in reach.
    pub(super) fn has_come(&mut self) -> bool {
        if self.begins.is_none()
            && let Some(waiting) = &mut self.turn
        {
            self.begins = lock(&self.throttle).turn(waiting, self.clock.now_ns()).ok();
        }
        self.begins.is_some()
    }

    fn give_up(&mut self) -> SignInError {
        let busy = || SignInError::Failed(PasswordError::Busy.into());
        let waiting = self.turn.take();
        waiting.map_or_else(busy, |waiting| lock(&self.throttle).give_up(waiting, self.clock.now_ns()).into())
    }

    /// Returns the name that was typed.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.give_back(outcome);
    }

    fn give_back(&mut self, outcome: Outcome) {
        if let Some(turn) = self.turn.take() {
            lock(&self.throttle).end(turn, outcome);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back(Outcome::Spent);
    }
}

impl From<NoTurn> for SignInError {
    fn from(refused: NoTurn) -> Self {
        match refused {
            NoTurn::Guessing(wait) => Self::Throttled { wait },
            NoTurn::Busy => Self::Failed(PasswordError::Busy.into()),
        }
    }
}
