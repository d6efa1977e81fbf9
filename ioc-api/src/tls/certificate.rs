//! A certificate that is read again when its files change, so that renewing it takes no restart. A pair that cannot be
//! used, such as a new certificate whose key is still the old one, leaves the one before in use.
use super::expiry::not_after;
use arc_swap::ArcSwap;
use ioc_files::Links;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

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

/// A certificate and its key. Each handshake shows the one that is in use at the moment.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<Shown>,
    /// What the files held when they were last looked at.
    seen: Mutex<u64>,
}

struct Shown {
    certified: Arc<CertifiedKey>,
    expires_s: Option<i64>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.certificate.display())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}

impl Certificate {
    /// Reads both files.
    ///
    /// Errors: [`TlsError`] names the file and what it should hold.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (shown, seen) = read(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: ArcSwap::from_pointee(shown),
            seen: Mutex::new(seen),
        })
    }

    /// Returns what a listener needs to show it. `protocols` are told to clients that ask (ALPN); none means that nobody
    /// is.
    ///
    /// Errors: [`TlsError::Pair`].
    pub fn server(self: &Arc<Self>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| self.pair(source))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn pair(&self, source: rustls::Error) -> TlsError {
        TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), source }
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
        let (shown, _) = read(&self.certificate, &self.key)?;
        self.current.store(Arc::new(shown));
        Ok(true)
    }

    /// Returns when the certificate ends, in seconds since the epoch; `None` when it cannot be told.
    pub fn expires_s(&self) -> Option<i64> {
        self.current.load().expires_s
    }
}

fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    ioc_files::read(path, ioc_files::SETTINGS_BYTES_MAX, Links::Followed)
}

fn fingerprint(certificate: &Path, key: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [certificate, key] {
        bytes_of(path).map_err(|error| error.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

fn read(certificate: &Path, key: &Path) -> Result<(Shown, u64), TlsError> {
    let seen = fingerprint(certificate, key);
    let bytes =
        |path: &Path| bytes_of(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
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
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(pair)?;
    Ok((Shown { certified: Arc::new(certified), expires_s }, seen))
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
        let shown = Certificate::load(&files.certificate, &files.key).unwrap();
        assert_eq!((shown.reload().unwrap(), shown.expires_s()), (false, end_of(2031)));
        // Files are replaced one after the other.
        fs::write(&files.certificate, &second.0).unwrap();
        let error = shown.reload().unwrap_err().to_string();
        assert!(error.contains("the key must be that of the first certificate"), "{error}");
        assert_eq!((shown.reload().unwrap(), shown.expires_s()), (false, end_of(2031)), "said once");
        fs::write(&files.key, &second.1).unwrap();
        assert_eq!((shown.reload().unwrap(), shown.expires_s()), (true, end_of(2055)));
        fs::remove_file(&files.key).unwrap();
        assert!(shown.reload().unwrap_err().to_string().contains("key.pem"));
        fs::write(&files.certificate, "garbage").unwrap();
        let error = shown.reload().unwrap_err().to_string();
        assert!(error.contains("cert.pem") && error.contains("PEM file"), "{error}");
        files.write(&first);
        assert_eq!((shown.reload().unwrap(), shown.expires_s()), (true, end_of(2031)));
    }
}
