//! Certificates, and clients that trust one of them alone.
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Writes a new self-signed pair as a renewal does.
pub(crate) fn write_pair(certificate: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(certificate, made.cert.pem()).unwrap();
    fs::write(key, made.signing_key.serialize_pem()).unwrap();
}

/// Connects and trusts one certificate alone; `None` when the server has another, or the file is none.
pub(crate) fn open(addr: SocketAddr, certificate: &Path) -> Option<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).ok()?).ok()?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
    stream.conn.complete_io(&mut stream.sock).ok()?;
    Some(stream)
}
