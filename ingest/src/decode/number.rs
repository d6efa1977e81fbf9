//! JSON numbers in all their forms, as values and as whole numbers.

/// Most digits whose value, as a whole number, is below 2^53 and so exact in f64.
const EXACT_DIGITS: usize = 15;

/// Powers of ten up to 10^15, all exact.
const TENS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a JSON number; correctly rounded. Too large a number becomes infinite, which no range holds.
pub(super) fn number(text: &str) -> f64 {
    short_number(text.as_bytes()).unwrap_or_else(|| text.parse().unwrap_or(f64::NAN))
}

/// Reads a number of few digits and no exponent, by far the most: digits and power of ten are both exact, so
/// their one division is correctly rounded (Clinger, "How to read floating point numbers accurately", 1990).
fn short_number(text: &[u8]) -> Option<f64> {
    let (digits, is_negative) = text.strip_prefix(b"-").map_or((text, false), |rest| (rest, true));
    if digits.len() > EXACT_DIGITS + 1 {
        return None;
    }
    let (mut whole, mut count, mut point) = (0u64, 0, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                whole = whole * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' => point = Some(count),
            _ => return None,
        }
    }
    let value = whole as f64 / TENS.get(count - point.unwrap_or(count)).filter(|_| count <= EXACT_DIGITS)?;
    Some(if is_negative { -value } else { value })
}

/// Digits of the largest whole number that is read: all of `u64` and `i64` have fewer.
const WHOLE_DIGITS_MAX: i64 = 25;

/// A number of JSON's grammar without what stands behind its decimal point.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) is_negative: bool,
    pub(super) digits: u128,
    /// There was something behind the decimal point, other than zeros.
    pub(super) has_fraction: bool,
}

/// Reads the whole part of a JSON number, exactly: `1.7e12`, `42.0` and `-0` are whole numbers too.
///
/// Returns `None` when it has more than 25 digits.
pub(super) fn whole(text: &str) -> Option<Whole> {
    let (unsigned, is_negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = || before.bytes().chain(behind.bytes());
    let zeros = all().take_while(|digit| *digit == b'0').count();
    if zeros == before.len() + behind.len() {
        return Some(Whole { is_negative: false, digits: 0, has_fraction: false });
    }
    // Where the point stands among the digits; an exponent too long for its type moves it out of sight all the same.
    let far = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    let point = exponent.parse().unwrap_or(far).clamp(i64::MIN / 2, i64::MAX / 2) + before.len() as i64;
    if point - zeros as i64 > WHOLE_DIGITS_MAX {
        return None;
    }
    let count = usize::try_from(point).unwrap_or(0);
    let padded = all().chain(std::iter::repeat(b'0')).take(count);
    let digits = padded.fold(0u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let has_fraction = all().skip(count).any(|digit| digit != b'0');
    Some(Whole { is_negative: is_negative && (digits > 0 || has_fraction), digits, has_fraction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_correctly_rounded(text in "-?(0|[1-9][0-9]{0,16})(\\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?") {
            prop_assert_eq!(number(&text).to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
        }

        #[test]
        fn whole_numbers_are_exact(value: u64, shift in 0usize..30, is_negative: bool) {
            let sign = if is_negative { "-" } else { "" };
            let found = |text: String| whole(&format!("{sign}{text}")).unwrap();
            let expected = Whole { is_negative: is_negative && value > 0, digits: value.into(), has_fraction: false };
            prop_assert_eq!(&found(value.to_string()), &expected);
            prop_assert_eq!(&found(format!("{value}.000")), &expected);
            prop_assert_eq!(&found(format!("{value}{}e-{shift}", "0".repeat(shift))), &expected);
            let digits = value.to_string();
            let (first, rest) = digits.split_at(1);
            prop_assert_eq!(&found(format!("{first}.{rest}0E+{}", rest.len())), &expected);
        }

        #[test]
        fn any_number_is_read_without_panic(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][-+]?[0-9]{1,25})?") {
            if let Some(found) = whole(&text) {
                let value = text.parse::<f64>().unwrap().abs().trunc();
                prop_assert!((found.digits as f64 - value).abs() <= value * 1e-12 + 1.0, "{}: {:?}", text, found);
            }
        }
    }

    #[test]
    fn fractions_are_noticed() {
        let cases = [
            ("0.10", false, 0, true),
            ("-0", false, 0, false),
            ("-0.0e7", false, 0, false),
            ("-0.5", true, 0, true),
            ("1.5e1", false, 15, false),
            ("15e-1", false, 1, true),
            ("1e-999999999999999999999", false, 0, true),
        ];
        for (text, is_negative, digits, has_fraction) in cases {
            assert_eq!(whole(text), Some(Whole { is_negative, digits, has_fraction }), "{text}");
        }
        assert_eq!(whole("1e99999999999999999999999"), None);
        assert_eq!(whole("1e25"), None);
    }
}
