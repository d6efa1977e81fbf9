use super::*;
use std::{collections::HashSet, sync::atomic::AtomicBool, thread};

fn observation(property: u16, ts_ms: i64, value: f64) -> Observation {
    Observation { property: PropertyId(property), ts_ms, value, quality: Quality::GOOD }
}

fn arrival(ms: i64) -> Arrival {
    Arrival { wall_ms: ms, monotonic_ms: ms }
}

#[test]
fn newer_replaces_equal_corrects_older_is_history() {
    let live = LiveState::default();
    let device = DeviceIndex(3);
    let apply = |observation, arrival_ms| {
        live.heard(device, arrival(arrival_ms));
        live.apply(device, [observation], arrival_ms) == 1
    };
    assert_eq!((live.get(device, PropertyId(1)), live.last_seen(device)), (None, None));
    assert!(apply(observation(1, -5, 1.0), 100));
    assert!(apply(observation(1, 10, 2.0), 110));
    assert!(!apply(observation(1, 9, 3.0), 120));
    assert_eq!(live.get(device, PropertyId(1)).map(|latest| latest.value), Some(2.0));
    assert!(apply(observation(1, 10, 4.0), 115));
    let expected = Latest { ts_ms: 10, arrival_ms: 115, value: 4.0, quality: Quality::GOOD };
    assert_eq!(live.latest(device), [(PropertyId(1), expected)]);
    assert_eq!(live.last_seen(device), Some(120));
    assert_eq!(live.apply(device, [], 130), 0);
    assert_eq!(live.latest(DeviceIndex(4)), []);
    assert_eq!(live.latest(DeviceIndex(40_000)), []);
}

/// Whatever its clock says, constantly or after being set, what a device sends next is shown next.
#[test]
fn no_clock_hides_what_comes_next() {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    let cases = [
        (0, 0),
        (4 * MINUTE, 4 * MINUTE),
        (4 * MINUTE, 0),
        (4 * MINUTE, -2 * SECOND),
        (0, 4 * MINUTE),
        (-MINUTE, -MINUTE),
        (-10 * MINUTE, -10 * MINUTE),
        (-10 * MINUTE, 3 * MINUTE),
    ];
    for (first_ms, second_ms) in cases {
        let (live, device) = (LiveState::default(), DeviceIndex(0));
        let arrival_ms = 1_000 * MINUTE;
        assert_eq!(live.apply(device, [observation(1, arrival_ms + first_ms, 1.0)], arrival_ms), 1);
        let arrival_ms = arrival_ms + 10 * SECOND;
        let newest = live.apply(device, [observation(1, arrival_ms + second_ms, 2.0)], arrival_ms);
        assert_eq!(newest, 1, "{first_ms} ms, then {second_ms} ms");
    }
}

#[test]
fn a_jump_of_the_wall_clock_keeps_no_device_alive() {
    let (live, device) = (LiveState::default(), DeviceIndex(0));
    live.heard(device, Arrival { wall_ms: 1_000_000, monotonic_ms: 10 });
    live.heard(device, Arrival { wall_ms: 5_000, monotonic_ms: 20 });
    live.heard(device, Arrival { wall_ms: 4_000, monotonic_ms: 15 });
    assert_eq!((live.last_seen(device), live.last_heard_ms(device)), (Some(5_000), Some(20)));
}

#[test]
fn a_device_may_report_every_property_there_is() {
    let live = LiveState::default();
    for property in (0..200).rev() {
        assert_eq!(live.apply(DeviceIndex(700), [observation(property, 1, f64::from(property))], 1), 1);
    }
    let latest = live.latest(DeviceIndex(700));
    assert_eq!(latest.len(), 200);
    assert!(
        latest.iter().enumerate().all(|(n, (id, latest))| usize::from(id.0) == n && latest.value == n as f64)
    );
    assert_eq!(live.latest(DeviceIndex(699)), []);
}

#[test]
fn old_news_about_a_connection_are_passed_over() {
    let live = LiveState::default();
    let device = DeviceIndex(0);
    assert_eq!(live.connection(device), None);
    assert!(live.set_online(device, true, -7));
    assert!(!live.set_online(device, true, 50), "no change of state keeps the first time");
    assert_eq!(live.connection(device), Some(Connection { online: true, since_ms: -7 }));
    assert!(live.set_online(device, false, 60));
    assert!(!live.set_online(device, true, 59));
    assert_eq!(live.connection(device).map(|connection| connection.online), Some(false));
    assert!(live.set_online(device, true, i64::MAX));
    assert_eq!(live.connection(device).map(|connection| connection.online), Some(true));
}

/// Every field of a value is made of the same number, so a value put together from two writes shows.
#[test]
fn readers_never_see_half_a_value() {
    const DEVICES: u32 = 3;
    const WRITES: i64 = 150_000;
    let live = LiveState::default();
    let done = AtomicBool::new(false);
    let check = |latest: Latest| {
        assert_eq!(latest.arrival_ms, latest.ts_ms + 1);
        assert_eq!(latest.value, latest.ts_ms as f64);
        assert_eq!(latest.quality, Quality((latest.ts_ms % 128) as u8));
        latest.ts_ms
    };
    thread::scope(|scope| {
        for half in 0..2i64 {
            let (live, done) = (&live, &done);
            scope.spawn(move || {
                for n in 0..WRITES {
                    let ts_ms = n * 2 + half;
                    let quality = Quality((ts_ms % 128) as u8);
                    for device in 0..DEVICES {
                        let (property, value) = (PropertyId((n % 13) as u16), ts_ms as f64);
                        let observation = Observation { property, ts_ms, value, quality };
                        live.heard(DeviceIndex(device * 300), arrival(ts_ms + 1));
                        live.apply(DeviceIndex(device * 300), [observation], ts_ms + 1);
                    }
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        for reader in 0..2 {
            let (live, done, check) = (&live, &done, &check);
            scope.spawn(move || {
                let mut newest = [i64::MIN; 13];
                let device = DeviceIndex(reader * 300);
                while !done.load(Ordering::Relaxed) {
                    for property in 0..13 {
                        if let Some(latest) = live.get(device, PropertyId(property)) {
                            let ts_ms = check(latest);
                            assert!(ts_ms >= newest[usize::from(property)], "time went back");
                            newest[usize::from(property)] = ts_ms;
                        }
                    }
                    let all = live.latest(device);
                    let distinct: HashSet<_> = all.iter().map(|(property, _)| property).collect();
                    assert_eq!(distinct.len(), all.len(), "a property has one cell");
                }
            });
        }
    });
    for device in 0..DEVICES {
        assert_eq!(live.latest(DeviceIndex(device * 300)).len(), 13);
        assert_eq!(live.last_seen(DeviceIndex(device * 300)), Some(WRITES * 2));
    }
}
