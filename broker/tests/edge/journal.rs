//! A journal in memory.
use crate::support::PATIENCE;
use ioc_broker::{self as edge, Busy, Incoming, PresenceChange, PublishSink, Verdict};
use ioc_model::presence::PresenceCause;
use std::{
    sync::{Condvar, Mutex},
    time::Instant,
};

/// One publish as the sink saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) credential: String,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) verdict: Verdict,
}

pub(crate) type Told = (String, bool, PresenceCause);

#[derive(Default)]
struct Memory {
    taken: Vec<Taken>,
    told: Vec<Told>,
    durable: u64,
    /// Everything taken is durable at once.
    eager: bool,
    /// How many may be taken and not durable.
    room: usize,
}

type Wake = Box<dyn Fn() + Send + Sync>;

/// A journal in memory that does what the test says.
pub(crate) struct Journal {
    memory: Mutex<Memory>,
    changed: Condvar,
    wakes: Mutex<Vec<Wake>>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let memory = Memory { eager: true, room: usize::MAX, ..Memory::default() };
        Self { memory: Mutex::new(memory), changed: Condvar::new(), wakes: Mutex::default() }
    }

    fn progress(&self) {
        self.changed.notify_all();
        self.wakes.lock().unwrap().iter().for_each(|wake| wake());
    }

    /// From now on nothing becomes durable by itself, and only `room` messages may wait for it.
    pub(crate) fn hold(&self, room: usize) {
        let mut memory = self.memory.lock().unwrap();
        (memory.eager, memory.room) = (false, room);
    }

    /// Makes everything up to `offset` durable.
    pub(crate) fn commit(&self, offset: u64) {
        self.memory.lock().unwrap().durable = offset;
        self.progress();
    }

    /// Takes everything and makes it durable at once from now on.
    pub(crate) fn release(&self) {
        let mut memory = self.memory.lock().unwrap();
        (memory.eager, memory.room) = (true, usize::MAX);
        memory.durable = memory.taken.len() as u64;
        drop(memory);
        self.progress();
    }

    fn wait<T>(&self, what: &str, look: impl Fn(&Memory) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut memory = self.memory.lock().unwrap();
        loop {
            if let Some(found) = look(&memory) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never came: {what}; taken {:?} told {:?}", memory.taken, memory.told);
            memory = self.changed.wait_timeout(memory, left).unwrap().0;
        }
    }

    /// Waits until `count` messages were taken and returns them.
    pub(crate) fn taken(&self, count: usize) -> Vec<Taken> {
        self.wait("messages", |memory| (memory.taken.len() >= count).then(|| memory.taken.clone()))
    }

    /// Waits until presence changed `count` times and returns the changes.
    pub(crate) fn told(&self, count: usize) -> Vec<Told> {
        self.wait("presence", |memory| (memory.told.len() >= count).then(|| memory.told.clone()))
    }
}

impl PublishSink for Journal {
    fn try_publish(&self, message: Incoming<'_>) -> Result<edge::Taken, Busy> {
        let mut memory = self.memory.lock().unwrap();
        if memory.taken.len() - memory.durable as usize >= memory.room {
            return Err(Busy);
        }
        memory.taken.push(Taken {
            credential: message.principal.credential.to_string(),
            topic: message.topic.to_owned(),
            payload: message.payload.to_vec(),
            verdict: message.verdict,
        });
        let offset = memory.taken.len() as u64;
        let eager = memory.eager;
        if eager {
            memory.durable = offset;
        }
        drop(memory);
        self.changed.notify_all();
        if eager {
            self.progress();
        }
        // A payload of the tests is text; each line is a reading.
        let readings = message.payload.split(|byte| *byte == b'\n').count() as u32;
        Ok(edge::Taken { offset, readings })
    }

    fn durable(&self) -> u64 {
        self.memory.lock().unwrap().durable
    }

    fn on_progress(&self, wake: Wake) {
        self.wakes.lock().unwrap().push(wake);
    }

    fn presence(&self, credential: &str, change: PresenceChange) {
        self.memory.lock().unwrap().told.push((credential.to_owned(), change.online, change.cause));
        self.changed.notify_all();
    }
}
