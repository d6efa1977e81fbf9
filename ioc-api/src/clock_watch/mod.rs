//! Looks after clocks once a second: writes down how far each device's clock is off, and says when our own is wrong.
//!
//! A device's offset goes through the journal like any derived observation, so that rules, history and screens need to know
//! nothing about it, and a restart takes up the offsets from history.
mod devices;
mod synchronization;

pub use devices::{resume, resume_newest};

use crate::{
    clock::{Clocks, now_ms},
    followers::Stop,
};
use devices::Published;
use ioc_ingest::{Decoder, DeviceClocks, LiveState, Registry};
use ioc_journal::SharedLog;
use ioc_services::{ClockProperties, OwnClock};
use std::{io, sync::Arc, thread, time::Duration};

const PERIOD: Duration = Duration::from_secs(1);
/// Seconds between two looks at what all devices say about our clock.
const AGREEMENT_EVERY: u64 = 5;
/// Seconds between two questions to the system whether our clock is synchronized.
const SYNCHRONIZATION_EVERY: u64 = 600;

/// What the watch reads and writes.
pub struct Watched {
    /// Has the clocks of the devices, and gives times to readings without.
    pub decoder: Arc<Decoder>,
    /// Last values, for what was written down before a restart.
    pub live: Arc<LiveState>,
    /// Devices.
    pub registry: Registry,
    /// Takes the offsets.
    pub journal: SharedLog,
    /// What the offsets are written down as, if at all.
    pub properties: Option<ClockProperties>,
    /// Our own clock.
    pub own: Arc<OwnClock>,
}

/// Starts the watch. What most devices agreed on before a restart counts from here on, before anything arrives.
///
/// Errors: the operating system refuses a thread.
pub fn start(watched: Watched, stop: Stop) -> io::Result<thread::JoinHandle<()>> {
    let Watched { decoder, live, registry, journal, properties, own } = watched;
    let clocks = Arc::clone(decoder.clocks());
    compare(&own, &clocks);
    thread::Builder::new().name("clocks".into()).spawn(move || {
        let mut published =
            properties.map(|properties| (properties, Published::resume(&live, &registry, properties)));
        for second in 0.. {
            let now = Clocks::read();
            if let Some(jump_ms) = own.tick(now.wall_ms, now.monotonic_ms) {
                decoder.follow_jump(jump_ms);
                compare(&own, &clocks);
            }
            if second % SYNCHRONIZATION_EVERY == 0 {
                own.synchronized(synchronization::ask(&stop));
            }
            if second % AGREEMENT_EVERY == 0 {
                compare(&own, &clocks);
            }
            if let Some((properties, published)) = &mut published {
                let known = clocks.known();
                published
                    .publish(&known, *properties, now_ms(), |message| devices::append(&journal, message));
            }
            if stop.wait(PERIOD) {
                return;
            }
        }
    })
}

/// Looks at what most devices say about our clock; readings are judged by it from here on.
fn compare(own: &OwnClock, clocks: &DeviceClocks) {
    clocks.agree(own.measured(&clocks.known()));
}
