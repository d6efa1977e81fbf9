//! Messages without a time, and their repeats.
use super::*;

#[test]
fn without_a_time_arrival_stands_in() {
    let decoder = decoder();
    let times = |payload: &str, arrival_ms: i64| -> Vec<(i64, Quality)> {
        let message = decode_at(&decoder, payload.as_bytes(), arrival_ms);
        message.observations.iter().map(|o| (o.ts_ms - NOW, o.quality)).collect()
    };
    let flagged = |ms: i64| (ms, Quality::ARRIVAL_TIMED);
    assert_eq!(times(r#"{"values":{"pm25":1,"temperature":2}}"#, NOW), [flagged(0), flagged(0)]);
    assert_eq!(times(r#"{"values":{"pm25":1}}"#, NOW), [flagged(1)], "strictly increasing");
    assert_eq!(times(r#"[{"values":{"pm25":1}},{"values":{"pm25":1}}]"#, NOW), [flagged(2), flagged(3)]);

    assert_eq!(times(r#"{"values":{"pm25":1},"seq":5}"#, NOW + 10), [flagged(10)]);
    assert_eq!(times(r#"{"values":{"pm25":1},"seq":5}"#, NOW + 900), [flagged(10)], "a repeat");
    assert_eq!(
        times(r#"{"values":{"pm25":2},"seq":5}"#, NOW + 900),
        [flagged(900)],
        "restarted, not a repeat"
    );
    let late = (10, Quality::ARRIVAL_TIMED | Quality::LATE);
    let context = |dup| (r#"{"values":{"pm25":1},"seq":5}"#, NOW + 200_000, dup);
    let (payload, arrival_ms, is_dup) = context(true);
    let message = deliver(&decoder, payload.as_bytes(), arrival_ms, is_dup);
    assert_eq!(
        (message.observations[0].ts_ms - NOW, message.observations[0].quality),
        late,
        "a repeat with DUP"
    );
    assert_eq!(times(payload, arrival_ms), [flagged(200_000)], "another reading since, and no DUP");
}

/// A bay is occupied, free, restarts and is occupied again.
#[test]
fn a_device_that_restarts_counts_anew() {
    let decoder = decoder();
    let send = |open: bool, seq: u64, at: i64, is_dup: bool| {
        let payload = format!(r#"{{"values":{{"door_open":{open}}},"seq":{seq}}}"#);
        deliver(&decoder, payload.as_bytes(), NOW + at, is_dup).observations[0].ts_ms - NOW
    };
    assert_eq!(send(true, 0, 0, false), 0);
    assert_eq!(send(false, 1, 1000, false), 1000);
    assert_eq!(send(true, 0, 2000, false), 2000, "restarted: a new reading");
    assert_eq!(send(true, 0, 2500, false), 2000, "nothing newer since: a repeat");
    assert_eq!(send(false, 1, 3000, true), 1000, "DUP: a repeat");
    assert_eq!(send(false, 1, 4000, false), 4000);
}

#[test]
fn a_repeat_after_a_restart_of_ours_is_one() {
    let before = decoder();
    let topic = "ioc/v1/environment/AIR-01/telemetry";
    let send = |decoder: &Decoder, payload: &str, at: i64, is_dup: bool| {
        let (device, payload, dup_from_ms) = (device(), payload.as_bytes(), is_dup.then_some(0));
        let context = Context {
            device: &device,
            credential: "AIR-01",
            topic,
            payload,
            arrival_ms: NOW + at,
            dup_from_ms,
        };
        let (message, receipt) = decoder.decode(&context);
        let mut record = Vec::new();
        message.encode_with(receipt.as_ref(), &mut record);
        (message.observations.iter().map(|o| o.ts_ms - NOW).collect::<Vec<_>>(), record)
    };
    let payloads = [
        r#"{"values":{"door_open":true},"seq":0}"#,
        r#"[{"values":{"door_open":false},"seq":1},{"values":{"pm25":1}},{"values":{"pm25":2},"seq":2}]"#,
        r#"{"values":{"door_open":true},"seq":3}"#,
    ];
    let mut records: Vec<Vec<u8>> =
        payloads.iter().zip(0..).map(|(payload, n)| send(&before, payload, n * 1000, false).1).collect();
    records.push(send(&before, payloads[0], 2500, true).1);
    let restart = || {
        let after = decoder();
        records.iter().for_each(|record| after.recall(&MessageView::parse(record).unwrap()));
        after
    };
    let after = restart();
    assert_eq!(send(&after, payloads[2], 9000, false).0, [2000], "nothing newer since");
    assert_eq!(send(&after, payloads[0], 9001, true).0, [0], "DUP");
    assert_eq!(send(&after, payloads[1], 9002, true).0, [1000, 9002, 1002], "DUP; what has no seq is new");
    assert_eq!(send(&after, payloads[0], 9003, false).0, [9003], "a new reading");
    let after = restart();
    assert_eq!(send(&after, payloads[1], 9000, false).0, [9000, 9001, 9002], "newer ones since");
    let later = send(&before, &format!(r#"{{"ts":{NOW},"values":{{"pm25":9}}}}"#), 3000, false).1;
    let after = restart();
    after.recall(&MessageView::parse(&later).unwrap());
    assert_eq!(send(&after, payloads[2], 9000, false).0, [9000], "something with a time since");
}

#[test]
fn an_array_without_times_is_repeated_as_a_whole() {
    let decoder = decoder();
    let payload =
        br#"[{"values":{"pm25":1},"seq":0},{"values":{"pm25":1},"seq":0},{"values":{"pm25":2},"seq":1}]"#;
    let times = |at, is_dup| -> Vec<i64> {
        deliver(&decoder, payload, NOW + at, is_dup).observations.iter().map(|o| o.ts_ms - NOW).collect()
    };
    assert_eq!(times(0, false), [0, 1, 2]);
    assert_eq!(times(500, false), [1, 1, 2]);
    assert_eq!(times(600, true), [1, 1, 2]);
    assert_eq!(
        decode_at(&decoder, format!(r#"{{"ts":{NOW},"values":{{"pm25":5}}}}"#).as_bytes(), NOW)
            .observations
            .len(),
        1
    );
    assert_eq!(times(700, false), [700, 701, 702], "something newer since");
}

/// Whatever is wrong with the syntax behind it, a time is assigned once.
#[test]
fn a_broken_array_gets_its_times_once() {
    let decoder = decoder();
    let payload = br#"[{"values":{"pm25":1},"seq":0},{"values":{"pm25":2},"seq":1},]"#;
    let message = deliver(&decoder, payload, NOW, false);
    assert_eq!(message.observations.iter().map(|o| o.ts_ms - NOW).collect::<Vec<_>>(), [0, 1]);
}
