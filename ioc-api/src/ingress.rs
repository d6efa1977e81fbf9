//! Where the device edge, ingest and the journal meet: one publish becomes one journal record. Runs on the edge's
//! reactor threads and never waits: without room in the journal the edge stops reading that socket.
use crate::{clock::now_ms, identity::Grants};
use ioc_broker::{Busy, Incoming, Intake, PresenceChange, Taken, Verdict};
use ioc_ingest::{Context, Decoder, Registry, quarantine::Refused};
use ioc_journal::{AppendError, Journal, RECORD_LEN_MAX};
use ioc_model::{
    CredentialKind, DeviceIndex, DeviceTopic, Message, Presence, Receipt, RecordKind, RejectReason, Rejected,
    Rejection,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// See the module.
pub struct Ingress {
    registry: Registry,
    grants: Arc<Grants>,
    decoder: Arc<Decoder>,
    journal: Journal,
    /// Newest connection state per device that the journal had no room for; at most one entry per device.
    unwritten: Mutex<BTreeMap<DeviceIndex, Presence>>,
}

impl Ingress {
    /// Joins the parts.
    pub fn new(registry: Registry, grants: Arc<Grants>, decoder: Arc<Decoder>, journal: Journal) -> Self {
        Self { registry, grants, decoder, journal, unwritten: Mutex::default() }
    }

    fn decode(&self, incoming: &Incoming<'_>, arrival_ms: i64) -> (Message, Option<Receipt>) {
        let Incoming { principal, topic, payload, verdict, dup: is_dup, .. } = *incoming;
        let refused = Refused { credential: &principal.credential, topic, payload, arrival_ms };
        let (Verdict::Ok, Some(parsed)) = (verdict, DeviceTopic::parse(topic)) else {
            return (refused.topic_not_allowed(), None);
        };
        let devices = self.registry.current();
        let Some(device) = devices.in_service(parsed.device) else {
            return (refused.unknown_device(), None);
        };
        if device.domain != parsed.domain {
            return (refused.wrong_domain(device.domain), None);
        }
        let credential = &principal.credential;
        self.decoder.decode(&Context { device, credential, topic, payload, arrival_ms, is_dup })
    }

    fn append(&self, message: &Message, receipt: Option<&Receipt>) -> Result<u64, AppendError> {
        self.journal.append(RecordKind::Message, |out| message.encode_with(receipt, out))
    }

    /// Writes connection states that the journal had no room for.
    pub fn flush_presence(&self) {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(entry) = unwritten.first_entry() {
            let presence = *entry.get();
            if self.journal.append(RecordKind::Presence, |out| presence.encode(out)).is_err() {
                return;
            }
            entry.remove();
        }
    }
}

/// Counts what a message cost: its readings, rejected ones too.
fn readings(message: &Message) -> u32 {
    let rejected = message.rejected.as_ref().map_or(0, |rejected| rejected.items.len());
    u32::try_from(message.observations.len() + rejected).unwrap_or(u32::MAX)
}

fn too_large(incoming: &Incoming<'_>, message: &Message, len: usize) -> Message {
    let detail = format!(
        "the message makes a record of {len} bytes, at most {RECORD_LEN_MAX} fit; send smaller arrays"
    );
    let items = vec![Rejection { reason: RejectReason::TooLarge, detail }];
    let rejected = Rejected::new(&incoming.principal.credential, incoming.topic, incoming.payload, items);
    // What a message without readings says of its device's clock is not decided again.
    let Message { device, arrival_ms, origin, set_back_ms, .. } = *message;
    Message { device, arrival_ms, origin, observations: Vec::new(), rejected: Some(rejected), set_back_ms }
}

impl Intake for Ingress {
    fn offer(&self, incoming: Incoming<'_>) -> Result<Taken, Busy> {
        // Decoding remembers sequence numbers, so it must not happen twice: ask for room before it. What is
        // admitted always fits, see `Journal::has_room`.
        if !self.journal.has_room() {
            return Err(Busy);
        }
        let (message, receipt) = self.decode(&incoming, now_ms());
        let offset = match self.append(&message, receipt.as_ref()) {
            // So many rejections that they do not fit one record: the message is rejected as a whole.
            Err(AppendError::TooLarge { len }) => self.append(&too_large(&incoming, &message, len), None),
            other => other,
        };
        Ok(Taken { offset: offset.map_err(|_| Busy)?, readings: readings(&message) })
    }

    fn durable(&self) -> u64 {
        self.journal.durable()
    }

    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.journal.on_progress(Box::new(move |_| wake()));
    }

    fn presence(&self, credential: &str, change: PresenceChange) {
        let PresenceChange { kind, online, cause } = change;
        let at_ms = now_ms();
        // A gateway's connection is that of all it speaks for, and its own if it is a device itself (a cabinet).
        let devices = self.registry.current();
        let is_gateway = kind == CredentialKind::Gateway;
        let listed = if is_gateway { self.grants.listed(credential) } else { Vec::new() };
        let listed = listed.iter().filter_map(|id| devices.by_id(id));
        let under = devices.iter().filter(|device| is_gateway && device.is_under(credential));
        let states = under.chain(listed).chain(devices.by_id(credential)).map(|device| {
            let presence = Presence { device: device.index, at_ms, online, cause };
            (device.index, presence)
        });
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).extend(states);
        self.flush_presence();
    }
}
