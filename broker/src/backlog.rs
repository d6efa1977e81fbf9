//! What one connection has received and not handled yet: an incomplete packet, or all that came while it may not go on.
//!
//! A client that has to wait for its turn still gets its pings answered: bytes are read ahead up to the bounds of
//! [`Budget`], and pings and acknowledgements among them are found before the publishes in front of them are handled.
use crate::packet::{self, Frame, Malformed};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes that every connection may hold whatever the others hold: a device's message.
const OWN_BYTES: usize = 4 * 1024;
/// An empty buffer that was larger is given back.
const KEPT_BYTES_MAX: usize = 512;
/// Handled bytes at the front beyond which the rest is moved.
const MOVE_BYTES: usize = 64 * 1024;

/// Bytes that many connections hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, held: AtomicUsize::new(0) }
    }

    fn is_spent(&self) -> bool {
        self.held.load(Relaxed) >= self.max
    }

    /// Counts what was received: a socket is read before it is known how much there is, so that a budget may be
    /// exceeded by one read of each connection.
    fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
    }
}

/// The bytes of one connection.
#[derive(Debug)]
pub(crate) struct Backlog {
    bytes: Vec<u8>,
    /// How many of `bytes` are handled already.
    begin: usize,
    /// How many of `bytes` were looked through for packets that need not wait.
    scanned: usize,
    /// Whether nothing behind `scanned` can be looked at: a packet that cannot be, or the client's goodbye.
    is_closed: bool,
    /// Bytes that are counted in the budgets.
    counted: usize,
    /// The credential's budget, and that of all credentials together.
    budgets: [Arc<Budget>; 2],
}

impl Backlog {
    /// Starts with `bytes`; `budgets` are the credential's and that of all.
    pub(crate) fn new(bytes: Vec<u8>, budgets: [Arc<Budget>; 2]) -> Self {
        let mut backlog = Self { bytes, begin: 0, scanned: 0, is_closed: false, counted: 0, budgets };
        backlog.count();
        backlog
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begin == self.bytes.len()
    }

    /// Returns what is not handled yet.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }

    /// Returns how many of [`Backlog::bytes`] were scanned: pings and acknowledgements among them are answered.
    pub(crate) fn scanned(&self) -> usize {
        self.scanned.saturating_sub(self.begin)
    }

    /// Reports whether more may be received.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes().len() < OWN_BYTES || !self.budgets.iter().any(|budget| budget.is_spent())
    }

    /// Lends the bytes, of which so many are handled, until [`Backlog::put_back`].
    pub(crate) fn lend(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.bytes), self.begin)
    }

    /// Takes back what was lent.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// Appends what was received.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.count();
    }

    /// Drops `bytes` at the front, which were handled.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.begin += bytes;
        if self.is_empty() {
            self.bytes.clear();
            self.begin = 0;
            self.scanned = 0;
            if self.bytes.capacity() > KEPT_BYTES_MAX {
                self.bytes = Vec::new();
            }
        } else if self.begin >= MOVE_BYTES {
            self.bytes.drain(..self.begin);
            self.scanned = self.scanned.saturating_sub(self.begin);
            self.begin = 0;
        }
        self.count();
    }

    /// Returns the next complete packet that was not scanned, if it may be looked at before those in front of it.
    ///
    /// What cannot be a packet is found again, and punished, when its turn comes.
    pub(crate) fn scan(&mut self, packet_bytes_max: usize) -> Option<Frame<'_>> {
        if self.is_closed {
            return None;
        }
        let from = self.scanned.max(self.begin);
        let frame = match packet::frame(&self.bytes[from..], packet_bytes_max) {
            Ok(frame) => frame?,
            Err(Malformed::Protocol | Malformed::TooLarge | Malformed::Qos2) => {
                self.is_closed = true;
                return None;
            }
        };
        self.scanned = from + frame.whole.len();
        self.is_closed = frame.kind() == packet::DISCONNECT;
        Some(frame)
    }

    fn count(&mut self) {
        let holds = self.bytes().len().saturating_sub(OWN_BYTES);
        for budget in &self.budgets {
            match holds >= self.counted {
                true => budget.add(holds - self.counted),
                false => budget.give_back(self.counted - holds),
            }
        }
        self.counted = holds;
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.budgets.iter().for_each(|budget| budget.give_back(self.counted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PING: [u8; 2] = [0xc0, 0];
    const PUBLISH: [u8; 5] = [0x30, 3, 0, 1, b'a'];

    fn backlog(each: usize, all: &Arc<Budget>) -> Backlog {
        Backlog::new(Vec::new(), [Arc::new(Budget::new(each)), Arc::clone(all)])
    }

    fn kinds(backlog: &mut Backlog) -> Vec<u8> {
        std::iter::from_fn(|| backlog.scan(100).map(|frame| frame.kind())).collect()
    }

    #[test]
    fn packets_are_scanned_once_and_up_to_a_goodbye() {
        let mut backlog = backlog(100, &Arc::new(Budget::new(100)));
        backlog.push(&[&PUBLISH[..], &PING, &PUBLISH[..3]].concat());
        assert_eq!(kinds(&mut backlog), [packet::PUBLISH, packet::PINGREQ]);
        assert_eq!(backlog.scanned(), 7);
        backlog.push(&PUBLISH[3..]);
        assert_eq!(kinds(&mut backlog), [packet::PUBLISH]);
        backlog.consume(5);
        assert_eq!((backlog.scanned(), backlog.bytes()[0]), (7, PING[0]));
        backlog.push(&[0xe0, 0, 0xc0, 0]);
        assert_eq!(kinds(&mut backlog), [packet::DISCONNECT]);
    }

    #[test]
    fn one_credential_fills_its_own_share_and_each_connection_has_a_message_for_itself() {
        let all = Arc::new(Budget::new(100_000));
        let (mut greedy, mut other) = (backlog(20_000, &all), backlog(20_000, &all));
        greedy.push(&vec![0; 30_000]);
        assert!(!greedy.has_room() && other.has_room());
        all.add(100_000);
        other.push(&vec![0; OWN_BYTES - 1]);
        assert!(other.has_room());
        other.push(&[0; 1]);
        assert!(!other.has_room());
        greedy.consume(30_000);
        all.give_back(100_000);
        drop((greedy, other));
        assert_eq!(all.held.load(Relaxed), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever comes and is handled in whatever pieces, the bytes stay in order and the budgets even.
        #[test]
        fn nothing_is_lost(steps in prop::collection::vec((0_usize..90_000, 0_usize..90_000), 1..12)) {
            let all = Arc::new(Budget::new(1_000_000));
            let mut backlog = backlog(1_000_000, &all);
            let (mut sent, mut handled) = (0_usize, 0_usize);
            for (comes, goes) in steps {
                let bytes: Vec<u8> = (sent..sent + comes).map(|at| (at % 251) as u8).collect();
                backlog.push(&bytes);
                sent += comes;
                let goes = goes.min(backlog.bytes().len());
                prop_assert!(backlog.bytes()[..goes].iter().enumerate().all(|(i, byte)| *byte == ((handled + i) % 251) as u8));
                backlog.consume(goes);
                handled += goes;
                prop_assert_eq!(backlog.bytes().len(), sent - handled);
                prop_assert_eq!(all.held.load(Relaxed), (sent - handled).saturating_sub(OWN_BYTES));
            }
            drop(backlog);
            prop_assert_eq!(all.held.load(Relaxed), 0);
        }
    }
}
