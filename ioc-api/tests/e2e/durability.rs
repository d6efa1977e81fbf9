//! Promises 1 and 2: a PUBACK means on disk, and no transition is lost. The process is killed twenty times under load;
//! afterwards every acknowledged observation is in history once, and every transition of every alert exists once.
use crate::support::{
    City, Client, Mqtt, Ws, mqtt::Connect, now_ms, one, rules, telemetry, within, ws::Said,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const KILLS: u64 = 20;
const DEVICES: usize = 4;
/// Publishes in flight per connection.
const WINDOW: usize = 32;
/// Readings on the same side of the threshold in a row.
const BLOCK: usize = 16;
/// Of the rule `HighWater`.
const THRESHOLD: f64 = 5.0;
const CLOCK_BEHIND_MS: i64 = 1000;
const ACK_TIMEOUT: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(60);

/// A device with a QoS 1 queue: what was not acknowledged is sent again after a reconnect, in its order.
struct Device {
    id: String,
    token: String,
    /// Everything ever sent, in order: event time and level.
    sent: Vec<(i64, f64)>,
    /// How many of them were acknowledged; they are acknowledged in order.
    acknowledged: usize,
}

impl Device {
    fn next(&mut self) -> (i64, f64) {
        let after = self.sent.last().map_or(0, |(ts, _)| ts + 1);
        let high = (self.sent.len() / BLOCK) % 2 == 1;
        // A little behind the clock, so that one a millisecond never runs ahead of it.
        let reading = ((now_ms() - CLOCK_BEHIND_MS).max(after), if high { 6.0 } else { 1.0 });
        self.sent.push(reading);
        reading
    }

    /// Publishes until the connection breaks or it is told to stop; with `drain` only what is unacknowledged.
    fn publish(&mut self, addr: SocketAddr, acknowledged: &AtomicU64, stop: &AtomicBool, drain: bool) {
        let Ok(mut client) = Mqtt::connect(addr, &Connect::device(&self.id, &self.token)) else { return };
        let topic = telemetry(&self.id);
        let mut flying = VecDeque::new();
        let mut next = self.acknowledged;
        while !stop.load(Ordering::Relaxed) {
            while flying.len() < WINDOW && (next < self.sent.len() || !drain) {
                let (ts, level) = if next < self.sent.len() { self.sent[next] } else { self.next() };
                let Some(id) = client.send_publish(&topic, &one(ts, "water_level", level)) else { return };
                flying.push_back(id);
                next += 1;
            }
            let Some(expected) = flying.pop_front() else { return };
            match client.puback(ACK_TIMEOUT) {
                Ok(Some(id)) => assert_eq!(id, expected, "acknowledgements keep order"),
                Ok(None) => panic!("{} got no PUBACK for {ACK_TIMEOUT:?}", self.id),
                Err(_) => return,
            }
            self.acknowledged += 1;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds a last reading on the other side: once it is decided, all before it is.
    fn end(&mut self) {
        let (ts, level) = self.sent.last().copied().unwrap();
        self.sent.push((ts + 1, if level > THRESHOLD { 1.0 } else { 6.0 }));
    }

    /// What must have happened: event time of each reading that crossed the threshold, and what that was.
    fn crossings(&self) -> Vec<(i64, String)> {
        let high = |reading: &(i64, f64)| reading.1 > THRESHOLD;
        let before = std::iter::once(false).chain(self.sent.iter().map(high));
        let crossing = |(was_high, reading): (bool, &(i64, f64))| match (was_high, high(reading)) {
            (false, true) => Some((reading.0, "firing".to_owned())),
            (true, false) => Some((reading.0, "cleared".to_owned())),
            _ => None,
        };
        before.zip(&self.sent).filter_map(crossing).collect()
    }
}

/// One transition as the live stream told it.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    seq: u64,
    id: String,
    transition: String,
    device: String,
    event_time: i64,
}

fn told(message: &Value) -> Option<Told> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let alert = &message["alert"];
    (message["type"] == "alert").then(|| Told {
        seq: message["seq"].as_u64().unwrap(),
        id: text(&alert["id"]),
        transition: text(&message["transition"]),
        device: text(&alert["device"]),
        event_time: alert["event_time"].as_i64().unwrap(),
    })
}

/// Follows the alerts of one life of the server; returns what was told before it died.
fn listen(client: Client, after: u64) -> thread::JoinHandle<Vec<Told>> {
    thread::spawn(move || {
        let mut ws = match Ws::try_open(&client, &[]) {
            Ok(ws) => ws,
            Err(_) => return Vec::new(),
        };
        ws.follow_alerts(after);
        let mut heard = Vec::new();
        loop {
            match ws.next(ACK_TIMEOUT) {
                Said::Json(message) => heard.extend(told(&message)),
                Said::Binary(_) => {}
                Said::Nothing | Said::Closed => return heard,
            }
        }
    })
}

fn live(
    city: &mut City,
    devices: Vec<Device>,
    vy: &Client,
    heard: &mut Vec<Told>,
    kill_after: u64,
) -> Vec<Device> {
    let listener = listen(vy.clone(), heard.last().map_or(0, |told| told.seq));
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let addr = city.mqtt_addr();
    let publishing: Vec<_> = devices
        .into_iter()
        .map(|mut device| {
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            thread::spawn(move || {
                device.publish(addr, &acknowledged, &stop, false);
                device
            })
        })
        .collect();
    within(SETTLE, "acknowledgements", || (acknowledged.load(Ordering::Relaxed) >= kill_after).then_some(()));
    city.kill();
    stop.store(true, Ordering::Relaxed);
    heard.extend(listener.join().unwrap());
    publishing.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn twenty_kills_lose_and_repeat_nothing() {
    let mut city = City::prepare(
        "[mqtt.limits]\ndevice_rate = 0\ndevice_bytes_rate = \"0B\"\ndevice_readings_rate = 0\n",
    );
    city.write_rules("city.yaml", &rules::high_water());
    let mut devices: Vec<Device> = (0..DEVICES)
        .map(|n| {
            let id = format!("WL-{n}");
            let token = city.device(&id, "water-level");
            Device { id, token, sent: Vec::new(), acknowledged: 0 }
        })
        .collect();
    let password = city.add_user("vy", "viewer");
    let begin = now_ms() - CLOCK_BEHIND_MS;
    let mut heard = Vec::new();
    city.start();
    let vy = city.sign_in("vy", &password);
    for kill in 0..KILLS {
        // Between some dozens and some hundreds, so that the kill hits every phase.
        devices = live(&mut city, devices, &vy, &mut heard, 60 + kill * 7919 % 400);
        city.start();
    }
    for device in &mut devices {
        device.end();
        device.publish(city.mqtt_addr(), &AtomicU64::new(0), &AtomicBool::new(false), true);
        assert_eq!(device.acknowledged, device.sent.len(), "all of {} is acknowledged at last", device.id);
    }
    let total: usize = devices.iter().map(|device| device.sent.len()).sum();
    eprintln!("{total} observations, {} transitions heard live, {KILLS} kills", heard.len());
    for device in &devices {
        let points = || city.points(&vy, &device.id, "water_level", begin, now_ms() + 60_000);
        within(SETTLE, "all of it in history", || (points().len() >= device.sent.len()).then_some(()));
        let points = points();
        let lost: Vec<_> = device.sent.iter().filter(|sent| !points.contains(sent)).collect();
        assert!(lost.is_empty(), "{} lost {lost:?}", device.id);
        assert_eq!(points, device.sent, "{}: once and nothing else", device.id);
    }
    check_alerts(&city, &vy, &devices, &heard);
}

/// Reads all that is kept, until the last reading of every device is decided, or nothing comes any more: what is
/// missing is then told by who compares.
fn every_transition(city: &City, vy: &Client, devices: &[Device]) -> Vec<Told> {
    let mut ws = city.ws(vy);
    ws.follow_alerts(0);
    let mut open: BTreeSet<(String, i64)> =
        devices.iter().map(|device| (device.id.clone(), device.sent.last().unwrap().0)).collect();
    let mut all = Vec::new();
    let mut patience = Instant::now() + SETTLE;
    while !open.is_empty() {
        match ws.next(patience.saturating_duration_since(Instant::now())) {
            Said::Json(message) => {
                assert_ne!(message["type"], "resync", "{message}");
                let Some(next) = told(&message) else { continue };
                patience = Instant::now() + SETTLE;
                open.remove(&(next.device.clone(), next.event_time));
                all.push(next);
            }
            Said::Binary(_) => {}
            Said::Nothing => break,
            Said::Closed => panic!("the live stream was closed"),
        }
    }
    all
}

fn check_alerts(city: &City, vy: &Client, devices: &[Device], heard: &[Told]) {
    let all = every_transition(city, vy, devices);
    assert!(all.is_sorted_by(|a, b| a.seq < b.seq), "each sequence number once, in order");
    let distinct: BTreeSet<_> = all.iter().map(|told| (&told.id, &told.transition)).collect();
    assert_eq!(distinct.len(), all.len(), "no transition of an alert twice");
    for device in devices {
        let own: Vec<&Told> = all.iter().filter(|told| told.device == device.id).collect();
        let expected = device.crossings();
        assert!(expected.len() > 10, "{} crossings are too few to prove anything", expected.len());
        let found: Vec<(i64, String)> =
            own.iter().map(|told| (told.event_time, told.transition.clone())).collect();
        let missing: Vec<_> = expected.iter().filter(|crossing| !found.contains(crossing)).collect();
        let surplus: Vec<_> = found.iter().filter(|crossing| !expected.contains(crossing)).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{}: missing {missing:?}, surplus {surplus:?}",
            device.id
        );
        assert_eq!(found, expected, "{}: in their order", device.id);
        for pair in own.chunks(2) {
            assert!(pair.len() == 1 || pair[1].id == pair[0].id, "each alert fires and clears: {pair:?}");
        }
    }
    // At least once, in order, none missing: what was heard over all the lives of the server is the same list.
    let mut live: BTreeMap<u64, &Told> = BTreeMap::new();
    for told in heard {
        let before = live.insert(told.seq, told);
        assert!(before.is_none_or(|before| before == told), "{before:?} became {told:?}");
    }
    let known: Vec<&Told> =
        all.iter().filter(|told| heard.last().is_some_and(|last| told.seq <= last.seq)).collect();
    assert_eq!(
        live.into_values().collect::<Vec<_>>(),
        known,
        "a client that resumed missed nothing, ids are stable"
    );
    assert!(heard.len() > 20, "{} transitions were heard live", heard.len());
    let metrics = city.metrics();
    let [received, stored, duplicate, rejected] = metrics.ledger();
    assert_eq!((received, rejected), (stored + duplicate, 0.0));
}
