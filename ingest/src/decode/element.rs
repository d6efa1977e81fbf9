//! One `{"ts", "values", "quality", "seq"}` of a message, read in one pass: values are taken as they come,
//! and get their time and quality when the closing brace is reached, because JSON has no order.
use super::{
    Context, DecodeLimits,
    json::{Fault, Raw, Reader},
    property::{Properties, describe, hash},
    sequence::{Repeatable, SequenceMemory},
    time::rfc3339,
};
use crate::quarantine::excerpt;
use ioc_model::{Observation, PropertyId, Quality, RejectReason, Rejection, time::delay_ms};

/// Rejections of one message that get a text of their own; the rest refers to them.
pub const DETAILED_MAX: usize = 32;

/// Why a whole message cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    Syntax(Fault),
    Shape(String),
    TooMany(String),
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        Self::Syntax(fault)
    }
}

/// What a message became so far.
#[derive(Debug, Default)]
pub(super) struct Yield {
    pub(super) observations: Vec<Observation>,
    pub(super) rejections: Vec<Rejection>,
    /// The newest time that was refused: even so it says something about the device's clock.
    pub(super) refused_ms: Option<i64>,
    /// Qualities of the current element; a property stands once.
    qualities: Vec<(PropertyId, Result<Quality, String>)>,
}

impl Yield {
    fn reject(&mut self, reason: RejectReason, detail: impl FnOnce() -> String) {
        let detail = match self.rejections.len() {
            0..DETAILED_MAX => detail(),
            _ => format!("as the first {DETAILED_MAX} of this message; mend those first"),
        };
        self.rejections.push(Rejection { reason, detail });
    }

    fn count(&self) -> usize {
        self.observations.len() + self.rejections.len()
    }
}

/// What the `ts` of an element says.
enum Time {
    Absent,
    At(i64),
    Bad(String),
}

/// Everything that reading an element needs to know.
pub(super) struct Scope<'a> {
    pub(super) properties: &'a Properties,
    pub(super) sequences: &'a SequenceMemory,
    pub(super) limits: &'a DecodeLimits,
    pub(super) context: &'a Context<'a>,
}

/// Reads one element; its opening brace comes next.
pub(super) fn read(scope: &Scope<'_>, reader: &mut Reader<'_>, out: &mut Yield) -> Result<(), Unusable> {
    let (first_observation, count_before) = (out.observations.len(), out.count());
    out.qualities.clear();
    let (mut time, mut seq, mut values, mut quality) = (None, None, false, false);
    reader.require(b'{', "'{' or '['")?;
    let begin = reader.at();
    let mut more = !reader.take(b'}');
    while more {
        let key = reader.key()?;
        let twice = match &*key {
            "ts" => time.replace(read_time(reader)?).is_some(),
            "seq" => seq.replace(read_seq(reader)?).is_some(),
            "values" => {
                read_values(scope, reader, out)?;
                std::mem::replace(&mut values, true)
            }
            "quality" => {
                read_qualities(scope, reader, out)?;
                std::mem::replace(&mut quality, true)
            }
            other => return Err(unknown_key(other)),
        };
        if twice {
            return Err(Unusable::Shape(format!("{key:?} stands twice in one object; once is right")));
        }
        more = reader.another(b'}', "',' or '}'")?;
    }
    if !values {
        let text = "\"values\" is missing; expected an object as in {\"ts\": 1761523200000, \"values\": {\"pm25\": 38.1}}";
        return Err(Unusable::Shape(text.to_owned()));
    }
    apply_qualities(first_observation, out);
    let bytes = &scope.context.payload[begin..reader.at()];
    let identity = || seq.map(|seq| Repeatable { seq, digest: hash(bytes) });
    let was_empty = out.count() == count_before;
    let time = time.unwrap_or(Time::Absent);
    let judged = judge(scope, &time, identity);
    if let (Time::At(ts_ms), Err(_)) = (&time, &judged) {
        out.refused_ms = out.refused_ms.max(Some(*ts_ms));
    }
    apply_time(judged, was_empty, first_observation, out);
    Ok(())
}

fn unknown_key(key: &str) -> Unusable {
    let hint = match key {
        "value" => "; measured values stand in \"values\"",
        "timestamp" | "time" | "t" => "; the time is \"ts\"",
        _ => "; measured values stand inside \"values\"",
    };
    Unusable::Shape(format!(
        "unknown key {:?}; expected \"ts\", \"values\", \"quality\" and \"seq\"{hint}",
        excerpt(key)
    ))
}

fn read_time(reader: &mut Reader<'_>) -> Result<Time, Fault> {
    const EXPECTED: &str = "expected whole milliseconds since 1970 as in 1761523200000, or RFC 3339 as in \"2025-10-27T07:00:00+07:00\"";
    let raw = reader.value()?;
    let read = match &raw {
        Raw::Number(text) => text.parse().ok(),
        Raw::Text(text) => rfc3339(text),
        _ => None,
    };
    Ok(read.map_or_else(|| Time::Bad(format!("ts is {}; {EXPECTED}", describe(&raw))), Time::At))
}

fn read_seq(reader: &mut Reader<'_>) -> Result<u64, Unusable> {
    let raw = reader.value()?;
    let seq = if let Raw::Number(text) = raw { text.parse().ok() } else { None };
    seq.ok_or_else(|| {
        Unusable::Shape(format!("\"seq\" is {}; expected a whole number from 0 up", describe(&raw)))
    })
}

fn read_values(scope: &Scope<'_>, reader: &mut Reader<'_>, out: &mut Yield) -> Result<(), Unusable> {
    reader.require(b'{', "'{': \"values\" is an object of property and value")?;
    let mut more = !reader.take(b'}');
    while more {
        let name = reader.key()?;
        let raw = reader.value()?;
        if out.count() >= scope.limits.values_max {
            return Err(Unusable::TooMany(format!(
                "more than {} values in one message; send several smaller ones",
                scope.limits.values_max
            )));
        }
        match scope.properties.find(&name) {
            Some(entry) if !entry.made_here => match entry.value(&raw) {
                Ok(value) => out.observations.push(Observation {
                    property: entry.id,
                    ts_ms: 0,
                    value,
                    quality: Quality::GOOD,
                }),
                Err(reason) => out.reject(reason, || entry.detail(&raw)),
            },
            Some(entry) => out.reject(RejectReason::UnknownProperty, || {
                format!("{} is computed by the operations center; a device cannot send it", entry.name)
            }),
            None => out.reject(RejectReason::UnknownProperty, || unknown_property(scope.properties, &name)),
        }
        more = reader.another(b'}', "',' or '}' behind a value")?;
    }
    Ok(())
}

fn unknown_property(properties: &Properties, name: &str) -> String {
    let hint = match properties.nearest(name) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "use a name of the catalogue, or add this one to it".to_owned(),
    };
    format!("property {:?} is not in the catalogue; {hint}", excerpt(name))
}

/// A quality of a property that is unknown, or that has no value here, says nothing and is passed over.
fn read_qualities(scope: &Scope<'_>, reader: &mut Reader<'_>, out: &mut Yield) -> Result<(), Unusable> {
    reader.require(b'{', "'{': \"quality\" is an object of property and word")?;
    let mut more = !reader.take(b'}');
    while more {
        let name = reader.key()?;
        let raw = reader.value()?;
        if let Some(entry) = scope.properties.find(&name) {
            let word = if let Raw::Text(word) = &raw { Quality::from_device_word(word) } else { None };
            let quality = word.ok_or_else(|| {
                let expected =
                    "expected \"good\", \"measuring\", \"calibrating\", \"fault\" or \"uncertain\"";
                format!("the quality of {} is {}; {expected}", entry.name, describe(&raw))
            });
            match out.qualities.iter_mut().find(|(id, _)| *id == entry.id) {
                Some(slot) => slot.1 = quality,
                None => out.qualities.push((entry.id, quality)),
            }
        }
        more = reader.another(b'}', "',' or '}' behind a quality")?;
    }
    Ok(())
}

/// Marks the values of this element; a value whose quality nobody understands is not taken for good.
fn apply_qualities(first: usize, out: &mut Yield) {
    let mut qualities = std::mem::take(&mut out.qualities);
    for (id, quality) in &qualities {
        match quality {
            Ok(quality) => {
                for observation in out.observations[first..].iter_mut().filter(|o| o.property == *id) {
                    observation.quality |= *quality;
                }
            }
            Err(detail) => {
                let before = out.observations.len();
                let mut position = 0;
                out.observations.retain(|observation| {
                    position += 1;
                    position <= first || observation.property != *id
                });
                for _ in out.observations.len()..before {
                    out.reject(RejectReason::WrongType, || detail.clone());
                }
            }
        }
    }
    qualities.clear();
    out.qualities = qualities;
}

/// Decides what the time of an element means: its milliseconds and flags, or why it cannot be.
fn judge(
    scope: &Scope<'_>,
    time: &Time,
    identity: impl FnOnce() -> Option<Repeatable>,
) -> Result<(i64, Quality), (RejectReason, String)> {
    let (limits, arrival_ms) = (scope.limits, scope.context.arrival_ms);
    let (ts_ms, mut flags) = match time {
        Time::Bad(detail) => return Err((RejectReason::BadTime, detail.clone())),
        Time::At(ts_ms) => (*ts_ms, Quality::GOOD),
        Time::Absent => {
            let assigned = scope.sequences.assign(scope.context.device.index, arrival_ms, identity());
            let ts_ms = assigned.map_err(|_| {
                let text =
                    "so many values without \"ts\" that their times ran ahead of the clock; send \"ts\"";
                (RejectReason::FutureTime, text.to_owned())
            })?;
            (ts_ms, Quality::ARRIVAL_TIMED)
        }
    };
    let (ahead_ms, age_ms) = (delay_ms(arrival_ms, ts_ms), delay_ms(ts_ms, arrival_ms));
    if ahead_ms > limits.future_max_ms {
        return Err((RejectReason::FutureTime, future_detail(ts_ms, ahead_ms, limits.future_max_ms)));
    }
    if age_ms > limits.retention_ms {
        return Err((RejectReason::TooOld, old_detail(ts_ms, age_ms, limits.retention_ms)));
    }
    if ahead_ms > 0 && !flags.contains(Quality::ARRIVAL_TIMED) {
        flags |= Quality::CLOCK_AHEAD;
    }
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
fn apply_time(
    judged: Result<(i64, Quality), (RejectReason, String)>,
    was_empty: bool,
    first: usize,
    out: &mut Yield,
) {
    match judged {
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
