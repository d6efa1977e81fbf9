//! What is wrong in a message, and what is kept of it.
use super::*;

/// Reason, and a part of the text.
type Refusal<'a> = (RejectReason, &'a str);
type Refusals<'a> = &'a [Refusal<'a>];

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
    let cases: Vec<(String, &[f64], Refusals<'_>)> = vec![
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
        (with(r#""seq":7,"seq":8"#), &[], &[(BadTime, "\"seq\" stands twice")]),
        (with(r#""values":{"temperature":2}"#), &[], &[(BadTime, "\"values\" stands twice"); 2]),
        (with(r#""values":null"#), &[1.0], &[(Malformed, "\"values\" is null")]),
        (with(r#""v":{"temperature":2}"#), &[], &[(Malformed, "unknown key"), (BadTime, "stands twice")]),
        (with(r#""v":{"x":2}"#), &[1.0], &[(Malformed, "unknown key \"v\"")]),
        (with(r#""tss":1761523200001"#), &[], &[(Malformed, "the time is \"ts\""), (BadTime, "misspelt")]),
        (with(r#""quality":{},"quality":{}"#), &[], &[(BadTime, "\"quality\" stands twice")]),
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
        (values(r#""pm25":1"temperature":3"#), &[3.0], &[(Malformed, "which may have lost digits")]),
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
    let cases: Vec<(String, &[f64], Vec<Refusal<'_>>)> = vec![
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
        (r#"{"values":{"pm25":1},"ts":5 6}"#.into(), &[], vec![lost, cut("in ts: expected ','")]),
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

/// A device that closes its object too early wrote a time all the same: its values do not get the time of their arrival.
#[test]
fn a_time_that_stands_elsewhere_is_never_lost_silently() {
    let v = r#"{"values":{"pm25":1}}"#;
    let cases = [
        format!(r#"{v},{{"ts":{NOW}}}"#),
        format!(r#"{v}{{"ts":{NOW}}}"#),
        format!("{v}\n{{\"ts\":{NOW}}}\n"),
        format!(r#"{v},{{"time":{NOW}}}"#),
        format!(r#"{v},{{"epoch":{NOW}}}"#),
        format!(r#"{v},{{"at":"2025-10-27T00:00:00Z","seq":3}}"#),
        format!(r#"{v},{{"ts":{NOW}"#),
        format!(r#"{v},{{"ts":"#),
        format!(r#"{v},{{"#),
        format!(r#"{v},{{'ts':{NOW}}}"#),
        format!(r#"{v},{{ts:{NOW}}}"#),
        format!(r#"{v},"ts":{NOW}}}"#),
        format!(r#"{v},"ts":{NOW}"#),
        format!(r#"{v},"t"#),
        format!(r#"{v},'ts':{NOW}}}"#),
        format!(r#"{v},ts:{NOW}}}"#),
        format!(r#"{v},{NOW}"#),
        format!(r#"{v} {NOW}"#),
        format!(r#"{v},"x","ts":{NOW}}}"#),
        format!(r#"{v},["ts",{NOW}]"#),
        format!(r#"{v},['ts',{NOW}]"#),
        format!(r#"{v}}},{{"ts":{NOW}}}"#),
        format!(r#"{{"ts":{NOW}}},{v}"#),
        format!(r#"{{"ts":{NOW}}}{v}"#),
        format!(r#""ts":{NOW},{v}"#),
        format!(r#"{NOW} {v}"#),
        format!(r#"{NOW},{v}"#),
        format!(r#"[{v},{{"ts":{NOW}}}]"#),
        format!(r#"[{{"ts":{NOW}}},{v}]"#),
        format!(r#"[{{"seq":1,"ts":{NOW}}},{v}]"#),
        format!(r#"[{NOW},{v}]"#),
        format!(r#"["2025-10-27T00:00:00Z",{v}]"#),
        format!(r#"[{v},"ts":{NOW}]"#),
        format!(r#"[{v},'ts':{NOW}]"#),
        format!(r#"[{v},ts:{NOW}}}]"#),
        format!(r#"[{v}],{{"ts":{NOW}}}"#),
        format!(r#"[{v}],"ts":{NOW}}}"#),
        format!(r#"[{v},{v}],"ts":{NOW}}}"#),
    ];
    for payload in cases {
        let message = decode(&payload);
        assert_eq!(message.observations, [], "{payload}: {:?}", refused(&message));
        let found = refused(&message);
        let bad = found.iter().filter(|(reason, _)| *reason == RejectReason::BadTime).count();
        assert_eq!(bad, payload.matches("pm25").count(), "{payload}: {found:?}");
    }
}

#[test]
fn a_quality_that_stands_elsewhere_makes_values_uncertain() {
    let quality = r#""quality":{"pm25":"fault"}"#;
    for payload in [
        format!("{A},{{{quality}}}"),
        format!("{A},{quality}}}"),
        format!("{A}}},{quality}}}"),
        format!("[{A},{{{quality}}}]"),
        format!("{{{quality}}}{A}"),
        format!("{quality},{A}"),
        format!("[{A},{{\"qualities\":{{\"pm25\":\"fault\"}}}}]"),
    ] {
        let message = decode(&payload);
        let found: Vec<_> = message.observations.iter().map(|o| (o.value, o.quality)).collect();
        assert_eq!(found, [(1.0, Quality::UNCERTAIN)], "{payload}: {:?}", refused(&message));
    }
}

#[test]
fn what_cannot_be_a_time_beside_values_without_one_costs_them_nothing() {
    let v = r#"{"values":{"pm25":1}}"#;
    for payload in [
        format!("{v}}}"),
        format!("{v} x"),
        format!("{v},"),
        format!("{v}\0"),
        format!("{v},{{}}"),
        format!(r#"{v},{{"seq":3}}"#),
        format!("{v},{A}"),
        format!("[{v},7]"),
        format!("[{v},{{\"ts\":{NOW},\"values\":{{}}}}]"),
        format!("[{v},{{\"ts\":{NOW},\"value\":{{\"pm25\":2}}}}]"),
        format!("data: {v}"),
    ] {
        let message = decode(&payload);
        assert_eq!(
            message.observations[0].quality,
            Quality::ARRIVAL_TIMED,
            "{payload}: {:?}",
            refused(&message)
        );
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
    let five = format!("[{}]", [&*element; 8].join(","));
    check_message(five.as_bytes(), &[1.0; 6], false, &[(TooLarge, "2 more objects than one array may have")]);
    let many = values(&vec![r#""pm25":1"#; 103].join(","));
    check_message(many.as_bytes(), &[1.0; 100], false, &[(TooLarge, "3 more values than the 100")]);
    let unknown = format!(r#"{{"ts":{NOW},{}}}"#, vec![r#""x":1"#; 300].join(","));
    assert_eq!(refused(&decode(&unknown)).len(), 101);
    assert_eq!(refused(&decode(&",".repeat(4000))).len(), 1);
    assert_eq!(refused(&decode(&format!("[{}", ",".repeat(3000)))).len(), 101);
}

/// A bracket or brace too many costs the member that it stands at.
#[test]
fn a_bracket_too_many_leaves_the_other_members() {
    let ts = format!(r#""ts":{NOW}"#);
    let ok = r#""values":{"pm25":2,"temperature":3}"#;
    let cases: [(String, &[f64]); 14] = [
        (values(r#""pm25":38.1],"temperature":3"#), &[3.0]),
        (values(r#""pm25":38.1}},"temperature":3"#).replacen("}}", "}", 1), &[38.1, 3.0]),
        (values(r#""pm25":[38.1,"temperature":3"#), &[3.0]),
        (values(r#""pm25":[38.1],"temperature":3"#), &[3.0]),
        (values(r#""temperature":3,"pm25":38.1]"#), &[3.0]),
        (values(r#""temperature":3,"pm25":38.1}"#), &[3.0, 38.1]),
        (values(r#""temperature":3,"pm25":[38.1"#), &[3.0]),
        (format!(r#"{{{ts},"values":{{"temperature":3,"pm25":38.1]}}"#), &[3.0, 38.1]),
        (format!(r#"{{{ts},"seq":38.1],{ok}}}"#), &[2.0, 3.0]),
        (format!(r#"{{{ts},"seq":7}},{ok}}}"#), &[2.0, 3.0]),
        (format!(r#"{{{ts},"seq":[38.1,{ok}}}"#), &[2.0, 3.0]),
        (format!(r#"{{{ts},{ok},"seq":7]}}"#), &[2.0, 3.0]),
        (format!(r#"{{{ts},{ok},"quality":{{"pm25":"good"]}}}}"#), &[2.0, 3.0]),
        (format!(r#"{{{ts},"quality":{{"pm25":"good"}}],{ok}}}"#), &[2.0, 3.0]),
    ];
    for (payload, kept) in cases {
        for payload in [payload.clone(), format!("[{payload},{B}]")] {
            // In an array the values of an object that ends before them may be those of another one.
            let is_apart = payload.starts_with('[') && payload.contains(r#""seq":7},"#);
            let message = decode(&payload);
            let found: Vec<f64> = message.observations.iter().map(|o| o.value).collect();
            let mut wanted = if is_apart { Vec::new() } else { kept.to_vec() };
            wanted.extend(payload.ends_with(&format!("{B}]")).then_some(2.0));
            assert_eq!(found, wanted, "{payload}: {:?}", refused(&message));
            assert!(!refused(&message).is_empty(), "{payload}");
            let times = message.observations.iter().map(|o| o.ts_ms);
            assert!(times.into_iter().all(|ts_ms| ts_ms == NOW), "{payload}");
        }
    }
}

/// What a modem lost in the middle of an array takes nothing to the time of another object.
#[test]
fn an_object_ends_where_another_one_begins() {
    let (old, new) = (NOW - 7_200_000, NOW - 3_600_000);
    let cases = [
        format!(r#"[{{"ts":{old},"values":{{"pm25":1}},"sets":{new},"values":{{"pm25":2}}}}]"#),
        format!(r#"{{"ts":{old},"va{{"ts":{new},"values":{{"pm25":2}}}}"#),
        format!(r#"{{"ts":{old},"va{{"ts":{new},"values":{{"pm25":2}}"#),
        format!(r#"[{{"ts":{old},"va[{{"ts":{new},"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"ts":{old},"seq":4[,{{"ts":{new},"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"ts":{old},"seq":4[,{{"ts":{new},"values":{{"pm25":2}}}}]]"#),
        format!(r#"[{{"ts":{old},"seq":[4,{{"ts":{new},"values":{{"pm25":2}}}}]]"#),
        format!(r#"[{{"ts":{old},"seq":{{"ts":{new},"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"ts":{old},"va"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"ts":{old},"vats:{new},"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"ts":{old},"values":{{"pm25":1}},"se"values":{{"pm25":2}}}}]"#),
        format!(r#"[{{"values":{{"pm25":2}},"v"ts":{old}}}]"#),
    ];
    for payload in cases {
        let message = decode(&payload);
        let wrong = |o: &&Observation| o.value == 2.0 && o.ts_ms != new;
        assert_eq!(message.observations.iter().find(wrong), None, "{payload}: {:?}", refused(&message));
        assert!(!refused(&message).is_empty(), "{payload}");
    }
}

#[test]
fn a_comment_without_end_hides_no_object() {
    let message = decode(&format!("[{A},/*{B}]"));
    assert_eq!(message.observations.len(), 2, "{:?}", refused(&message));
}
