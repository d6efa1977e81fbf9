//! Clients that get no session: what they are told, and the line in the log that says what was seen and what would be
//! right. No line holds a password or what else a stranger sent before its name.
use crate::{
    Principal, Refusal,
    connect::ReturnCode,
    log_limiter::LogLimiter,
    meters::{CloseReason, RefuseReason},
    packet,
    shared::Shared,
};
use ioc_model::{CredentialKind, share::Network};
use std::{io, time::Duration};

/// Characters of a name that are logged.
const LOGGED_CHARS_MAX: usize = 64;
/// First byte of a TLS handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// What the first line of an HTTP request can begin with.
const HTTP_METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT"];

/// A CONNECT that is refused.
pub(crate) struct Refused {
    pub(crate) reason: RefuseReason,
    /// What the client is told.
    pub(crate) answer: Vec<u8>,
    why: String,
}

impl Refused {
    fn new(reason: RefuseReason, code: ReturnCode, why: String) -> Self {
        Self { reason, answer: code.connack(), why }
    }

    /// Another version of the protocol, which is told so in its own form.
    pub(crate) fn version(level: u8, answer: Vec<u8>) -> Self {
        let spoken = match level {
            3 => "MQTT 3.1".to_owned(),
            5 => "MQTT 5".to_owned(),
            other => format!("protocol level {other}"),
        };
        let why = format!("speaks {spoken}; this server speaks MQTT 3.1.1");
        Self { reason: RefuseReason::ProtocolVersion, answer, why }
    }

    /// Nobody's name.
    pub(crate) fn no_user_name() -> Self {
        let why = "gave no user name; a device's is its id, with its token as password".to_owned();
        Self::new(RefuseReason::NotAuthorized, ReturnCode::NotAuthorized, why)
    }

    /// A server that is not ready for clients yet.
    pub(crate) fn starting() -> Self {
        let why = "the server is starting; connect again in some seconds".to_owned();
        Self::new(RefuseReason::Unavailable, ReturnCode::Unavailable, why)
    }

    /// Too many wrong tokens.
    pub(crate) fn slowed_down(user_name: &str) -> Self {
        let why = format!(
            "user name {:?}: too many wrong tokens from this address lately; correct the token and wait",
            excerpt(user_name)
        );
        Self::new(RefuseReason::SlowedDown, ReturnCode::Unavailable, why)
    }

    /// Too many sign-ins.
    pub(crate) fn too_often(principal: &Principal) -> Self {
        let why = format!(
            "{:?} signs in too often (mqtt.limits.sign_in_rate); keep the connection open, or wait longer before the next",
            excerpt(&principal.credential)
        );
        Self::new(RefuseReason::SlowedDown, ReturnCode::Unavailable, why)
    }

    /// Too many connections of one credential.
    pub(crate) fn crowded(principal: &Principal, connections_max: usize) -> Self {
        let why = format!(
            "{:?} has {connections_max} connections (mqtt.limits.connections_per_credential_max); close some first",
            excerpt(&principal.credential)
        );
        Self::new(RefuseReason::ConnectionCap, ReturnCode::Unavailable, why)
    }

    /// What those decided who know the credentials.
    pub(crate) fn sign_in(refusal: Refusal, user_name: &str, password: &[u8]) -> Self {
        let user_name = excerpt(user_name);
        let (reason, code, why) = match refusal {
            Refusal::BadCredentials if password.is_empty() => {
                (RefuseReason::BadCredentials, ReturnCode::BadCredentials, "no password; it is the token")
            }
            Refusal::BadCredentials => (
                RefuseReason::BadCredentials,
                ReturnCode::BadCredentials,
                "unknown, or the password is not its token",
            ),
            Refusal::NotAuthorized => {
                (RefuseReason::NotAuthorized, ReturnCode::NotAuthorized, "this credential may not connect")
            }
            Refusal::IdentifierRejected => (
                RefuseReason::IdentifierRejected,
                ReturnCode::IdentifierRejected,
                "the client id is not allowed",
            ),
            Refusal::Unavailable => {
                (RefuseReason::Unavailable, ReturnCode::Unavailable, "it cannot be decided at the moment")
            }
        };
        Self::new(reason, code, format!("user name {user_name:?}: {why}"))
    }

    /// A client identifier that this credential may not have.
    pub(crate) fn client_id(principal: &Principal, asked: &str) -> Self {
        let user_name = excerpt(&principal.credential);
        let right = match principal.kind {
            CredentialKind::Device => {
                format!("a device's must be its user name {user_name:?}, or empty with a clean session")
            }
            CredentialKind::Gateway | CredentialKind::App => {
                format!(
                    "{user_name:?} may have up to 256 bytes without control characters, or none with a clean session"
                )
            }
        };
        let why = format!("client id {:?}: {right}", excerpt(asked));
        Self::new(RefuseReason::IdentifierRejected, ReturnCode::IdentifierRejected, why)
    }

    /// A will that this credential may not have.
    pub(crate) fn will(principal: &Principal, topic: &str) -> Self {
        let why = format!(
            "will on topic {:?}: {:?} may publish only for itself or the devices that it speaks for",
            excerpt(topic),
            excerpt(&principal.credential)
        );
        Self::new(RefuseReason::NotAuthorized, ReturnCode::NotAuthorized, why)
    }

    /// A will that is to be published in a way that no publish is.
    pub(crate) fn will_qos(principal: &Principal) -> Self {
        let why = format!(
            "will of {:?} with QoS 2, which is not supported; expected QoS 0 or 1, as in every publish",
            excerpt(&principal.credential)
        );
        Self::new(RefuseReason::NotAuthorized, ReturnCode::NotAuthorized, why)
    }

    /// Writes the line.
    pub(crate) fn log(&self, shared: &Shared, from: Network) {
        let limiter = shared.log_limiters.refused[self.reason as usize].of(from);
        write(limiter, from, self.reason.as_str(), &self.why);
    }
}

/// A connection that ends without an answer, because it brought no CONNECT.
pub(crate) struct RejectedConnection {
    reason: CloseReason,
    /// `None` is not worth a line: it came and went, as checks of the port do.
    why: Option<String>,
}

impl RejectedConnection {
    fn new(reason: CloseReason, why: impl Into<String>) -> Self {
        Self { reason, why: Some(why.into()) }
    }

    /// It went before it said anything.
    pub(crate) fn gone() -> Self {
        Self { reason: CloseReason::PeerClosed, why: None }
    }

    /// It said too little in the time that it has.
    pub(crate) fn late(limit: Duration) -> Self {
        let why =
            format!("no complete CONNECT within {} s; it must come first and at once", limit.as_secs_f32());
        Self::new(CloseReason::ConnectTimeout, why)
    }

    /// The TLS handshake failed.
    pub(crate) fn tls(error: &io::Error) -> Self {
        // Anything else than wrong data is a client that went.
        let why = (error.kind() == io::ErrorKind::InvalidData)
            .then(|| format!("TLS handshake failed: {error}; this port speaks TLS, plain MQTT has another"));
        Self { reason: CloseReason::TlsHandshake, why }
    }

    /// Its first bytes are something else.
    pub(crate) fn not_connect(bytes: &[u8]) -> Self {
        let seen = match bytes {
            [TLS_HANDSHAKE, ..] => "TLS; TLS has a port of its own (--mqtts)".to_owned(),
            bytes if HTTP_METHODS.iter().any(|method| bytes.starts_with(method)) => {
                "HTTP; the web has a port of its own (--http)".to_owned()
            }
            [first, ..] if first >> 4 == packet::CONNECT => "a CONNECT of another protocol".to_owned(),
            [first, ..] => format!("the byte {first:#04x}"),
            [] => "nothing".to_owned(),
        };
        Self::new(CloseReason::NotConnect, format!("began with {seen}; expected MQTT 3.1.1, CONNECT first"))
    }

    /// A CONNECT that cannot be read.
    pub(crate) fn malformed() -> Self {
        Self::new(CloseReason::ProtocolError, "CONNECT is malformed; expected one as in MQTT 3.1.1 §3.1")
    }

    /// A CONNECT that is too long.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let why = format!("CONNECT has over {bytes_max} bytes; send a shorter one");
        Self::new(CloseReason::PacketTooLarge, why)
    }

    /// Writes the line; returns how the connection ends.
    pub(crate) fn log(self, shared: &Shared, from: Network) -> CloseReason {
        if let Some(why) = self.why {
            write(
                shared.log_limiters.closed[self.reason as usize].of(from),
                from,
                self.reason.as_str(),
                &why,
            );
        }
        self.reason
    }
}

fn write(limiter: &LogLimiter, from: Network, reason: &'static str, why: &str) {
    if let Some(suppressed) = limiter.pass() {
        tracing::warn!(%from, reason, %why, suppressed, "MQTT sign-in refused");
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(LOGGED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(credential: &str, kind: CredentialKind) -> Principal {
        Principal { credential: credential.into(), kind, generation: 1 }
    }

    #[test]
    fn each_refusal_says_what_was_seen_and_what_would_be_right() {
        let device = principal("D1", CredentialKind::Device);
        let cases = [
            (Refused::version(5, Vec::new()), "speaks MQTT 5; this server speaks MQTT 3.1.1"),
            (Refused::no_user_name(), "gave no user name; a device's is its id"),
            (
                Refused::client_id(&device, "x\n"),
                "client id \"x\\n\": a device's must be its user name \"D1\", or empty with a clean session",
            ),
            (
                Refused::sign_in(Refusal::BadCredentials, "D1", b""),
                "user name \"D1\": no password; it is the token",
            ),
            (Refused::will(&device, "a"), "will on topic \"a\": \"D1\" may publish only for itself"),
        ];
        for (refused, expected) in cases {
            assert!(refused.why.starts_with(expected), "{}", refused.why);
        }
        let wrong = Refused::sign_in(Refusal::BadCredentials, "D1", b"s3cret");
        assert!(!wrong.why.contains("s3cret"), "{}", wrong.why);
    }

    #[test]
    fn strangers_are_told_apart_and_not_repeated() {
        let cases: [(&[u8], &str); 4] = [
            (b"GET /?token=s3cret HTTP/1.1", "began with HTTP"),
            (&[0x16, 3, 1], "began with TLS"),
            (&[0x30, 0], "began with the byte 0x30"),
            (&[0x10, 8], "began with a CONNECT of another protocol"),
        ];
        for (bytes, expected) in cases {
            let why = RejectedConnection::not_connect(bytes).why.unwrap_or_default();
            assert!(why.starts_with(expected) && !why.contains("s3cret"), "{why}");
        }
        let plain = RejectedConnection::tls(&io::Error::new(io::ErrorKind::InvalidData, "corrupt message"));
        assert!(plain.why.is_some_and(|why| why.ends_with("this port speaks TLS, plain MQTT has another")));
        assert!(RejectedConnection::tls(&io::ErrorKind::UnexpectedEof.into()).why.is_none());
    }
}
