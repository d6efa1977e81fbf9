use super::*;
use ioc_model::{DeviceIndex, Domain, Observation, PropertyId, Quality};

mod damage;
mod mixing;
mod repeats;
mod times;

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
    DecodeLimits { elements_max: 6, values_max: 100, payload_len_max: 4000, ..DecodeLimits::default() }
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Catalogue::from_toml(CATALOGUE).unwrap()), limits())
}

fn device() -> Device {
    Device {
        index: DeviceIndex(7),
        id: "AIR-01".parse().unwrap(),
        domain: Domain::from_static("environment"),
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
    deliver(decoder, payload, arrival_ms, false)
}

fn deliver(decoder: &Decoder, payload: &[u8], arrival_ms: i64, is_dup: bool) -> Message {
    let topic = "ioc/v1/environment/AIR-01/telemetry";
    let (device, dup_from_ms) = (device(), is_dup.then_some(0));
    decoder
        .decode(&Context { device: &device, credential: "AIR-01", topic, payload, arrival_ms, dup_from_ms })
        .0
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
    let payload = r#"{"quality":{"pm25":"fault","door_open":"good"},"seq":0,"values":{"pm25":1},"ts":"2025-10-27T00:00:00Z"}"#;
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
    use RejectReason::{Malformed, OutOfRange, UnknownProperty, WrongType};
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
    for word in ["nan", "-nan", "NaN", "inf", "-inf", "+inf", "Infinity", "-Infinity", "-nan(ind)", "1.#QNAN"]
    {
        let hint = "leave the property out while the sensor has no reading";
        check_value(&format!(r#""pm25":{word}"#), OutOfRange, hint);
        check_value(&format!(r#""pm25":"{word}""#), WrongType, hint);
        check_value(&format!(r#""door_open":{word}"#), OutOfRange, hint);
    }
    for word in ["01", "+1", ".5", "1.", "-.5e1"] {
        check_value(&format!(r#""pm25":{word}"#), Malformed, "which is not JSON; expected a number");
        check_value(&format!(r#""pm25":{word}"#), Malformed, "JSON numbers begin with a digit");
    }
    for word in ["0x1F", "1_000", "undefined", "None", "True", "-", "1e", "\u{663}"] {
        check_value(&format!(r#""pm25":{word}"#), Malformed, &format!("pm25 is {word}, which is not JSON"));
    }
    check_value(r#""pm25":NaN"#, OutOfRange, "leave the property out while the sensor has no reading");
    check_value(r#""pm25":-Infinity"#, OutOfRange, "pm25 is -Infinity");
    check_value(r#""door_open":2"#, OutOfRange, "expected true, false, 1 or 0");
    check_value(r#""door_open":"open""#, WrongType, "door_open is the text \"open\"");
    check_value(r#""signal_mode":"blue""#, OutOfRange, r#"expected one of "dark" (4), "normal" (0)"#);
    check_value(r#""signal_mode":1"#, OutOfRange, "signal_mode is 1");
    check_value(r#""signal_mode":true"#, WrongType, "signal_mode is true");
}

#[test]
fn a_quality_that_nobody_understands_is_refused_and_its_value_uncertain() {
    use RejectReason::{Malformed, UnknownProperty, WrongType};
    let cases = [
        (r#"{"wind":"fault"}"#, [Quality::GOOD; 2], UnknownProperty, "quality: property \"wind\""),
        (r#"{"pm25":"broken"}"#, [Quality::GOOD, Quality::UNCERTAIN], WrongType, "the text \"broken\""),
        (r#"{"pm25":3}"#, [Quality::GOOD, Quality::UNCERTAIN], WrongType, "is 3; expected \"good\""),
        (r#"{"pm25":fault}"#, [Quality::GOOD, Quality::UNCERTAIN], WrongType, "fault, which is not JSON"),
        (r#"{"pm2_5":"good"}"#, [Quality::GOOD; 2], UnknownProperty, "did you mean \"pm25\"?"),
        (
            r#"{"pm2_5":"fault"}"#,
            [Quality::GOOD, Quality::UNCERTAIN],
            UnknownProperty,
            "did you mean \"pm25\"?",
        ),
        (
            r#""fault""#,
            [Quality::UNCERTAIN; 2],
            Malformed,
            "\"quality\" is the text \"fault\"; expected an object",
        ),
        ("null", [Quality::GOOD; 2], Malformed, "\"quality\" is null"),
    ];
    for (quality, expected, reason, part) in cases {
        let payload = format!(r#"{{"ts":{NOW},"values":{{"temperature":1,"pm25":2}},"quality":{quality}}}"#);
        let message = decode(&payload);
        assert_eq!(message.observations.iter().map(|o| o.quality).collect::<Vec<_>>(), expected, "{quality}");
        let found = refused(&message);
        assert!(
            found.len() == 1 && found[0].0 == reason && found[0].1.contains(part),
            "{quality}: {found:?}"
        );
    }
    let payload = format!(r#"{{"ts":{NOW},"values":{{"pm25":2}},"quality":{{"pm25":" FAULT"}}}}"#);
    assert_eq!(accepted(&payload)[0].3, Quality::FAULT);
}

#[test]
fn names_compare_in_either_unicode_form() {
    let catalogue = CATALOGUE.replace("property.door_open", "property.\"độ_ẩm\"");
    let decoder = Decoder::new(Arc::new(Catalogue::from_toml(&catalogue).unwrap()), limits());
    for name in ["độ_ẩm", "đô\u{323}_â\u{309}m", "\\u0111\\u1ed9_\\u1ea9m"] {
        let message = decode_at(&decoder, format!(r#"{{"values":{{"{name}":1}}}}"#).as_bytes(), NOW);
        assert_eq!((message.observations.len(), message.rejected), (1, None), "{name}");
    }
    check_value(r#""PM25":1"#, RejectReason::UnknownProperty, "did you mean \"pm25\"?");
}

/// Checks what a payload becomes: the values that are kept, whether they are uncertain, and what is refused.
fn check_message(payload: &[u8], kept: &[f64], uncertain: bool, expected: &[(RejectReason, &str)]) {
    let message = decode_at(&decoder(), payload, NOW);
    let (found, shown) = (refused(&message), String::from_utf8_lossy(payload));
    let values: Vec<f64> = message.observations.iter().map(|o| o.value).collect();
    assert_eq!(values, kept, "{shown}: {found:?}");
    let doubted = message.observations.iter().filter(|o| o.quality.contains(Quality::UNCERTAIN)).count();
    assert_eq!(doubted, if uncertain { kept.len() } else { 0 }, "{shown}: {found:?}");
    assert_eq!(found.len(), expected.len(), "{shown}: {found:?}");
    for ((reason, detail), (wanted, part)) in found.iter().zip(expected) {
        assert!(
            reason == wanted && detail.contains(part),
            "{shown}: {reason}: {detail:?} should say {part:?}"
        );
    }
}

#[test]
fn a_name_that_stands_twice_is_a_correction_of_itself() {
    let found = accepted(&format!(r#"{{"ts":{NOW},"values":{{"pm25":1,"pm25":2}}}}"#));
    assert_eq!(found.iter().map(|o| o.2).collect::<Vec<_>>(), [1.0, 2.0]);
}

#[test]
fn no_values_is_a_sign_of_life() {
    for payload in [r#"{"values":{}}"#.to_owned(), format!(r#"{{"ts":{NOW},"values":{{}}}}"#)] {
        let message = decode(&payload);
        assert_eq!((message.observations.len(), message.rejected), (0, None));
    }
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
