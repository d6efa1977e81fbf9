//! When a certificate ends: the one field of it that we read ourselves.

/// Reads the end of validity out of a certificate (RFC 5280 §4.1), in seconds since the epoch.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut to_be_signed, _) = element(certificate)?;
    if to_be_signed.first() == Some(&VERSION) {
        to_be_signed = element(to_be_signed)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        to_be_signed = element(to_be_signed)?.2;
    }
    let (_, validity, _) = element(to_be_signed)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    seconds(tag, std::str::from_utf8(time).ok()?)
}

/// Splits DER into the first element's tag and content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = der.split_first_chunk::<2>()?;
    let (len, rest) = match short {
        0..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let push = |len: usize, digit: &u8| len.checked_mul(256)?.checked_add(usize::from(*digit));
            (digits.iter().try_fold(0, push)?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// Reads UTCTime (two digits of the year) or GeneralizedTime (four).
fn seconds(tag: u8, time: &str) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    let digits = time.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        _ => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let date = jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_that_is_cut_anywhere_is_no_certificate_and_no_panic() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 12, 31);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let der = made.der();
        let end = "2031-12-31T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
        assert_eq!(not_after(der), Some(end));
        for len in 0..der.len() {
            assert_eq!(not_after(&der[..len]), None);
        }
        assert_eq!(not_after(&[0x30, 0x8f, 0xff, 0xff]), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
