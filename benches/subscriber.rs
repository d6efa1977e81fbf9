//! The one subscriber that mosquitto relays to: takes everything with QoS 1, counts, acknowledges.
use crate::{
    Outcome,
    mqtt::{self, PUBACK, PUBLISH_QOS1},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const BUFFER_BYTES: usize = 64 * 1024;
/// How often it looks whether it should stop.
const STOP_PERIOD: Duration = Duration::from_millis(100);

/// When a message on a watched topic came.
pub type Seen = (String, Instant);

/// A running subscriber.
#[derive(Debug)]
pub struct Subscriber {
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Subscriber {
    /// Subscribes to `filter` anonymously. Messages whose topic contains `watched` are told to `seen`.
    ///
    /// Errors: the broker refuses.
    pub fn start(broker: SocketAddr, filter: &str, watched: &str, seen: mpsc::Sender<Seen>) -> Outcome<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.write_all(&mqtt::connect("subscriber", None, 0))?;
        mqtt::read_connack(&mut stream)?;
        stream.write_all(&mqtt::subscribe(filter))?;
        mqtt::read_suback(&mut stream)?;
        stream.set_read_timeout(Some(STOP_PERIOD))?;
        let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut reader = Reader {
            stream,
            bytes: Vec::new(),
            answers: Vec::new(),
            received: Arc::clone(&received),
            watched: watched.to_owned(),
            seen,
        };
        let stopping = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("subscriber".into())
            .spawn(move || while !stopping.load(Relaxed) && reader.turn().is_ok() {})?;
        Ok(Self { received, stop, thread: Some(thread) })
    }

    /// Returns how many messages it got.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Reader {
    stream: TcpStream,
    bytes: Vec<u8>,
    answers: Vec<u8>,
    received: Arc<AtomicU64>,
    watched: String,
    seen: mpsc::Sender<Seen>,
}

impl Reader {
    fn turn(&mut self) -> Outcome<()> {
        let kept = self.bytes.len();
        self.bytes.resize(kept + BUFFER_BYTES, 0);
        let got = match self.stream.read(&mut self.bytes[kept..]) {
            Ok(0) => return Err("the broker closed the connection".into()),
            Ok(got) => got,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        self.bytes.truncate(kept + got);
        let (mut used, mut count) = (0, 0);
        while let Some((first, body, len)) = mqtt::split(&self.bytes[used..]) {
            used += len;
            if first & PUBLISH_QOS1 != PUBLISH_QOS1 {
                continue;
            }
            let Some((topic, id)) = mqtt::topic_and_id(body) else { continue };
            self.answers.extend([PUBACK, 2, id[0], id[1]]);
            count += 1;
            let topic = String::from_utf8_lossy(topic);
            if !self.watched.is_empty() && topic.contains(&self.watched) {
                self.seen.send((topic.into_owned(), now))?;
            }
        }
        self.bytes.drain(..used);
        self.stream.write_all(&self.answers)?;
        self.answers.clear();
        self.received.fetch_add(count, Relaxed);
        Ok(())
    }
}
