//! Looks after clocks once a second: writes down how far each device's clock is off, and says when our own is wrong.
//!
//! A device's offset goes through the journal like any derived observation, so that rules, history and screens need to know
//! nothing about it, and a restart takes up the offsets from history.
mod devices;
mod own;
mod synchronization;

pub use devices::{resume, resume_newest};
pub use own::{OwnClock, OwnClockState};

use crate::{
    clock::{Clocks, now_ms},
    followers::Stop,
};
use devices::Published;
use ioc_ingest::{DeviceClocks, LiveState, Registry};
use ioc_journal::Journal;
use ioc_model::PropertyId;
use std::{io, sync::Arc, thread, time::Duration};

const PERIOD: Duration = Duration::from_secs(1);
/// Seconds between two looks at what all devices say about our clock.
const AGREEMENT_EVERY: u64 = 5;
/// Seconds between two questions to the system whether our clock is synchronized.
const SYNCHRONIZATION_EVERY: u64 = 600;

/// What the watch reads and writes.
pub struct Watched {
    /// Clocks of the devices.
    pub clocks: Arc<DeviceClocks>,
    /// Last values, for what was written down before a restart.
    pub live: Arc<LiveState>,
    /// Devices.
    pub registry: Registry,
    /// Takes the offsets.
    pub journal: Journal,
    /// Property of the offsets, [`ioc_ingest::clocks::PROPERTY`]; a catalogue without it keeps none.
    pub property: Option<PropertyId>,
    /// Our own clock.
    pub own: Arc<OwnClock>,
}

/// Starts the watch.
///
/// Errors: the operating system refuses a thread.
pub fn start(watched: Watched, stop: Stop) -> io::Result<thread::JoinHandle<()>> {
    let Watched { clocks, live, registry, journal, property, own } = watched;
    thread::Builder::new().name("clocks".into()).spawn(move || {
        let mut published =
            property.map(|property| (property, Published::resume(&live, &registry, property)));
        for second in 0.. {
            if let Some(jump_ms) = own.tick(Clocks::read()) {
                clocks.shift(jump_ms);
            }
            if second % SYNCHRONIZATION_EVERY == 0 {
                own.synchronized(synchronization::ask(&stop));
            }
            let known = clocks.known();
            if second % AGREEMENT_EVERY == 0 {
                own.measured(&known);
            }
            if let Some((property, published)) = &mut published {
                published.publish(&known, *property, now_ms(), |message| devices::append(&journal, message));
            }
            if stop.wait(PERIOD) {
                return;
            }
        }
    })
}
