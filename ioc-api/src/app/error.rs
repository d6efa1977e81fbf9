//! Why a start can fail.
use crate::{
    admin::FoundationError, data_dir::DataDirError, demo::DemoError, kept_catalogue::MeaningLost,
    tls::TlsError,
};
use ioc_ingest::vn_aqi::deriver::MissingProperty;
use ioc_journal::{FollowError, JournalError};
use ioc_records::RecordsError;
use ioc_services::rules::RuleStoreError;
use ioc_store::{QueryError, StoreError};
use std::io;

/// Why the operations center did not start, or ended badly. Each message says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The web server's address.
    #[error("cannot listen for the web on {addr}: {source}; {} with {setting}", http_remedy(source))]
    Http {
        /// As configured.
        addr: std::net::SocketAddr,
        /// Where it is configured.
        setting: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate of HTTPS.
    #[error("https: {0}")]
    Https(#[source] TlsError),
    /// The certificate of MQTT.
    #[error("mqtts: {0}")]
    Mqtts(#[source] TlsError),
    /// Catalogue, city, records, identities.
    #[error(transparent)]
    Foundation(#[from] FoundationError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// History.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device edge.
    #[error("{error}{flag}", error = .0, flag = mqtt_flag(.0))]
    Broker(#[from] ioc_broker::StartError),
    /// A certificate for the demo.
    #[error("a certificate for the demo cannot be made: {0}")]
    Certificate(String),
    /// Rule files.
    #[error(transparent)]
    Rules(#[from] RuleStoreError),
    /// The rule engine.
    #[error(transparent)]
    Engine(#[from] ioc_rules::StartError),
    /// The city's time zone.
    #[error("time zone {0:?} is not known; write one as in Asia/Ho_Chi_Minh")]
    TimeZone(String),
    /// What lives in memory.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The simulated city.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The recorder of metrics.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(metrics_exporter_prometheus::BuildError),
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    Io(#[from] io::Error),
    /// The end: what was pending could not be written.
    #[error("not stopped cleanly: {0}")]
    Stop(#[source] JournalError),
    /// A bug.
    #[error("a part of the server panicked while it started: {0}")]
    Panic(tokio::task::JoinError),
}

impl StartError {
    /// Reports whether the command line or the configuration is wrong, rather than what the start met.
    pub fn is_usage(&self) -> bool {
        use ioc_broker::StartError as Broker;
        match self {
            Self::DataDir(error) => error.is_usage(),
            Self::Foundation(error) => error.is_usage(),
            Self::Recover(RecoverError::Meaning(_)) => true,
            Self::Broker(Broker::Bind { .. } | Broker::Thread(_)) => false,
            Self::Https(_)
            | Self::Mqtts(_)
            | Self::Broker(_)
            | Self::Rules(_)
            | Self::TimeZone(_)
            | Self::Demo(_) => true,
            _ => false,
        }
    }

    /// Returns the address that another process has, if that is the reason.
    pub fn taken_address(&self) -> Option<std::net::SocketAddr> {
        let (addr, source) = match self {
            Self::Http { addr, source, .. } => (addr, source),
            Self::Broker(ioc_broker::StartError::Bind { addr, source }) => (addr, source),
            _ => return None,
        };
        (source.kind() == io::ErrorKind::AddrInUse).then_some(*addr)
    }
}

fn http_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "give the program the right to it or choose a port above 1023",
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; give one that it has, or a port alone for all of them,"
        }
        io::ErrorKind::AddrInUse => "free the port or choose another",
        _ => "choose another address",
    }
}

/// Names the flag where an address is the problem; the edge knows no command line.
fn mqtt_flag(error: &ioc_broker::StartError) -> &'static str {
    match error {
        ioc_broker::StartError::Bind { .. } => " with --mqtt or --mqtts",
        _ => "",
    }
}

/// Something could not be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal.
    #[error("the journal cannot be replayed")]
    Journal(#[from] FollowError),
    /// The records.
    #[error("the records cannot be read")]
    Records(#[from] RecordsError),
    /// History.
    #[error("the hours before the start cannot be read")]
    History(#[from] QueryError),
    /// The catalogue.
    #[error("the air quality index cannot be computed")]
    Catalogue(#[from] MissingProperty),
    /// A catalogue that would take the meaning from history.
    #[error(transparent)]
    Meaning(#[from] MeaningLost),
    /// It was told to end.
    #[error("the start was interrupted")]
    Interrupted,
}
