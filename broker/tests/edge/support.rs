//! An edge on a free port, and who may do what there.
use ioc_broker::{
    Access, Broker, BrokerConfig, BrokerMetersSnapshot, CloseReason, Limits, Principal, Refusal,
};
use ioc_model::CredentialKind;
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub(crate) use crate::{client::*, journal::*};

/// Far more than anything takes here; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const TOPIC: &str = "ioc/v1/environment/D1/telemetry";

/// Devices are `D…` (token `token-D…`), gateways `GW…` (speak for `LUM-…`), apps `APP…`.
#[derive(Default)]
pub(crate) struct Everybody {
    revoked: Mutex<HashSet<String>>,
}

impl Everybody {
    pub(crate) fn revoke(&self, credential: &str) {
        self.revoked.lock().unwrap().insert(credential.to_owned());
    }
}

impl Access for Everybody {
    fn authenticate(&self, credential: &str, token: &[u8]) -> Result<Principal, Refusal> {
        if credential == "D-BLOCKED" {
            return Err(Refusal::NotAuthorized);
        }
        if token != format!("token-{credential}").as_bytes() {
            return Err(Refusal::BadCredentials);
        }
        let kind = match credential {
            _ if credential.starts_with("GW") => CredentialKind::Gateway,
            _ if credential.starts_with("APP") => CredentialKind::App,
            _ => CredentialKind::Device,
        };
        Ok(Principal { credential: credential.into(), kind, generation: 1 })
    }

    fn still_valid(&self, principal: &Principal) -> bool {
        !self.revoked.lock().unwrap().contains(&*principal.credential)
    }

    fn devices(&self, principal: &Principal) -> u32 {
        if principal.kind == CredentialKind::Gateway { 10 } else { 1 }
    }

    fn speaks_for(&self, principal: &Principal, device: &str) -> bool {
        assert_ne!(device, "D-PANIC", "a bug, as the test wants it");
        *principal.credential == *device
            || principal.kind == CredentialKind::Gateway && device.starts_with("LUM-")
    }
}

/// A running edge.
pub(crate) struct Edge {
    pub(crate) broker: Broker,
    pub(crate) journal: Arc<Journal>,
    pub(crate) access: Arc<Everybody>,
}

impl Edge {
    pub(crate) fn start() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let tcp = vec!["[::]:0".parse().unwrap()];
        Self::configured(BrokerConfig { tcp, tls: None, limits, reactors: 2 })
    }

    pub(crate) fn configured(config: BrokerConfig) -> Self {
        let (journal, access) = (Arc::new(Journal::new()), Arc::new(Everybody::default()));
        let broker = Broker::start(config, access.clone(), journal.clone()).unwrap();
        Self { broker, journal, access }
    }

    /// Where an IPv4 client connects to.
    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::new("127.0.0.1".parse().unwrap(), self.broker.addrs().tcp[0].port())
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.addr())
    }

    /// Connects a credential under its own name.
    pub(crate) fn connected(&self, credential: &str) -> Client {
        let mut client = self.client();
        client.send(&Connect::of(credential).bytes());
        client.expect(&ACCEPTED);
        client
    }

    pub(crate) fn meters(&self) -> BrokerMetersSnapshot {
        self.broker.meters().snapshot()
    }

    /// Waits until the counters are as wanted.
    pub(crate) fn wait(
        &self,
        what: &str,
        wanted: impl Fn(&BrokerMetersSnapshot) -> bool,
    ) -> BrokerMetersSnapshot {
        let end = Instant::now() + PATIENCE;
        loop {
            let meters = self.meters();
            if wanted(&meters) {
                return meters;
            }
            assert!(Instant::now() < end, "never came: {what}; {meters:?}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn wait_closed(&self, reason: CloseReason, count: u64) {
        self.wait(reason.as_str(), |meters| meters.closed_for(reason) >= count);
    }
}
