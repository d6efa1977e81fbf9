//! The native payload: `{"ts": 1761523200000, "values": {"pm25": 38.1}, "quality": {"pm25": "calibrating"},
//! "seq": 42}`, or an array of such objects; the same on `telemetry`, `event` and `state`.
//!
//! | Part | Rule |
//! |---|---|
//! | `values` | required; number, bool (also 0 and 1) or enum (name or code); no numbers as text. A name that stands twice is a correction of itself: the last one wins |
//! | `ts` | milliseconds since 1970, or RFC 3339; absent: time of arrival, see [`SEQUENCE_MEMORY`] |
//! | `quality` | optional word per property, in any case: good, measuring, calibrating, fault, uncertain |
//! | `seq` | optional whole number; tells repeats of messages without `ts` |
//!
//! Numbers come in every form of JSON: `42.0` is a whole number, `1.7e12` a time. Names compare as JSON, MQTT and
//! PromQL do, so case counts; both Unicode forms of a letter are one.
//!
//! # The smallest thing that is wrong
//!
//! It is refused by itself, with its reason; everything else of the message is kept.
//!
//! | Wrong | Refused | Kept |
//! |---|---|---|
//! | a value: null, text, out of range, `nan` | the value | all others |
//! | an unknown key | the key | all values; none when the key stands for the time (`"timestamp"`) |
//! | `seq` | `seq` | all values, as of a message without |
//! | a quality | the quality | the value, flagged uncertain |
//! | `ts` | the values of its object | other objects of the array |
//! | a member of an object twice (`ts` and `seq`: with another content) | the values of its object: these may have been two | other objects of the array |
//! | an object of an array: null, a number | that one | all others |
//! | a time in a part of its own: `{"values": …}, {"ts": …}`, in an array or not, or as bare digits beside the objects | every value of the message that has no `ts` | those with one |
//! | a quality in a part of its own | nothing | all values, flagged uncertain |
//! | syntax: a comma, a quote or a bracket too many or too few, a comment, bytes that are not UTF-8 | the member it is in, see [`mend`] | all others; those of the same object are flagged uncertain, or refused when their time was not read, if their quality or time may have been in the part that was lost. Behind a brace too few the next object may be the rest of this one, and is treated so; where another object begins within one, or a name is broken off between time and values, none gets the time of the other |
//! | a number that its comma or bracket does not follow (`60"o3"`), and so may have lost digits | the value | all others |
//! | a bracket too many behind a value (`38.1]`) or before it (`[38.1`) | the value | all others, a brace too many: that too |
//! | the end is missing | what is incomplete | values that are complete, as before |
//! | more objects or values than one message may have | those beyond, as one | those before |
//!
//! A payload that is too long, or holds no object at all, is refused as a whole and counts as one. `{"ts": …, "values": {}}`
//! is right: a sign of life without readings, see [`crate::Counts::empty`].
//!
//! One pass over the bytes, no tree, one allocation for a message without fault. A fault of the syntax costs a
//! second pass.
mod element;
mod element_time;
mod json;
mod mend;
mod nearest;
mod number;
mod property;
mod scope;
mod sequence;
mod time;
mod yielded;

pub use property::MADE_HERE;
pub use sequence::{ACK_MS, DUP_MS, SEQUENCE_MEMORY};
pub use time::rfc3339;
pub use yielded::DETAILED_MAX;

use crate::{Device, DeviceClocks};
use ioc_model::{
    Catalogue, Message, Origin, Receipt, RejectReason, Rejected, message::MessageView, time as time_policy,
};
use json::{Fault, Reader};
use mend::{Mended, Wound};
use property::Properties;
use scope::Scope;
use sequence::{Delivery, SequenceMemory};
use std::{cell::Cell, sync::Arc};
use yielded::Yield;

/// Bounds of what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeLimits {
    /// How far a device's clock may be ahead of ours, and of the one that most devices agree on, in milliseconds.
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
    /// When the sender says that it may have sent this before (the DUP flag of MQTT): when its connection began, milliseconds
    /// since the epoch.
    pub dup_from_ms: Option<i64>,
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
            sequences: SequenceMemory::new(limits.future_max_ms, limits.late_after_ms),
            clocks: Arc::new(DeviceClocks::new(limits.late_after_ms)),
            limits,
        }
    }

    /// Returns the clocks of the devices, measured from what is decoded.
    pub fn clocks(&self) -> &Arc<DeviceClocks> {
        &self.clocks
    }

    /// Follows a jump of our own clock by `jump_ms`, forward being positive.
    pub fn follow_jump(&self, jump_ms: i64) {
        self.clocks.shift(jump_ms);
        if jump_ms < 0 {
            self.sequences.put_back(jump_ms.saturating_neg());
        }
    }

    /// Reads and checks one payload.
    ///
    /// Shape: observations in the order of the payload; `rejected` holds one entry per thing that was refused. The
    /// receipt is to be kept beside the message, for [`Decoder::recall`].
    /// Errors: none; whatever is wrong is in the message, for quarantine.
    pub fn decode(&self, context: &Context<'_>) -> (Message, Option<Receipt>) {
        let (Yield { mut observations, rejections, refused_ms, .. }, receipt) = self.read(context);
        let (device, arrival_ms) = (context.device.index, context.arrival_ms);
        let set_back_ms = self.clocks.assess(device, arrival_ms, refused_ms, &mut observations);
        let rejected = (!rejections.is_empty())
            .then(|| Rejected::new(context.credential, context.topic, context.payload, rejections));
        let (device, origin) = (Some(device), Origin::Device);
        (Message { device, arrival_ms, origin, observations, rejected, set_back_ms }, receipt)
    }

    /// Remembers a message of an earlier process, so that its repeat is recognised. To be called in their order.
    pub fn recall(&self, message: &MessageView<'_>) {
        let Some(device) = message.device.filter(|_| message.origin == Origin::Device) else { return };
        for observation in message.observations() {
            self.sequences.take(device, observation.ts_ms, message.arrival_ms);
        }
        match message.receipt() {
            Ok(Some(receipt)) => self.sequences.recall(device, message.arrival_ms, &receipt),
            _ if message.observations().len() > 0 => self.sequences.supersede(device, message.arrival_ms),
            _ => {}
        }
    }

    fn read(&self, context: &Context<'_>) -> (Yield, Option<Receipt>) {
        let Context { payload, topic, dup_from_ms, .. } = *context;
        if payload.len() > self.limits.payload_len_max {
            let mut out = Yield::new(self.limits.values_max);
            out.reject(RejectReason::TooLarge, || {
                let (len, max) = (payload.len(), self.limits.payload_len_max);
                format!("the payload has {len} bytes; at most {max} are accepted; send several smaller ones")
            });
            return (out, None);
        }
        let scope = Scope {
            properties: &self.properties,
            sequences: &self.sequences,
            clocks: &self.clocks,
            limits: &self.limits,
            context,
            delivery: Delivery::new(topic, payload, dup_from_ms),
            is_checked: Cell::new(false),
            in_array: Cell::new(false),
        };
        let out = read_payload(&scope);
        if !out.observations.is_empty() && !scope.delivery.was_timed() {
            self.sequences.supersede(context.device.index, context.arrival_ms);
        }
        (out, scope.delivery.into_receipt())
    }
}

/// Reads a payload as it is or, when it is not JSON, what is left of it without its faults.
fn read_payload(scope: &Scope<'_>) -> Yield {
    let text = std::str::from_utf8(scope.context.payload);
    if let Ok(text) = text {
        let mut out = Yield::new(scope.limits.values_max);
        if let Ok(excess) = read_message(scope, text, None, &mut out) {
            out.settle_lone();
            out.end(excess);
            return out;
        }
    }
    let mended = match text {
        Ok(text) => mend::mend(text, None),
        Err(error) => mend::mend(&String::from_utf8_lossy(scope.context.payload), Some(error.valid_up_to())),
    };
    let mut out = Yield::new(scope.limits.values_max);
    let read = read_message(scope, &mended.text, Some(&mended), &mut out);
    debug_assert!(read.is_ok(), "mended text is JSON: {:?}", mended.text);
    out.settle_lone();
    for damage in mended.damages {
        out.reject(damage.reason, || damage.detail);
    }
    out.end(read.unwrap_or(0));
    out
}

/// Reads a message; `mended` says what was left out of `text`.
///
/// Returns how many elements were beyond the most there may be.
///
/// Errors: a fault of the syntax. No time has been assigned then.
fn read_message(
    scope: &Scope<'_>,
    text: &str,
    mended: Option<&Mended>,
    out: &mut Yield,
) -> Result<usize, Fault> {
    let mut reader = Reader::new(text);
    let is_array = reader.take(b'[');
    scope.in_array.set(is_array);
    let wound = |position| mended.map_or(Wound::default(), |mended| mended.wound(position));
    if !is_array {
        element::read(scope, &mut reader, wound(0), out)?;
        reader.end()?;
        return Ok(0);
    }
    let (mut count, mut more) = (0, !reader.take(b']'));
    if !more && mended.is_none() {
        out.reject(RejectReason::Malformed, || {
            "an empty array; expected at least one object in it".to_owned()
        });
    }
    while more {
        if count < scope.limits.elements_max {
            out.position = mended.is_none_or(|mended| mended.is_array).then_some(count);
            element::read(scope, &mut reader, wound(count), out)?;
        } else {
            reader.value()?;
        }
        count += 1;
        more = reader.another(b']', "',' or ']' behind an object")?;
    }
    reader.end()?;
    out.position = None;
    Ok(count.saturating_sub(scope.limits.elements_max))
}

#[cfg(test)]
mod tests;
