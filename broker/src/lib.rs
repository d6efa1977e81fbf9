//! The device edge: MQTT front, access control, limits, fan-out.
//!
//! Owns the sockets of devices, gateways and apps from accept to close. Leaves to others: who may connect
//! ([`Access`]), what a payload means and when it is on disk ([`PublishSink`]). Never looks inside a payload.
//!
//! # The path of one publish
//! A reactor thread reads when a socket is readable, parses every complete packet in place, checks topic and
//! rate and offers it to the [`PublishSink`] on the same thread: no queue, copy or task hop between. The offset it
//! gets waits in the reactor's one list; a commit of the journal wakes each reactor that waits once, and all PUBACKs of a
//! connection leave in one write. When the sink is full the connection stops reading until there is
//! progress: back-pressure reaches the device, nothing is dropped.
//!
//! # Threads
//! `edge-accept` takes sockets and applies the caps; `edge-N`, one per core, serve the connections handed to
//! them ([`reactor`]). Queues: sockets handed to a reactor ([`hand_over::HAND_OVER_MAX`]; full: the acceptor
//! waits), publishes awaiting the disk (per connection [`Limits::inflight_max`]; full: not read), messages for
//! a subscriber ([`Limits::subscriber_queue_max`]; full: closed), bytes for a client (64 KiB; full: not read,
//! then write timeout), wills of a busy moment (1,024; full: dropped and counted).
//!
//! # Protocol
//! MQTT 3.1.1, QoS 0 and 1. Sessions end with their connection, so CONNACK never says "session present".
//! The codec of rumqttd is used (SUBSCRIBE, UNSUBSCRIBE, and as the oracle of our own parsers in tests), not
//! its listeners and not its router; [`fanout`] says why.
mod access;
mod acl;
mod admission;
mod allowance;
mod backlog;
mod broker;
mod bucket;
mod config;
mod connect;
mod connection;
mod error;
mod fanout;
mod hand_over;
mod handle;
mod handshake;
mod key;
mod listener;
mod log_limiter;
mod login_throttle;
mod meters;
mod packet;
mod packet_handler;
mod progress_signal;
mod publish_sink;
mod reactor;
mod reading;
mod refused;
mod session;
mod shared;
mod slots;
mod stream;
mod subscriber;
mod thread_context;
mod tls;
mod writing;

pub use access::{Access, Principal, Refusal};
pub use broker::{Addrs, Broker};
pub use config::{BrokerConfig, Limits, TlsConfig, TlsIdentity};
pub use error::StartError;
pub use meters::{BrokerMeters, BrokerMetersSnapshot, CloseReason, RefuseReason};
pub use publish_sink::{Busy, Incoming, PresenceChange, PublishSink, Taken, Verdict};
