//! The certificate of HTTPS: read again when its files change, so that renewing it takes no restart. A pair that cannot
//! be used, such as a new certificate whose key is still the old one, leaves the one before in use.
use arc_swap::ArcSwap;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Browsers that speak HTTP/2 as well are told what we speak.
const PROTOCOL: &[u8] = b"http/1.1";

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}; name a readable PEM file", path.display())]
    Read {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has nothing of what it should.
    #[error("{}: {reason}; it must be a PEM file with {expected}", path.display())]
    Pem {
        /// As configured.
        path: PathBuf,
        /// What was found.
        reason: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Certificate and key do not work together.
    #[error("{} and {}: {source}; the key must be that of the first certificate", certificate.display(), key.display())]
    Pair {
        /// As configured.
        certificate: PathBuf,
        /// As configured.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

/// A certificate and its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<Served>,
    /// What the files held when they were last looked at.
    seen: Mutex<u64>,
}

struct Served {
    config: Arc<ServerConfig>,
    expires_s: Option<i64>,
}

impl Tls {
    /// Reads both files.
    ///
    /// Errors: [`TlsError`] names the file and what it should hold.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (served, seen) = read(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: ArcSwap::from_pointee(served),
            seen: Mutex::new(seen),
        })
    }

    /// Reads the files again if they have changed. Returns whether there is another certificate now.
    ///
    /// Errors: [`TlsError`], once for each change; the certificate before stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = fingerprint(&self.certificate, &self.key);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        let (served, _) = read(&self.certificate, &self.key)?;
        self.current.store(Arc::new(served));
        Ok(true)
    }

    /// Returns when the certificate ends, in seconds since the epoch; `None` when it cannot be told.
    pub fn expires_s(&self) -> Option<i64> {
        self.current.load().expires_s
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }
}

fn fingerprint(certificate: &Path, key: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [certificate, key] {
        std::fs::read(path).map_err(|error| error.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

fn read(certificate: &Path, key: &Path) -> Result<(Served, u64), TlsError> {
    let seen = fingerprint(certificate, key);
    let bytes =
        |path: &Path| std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    let pem =
        |path: &Path, reason: String, expected| TlsError::Pem { path: path.to_owned(), reason, expected };
    const CHAIN: &str = "the certificate and those that signed it";
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| pem(certificate, error.to_string(), CHAIN))?;
    let Some(first) = chain.first() else {
        return Err(pem(certificate, "no certificate in it".to_owned(), CHAIN));
    };
    let expires_s = not_after(first);
    let private = PrivateKeyDer::from_pem_slice(&bytes(key)?)
        .map_err(|error| pem(key, error.to_string(), "the private key"))?;
    let pair = |source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok((Served { config: Arc::new(config), expires_s }, seen))
}

/// Reads the end of validity out of a certificate (RFC 5280 §4.1), in seconds since the epoch.
fn not_after(certificate: &[u8]) -> Option<i64> {
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
    use std::fs;

    struct Files {
        _dir: tempfile::TempDir,
        certificate: PathBuf,
        key: PathBuf,
    }

    impl Files {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
            Self { _dir: dir, certificate, key }
        }

        /// Writes a new pair that ends with this year.
        fn make(&self, year: i32) -> (String, String) {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 12, 31);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        }

        fn write(&self, (certificate, key): &(String, String)) {
            fs::write(&self.certificate, certificate).unwrap();
            fs::write(&self.key, key).unwrap();
        }
    }

    fn end_of(year: i32) -> Option<i64> {
        Some(format!("{year}-12-31T00:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[test]
    fn a_changed_pair_is_used_and_a_broken_one_is_not() {
        let files = Files::new();
        let (first, second) = (files.make(2031), files.make(2055));
        files.write(&first);
        let tls = Tls::load(&files.certificate, &files.key).unwrap();
        assert_eq!((tls.reload().unwrap(), tls.expires_s()), (false, end_of(2031)));
        // Files are replaced one after the other.
        fs::write(&files.certificate, &second.0).unwrap();
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains("the key must be that of the first certificate"), "{error}");
        assert_eq!((tls.reload().unwrap(), tls.expires_s()), (false, end_of(2031)), "said once");
        fs::write(&files.key, &second.1).unwrap();
        assert_eq!((tls.reload().unwrap(), tls.expires_s()), (true, end_of(2055)));
        fs::remove_file(&files.key).unwrap();
        assert!(tls.reload().unwrap_err().to_string().contains("key.pem"));
        fs::write(&files.certificate, "garbage").unwrap();
        let error = tls.reload().unwrap_err().to_string();
        assert!(error.contains("cert.pem") && error.contains("PEM file"), "{error}");
        files.write(&first);
        assert_eq!((tls.reload().unwrap(), tls.expires_s()), (true, end_of(2031)));
    }

    #[test]
    fn der_that_is_cut_anywhere_is_no_certificate_and_no_panic() {
        let files = Files::new();
        let der = CertificateDer::from_pem_slice(files.make(2031).0.as_bytes()).unwrap();
        assert_eq!(not_after(&der), end_of(2031));
        for len in 0..der.len() {
            assert_eq!(not_after(&der[..len]), None);
        }
        assert_eq!(not_after(&[0x30, 0x8f, 0xff, 0xff]), None);
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
