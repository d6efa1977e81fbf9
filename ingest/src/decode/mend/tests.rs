use super::*;
use crate::decode::json::Reader;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_left_can_be_read(text in "[\\[\\]{}\",:\\\\ 1-nat/*'\n\u{fffd}]{0,120}", is_utf8: bool) {
        let mended = mend(&text, (!is_utf8).then_some(0));
        let mut reader = Reader::new(&mended.text);
        prop_assert!(reader.value().and_then(|_| reader.end()).is_ok(), "{:?}: {:?}", text, mended);
        prop_assert!(mended.damages.len() <= DAMAGES_MAX + 1);
    }
}

/// Each of these makes a reader that starts again behind every fault go through the rest of the text for each.
#[test]
fn work_is_bounded() {
    for part in [
        "\"",
        "\"a\":\"",
        "{\"a\":[",
        "\"a\" \"",
        "'",
        "a\"b",
        "[",
        "{",
        "{\"values\":{",
        ",\"",
        "/*",
        "\\\"",
    ] {
        let text = format!("[{{\"values\":{{{}", part.repeat(200_000 / part.len()));
        let mended = mend(&text, None);
        assert!(mended.damages.len() <= DAMAGES_MAX + 1 && !mended.damages.is_empty(), "{part}");
    }
}
