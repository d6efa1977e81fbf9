//! Where publishes go: the journal, through an adapter that the broker knows only as [`PublishSink`].
use crate::Principal;
use ioc_model::{CredentialKind, presence::PresenceCause};
use std::time::Instant;

/// The result of the broker's own checks of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The topic is of the grammar and the sender may publish to it.
    Ok,
    /// The topic is not the sender's own or not of the grammar: for quarantine.
    TopicNotAllowed,
}

/// One publish, borrowed from the read buffer.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The sender.
    pub principal: &'a Principal,
    /// The topic name. With [`Verdict::TopicNotAllowed`] it may hold anything, invalid UTF-8 replaced.
    pub topic: &'a str,
    /// The application message.
    pub payload: &'a [u8],
    /// Whether the sender may publish there.
    pub verdict: Verdict,
    /// The RETAIN flag.
    pub retain: bool,
    /// The DUP flag: the sender may have sent this packet before.
    pub dup: bool,
    /// When the sender's connection was accepted.
    pub connected_at: Instant,
}

/// A message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its place in the journal.
    pub offset: u64,
    /// Readings in it, rejected ones included: what its sender is charged.
    pub readings: u32,
}

/// There is no room now; progress will be signalled when there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal is full; the publish stays with its connection until there is progress")]
pub struct Busy;

/// A credential's connection state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// What the credential is for; a device's credential is named like the device.
    pub kind: CredentialKind,
    /// Whether it has at least one connection now.
    pub online: bool,
    /// The cause of the change.
    pub cause: PresenceCause,
}

/// Takes publishes and says when they are on disk. Called on the reactor threads, so nothing here may wait.
pub trait PublishSink: Send + Sync + 'static {
    /// Takes one message. Within one calling thread offsets never decrease.
    ///
    /// Errors: [`Busy`] when there is no room; the broker offers the same message again after progress.
    fn try_publish(&self, message: Incoming<'_>) -> Result<Taken, Busy>;

    /// Returns the highest offset that is on disk; everything up to it is.
    fn durable(&self) -> u64;

    /// Registers a wake-up, to be called after [`PublishSink::durable`] grew or room came back. Called once per
    /// reactor, at start; `wake` is cheap and may be called from any thread.
    fn on_progress(&self, wake: Box<dyn Fn() + Send + Sync>);

    /// Tells that `credential` (a device or gateway) came online or went offline, in order per credential.
    /// Called with a lock of the broker held: it must return at once and not call back.
    fn presence(&self, credential: &str, change: PresenceChange);
}
