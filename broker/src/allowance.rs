//! What one credential may send: messages, bytes and readings, and how often it may sign in. Shared by its connections.
//!
//! Messages and bytes are known before anything is done and are taken in advance. How many readings a message holds is
//! known once it is decoded: they are charged afterwards, and the debt makes the next message wait.
use crate::{Limits, backlog::Budget, bucket::Bucket};
use ioc_model::share::Rate;
use std::{sync::Arc, time::Duration};

/// What a credential may owe for pings that were answered before their turn.
const DEBT_MAX: Duration = Duration::from_secs(10);

/// The rates of one credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    messages: Rate,
    bytes: Rate,
    readings: Rate,
}

impl Rates {
    /// Returns the rates of a credential that speaks for `devices` devices: each adds a device's share.
    pub(crate) fn of(limits: &Limits, devices: u32) -> Self {
        let times = devices.clamp(1, limits.gateway_devices_max);
        let rate = |per_second: u32, burst: u32| {
            Rate::new(per_second.saturating_mul(times), burst.saturating_mul(times))
        };
        Self {
            messages: rate(limits.publishes_per_second, limits.publish_burst),
            bytes: rate(limits.bytes_per_second, limits.bytes_burst),
            readings: rate(limits.readings_per_second, limits.readings_burst),
        }
    }
}

/// What one credential has taken of its rates.
#[derive(Debug)]
pub(crate) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
    readings: Bucket,
    sign_ins: Bucket,
    /// Bytes received and not handled yet.
    read_ahead: Arc<Budget>,
}

impl Allowance {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            messages: Bucket::default(),
            bytes: Bucket::default(),
            readings: Bucket::default(),
            sign_ins: Bucket::default(),
            read_ahead: Arc::new(Budget::new(limits.read_ahead_bytes)),
        }
    }

    /// Returns the bytes that its connections hold.
    pub(crate) fn read_ahead(&self) -> Arc<Budget> {
        Arc::clone(&self.read_ahead)
    }

    /// Takes one message of `bytes` at `now_ns`.
    ///
    /// Errors: how long to wait until it fits.
    pub(crate) fn take(&self, rates: &Rates, bytes: usize, now_ns: u64) -> Result<(), Duration> {
        // Nothing is taken here: it waits for debts to be paid.
        self.readings.take(rates.readings, 0, now_ns)?;
        self.bytes.take(rates.bytes, bytes as u64, now_ns)?;
        self.messages
            .take(rates.messages, 1, now_ns)
            .inspect_err(|_| self.bytes.give_back(rates.bytes, bytes as u64))
    }

    /// Gives back what [`Allowance::take`] took: the message was not handled.
    pub(crate) fn give_back(&self, rates: &Rates, bytes: usize) {
        self.bytes.give_back(rates.bytes, bytes as u64);
        self.messages.give_back(rates.messages, 1);
    }

    /// Charges one message of `bytes` that was handled without asking first.
    pub(crate) fn charge_message(&self, rates: &Rates, bytes: usize, now_ns: u64) {
        self.bytes.charge(rates.bytes, bytes as u64, now_ns);
        self.messages.charge(rates.messages, 1, now_ns);
    }

    /// Reports whether it would have to wait for long before its next message: then nothing is done for it in advance.
    pub(crate) fn owes_much(&self, rates: &Rates, now_ns: u64) -> bool {
        self.messages.take(rates.messages, 0, now_ns).is_err_and(|wait| wait > DEBT_MAX)
    }

    /// Charges the readings of a message that was handled.
    pub(crate) fn charge_readings(&self, rates: &Rates, readings: u32, now_ns: u64) {
        self.readings.charge(rates.readings, readings.into(), now_ns);
    }

    /// Takes one sign-in.
    ///
    /// Errors: how long to wait until it fits.
    pub(crate) fn take_sign_in(&self, rate: Rate, now_ns: u64) -> Result<(), Duration> {
        self.sign_ins.take(rate, 1, now_ns)
    }

    /// Reports whether forgetting it would change nothing.
    pub(crate) fn is_full(&self, now_ns: u64) -> bool {
        [&self.messages, &self.bytes, &self.readings, &self.sign_ins]
            .iter()
            .all(|bucket| bucket.is_full(now_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn limits() -> Limits {
        Limits {
            publishes_per_second: 10,
            publish_burst: 10,
            bytes_per_second: 1_000,
            bytes_burst: 1_000,
            readings_per_second: 100,
            readings_burst: 100,
            gateway_devices_max: 50,
            ..Limits::default()
        }
    }

    #[test]
    fn each_of_the_three_bounds_a_sender() {
        let rates = Rates::of(&limits(), 1);
        let few = Allowance::new(&Limits::default());
        assert!((0..10).all(|_| few.take(&rates, 1, SECOND).is_ok()));
        assert_eq!(few.take(&rates, 1, SECOND), Err(Duration::from_millis(100)), "messages");
        let large = Allowance::new(&Limits::default());
        assert_eq!(large.take(&rates, 1_000, SECOND), Ok(()));
        assert_eq!(large.take(&rates, 100, SECOND), Err(Duration::from_millis(100)), "bytes");
        let full = Allowance::new(&Limits::default());
        assert_eq!(full.take(&rates, 1, SECOND), Ok(()));
        full.charge_readings(&rates, 300, SECOND);
        assert_eq!(full.take(&rates, 1, SECOND), Err(Duration::from_secs(2)), "readings");
        assert_eq!(full.take(&rates, 1, 3 * SECOND), Ok(()));
    }

    #[test]
    fn a_message_that_has_to_wait_costs_nothing() {
        let (rates, allowance) = (Rates::of(&limits(), 1), Allowance::new(&Limits::default()));
        assert!((0..10).all(|_| allowance.take(&rates, 1, SECOND).is_ok()));
        assert!((0..100).all(|_| allowance.take(&rates, 900, SECOND).is_err()));
        allowance.give_back(&rates, 1);
        assert_eq!(allowance.take(&rates, 900, SECOND), Ok(()));
    }

    #[test]
    fn a_gateway_has_the_share_of_each_of_its_devices() {
        let (rates, allowance) = (Rates::of(&limits(), 3), Allowance::new(&Limits::default()));
        assert!((0..30).all(|_| allowance.take(&rates, 1, SECOND).is_ok()));
        assert!(allowance.take(&rates, 1, SECOND).is_err());
        let most = Rates::of(&limits(), u32::MAX);
        assert_eq!(most.messages, Rate::new(500, 500), "up to a bound");
    }

    #[test]
    fn zero_is_no_limit() {
        let lifted =
            Limits { publishes_per_second: 0, bytes_per_second: 0, readings_per_second: 0, ..limits() };
        let (rates, allowance) = (Rates::of(&lifted, 1), Allowance::new(&Limits::default()));
        allowance.charge_readings(&rates, u32::MAX, SECOND);
        assert!((0..1_000).all(|_| allowance.take(&rates, usize::MAX, SECOND).is_ok()));
        assert!(allowance.is_full(SECOND));
    }
}
