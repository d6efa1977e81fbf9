use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_761_523_200_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// Feeds messages of a device that reports every `period_ms` with a clock that is `offset_ms` behind.
fn steady(offset_ms: i64, period_ms: i64, count: i64) -> (ClockOffset, i64) {
    let mut clock = ClockOffset::default();
    for n in 0..count {
        let arrival_ms = NOW + n * period_ms;
        clock.observe(arrival_ms - offset_ms, arrival_ms);
    }
    (clock, NOW + count * period_ms)
}

#[test]
fn offsets_and_their_limits() {
    let cases = [
        (0, ClockVerdict::Steady(0)),
        (35 * SECOND, ClockVerdict::Steady(35 * SECOND)),
        (15 * MINUTE, ClockVerdict::Steady(15 * MINUTE)),
        (15 * MINUTE + 1, ClockVerdict::Wrong(15 * MINUTE + 1)),
        (-5 * MINUTE, ClockVerdict::Steady(-5 * MINUTE)),
        (-5 * MINUTE - 1, ClockVerdict::Wrong(-5 * MINUTE - 1)),
        (NOW - 5000, ClockVerdict::Wrong(NOW - 5000)),
    ];
    for (offset_ms, verdict) in cases {
        assert_eq!(steady(offset_ms, 10 * SECOND, 20).0.verdict(), verdict);
        assert_eq!(steady(offset_ms, 10 * SECOND, 2).0.verdict(), ClockVerdict::Unknown);
    }
}

#[test]
fn the_minimum_of_the_last_twenty_messages_counts() {
    let mut clock = ClockOffset::default();
    for n in 0..40 {
        let arrival_ms = NOW + n * 10 * SECOND;
        let travel_ms = if n == 5 { 0 } else { 2000 + n * 10 };
        clock.observe(arrival_ms - MINUTE - travel_ms, arrival_ms);
        let oldest = (n - 19).max(0);
        let least = (oldest..=n).map(|n| if n == 5 { 0 } else { 2000 + n * 10 }).min();
        if n >= 2 {
            assert_eq!(clock.measured_ms(), least.map(|travel_ms| MINUTE + travel_ms), "message {n}");
        }
    }
}

#[test]
fn a_burst_says_nothing_about_a_clock() {
    let step = |step_ms: i64, pace_ms: i64| {
        let mut clock = ClockOffset::default();
        for n in 0..30 {
            clock.observe(NOW - 10 * MINUTE + n * step_ms, NOW + n * pace_ms);
        }
        clock.measured_ms()
    };
    assert_eq!(step(1, 0), None, "a millisecond apart, at once");
    assert_eq!(step(100, 1), None);
    assert_eq!(step(1000, 100), None);
    assert_eq!(step(0, 0), None, "one instant in many messages");
    assert_eq!(step(0, 1000), None, "a repetition");
    assert_eq!(step(1000, 1000), Some(10 * MINUTE));
}

#[test]
fn a_back_fill_does_not_cost_the_offset() {
    let (mut clock, mut now) = steady(10 * MINUTE, 10 * SECOND, 20);
    for n in 0..60 {
        clock.observe(now - 50 * MINUTE + n * 10 * SECOND, now + n * 20);
        assert_eq!(clock.usable_ms(), Some(10 * MINUTE));
    }
    now += 10 * SECOND;
    clock.observe(now - 10 * MINUTE, now);
    assert!(!is_late(now - 10 * MINUTE, now, clock.usable_ms(), LATE_AFTER_MS));
}

#[test]
fn a_clock_that_was_set_is_believed_soon() {
    for (before_ms, after_ms) in [(10 * MINUTE, 0), (0, 10 * MINUTE), (-4 * MINUTE, 0), (0, -4 * MINUTE)] {
        let (mut clock, now) = steady(before_ms, 10 * SECOND, 20);
        for n in 0..3 {
            let arrival_ms = now + n * 10 * SECOND;
            clock.observe(arrival_ms - after_ms, arrival_ms);
        }
        assert_eq!(clock.usable_ms(), Some(after_ms), "{before_ms} to {after_ms}");
    }
}

#[test]
fn a_message_too_early_for_an_offset_ends_it() {
    let (mut clock, now) = steady(10 * MINUTE, 10 * SECOND, 20);
    clock.observe(now, now);
    assert_eq!(clock.usable_ms(), None);
    assert!(is_late(now - 5 * MINUTE, now, clock.usable_ms(), LATE_AFTER_MS));
}

#[test]
fn what_was_known_before_a_restart_holds_until_contradicted() {
    let mut clock = ClockOffset::default();
    clock.resume(10 * MINUTE);
    clock.observe(NOW - 10 * MINUTE, NOW);
    assert_eq!(clock.usable_ms(), Some(10 * MINUTE));
    clock.observe(NOW, NOW + SECOND);
    assert_eq!(clock.usable_ms(), None);
}

#[test]
fn a_jump_of_our_clock_costs_no_reading() {
    for jump_ms in [10 * MINUTE, -4 * MINUTE] {
        let (mut clock, now) = steady(SECOND, 10 * SECOND, 20);
        clock.shift(jump_ms);
        for n in 0..5 {
            let (event_ms, arrival_ms) = (now + n * 10 * SECOND - SECOND, now + n * 10 * SECOND + jump_ms);
            clock.observe(event_ms, arrival_ms);
            assert!(!is_late(event_ms, arrival_ms, clock.usable_ms(), LATE_AFTER_MS));
        }
        assert_eq!(clock.usable_ms(), Some(SECOND + jump_ms));
    }
}

#[test]
fn most_devices_are_right_about_our_clock() {
    let agreed = |offsets: &[i64]| agreed_offset(&mut offsets.to_vec()).map(|agreed| agreed.offset_ms);
    let minutes = [10, 10, 10, 10, 0].map(|minutes| minutes * MINUTE);
    assert_eq!(agreed(&minutes), Some(10 * MINUTE));
    assert_eq!(agreed(&minutes.map(|ms| -ms)), Some(-10 * MINUTE));
    assert_eq!(agreed(&minutes[..4]), None, "too few");
    assert_eq!(agreed(&[0, 1, 2, 3, 20 * SECOND].map(|ms| ms + 5 * SECOND)), None, "travel");
    assert_eq!(agreed(&[-9, -3, 2, 5, 9].map(|minutes| minutes * MINUTE)), None, "no agreement");
    assert_eq!(agreed(&[]), None);
}

#[test]
fn a_clock_wrong_by_years_forgets_nothing() {
    const YEAR: i64 = 365 * 24 * 60 * MINUTE;
    assert_eq!(forgetting_ms(NOW, None, MINUTE), NOW);
    assert_eq!(forgetting_ms(NOW, Some(NOW - MINUTE), MINUTE), NOW);
    assert_eq!(forgetting_ms(NOW + 10 * YEAR, Some(NOW), MINUTE), NOW + MINUTE);
    assert_eq!(forgetting_ms(NOW - 10 * YEAR, Some(NOW), MINUTE), NOW - 10 * YEAR);
}

#[test]
fn jumps_of_the_wall_clock_are_noticed() {
    let mut watch = JumpWatch::default();
    assert_eq!(watch.observe(NOW, 0), None);
    assert_eq!(watch.observe(NOW + 1010, 1000), None);
    assert_eq!(watch.observe(NOW + 2000 + 10 * MINUTE, 2000), Some(10 * MINUTE - 10));
    assert_eq!(watch.observe(NOW + 3000 + 10 * MINUTE, 3000), None);
    assert_eq!(watch.observe(NOW, 4000), Some(-10 * MINUTE - 4 * SECOND));
}

prop_compose! {
    /// A device: offset of its clock within the limits, reporting period, travel times of 25 messages.
    fn device()(
        offset_ms in -AHEAD_MAX_MS..=BEHIND_MAX_MS - 30_000,
        period_ms in 10_000_i64..600_000,
    )(
        travels in prop::collection::vec(0..=period_ms.min(25_000) / 2, 25),
        offset_ms in Just(offset_ms), period_ms in Just(period_ms),
    ) -> (i64, i64, Vec<i64>) {
        (offset_ms, period_ms, travels)
    }
}

proptest! {
    /// A reading that arrives in time is current, not late once its device has an offset, and newer than those before.
    #[test]
    fn whatever_its_offset_a_device_is_heard((offset_ms, period_ms, travels) in device()) {
        let mut clock = ClockOffset::default();
        let mut newest = None;
        let mut latest_arrival_ms = NOW;
        for (n, travel_ms) in travels.into_iter().enumerate() {
            let true_ms = NOW + n as i64 * period_ms;
            let event_ms = true_ms - offset_ms;
            // MQTT keeps the order.
            let arrival_ms = (true_ms + travel_ms).max(latest_arrival_ms + 1);
            latest_arrival_ms = arrival_ms;
            clock.observe(event_ms, arrival_ms);
            let order = Some(SeriesOrder::new(event_ms, arrival_ms));
            prop_assert!(order > newest, "message {} is hidden", n);
            newest = order;
            prop_assert!(is_current(arrival_ms, arrival_ms + period_ms, period_ms));
            if n >= 3 && clock.usable_ms().is_some() {
                prop_assert!(!is_late(event_ms, arrival_ms, clock.usable_ms(), LATE_AFTER_MS));
            }
        }
        let usable_ms = clock.usable_ms().expect("steady after 25 messages");
        prop_assert!((0..=25_000).contains(&(usable_ms - offset_ms)));
        // What the same device kept back for longer than is late, is late.
        let event_ms = latest_arrival_ms - offset_ms - LATE_AFTER_MS - 25_001;
        prop_assert!(is_late(event_ms, latest_arrival_ms, Some(usable_ms), LATE_AFTER_MS));
    }

    /// No event time, however far ahead, hides a reading that arrives later at or before its own arrival.
    #[test]
    fn a_future_time_hides_nothing(
        ahead_ms in 0..i64::MAX - NOW, pause_ms in 1..1_000_000_i64, behind_ms in 0..1_000_000_i64,
    ) {
        let future = SeriesOrder::new(NOW + ahead_ms, NOW);
        let arrival_ms = NOW + pause_ms;
        let later = SeriesOrder::new(arrival_ms - behind_ms.min(pause_ms), arrival_ms);
        prop_assert!(later > future);
    }

    /// Whatever came before, however its times were set: a burst of old readings leaves no offset that excuses it.
    #[test]
    fn a_burst_of_old_readings_is_late(
        offset_ms in -AHEAD_MAX_MS..=BEHIND_MAX_MS,
        before in 0_i64..25,
        age_ms in 30 * MINUTE..24 * 60 * MINUTE,
        count in 1_i64..60,
        step_ms in 2_i64..5000,
    ) {
        let (mut clock, now) = steady(offset_ms, 10 * SECOND, before);
        for n in 0..count {
            let (event_ms, arrival_ms) = (now - offset_ms - age_ms + n * step_ms, now + n);
            clock.observe(event_ms, arrival_ms);
            prop_assert!(is_late(event_ms, arrival_ms, clock.usable_ms(), LATE_AFTER_MS));
        }
    }

    #[test]
    fn no_times_make_it_panic(times in prop::collection::vec((any::<i64>(), any::<i64>()), 1..50)) {
        let (mut clock, mut watch) = (ClockOffset::default(), JumpWatch::default());
        for (event_ms, arrival_ms) in &times {
            clock.observe(*event_ms, *arrival_ms);
            let _ = (clock.verdict(), watch.observe(*event_ms, *arrival_ms), age_ms(*event_ms, *arrival_ms));
            let _ = is_late(*event_ms, *arrival_ms, clock.usable_ms(), LATE_AFTER_MS);
            let _ = is_current(*event_ms, *arrival_ms, *event_ms);
            let _ = SeriesOrder::new(*event_ms, *arrival_ms);
        }
        let mut offsets: Vec<i64> = times.into_iter().map(|(event_ms, _)| event_ms).collect();
        let _ = agreed_offset(&mut offsets);
    }
}
