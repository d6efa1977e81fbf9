//! Times and numbers in all their forms.
use super::*;

#[test]
fn time_decides_over_every_value() {
    use RejectReason::{BadTime, FutureTime, TooOld};
    let flags = |ts: i64| accepted(&format!(r#"{{"ts":{ts},"values":{{"pm25":1}}}}"#))[0].3;
    assert_eq!(flags(NOW), Quality::GOOD);
    assert_eq!(flags(NOW + 1), Quality::CLOCK_AHEAD);
    assert_eq!(flags(NOW + 300_000), Quality::CLOCK_AHEAD);
    assert_eq!(flags(NOW - 120_000), Quality::GOOD);
    assert_eq!(flags(NOW - 120_001), Quality::LATE);
    assert_eq!(flags(NOW - limits().retention_ms), Quality::LATE);

    let cases = [
        ((NOW + 300_001).to_string(), FutureTime, "is 5 min ahead of our clock; at most 5 min is accepted"),
        ((NOW * 1000).to_string(), FutureTime, "it looks like micro- or nanoseconds"),
        ((NOW - limits().retention_ms - 1).to_string(), TooOld, "history is kept for 400 d"),
        ((NOW / 1000).to_string(), TooOld, "it looks like seconds; ts is in milliseconds"),
        (i64::MIN.to_string(), TooOld, "set the device's clock"),
        (i64::MAX.to_string(), FutureTime, "nanoseconds"),
        ("99999999999999999999".to_owned(), BadTime, "expected milliseconds since 1970"),
        ("1e400".to_owned(), BadTime, "expected milliseconds since 1970"),
        ("nan".to_owned(), BadTime, "ts is nan, which is not a number"),
        (format!(r#""{NOW}""#), BadTime, "send it without quotes"),
        (r#""2025-10-27T07:00:00""#.to_owned(), BadTime, "add the offset, as in Z or +07:00"),
        (r#""27/10/2025 07:00""#.to_owned(), BadTime, "ts is the text \"27/10/2025 07:00\""),
        ("null".to_owned(), BadTime, "ts is null"),
        (r#"{"$date":1}"#.to_owned(), BadTime, "ts is an object"),
    ];
    for (ts, reason, part) in cases {
        let message = decode(&format!(r#"{{"values":{{"pm25":1,"temperature":2,"x":3}},"ts":{ts}}}"#));
        let found = refused(&message);
        assert_eq!((message.observations.len(), found.len()), (0, 3), "{ts}");
        assert_eq!(found[0].0, RejectReason::UnknownProperty, "{ts}");
        assert!(found[1].0 == reason && found[2].0 == reason && found[1].1.contains(part), "{ts}: {found:?}");
    }
    check_message(br#"{"ts":"now","values":{}}"#, &[], false, &[(BadTime, "ts is the text \"now\"")]);
}

#[test]
fn a_time_comes_in_every_form() {
    let (seconds, ms) = (NOW / 1000, NOW % 1000);
    let forms = [
        format!("{NOW}.0"),
        format!("{NOW}.999"),
        format!("{}e3", seconds),
        format!("{}.{:06}E+12", NOW / 1_000_000_000_000, NOW % 1_000_000_000_000 / 1_000_000),
        format!("{NOW}000e-3"),
        r#""2025-10-27T07:00:00+07:00""#.to_owned(),
        r#""2025-10-27 07:00:00.000999+0700""#.to_owned(),
        r#""2025-10-26t23:59:60z""#.to_owned(),
    ];
    assert_eq!(ms, 0);
    for form in forms {
        let found = accepted(&format!(r#"{{"ts":{form},"values":{{"pm25":1}}}}"#));
        let expected = if form.contains(":60") { -1 } else { 0 };
        assert!(found.len() == 1 && (found[0].1 == expected || form.contains("E+12")), "{form}: {found:?}");
    }
}

#[test]
fn a_number_comes_in_every_form() {
    for (form, expected) in
        [("1e2", 100.0), ("1E+2", 100.0), ("0.10", 0.1), ("-0", 0.0), ("-0.0", 0.0), ("12.50e-1", 1.25)]
    {
        let found = accepted(&format!(r#"{{"ts":{NOW},"values":{{"pm25":{form}}}}}"#));
        assert_eq!(found[0].2.to_bits(), f64::to_bits(expected), "{form}");
    }
    assert_eq!(
        accepted(&format!(r#"{{"ts":{NOW},"values":{{"signal_mode":4.0,"door_open":1e0}}}}"#)).len(),
        2
    );
    let decoder = decoder();
    let send = |seq: &str| {
        let payload = format!(r#"{{"values":{{"pm25":1}},"seq":{seq}}}"#);
        decode_at(&decoder, payload.as_bytes(), NOW).rejected
    };
    for seq in ["42.0", "4.2e1", "-0", "18446744073709551615", "18446744073709551615.0"] {
        assert_eq!(send(seq), None, "{seq}");
    }
}

#[test]
fn a_clock_that_is_steadily_off_makes_nothing_late() {
    let minute = 60_000;
    for offset_ms in [-4 * minute, 35_000, 3 * minute, 15 * minute] {
        let decoder = decoder();
        let send = |n: i64, age_ms: i64| {
            let arrival_ms = NOW + n * 10_000;
            let payload = format!(r#"{{"ts":{},"values":{{"pm25":9}}}}"#, arrival_ms - offset_ms - age_ms);
            decode_at(&decoder, payload.as_bytes(), arrival_ms).observations[0].quality
        };
        (0..3).for_each(|n| _ = send(n, 0));
        assert!(!send(3, 0).contains(Quality::LATE), "{offset_ms} ms");
        assert!(send(3, 0).contains(Quality::CLOCK_OFFSET), "{offset_ms} ms");
        assert!(send(4, 3 * minute).contains(Quality::LATE), "back-fill with {offset_ms} ms");
        assert!(!send(5, 0).contains(Quality::LATE), "after a back-fill with {offset_ms} ms");
    }
}

#[test]
fn what_most_devices_agree_on_decides_what_lies_ahead() {
    let minute = 60_000;
    for (agreed_min, ahead_min, is_kept) in
        [(0, 5, true), (0, 6, false), (-7, 12, true), (-7, 13, false), (20, 5, true), (20, 6, false)]
    {
        let decoder = decoder();
        decoder.clocks().agree(agreed_min * minute);
        let payload = format!(r#"{{"ts":{},"values":{{"pm25":9}}}}"#, NOW + ahead_min * minute);
        let message = decode_at(&decoder, payload.as_bytes(), NOW);
        assert_eq!(message.observations.len(), usize::from(is_kept), "{agreed_min} min: {ahead_min} min");
        assert!(!is_kept || !message.observations[0].quality.contains(Quality::LATE));
    }
}

#[test]
fn refused_times_are_measured_too() {
    let decoder = decoder();
    for n in 0..3 {
        let arrival_ms = NOW + n * 10_000;
        let payload = format!(r#"{{"ts":{},"values":{{"pm25":9}}}}"#, arrival_ms + 600_000);
        assert_eq!(
            refused(&decode_at(&decoder, payload.as_bytes(), arrival_ms))[0].0,
            RejectReason::FutureTime
        );
    }
    let clock = decoder.clocks().get(DeviceIndex(7));
    assert_eq!((clock.offset_ms, clock.is_wrong), (Some(-600_000), true));
}

#[test]
fn a_bad_time_spoils_only_its_own_element() {
    let payload = format!(r#"[{{"ts":{NOW},"values":{{"pm25":1}}}},{{"ts":0,"values":{{"pm25":2}}}}]"#);
    let message = decode(&payload);
    assert_eq!((message.observations.len(), refused(&message).len()), (1, 1));
    assert_eq!(message.observations[0].value, 1.0);
}
