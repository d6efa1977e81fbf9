//! One device message as the journal keeps it: what was accepted and, if anything was not, what and why.
use crate::{
    DeviceIndex, Observation, PropertyId, Quality,
    string_enum::string_enum,
    wire::{Reader, WireError, put_text},
};
use serde::{Deserialize, Serialize};

/// Most payload bytes kept with a rejection.
pub const REJECTED_BYTES_MAX: usize = 4096;

/// The producer of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// A device, over MQTT.
    Device = 0,
    /// Computed here from other observations; not counted as received.
    Derived = 1,
}

/// One device message; the unit of atomicity in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The device, unless the topic named none that we know.
    pub device: Option<DeviceIndex>,
    /// When it reached us, milliseconds since the epoch.
    pub arrival_ms: i64,
    /// The producer.
    pub origin: Origin,
    /// What was accepted, in the order of the payload.
    pub observations: Vec<Observation>,
    /// What was not, if anything.
    pub rejected: Option<Rejected>,
    /// By how much the device's clock was set back, in milliseconds, when this message is the one that shows it, see
    /// [`crate::time::ClockOffset::observe`]. What the device sent before stands earlier by as much from here on.
    pub set_back_ms: Option<i64>,
}

/// The rejected part of a message, with what an engineer needs to see why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The credential that sent it.
    pub credential: String,
    /// The MQTT topic name.
    pub topic: String,
    /// The first [`REJECTED_BYTES_MAX`] bytes of the payload.
    pub bytes: Vec<u8>,
    /// Length of the whole payload in bytes.
    pub bytes_len: u32,
    /// One entry per rejected observation; an undecodable message has exactly one.
    pub items: Vec<Rejection>,
}

/// One rejected observation, or one undecodable message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The reason, from a closed set.
    pub reason: RejectReason,
    /// The reason for people: what was found and what would be right.
    pub detail: String,
}

string_enum! {
    /// The reason for rejecting something; the label of the counters and of quarantine entries.
    RejectReason, "reject reason", "a name from the list of reject reasons" {
        /// Not UTF-8.
        NotUtf8 = "not_utf8",
        /// Not JSON, or not of the payload's shape.
        Malformed = "malformed",
        /// More than the allowed size or number of values.
        TooLarge = "too_large",
        /// A property the catalogue does not have.
        UnknownProperty = "unknown_property",
        /// A text where a number is due, or the like.
        WrongType = "wrong_type",
        /// Outside the property's physical range, or not finite.
        OutOfRange = "out_of_range",
        /// More than five minutes ahead of our clock.
        FutureTime = "future_time",
        /// Older than history is kept.
        TooOld = "too_old",
        /// A time that is neither milliseconds nor RFC 3339.
        BadTime = "bad_time",
        /// A topic that is not the sender's own, or not of the grammar.
        TopicNotAllowed = "topic_not_allowed",
        /// The topic names a device that is not registered.
        UnknownDevice = "unknown_device",
        /// The topic's domain is not the device's.
        WrongDomain = "wrong_domain",
    }
}

impl RejectReason {
    /// Returns the number in journal records. None is ever changed or given to another reason.
    const fn code(self) -> u8 {
        match self {
            Self::NotUtf8 => 0,
            Self::Malformed => 1,
            Self::TooLarge => 2,
            Self::UnknownProperty => 3,
            Self::WrongType => 4,
            Self::OutOfRange => 5,
            Self::FutureTime => 6,
            Self::TooOld => 7,
            Self::BadTime => 8,
            Self::TopicNotAllowed => 9,
            Self::UnknownDevice => 10,
            Self::WrongDomain => 11,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

const NO_DEVICE: u32 = u32::MAX;
/// Set in the byte of the origin when a [`Receipt`] stands behind the observations.
const HAS_RECEIPT: u8 = 1 << 7;
/// Set in the byte of the origin when [`Message::set_back_ms`] stands behind the observations, and behind a receipt.
const HAS_SET_BACK: u8 = 1 << 6;

/// What a message without times is recognised by when it is delivered again, across restarts too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// A hash of the whole message.
    pub digest: u64,
    /// Its newest objects with a `seq`, oldest first, with the time that each was given; none in a repeat.
    pub objects: Vec<(Repeatable, i64)>,
}

/// What identifies one object of a message without `ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeatable {
    /// As the device counts.
    pub seq: u64,
    /// A hash of the object's bytes.
    pub digest: u64,
}

const RECEIPT_OBJECT_LEN: usize = 3 * 8;

impl Receipt {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest.to_le_bytes());
        let count = self.objects.len().min(usize::from(u16::MAX));
        out.extend_from_slice(&(count as u16).to_le_bytes());
        for (object, ts_ms) in &self.objects[..count] {
            out.extend_from_slice(&object.seq.to_le_bytes());
            out.extend_from_slice(&object.digest.to_le_bytes());
            out.extend_from_slice(&ts_ms.to_le_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let digest = reader.u64()?;
        let count = reader.u16()?;
        let mut objects = Vec::with_capacity(usize::from(count).min(64));
        for _ in 0..count {
            let object = Repeatable { seq: reader.u64()?, digest: reader.u64()? };
            objects.push((object, reader.i64()?));
        }
        Ok(Self { digest, objects })
    }
}

impl Message {
    /// Appends the binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_with(None, out);
    }

    /// Appends the binary form, with what the message is recognised by when it is delivered again.
    pub fn encode_with(&self, receipt: Option<&Receipt>, out: &mut Vec<u8>) {
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(HAS_RECEIPT, receipt.is_some()) | flag(HAS_SET_BACK, self.set_back_ms.is_some());
        let origin = self.origin as u8 | flags;
        encode_head(out, self.device, self.arrival_ms, origin, self.observations.len());
        for observation in &self.observations {
            encode_observation(out, observation);
        }
        if let Some(receipt) = receipt {
            receipt.encode(out);
        }
        if let Some(set_back_ms) = self.set_back_ms {
            out.extend_from_slice(&set_back_ms.to_le_bytes());
        }
        if let Some(rejected) = &self.rejected {
            rejected.encode(out);
        }
    }

    /// Reads the binary form.
    ///
    /// Errors: [`WireError`] when `bytes` is not what [`Message::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let view = MessageView::parse(bytes)?;
        let rejected = view.rejected()?;
        Ok(Self {
            device: view.device,
            arrival_ms: view.arrival_ms,
            origin: view.origin,
            observations: view.observations().collect(),
            rejected,
            set_back_ms: view.set_back_ms,
        })
    }
}

fn encode_head(out: &mut Vec<u8>, device: Option<DeviceIndex>, arrival_ms: i64, origin: u8, count: usize) {
    out.extend_from_slice(&device.map_or(NO_DEVICE, |index| index.0).to_le_bytes());
    out.extend_from_slice(&arrival_ms.to_le_bytes());
    out.push(origin);
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

const OBSERVATION_LEN: usize = 2 + 1 + 8 + 8;

fn encode_observation(out: &mut Vec<u8>, observation: &Observation) {
    out.extend_from_slice(&observation.property.0.to_le_bytes());
    out.push(observation.quality.0);
    out.extend_from_slice(&observation.ts_ms.to_le_bytes());
    out.extend_from_slice(&observation.value.to_le_bytes());
}

impl Rejected {
    /// Keeps at most [`REJECTED_BYTES_MAX`] bytes of `payload`.
    pub fn new(credential: &str, topic: &str, payload: &[u8], items: Vec<Rejection>) -> Self {
        Self {
            credential: credential.to_owned(),
            topic: topic.to_owned(),
            bytes: payload[..payload.len().min(REJECTED_BYTES_MAX)].to_vec(),
            bytes_len: payload.len() as u32,
            items,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, &self.credential);
        put_text(out, &self.topic);
        out.extend_from_slice(&self.bytes_len.to_le_bytes());
        let kept = self.bytes.len().min(REJECTED_BYTES_MAX);
        out.extend_from_slice(&(kept as u16).to_le_bytes());
        out.extend_from_slice(&self.bytes[..kept]);
        out.extend_from_slice(&(self.items.len() as u32).to_le_bytes());
        for item in &self.items {
            out.push(item.reason.code());
            put_text(out, &item.detail);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let credential = reader.text()?.to_owned();
        let topic = reader.text()?.to_owned();
        let bytes_len = reader.u32()?;
        let kept = reader.u16()?;
        let bytes = reader.bytes(usize::from(kept))?.to_vec();
        let count = reader.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            let reason = RejectReason::from_code(reader.u8()?).ok_or(WireError)?;
            items.push(Rejection { reason, detail: reader.text()?.to_owned() });
        }
        Ok(Self { credential, topic, bytes, bytes_len, items })
    }
}

/// A message read in place: followers on the hot path allocate nothing.
#[derive(Debug, Clone, Copy)]
pub struct MessageView<'a> {
    /// As in [`Message`].
    pub device: Option<DeviceIndex>,
    /// As in [`Message`].
    pub arrival_ms: i64,
    /// As in [`Message`].
    pub origin: Origin,
    /// As in [`Message`].
    pub set_back_ms: Option<i64>,
    observations: &'a [u8],
    receipt: &'a [u8],
    rejected: &'a [u8],
}

impl<'a> MessageView<'a> {
    /// Reads the head and finds the parts.
    ///
    /// Errors: [`WireError`] when `bytes` is not what [`Message::encode`] wrote.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let device = Some(reader.u32()?).filter(|index| *index != NO_DEVICE).map(DeviceIndex);
        let arrival_ms = reader.i64()?;
        let origin = reader.u8()?;
        let (has_receipt, has_set_back) = (origin & HAS_RECEIPT != 0, origin & HAS_SET_BACK != 0);
        let origin = match origin & !(HAS_RECEIPT | HAS_SET_BACK) {
            0 => Origin::Device,
            1 => Origin::Derived,
            _ => return Err(WireError),
        };
        let count = reader.u32()? as usize;
        let observations = reader.bytes(count.checked_mul(OBSERVATION_LEN).ok_or(WireError)?)?;
        let rest = reader.rest();
        let receipt_len = if has_receipt { receipt_len(rest)? } else { 0 };
        let (receipt, rest) = rest.split_at_checked(receipt_len).ok_or(WireError)?;
        let mut rest = Reader::new(rest);
        let set_back_ms = if has_set_back { Some(rest.i64()?) } else { None };
        let rejected = rest.rest();
        Ok(Self { device, arrival_ms, origin, set_back_ms, observations, receipt, rejected })
    }

    /// Reads what the message is recognised by when it is delivered again, if anything.
    ///
    /// Errors: [`WireError`] when it is malformed.
    pub fn receipt(&self) -> Result<Option<Receipt>, WireError> {
        if self.receipt.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(self.receipt);
        let receipt = Receipt::decode(&mut reader)?;
        reader.end()?;
        Ok(Some(receipt))
    }

    /// Returns the accepted observations, in the order of the payload.
    pub fn observations(&self) -> impl ExactSizeIterator<Item = Observation> + use<'a> {
        self.observations.as_chunks::<OBSERVATION_LEN>().0.iter().map(|o| Observation {
            property: PropertyId(u16::from_le_bytes([o[0], o[1]])),
            quality: Quality(o[2]),
            ts_ms: i64::from_le_bytes([o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10]]),
            value: f64::from_le_bytes([o[11], o[12], o[13], o[14], o[15], o[16], o[17], o[18]]),
        })
    }

    /// Reports whether anything of the message was rejected.
    pub fn has_rejected(&self) -> bool {
        !self.rejected.is_empty()
    }

    /// Reads the rejected part.
    ///
    /// Errors: [`WireError`] when it is malformed.
    pub fn rejected(&self) -> Result<Option<Rejected>, WireError> {
        if self.rejected.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(self.rejected);
        let rejected = Rejected::decode(&mut reader)?;
        reader.end()?;
        Ok(Some(rejected))
    }
}

fn receipt_len(bytes: &[u8]) -> Result<usize, WireError> {
    let mut reader = Reader::new(bytes);
    reader.u64()?;
    Ok(8 + 2 + usize::from(reader.u16()?) * RECEIPT_OBJECT_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Journals hold these numbers: a reason may be added, and none may change.
    #[test]
    fn reasons_keep_their_numbers() {
        let kept = [
            (0, "not_utf8"),
            (1, "malformed"),
            (2, "too_large"),
            (3, "unknown_property"),
            (4, "wrong_type"),
            (5, "out_of_range"),
            (6, "future_time"),
            (7, "too_old"),
            (8, "bad_time"),
            (9, "topic_not_allowed"),
            (10, "unknown_device"),
            (11, "wrong_domain"),
        ];
        for (code, word) in kept {
            assert_eq!(RejectReason::from_code(code).map(RejectReason::as_str), Some(word));
        }
        for reason in RejectReason::ALL {
            assert_eq!(RejectReason::from_code(reason.code()), Some(*reason));
        }
        assert_eq!(RejectReason::from_code(u8::MAX), None);
    }

    fn observation() -> impl Strategy<Value = Observation> {
        (any::<u16>(), any::<i64>(), -1e300..1e300f64, any::<u8>()).prop_map(
            |(property, ts_ms, value, quality)| Observation {
                property: PropertyId(property),
                ts_ms,
                value,
                quality: Quality(quality),
            },
        )
    }

    fn rejected() -> impl Strategy<Value = Rejected> {
        let item = (0..RejectReason::ALL.len(), ".{0,40}")
            .prop_map(|(reason, detail)| Rejection { reason: RejectReason::ALL[reason], detail });
        (".{0,70}", ".{0,70}", prop::collection::vec(any::<u8>(), 0..5000), prop::collection::vec(item, 0..5))
            .prop_map(|(credential, topic, payload, items)| {
                Rejected::new(&credential, &topic, &payload, items)
            })
    }

    proptest! {
        #[test]
        fn messages_survive_the_wire(
            device in prop::option::of(0..u32::MAX), arrival_ms: i64,
            observations in prop::collection::vec(observation(), 0..20), rejected in prop::option::of(rejected()),
            set_back_ms: Option<i64>,
        ) {
            let (device, origin) = (device.map(DeviceIndex), Origin::Device);
            let message = Message { device, arrival_ms, origin, observations, rejected, set_back_ms };
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            prop_assert_eq!(Message::decode(&bytes), Ok(message));
        }

        #[test]
        fn receipts_survive_the_wire_and_disturb_nothing(
            observations in prop::collection::vec(observation(), 0..9), rejected in prop::option::of(rejected()),
            digest: u64, objects in prop::collection::vec((any::<u64>(), any::<u64>(), any::<i64>()), 0..9),
            set_back_ms: Option<i64>,
        ) {
            let (device, arrival_ms, origin) = (None, 1, Origin::Device);
            let message = Message { device, arrival_ms, origin, observations, rejected, set_back_ms };
            let object = |(seq, digest, ts_ms)| (Repeatable { seq, digest }, ts_ms);
            let receipt = Receipt { digest, objects: objects.into_iter().map(object).collect() };
            let mut bytes = Vec::new();
            message.encode_with(Some(&receipt), &mut bytes);
            prop_assert_eq!(MessageView::parse(&bytes).unwrap().receipt(), Ok(Some(receipt)));
            prop_assert_eq!(Message::decode(&bytes), Ok(message));
            for len in 0..bytes.len() {
                let _ = Message::decode(&bytes[..len]);
            }
        }

        /// A record grows only when a clock was set back; those of before have no such flag, and read as none.
        #[test]
        fn a_step_costs_what_it_says(
            observations in prop::collection::vec(observation(), 0..9), set_back_ms: i64,
        ) {
            let (device, arrival_ms, origin) = (None, 1, Origin::Device);
            let message = |set_back_ms| {
                let observations = observations.clone();
                Message { device, arrival_ms, origin, observations, rejected: None, set_back_ms }
            };
            let encoded = |set_back_ms| {
                let mut bytes = Vec::new();
                message(set_back_ms).encode(&mut bytes);
                bytes
            };
            let (without, with) = (encoded(None), encoded(Some(set_back_ms)));
            prop_assert_eq!(with.len(), without.len() + 8);
            prop_assert_eq!(without[12], 0);
            prop_assert_eq!(MessageView::parse(&with).unwrap().set_back_ms, Some(set_back_ms));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode(&bytes);
        }
    }
}
