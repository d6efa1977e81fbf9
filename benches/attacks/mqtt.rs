//! Attacks over MQTT.
use crate::{
    payload::{Arrays, ELEMENTS, Order, all_bad},
    target::{ANSWER, Attack, Target, sign_in},
};
use ioc_benches::{
    Outcome, fleet,
    load::Client,
    mqtt::{self, PUBACK, PUBACK_LEN},
    now_ms,
};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// Messages per second of one device within its limits.
const RATE: u32 = 100;
/// Threads of those attacks that one alone could not drive.
const THREADS: usize = 8;
/// Lamps whose fault is retained.
const RETAINED: usize = 400;
/// That share them.
const GATEWAYS: usize = 20;
const SUBSCRIBERS: usize = 200;
const PINGREQ: [u8; 2] = [0xC0, 0];

/// Returns the group's attacks.
pub(crate) fn attacks() -> impl Iterator<Item = Attack> {
    let attack = |name, run| Attack { name, run };
    [
        attack("arrays-in-order", |target, stop| arrays(target, stop, Order::Rising)),
        attack("arrays-falling", |target, stop| arrays(target, stop, Order::Falling)),
        attack("arrays-scattered", |target, stop| arrays(target, stop, Order::Scattered)),
        attack("all-bad", |target, stop| paced(target, stop, all_bad)),
        attack("qos-0-flood", qos_0_flood),
        attack("ping-flood", ping_flood),
        attack("presence-flap", presence_flap),
        attack("will-storm", will_storm),
        attack("wrong-tokens", wrong_tokens),
        attack("deaf-subscribers", deaf_subscribers),
    ]
    .into_iter()
}

fn is_idle(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Writes all of `bytes`, however long the server takes none; gives up when it is time to stop.
fn write_until(stream: &mut TcpStream, mut bytes: &[u8], stop: &AtomicBool) -> Outcome<()> {
    while !bytes.is_empty() && !stop.load(Relaxed) {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if is_idle(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn arrays(target: &Target<'_>, stop: &AtomicBool, order: Order) -> Outcome<String> {
    let mut arrays = Arrays::new(order);
    paced(target, stop, move || arrays.next())
}

/// One device sends at its rate, as far as the server takes it.
fn paced(target: &Target<'_>, stop: &AtomicBool, mut payload: impl FnMut() -> String) -> Outcome<String> {
    let mut stream = target.sign_in()?;
    let mut answers = stream.try_clone()?;
    let acknowledged = AtomicU64::new(0);
    let mut sent = 0u64;
    thread::scope(|scope| {
        scope.spawn(|| count_acks(&mut answers, &acknowledged, stop));
        let begin = Instant::now();
        while !stop.load(Relaxed) {
            let due = begin + Duration::from_secs(1) / RATE * sent as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (packet, _) = mqtt::publish(&target.device.topic(), payload().as_bytes());
            write_until(&mut stream, &packet, stop)?;
            sent += 1;
        }
        Ok::<_, ioc_benches::Failure>(())
    })?;
    let acknowledged = acknowledged.load(SeqCst);
    Ok(format!("{acknowledged} of {sent} messages of {} readings acknowledged", 2 * ELEMENTS))
}

fn count_acks(answers: &mut TcpStream, acknowledged: &AtomicU64, stop: &AtomicBool) {
    let mut chunk = [0; 64 * PUBACK_LEN];
    while !stop.load(Relaxed) {
        match answers.read(&mut chunk) {
            Ok(0) => return,
            Ok(got) => {
                let count = chunk[..got].iter().step_by(PUBACK_LEN).filter(|byte| **byte == PUBACK).count();
                acknowledged.fetch_add(count as u64, SeqCst);
            }
            Err(error) if is_idle(&error) => {}
            Err(_) => return,
        }
    }
}

fn qos_0_flood(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let mut stream = target.sign_in()?;
    let mut sent = 0u64;
    while !stop.load(Relaxed) {
        let payload = format!(r#"{{"ts":{},"values":{{"laeq":54.2}}}}"#, now_ms());
        let (mut packet, id_at) = mqtt::publish(&target.device.topic(), payload.as_bytes());
        packet.drain(id_at..id_at + 2);
        packet[0] = 0x30;
        packet[1] -= 2;
        let many = packet.repeat(100);
        write_until(&mut stream, &many, stop)?;
        sent += 100;
    }
    Ok(format!("{sent} messages written"))
}

fn ping_flood(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let mut stream = target.sign_in()?;
    let mut answers = stream.try_clone()?;
    let answered = AtomicU64::new(0);
    let mut sent = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut chunk = [0; 4_096];
            while !stop.load(Relaxed) {
                match answers.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(got) => answered.fetch_add(got as u64 / 2, SeqCst),
                    Err(error) if is_idle(&error) => 0,
                    Err(_) => return,
                };
            }
        });
        let many = PINGREQ.repeat(1_000);
        while !stop.load(Relaxed) {
            write_until(&mut stream, &many, stop)?;
            sent += 1_000;
        }
        Ok::<_, ioc_benches::Failure>(())
    })?;
    Ok(format!("{} of {sent} pings answered", answered.load(SeqCst)))
}

/// Lets threads do `turn` again and again. Returns how often it was done, and how often it failed.
fn storm(stop: &AtomicBool, turn: impl Fn(usize) -> Outcome<()> + Sync) -> (u64, u64) {
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (turn, counts) = (&turn, (&done, &failed));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let count = if turn(thread).is_ok() { counts.0 } else { counts.1 };
                    count.fetch_add(1, SeqCst);
                }
            });
        }
    });
    (done.into_inner(), failed.into_inner())
}

/// Connects with `packet` and reads the answer.
fn connect(target: &Target<'_>, packet: &[u8]) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(target.ioc.mqtt)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(packet)?;
    mqtt::read_connack(&mut stream)?;
    Ok(stream)
}

/// A gateway with hundreds of devices comes and goes.
fn presence_flap(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let devices = fleet::devices(517).split_off(17);
    target.ioc.register(&devices)?;
    // Of two, so that their names differ from the one whose alerts are measured.
    let gateways = target.ioc.gateways(2, &devices)?;
    let gateway = &gateways[0];
    let login = gateway.password.as_deref().map(|password| (gateway.user.as_str(), password));
    let (done, failed) = storm(stop, |thread| {
        drop(connect(target, &mqtt::connect(&format!("{}-{thread}", gateway.id), login, 0))?);
        Ok(())
    });
    Ok(format!("{done} connections, {failed} refused"))
}

/// A device vanishes again and again, leaving an array as its will.
fn will_storm(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let payload = format!("[{}]", vec![r#"{"values":{"laeq":54.2}}"#; 500].join(","));
    let login = target.client.password.as_deref().map(|password| (target.client.user.as_str(), password));
    let packet =
        mqtt::connect_with_will(&target.client.id, login, &target.device.topic(), payload.as_bytes());
    let (done, failed) = storm(stop, |_| {
        drop(connect(target, &packet)?);
        Ok(())
    });
    Ok(format!("{done} connections, {failed} refused or taken over"))
}

/// Guesses at other devices' tokens, and at the attacker's own.
fn wrong_tokens(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let guesses = AtomicU64::new(0);
    let (_, failed) = storm(stop, |_| {
        let guess = guesses.fetch_add(1, SeqCst);
        let user = format!("SIG-{:03}", guess % 400);
        let mut stream = TcpStream::connect(target.ioc.mqtt)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(&mqtt::connect(&user, Some((&user, &guess.to_string())), 0))?;
        mqtt::read_connack(&mut stream)
    });
    Ok(format!("{failed} guesses"))
}

/// Apps subscribe to thousands of retained alerts and read none.
fn deaf_subscribers(target: &Target<'_>, stop: &AtomicBool) -> Outcome<String> {
    let signals = fleet::signals(400 + RETAINED).split_off(400);
    target.ioc.register(&signals)?;
    let gateways = target.ioc.gateways(GATEWAYS, &signals)?;
    for (gateway, own) in gateways.iter().zip(signals.chunks(RETAINED / GATEWAYS)) {
        raise_alerts(target, gateway, own, stop)?;
    }
    let password = Some(target.ioc.admin.add_app("deaf")?);
    let app = |number| Client {
        id: format!("deaf-{number}"),
        user: "deaf".into(),
        password: password.clone(),
        templates: Vec::new(),
    };
    let mut streams = Vec::new();
    for number in 0..SUBSCRIBERS {
        let Ok(mut stream) = sign_in(target.ioc.mqtt, &app(number)) else { continue };
        if stream.write_all(&mqtt::subscribe("ioc/v1/alerts/#")).is_ok() {
            streams.push(stream);
        }
        if stop.load(Relaxed) {
            break;
        }
    }
    while !stop.load(Relaxed) {
        // Each subscribes anew, which begins the retained ones again; nothing is read.
        for stream in &mut streams {
            let _ = stream.write(&mqtt::subscribe("ioc/v1/alerts/#"));
        }
        thread::sleep(ANSWER);
    }
    Ok(format!("{} subscribers to {RETAINED} alerts", streams.len()))
}

fn raise_alerts(
    target: &Target<'_>,
    gateway: &Client,
    signals: &[fleet::Device],
    stop: &AtomicBool,
) -> Outcome<()> {
    let mut stream = sign_in(target.ioc.mqtt, gateway)?;
    for signal in signals {
        let payload = format!(r#"{{"ts":{},"values":{{"lamp_fault":1}}}}"#, now_ms());
        let (packet, _) = mqtt::publish(&signal.topic(), payload.as_bytes());
        write_until(&mut stream, &packet, stop)?;
    }
    Ok(())
}
