//! The native payload: `{"ts": 1761523200000, "values": {"pm25": 38.1}, "quality": {"pm25": "calibrating"},
//! "seq": 42}`, or an array of such objects; the same on `telemetry`, `event` and `state`.
//!
//! | Part | Rule |
//! |---|---|
//! | `values` | required; number, bool (also 0 and 1) or enum (name or code); no numbers as text. A name that stands twice is a correction of itself: the last one wins |
//! | `ts` | whole milliseconds since 1970, or RFC 3339; absent: time of arrival, see [`SEQUENCE_MEMORY`] |
//! | `quality` | optional word per property: good, measuring, calibrating, fault, uncertain |
//! | `seq` | optional whole number; tells repeats of messages without `ts` |
//!
//! A value that cannot be used is refused by itself and the others are kept; a message that cannot be read,
//! or has any other key, is refused as a whole and counts as one.
//!
//! One pass over the bytes, no tree, one allocation for a message without fault.
mod element;
mod json;
mod property;
mod sequence;
mod time;

pub use element::DETAILED_MAX;
pub use property::MADE_HERE;
pub use sequence::SEQUENCE_MEMORY;

use crate::{Device, DeviceClocks};
use element::{Scope, Unusable, Yield};
use ioc_model::{Catalogue, Message, Origin, RejectReason, Rejected, Rejection, time as time_policy};
use json::Reader;
use property::Properties;
use sequence::SequenceMemory;
use std::sync::Arc;

/// Values that most messages have at most; room for them is made at once.
const USUAL_VALUES: usize = 8;

/// Bounds of what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// How far a device's clock may be ahead of ours, in milliseconds.
    pub future_max_ms: i64,
    /// How long history is kept, in milliseconds; older values are refused.
    pub retention_ms: i64,
    /// How old a value may be on arrival before it is flagged late, in milliseconds, the steady offset of its device's
    /// clock subtracted.
    pub late_after_ms: i64,
    /// Longest payload, in bytes.
    pub payload_len_max: usize,
    /// Most objects in an array.
    pub elements_max: usize,
    /// Most values in a message, refused ones included.
    pub values_max: usize,
}

impl Default for DecodeLimits {
    /// Five minutes ahead, 400 days of history, late after two minutes, 256 KiB, 1,000 objects, 2,000 values.
    fn default() -> Self {
        Self {
            future_max_ms: time_policy::AHEAD_MAX_MS,
            retention_ms: 400 * 86_400_000,
            late_after_ms: time_policy::LATE_AFTER_MS,
            payload_len_max: 256 * 1024,
            elements_max: 1000,
            values_max: 2000,
        }
    }
}

/// A payload and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The device that the topic names; registered, in service, and of the topic's domain.
    pub device: &'a Device,
    /// The credential that sent it.
    pub credential: &'a str,
    /// The MQTT topic name.
    pub topic: &'a str,
    /// As received.
    pub payload: &'a [u8],
    /// When it reached us, milliseconds since the epoch.
    pub arrival_ms: i64,
}

/// Turns payloads into messages. Shared by all connections.
#[derive(Debug)]
pub struct Decoder {
    properties: Properties,
    sequences: SequenceMemory,
    clocks: Arc<DeviceClocks>,
    limits: DecodeLimits,
}

impl Decoder {
    /// Makes a decoder for the properties of a catalogue.
    pub fn new(catalogue: Arc<Catalogue>, limits: DecodeLimits) -> Self {
        Self {
            properties: Properties::new(&catalogue),
            sequences: SequenceMemory::new(limits.future_max_ms),
            clocks: Arc::new(DeviceClocks::new(limits.late_after_ms)),
            limits,
        }
    }

    /// Returns the clocks of the devices, measured from what is decoded.
    pub fn clocks(&self) -> &Arc<DeviceClocks> {
        &self.clocks
    }

    /// Reads and checks one payload.
    ///
    /// Shape: observations in the order of the payload; `rejected` holds one entry per refused value, or
    /// exactly one when the payload cannot be used as a whole.
    /// Errors: none; whatever is wrong is in the message, for quarantine.
    pub fn decode(&self, context: &Context<'_>) -> Message {
        let (observations, rejections) = match self.read(context) {
            Ok(Yield { mut observations, rejections, refused_ms, .. }) => {
                let (device, arrival_ms) = (context.device.index, context.arrival_ms);
                self.clocks.judge(device, arrival_ms, refused_ms, &mut observations);
                (observations, rejections)
            }
            Err(rejection) => (Vec::new(), vec![rejection]),
        };
        let rejected = (!rejections.is_empty())
            .then(|| Rejected::new(context.credential, context.topic, context.payload, rejections));
        Message {
            device: Some(context.device.index),
            arrival_ms: context.arrival_ms,
            origin: Origin::Device,
            observations,
            rejected,
        }
    }

    fn read(&self, context: &Context<'_>) -> Result<Yield, Rejection> {
        let Context { payload, .. } = context;
        if payload.len() > self.limits.payload_len_max {
            let (len, max) = (payload.len(), self.limits.payload_len_max);
            let detail =
                format!("the payload has {len} bytes; at most {max} are accepted; send several smaller ones");
            return Err(Rejection { reason: RejectReason::TooLarge, detail });
        }
        let text = std::str::from_utf8(payload).map_err(|error| Rejection {
            reason: RejectReason::NotUtf8,
            detail: format!(
                "byte {} ({:#04x}) is not UTF-8; payloads are JSON text in UTF-8",
                error.valid_up_to(),
                payload.get(error.valid_up_to()).copied().unwrap_or_default()
            ),
        })?;
        let scope =
            Scope { properties: &self.properties, sequences: &self.sequences, limits: &self.limits, context };
        let mut reader = Reader::new(text);
        read_message(&scope, &mut reader).map_err(|unusable| rejection(text, unusable))
    }
}

fn read_message(scope: &Scope<'_>, reader: &mut Reader<'_>) -> Result<Yield, Unusable> {
    let mut out = Yield::default();
    out.observations.reserve(USUAL_VALUES);
    if !reader.take(b'[') {
        element::read(scope, reader, &mut out)?;
        reader.end()?;
        return Ok(out);
    }
    if reader.take(b']') {
        return Err(Unusable::Shape(
            "an empty array; expected at least one object with \"values\"".to_owned(),
        ));
    }
    let mut count = 0;
    loop {
        count += 1;
        if count > scope.limits.elements_max {
            return Err(Unusable::TooMany(format!(
                "more than {} objects in one array; send several smaller ones",
                scope.limits.elements_max
            )));
        }
        element::read(scope, reader, &mut out)?;
        if !reader.another(b']', "',' or ']' behind an object")? {
            reader.end()?;
            return Ok(out);
        }
    }
}

fn rejection(text: &str, unusable: Unusable) -> Rejection {
    match unusable {
        Unusable::Shape(detail) => Rejection { reason: RejectReason::Malformed, detail },
        Unusable::TooMany(detail) => Rejection { reason: RejectReason::TooLarge, detail },
        Unusable::Syntax(fault) => {
            let found = match text.get(fault.at..).and_then(|rest| rest.chars().next()) {
                Some(found) => format!("{found:?}"),
                None => "the end".to_owned(),
            };
            let detail = format!("not JSON at byte {}: expected {}, found {found}", fault.at, fault.expected);
            Rejection { reason: RejectReason::Malformed, detail }
        }
    }
}

#[cfg(test)]
mod tests;
