//! Event times as devices write them: whole milliseconds since the epoch, or RFC 3339.

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Reads an RFC 3339 date and time, as in `2025-10-27T07:00:00+07:00`. Date and time may be apart by a space (§5.6),
/// and the offset may be written as `+0700` or `+07` (ISO 8601; C's `strftime` does).
///
/// Returns milliseconds since the epoch, rounded down; `None` when `text` is anything else. A leap second
/// counts as the last millisecond of its minute.
pub fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date_time, rest) = bytes.split_at_checked(19)?;
    let number = |from: usize, to: usize| digits(date_time.get(from..to)?);
    let separators = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if !separators.iter().all(|(at, mark)| date_time[*at] == mark[0])
        || !matches!(date_time[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let days = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = fraction(rest)?;
    let in_minute_ms = (second * 1000 + fraction_ms).min(59_999);
    let local_ms = days * DAY_MS + (hour * 60 + minute) * 60_000 + in_minute_ms;
    Some(local_ms - offset_minutes(zone)? * 60_000)
}

/// Splits `.123Z` into milliseconds and the rest.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, zone) = rest.split_at(count);
    let places = fraction.get(..count.min(3)).filter(|places| !places.is_empty())?;
    let scale = [100, 10, 1][places.len() - 1];
    Some((digits(places)? * scale, zone))
}

/// Reads `Z`, `+07:00` and the like.
fn offset_minutes(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, rest @ ..] => {
            let [m1, m2] = match rest {
                [] => [b'0'; 2],
                [b':', m1, m2] | [m1, m2] => [*m1, *m2],
                _ => return None,
            };
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[m1, m2])?);
            let offset = hours * 60 + minutes;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    let is_number = bytes.iter().all(u8::is_ascii_digit);
    is_number.then(|| bytes.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` when there is no such day.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Count years from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 1 March of year 0 and 1 January 1970.
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_times() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2025-10-27T07:00:00+07:00", 1_761_523_200_000),
            ("2025-10-27t00:00:00.9999z", 1_761_523_200_999),
            ("2025-10-26T20:00:00.5-04:00", 1_761_523_200_500),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
            ("2017-01-01T06:59:60.5+07:00", 1_483_228_799_999),
            ("2025-10-27 07:00:00+07:00", 1_761_523_200_000),
            ("2025-10-27T07:00:00.123456789+0700", 1_761_523_200_123),
            ("2025-10-26t17:00:00-07", 1_761_523_200_000),
            ("2025-10-27T00:00:00-00:00", 1_761_523_200_000),
        ];
        for (text, expected) in cases {
            assert_eq!(rfc3339(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time() {
        for text in [
            "",
            "2025-10-27",
            "2025-10-27T07:00:00",
            "2025-10-27  07:00:00Z",
            "2025-10-27T07:00Z",
            "2025-10-27T07:00:00+7",
            "2025-10-27T07:00:00+070",
            "2025-10-27T07:00:00+07:0",
            "2025-10-27T07:00:00+07:000",
            "2025-10-27T07:00:00−07:00",
            "2025-10-27T24:00:00Z",
            "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-10-00T00:00:00Z",
            "2025-10-27T07:00:00.Z",
            "2025-10-27T07:00:00Zx",
            "2025-10-27T07:00:00+24:00",
            "+025-10-27T07:00:00Z",
            "2025-10-27T07:00:61Z",
            "hai giờ chiều hôm qua",
            "２025-10-27T07:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(ms in -62_000_000_000_000i64..253_000_000_000_000, offset_min in -1439i64..1440) {
            let instant = jiff::Timestamp::from_millisecond(ms).unwrap();
            prop_assert_eq!(rfc3339(&instant.to_string()), Some(ms));
            let local = jiff::Timestamp::from_millisecond(ms + offset_min * 60_000).unwrap().to_string();
            let sign = if offset_min < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", offset_min.abs() / 60, offset_min.abs() % 60);
            prop_assert_eq!(rfc3339(&local.replace('Z', &zone)), Some(ms));
        }

        #[test]
        fn never_panics(text in ".{0,40}", digits in "[-0-9T:.Z+]{15,30}") {
            let _ = (rfc3339(&text), rfc3339(&digits));
        }
    }
}
