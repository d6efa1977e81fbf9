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
        assert_eq!(steady(offset_ms, 10 * SECOND, 20).0.verdict(&Standard::default()), verdict);
        assert_eq!(steady(offset_ms, 10 * SECOND, 2).0.verdict(&Standard::default()), ClockVerdict::Unknown);
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

/// One device as everyone who follows the journal sees it: its clock as the edge measures it, and one series.
#[derive(Default)]
struct Series {
    clock: ClockOffset,
    newest: Option<SeriesOrder>,
    set_back: Vec<i64>,
}

impl Series {
    /// Takes a reading; reports whether it is shown.
    fn take(&mut self, event_ms: i64, arrival_ms: i64) -> bool {
        if let Some(by_ms) = self.clock.observe(event_ms, arrival_ms) {
            self.set_back.push(by_ms);
            self.newest = self.newest.map(|newest| newest.put_back(by_ms));
        }
        let order = SeriesOrder::new(event_ms, arrival_ms);
        let is_shown = self.newest.is_none_or(|newest| order.follows(newest));
        self.newest = if is_shown { Some(order) } else { self.newest };
        is_shown
    }

    /// A device that has reported `count` times every `period_ms`, its clock right.
    fn steady(count: i64, period_ms: i64) -> (Self, i64) {
        let mut series = Self::default();
        (0..count).for_each(|n| assert!(series.take(NOW + n * period_ms, NOW + n * period_ms)));
        (series, NOW + count * period_ms)
    }
}

#[test]
fn a_clock_that_was_set_back_hides_two_messages_at_most() {
    let steps =
        [5 * SECOND, 15 * SECOND, 29 * SECOND, 31 * SECOND, 200 * SECOND, 15 * MINUTE, 7 * 60 * MINUTE];
    for step_ms in steps {
        for before in [1, 2, 5, 40] {
            let (mut series, now) = Series::steady(before, SECOND);
            let shown = [0, 1, 2, 3, 4].map(|n| series.take(now + n * SECOND - step_ms, now + n * SECOND));
            assert_eq!(shown, [false, false, true, true, true], "{step_ms} ms after {before} messages");
            assert_eq!(series.set_back, [step_ms], "after {before} messages");
            assert_eq!(series.clock.measured_ms(), Some(step_ms), "also within the spread of delays");
            // It is set right, and back again.
            assert!((5..30).all(|n| series.take(now + n * SECOND, now + n * SECOND)));
            let shown = [30, 31, 32, 33].map(|n| series.take(now + n * SECOND - step_ms, now + n * SECOND));
            assert_eq!(shown, [false, false, true, true], "{step_ms} ms the second time");
        }
    }
}

/// The second step comes before the first one is known.
#[test]
fn steps_that_follow_each_other_are_known_by_the_last() {
    let (mut series, now) = Series::steady(20, SECOND);
    let behind_s = [4, 4, 32, 32, 32, 32];
    let shown = [0, 1, 2, 3, 4, 5].map(|n| {
        let arrival_ms = now + n * SECOND;
        series.take(arrival_ms - behind_s[n as usize] * SECOND, arrival_ms)
    });
    assert_eq!(shown, [false, false, false, false, true, true]);
    assert_eq!((&series.set_back[..], series.clock.measured_ms()), (&[32 * SECOND][..], Some(32 * SECOND)));
}

#[test]
fn a_clock_that_was_ahead_is_set_back_as_far_as_it_counted() {
    let mut series = Series::default();
    assert!((0..20).all(|n| series.take(NOW + n * SECOND + 4 * MINUTE, NOW + n * SECOND)));
    // It counted as right, so that this is what the order has to go back by.
    let at = |n: i64| NOW + n * SECOND;
    let shown = [20, 21, 22].map(|n| series.take(at(n) - MINUTE, at(n)));
    assert_eq!((shown, &series.set_back[..]), ([false, false, true], &[MINUTE][..]));
}

#[test]
fn whoever_follows_has_the_offset_of_whoever_decided() {
    for known in [0, 1, 2, 30] {
        let (mut edge, mut now) = (ClockOffset::default(), NOW);
        let mut follower = ClockOffset::default();
        follower.resume(0);
        let mut step = None;
        for n in 0..40 {
            now += SECOND;
            let event_ms = if n < 20 { now } else { now - 10 * MINUTE };
            let set_back_ms = edge.observe(event_ms, now);
            step = step.or(set_back_ms);
            // It may have begun shortly before the step, after a restart.
            if n > 22 - known {
                follower.follow(event_ms, now, set_back_ms);
            }
            if n == 22 && known > 0 {
                assert_eq!(follower.measured_ms(), Some(10 * MINUTE), "from {known} messages");
            }
        }
        assert_eq!((step, follower.measured_ms()), (Some(10 * MINUTE), edge.measured_ms()));
    }
}

#[test]
fn what_is_known_from_before_a_restart_tells_a_step() {
    let mut series = Series { newest: Some(SeriesOrder::new(NOW, NOW)), ..Series::default() };
    series.clock.resume_newest(NOW, NOW);
    let shown = [1, 2, 3].map(|n| series.take(NOW + n * SECOND - MINUTE, NOW + n * SECOND));
    assert_eq!((shown, &series.set_back[..]), ([false, false, true], &[MINUTE][..]));
}

#[test]
fn two_clocks_that_write_for_one_device_are_no_step() {
    for (behind_ms, every) in
        [(MINUTE, 3), (MINUTE, 10), (15 * SECOND, 10), (3 * MINUTE, 60), (10 * MINUTE, 19)]
    {
        let (mut clock, mut steps) = (ClockOffset::default(), 0);
        for n in 0..400 {
            let arrival_ms = NOW + n * SECOND;
            let behind_ms = if n % every == every - 1 { 0 } else { behind_ms };
            steps += i64::from(clock.observe(arrival_ms - behind_ms, arrival_ms).is_some());
        }
        assert_eq!(steps, 0, "{behind_ms} ms, one of {every}");
    }
}

#[test]
fn refused_times_are_no_step() {
    let (mut clock, now) = steady(0, SECOND, 20);
    (0..9).for_each(|n| clock.observe_refused(n * SECOND, now + n * SECOND));
    assert!(matches!(clock.verdict(&Standard::default()), ClockVerdict::Wrong(_)));
    assert_eq!(clock.observe(now + 9 * SECOND, now + 9 * SECOND), None);
}

#[test]
fn repetitions_and_back_fills_are_no_step() {
    let at = |n: i64| NOW + n * SECOND;
    // What was sent, how it comes again: event and arrival, in seconds or parts of them.
    let again: [(&str, Vec<(i64, i64)>); 6] = [
        ("the last ones at once", (0..20).map(|n| (at(n), at(20) + n)).collect()),
        ("one again and again", (0..20).map(|n| (at(5), at(20 + n))).collect()),
        ("newest first", (0..20).map(|n| (at(19 - n), at(20 + n))).collect()),
        ("hours, quickly", (0..60).map(|n| (at(n * 10 - 7_000), at(20) + n * 20)).collect()),
        ("hours, slowly", (0..60).map(|n| (at(n * 10 - 7_000), at(20 + n * 2))).collect()),
        (
            "twice as fast as it was made, with stalls",
            (0..60).map(|n| (at(n - 700), at(20 + n / 6 * 3) + n % 6 * 20)).collect(),
        ),
    ];
    for (what, messages) in again {
        let (mut series, _) = Series::steady(20, SECOND);
        messages.iter().for_each(|(event_ms, arrival_ms)| _ = series.take(*event_ms, *arrival_ms));
        assert_eq!(series.set_back, [0; 0], "{what}");
    }
}

#[test]
fn our_own_clock_put_back_hides_nothing() {
    for (behind_ms, back_ms) in [(0, 15), (0, 180), (0, 3_600), (120, 60), (-240, 180), (600, 3_000)] {
        let (behind_ms, back_ms) = (behind_ms * SECOND, back_ms * SECOND);
        let mut series = Series::default();
        let take = |series: &mut Series, n: i64, back_ms: i64| {
            series.take(NOW + n * SECOND - behind_ms, NOW + n * SECOND - back_ms)
        };
        assert!((0..20).all(|n| take(&mut series, n, 0)));
        assert!((20..40).all(|n| take(&mut series, n, back_ms)), "{behind_ms} ms behind, {back_ms} ms back");
        assert_eq!(series.set_back, [0; 0], "it was not the device's");
        // Nor when we hear of it before the next message.
        series.clock.shift(-back_ms);
        assert!((40..60).all(|n| take(&mut series, n, 2 * back_ms)));
        assert_eq!(series.set_back, [0; 0]);
    }
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

    /// However far, at whatever pace: a device that goes on with its clock set back is hidden for two messages, or until it
    /// has caught up, whichever is first; and what came before stands before what came since.
    #[test]
    fn a_clock_set_back_hides_little(
        offset_ms in -AHEAD_MAX_MS..=BEHIND_MAX_MS,
        step_ms in SECOND..=15 * MINUTE,
        period_ms in SECOND..600_000_i64,
        before in 1_i64..40,
        travels in prop::collection::vec(0..500_i64, 60),
    ) {
        let mut series = Series::default();
        let mut hidden = 0;
        for n in 0..60_i64 {
            let true_ms = NOW + n * period_ms;
            let step_ms = if n < before { 0 } else { step_ms };
            let arrival_ms = true_ms + travels[n as usize];
            let before_ms = series.newest;
            let is_shown = series.take(true_ms - offset_ms - step_ms, arrival_ms);
            prop_assert!(is_shown || n >= before, "message {} is hidden", n);
            hidden += i64::from(!is_shown);
            prop_assert!(is_shown || series.newest == before_ms);
            prop_assert!(is_shown || n < before + 2, "message {} is hidden", n);
        }
        // The newest before it was the last to be made, wherever its time stood.
        let behind_ms = (step_ms + offset_ms).max(0) - offset_ms.max(0);
        prop_assert!(hidden <= behind_ms.max(500) / period_ms + 1);
        if let [by_ms] = series.set_back[..] {
            prop_assert!((by_ms - behind_ms).abs() <= 500, "{} instead of {}", by_ms, behind_ms);
        }
        prop_assert!(series.set_back.len() <= 1);
    }

    /// Old readings that come faster than they were made, a few of them or many, alone or between new ones, are history.
    #[test]
    fn no_back_fill_is_a_step(
        period_ms in SECOND..60_000_i64,
        before in 3_i64..40,
        age_ms in SECOND..24 * 60 * MINUTE,
        count in 1_i64..60,
        faster in 2_i64..50,
        interleaved: bool,
    ) {
        let (mut series, now) = Series::steady(before, period_ms);
        for n in 0..count {
            let arrival_ms = now + n * period_ms / faster;
            series.take(now - period_ms - age_ms + n * period_ms, arrival_ms);
            if interleaved {
                series.take(arrival_ms, arrival_ms);
            }
        }
        prop_assert_eq!(&series.set_back[..], &[0_i64; 0][..]);
    }

    /// Messages in the order in which they were made, however unevenly they travel, are no step.
    #[test]
    fn no_travel_in_order_is_a_step(
        offset_ms in -AHEAD_MAX_MS..=BEHIND_MAX_MS,
        period_ms in 100..60_000_i64,
        travels in prop::collection::vec(0..25_000_i64, 60),
    ) {
        let (mut series, mut arrival_ms) = (Series::default(), 0);
        for (n, travel_ms) in (0_i64..).zip(travels) {
            let true_ms = NOW + n * period_ms;
            arrival_ms = arrival_ms.max(true_ms + travel_ms);
            prop_assert!(series.take(true_ms - offset_ms, arrival_ms));
        }
        prop_assert_eq!(&series.set_back[..], &[0_i64; 0][..]);
    }

    #[test]
    fn no_times_make_it_panic(times in prop::collection::vec((any::<i64>(), any::<i64>()), 1..50)) {
        let (mut clock, mut watch) = (ClockOffset::default(), JumpWatch::default());
        for (event_ms, arrival_ms) in &times {
            let set_back_ms = clock.observe(*event_ms, *arrival_ms);
            clock.follow(*arrival_ms, *event_ms, set_back_ms.or(Some(*event_ms)));
            clock.shift(*event_ms);
            let _ = (clock.verdict(&Standard::default()), watch.observe(*event_ms, *arrival_ms), age_ms(*event_ms, *arrival_ms));
            let _ = is_late(*event_ms, *arrival_ms, clock.usable_ms(), LATE_AFTER_MS);
            let _ = is_current(*event_ms, *arrival_ms, *event_ms);
            let order = SeriesOrder::new(*event_ms, *arrival_ms);
            let _ = order.put_back(*arrival_ms).follows(order);
        }
        let mut offsets: Vec<i64> = times.into_iter().map(|(event_ms, _)| event_ms).collect();
        let _ = agreed_offset(&mut offsets);
    }
}

/// A message of a device that sends ten readings a second apart, each in one place.
fn batch(placer: &mut Placer, clock: &mut ClockOffset, arrival_ms: i64, offset_ms: i64) -> Vec<i64> {
    let newest_ms = arrival_ms - offset_ms;
    clock.observe(newest_ms, arrival_ms);
    let placing = placer.take(newest_ms, arrival_ms, clock.usable_ms());
    (0..10).rev().map(|ago| placing.place(newest_ms - ago * SECOND)).collect()
}

#[test]
fn readings_of_one_message_stand_as_far_apart_as_they_were_made() {
    for offset_ms in [-300_000, -290_700, -60_000, -12_345, -5_000, -700, -1, 0, 60_000] {
        let (mut placer, mut clock) = (Placer::default(), ClockOffset::default());
        let mut all = Vec::new();
        for n in 0..30 {
            let arrival_ms = NOW + n * 10 * SECOND;
            let placed = batch(&mut placer, &mut clock, arrival_ms, offset_ms);
            assert!(placed.windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{offset_ms}: {placed:?}");
            let expected_ms = arrival_ms - offset_ms.max(0);
            assert!((expected_ms - 999..=expected_ms).contains(&placed[9]), "{offset_ms}: {placed:?}");
            all.extend(placed);
        }
        // Once the offset is known, at the third message, that holds from one message to the next as well.
        assert!(all[20..].windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{offset_ms}");
        assert!(all.is_sorted(), "{offset_ms}");
    }
}

#[test]
fn a_clock_that_is_ahead_keeps_its_readings_in_order_whatever_they_travel() {
    let (mut placer, mut clock) = (Placer::default(), ClockOffset::default());
    let mut placed = Vec::new();
    for n in 0..40 {
        // Made every ten seconds by a clock a minute ahead; on the way for up to nine.
        let (travel_ms, made_ms) = (n * 3 % 10 * SECOND, NOW + n * 10 * SECOND);
        placed.extend(batch(&mut placer, &mut clock, made_ms + travel_ms, travel_ms - MINUTE));
    }
    assert!(placed[60..].is_sorted(), "{placed:?}");
    // Sent once more, they stand where they stood.
    let again = placer.take(NOW + 391 * SECOND + MINUTE, NOW + 392 * SECOND, clock.usable_ms());
    assert!(placed.contains(&again.place(NOW + 390 * SECOND + MINUTE)));
}

proptest! {
    /// However a clock goes: nothing stands ahead of its arrival, and what stood already hides no message that stands behind
    /// it when it is placed alone.
    #[test]
    fn what_is_placed_is_neither_ahead_nor_hidden(
        messages in prop::collection::vec((1i64..60_000, -300_000i64..900_000, any::<bool>()), 1..60),
    ) {
        let (mut placer, mut clock) = (Placer::default(), ClockOffset::default());
        let (mut arrival_ms, mut offset_ms, mut newest_ms) = (NOW, 0, i64::MIN);
        for (pause_ms, to_ms, is_set) in messages {
            arrival_ms += pause_ms;
            offset_ms = if is_set { to_ms } else { offset_ms };
            let event_ms = arrival_ms - offset_ms;
            clock.observe(event_ms, arrival_ms);
            let placed = placer.take(event_ms, arrival_ms, clock.usable_ms()).place(event_ms);
            prop_assert!(placed <= arrival_ms && placed <= event_ms);
            prop_assert!(placed > newest_ms || placed == placed_ms(event_ms, arrival_ms));
            newest_ms = newest_ms.max(placed);
        }
    }

    #[test]
    fn steps_back_add_up(one in 0i64..80_000_000, other in 0i64..80_000_000) {
        let both = SetBack::default().and(one).and(other);
        let order = SeriesOrder::new(NOW, NOW);
        prop_assert!(both.of(order) <= order.put_back(one.saturating_add(other)));
        prop_assert!(SetBack::default().of(order) == order);
    }
}
