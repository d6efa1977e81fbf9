use super::*;
use ioc_model::{DeviceIndex, Domain, Observation, PropertyId, Quality};

const CATALOGUE: &str = r#"
    property.pm25 = { id = 10, unit = "µg/m³", min = 0.0, max = 1000.0, title = { vi = "a", en = "b" } }
    property.temperature = { id = 16, unit = "°C", min = -20.0, max = 60.0, title = { vi = "a", en = "b" } }
    property.vn_aqi = { id = 18, min = 0.0, max = 500.0, title = { vi = "a", en = "b" } }
    property.door_open = { id = 44, type = "bool", title = { vi = "a", en = "b" } }
    property.signal_mode = { id = 50, type = "enum", codes = { normal = 0, dark = 4 }, code_titles = { normal = { vi = "a", en = "b" }, dark = { vi = "a", en = "b" } }, title = { vi = "a", en = "b" } }
    [kind]
"#;

/// Arrival of every message here, unless said otherwise.
const NOW: i64 = 1_761_523_200_000;

fn limits() -> DecodeLimits {
    DecodeLimits { elements_max: 3, values_max: 100, payload_len_max: 4000, ..DecodeLimits::default() }
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Catalogue::from_toml(CATALOGUE).unwrap()), limits())
}

fn device() -> Device {
    Device {
        index: DeviceIndex(7),
        id: "AIR-01".parse().unwrap(),
        domain: Domain::Environment,
        kind: "air-station".into(),
        lat: 16.46,
        lon: 107.59,
        ward: None,
        parent: None,
        labels: Default::default(),
        reporting_period_s: 30,
        retired: false,
        created_ms: 0,
    }
}

fn decode_at(decoder: &Decoder, payload: &[u8], arrival_ms: i64) -> Message {
    let topic = "ioc/v1/environment/AIR-01/telemetry";
    decoder.decode(&Context { device: &device(), credential: "AIR-01", topic, payload, arrival_ms })
}

fn decode(payload: &str) -> Message {
    decode_at(&decoder(), payload.as_bytes(), NOW)
}

fn accepted(payload: &str) -> Vec<(u16, i64, f64, Quality)> {
    let message = decode(payload);
    assert_eq!(message.rejected, None, "{payload}");
    message.observations.iter().map(|o| (o.property.0, o.ts_ms - NOW, o.value, o.quality)).collect()
}

fn refused(message: &Message) -> Vec<(RejectReason, &str)> {
    let items = message.rejected.iter().flat_map(|rejected| &rejected.items);
    items.map(|item| (item.reason, item.detail.as_str())).collect()
}

/// Checks that a payload is refused as a whole, once, with this reason and a text that has this part.
fn check_undecodable(payload: &[u8], reason: RejectReason, part: &str) {
    let message = decode_at(&decoder(), payload, NOW);
    let found = refused(&message);
    let shown = String::from_utf8_lossy(&payload[..payload.len().min(80)]);
    assert_eq!((found.len(), message.observations.len()), (1, 0), "{shown}: {found:?}");
    assert_eq!(found[0].0, reason, "{shown}: {found:?}");
    assert!(found[0].1.contains(part), "{shown}: {:?} should say {part:?}", found[0].1);
}

/// Checks that one value is refused with this reason and part of a text, and the good one beside it is kept.
fn check_value(value: &str, reason: RejectReason, part: &str) {
    let message = decode(&format!(r#"{{"ts":{NOW},"values":{{{value},"temperature":25}}}}"#));
    assert_eq!(message.observations.len(), 1, "{value}");
    let found = refused(&message);
    assert_eq!((found.len(), found[0].0), (1, reason), "{value}: {found:?}");
    assert!(found[0].1.contains(part), "{value}: {:?} should say {part:?}", found[0].1);
}

#[test]
fn the_example_of_the_contract() {
    let payload = format!(
        r#"{{"ts": {NOW}, "values": {{"pm25": 38.1, "temperature": -4}}, "quality": {{"pm25": "calibrating"}}, "seq": 42}}"#
    );
    let expected = [(10, 0, 38.1, Quality::CALIBRATING), (16, 0, -4.0, Quality::GOOD)];
    assert_eq!(accepted(&payload), expected);
}

#[test]
fn the_order_of_keys_means_nothing() {
    let payload = r#"{"quality":{"pm25":"fault","unheard_of":"good"},"seq":0,"values":{"pm25":1},"ts":"2025-10-27T00:00:00Z"}"#;
    assert_eq!(accepted(payload), [(10, 0, 1.0, Quality::FAULT)]);
}

#[test]
fn an_array_is_one_message() {
    let (a, b) = (NOW - 60_000, NOW - 30_000);
    let payload = format!(r#" [ {{"ts":{a},"values":{{"pm25":1}}}} , {{"ts":{b},"values":{{"pm25":2}}}} ] "#);
    let expected = [(10, -60_000, 1.0, Quality::GOOD), (10, -30_000, 2.0, Quality::GOOD)];
    assert_eq!(accepted(&payload), expected);
}

#[test]
fn quality_is_of_its_own_element_only() {
    let payload = format!(
        r#"[{{"ts":{NOW},"values":{{"pm25":1}},"quality":{{"pm25":"uncertain"}}}},{{"ts":{},"values":{{"pm25":2}}}}]"#,
        NOW - 1
    );
    assert_eq!(
        accepted(&payload).iter().map(|o| o.3).collect::<Vec<_>>(),
        [Quality::UNCERTAIN, Quality::GOOD]
    );
}

#[test]
fn bools_and_enums_come_in_every_allowed_spelling() {
    let values = [
        (r#""door_open":true"#, 1.0),
        (r#""door_open":false"#, 0.0),
        (r#""door_open":1"#, 1.0),
        (r#""door_open":-0.0"#, 0.0),
        (r#""signal_mode":"dark""#, 4.0),
        (r#""signal_mode":4"#, 4.0),
        (r#""signal\u005fmode":"d\u0061rk""#, 4.0),
    ];
    for (value, expected) in values {
        let found = accepted(&format!(r#"{{"ts":{NOW},"values":{{{value}}}}}"#));
        assert!(found.len() == 1 && found[0].2.to_bits() == f64::to_bits(expected), "{value}: {found:?}");
    }
}

#[test]
fn each_bad_value_is_refused_by_itself_with_a_useful_text() {
    use RejectReason::{OutOfRange, UnknownProperty, WrongType};
    check_value(
        r#""pm2_5":3"#,
        UnknownProperty,
        r#"property "pm2_5" is not in the catalogue; did you mean "pm25"?"#,
    );
    check_value(r#""nhiệt_độ":3"#, UnknownProperty, "use a name of the catalogue");
    check_value(r#""vn_aqi":3"#, UnknownProperty, "computed by the operations center");
    check_value(
        r#""pm25":"38.1""#,
        WrongType,
        "is the text \"38.1\"; expected a number from 0 to 1000 µg/m³; send it without quotes",
    );
    check_value(r#""pm25":"38,1""#, WrongType, "with a decimal point");
    check_value(r#""pm25":true"#, WrongType, "pm25 is true; expected a number");
    check_value(r#""pm25":null"#, WrongType, "leave the property out");
    check_value(r#""pm25":[1,[2]]"#, WrongType, "pm25 is an array");
    check_value(r#""pm25":{"value":1}"#, WrongType, "pm25 is an object");
    check_value(r#""pm25":1000.5"#, OutOfRange, "pm25 is 1000.5; expected a number from 0 to 1000 µg/m³");
    check_value(r#""pm25":-1"#, OutOfRange, "pm25 is -1");
    check_value(r#""pm25":1e999"#, OutOfRange, "pm25 is 1e999");
    check_value(r#""pm25":NaN"#, OutOfRange, "leave the property out while the sensor has no reading");
    check_value(r#""pm25":-Infinity"#, OutOfRange, "pm25 is -Infinity");
    check_value(r#""door_open":2"#, OutOfRange, "expected true, false, 1 or 0");
    check_value(r#""door_open":"open""#, WrongType, "door_open is the text \"open\"");
    check_value(r#""signal_mode":"blue""#, OutOfRange, r#"expected one of "dark" (4), "normal" (0)"#);
    check_value(r#""signal_mode":1"#, OutOfRange, "signal_mode is 1");
    check_value(r#""signal_mode":true"#, WrongType, "signal_mode is true");
}

#[test]
fn a_value_whose_quality_nobody_understands_is_refused() {
    for (quality, part) in [(r#""broken""#, "the text \"broken\""), ("3", "is 3; expected \"good\"")] {
        let payload =
            format!(r#"{{"ts":{NOW},"values":{{"temperature":1,"pm25":2}},"quality":{{"pm25":{quality}}}}}"#);
        let message = decode(&payload);
        assert_eq!(message.observations.len(), 1);
        let found = refused(&message);
        assert!(found[0].0 == RejectReason::WrongType && found[0].1.contains(part), "{found:?}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_once() {
    use RejectReason::{Malformed, NotUtf8, TooLarge};
    let cases: [(&[u8], RejectReason, &str); 24] = [
        (b"", Malformed, "not JSON at byte 0: expected '{' or '[', found the end"),
        (b"38.1", Malformed, "expected '{' or '[', found '3'"),
        (b"\xff{}", NotUtf8, "byte 0 (0xff) is not UTF-8"),
        ("\u{feff}{}".as_bytes(), Malformed, "expected '{' or '['"),
        (b"{}", Malformed, "\"values\" is missing"),
        (b"[]", Malformed, "an empty array"),
        (b"[{\"values\":{}},]", Malformed, "expected '{' or '['"),
        (b"[[{\"values\":{}}]]", Malformed, "expected '{' or '['"),
        (b"{\"values\":[]}", Malformed, "\"values\" is an object"),
        (b"{\"values\":{\"pm25\":1}", Malformed, "expected ',' or '}', found the end"),
        (b"{\"values\":{\"pm25\":1,}}", Malformed, "a name in double quotes"),
        (b"{\"values\":{\"pm25\":01}}", Malformed, "expected ',' or '}' behind a value, found '1'"),
        (b"{\"values\":{\"pm25\":+1}}", Malformed, "expected a value, found '+'"),
        (b"{\"values\":{\"pm25\":.5}}", Malformed, "expected a value"),
        (b"{\"values\":{\"pm25\":1.}}", Malformed, "expected a digit"),
        (b"{\"values\":{pm25:1}}", Malformed, "a name in double quotes, found 'p'"),
        (b"{\"values\":{\"pm\n25\":1}}", Malformed, "no control character"),
        (b"{\"values\":{\"\\ud800\":1}}", Malformed, "surrogate"),
        (b"{\"values\":{}} x", Malformed, "nothing more"),
        (
            b"{\"value\":{\"pm25\":1}}",
            Malformed,
            "unknown key \"value\"; expected \"ts\", \"values\", \"quality\" and \"seq\"",
        ),
        (b"{\"values\":{},\"values\":{}}", Malformed, "\"values\" stands twice"),
        (b"{\"ts\":1,\"ts\":1,\"values\":{}}", Malformed, "\"ts\" stands twice"),
        (b"{\"values\":{},\"seq\":-1}", Malformed, "\"seq\" is -1; expected a whole number"),
        (&[b' '; 4001], TooLarge, "the payload has 4001 bytes; at most 4000"),
    ];
    for (payload, reason, part) in cases {
        check_undecodable(payload, reason, part);
    }
    let deep = format!(r#"{{"values":{{"pm25":{}1{}}}}}"#, "[".repeat(40), "]".repeat(40));
    check_undecodable(deep.as_bytes(), Malformed, "less nesting");
    let element = r#"{"values":{}}"#;
    check_undecodable(format!("[{}]", [element; 4].join(",")).as_bytes(), TooLarge, "more than 3 objects");
    let many = vec![r#""pm25":1"#; 101].join(",");
    check_undecodable(format!(r#"{{"values":{{{many}}}}}"#).as_bytes(), TooLarge, "more than 100 values");
}

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
        ("1761523200000.5".to_owned(), BadTime, "ts is 1761523200000.5; expected whole milliseconds"),
        ("99999999999999999999".to_owned(), BadTime, "expected whole milliseconds"),
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
    check_undecodable(br#"{"ts":"now","values":{}}"#, BadTime, "ts is the text \"now\"");
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
    assert_eq!(times(r#"{"values":{"pm25":1},"seq":5}"#, NOW + 200_000), [late]);
}

#[test]
fn a_name_that_stands_twice_is_a_correction_of_itself() {
    let found = accepted(&format!(r#"{{"ts":{NOW},"values":{{"pm25":1,"pm25":2}}}}"#));
    assert_eq!(found.iter().map(|o| o.2).collect::<Vec<_>>(), [1.0, 2.0]);
}

#[test]
fn no_values_is_a_sign_of_life() {
    let message = decode(r#"{"values":{}}"#);
    assert_eq!((message.observations.len(), message.rejected), (0, None));
}

#[test]
fn details_are_bounded() {
    let many: Vec<String> = (0..100).map(|n| format!(r#""{}{n}":1"#, "x".repeat(20))).collect();
    let message = decode(&format!(r#"{{"values":{{{}}}}}"#, many.join(",")));
    let found = refused(&message);
    assert_eq!(found.len(), 100);
    assert!(found[DETAILED_MAX - 1].1.contains("not in the catalogue"));
    assert!(found[DETAILED_MAX].1.starts_with("as the first 32"), "{}", found[DETAILED_MAX].1);
    let long =
        decode(&format!(r#"{{"values":{{"{0}":1,"pm25":"{0}","signal_mode":"{0}"}}}}"#, "ế".repeat(400)));
    assert!(refused(&long).iter().all(|(_, detail)| detail.len() < 400));
}

#[test]
fn the_message_says_where_it_came_from() {
    let message = decode_at(&decoder(), b"{", NOW);
    assert_eq!(
        (message.device, message.arrival_ms, message.origin),
        (Some(DeviceIndex(7)), NOW, Origin::Device)
    );
    let rejected = message.rejected.unwrap();
    assert_eq!((&*rejected.credential, &*rejected.topic), ("AIR-01", "ioc/v1/environment/AIR-01/telemetry"));
    assert_eq!((&*rejected.bytes, rejected.bytes_len), (&b"{"[..], 1));
}

#[test]
fn observations_carry_the_catalogue_number() {
    let message = decode(&format!(r#"{{"ts":{NOW},"values":{{"signal_mode":"normal"}}}}"#));
    let expected = Observation { property: PropertyId(50), ts_ms: NOW, value: 0.0, quality: Quality::GOOD };
    assert_eq!(message.observations, [expected]);
}
