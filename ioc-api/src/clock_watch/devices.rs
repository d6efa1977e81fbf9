//! Offsets of devices' clocks as derived observations.
use ioc_ingest::{DeviceClock, DeviceClocks, LiveState, Registry};
use ioc_journal::SharedLog;
use ioc_model::{
    DeviceIndex, Message, Observation, Origin, Quality, RecordKind,
    time::{NOTABLE_OFFSET_MS, age_ms},
};
use ioc_services::{ClockProperties, WrittenOffset};
use std::collections::HashMap;

/// Changes smaller than this, in milliseconds, are not worth a record.
const CHANGE_MS: i64 = 5_000;
/// A notable offset is repeated after this time, in milliseconds, so that rules with a window of hours keep seeing it.
const REPEAT_MS: i64 = 600_000;
/// Most observations written in a second: when our own clock jumps, all devices' offsets change at once.
const PUBLISHED_MAX: usize = 1_000;

/// What was written down last, and when, in milliseconds. At most one entry per device.
#[derive(Debug, Default)]
pub(super) struct Published(HashMap<DeviceIndex, (WrittenOffset, i64)>);

impl Published {
    /// Goes on from what was written down before a restart.
    pub(super) fn resume(live: &LiveState, registry: &Registry, properties: ClockProperties) -> Self {
        Self(written(live, registry, properties).collect())
    }

    /// Gives `append` a message for each device whose offset became notable, changed, is due to be repeated, or is no
    /// longer notable. What `append` does not take is tried again.
    pub(super) fn publish(
        &mut self,
        known: &[(DeviceIndex, DeviceClock)],
        properties: ClockProperties,
        now_ms: i64,
        append: impl Fn(&Message) -> bool,
    ) {
        let found = known.iter().filter_map(|(device, clock)| {
            Some((*device, WrittenOffset { offset_ms: clock.offset_ms?, is_wrong: clock.is_wrong }))
        });
        let due: Vec<_> = found.filter(|(device, written)| self.is_due(*device, *written, now_ms)).collect();
        for (device, written) in due.into_iter().take(PUBLISHED_MAX) {
            if !append(&message(device, properties, written, now_ms)) {
                return;
            }
            self.0.insert(device, (written, now_ms));
        }
    }

    fn is_due(&self, device: DeviceIndex, found: WrittenOffset, now_ms: i64) -> bool {
        let is_notable = found.is_wrong || found.offset_ms.saturating_abs() >= NOTABLE_OFFSET_MS;
        match self.0.get(&device) {
            None => is_notable,
            Some((published, at_ms)) => {
                let change_ms = found.offset_ms.saturating_sub(published.offset_ms).saturating_abs();
                change_ms >= CHANGE_MS
                    || found.is_wrong != published.is_wrong
                    || (is_notable && age_ms(*at_ms, now_ms) >= REPEAT_MS)
            }
        }
    }
}

fn message(device: DeviceIndex, properties: ClockProperties, written: WrittenOffset, now_ms: i64) -> Message {
    let observation =
        |property, value| Observation { property, ts_ms: now_ms, value, quality: Quality::DERIVED };
    let mut observations = vec![observation(properties.offset, written.offset_ms as f64 / 1000.0)];
    observations
        .extend(properties.wrong.map(|wrong| observation(wrong, f64::from(u8::from(written.is_wrong)))));
    Message {
        device: Some(device),
        arrival_ms: now_ms,
        origin: Origin::Derived,
        observations,
        rejected: None,
        set_back_ms: None,
    }
}

/// Appends a message. Returns false when the journal has no room.
pub(super) fn append(journal: &SharedLog, message: &Message) -> bool {
    journal.append(RecordKind::Message, |out| message.encode(out)).is_ok()
}

/// Takes up the offsets that were written down before a restart. Those of clocks that were wrong are not subtracted, and
/// measured anew.
pub fn resume(clocks: &DeviceClocks, live: &LiveState, registry: &Registry, properties: ClockProperties) {
    let right = written(live, registry, properties).filter(|(_, (written, _))| !written.is_wrong);
    right.for_each(|(device, (written, _))| clocks.resume(device, written.offset_ms));
}

/// Takes up how far each device had come before a restart, by what it sent last: a clock that was set back meanwhile is
/// noticed.
pub fn resume_newest(clocks: &DeviceClocks, live: &LiveState, registry: &Registry) {
    for device in registry.devices().iter().map(|device| device.index) {
        let own = live.latest(device).into_iter().map(|(_, latest)| latest);
        let times =
            own.filter(|latest| latest.quality.is_device_timed()).map(|one| (one.arrival_ms, one.ts_ms));
        if let Some((arrival_ms, event_ms)) = times.max() {
            clocks.resume_newest(device, event_ms, arrival_ms);
        }
    }
}

/// Returns what was written down last, as in [`Published`].
fn written(
    live: &LiveState,
    registry: &Registry,
    properties: ClockProperties,
) -> impl Iterator<Item = (DeviceIndex, (WrittenOffset, i64))> {
    let devices: Vec<_> = registry.devices().iter().map(|device| device.index).collect();
    devices.into_iter().filter_map(move |device| Some((device, properties.written(live, device)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::PropertyId;
    use std::cell::RefCell;

    const NOW: i64 = 1_761_523_200_000;
    const PROPERTIES: ClockProperties =
        ClockProperties { offset: PropertyId(92), wrong: Some(PropertyId(93)) };

    #[test]
    fn offsets_are_written_down_when_they_matter() {
        let mut published = Published::default();
        let mut step = |offset_s: i64, after_s: i64, is_wrong: bool| {
            let written = RefCell::new(Vec::new());
            let clock = DeviceClock { offset_ms: Some(offset_s * 1000), is_wrong, is_adrift: false };
            published.publish(&[(DeviceIndex(3), clock)], PROPERTIES, NOW + after_s * 1000, |message| {
                let [offset, wrong] = &message.observations[..] else { return false };
                assert_eq!(wrong.value, f64::from(u8::from(is_wrong)));
                written.borrow_mut().push((offset.value, message.device));
                true
            });
            written.into_inner().first().map(|(value, device)| {
                assert_eq!(*device, Some(DeviceIndex(3)));
                *value
            })
        };
        let cases = [
            (3, 0, None),
            (9, 1, None),
            (60, 2, Some(60.0)),
            (62, 3, None),
            (65, 4, Some(65.0)),
            (65, 603, None),
            (65, 604, Some(65.0)),
            (-200, 605, Some(-200.0)),
            (0, 606, Some(0.0)),
            (1, 5000, None),
        ];
        for (offset_s, after_s, expected) in cases {
            assert_eq!(step(offset_s, after_s, false), expected, "{offset_s} s after {after_s} s");
        }
        assert_eq!(step(1, 5001, true), Some(1.0), "it keeps no time");
        assert_eq!((step(2, 5002, true), step(2, 5003, false)), (None, Some(2.0)));
    }

    #[test]
    fn what_the_journal_has_no_room_for_is_tried_again() {
        let mut published = Published::default();
        let clock = DeviceClock { offset_ms: Some(60_000), is_wrong: false, is_adrift: false };
        let known = [(DeviceIndex(3), clock)];
        published.publish(&known, PROPERTIES, NOW, |_| false);
        let count = RefCell::new(0);
        published.publish(&known, PROPERTIES, NOW, |_| {
            *count.borrow_mut() += 1;
            true
        });
        assert_eq!(count.into_inner(), 1);
    }
}
