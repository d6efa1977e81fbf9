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
    DecodeLimits { elements_max: 6, values_max: 100, payload_len_max: 4000, ..DecodeLimits::default() }
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
    deliver(decoder, payload, arrival_ms, false)
}

fn deliver(decoder: &Decoder, payload: &[u8], arrival_ms: i64, is_dup: bool) -> Message {
    let topic = "ioc/v1/environment/AIR-01/telemetry";
    decoder.decode(&Context { device: &device(), credential: "AIR-01", topic, payload, arrival_ms, is_dup }).0
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
fn what_holds_no_object_is_refused_once() {
    use RejectReason::{Malformed, NotUtf8, TooLarge};
    let cases: [(&[u8], RejectReason, &str); 12] = [
        (b"", Malformed, "not JSON at byte 0: expected '{' or '[', found the end"),
        (b"\xef\xbb\xbf", Malformed, "expected '{' or '[', found the end"),
        (b"38.1", Malformed, "38.1 stands in the place of an object; expected an object as in"),
        (b"nan", Malformed, "stands in the place of an object"),
        (b"null", Malformed, "null stands in the place of an object"),
        (b"hello world", Malformed, "expected '{' or '[', found 'h'"),
        (b"\xff\xfe\x7f", NotUtf8, "not UTF-8 at byte 0"),
        (b"{}", Malformed, "\"values\" is missing"),
        (b"{\"ts\":1,\"seq\":3}", Malformed, "\"values\" is missing"),
        (b"[]", Malformed, "an empty array"),
        (b"{\"values\":[]}", Malformed, "\"values\" is an array; expected an object"),
        (&[b' '; 4001], TooLarge, "the payload has 4001 bytes; at most 4000"),
    ];
    for (payload, reason, part) in cases {
        check_message(payload, &[], false, &[(reason, part)]);
    }
}

#[test]
fn the_smallest_thing_that_is_wrong_is_refused() {
    use RejectReason::{BadTime, Malformed, NotUtf8, UnknownProperty, WrongType};
    let cases: Vec<(String, &[f64], &[(RejectReason, &str)])> = vec![
        // Elements.
        (
            format!("[{A},null,{B}]"),
            &[1.0, 2.0],
            &[(Malformed, "[1]: null stands in the place of an object")],
        ),
        (
            format!("[{A},[{B}],{B}]"),
            &[1.0, 2.0, 2.0],
            &[(Malformed, "expected an object: arrays do not nest")],
        ),
        (format!("[[{A}],[{B}]]"), &[1.0, 2.0], &[(Malformed, "arrays do not nest"); 2]),
        (format!("[[{A},{B}]"), &[1.0, 2.0], &[(Malformed, "arrays do not nest")]),
        (
            format!("[{A},\"x\",7,{B}]"),
            &[1.0, 2.0],
            &[(Malformed, "[1]: the text"), (Malformed, "[2]: 7 stands")],
        ),
        (format!("[{A},{{}},{B}]"), &[1.0, 2.0], &[(Malformed, "[1]: \"values\" is missing")]),
        (format!("[{A},,{B}]"), &[1.0, 2.0], &[(Malformed, "expected an object, found ','")]),
        (format!("[{A},{B},]"), &[1.0, 2.0], &[(Malformed, "an object behind the comma, found ']'")]),
        (format!("[{A}{B}]"), &[1.0, 2.0], &[(Malformed, "expected ',', found '{'")]),
        (format!("[{A};{B}]"), &[1.0, 2.0], &[(Malformed, "found ';'")]),
        (format!("[{A},{B}"), &[1.0, 2.0], &[(Malformed, "expected ']', found the end")]),
        (format!("[{A}}},{B}]"), &[1.0, 2.0], &[(Malformed, "found '}'")]),
        (format!("{A}\n{B}\n"), &[1.0, 2.0], &[(Malformed, "several objects stand in an array")]),
        (format!("{A},{B}"), &[1.0, 2.0], &[(Malformed, "nothing more")]),
        (format!("{A} x"), &[1.0], &[(Malformed, "nothing more: the message was complete, found 'x'")]),
        (format!("{A}\0"), &[1.0], &[(Malformed, "nothing more: the message was complete, found '\\0'")]),
        (format!("{A}}}"), &[1.0], &[(Malformed, "nothing more")]),
        (format!("data: {A}"), &[1.0], &[(Malformed, "byte 0: expected '{' or '[', found 'd'")]),
        (format!("\u{feff}{A}"), &[1.0], &[]),
        // Keys.
        (with(r#""unit":"m""#), &[1.0], &[(Malformed, "unknown key \"unit\"; expected \"ts\", \"values\"")]),
        (with(r#""timestamp":5"#), &[1.0], &[(Malformed, "unknown key \"timestamp\"")]),
        (with(r#""seq":-1"#), &[1.0], &[(Malformed, "\"seq\" is -1; expected a whole number")]),
        (with(r#""seq":1.5"#), &[1.0], &[(Malformed, "\"seq\" is 1.5")]),
        (with(r#""seq":"7""#), &[1.0], &[(Malformed, "\"seq\" is the text \"7\"")]),
        (with(r#""seq":18446744073709551616"#), &[1.0], &[(Malformed, "to 18446744073709551615")]),
        (with(r#""seq":7,"seq":7"#), &[1.0], &[]),
        (with(r#""seq":7,"seq":8"#), &[1.0], &[(Malformed, "\"seq\" stands twice and differs")]),
        (with(r#""values":{"temperature":2}"#), &[1.0, 2.0], &[]),
        (with(r#""values":null"#), &[1.0], &[(Malformed, "\"values\" is null")]),
        (with(&format!(r#""ts":{NOW}"#)), &[1.0], &[]),
        (with(r#""ts":5"#), &[], &[(BadTime, "ts stands twice and differs")]),
        (r#"{"timestamp":5,"values":{"pm25":1}}"#.into(), &[], &[(BadTime, "the time is \"ts\"")]),
        (r#"{"TS":5,"values":{"pm25":1}}"#.into(), &[], &[(BadTime, "the time is \"ts\"")]),
        (r#"{"Values":{"pm25":1}}"#.into(), &[], &[(Malformed, "measured values stand in \"values\"")]),
        // Values.
        (values(r#""pm25":1,"ts":5"#), &[1.0], &[(Malformed, "\"ts\" stands in \"values\"")]),
        (values(r#""pm25":1,"x":2,"temperature":3"#), &[1.0, 3.0], &[(UnknownProperty, "\"x\"")]),
        (values(r#""pm25":1,,"temperature":3"#), &[1.0, 3.0], &[(Malformed, "in values: expected a name")]),
        (values(r#","pm25":1"#), &[1.0], &[(Malformed, "in values: expected a name")]),
        (values(r#""pm25":1,"#), &[1.0], &[(Malformed, "in values: expected a name")]),
        (values(r#""pm25":1 "temperature":3"#), &[1.0, 3.0], &[(Malformed, "in values.pm25: expected ','")]),
        (values(r#""pm25":1"temperature":3"#), &[1.0, 3.0], &[(Malformed, "in values.pm25: expected ','")]),
        (values(r#""pm25":1,"temperature" 3"#), &[1.0], &[(Malformed, "values.temperature: expected ':'")]),
        (values(r#""pm25":1,"temperature"=3"#), &[1.0], &[(Malformed, "values.temperature: expected ':'")]),
        (
            values(r#""pm25":1,"temperature":"#),
            &[1.0],
            &[(Malformed, "values.temperature: expected a value")],
        ),
        (
            values(r#""temperature":,"pm25":1"#),
            &[1.0],
            &[(Malformed, "values.temperature: expected a value")],
        ),
        (values(r#""temperature":3 4,"pm25":1"#), &[1.0], &[(Malformed, "behind the value, found '4'")]),
        (values(r#""temperature":3,14,"pm25":1"#), &[1.0], &[(Malformed, "has a decimal point, as in 38.1")]),
        (values(r#""pm25":1,"temperature":3,14"#), &[1.0], &[(Malformed, "has a decimal point, as in 38.1")]),
        (values(r#"temperature:3,"pm25":1"#), &[1.0], &[(Malformed, "a name in double quotes, found 't'")]),
        (
            values(r#"'temperature':3,"pm25":1"#),
            &[1.0],
            &[(Malformed, "a name in double quotes, found '\\''")],
        ),
        (values(r#""temperature":'a,b}',"pm25":1"#), &[1.0], &[(Malformed, "double quotes around a text")]),
        (values(r#""temperature":3:4,"pm25":1"#), &[1.0], &[(Malformed, "found ':'")]),
        (values(r#""temp\x":3,"pm25":1"#), &[1.0], &[(Malformed, "after the backslash")]),
        (values(r#""temperature":"\ud800","pm25":1"#), &[1.0], &[(Malformed, "surrogate")]),
        (values(r#""temperature":[1,2],"pm25":1"#), &[1.0], &[(WrongType, "an array")]),
        (
            values(&format!(r#""temperature":{}1{},"pm25":1"#, "[".repeat(40), "]".repeat(40))),
            &[1.0],
            &[(Malformed, "less nesting")],
        ),
        (
            values(r#""pm25":1 /* one */,"temperature":3"#),
            &[1.0, 3.0],
            &[(Malformed, "a comment; JSON has none")],
        ),
        (values("\"pm25\":1, // one\n\"temperature\":3"), &[1.0, 3.0], &[(Malformed, "a comment")]),
    ];
    for (payload, kept, expected) in cases {
        check_message(payload.as_bytes(), kept, false, expected);
    }
    for (bytes, kept) in
        [(&b"\"pm25\":1,\"door_open\":\"\xff\""[..], &[1.0][..]), (b"\"\xc4\":2,\"pm25\":1", &[1.0])]
    {
        let payload = [format!("{{\"ts\":{NOW},\"values\":{{").as_bytes(), bytes, b"}}"].concat();
        check_message(&payload, kept, false, &[(NotUtf8, "not UTF-8")]);
    }
}

/// Two good objects, and one with other members or values.
const A: &str = r#"{"ts":1761523200000,"values":{"pm25":1}}"#;
const B: &str = r#"{"ts":1761523200000,"values":{"temperature":2}}"#;

fn with(member: &str) -> String {
    format!(r#"{{"ts":{NOW},"values":{{"pm25":1}},{member}}}"#)
}

fn values(members: &str) -> String {
    format!(r#"{{"ts":{NOW},"values":{{{members}}}}}"#)
}

#[test]
fn where_time_or_quality_may_be_lost_values_are_uncertain_or_refused() {
    use RejectReason::{BadTime, Malformed};
    let lost = (BadTime, "may have lost its \"ts\"");
    let cut = |part| (Malformed, part);
    let ts = format!(r#""ts":{NOW}"#);
    let cases: Vec<(String, &[f64], Vec<(RejectReason, &str)>)> = vec![
        (
            format!(r#"{{{ts},"values":{{"pm25":1,"temperature":2"#),
            &[1.0],
            vec![cut("the rest of a value, found the end")],
        ),
        (
            format!(r#"{{{ts},"values":{{"pm25":1,"temperature":2 "#),
            &[1.0, 2.0],
            vec![cut("in values: expected '}'")],
        ),
        (format!(r#"{{{ts},"values":{{"pm25":1,"temp"#), &[1.0], vec![cut("the closing double quote")]),
        (format!(r#"{{{ts},"values":{{"pm25":1}}"#), &[1.0], vec![cut("expected '}', found the end")]),
        (
            format!(r#"{{{ts},"values":{{"pm25":1}},"quality":{{"pm25":"fau"#),
            &[1.0],
            vec![cut("quality.pm25")],
        ),
        (r#"{"values":{"pm25":1},"t"#.into(), &[], vec![lost, cut("the closing double quote")]),
        (r#"{"values":{"pm25":1}"#.into(), &[], vec![lost, cut("'}'")]),
        (r#"{'ts':5,"values":{"pm25":1}}"#.into(), &[], vec![lost, cut("a name in double quotes")]),
        (
            format!(r#"{{{ts},"values":{{"pm25":1}},'quality':{{"pm25":"fault"}}}}"#),
            &[1.0],
            vec![cut("a name in double")],
        ),
        (format!(r#"{{{ts},"values":{{"pm25":1}},"quality":{{"pm25" "fault"}}}}"#), &[1.0], vec![cut("':'")]),
        (format!(r#"{{"values":{{"pm25":1}},"ts":5 6}}"#), &[], vec![lost, cut("in ts: expected ','")]),
        (
            format!(r#"{{{ts},"values":{{"signal_mode":"5" pipe","pm25":1}}}}"#),
            &[1.0],
            vec![cut("values.signal_mode")],
        ),
        (
            format!(r#"{{{ts},"values":{{"signal_mode:4,"pm25":1}}}}"#),
            &[1.0],
            vec![cut("':' after the name")],
        ),
        (
            format!(r#"{{{ts},"values":{{"signal_mode:"dark","pm25":1}}}}"#),
            &[1.0],
            vec![cut("':' after the name")],
        ),
        (format!(r#"{{"values":{{"pm25":1,"x":"y"z",{ts}}}"#), &[1.0], vec![cut("values.x")]),
        (
            format!(r#"{{{ts},"values":{{"pm25":1,"quality":{{"pm25":"fault"}}}}}}"#),
            &[1.0],
            vec![cut("\"quality\" stands in")],
        ),
        (r#"{"values":{"pm25":1,"ts":5}}"#.into(), &[], vec![(BadTime, "\"ts\" stands in \"values\"")]),
    ];
    for (payload, kept, expected) in cases {
        check_message(payload.as_bytes(), kept, true, &expected);
    }
}

#[test]
fn damage_in_one_object_leaves_the_others_alone() {
    let ts = format!(r#""ts":{NOW}"#);
    let broken = [
        r#"{"ts":5,"values":{"pm25":"#,
        r#"{"ts":5,"values":{"pm25":9"#,
        r#"{"ts":5,"values":{"pm25":9}"#,
        r#"{"ts":5,"values":{"signal_mode":"dark}}"#,
        r#"{"ts":5,"values":{"signal_mode":dark"}}"#,
        r#"{"ts":5,"values":{"signal_mode":"5" pipe"}}"#,
        r#"{"ts":5,"values":{"pm25":[9}}"#,
        r#"{"ts":5,"values":{"pm25":9]}"#,
        r#"{"ts":5,"values:{"pm25":9}}"#,
        r#"{"ts:5,"values":{"pm25":9}}"#,
        r#"{ts":5,"values":{"pm25":9}}"#,
        r#"{"ts":5;"values":{"pm25":9}}"#,
        "{\"ts\":5,\"values\":{\"pm\n25\":9}}",
        "{",
        "{{",
        "}",
        "]x",
        ":",
        "\"",
        "\\",
        "'",
    ];
    for broken in broken {
        let broken = broken.replace("\"ts\":5", &ts);
        let payload = format!("[{A},{broken},{B}]");
        let message = decode(&payload);
        let found: Vec<f64> =
            message.observations.iter().map(|o| o.value).filter(|value| *value != 9.0).collect();
        assert_eq!(found, [1.0, 2.0], "{payload}: {:?}", refused(&message));
        assert!(!refused(&message).is_empty(), "{payload}");
        // Where a brace is missing, the next object may be the rest of the broken one.
        let is_open = broken.matches('{').count() > broken.matches('}').count();
        let doubted =
            message.observations.iter().filter(|o| o.value == 2.0 && o.quality != Quality::GOOD).count();
        assert!(doubted == 0 || is_open, "{payload}");
    }
}

#[test]
fn what_is_beyond_the_limits_is_refused_as_one() {
    use RejectReason::TooLarge;
    let element = format!(r#"{{"ts":{NOW},"values":{{"pm25":1}}}}"#);
    let five = format!("[{}]", vec![&*element; 8].join(","));
    check_message(five.as_bytes(), &[1.0; 6], false, &[(TooLarge, "2 more objects than one array may have")]);
    let many = values(&vec![r#""pm25":1"#; 103].join(","));
    check_message(many.as_bytes(), &[1.0; 100], false, &[(TooLarge, "3 more values than the 100")]);
    let unknown = format!(r#"{{"ts":{NOW},{}}}"#, vec![r#""x":1"#; 300].join(","));
    assert_eq!(refused(&decode(&unknown)).len(), 101);
    assert_eq!(refused(&decode(&",".repeat(4000))).len(), 1);
    assert_eq!(refused(&decode(&format!("[{}", ",".repeat(3000)))).len(), 101);
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
        let (device, payload) = (device(), payload.as_bytes());
        let context =
            Context { device: &device, credential: "AIR-01", topic, payload, arrival_ms: NOW + at, is_dup };
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
