//! One `{"ts", "values", "quality", "seq"}` of a message, read in one pass: values are taken as they come,
//! and get their time and quality when the closing brace is reached, because JSON has no order.
//!
//! The smallest thing that is wrong is refused by itself. Nothing that qualifies a value is guessed at: where the
//! time is in doubt the values are refused, where the quality is in doubt they are flagged uncertain.
use super::{
    element_time::{Time, apply_time, resolve_time},
    json::{Fault, Raw, Reader},
    mend::Wound,
    nearest::{distance, letters},
    number::whole,
    property::{Properties, describe, hash},
    scope::Scope,
    time::rfc3339,
    yielded::{DETAILED_MAX, Lone, Yield},
};
use crate::quarantine::excerpt;
use ioc_model::{Observation, Quality, RejectReason, Repeatable};
use std::borrow::Cow;

/// What an element said about its values so far.
#[derive(Default)]
struct Parts {
    time: Option<Time>,
    seq: Option<u64>,
    /// A member that stands twice: these may be two objects, and which time is of which values nobody can tell.
    twice: Option<&'static str>,
    has_values: bool,
    /// What stands where a time was meant, under another name.
    misnamed_time: Option<String>,
    /// A time under a name that is one letter from the right one: with another one under the right name, the rest of an object
    /// that was lost between them.
    second_time: Option<Time>,
    /// A quality that nobody understands was meant for all values.
    in_doubt: bool,
    /// A quality, under whatever name.
    has_quality: bool,
    has_own_quality: bool,
    /// An object of values, under whatever name.
    holds_values: bool,
    /// There is a key of no meaning here. Its values may have been meant by it, unless it holds what is like a time.
    has_unknown: bool,
    has_unknown_time: bool,
}

impl Parts {
    fn meet_twice(&mut self, name: &'static str, is_twice: bool) {
        self.twice = self.twice.or_else(|| is_twice.then_some(name));
    }

    /// Returns what the element says without values of its own, so that it can only be about other ones.
    fn lone(&self, wound: Wound) -> Lone {
        let is_lone = !self.has_values && !self.has_unknown && !wound.is_wounded;
        let has_time = self.time.is_some() || self.misnamed_time.is_some() || self.has_unknown_time;
        Lone { time: is_lone && has_time, quality: is_lone && self.has_quality }
    }
}

/// Reads one element of a message. `wound` says what syntax faults in it were passed over.
///
/// Errors: a fault of the syntax.
pub(super) fn read(
    scope: &Scope<'_>,
    reader: &mut Reader<'_>,
    wound: Wound,
    out: &mut Yield,
) -> Result<(), Fault> {
    let start = reader.at();
    if !reader.take(b'{') {
        let raw = reader.scalar("an object: arrays do not nest")?;
        // Behind damage it is part of what was damaged, which is in doubt by itself.
        out.lone.time |= !wound.is_wounded && is_like_time(&raw);
        out.reject(RejectReason::Malformed, || {
            format!("{} stands in the place of an object; expected {EXAMPLE}", describe(&raw))
        });
        return Ok(());
    }
    let (first_observation, count_before) = (out.observations.len(), out.count());
    out.begin_element();
    let mut parts = Parts { in_doubt: wound.is_in_doubt, ..Parts::default() };
    let mut more = !reader.take(b'}');
    while more {
        let key = reader.key()?;
        read_member(scope, reader, &key, &mut parts, out)?;
        more = reader.another(b'}', "',' or '}'")?;
    }
    out.lone |= parts.lone(wound);
    // Whatever was refused in this element may have been meant to be its values.
    let was_empty = out.count() == count_before && !wound.is_wounded;
    if !parts.has_values && was_empty {
        out.reject(RejectReason::Malformed, || format!("\"values\" is missing; expected {EXAMPLE}"));
        return Ok(());
    }
    if let Some(detail) = parts.misnamed_time.take_if(|_| parts.time.is_some()) {
        out.reject(RejectReason::Malformed, || detail);
    }
    apply_qualities(&parts, first_observation, out);
    let time = time_of(&parts, wound);
    if *time == Time::Absent && !scope.is_checked.replace(true) {
        // A time is assigned once: not before it is sure that the message will not be read again.
        reader.check_rest(scope.in_array.get())?;
    }
    let digest = || hash(reader.since(start).as_bytes());
    let identity = || parts.seq.map(|seq| Repeatable { seq, digest: digest() });
    let resolved = resolve_time(scope, &time, identity);
    if let (Time::At(ts_ms), Err(_)) = (&*time, &resolved) {
        out.refused_ms = out.refused_ms.max(Some(*ts_ms));
    }
    apply_time(resolved, was_empty, first_observation, out);
    Ok(())
}

const EXAMPLE: &str = "an object as in {\"ts\": 1761523200000, \"values\": {\"pm25\": 38.1}}";

fn read_member(
    scope: &Scope<'_>,
    reader: &mut Reader<'_>,
    key: &str,
    parts: &mut Parts,
    out: &mut Yield,
) -> Result<(), Fault> {
    match key {
        "ts" => {
            let time = read_time(&reader.value()?);
            parts.time = Some(match parts.time.take() {
                Some(before) if before != time => {
                    Time::Bad("ts stands twice and differs; once is right".to_owned())
                }
                _ => time,
            });
        }
        "seq" => read_seq(&reader.value()?, parts, out),
        "values" => {
            if reader.peek() == Some(b'{') {
                parts.meet_twice("values", parts.holds_values);
                parts.holds_values = true;
            }
            parts.has_values = true;
            read_values(scope, reader, parts, out)?;
        }
        "quality" => {
            parts.meet_twice("quality", parts.has_own_quality);
            (parts.has_quality, parts.has_own_quality) = (true, true);
            read_qualities(scope, reader, parts, out)?;
        }
        other => {
            let start = reader.at();
            let raw = reader.value()?;
            if raw == Raw::Object && holds_values(scope, reader.since(start)) {
                parts.meet_twice("values", parts.holds_values);
                parts.holds_values = true;
            }
            unknown_key(scope, other, &raw, parts, out);
        }
    }
    Ok(())
}

/// Reports whether an object names a property: it holds values, whatever its own name is.
fn holds_values(scope: &Scope<'_>, text: &str) -> bool {
    let mut reader = Reader::new(text);
    let mut more = reader.take(b'{') && !reader.take(b'}');
    while more {
        let Ok(name) = reader.key() else { return false };
        if scope.properties.find(&name).is_some() {
            return true;
        }
        more = reader.value().is_ok() && reader.another(b'}', "").unwrap_or(false);
    }
    false
}

/// A key of no meaning here says nothing, unless it is likely to be a time or a quality under another name.
fn unknown_key(scope: &Scope<'_>, key: &str, raw: &Raw<'_>, parts: &mut Parts, out: &mut Yield) {
    let name = letters(key);
    let known = "\"ts\", \"values\", \"quality\" and \"seq\"";
    let detail = |hint: &str| format!("unknown key {:?}; expected {known}; {hint}", excerpt(key));
    let is_time = distance(&name, b"ts") <= 1 || TIME_NAMES.iter().any(|known| known.as_bytes() == name);
    if distance(&name, b"ts") <= 1 && is_like_time(raw) {
        parts.second_time = Some(read_time(raw));
    }
    if is_time && parts.misnamed_time.is_none() {
        parts.misnamed_time = Some(detail("the time is \"ts\""));
        return;
    }
    let is_quality = distance(&name, b"quality") <= 3 && *raw != Raw::Null;
    parts.in_doubt |= is_quality;
    parts.has_quality |= is_quality;
    let is_time = is_like_time(raw);
    parts.has_unknown_time |= is_time;
    parts.has_unknown |= !is_time && !is_quality;
    // A word beside the name of a property is likely to be its quality.
    if let (Raw::Text(_), Some(entry)) = (raw, scope.properties.find(key)) {
        out.doubt(entry.id);
    }
    let hint = match &*name {
        b"value" | b"values" => "measured values stand in \"values\"",
        _ => "measured values stand inside \"values\"",
    };
    out.reject(RejectReason::Malformed, || detail(hint));
}

/// Names that a time goes by elsewhere, without case and underscores; those an edit away from `ts` count too.
const TIME_NAMES: [&str; 11] = [
    "tsms",
    "time",
    "timestamp",
    "timestampms",
    "datetime",
    "date",
    "at",
    "when",
    "measuredat",
    "observedat",
    "dateobserved",
];

fn time_of(parts: &Parts, wound: Wound) -> Cow<'_, Time> {
    if let Some(name) = parts.twice {
        let detail =
            format!("{name:?} stands twice in one object; once is right, with the \"ts\" that it is of");
        return Cow::Owned(Time::Bad(detail));
    }
    if wound.is_mixed {
        let detail = "the message is damaged here: time and values may be of two objects";
        return Cow::Owned(Time::Bad(detail.to_owned()));
    }
    if parts.time.is_some() && parts.second_time.is_some() && parts.time != parts.second_time {
        return Cow::Owned(Time::Bad(
            "ts stands twice, once misspelt, and differs; once is right".to_owned(),
        ));
    }
    match (&parts.time, &parts.misnamed_time) {
        (Some(time), _) => Cow::Borrowed(time),
        (None, Some(detail)) => Cow::Owned(Time::Bad(detail.clone())),
        (None, None) if wound.is_in_doubt => {
            Cow::Owned(Time::Bad("the message is damaged here and may have lost its \"ts\"".to_owned()))
        }
        (None, None) => Cow::Owned(Time::Absent),
    }
}

/// Reads milliseconds since 1970, in any form of a JSON number and rounded down, or RFC 3339.
fn read_time(raw: &Raw<'_>) -> Time {
    const EXPECTED: &str = "expected milliseconds since 1970 as in 1761523200000, or RFC 3339 as in \"2025-10-27T07:00:00+07:00\"";
    let read = match raw {
        Raw::Number(text) => text.parse().ok().or_else(|| milliseconds(text)),
        Raw::Text(text) => rfc3339(text),
        _ => None,
    };
    let hint = match raw {
        Raw::Text(text) if text.trim().parse::<f64>().is_ok() => "; send it without quotes",
        Raw::Text(text) if rfc3339(&format!("{}Z", text.trim())).is_some() => {
            "; add the offset, as in Z or +07:00"
        }
        Raw::Null => "; leave ts out while the device does not know the time",
        _ => "",
    };
    read.map_or_else(|| Time::Bad(format!("ts is {}; {EXPECTED}{hint}", describe(raw))), Time::At)
}

/// Reports whether something that stands where no time is expected is likely to be one, in seconds or a finer unit.
fn is_like_time(raw: &Raw<'_>) -> bool {
    /// From 2001 in seconds to 2286 in nanoseconds.
    const TIMES: std::ops::Range<f64> = 1e9..1e19;
    let number = match raw {
        Raw::Text(text) if rfc3339(text).is_some() => return true,
        Raw::Text(text) => text.trim().parse(),
        Raw::Number(text) => text.parse(),
        _ => return false,
    };
    number.is_ok_and(|number: f64| TIMES.contains(&number))
}

fn milliseconds(text: &str) -> Option<i64> {
    let whole = whole(text)?;
    let magnitude = i64::try_from(whole.digits).ok()?;
    if whole.is_negative { (-magnitude).checked_sub(i64::from(whole.has_fraction)) } else { Some(magnitude) }
}

/// A number that cannot be read is refused, and the element is as one without.
fn read_seq(raw: &Raw<'_>, parts: &mut Parts, out: &mut Yield) {
    let seq = if let Raw::Number(text) = raw { sequence_number(text) } else { None };
    let expected = "expected a whole number from 0 to 18446744073709551615";
    match (seq, parts.seq) {
        (Some(seq), None) => parts.seq = Some(seq),
        (Some(seq), Some(before)) if seq == before => {}
        (Some(_), Some(_)) => parts.meet_twice("seq", true),
        (None, _) => out.reject(RejectReason::Malformed, || {
            format!("\"seq\" is {}; {expected}; its values are kept", describe(raw))
        }),
    }
}

fn sequence_number(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let whole = whole(text).filter(|whole| !whole.is_negative && !whole.has_fraction)?;
        u64::try_from(whole.digits).ok()
    })
}

fn read_values(
    scope: &Scope<'_>,
    reader: &mut Reader<'_>,
    parts: &mut Parts,
    out: &mut Yield,
) -> Result<(), Fault> {
    if !reader.take(b'{') {
        let raw = reader.value()?;
        out.reject(RejectReason::Malformed, || {
            format!("\"values\" is {}; expected an object as in {{\"pm25\": 38.1}}", describe(&raw))
        });
        return Ok(());
    }
    let mut more = !reader.take(b'}');
    while more {
        let name = reader.key()?;
        let raw = reader.value()?;
        take_value(scope, &name, &raw, parts, out);
        more = reader.another(b'}', "',' or '}' behind a value")?;
    }
    Ok(())
}

fn take_value(scope: &Scope<'_>, name: &str, raw: &Raw<'_>, parts: &mut Parts, out: &mut Yield) {
    match scope.properties.find(name) {
        Some(entry) if !entry.made_here => match entry.value(raw) {
            Ok(value) => {
                out.accept(Observation { property: entry.id, ts_ms: 0, value, quality: Quality::GOOD });
            }
            Err(reason) => out.reject(reason, || entry.detail(raw)),
        },
        Some(entry) => out.reject(RejectReason::UnknownProperty, || {
            format!("{} is computed by the operations center; a device cannot send it", entry.name)
        }),
        None => unknown_value(scope, name, parts, out),
    }
}

/// A name that is no property says nothing, unless it was to stand beside the values and is about all of them.
fn unknown_value(scope: &Scope<'_>, name: &str, parts: &mut Parts, out: &mut Yield) {
    let misplaced = || format!("{:?} stands in \"values\"; expected it beside \"values\"", excerpt(name));
    match name {
        "ts" | "timestamp" if parts.misnamed_time.is_none() => parts.misnamed_time = Some(misplaced()),
        "quality" => {
            parts.in_doubt = true;
            out.reject(RejectReason::Malformed, misplaced);
        }
        _ => out.reject(RejectReason::UnknownProperty, || unknown_property(scope.properties, name)),
    }
}

fn unknown_property(properties: &Properties, name: &str) -> String {
    let hint = match properties.nearest(name) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "use a name of the catalogue, or add this one to it".to_owned(),
    };
    format!("property {:?} is not in the catalogue; {hint}", excerpt(name))
}

/// A quality of a property that has no value here says nothing and is passed over. A value whose quality nobody
/// understands is kept as uncertain: the device said something about it, and not that it was good.
fn read_qualities(
    scope: &Scope<'_>,
    reader: &mut Reader<'_>,
    parts: &mut Parts,
    out: &mut Yield,
) -> Result<(), Fault> {
    const EXPECTED: &str = "expected \"good\", \"measuring\", \"calibrating\", \"fault\" or \"uncertain\"";
    if !reader.take(b'{') {
        let raw = reader.value()?;
        parts.in_doubt |= raw != Raw::Null;
        out.reject(RejectReason::Malformed, || {
            format!(
                "\"quality\" is {}; expected an object as in {{\"pm25\": \"calibrating\"}}",
                describe(&raw)
            )
        });
        return Ok(());
    }
    let mut more = !reader.take(b'}');
    while more {
        let name = reader.key()?;
        let raw = reader.value()?;
        let word = if let Raw::Text(word) = &raw { Quality::from_device_word(word) } else { None };
        match scope.properties.find(&name) {
            Some(entry) => {
                out.set_quality(entry.id, word.unwrap_or(Quality::UNCERTAIN));
                if word.is_none() {
                    out.reject(RejectReason::WrongType, || {
                        let found = describe(&raw);
                        format!(
                            "the quality of {} is {found}; {EXPECTED}; its value is kept as uncertain",
                            entry.name
                        )
                    });
                }
            }
            None => {
                if word != Some(Quality::GOOD) {
                    doubt_nearest(scope, &name, parts, out);
                }
                out.reject(RejectReason::UnknownProperty, || {
                    format!("quality: {}", unknown_property(scope.properties, &name))
                });
            }
        }
        more = reader.another(b'}', "',' or '}' behind a quality")?;
    }
    Ok(())
}

/// A quality under a name that is no property is likely to be about the one that was meant. Looking for it takes
/// time: after many other faults all values are in doubt.
fn doubt_nearest(scope: &Scope<'_>, name: &str, parts: &mut Parts, out: &mut Yield) {
    if out.rejections.len() >= DETAILED_MAX {
        parts.in_doubt = true;
        return;
    }
    let nearest = scope.properties.nearest(name).and_then(|nearest| scope.properties.find(nearest));
    if let Some(entry) = nearest {
        out.doubt(entry.id);
    }
}

/// Marks the values of this element.
fn apply_qualities(parts: &Parts, first: usize, out: &mut Yield) {
    let Yield { observations, qualities, .. } = out;
    for observation in &mut observations[first..] {
        if parts.in_doubt {
            observation.quality |= Quality::UNCERTAIN;
        }
        for (_, quality) in qualities.iter().filter(|(id, _)| *id == observation.property) {
            observation.quality |= *quality;
        }
    }
}
