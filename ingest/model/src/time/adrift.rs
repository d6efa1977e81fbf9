//! Clocks that keep neither our time nor a steady distance to it: they stand still, run at another pace, or are several.

/// Late messages that are enough to tell, in the time of [`SPAN_MS`].
const MESSAGES: usize = 10;
const SPAN_MS: i64 = 60_000;
/// Time in which as many messages came as are remembered, when they come that fast: a burst tells nothing.
const SPAN_OF_ALL_MS: i64 = 2_000;
/// Steps between messages of a back-fill among which one may go the other way: threads hand over out of order.
const STEPS_OF_ONE_BACK: usize = 6;

/// A late message: its times in milliseconds, each from any instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Late {
    pub(super) event_ms: i64,
    pub(super) arrival_ms: i64,
}

/// Reports whether the clock behind these late messages, in the order in which they came, is wrong whatever it shows; `is_all`
/// when they are as many as are remembered. Those of a back-fill are late as well, and tell nothing: their times run through
/// what was missed, forward and faster than ours, or backward.
pub(super) fn is_adrift(late: &[Late], is_all: bool) -> bool {
    let ([first, ..], [.., last]) = (late, late) else { return false };
    let span_ms = last.arrival_ms.saturating_sub(first.arrival_ms);
    let is_enough = (late.len() >= MESSAGES && span_ms >= SPAN_MS) || (is_all && span_ms >= SPAN_OF_ALL_MS);
    is_enough && !is_back_fill(late, last.event_ms.saturating_sub(first.event_ms), span_ms)
}

fn is_back_fill(late: &[Late], advance_ms: i64, span_ms: i64) -> bool {
    let steps = || late.windows(2).map(|pair| pair[1].event_ms.cmp(&pair[0].event_ms));
    let few = late.len() / STEPS_OF_ONE_BACK;
    let catches_up = advance_ms > span_ms.saturating_add(span_ms / 4);
    let goes_back = advance_ms < -(span_ms / 4);
    (catches_up && steps().filter(|step| step.is_lt()).count() <= few)
        || (goes_back && steps().filter(|step| step.is_gt()).count() <= few)
}
