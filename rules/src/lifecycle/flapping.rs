//! How often the alerts of one device, or one alert of the whole city, may come and go.
//!
//! A device that crosses a threshold a hundred times a second would write a hundred alerts a second into the journal and
//! the records, of each rule that reads it: a start after that would take minutes, and nobody could read them. What ends
//! takes one of the device's share, a pending alert that is told takes one too; beyond the share an alert stays as it is,
//! so that nothing is raised later than without the bound.
use super::{Phase, Step};
use ioc_model::share::Rate;

/// What is left of a share, for monotonic times that do not go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FlapShare(u64);

impl FlapShare {
    /// Reports whether something is left at `monotonic_ms`.
    pub(crate) fn is_left(self, rate: Rate, monotonic_ms: i64) -> bool {
        rate.take(self.0, 1, nanos(monotonic_ms)).is_ok()
    }

    /// Takes what a step costs, after which the alert is in `phase`.
    pub(crate) fn pay(&mut self, rate: Rate, monotonic_ms: i64, step: Step, phase: Option<Phase>) {
        let costs = match step {
            Step::Cleared => true,
            Step::Began => matches!(phase, Some(Phase::Pending { .. })),
            _ => false,
        };
        if costs {
            self.0 = rate.charge(self.0, 1, nanos(monotonic_ms));
        }
    }

    /// Reports whether it is as good as new.
    pub(crate) fn is_whole(self, monotonic_ms: i64) -> bool {
        self.0 <= nanos(monotonic_ms)
    }
}

fn nanos(monotonic_ms: i64) -> u64 {
    const NANOS_PER_MILLI: u64 = 1_000_000;
    u64::try_from(monotonic_ms).unwrap_or(0).saturating_mul(NANOS_PER_MILLI)
}
