//! Query parameters that several resources share, with errors that say what would be right.
use super::problem::{Answer, Problem};
use ioc_ingest::decode::rfc3339;
use ioc_model::{Catalogue, Domain};
use serde::{Deserialize, Deserializer, de::Error};

/// Most entries on one page.
pub const PAGE_MAX: usize = 1000;
/// Entries on a page when nothing is asked for.
pub const PAGE_DEFAULT: usize = 200;

/// Reads a time: milliseconds since the epoch, or RFC 3339 in the forms that devices may write.
///
/// Errors: 400 names the parameter.
pub fn time(name: &str, text: &str) -> Answer<i64> {
    if let Some(ms) = milliseconds(text) {
        return Ok(ms);
    }
    // A `+` in a query string is a space by the time it gets here, the last one.
    let with_plus = || text.rsplit_once(' ').map(|(before, zone)| format!("{before}+{zone}"));
    let parsed = rfc3339(text).or_else(|| rfc3339(&with_plus()?));
    let parsed = parsed.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    parsed.ok_or_else(|| {
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

/// Reads a whole number in any form of JSON, such as `200`, `200.0` or `2e2`.
///
/// Errors: what is no whole number.
pub fn whole<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<Option<N>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let float = || milliseconds(&text).filter(|whole| text.parse() == Ok(*whole as f64));
    let number = text.parse().ok().or_else(float).and_then(|number: i64| N::try_from(number).ok());
    let expected = || D::Error::custom(format!("{text:?} is not a whole number such as 200"));
    number.map(Some).ok_or_else(expected)
}

/// As [`whole`], of what must be there.
pub fn needed<'de, D: Deserializer<'de>, N: TryFrom<i64>>(deserializer: D) -> Result<N, D::Error> {
    whole(deserializer)?.ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// Reads comma-separated words of a closed set.
///
/// Errors: 400 names the word and the set.
pub fn words<T: std::str::FromStr<Err: std::fmt::Display>>(text: Option<&str>) -> Answer<Vec<T>> {
    parts(text).map(|word| word.parse().map_err(Problem::bad_request)).collect()
}

/// Reads comma-separated domains of the city.
///
/// Errors: 400 names the first that is none, and those that there are.
pub fn domains(text: Option<&str>, catalogue: &Catalogue) -> Answer<Vec<Domain>> {
    let domains: Vec<Domain> = words(text)?;
    catalogue.known_domains(&domains).map_err(Problem::bad_request)?;
    Ok(domains)
}

/// Reads comma-separated texts.
pub fn texts(text: Option<&str>) -> Vec<String> {
    parts(text).map(str::to_owned).collect()
}

/// Splits a list; spaces around its parts do not belong to them.
fn parts(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or("").split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Query;

    #[test]
    fn times_are_milliseconds_or_rfc_3339() {
        assert_eq!(time("from", "1700000000000").ok(), Some(1_700_000_000_000));
        for same in ["1700000000000.9", "1.7e12", "1.7E+12", "2023-11-14T22:13:20Z"] {
            assert_eq!(time("from", same).ok(), Some(1_700_000_000_000), "{same}");
        }
        for same in [
            "2023-11-14 22:13:20Z",
            "2023-11-15 05:13:20 07:00",
            "2023-11-15 05:13:20+0700",
            "2023-11-15T05:13:20 07",
            "2023-11-14T22:13:20.000Z",
        ] {
            assert_eq!(time("from", same).ok(), Some(1_700_000_000_000), "{same}");
        }
        for bad in [
            "2023-11-14 22:13:20",
            "2023-11-14",
            "2023-11-14 22:13:20 ",
            "inf",
            "nan",
            "1e300",
            "1700000000000x",
            "",
            ".",
        ] {
            assert!(time("from", bad).is_err(), "{bad}");
        }
        assert_eq!(time("from", "2023-11-15T05:13:20 07:00").ok(), Some(1_700_000_000_000));
        assert!(time("from", "yesterday").is_err());
    }

    #[test]
    fn whole_numbers_come_in_every_form_of_json() {
        #[derive(Deserialize)]
        struct Asked {
            #[serde(default, deserialize_with = "whole")]
            limit: Option<usize>,
        }
        let asked = |query: &str| {
            let uri = format!("/?{query}").parse().unwrap();
            Query::<Asked>::try_from_uri(&uri).map(|asked| asked.limit).ok()
        };
        assert_eq!(asked(""), Some(None));
        for (text, expected) in
            [("100", 100), ("100.0", 100), ("1e2", 100), ("1.5E1", 15), ("0", 0), ("007", 7)]
        {
            assert_eq!(asked(&format!("limit={text}")), Some(Some(expected)), "{text}");
        }
        for text in ["", "x", "1.5", "-1", "-1.0", "1e300", "inf", "NaN", "1.", "0x10"] {
            assert_eq!(asked(&format!("limit={text}")), None, "{text}");
        }
    }

    #[test]
    fn lists_are_comma_separated() {
        assert_eq!(texts(Some("a,%20b, c ,,\t, d e ")), ["a", "%20b", "c", "d e"]);
    }

    #[test]
    fn domains_are_those_of_the_catalogue() {
        let catalogue =
            ioc_model::Catalogue::from_toml(include_str!("../../../configs/catalogue/catalogue.toml"))
                .unwrap();
        let two = [Domain::from_static("traffic"), Domain::from_static("lighting")];
        for text in [" traffic , lighting", "traffic,lighting"] {
            assert_eq!(domains(Some(text), &catalogue).ok(), Some(two.to_vec()));
        }
        for bad in ["roads", "traffic,roads", "Traffic", "alerts"] {
            assert!(domains(Some(bad), &catalogue).is_err(), "{bad}");
        }
        assert_eq!(domains(None, &catalogue).ok(), Some(vec![]));
    }
}
