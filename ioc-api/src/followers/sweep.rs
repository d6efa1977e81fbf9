//! How every device looks, four times a second, from its last words, its connection and its open alerts.
use super::Stop;
use crate::clock::monotonic_ms;
use ioc_http::stream::{
    device_states::{self, DeviceStateTable, Look, state},
    hub::Hub,
};
use ioc_ingest::{Device, LiveState, Registry};
use ioc_model::time::is_current;
use std::{collections::HashMap, io, sync::Arc, thread, time::Duration};

const PERIOD: Duration = Duration::from_millis(250);

/// Starts the sweep.
///
/// Errors: the operating system refuses a thread.
pub fn sweep(
    registry: Registry,
    live: Arc<LiveState>,
    hub: Arc<Hub>,
    board: Arc<DeviceStateTable>,
    stop: Stop,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("sweep".into()).spawn(move || {
        let mut known = registry.devices();
        let mut epoch = 1;
        while !stop.wait(PERIOD) {
            let alarms = alarms(&hub);
            let devices = registry.devices();
            // Every change of the registry is a new snapshot.
            if !Arc::ptr_eq(&known, &devices) {
                known = Arc::clone(&devices);
                epoch += 1;
            }
            let now = monotonic_ms();
            let looks = devices.iter().map(|device| look(device, &live, &alarms, now));
            board.update(epoch, looks);
        }
    })
}

/// Worst severity of the open alerts of each device, as a state, and whether all are acknowledged.
fn alarms(hub: &Hub) -> HashMap<String, Look> {
    let mut alarms: HashMap<String, Look> = HashMap::new();
    hub.for_each_open(|alert| {
        let Some(device) = &alert.device else { return };
        let entry = alarms
            .entry(device.to_string())
            .or_insert(Look { state: 0, flags: device_states::FLAG_ACKNOWLEDGED });
        entry.state = entry.state.max(state::alarm(alert.severity));
        if alert.acknowledged_at.is_none() {
            entry.flags = 0;
        }
    });
    alarms
}

/// `now_ms` is monotonic: a jump of the wall clock makes nobody silent.
fn look(device: &Device, live: &LiveState, alarms: &HashMap<String, Look>, now_ms: i64) -> Look {
    let mut look = alarms.get(device.id.as_str()).copied().unwrap_or_default();
    let silent = match live.last_heard_ms(device.index) {
        None => {
            look.flags |= device_states::FLAG_NEVER;
            true
        }
        Some(seen) => {
            let silent = !is_current(seen, now_ms, 1000 * i64::from(device.reporting_period_s));
            look.flags |= if silent { device_states::FLAG_SILENT } else { 0 };
            silent
        }
    };
    if silent && look.state == state::NORMAL {
        look.state = state::OFFLINE;
    }
    look
}
