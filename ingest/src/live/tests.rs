use super::*;
use crate::DeviceClocks;
use proptest::prelude::*;
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

/// A step moves what is known, by as much and no more: what is older than that is still history.
#[test]
fn after_a_step_only_what_the_device_sent_since_is_newer() {
    const SECOND: i64 = 1000;
    const HOUR: i64 = 3600 * SECOND;
    for by_ms in [1, SECOND, 15 * SECOND, 200 * SECOND, 900 * SECOND, 17 * HOUR, 19 * HOUR, 400 * 24 * HOUR] {
        let (live, device, now) = (LiveState::default(), DeviceIndex(0), 1_761_523_200_000);
        live.apply(device, [observation(1, now, 1.0), observation(2, now, 1.0)], now);
        let shown =
            |property, ts_ms| live.apply(device, [observation(property, ts_ms, 2.0)], now + SECOND) == 1;
        assert!(!shown(1, now - 1));
        live.set_back(device, by_ms);
        assert_eq!(
            live.get(device, PropertyId(1)).map(|latest| latest.ts_ms),
            Some(now),
            "it stays as it is"
        );
        if by_ms < 18 * HOUR {
            assert!(!shown(1, now - by_ms - SECOND), "older than {by_ms} ms");
        }
        assert!(shown(1, now - by_ms + 1), "{by_ms} ms");
        assert!(!shown(1, now - by_ms), "the next one is ordered as usual");
        live.set_back(device, 10);
        assert!(shown(2, now - by_ms - 9), "steps add up");
    }
    // A device that is not known, and a property that was given a place and no value, stay so.
    let live = LiveState::default();
    live.set_back(DeviceIndex(9), SECOND);
    assert_eq!(live.latest(DeviceIndex(9)), []);
}

proptest! {
    /// However far a clock goes back, at whatever pace its device reports, now and then or in each message: each property is
    /// shown from the third message after it on, and no back-fill in between is.
    #[test]
    fn whatever_is_sent_after_a_step_is_shown(
        steps in prop::collection::vec(1_000..900_000_i64, 1..4),
        period_ms in 1_000..600_000_i64,
        seldom in 1..5_i64,
        travels in prop::collection::vec(0..300_i64, 120),
    ) {
        let (clocks, live, device) = (DeviceClocks::new(120_000), LiveState::default(), DeviceIndex(5));
        let (mut n, mut offset_ms) = (0, 0);
        for step_ms in [&0, &0].into_iter().chain(&steps) {
            offset_ms += step_ms;
            for since in 0..30 {
                n += 1;
                let made_ms = 1_761_523_200_000 + n * period_ms;
                let (ts_ms, arrival_ms) = (made_ms - offset_ms, made_ms + travels[n as usize % travels.len()]);
                let often = Some(observation(1, ts_ms, n as f64));
                let seldom = (n % seldom == 0).then_some(observation(2, ts_ms, n as f64));
                let mut observations: Vec<_> = often.into_iter().chain(seldom).collect();
                let sent = observations.len();
                if let Some(by_ms) = clocks.assess(device, arrival_ms, None, &mut observations) {
                    live.set_back(device, by_ms);
                }
                let shown = live.apply(device, observations, arrival_ms);
                prop_assert!(shown == sent || since < 2, "{} of {} in message {}", shown, sent, since);
                // What it had kept back for days is history.
                prop_assert_eq!(live.apply(device, [observation(1, ts_ms - 100_000_000, 0.0)], arrival_ms), 0);
            }
        }
    }
}

#[test]
fn our_own_clock_put_back_hides_nothing() {
    const SECOND: i64 = 1000;
    for (behind_s, back_s) in [(0, 15), (0, 200), (-100, 200), (60, 30), (0, 86_400)] {
        let (live, device, now) = (LiveState::default(), DeviceIndex(0), 1_761_523_200_000);
        let shown = |arrival_ms: i64| {
            live.apply(device, [observation(1, arrival_ms - behind_s * SECOND, 1.0)], arrival_ms) == 1
        };
        assert!((0..3).all(|n| shown(now + n * SECOND)));
        assert!((0..3).all(|n| shown(now + n * SECOND - back_s * SECOND)), "{behind_s} s, {back_s} s");
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
fn the_last_news_about_a_connection_counts_whatever_the_clock_said() {
    let live = LiveState::default();
    let device = DeviceIndex(0);
    assert_eq!(live.connection(device), None);
    assert!(live.set_online(device, true, -7));
    assert!(!live.set_online(device, true, 50), "no change of state keeps the first time");
    assert_eq!(live.connection(device), Some(Connection { online: true, since_ms: -7 }));
    assert!(live.set_online(device, false, 60));
    assert!(live.set_online(device, true, 59), "our clock stepped back between the two");
    assert_eq!(live.connection(device), Some(Connection { online: true, since_ms: 59 }));
    assert!(live.set_online(device, false, 61));
    assert!(live.set_online(device, true, i64::MAX));
    assert_eq!(live.connection(device).map(|connection| connection.online), Some(true));
}

/// Arrivals that say nothing about our own clock: the writers of a test are not as close together as threads of the edge.
fn arrival_of(ts_ms: i64) -> i64 {
    1_000_000_000 + ts_ms % 5_000
}

/// Every field of a value is made of the same number, so a value put together from two writes shows.
#[test]
fn readers_never_see_half_a_value() {
    const DEVICES: u32 = 3;
    const WRITES: i64 = 150_000;
    let live = LiveState::default();
    let done = AtomicBool::new(false);
    let check = |latest: Latest| {
        assert_eq!(latest.arrival_ms, arrival_of(latest.ts_ms));
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
                        live.apply(DeviceIndex(device * 300), [observation], arrival_of(ts_ms));
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
