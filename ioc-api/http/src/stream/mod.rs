//! The live stream: what happened to alerts, how every device looks, how the city's indicators stand.
//! Sessions pull at their own pace from shared state ([`hub`], [`board`], a watch of indicators), so a slow
//! screen gets coalesced state and every transition, and delays nobody.
mod commit_buffer;
pub mod device_states;
mod encoded;
pub mod filter;
pub mod hub;
pub mod protocol;
pub mod seats;
pub mod session;
mod watermark;

use crate::turns::Turns;
use encoded::EncodedTransition;
use hub::Hub;
use ioc_ingest::Registry;
use ioc_model::Alert;
use ioc_records::Sequenced;
use ioc_services::indicators::KpiValue;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long who reads the records waits for them to have what it may have heard of: usually some milliseconds. When
/// they cannot be written, it gets what they have.
pub const RECORDS_PATIENCE: Duration = Duration::from_secs(1);

/// The indicators at one instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KpiFrame {
    /// Milliseconds since the epoch.
    pub t: i64,
    /// One for each indicator.
    pub items: Arc<[KpiValue]>,
}

/// Reads transitions after a sequence number from the records; `None` when they cannot be read. Blocks.
pub type OlderTransitions = Arc<dyn Fn(u64, usize) -> Option<OlderPage> + Send + Sync>;

/// Transitions that the records have behind a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct OlderPage {
    /// Oldest first.
    pub transitions: Vec<Sequenced>,
    /// Whether none is missing: nothing behind the number was forgotten.
    pub is_whole: bool,
}

/// Everything that sessions read from.
pub struct Feeds {
    /// Transitions.
    pub hub: Arc<Hub>,
    /// Device states.
    pub board: Arc<device_states::DeviceStateTable>,
    /// Devices.
    pub registry: Registry,
    /// Indicators.
    pub kpis: watch::Receiver<KpiFrame>,
    /// Transitions that the hub no longer has.
    pub older: OlderTransitions,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// Wall clock, milliseconds since the epoch.
    pub now: fn() -> i64,
    /// Version of the server.
    pub build: &'static str,
    /// Counters of the stream.
    pub meters: Meters,
    /// Turns at what takes long: pages from the records, snapshots, device tables.
    pub turns: Turns,
}

impl Feeds {
    fn admits(&self, filter: &filter::Filter, alert: &Alert) -> bool {
        let place = filter.bbox.and_then(|_| session::place_of(&self.registry.devices(), alert));
        filter.admits_alert(alert, place)
    }

    /// Reads transitions that the hub no longer has. Blocks.
    fn older_page(&self, seq: u64, limit: usize) -> Option<(Vec<EncodedTransition>, bool)> {
        let OlderPage { transitions, is_whole } = (self.older)(seq, limit)?;
        Some((transitions.into_iter().map(EncodedTransition::from).collect(), is_whole))
    }

    /// Runs work that blocks or takes long, when it is `caller`'s turn; `None` when there is none.
    async fn aside<T: Send + 'static>(
        &self,
        caller: &Arc<str>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.turns.take(caller).await.ok()?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Counters of the stream.
#[derive(Debug, Default)]
pub struct Meters {
    open: AtomicU64,
    resyncs: AtomicU64,
    slow: AtomicU64,
}

impl Meters {
    /// Counts a session for as long as the guard lives.
    pub fn session(feeds: &Arc<Feeds>) -> SessionGuard {
        feeds.meters.open.fetch_add(1, Relaxed);
        SessionGuard(Arc::clone(feeds))
    }

    fn resync(&self) {
        self.resyncs.fetch_add(1, Relaxed);
    }

    /// Counts how a session ended.
    pub fn ended(&self, end: session::End) {
        if end == session::End::Slow {
            self.slow.fetch_add(1, Relaxed);
        }
    }

    /// Returns open sessions, resyncs and sessions closed for slowness.
    pub fn snapshot(&self) -> [u64; 3] {
        [self.open.load(Relaxed), self.resyncs.load(Relaxed), self.slow.load(Relaxed)]
    }
}

/// See [`Meters::session`].
pub struct SessionGuard(Arc<Feeds>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.0.meters.open.fetch_sub(1, Relaxed);
    }
}
