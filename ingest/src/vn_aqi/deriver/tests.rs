use super::*;
use proptest::prelude::*;

const CATALOGUE: &str = r#"
    property.pm25 = { id = 10, max = 1000.0, title = { vi = "a", en = "b" } }
    property.no2 = { id = 12, max = 5000.0, title = { vi = "a", en = "b" } }
    property.temperature = { id = 16, title = { vi = "a", en = "b" } }
    property.vn_aqi = { id = 18, title = { vi = "a", en = "b" } }
    [kind]
"#;
const PM25: PropertyId = PropertyId(10);
const NO2: PropertyId = PropertyId(12);
const STATION: DeviceIndex = DeviceIndex(3);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// A full hour.
const NOON: i64 = 490_000 * HOUR;

fn deriver() -> AqiDeriver {
    let catalogue = Arc::new(Catalogue::from_toml(CATALOGUE).unwrap());
    AqiDeriver::new(&catalogue, AqiSettings::default()).unwrap()
}

fn reading(property: PropertyId, ts_ms: i64, value: f64) -> Observation {
    Observation { property, ts_ms, value, quality: Quality::GOOD }
}

/// Reports once a minute over the hour that ends at `end_ms`; returns the last index.
fn hour(deriver: &mut AqiDeriver, property: PropertyId, end_ms: i64, value: f64) -> Option<Observation> {
    let mut last = None;
    for minute in (0..60).rev() {
        let ts_ms = end_ms - minute * MINUTE;
        last = deriver.observe(STATION, [reading(property, ts_ms, value)], ts_ms);
    }
    last
}

#[test]
fn at_the_full_hour_it_is_the_index_of_the_decree() {
    let from_nine_to_twenty = [26.9, 24.7, 20.5, 23.5, 19.5, 16.5, 19.0, 16.5, 20.3, 22.4, 19.6, 20.6];
    let mut deriver = deriver();
    hour(&mut deriver, NO2, NOON, 118.7);
    let mut last = None;
    for (hours_before, mean) in (0..12).rev().zip(from_nine_to_twenty) {
        last = hour(&mut deriver, PM25, NOON - hours_before * HOUR, mean);
    }
    // NO2 gives 59.35, PM2.5 by NowCast 40.5.
    let expected =
        Observation { property: PropertyId(18), ts_ms: NOON, value: 59.0, quality: Quality::DERIVED };
    assert_eq!(last, Some(expected));
}

#[test]
fn there_is_an_index_once_two_hours_are_nearly_full() {
    let mut deriver = deriver();
    let mut first = None;
    for minute in 0..180 {
        let ts_ms = NOON + minute * MINUTE;
        if deriver.observe(STATION, [reading(PM25, ts_ms, 25.0)], ts_ms).is_some() && first.is_none() {
            first = Some(minute);
        }
    }
    // The hour before the running one needs nine of its twelve steps.
    assert!(first.is_some_and(|minute| (95..=105).contains(&minute)), "{first:?}");
}

#[test]
fn the_running_hour_moves_with_the_data() {
    let mut deriver = deriver();
    let before = (0..12).rev().map(|hours| hour(&mut deriver, PM25, NOON - hours * HOUR, 25.0));
    assert_eq!(before.last().flatten().map(|o| o.value), Some(50.0));
    let mut last = 50.0;
    for minute in 1..=60 {
        let ts_ms = NOON + minute * MINUTE;
        let value = deriver.observe(STATION, [reading(PM25, ts_ms, 80.0)], ts_ms).unwrap().value;
        assert!(value >= last, "{minute}: {value} after {last}");
        last = value;
    }
    // w = 1/2: (80 + 25 × 0.9995) / 1.9995 = 52.51, which is index 104.2.
    assert_eq!(last, 104.0);
}

#[test]
fn readings_while_calibrating_or_at_fault_are_left_out() {
    let mut deriver = deriver();
    hour(&mut deriver, PM25, NOON - HOUR, 25.0);
    hour(&mut deriver, PM25, NOON, 25.0);
    for quality in [Quality::CALIBRATING, Quality::FAULT | Quality::LATE] {
        let spike = Observation { quality, ..reading(PM25, NOON, 900.0) };
        assert_eq!(deriver.observe(STATION, [spike], NOON), None);
    }
    let next = deriver.observe(STATION, [reading(PM25, NOON + MINUTE, 25.0)], NOON + MINUTE);
    assert_eq!(next.map(|o| o.value), Some(50.0));
}

#[test]
fn late_readings_fill_their_hour_and_publish_nothing_old() {
    let mut deriver = deriver();
    hour(&mut deriver, PM25, NOON, 25.0);
    let arrival = NOON + MINUTE;
    for minute in 0..60 {
        let late = reading(PM25, NOON - HOUR - minute * MINUTE, 25.0);
        assert_eq!(
            deriver.observe(STATION, [late], arrival),
            None,
            "nothing was published yet, but this is old"
        );
    }
    let now = deriver.observe(STATION, [reading(PM25, arrival, 25.0)], arrival).unwrap();
    assert_eq!((now.value, now.ts_ms), (50.0, arrival));
    let old = deriver.observe(STATION, [reading(PM25, NOON, 25.0)], arrival);
    assert_eq!(old, None);
    let late = Observation { quality: Quality::LATE, ..reading(PM25, arrival + 1, 25.0) };
    let late = deriver.observe(STATION, [late], arrival + 200_000).unwrap();
    assert_eq!(late.quality, Quality::DERIVED | Quality::LATE);
}

#[test]
fn one_message_gives_one_index_at_its_newest_reading() {
    let mut deriver = deriver();
    let array = (0..150).map(|minute| reading(PM25, NOON - minute * MINUTE, 50.0));
    let index = deriver.observe(STATION, array, NOON).unwrap();
    assert_eq!((index.ts_ms, index.value), (NOON, 100.0));
    assert_eq!(deriver.observe(STATION, [reading(PropertyId(16), NOON + 1, 30.0)], NOON + 1), None);
    assert_eq!(deriver.observe(DeviceIndex(4), [reading(PM25, NOON, 30.0)], NOON), None, "another station");
}

#[test]
fn a_seeded_station_goes_on_at_once() {
    let mut deriver = deriver();
    for step in 0..LOOK_BACK_MS / STEP_MS {
        deriver.seed(STATION, PM25, NOON - LOOK_BACK_MS + step * STEP_MS, 37.5, 10);
        deriver.seed(STATION, PropertyId(16), NOON - LOOK_BACK_MS + step * STEP_MS, 30.0, 10);
    }
    deriver.seed(STATION, PM25, NOON, f64::NAN, 3);
    deriver.seed(STATION, PM25, NOON, 900.0, 0);
    let ts_ms = NOON + 30_000;
    let index = deriver.observe(STATION, [reading(PM25, ts_ms, 37.5)], ts_ms);
    assert_eq!(index.map(|o| o.value), Some(75.0));
}

#[test]
fn a_catalogue_without_the_index_is_refused() {
    let without = |name: &str| {
        let lines: Vec<&str> = CATALOGUE.lines().filter(|line| !line.contains(name)).collect();
        let catalogue = Arc::new(Catalogue::from_toml(&lines.join("\n")).unwrap());
        AqiDeriver::new(&catalogue, AqiSettings::default()).err()
    };
    assert_eq!(without("vn_aqi"), Some(MissingProperty("vn_aqi")));
    assert_eq!(without("pm25"), Some(MissingProperty("pm25")));
    assert_eq!(without("no2"), None);
}

#[test]
fn a_clock_that_was_ahead_hides_no_index() {
    let mut deriver = deriver();
    hour(&mut deriver, PM25, NOON - HOUR, 25.0);
    hour(&mut deriver, PM25, NOON, 25.0);
    let send = |deriver: &mut AqiDeriver, ts_ms: i64, arrival_ms: i64| {
        let quality = if ts_ms > arrival_ms { Quality::CLOCK_AHEAD } else { Quality::GOOD };
        deriver.observe(STATION, [Observation { quality, ..reading(PM25, ts_ms, 25.0) }], arrival_ms)
    };
    let ahead = send(&mut deriver, NOON + 5 * MINUTE, NOON + MINUTE).unwrap();
    assert_eq!((ahead.ts_ms, ahead.quality), (NOON + 5 * MINUTE, Quality::DERIVED | Quality::CLOCK_AHEAD));
    let right = send(&mut deriver, NOON + 2 * MINUTE, NOON + 2 * MINUTE).unwrap();
    assert_eq!((right.ts_ms, right.quality), (NOON + 2 * MINUTE, Quality::DERIVED));
}

/// Its own clock, when the edge says so, or ours: what the station reports next has an index.
#[test]
fn a_clock_that_was_set_back_hides_no_index() {
    for (by_ms, is_ours) in [(3, false), (15, false), (200, false), (900, false), (60, true), (900, true)] {
        let by_ms = by_ms * 1000;
        let mut deriver = deriver();
        for hours in [2, 1, 0] {
            hour(&mut deriver, PM25, NOON - hours * HOUR, 25.0);
        }
        let arrival_ms = NOON + REFRESH_MS;
        let (ts_ms, arrival_ms) = (arrival_ms - by_ms, if is_ours { arrival_ms - by_ms } else { arrival_ms });
        if !is_ours {
            assert_eq!(deriver.observe(STATION, [reading(PM25, NOON - 1, 25.0)], arrival_ms), None);
            deriver.set_back(STATION, by_ms);
        }
        let index = deriver.observe(STATION, [reading(PM25, ts_ms, 25.0)], arrival_ms);
        assert_eq!(index.map(|index| (index.ts_ms, index.value)), Some((ts_ms, 50.0)), "{by_ms} ms");
    }
    deriver().set_back(DeviceIndex(7), 1);
}

/// A station that sends a hundred times a second has the same hours and indices, published when they change.
#[test]
fn a_fast_station_publishes_what_changed() {
    let (mut fast, mut slow) = (deriver(), deriver());
    for deriver in [&mut fast, &mut slow] {
        hour(deriver, PM25, NOON - HOUR, 25.0);
        hour(deriver, PM25, NOON, 25.0);
    }
    let (mut published, mut newest) = (Vec::new(), 0.0);
    for n in 1..=6_000 {
        let ts_ms = NOON + n * 10;
        published.extend(fast.observe(STATION, [reading(PM25, ts_ms, 400.0)], ts_ms));
        let mut one = deriver();
        std::mem::swap(&mut one.stations, &mut slow.stations);
        one.station(STATION).checked_ms = None;
        newest =
            one.observe(STATION, [reading(PM25, ts_ms, 400.0)], ts_ms).map_or(newest, |index| index.value);
        std::mem::swap(&mut one.stations, &mut slow.stations);
    }
    assert!((2..=12).contains(&published.len()), "{} in a minute", published.len());
    assert_eq!(published.last().map(|index| index.value), Some(newest), "at the end both say the same");
    assert!(published.is_sorted_by(|a, b| a.ts_ms < b.ts_ms && a.value <= b.value));
}

proptest! {
    #[test]
    fn a_constant_air_has_its_own_index_whatever_is_missing(
        concentration in 0.0..500.0f64, present in prop::collection::vec(prop::bool::weighted(0.9), 720), start in any::<i32>(),
    ) {
        let mut deriver = deriver();
        let start = i64::from(start) * 1000;
        for (minute, present) in present.into_iter().enumerate() {
            let ts_ms = start + minute as i64 * MINUTE;
            let readings = present.then(|| reading(PM25, ts_ms, concentration));
            if let Some(index) = deriver.observe(STATION, readings, ts_ms) {
                let exact = super::super::sub_index(super::super::Column::Pm25, concentration).unwrap();
                prop_assert!((index.value - exact).abs() <= 0.5 + 1e-6, "{} {exact}", index.value);
            }
        }
    }

    #[test]
    fn odd_times_never_panic(ts_ms: i64, arrival_ms: i64, start_ms: i64) {
        let mut deriver = deriver();
        deriver.seed(STATION, PM25, start_ms, 1.0, u64::MAX);
        deriver.observe(STATION, [reading(PM25, ts_ms, 1.0)], arrival_ms);
    }
}

#[test]
fn a_repeated_reading_counts_once_and_a_corrected_one_as_corrected() {
    let mut ring = Ring::default();
    let mean = |ring: &Ring| ring.hour(STEP_MS, 0, 0.0);
    ring.take(1_000, 1_000, 10.0);
    ring.take(1_000, 1_000, 10.0);
    ring.take(2_000, 2_000, 20.0);
    assert_eq!(mean(&ring), Some(15.0));
    ring.take(2_000, 2_000, 40.0);
    ring.take(2_000, 2_000, 40.0);
    assert_eq!(mean(&ring), Some(25.0));
    for n in 0..2 * RECENT_MAX as i64 {
        ring.take(3_000 + n, 3_000 + n, 25.0);
    }
    assert_eq!((ring.recent(), mean(&ring)), (RECENT_MAX, Some(25.0)));
}

#[test]
fn what_is_ahead_counts_where_it_arrived_also_when_it_is_corrected() {
    let mut ring = Ring::default();
    ring.take(2 * STEP_MS, 1_000, 10.0);
    ring.take(2 * STEP_MS, 2 * STEP_MS, 30.0);
    assert_eq!((ring.hour(STEP_MS, 0, 0.0), ring.recent()), (Some(30.0), 1));
    ring.take(3_000, 3_000, 50.0);
    ring.take(3_000, 3_000, 50.0);
    assert_eq!((ring.hour(STEP_MS, 0, 0.0), ring.recent()), (Some(40.0), 2));
}

/// What a logger kept comes at once, by a clock that is ahead: each reading is in the hour in which it was made, and a start
/// that finds the same in history has the same index.
#[test]
fn a_clock_that_is_ahead_moves_no_hour() {
    for ahead_ms in [0, 10_000, 4 * MINUTE + 30_000] {
        let (mut live, mut seeded, mut right) = (deriver(), deriver(), deriver());
        let at_ms = NOON - 3 * MINUTE;
        for hours in (0..4).rev() {
            let arrival_ms = at_ms - hours * HOUR;
            let value = 20.0 + 30.0 * hours as f64;
            let kept = |ahead_ms: i64| {
                let times = (0..60).map(move |n| arrival_ms - n * MINUTE + ahead_ms);
                times.map(move |ts_ms| reading(PM25, ts_ms, value))
            };
            live.observe(STATION, kept(ahead_ms), arrival_ms);
            right.observe(STATION, kept(0), arrival_ms);
            let placing = Placing::alone(arrival_ms + ahead_ms, arrival_ms);
            kept(ahead_ms)
                .for_each(|one| seeded.seed_reading(STATION, PM25, placing.place(one.ts_ms), one.value));
        }
        let next_ms = at_ms + MINUTE;
        let expected = right.observe(STATION, [reading(PM25, next_ms, 400.0)], next_ms).unwrap().value;
        for deriver in [&mut live, &mut seeded] {
            let found = deriver.observe(STATION, [reading(PM25, next_ms + ahead_ms, 400.0)], next_ms);
            assert_eq!(found.unwrap().value, expected, "{ahead_ms} ms ahead");
        }
    }
}
