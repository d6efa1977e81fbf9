//! Offsets of devices' clocks as derived observations.
use ioc_ingest::{DeviceClock, DeviceClocks, LiveState, Registry};
use ioc_journal::Journal;
use ioc_model::{
    DeviceIndex, Message, Observation, Origin, PropertyId, Quality, RecordKind,
    time::{NOTABLE_OFFSET_MS, age_ms},
};
use std::collections::HashMap;

/// Changes smaller than this, in milliseconds, are not worth a record.
const CHANGE_MS: i64 = 5_000;
/// A notable offset is repeated after this time, in milliseconds, so that rules with a window of hours keep seeing it.
const REPEAT_MS: i64 = 600_000;
/// Most observations written in a second: when our own clock jumps, all devices' offsets change at once.
const PUBLISHED_MAX: usize = 1_000;

/// What was written down last: offset and when, both in milliseconds. At most one entry per device.
#[derive(Debug, Default)]
pub(super) struct Published(HashMap<DeviceIndex, (i64, i64)>);

impl Published {
    /// Goes on from what was written down before a restart.
    pub(super) fn resume(live: &LiveState, registry: &Registry, property: PropertyId) -> Self {
        Self(written(live, registry, property).collect())
    }

    /// Gives `append` a message for each device whose offset became notable, changed, is due to be repeated, or is no
    /// longer notable. What `append` does not take is tried again.
    pub(super) fn publish(
        &mut self,
        known: &[(DeviceIndex, DeviceClock)],
        property: PropertyId,
        now_ms: i64,
        append: impl Fn(&Message) -> bool,
    ) {
        let due = known.iter().filter_map(|(device, clock)| Some((*device, clock.offset_ms?)));
        let due: Vec<_> =
            due.filter(|(device, offset_ms)| self.is_due(*device, *offset_ms, now_ms)).collect();
        for (device, offset_ms) in due.into_iter().take(PUBLISHED_MAX) {
            if !append(&message(device, property, offset_ms, now_ms)) {
                return;
            }
            self.0.insert(device, (offset_ms, now_ms));
        }
    }

    fn is_due(&self, device: DeviceIndex, offset_ms: i64, now_ms: i64) -> bool {
        let is_notable = offset_ms.saturating_abs() >= NOTABLE_OFFSET_MS;
        match self.0.get(&device) {
            None => is_notable,
            Some((published_ms, at_ms)) => {
                let change_ms = offset_ms.saturating_sub(*published_ms).saturating_abs();
                change_ms >= CHANGE_MS || (is_notable && age_ms(*at_ms, now_ms) >= REPEAT_MS)
            }
        }
    }
}

fn message(device: DeviceIndex, property: PropertyId, offset_ms: i64, now_ms: i64) -> Message {
    let value = offset_ms as f64 / 1000.0;
    Message {
        device: Some(device),
        arrival_ms: now_ms,
        origin: Origin::Derived,
        observations: vec![Observation { property, ts_ms: now_ms, value, quality: Quality::DERIVED }],
        rejected: None,
        set_back_ms: None,
    }
}

/// Appends a message. Returns false when the journal has no room.
pub(super) fn append(journal: &Journal, message: &Message) -> bool {
    journal.append(RecordKind::Message, |out| message.encode(out)).is_ok()
}

/// Takes up the offsets that were written down before a restart.
pub fn resume(clocks: &DeviceClocks, live: &LiveState, registry: &Registry, property: PropertyId) {
    written(live, registry, property).for_each(|(device, (offset_ms, _))| clocks.resume(device, offset_ms));
}

/// Takes up how far each device had come before a restart, by what it sent last: a clock that was set back meanwhile is
/// noticed.
pub fn resume_newest(clocks: &DeviceClocks, live: &LiveState, registry: &Registry) {
    for device in registry.devices().iter().map(|device| device.index) {
        let is_its_own = |quality: Quality| {
            ![Quality::DERIVED, Quality::ARRIVAL_TIMED].iter().any(|of| quality.contains(*of))
        };
        let own = live.latest(device).into_iter().map(|(_, latest)| latest);
        let times = own.filter(|latest| is_its_own(latest.quality)).map(|one| (one.arrival_ms, one.ts_ms));
        if let Some((arrival_ms, event_ms)) = times.max() {
            clocks.resume_newest(device, event_ms, arrival_ms);
        }
    }
}

/// Returns what was written down last, as in [`Published`].
fn written(
    live: &LiveState,
    registry: &Registry,
    property: PropertyId,
) -> impl Iterator<Item = (DeviceIndex, (i64, i64))> {
    let devices: Vec<_> = registry.devices().iter().map(|device| device.index).collect();
    devices.into_iter().filter_map(move |device| {
        let latest = live.get(device, property)?;
        Some((device, ((latest.value * 1000.0) as i64, latest.arrival_ms)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const NOW: i64 = 1_761_523_200_000;
    const PROPERTY: PropertyId = PropertyId(92);

    #[test]
    fn offsets_are_written_down_when_they_matter() {
        let mut published = Published::default();
        let mut step = |offset_s: i64, after_s: i64| {
            let written = RefCell::new(Vec::new());
            let clock = DeviceClock { offset_ms: Some(offset_s * 1000), is_wrong: false };
            published.publish(&[(DeviceIndex(3), clock)], PROPERTY, NOW + after_s * 1000, |message| {
                written.borrow_mut().push((message.observations[0].value, message.device));
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
            assert_eq!(step(offset_s, after_s), expected, "{offset_s} s after {after_s} s");
        }
    }

    #[test]
    fn what_the_journal_has_no_room_for_is_tried_again() {
        let mut published = Published::default();
        let clock = DeviceClock { offset_ms: Some(60_000), is_wrong: false };
        let known = [(DeviceIndex(3), clock)];
        published.publish(&known, PROPERTY, NOW, |_| false);
        let count = RefCell::new(0);
        published.publish(&known, PROPERTY, NOW, |_| {
            *count.borrow_mut() += 1;
            true
        });
        assert_eq!(count.into_inner(), 1);
    }
}
