//! What the edge has counted: plain atomics with closed-set reasons. Exporting them is left to others.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every member, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the label value for metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Returns the member at `position` of [`Self::ALL`].
            #[allow(dead_code, reason = "one of the sets does not need it")]
            pub(crate) fn at(position: u8) -> Option<Self> {
                Self::ALL.get(usize::from(position)).copied()
            }
        }
    };
}

closed_set! {
    /// The reason for refusing a CONNECT.
    RefuseReason {
        /// Not MQTT 3.1.1 (return code 1).
        ProtocolVersion = "protocol_version",
        /// Client identifier not allowed (return code 2).
        IdentifierRejected = "identifier_rejected",
        /// It could not be decided (return code 3).
        Unavailable = "unavailable",
        /// Too many wrong tokens lately, or sign-ins (return code 3).
        SlowedDown = "slowed_down",
        /// The credential has too many connections (return code 3).
        ConnectionCap = "connection_cap",
        /// Unknown credential or wrong token (return code 4).
        BadCredentials = "bad_credentials",
        /// Known, and may not connect or may not have this will (return code 5).
        NotAuthorized = "not_authorized",
    }
}

closed_set! {
    /// The reason for the end of a connection.
    CloseReason {
        /// The task of the connection panicked; a bug of ours.
        Panic = "panic",
        /// DISCONNECT received.
        Disconnect = "disconnect",
        /// The peer closed or reset without DISCONNECT.
        PeerClosed = "peer_closed",
        /// One and a half keep-alive intervals without a packet.
        KeepAlive = "keep_alive",
        /// No CONNECT in time.
        ConnectTimeout = "connect_timeout",
        /// TLS handshake failed.
        TlsHandshake = "tls_handshake",
        /// CONNECT refused; see [`RefuseReason`].
        Refused = "refused",
        /// The first packet was not a CONNECT.
        NotConnect = "not_connect",
        /// The client took no bytes for too long.
        WriteTimeout = "write_timeout",
        /// A packet that had begun was not completed in time.
        PacketTimeout = "packet_timeout",
        /// A packet against the standard.
        ProtocolError = "protocol_error",
        /// A topic name with wildcards, NUL, invalid UTF-8, empty or too long.
        TopicInvalid = "topic_invalid",
        /// A packet larger than allowed.
        PacketTooLarge = "packet_too_large",
        /// A PUBLISH with QoS 2, which is not supported.
        Qos2 = "qos_2",
        /// Too many publishes to topics not its own.
        TopicNotAllowed = "topic_not_allowed",
        /// The same client connected again.
        TakenOver = "taken_over",
        /// The credential was revoked or rotated.
        Revoked = "revoked",
        /// The oldest of too many unauthenticated connections.
        UnauthenticatedCap = "unauthenticated_cap",
        /// Too many connections in all.
        ConnectionCap = "connection_cap",
        /// Too many connections from one address.
        AddressCap = "address_cap",
        /// A subscriber that did not keep up.
        SlowSubscriber = "slow_subscriber",
        /// The broker stopped.
        Shutdown = "shutdown",
    }
}

impl CloseReason {
    /// Reports whether what the client had sent before is handled to the end.
    pub(crate) fn hears_out(self) -> bool {
        matches!(self, Self::PeerClosed | Self::TakenOver | Self::WriteTimeout | Self::SlowSubscriber)
    }
}

/// Counters of the edge, updated without locks. All but [`BrokerMeters::connections`] only grow.
#[derive(Debug, Default)]
pub struct BrokerMeters {
    pub(crate) connections: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) connected: AtomicU64,
    pub(crate) refused: [AtomicU64; RefuseReason::ALL.len()],
    pub(crate) closed: [AtomicU64; CloseReason::ALL.len()],
    pub(crate) publishes: [AtomicU64; 2],
    pub(crate) publish_bytes: AtomicU64,
    pub(crate) foreign_topics: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) busy_parks: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) online: AtomicU64,
    pub(crate) offline: AtomicU64,
    pub(crate) wills: AtomicU64,
    pub(crate) wills_dropped: AtomicU64,
    pub(crate) subscribed: AtomicU64,
    pub(crate) subscribe_denied: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) retained: AtomicU64,
    pub(crate) retained_refused: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

/// The counters at one moment; each field is read on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerMetersSnapshot {
    /// Open connections (gauge).
    pub connections: u64,
    /// Sockets accepted.
    pub accepted: u64,
    /// CONNECTs accepted.
    pub connected: u64,
    /// CONNECTs refused, by reason.
    pub refused: Vec<(RefuseReason, u64)>,
    /// Connections ended, by reason.
    pub closed: Vec<(CloseReason, u64)>,
    /// Publishes taken, by QoS 0 and 1; wills not included.
    pub publishes: [u64; 2],
    /// Bytes of their payloads.
    pub publish_bytes: u64,
    /// Publishes taken to topics not the sender's own.
    pub foreign_topics: u64,
    /// PUBACKs given to their sockets.
    pub acknowledged: u64,
    /// How often a connection stopped reading because the sink was busy.
    pub busy_parks: u64,
    /// How often a connection stopped reading because its credential was too fast.
    pub throttled: u64,
    /// Credentials that came online.
    pub online: u64,
    /// Credentials that went offline.
    pub offline: u64,
    /// Wills published.
    pub wills: u64,
    /// Wills lost because the sink stayed busy.
    pub wills_dropped: u64,
    /// Topic filters granted.
    pub subscribed: u64,
    /// Topic filters answered with 0x80.
    pub subscribe_denied: u64,
    /// Messages written to subscribers.
    pub delivered: u64,
    /// Retained messages kept now (gauge).
    pub retained: u64,
    /// Messages that could not be retained because there were too many.
    pub retained_refused: u64,
    /// Failures of accept(2), such as no free file descriptor.
    pub accept_errors: u64,
    /// Background tasks of a reactor that had to be restarted after a panic.
    pub restarts: u64,
}

impl BrokerMetersSnapshot {
    /// Returns how many connections ended for `reason`.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed.iter().find(|(found, _)| *found == reason).map_or(0, |(_, count)| *count)
    }

    /// Returns how many CONNECTs were refused for `reason`.
    pub fn refused_for(&self, reason: RefuseReason) -> u64 {
        self.refused.iter().find(|(found, _)| *found == reason).map_or(0, |(_, count)| *count)
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Relaxed);
    }
}

impl BrokerMeters {
    /// Reads all counters.
    pub fn snapshot(&self) -> BrokerMetersSnapshot {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        BrokerMetersSnapshot {
            connections: get(&self.connections),
            accepted: get(&self.accepted),
            connected: get(&self.connected),
            refused: RefuseReason::ALL.iter().zip(&self.refused).map(|(r, c)| (*r, get(c))).collect(),
            closed: CloseReason::ALL.iter().zip(&self.closed).map(|(r, c)| (*r, get(c))).collect(),
            publishes: [get(&self.publishes[0]), get(&self.publishes[1])],
            publish_bytes: get(&self.publish_bytes),
            foreign_topics: get(&self.foreign_topics),
            acknowledged: get(&self.acknowledged),
            busy_parks: get(&self.busy_parks),
            throttled: get(&self.throttled),
            online: get(&self.online),
            offline: get(&self.offline),
            wills: get(&self.wills),
            wills_dropped: get(&self.wills_dropped),
            subscribed: get(&self.subscribed),
            subscribe_denied: get(&self.subscribe_denied),
            delivered: get(&self.delivered),
            retained: get(&self.retained),
            retained_refused: get(&self.retained_refused),
            accept_errors: get(&self.accept_errors),
            restarts: get(&self.restarts),
        }
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        add(&self.closed[reason as usize], 1);
    }

    pub(crate) fn refused(&self, reason: RefuseReason) {
        add(&self.refused[reason as usize], 1);
    }
}
