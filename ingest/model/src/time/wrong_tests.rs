//! Clocks that are wrong in every way that we know of: none silences its device without a word.
use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_761_523_200_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// Travel times, or how far a transport jitters: below `most_ms`, the same in each run.
fn noise(n: i64, most_ms: i64) -> i64 {
    let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 27)) >> 33) as i64 % most_ms
}

/// Event and arrival of messages, `period_ms` apart.
fn messages(count: i64, period_ms: i64, event: impl Fn(i64, i64) -> i64) -> Vec<(i64, i64)> {
    (0..count).map(|n| NOW + 17_321 + n * period_ms).zip(0..).map(|(at, n)| (event(n, at), at)).collect()
}

/// Has a clock observe messages; returns what is known after each.
fn verdicts(clock: &mut ClockOffset, messages: &[(i64, i64)]) -> Vec<ClockVerdict> {
    let observed = messages.iter().map(|(event_ms, arrival_ms)| {
        clock.observe(*event_ms, *arrival_ms);
        clock.verdict(&Standard::default())
    });
    observed.collect()
}

/// Has a clock be right for some messages, before those of a test.
fn right(clock: &mut ClockOffset, count: i64) {
    (0..count).map(|n| NOW - (count - n) * SECOND).for_each(|at| _ = clock.observe(at, at));
}

fn is_wrong(verdict: &ClockVerdict) -> bool {
    matches!(verdict, ClockVerdict::Wrong(_) | ClockVerdict::Adrift(_))
}

#[test]
fn a_clock_that_keeps_no_time_is_wrong() {
    let start = NOW;
    type Fault = (&'static str, fn(i64, i64, i64) -> i64);
    let faults: [Fault; 8] = [
        ("stands still", |start, _, _| start - 130 * SECOND),
        ("starts at the epoch and stands still", |_, _, _| 0),
        ("starts in 2000 and stands still", |_, _, _| 946_684_800_000),
        ("runs at half the pace", |start, _, at| start - 200 * SECOND + (at - start) / 2),
        ("two clocks", |_, n, at| at - if n % 2 == 0 { 3 * MINUTE } else { 10 * MINUTE }),
        ("three clocks", |_, n, at| at - [3, 8, 20][(n % 3) as usize] * MINUTE),
        ("45 s of jitter", |_, n, at| at - 150 * SECOND - noise(n, 45 * SECOND)),
        ("jumps to and fro", |_, n, at| at - 3 * MINUTE - noise(n, 60 * MINUTE)),
    ];
    for (fault, event) in faults {
        for period_ms in [20, 300, SECOND, 3 * SECOND, 10 * SECOND, 59 * SECOND] {
            for before in [0, 1, 30] {
                let mut clock = ClockOffset::default();
                right(&mut clock, before);
                let wrong =
                    messages((60 * SECOND / period_ms).max(240), period_ms, |n, at| event(start, n, at));
                let silent: Vec<bool> = (wrong.iter())
                    .map(|sent| {
                        let verdict = verdicts(&mut clock, &[*sent])[0];
                        let is_late = is_late(sent.0, sent.1, clock.usable_ms(), LATE_AFTER_MS);
                        is_late && !is_wrong(&verdict)
                    })
                    .collect();
                let last = &silent[silent.len() * 3 / 4..];
                let after = last.iter().filter(|is_silent| **is_silent).count();
                let what = format!("{fault}, each {period_ms} ms, after {before} right ones");
                assert!(
                    after * 4 <= last.len(),
                    "{what}: late without a word {after} times of {}",
                    last.len()
                );
                let soon = silent[..60].iter().filter(|is_silent| !**is_silent).count();
                assert!(period_ms < 3 * SECOND || soon >= 10, "{what}: not told soon");
            }
        }
    }
}

#[test]
fn what_was_kept_back_says_nothing_against_a_clock() {
    let at = |n: i64| NOW + n * SECOND;
    let cases: [(&str, Vec<(i64, i64)>); 9] = [
        ("a burst", (0..60).map(|n| (at(n * 10 - 7_000), at(0) + n * 20)).collect()),
        ("one instant, at once", (0..60).map(|n| (at(-700), at(0) + n * 5)).collect()),
        ("throttled", (0..60).map(|n| (at(n * 10 - 7_000), at(n * 2))).collect()),
        ("at twice the pace", (0..200).map(|n| (at(n * 10 - 7_000), at(n * 5))).collect()),
        ("twice the pace, with stalls", (0..60).map(|n| (at(n - 700), at(n / 6 * 3) + n % 6 * 20)).collect()),
        ("five messages of each instant", (0..200).map(|n| (at(n / 5 * 10 - 9_000), at(n / 2))).collect()),
        ("newest first", (0..200).map(|n| (at(-300 - n * 10), at(n * 2))).collect()),
        ("cut to the minute, in pairs", (0..60).map(|n| (at(n / 2 * 60 - 7_200), at(n * 3))).collect()),
        (
            "between right ones",
            (0..200).map(|n| if n % 3 == 0 { (at(n), at(n)) } else { (at(n * 6 - 7_000), at(n)) }).collect(),
        ),
    ];
    for (what, late) in cases {
        for before in [0, 30] {
            let mut clock = ClockOffset::default();
            right(&mut clock, before);
            let verdicts = verdicts(&mut clock, &late);
            assert!(!verdicts.iter().any(is_wrong), "{what}, after {before}: {verdicts:?}");
            for (verdict, (event_ms, arrival_ms)) in verdicts.iter().zip(&late).filter(|(_, (e, a))| e < a) {
                let ClockVerdict::Steady(offset_ms) = verdict else { continue };
                assert!(is_late(*event_ms, *arrival_ms, Some(*offset_ms), LATE_AFTER_MS), "{what}");
            }
        }
    }
}

#[test]
fn times_cut_to_whole_minutes_tell_the_offset() {
    for unit_s in [10, 30, 60] {
        for period_s in [1, 3, 7, 10, 20, 25, 40, 55] {
            if period_s >= unit_s {
                continue;
            }
            for behind_s in [0, 90, 180, 600, 780] {
                let mut clock = ClockOffset::default();
                let cut = |at: i64| (at - behind_s * SECOND).div_euclid(unit_s * SECOND) * unit_s * SECOND;
                let sent = messages(900 / period_s, period_s * SECOND, |_, at| cut(at));
                let soon_ms = NOW + (2 * unit_s + 20).max(20 * period_s) * SECOND;
                for (n, (event_ms, arrival_ms)) in sent.iter().enumerate() {
                    assert_eq!(clock.observe(*event_ms, *arrival_ms), None);
                    let what = format!("{unit_s} s, each {period_s} s, {behind_s} s behind, message {n}");
                    let verdict = clock.verdict(&Standard::default());
                    assert!(!is_wrong(&verdict) || *arrival_ms < soon_ms, "{what}");
                    if *arrival_ms < soon_ms && behind_s >= 60 {
                        continue;
                    }
                    let is_late = is_late(*event_ms, *arrival_ms, clock.usable_ms(), LATE_AFTER_MS);
                    assert!(!is_late, "{what}: {:?}", clock.measured_ms());
                }
                let offset_ms = clock.measured_ms().unwrap_or(0);
                let over_ms = offset_ms - behind_s * SECOND;
                assert!(
                    (-10..=period_s * SECOND + 10).contains(&over_ms),
                    "{unit_s} {period_s} {behind_s}: {over_ms}"
                );
            }
        }
    }
}

#[test]
fn an_offset_that_most_devices_agree_on_is_ours() {
    for agreed_min in [-60, -7, 7, 20, 300] {
        let standard = Standard { agreed_ms: agreed_min * MINUTE, ..Standard::default() };
        let of = |offset_ms: i64| {
            let mut clock = ClockOffset::default();
            messages(20, 10 * SECOND, |_, at| at - offset_ms)
                .into_iter()
                .for_each(|(e, a)| _ = clock.observe(e, a));
            (clock.usable_by(&standard), clock.verdict(&standard))
        };
        for relative_ms in [-AHEAD_MAX_MS, -SECOND, 0, 4 * MINUTE, BEHIND_MAX_MS] {
            // A device that is right by the others, and one that is right by us: neither loses an alert.
            for offset_ms in [agreed_min * MINUTE + relative_ms, relative_ms] {
                assert_eq!(
                    of(offset_ms),
                    (Some(offset_ms), ClockVerdict::Steady(offset_ms)),
                    "{agreed_min} min"
                );
            }
        }
        let far_ms = agreed_min.max(0) * MINUTE + BEHIND_MAX_MS + SECOND;
        assert_eq!(of(far_ms), (None, ClockVerdict::Wrong(far_ms)), "{agreed_min} min");
    }
}

proptest! {
    /// Whatever was kept back, at whatever pace beyond that of its times: it does not make a right clock wrong.
    #[test]
    fn no_back_fill_makes_a_clock_wrong(
        period_ms in SECOND..60_000_i64,
        before in 3_i64..40,
        age_ms in 5 * MINUTE..24 * 60 * MINUTE,
        count in 1_i64..80,
        faster in 2_i64..50,
        interleaved: bool,
    ) {
        let mut clock = ClockOffset::default();
        verdicts(&mut clock, &messages(before, period_ms, |_, at| at));
        let now = NOW + 17_321 + before * period_ms;
        for n in 0..count {
            let arrival_ms = now + n * period_ms / faster;
            let made_ms = now - age_ms - count * period_ms + n * period_ms;
            let mut sent = vec![(made_ms, arrival_ms)];
            sent.extend(interleaved.then_some((arrival_ms, arrival_ms)));
            prop_assert!(!verdicts(&mut clock, &sent).iter().any(is_wrong), "message {}", n);
        }
    }

    /// A clock within its limits that keeps time is never wrong, however its messages travel.
    #[test]
    fn no_travel_makes_a_clock_wrong(
        behind_ms in 0..MINUTE,
        period_ms in SECOND..60_000_i64,
        travels in prop::collection::vec(0..50_000_i64, 60),
    ) {
        let (mut clock, mut arrival_ms) = (ClockOffset::default(), 0);
        for (n, travel_ms) in (0_i64..).zip(travels) {
            let made_ms = NOW + n * period_ms;
            arrival_ms = arrival_ms.max(made_ms + travel_ms);
            let verdicts = verdicts(&mut clock, &[(made_ms - behind_ms, arrival_ms)]);
            prop_assert!(!verdicts.iter().any(is_wrong));
        }
    }
}
