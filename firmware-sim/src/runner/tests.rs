//! Against a broker of a few lines that does what it is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
use super::{backlog::Message, link::Link, *};
use crate::{Login, Scenario, fleet};
use std::{collections::HashMap, sync::Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the broker saw.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Connect { client: String, user: String, password: String },
    Publish { topic: String, payload: String },
    Disconnect,
    Lost,
}

#[derive(Clone)]
struct Broker {
    port: u16,
    seen: watch::Sender<Vec<Seen>>,
    /// How many publishes it answers before it hangs up; counted down over all connections.
    patience: Arc<Mutex<usize>>,
    connack: u8,
}

impl Broker {
    async fn start(patience: usize, connack: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let patience = Arc::new(Mutex::new(patience));
        let broker = Self { port, seen: watch::Sender::new(Vec::new()), patience, connack };
        let accepting = broker.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let serving = accepting.clone();
                tokio::spawn(async move { serving.serve(socket).await });
            }
        });
        broker
    }

    fn saw(&self, seen: Seen) {
        self.seen.send_modify(|all| all.push(seen));
    }

    async fn wait_for(&self, what: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let found = seen.wait_for(|all| what(all));
        tokio::time::timeout(Duration::from_secs(30), found).await.unwrap().unwrap().clone()
    }

    async fn serve(&self, mut socket: TcpStream) {
        while let Some((kind, body)) = packet(&mut socket).await {
            let answer: Vec<u8> = match kind >> 4 {
                1 => {
                    self.saw(connect(&body));
                    vec![0x20, 2, 0, self.connack]
                }
                3 => {
                    let (topic, rest) = text(&body);
                    self.saw(Seen::Publish {
                        topic,
                        payload: String::from_utf8(rest[2..].to_vec()).unwrap(),
                    });
                    {
                        let mut left = self.patience.lock().unwrap();
                        if *left == 0 {
                            *left = usize::MAX;
                            return;
                        }
                        *left -= 1;
                    }
                    vec![0x40, 2, rest[0], rest[1]]
                }
                12 => vec![0xD0, 0],
                14 => return self.saw(Seen::Disconnect),
                other => panic!("packet type {other}"),
            };
            socket.write_all(&answer).await.unwrap();
            if self.connack != 0 {
                return;
            }
        }
        self.saw(Seen::Lost);
    }
}

async fn packet(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = socket.read_u8().await.ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = socket.read_u8().await.ok()?;
        length |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

fn text(bytes: &[u8]) -> (String, &[u8]) {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    (String::from_utf8(bytes[2..2 + length].to_vec()).unwrap(), &bytes[2 + length..])
}

fn connect(body: &[u8]) -> Seen {
    assert_eq!(&body[..7], b"\0\x04MQTT\x04");
    let (client, rest) = text(&body[10..]);
    let (user, rest) = text(rest);
    let (password, _) = text(rest);
    Seen::Connect { client, user, password }
}

fn publishes(seen: &[Seen]) -> Vec<(&str, &str)> {
    let mut publishes = Vec::new();
    for seen in seen {
        if let Seen::Publish { topic, payload } = seen {
            publishes.push((topic.as_str(), payload.as_str()));
        }
    }
    publishes
}

/// A link under test and its strings.
struct Bench {
    messages: mpsc::Sender<Message>,
    line: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
    meters: Arc<RunMeters>,
}

impl Bench {
    fn start(broker: &Broker) -> Self {
        let login = Login { username: "GW-CAB-001".into(), password: "secret".into() };
        let meters = Arc::new(RunMeters::default());
        let link =
            Link::new("GW-CAB-001".into(), login, RunConfig::new("127.0.0.1", broker.port), meters.clone());
        let (messages, from_pacer) = mpsc::channel(QUEUE_MAX);
        let (line, stop) = (watch::Sender::new(true), watch::Sender::new(false));
        let served = tokio::spawn(link.serve(from_pacer, line.subscribe(), stop.subscribe()));
        Self { messages, line, stop, served, meters }
    }

    async fn send(&self, topic: &str, payload: &str) {
        self.messages.send(Message::new(topic.into(), payload.as_bytes().to_vec())).await.unwrap();
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.served.await.unwrap();
    }
}

#[tokio::test]
async fn signs_in_publishes_and_disconnects_cleanly() {
    let broker = Broker::start(usize::MAX, 0).await;
    let bench = Bench::start(&broker);
    bench.send("ioc/v1/lighting/CAB-001/telemetry", "{}").await;
    broker.wait_for(|seen| publishes(seen).len() == 1).await;
    let meters = bench.meters.clone();
    bench.stop().await;
    let seen = broker.wait_for(|seen| seen.contains(&Seen::Disconnect)).await;
    let signed_in =
        Seen::Connect { client: "GW-CAB-001".into(), user: "GW-CAB-001".into(), password: "secret".into() };
    assert_eq!(seen[0], signed_in);
    assert_eq!(seen.last(), Some(&Seen::Disconnect));
    assert_eq!(meters.acknowledged.load(Ordering::Relaxed), 1);
    assert_eq!(meters.connected.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn sends_again_what_was_not_acknowledged() {
    let broker = Broker::start(1, 0).await;
    let bench = Bench::start(&broker);
    bench.send("t", "{0}").await;
    broker.wait_for(|seen| publishes(seen).len() == 1).await;
    for number in 1..5 {
        bench.send("t", &format!("{{{number}}}")).await;
    }
    // The first is acknowledged, at the second the broker hangs up; nothing is missing in the end.
    let all = |seen: &[Seen]| {
        let text: String = publishes(seen).iter().map(|(_, payload)| *payload).collect();
        (0..5).all(|number| text.contains(&format!("{{{number}}}")))
    };
    let seen = broker.wait_for(all).await;
    assert!(seen.iter().filter(|seen| matches!(seen, Seen::Connect { .. })).count() >= 2);
    assert_eq!(bench.meters.lost.load(Ordering::Relaxed), 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_cut_line_is_silent_and_back_fills_in_arrays() {
    let broker = Broker::start(usize::MAX, 0).await;
    let bench = Bench::start(&broker);
    bench.send("a", "{0}").await;
    broker.wait_for(|seen| publishes(seen).len() == 1).await;
    while bench.meters.acknowledged.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    bench.line.send(false).unwrap();
    broker.wait_for(|seen| seen.contains(&Seen::Lost)).await;
    for payload in ["{1}", "{2}", "{3}"] {
        bench.send("a", payload).await;
    }
    bench.send("b", "{4}").await;
    // The queue is empty once the link has taken everything into its backlog.
    while bench.messages.capacity() < QUEUE_MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(publishes(&broker.seen.borrow()).len(), 1);
    bench.line.send(true).unwrap();
    let seen = broker.wait_for(|seen| publishes(seen).len() == 3).await;
    assert_eq!(publishes(&seen)[1..], [("a", "[{1},{2},{3}]"), ("b", "{4}")]);
    assert!(!seen.contains(&Seen::Disconnect));
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_link_backs_off() {
    let broker = Broker::start(usize::MAX, 5).await;
    let bench = Bench::start(&broker);
    bench.send("a", "{0}").await;
    broker.wait_for(|seen| seen.len() >= 2).await;
    let start = tokio::time::Instant::now();
    let before = broker.seen.borrow().len();
    let seen = broker.wait_for(|seen| seen.len() > before).await;
    assert!(start.elapsed() >= Duration::from_millis(200), "dialled again at once");
    assert!(publishes(&seen).is_empty());
    bench.stop().await;
}

#[tokio::test]
async fn a_whole_run_reports_and_stops() {
    let broker = Broker::start(usize::MAX, 0).await;
    let scenario = Scenario::built_in("normal-day").unwrap().unwrap();
    let simulation = Simulation::new(fleet(1, 60), &scenario, 1, wall_ms()).unwrap();
    let connections = simulation.connections().len();
    let ids = simulation.connections().iter().map(|c| (c.credential_id.clone(), "token".to_owned()));
    let credentials: HashMap<String, String> = ids.collect();
    let meters = Arc::new(RunMeters::default());
    let (stop, stopped) = watch::channel(false);
    let running = {
        let (config, meters) = (RunConfig::new("127.0.0.1", broker.port), meters.clone());
        tokio::spawn(async move { run(simulation, &credentials, config, meters, stopped).await })
    };
    let connects = |seen: &[Seen]| seen.iter().filter(|seen| matches!(seen, Seen::Connect { .. })).count();
    broker.wait_for(|seen| connects(seen) == connections && publishes(seen).len() >= 5).await;
    // Only who has heard that it is signed in has a reason to say goodbye.
    let up = async {
        while meters.connected.load(Ordering::Relaxed) < connections as i64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), up).await.unwrap();
    stop.send(true).unwrap();
    assert_eq!(running.await.unwrap(), Ok(()));
    let left = |seen: &[Seen]| seen.iter().filter(|seen| **seen == Seen::Disconnect).count();
    let seen = broker.wait_for(|seen| left(seen) == connections).await;
    assert_eq!(publishes(&seen).len() as u64, meters.acknowledged.load(Ordering::Relaxed));
    assert!(publishes(&seen).iter().all(|(topic, _)| ioc_model::DeviceTopic::parse(topic).is_some()));
}

#[tokio::test]
async fn a_run_without_any_token_is_refused() {
    let scenario = Scenario::built_in("normal-day").unwrap().unwrap();
    let simulation = Simulation::new(fleet(1, 60), &scenario, 1, 0).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let config = RunConfig::new("127.0.0.1", 1);
    let refused = run(simulation, &HashMap::new(), config, Arc::new(RunMeters::default()), stopped).await;
    assert!(matches!(refused, Err(RunError::NoCredentials { .. })));
}
