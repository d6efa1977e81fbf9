//! Where the device edge, ingest and the journal meet: one publish becomes one journal record. Runs on the edge's
//! reactor threads and never waits: without room in the journal the edge stops reading that socket.
use crate::{
    clock::now_ms,
    presence::{Connected, Voices},
};
use ioc_broker::{Busy, Incoming, PresenceChange, PublishSink, Taken, Verdict};
use ioc_identity::Grants;
use ioc_ingest::{Context, Decoder, Registry, quarantine::Refused};
use ioc_journal::{AppendError, RECORD_LEN_MAX, SharedLog};
use ioc_model::{
    CredentialKind, DeviceTopic, Message, Receipt, RecordKind, RejectReason, Rejected, Rejection,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release},
};

/// Takes publishes of devices in: decodes them and appends them to the log.
pub struct Ingress {
    registry: Registry,
    grants: Arc<Grants>,
    decoder: Arc<Decoder>,
    journal: SharedLog,
    connected: Mutex<Connected>,
    /// Devices changed, and who speaks for whom with them.
    relisted: AtomicBool,
}

impl Ingress {
    /// Joins the parts.
    pub fn new(registry: Registry, grants: Arc<Grants>, decoder: Arc<Decoder>, journal: SharedLog) -> Self {
        let (connected, relisted) = (Mutex::default(), AtomicBool::default());
        Self { registry, grants, decoder, journal, connected, relisted }
    }

    /// Notes that devices changed, and with them who speaks for whom. Looked at with the next flush, so that many changes
    /// are one.
    pub fn relist(&self) {
        self.relisted.store(true, Release);
    }

    fn decode(&self, incoming: &Incoming<'_>, arrival_ms: i64) -> (Message, Option<Receipt>) {
        let Incoming { principal, topic, payload, verdict, dup, connected_at, .. } = *incoming;
        let connected_ms = || {
            let since_ms = i64::try_from(connected_at.elapsed().as_millis()).unwrap_or(i64::MAX);
            arrival_ms.saturating_sub(since_ms)
        };
        let dup_from_ms = dup.then(connected_ms);
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
        self.decoder.decode(&Context { device, credential, topic, payload, arrival_ms, dup_from_ms })
    }

    fn append(&self, message: &Message, receipt: Option<&Receipt>) -> Result<u64, AppendError> {
        self.journal.append(RecordKind::Message, |out| message.encode_with(receipt, out))
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whom each of `speakers` speaks for: a device for itself, a gateway for those listed in its credential,
    /// those registered under it, and itself if it is a device (a cabinet).
    fn voices<'s>(&self, speakers: impl Iterator<Item = (&'s str, CredentialKind)>) -> Voices {
        let devices = self.registry.current();
        let (mut voices, mut has_gateways) = (Voices::new(), false);
        for (credential, kind) in speakers {
            let is_gateway = kind == CredentialKind::Gateway;
            has_gateways |= is_gateway;
            let listed = if is_gateway { self.grants.listed(credential) } else { Vec::new() };
            let own = std::iter::once(credential).chain(listed.iter().map(|id| &**id));
            let own = own.filter_map(|id| devices.in_service(id)).map(|device| device.index);
            voices.insert(credential.into(), own.collect());
        }
        let under = devices.iter().filter(|device| has_gateways && !device.retired);
        for (device, gateway) in under.flat_map(|device| device.gateways().map(move |id| (device, id))) {
            if let Some(spoken_for) = voices.get_mut(gateway) {
                spoken_for.insert(device.index);
            }
        }
        voices
    }

    /// Writes what changed about who is connected, as far as the journal has room.
    pub fn flush_presence(&self) {
        let mut connected = self.connected();
        if self.relisted.swap(false, AcqRel) {
            let voices = self.voices(connected.speakers());
            connected.relist(voices, now_ms());
        }
        connected
            .flush(|presence| self.journal.append(RecordKind::Presence, |out| presence.encode(out)).is_ok());
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

impl PublishSink for Ingress {
    fn try_publish(&self, incoming: Incoming<'_>) -> Result<Taken, Busy> {
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
        {
            let mut connected = self.connected();
            match online {
                true => {
                    let voices = self.voices(std::iter::once((credential, kind))).remove(credential);
                    connected.connect(credential, kind, voices.unwrap_or_default(), now_ms());
                }
                false => connected.disconnect(credential, now_ms(), cause),
            }
        }
        self.flush_presence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin::open_foundation, config::Config, data_dir::DataDir};
    use ioc_broker::Principal;
    use ioc_ingest::{DecodeLimits, NewDevice};
    use ioc_journal::JournalConfig;
    use ioc_model::{Domain, Parent, ParentKind};
    use ioc_services::{NewCredential, Services};

    fn device(id: &str, parent: Option<&str>, label: Option<&str>) -> NewDevice {
        NewDevice {
            id: id.parse().unwrap(),
            domain: Domain::from_static("environment"),
            kind: "water-level".to_owned(),
            lat: 16.4637,
            lon: 107.5909,
            parent: parent.map(|id| Parent { kind: ParentKind::Gateway, id: id.parse().unwrap() }),
            labels: label.map(|gateway| ("gateway".to_owned(), gateway.to_owned())).into_iter().collect(),
        }
    }

    /// Whose messages are taken is who counts as connected: no device that is heard stays offline.
    #[test]
    fn a_connection_makes_those_connected_for_whom_it_may_speak_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let foundation = open_foundation(&data, &Config::default(), 0).unwrap();
        let services = Services::build(foundation.clone(), || ());
        for device in [
            device("OWN", None, None),
            device("LISTED", None, None),
            device("CHILD", Some("gw"), None),
            device("LABELLED", Some("other"), Some("gw")),
            device("UNDER-DEVICE", Some("OWN"), None),
        ] {
            services.devices.add(&ioc_identity::Principal::cli("test"), device, 0).unwrap();
        }
        for (id, kind, devices) in [
            ("gw", CredentialKind::Gateway, vec!["LISTED".parse().unwrap(), "CHILD".parse().unwrap()]),
            ("other", CredentialKind::Gateway, vec![]),
            ("app", CredentialKind::App, vec![]),
        ] {
            let credential = NewCredential { id: id.parse().unwrap(), kind, devices };
            services.credentials.add(&ioc_identity::Principal::cli("test"), credential, 0).unwrap();
        }
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path().join("journal"))).unwrap();
        let decoder = Decoder::new(Arc::clone(&foundation.catalogue), DecodeLimits::default());
        let (registry, grants) = (foundation.registry.clone(), Arc::clone(&foundation.grants));
        let ingress = Ingress::new(registry.clone(), Arc::clone(&grants), Arc::new(decoder), journal);
        let devices = registry.current();
        for (credential, kind) in [
            ("OWN", CredentialKind::Device),
            ("LISTED", CredentialKind::Device),
            ("gw", CredentialKind::Gateway),
            ("other", CredentialKind::Gateway),
        ] {
            let principal = Principal { credential: credential.into(), kind, generation: 1 };
            let voices = ingress.voices(std::iter::once((credential, kind)));
            for device in devices.iter() {
                let speaks = grants.speaks_for(&principal.credential, principal.kind, device.id.as_str());
                let counts = voices[credential].contains(&device.index);
                assert_eq!(counts, speaks, "{credential} for {}", device.id);
            }
        }
    }
}
