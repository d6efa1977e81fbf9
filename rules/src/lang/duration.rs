//! Prometheus durations: `1h30m`, `90s`, `250ms`.

/// Units from long to short, in milliseconds; the year has 365 days.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Parses a duration into milliseconds: each unit at most once, long before short; a lone `0` needs no unit.
///
/// Errors: a text that says what would be right.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    let bad = || format!("{text:?} is not a duration; write it like 30s, 5m or 1h30m (units y w d h m s ms)");
    let (mut rest, mut total, mut next_unit) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let slot = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(bad)?;
        if slot < next_unit {
            return Err(bad());
        }
        let too_long = || format!("{text:?} is too long a duration");
        let number: i64 = number.parse().map_err(|_| if digits == 0 { bad() } else { too_long() })?;
        let part = number.checked_mul(UNITS[slot].1);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(too_long)?;
        (rest, next_unit) = (tail, slot + 1);
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

/// Returns the shortest text of a duration; parsing it yields the same. Negative ones count as 0.
pub fn format_duration(ms: i64) -> String {
    if ms <= 0 {
        return "0s".into();
    }
    let (mut rest, mut out) = (ms, String::new());
    for (unit, size) in UNITS {
        // Weeks and years only when they say all of it: 10d reads better than 1w3d.
        let whole_only = matches!(unit, "y" | "w");
        if rest >= size && (!whole_only || rest % size == 0) {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_in_prometheus() {
        let minute = 60_000;
        for (text, ms) in [
            ("0", 0),
            ("1h30m", 90 * minute),
            ("1d", 1440 * minute),
            ("1s5ms", 1005),
            ("2w", 20_160 * minute),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for bad in ["", "5", "m", "1m1h", "1m2m", "1.5h", "-1m", "1h ", "1µs", "5min"] {
            assert!(parse_duration(bad).unwrap_err().contains("is not a duration"), "{bad}");
        }
        assert!(parse_duration("99999999999999999999y").unwrap_err().contains("too long"));
        assert!(parse_duration("999999999999y").unwrap_err().contains("too long"));
    }

    proptest! {
        #[test]
        fn durations_survive_their_text(ms in 1..i64::MAX / 2) {
            prop_assert_eq!(parse_duration(&format_duration(ms)), Ok(ms));
        }

        #[test]
        fn garbage_is_no_duration_and_no_panic(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
