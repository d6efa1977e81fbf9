//! Failures to start.
use std::{io, net::SocketAddr, path::PathBuf};

/// A failure of [`crate::Broker::start`]; nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No address to listen on.
    #[error("no MQTT address is given; give at least one, such as [::]:1883")]
    NoAddress,
    /// An address cannot be used.
    #[error("cannot listen for MQTT on {addr}: {source}; {}", remedy(source))]
    Bind {
        /// The address as given.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A limit is 0 that must not be.
    #[error("limit {0} is 0; it must be at least 1")]
    ZeroLimit(&'static str),
    /// A certificate or key file cannot be read.
    #[error("cannot read {path} for TLS: {reason}; a PEM file is expected")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not make a TLS identity.
    #[error("certificate and key cannot be used for TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// A thread or its runtime could not be started.
    #[error("cannot start an edge thread: {0}")]
    Thread(io::Error),
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "give the program the right to it or choose a port above 1023",
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; give one that it has, or a port alone for all of them"
        }
        io::ErrorKind::AddrInUse => "free the port or give another address",
        _ => "give another address",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_had_comes_with_what_would_help() {
        let addr = SocketAddr::from(([0, 0, 0, 0], 883));
        let error = |kind: io::ErrorKind| StartError::Bind { addr, source: kind.into() }.to_string();
        assert!(error(io::ErrorKind::AddrInUse).contains("; free the port"));
        assert!(error(io::ErrorKind::PermissionDenied).ends_with("or choose a port above 1023"));
        assert!(
            error(io::ErrorKind::AddrNotAvailable)
                .contains("; no interface of this machine has that address")
        );
    }
}
