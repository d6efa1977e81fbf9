//! A connection served by a test in the place of a reactor.
use super::Connection;
use crate::{
    Access, Busy, CloseReason, Incoming, Limits, PresenceChange, Principal, PublishSink, Refusal, Taken,
    hand_over::Accepted,
    handle::Handle,
    handshake,
    key::Key,
    progress_signal::ProgressSignal,
    shared::Shared,
    thread_context::{Ack, ThreadContext},
};
use ioc_model::{CredentialKind, share::Network};
use std::{
    future::poll_fn,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Far more than anything takes here; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);
const KEY: Key = Key { slot: 3, generation: 1 };
const CONNECT: &[u8] = b"\x10\x17\0\x04MQTT\x04\xc2\0\x3c\0\x02D1\0\x02D1\0\x03key";
const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// QoS 1, packet 7.
const PUBLISH: &[u8] = b"\x32\x25\0\x1fioc/v1/environment/D1/telemetry\0\x07{}";
const PUBACK: [u8; 4] = [0x40, 2, 0, 7];

/// Lets everybody speak for the device of their own name.
struct Names;

impl Access for Names {
    fn authenticate(&self, credential: &str, _: &[u8]) -> Result<Principal, Refusal> {
        Ok(Principal { credential: credential.into(), kind: CredentialKind::Device, generation: 1 })
    }
    fn still_valid(&self, _: &Principal) -> bool {
        true
    }
    fn devices(&self, _: &Principal) -> u32 {
        1
    }
    fn speaks_for(&self, principal: &Principal, device: &str) -> bool {
        *principal.credential == *device
    }
}

/// Counts what it takes, while it has room.
#[derive(Default)]
struct Counter {
    is_full: AtomicBool,
    taken: AtomicU64,
}

impl PublishSink for Counter {
    fn try_publish(&self, _: Incoming<'_>) -> Result<Taken, Busy> {
        if self.is_full.load(SeqCst) {
            return Err(Busy);
        }
        Ok(Taken { offset: self.taken.fetch_add(1, SeqCst) + 1, readings: 0 })
    }
    fn durable(&self) -> u64 {
        self.taken.load(SeqCst)
    }
    fn on_progress(&self, _: Box<dyn Fn() + Send + Sync>) {}
    fn presence(&self, _: &str, _: PresenceChange) {}
}

struct Served {
    client: TcpStream,
    connection: Connection,
    thread: ThreadContext,
    sink: Arc<Counter>,
}

impl Served {
    /// Brings a client through the handshake.
    async fn new() -> Self {
        let sink = Arc::new(Counter::default());
        let shared = Arc::new(Shared::new(Limits::default(), Arc::new(Names), sink.clone()));
        shared.is_open.store(true, SeqCst);
        let (mut client, stream) = sockets().await;
        client.write_all(CONNECT).await.unwrap();
        let handle = Arc::new(Handle::new());
        let network = Network::of(Ipv4Addr::LOCALHOST.into(), 64);
        let permit = shared.admission.admit(network, &handle).unwrap();
        let accepted = Accepted { stream, tls: None, handle, permit };
        let (established, _permit) = handshake::establish(&shared, accepted).await.unwrap();
        let thread = ThreadContext::new(shared, Arc::new(ProgressSignal::default()));
        let connection = Connection::new(KEY, established, &thread);
        let mut served = Self { client, connection, thread, sink };
        assert_eq!(served.until(|served| served.connection.out.is_empty()).await, None);
        assert_eq!(served.read().await, CONNACK);
        served
    }

    /// Serves the connection until something holds; returns why it is to end, when that comes first.
    async fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Option<CloseReason> {
        let serving = poll_fn(|cx| match self.connection.poll(cx, &self.thread) {
            Poll::Ready(reason) => Poll::Ready(Some(reason)),
            Poll::Pending if holds(self) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        timeout(PATIENCE, serving).await.unwrap()
    }

    async fn read(&mut self) -> [u8; 4] {
        let mut bytes = [0; 4];
        timeout(PATIENCE, self.client.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }
}

async fn sockets() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (client, stream.into_std().unwrap())
}

#[tokio::test]
async fn a_publish_waits_for_the_disk_and_is_acknowledged_then() {
    let mut served = Served::new().await;
    served.client.write_all(PUBLISH).await.unwrap();
    assert_eq!(served.until(|served| served.connection.unacked == 1).await, None);
    assert_eq!(served.thread.take_ack(0), None);
    assert_eq!(served.thread.take_ack(1), Some(Ack { offset: 1, key: KEY, packet_id: 7 }));
    served.connection.acknowledge(7);
    served.connection.flush_acks(&mut Context::from_waker(Waker::noop()), &served.thread);
    assert_eq!(served.read().await, PUBACK);
    assert_eq!(served.connection.unacked, 0);
}

#[tokio::test]
async fn a_connection_waits_for_room_in_the_journal() {
    let mut served = Served::new().await;
    served.sink.is_full.store(true, SeqCst);
    served.client.write_all(PUBLISH).await.unwrap();
    assert_eq!(served.until(|served| served.connection.parked).await, None);
    assert_eq!(served.thread.take_parked(), [KEY]);
    assert_eq!(served.sink.durable(), 0);
    served.sink.is_full.store(false, SeqCst);
    served.connection.parked = false;
    assert_eq!(served.until(|served| served.connection.unacked == 1).await, None);
    assert_eq!(served.sink.durable(), 1);
}

#[tokio::test]
async fn a_connection_ends_when_the_edge_stops_and_nothing_is_left_to_do() {
    let mut served = Served::new().await;
    served.thread.drain();
    assert_eq!(served.until(|_| false).await, Some(CloseReason::Shutdown));
}

#[tokio::test]
async fn a_client_that_goes_ends_its_connection() {
    let mut served = Served::new().await;
    served.client.shutdown().await.unwrap();
    assert_eq!(served.until(|_| false).await, Some(CloseReason::PeerClosed));
}
