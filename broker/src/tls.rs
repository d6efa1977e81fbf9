//! The TLS identity of the listeners.
use crate::{StartError, TlsIdentity};
use ioc_files::Links;
use std::{path::Path, sync::Arc};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    },
};

/// Builds the acceptor from certificate and key.
///
/// Errors: [`StartError::Pem`] or [`StartError::Tls`].
pub(crate) fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, StartError> {
    let config = match identity {
        TlsIdentity::Config(config) => Arc::clone(config),
        TlsIdentity::Pem { certificates, key } => Arc::new(from_pem(certificates, key)?),
    };
    Ok(TlsAcceptor::from(config))
}

fn from_pem(certificates: &Path, key: &Path) -> Result<ServerConfig, StartError> {
    let unreadable = |path: &Path, error: pem::Error| StartError::Pem {
        path: path.to_owned(),
        reason: match error {
            pem::Error::NoItemsFound => "nothing of the expected kind in it".to_owned(),
            pem::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        },
    };
    let bytes = |path: &Path| {
        let read = ioc_files::read(path, ioc_files::SETTINGS_BYTES_MAX, Links::Followed);
        read.map_err(|error| unreadable(path, pem::Error::Io(error)))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(certificates)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(certificates, error))?;
    if chain.is_empty() {
        return Err(unreadable(certificates, pem::Error::NoItemsFound));
    }
    let key_der = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|error| unreadable(key, error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_do_not_fit_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (certificates, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let identity = TlsIdentity::Pem { certificates: certificates.clone(), key: key.clone() };
        let message = |identity| acceptor(identity).err().unwrap().to_string();
        assert!(message(&identity).contains("cert.pem"), "{}", message(&identity));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificates, made.cert.pem()).unwrap();
        std::fs::write(&key, "no key").unwrap();
        assert!(message(&identity).contains("key.pem for TLS: nothing of the expected kind"));
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        assert!(acceptor(&identity).is_ok());
    }
}
