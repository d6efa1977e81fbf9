//! Probes of the alert latency: from the publish of a lamp fault to its frame on a WebSocket.
use crate::{
    Outcome, fleet::Device, ioc::Ioc, load::Client, mqtt, now_ms, subscriber::Seen, web_socket::WebSocket,
};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// Probes per second for some seconds, under a background of `rate` messages per second.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Messages per second beside the probes.
    pub rate: u64,
    /// Seconds in all.
    pub seconds: u64,
    /// Probes per second.
    pub probes: u64,
}

impl Times {
    /// Returns the number of probes.
    pub fn count(self) -> u64 {
        self.seconds * self.probes
    }

    /// When to probe, from now on. Spread evenly over the period: a fixed beat would meet work that is done ten times a
    /// second always or never.
    pub fn due(self) -> impl Iterator<Item = Instant> {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let (start, period) = (Instant::now(), Duration::from_secs(1) / self.probes as u32);
        let late = |number: u64| (number as f64 * GOLDEN).fract();
        (0..self.count()).map(move |number| start + period.mul_f64(number as f64 + late(number)))
    }
}

/// How a probe's answer is called by those who see it.
pub type Name = fn(&Device, bool) -> String;

/// Sends probes and waits for their answers.
#[derive(Debug)]
pub struct Prober {
    stream: TcpStream,
    signals: Vec<Device>,
    seen: mpsc::Receiver<Seen>,
    name: Name,
    sent: u64,
}

/// A live stream that is read by a thread of its own.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Outcome<Duration>>,
}

impl Watch {
    /// Opens the live stream and tells when an alert of a signal controller came.
    ///
    /// Errors: it is refused.
    pub fn start(ioc: &Ioc, told: mpsc::Sender<Seen>) -> Outcome<Self> {
        let cookie = ioc.sign_in()?;
        let mut socket = WebSocket::open(ioc.http, "/api/v1/stream", &cookie)?;
        socket.send(r#"{"type":"subscribe","channels":["alerts"],"filter":{"domain":["traffic"]}}"#)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let read = move || read(&mut socket, &told, &stopped);
        let thread = thread::Builder::new().name("web socket".into()).spawn(read)?;
        Ok(Self { stop, thread })
    }

    /// Ends it. Returns the longest time between two heartbeats.
    ///
    /// Errors: the server ended the stream.
    pub fn end(self) -> Outcome<Duration> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| "the reader of the live stream panicked")?
    }
}

fn read(socket: &mut WebSocket, told: &mpsc::Sender<Seen>, stop: &AtomicBool) -> Outcome<Duration> {
    let (mut last_beat, mut longest) = (Instant::now(), Duration::ZERO);
    while !stop.load(Relaxed) {
        let texts = socket.texts()?;
        let now = Instant::now();
        for message in texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok()) {
            if message["type"] == "heartbeat" {
                longest = longest.max(now - last_beat);
                last_beat = now;
            } else if let Some(name) = name_of(&message)
                && told.send((name, now)).is_err()
            {
                return Ok(longest);
            }
        }
    }
    Ok(longest.max(last_beat.elapsed()))
}

fn name_of(message: &Value) -> Option<String> {
    let (device, transition) = (message["alert"]["device"].as_str()?, message["transition"].as_str()?);
    device.starts_with("SIG-").then(|| format!("{device} {transition}"))
}

/// Returns how the alert of a controller's fault, or of its end, is called by [`Watch`].
pub fn alert_name(device: &Device, fault: bool) -> String {
    format!("{} {}", device.id, if fault { "firing" } else { "cleared" })
}

impl Prober {
    /// Signs in as `client`, which speaks for `signals`; answers come over `seen`, named by `name`.
    ///
    /// Errors: it is refused.
    pub fn new(
        broker: SocketAddr,
        client: &Client,
        signals: &[Device],
        seen: mpsc::Receiver<Seen>,
        name: Name,
    ) -> Outcome<Self> {
        let mut stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        let login = client.password.as_deref().map(|password| (client.user.as_str(), password));
        stream.write_all(&mqtt::connect(&client.id, login, 0))?;
        mqtt::read_connack(&mut stream)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, signals: signals.to_vec(), seen, name, sent: 0 })
    }

    /// Sends probes at a fixed rate, whether answered or not, but not in step with anything. Waits up to `patience` for
    /// the last answers. Returns how long each took.
    ///
    /// Errors: one was not answered in time, or before its controller's next turn.
    pub fn probe(&mut self, times: Times, patience: Duration) -> Outcome<Vec<Duration>> {
        let count = times.count();
        let mut open: HashMap<String, Instant> = HashMap::new();
        let mut latencies = Vec::new();
        for due in times.due() {
            self.collect(due, &mut open, &mut latencies);
            let (name, at) = self.send()?;
            if open.insert(name.clone(), at).is_some() {
                return Err(format!("{name:?} was not seen in time").into());
            }
        }
        let deadline = Instant::now() + patience;
        while !open.is_empty() && Instant::now() < deadline {
            self.collect(Instant::now() + Duration::from_millis(50), &mut open, &mut latencies);
        }
        match open.len() {
            0 => Ok(latencies),
            lost => Err(format!("{lost} of {count} probes were never seen").into()),
        }
    }

    /// Takes answers until `until`.
    fn collect(&self, until: Instant, open: &mut HashMap<String, Instant>, latencies: &mut Vec<Duration>) {
        while let Ok((name, at)) = self.seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(sent) = open.remove(&name) {
                latencies.push(at.saturating_duration_since(sent));
            }
        }
    }

    /// Sends the next controller's lamp fault, or its end. Returns how the answer is called.
    fn send(&mut self) -> Outcome<(String, Instant)> {
        let turn = self.sent as usize;
        let (device, fault) =
            (&self.signals[turn % self.signals.len()], (turn / self.signals.len()).is_multiple_of(2));
        let payload = format!(r#"{{"ts":{},"values":{{"lamp_fault":{}}}}}"#, now_ms(), u8::from(fault));
        let (packet, _) = mqtt::publish(&device.topic(), payload.as_bytes());
        let at = Instant::now();
        self.stream.write_all(&packet)?;
        self.sent += 1;
        // Its PUBACKs are not looked at.
        let _ = self.stream.read(&mut [0; 4096]);
        Ok(((self.name)(device, fault), at))
    }
}
