//! Query parameters that several resources share, with errors that say what would be right.
use super::problem::{Answer, Problem};

/// Most entries on one page.
pub const PAGE_MAX: usize = 1000;
/// Entries on a page when nothing is asked for.
pub const PAGE_DEFAULT: usize = 200;

/// Reads a time: integer milliseconds since the epoch, or RFC 3339.
///
/// Errors: 400 names the parameter.
pub fn time(name: &str, text: &str) -> Answer<i64> {
    if let Some(ms) = milliseconds(text) {
        return Ok(ms);
    }
    // A `+` in a query string is a space by the time it gets here.
    let timestamp = text.replace(' ', "+").parse::<jiff::Timestamp>();
    timestamp.map(|t| t.as_millisecond()).map_err(|_| {
        let right = "milliseconds since the epoch or RFC 3339, such as 2026-11-22T03:00:00+07:00";
        Problem::bad_request(format!("{name}={text} is not a time; expected {right}"))
    })
}

/// Up to here an `f64` tells each millisecond from the next.
const MILLISECONDS_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a number of milliseconds in any form of JSON, as the decoder does: what is less than one is cut off.
fn milliseconds(text: &str) -> Option<i64> {
    let has_digits = text.bytes().next_back().is_some_and(|last| last.is_ascii_digit());
    let float = || text.parse::<f64>().ok().filter(|ms| has_digits && ms.abs() <= MILLISECONDS_MAX);
    text.parse().ok().or_else(|| float().map(|ms| ms.floor() as i64))
}

/// Reads a page size.
///
/// Errors: 400 outside 1 to [`PAGE_MAX`].
pub fn limit(asked: Option<usize>) -> Answer<usize> {
    match asked {
        None => Ok(PAGE_DEFAULT),
        Some(limit @ 1..=PAGE_MAX) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("limit={limit}; expected 1 to {PAGE_MAX}"))),
    }
}

/// Reads comma-separated words of a closed set.
///
/// Errors: 400 names the word and the set.
pub fn words<T: std::str::FromStr<Err: std::fmt::Display>>(text: Option<&str>) -> Answer<Vec<T>> {
    let words = text.unwrap_or("").split(',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(Problem::bad_request)).collect()
}

/// Reads comma-separated texts.
pub fn texts(text: Option<&str>) -> Vec<String> {
    text.unwrap_or("").split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::Domain;

    #[test]
    fn times_are_milliseconds_or_rfc_3339() {
        assert_eq!(time("from", "1700000000000").ok(), Some(1_700_000_000_000));
        for same in ["1700000000000.9", "1.7e12", "1.7E+12", "2023-11-14T22:13:20Z"] {
            assert_eq!(time("from", same).ok(), Some(1_700_000_000_000), "{same}");
        }
        for bad in ["inf", "nan", "1e300", "1700000000000x", "", "."] {
            assert!(time("from", bad).is_err(), "{bad}");
        }
        assert_eq!(time("from", "2023-11-15T05:13:20 07:00").ok(), Some(1_700_000_000_000));
        assert!(time("from", "yesterday").is_err());
    }

    #[test]
    fn lists_are_comma_separated() {
        assert_eq!(
            words::<Domain>(Some("traffic,lighting")).ok(),
            Some(vec![Domain::Traffic, Domain::Lighting])
        );
        assert!(words::<Domain>(Some("roads")).is_err());
        assert_eq!(words::<Domain>(None).ok(), Some(vec![]));
    }
}
