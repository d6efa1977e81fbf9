//! What the time of an element means: its milliseconds and flags, or why its values are refused.
use super::{scope::Scope, yielded::Yield};
use ioc_model::{Quality, RejectReason, Repeatable, time::delay_ms};

/// What the `ts` of an element says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Time {
    Absent,
    At(i64),
    Bad(String),
}

/// Decides what the time of an element means: its milliseconds and flags, or why it cannot be.
pub(super) fn resolve_time(
    scope: &Scope<'_>,
    time: &Time,
    identity: impl FnOnce() -> Option<Repeatable>,
) -> Result<(i64, Quality), (RejectReason, String)> {
    let (limits, arrival_ms) = (scope.limits, scope.context.arrival_ms);
    let (ts_ms, mut flags) = match time {
        Time::Bad(detail) => return Err((RejectReason::BadTime, detail.clone())),
        Time::At(ts_ms) => (*ts_ms, Quality::GOOD),
        Time::Absent => {
            let device = scope.context.device.index;
            let assigned = scope.sequences.assign(device, arrival_ms, &scope.delivery, identity());
            let ts_ms = assigned.map_err(|_| {
                let text =
                    "so many values without \"ts\" that their times ran ahead of the clock; send \"ts\"";
                (RejectReason::FutureTime, text.to_owned())
            })?;
            (ts_ms, Quality::ARRIVAL_TIMED)
        }
    };
    let (ahead_ms, age_ms) = (delay_ms(arrival_ms, ts_ms), delay_ms(ts_ms, arrival_ms));
    let beyond_ms = delay_ms(scope.clocks.latest_ms(arrival_ms), ts_ms);
    if beyond_ms > limits.future_max_ms {
        return Err((RejectReason::FutureTime, future_detail(ts_ms, beyond_ms, limits.future_max_ms)));
    }
    if age_ms > limits.retention_ms {
        return Err((RejectReason::TooOld, old_detail(ts_ms, age_ms, limits.retention_ms)));
    }
    if ahead_ms > 0 && !flags.contains(Quality::ARRIVAL_TIMED) {
        flags |= Quality::CLOCK_AHEAD;
    }
    scope.sequences.take(scope.context.device.index, ts_ms, arrival_ms);
    Ok((ts_ms, flags))
}

fn future_detail(ts_ms: i64, ahead_ms: i64, max_ms: i64) -> String {
    // Anything this large is the year 5138 in milliseconds, or a usual time in a finer unit.
    let hint = if ts_ms > 100_000_000_000_000 {
        "it looks like micro- or nanoseconds; ts is in milliseconds"
    } else {
        "set the device's clock (NTP, time zone), or leave ts out"
    };
    format!(
        "ts {ts_ms} is {} ahead of our clock; at most {} is accepted; {hint}",
        span(ahead_ms),
        span(max_ms)
    )
}

fn old_detail(ts_ms: i64, age_ms: i64, max_ms: i64) -> String {
    // 2001 to 2603 in seconds, 1970 in milliseconds.
    let hint = if (1_000_000_000..20_000_000_000).contains(&ts_ms) {
        "it looks like seconds; ts is in milliseconds"
    } else {
        "set the device's clock (NTP, battery), or leave ts out"
    };
    format!("ts {ts_ms} is {} old; history is kept for {}; {hint}", span(age_ms), span(max_ms))
}

/// Puts a duration in words, in the largest unit of which there is at least one.
fn span(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let (length, unit) = units.into_iter().find(|(length, _)| ms >= *length).unwrap_or((1, "ms"));
    format!("{:.1} {unit}", ms as f64 / length as f64).replace(".0 ", " ")
}

/// Gives the values of this element their time, or refuses each of them for it.
pub(super) fn apply_time(
    resolved: Result<(i64, Quality), (RejectReason, String)>,
    was_empty: bool,
    first: usize,
    out: &mut Yield,
) {
    match resolved {
        Ok((ts_ms, flags)) => {
            for observation in &mut out.observations[first..] {
                observation.ts_ms = ts_ms;
                observation.quality |= flags;
            }
        }
        Err((reason, detail)) => {
            // Without any value the bad time would go unseen, so it counts as one.
            let refused = out.observations.len() - first + usize::from(was_empty);
            out.observations.truncate(first);
            for _ in 0..refused {
                out.reject(reason, || detail.clone());
            }
        }
    }
}
