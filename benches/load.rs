//! The load generator: one thread, one epoll, bytes patched in place. It reads what a readable socket has, counts
//! the PUBACKs and writes as many publishes as they allow in one call.
use crate::{
    Outcome,
    fleet::Template,
    mqtt::{self, PUBACK, PUBACK_LEN},
    pace::{Due, Pace, Phases},
};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

const EVENTS_MAX: usize = 256;
const READ_BYTES: usize = 16 * 1024;
/// Connections that sign in at the same time.
const SIGN_IN_MAX: usize = 200;
/// How long answers are waited for, to CONNECT and after the last publish.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for an event.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// Unanswered publishes of one connection at a fixed rate; further ones are not sent, which the caller sees.
const BEHIND_MAX: usize = 2_000;

/// One client: how it signs in and what it says.
#[derive(Debug, Clone)]
pub struct Client {
    /// MQTT client id.
    pub id: String,
    /// MQTT user name.
    pub user: String,
    /// MQTT password; none for a broker that takes anybody.
    pub password: Option<String>,
    /// Its messages, in turn.
    pub templates: Vec<Template>,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Acknowledged per second while it was counted.
    pub per_second: f64,
    /// Acknowledged in all, before and after too.
    pub acknowledged: u64,
    /// Publishes that a fixed rate asked for and that could not be sent.
    pub held_back: u64,
}

/// Connected clients.
pub struct Load {
    poll: OwnedFd,
    connections: Vec<Connection>,
    events: Vec<epoll::Event>,
    scratch: Box<[u8]>,
    /// Whose turn it is at a fixed rate.
    turn: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    templates: Vec<Template>,
    turn: usize,
    next_id: u16,
    expected_id: u16,
    in_flight: usize,
    /// Begun PUBACK.
    partial: Vec<u8>,
    /// Bytes that the socket did not take.
    unsent: Vec<u8>,
    is_waiting: bool,
}

impl Load {
    /// Connects and signs in all clients.
    ///
    /// Errors: one is refused.
    pub fn connect(broker: SocketAddr, clients: Vec<Client>) -> Outcome<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        let mut clients = clients.into_iter();
        loop {
            let group: Vec<Client> = clients.by_ref().take(SIGN_IN_MAX).collect();
            if group.is_empty() {
                break;
            }
            let signing_in: Vec<(TcpStream, Client)> = group
                .into_iter()
                .map(|client| Ok((say_hello(broker, &client)?, client)))
                .collect::<Outcome<_>>()?;
            for (mut stream, client) in signing_in {
                mqtt::read_connack(&mut stream)?;
                stream.set_nonblocking(true)?;
                epoll::add(
                    &poll,
                    &stream,
                    epoll::EventData::new_u64(connections.len() as u64),
                    epoll::EventFlags::IN,
                )?;
                connections.push(Connection::new(stream, client.templates));
            }
        }
        let scratch = vec![0; READ_BYTES].into();
        Ok(Self { poll, connections, events: Vec::with_capacity(EVENTS_MAX), scratch, turn: 0 })
    }

    /// Publishes at `pace` and waits for the last answers.
    ///
    /// Errors: a connection breaks, an answer is wrong or does not come.
    pub fn run(&mut self, pace: Pace, phases: Phases) -> Outcome<Measured> {
        self.connections
            .iter_mut()
            .flat_map(|connection| &mut connection.templates)
            .for_each(Template::catch_up);
        let (start, mut due) =
            (Instant::now(), Due::new(if let Pace::PerSecond(rate) = pace { rate } else { 0 }));
        let refill = if let Pace::InFlight(count) = pace { count } else { 0 };
        let (count_from, stop_at) = (start + phases.warm_up, start + phases.warm_up + phases.measured);
        let (mut acknowledged, mut held_back) = (0, 0);
        let mut counted: Option<(Instant, u64)> = None;
        for at in 0..self.connections.len() {
            self.publish(at, refill)?;
        }
        while Instant::now() < stop_at {
            held_back += self.publish_due(&mut due)?;
            acknowledged += self.turn(refill)?;
            if counted.is_none() && Instant::now() >= count_from {
                counted = Some((Instant::now(), acknowledged));
            }
        }
        let (from, before) = counted.unwrap_or((start, 0));
        let per_second = (acknowledged - before) as f64 / from.elapsed().as_secs_f64();
        acknowledged += self.drain()?;
        Ok(Measured { per_second, acknowledged, held_back })
    }

    /// Waits until everything is answered. Returns how many answers that were.
    fn drain(&mut self) -> Outcome<u64> {
        let (deadline, mut answers) = (Instant::now() + PATIENCE, 0);
        loop {
            let open: usize = self.connections.iter().map(|connection| connection.in_flight).sum();
            if open == 0 {
                return Ok(answers);
            }
            if Instant::now() > deadline {
                return Err(format!("{open} publishes were not acknowledged within {PATIENCE:?}").into());
            }
            answers += self.turn(0)?;
        }
    }

    /// Sends what a fixed rate asks for, one message per connection in turn. Returns what could not be sent.
    fn publish_due(&mut self, due: &mut Due) -> Outcome<u64> {
        let mut held_back = 0;
        for _ in 0..due.take() {
            self.turn = (self.turn + 1) % self.connections.len();
            match self.connections[self.turn].in_flight < BEHIND_MAX {
                true => self.publish(self.turn, 1)?,
                false => held_back += 1,
            }
        }
        Ok(held_back)
    }

    /// Waits for answers at most a millisecond and handles them; each makes room for another publish if `refill`.
    fn turn(&mut self, refill: usize) -> Outcome<u64> {
        self.events.clear();
        epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&TICK))?;
        let mut answers = 0;
        for at in 0..self.events.len() {
            let epoll::Event { flags, data, .. } = self.events[at];
            let connection = data.u64() as usize;
            if flags.contains(epoll::EventFlags::OUT) {
                self.publish(connection, 0)?;
            }
            if flags.contains(epoll::EventFlags::IN) {
                let count = self.connections[connection].read(&mut self.scratch)?;
                answers += count as u64;
                if refill > 0 && count > 0 {
                    self.publish(connection, count)?;
                }
            } else if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                return Err("the broker closed a connection".into());
            }
        }
        Ok(answers)
    }

    fn publish(&mut self, at: usize, count: usize) -> Outcome<()> {
        let connection = &mut self.connections[at];
        let has_rest = connection.publish(count)?;
        if has_rest != connection.is_waiting {
            connection.is_waiting = has_rest;
            let out = if has_rest { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            let data = epoll::EventData::new_u64(at as u64);
            epoll::modify(&self.poll, &connection.stream, data, epoll::EventFlags::IN | out)?;
        }
        Ok(())
    }
}

fn say_hello(broker: SocketAddr, client: &Client) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(broker)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let login = client.password.as_deref().map(|password| (client.user.as_str(), password));
    stream.write_all(&mqtt::connect(&client.id, login, 0))?;
    Ok(stream)
}

impl Connection {
    fn new(stream: TcpStream, templates: Vec<Template>) -> Self {
        Self {
            stream,
            templates,
            turn: 0,
            next_id: 1,
            expected_id: 1,
            in_flight: 0,
            partial: Vec::new(),
            unsent: Vec::new(),
            is_waiting: false,
        }
    }

    /// Sends what is left and `count` more messages. Says whether anything is left again.
    fn publish(&mut self, count: usize) -> Outcome<bool> {
        for _ in 0..count {
            let turn = self.turn;
            self.turn = (turn + 1) % self.templates.len();
            self.templates[turn].put_next(self.next_id, &mut self.unsent);
            self.next_id = following(self.next_id);
            self.in_flight += 1;
        }
        if self.unsent.is_empty() {
            return Ok(false);
        }
        match self.stream.write(&self.unsent) {
            Ok(sent) if sent == self.unsent.len() => self.unsent.clear(),
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(!self.unsent.is_empty())
    }

    /// Reads PUBACKs. Returns how many; they must come in the order of the publishes.
    fn read(&mut self, scratch: &mut [u8]) -> Outcome<usize> {
        let kept = self.partial.len();
        scratch[..kept].copy_from_slice(&self.partial);
        let got = match self.stream.read(&mut scratch[kept..]) {
            Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            Ok(got) => got,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        let mut answers = scratch[..kept + got].chunks_exact(PUBACK_LEN);
        let mut count = 0;
        for answer in answers.by_ref() {
            let [high, low] = self.expected_id.to_be_bytes();
            if answer != [PUBACK, 2, high, low] {
                return Err(format!("got {answer:02x?} instead of the PUBACK of {}", self.expected_id).into());
            }
            self.expected_id = following(self.expected_id);
            count += 1;
        }
        self.partial.clear();
        self.partial.extend_from_slice(answers.remainder());
        self.in_flight -= count;
        Ok(count)
    }
}

fn following(packet_id: u16) -> u16 {
    packet_id.checked_add(1).unwrap_or(1)
}
