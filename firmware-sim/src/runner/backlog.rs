//! What a connection has still to send; bounded, the oldest goes first when it is full.
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Messages that a connection keeps while it is away: an hour of one device, some minutes of a gateway.
const BACKLOG_MAX: usize = 2_000;
/// Messages joined into one array payload.
const JOIN_MAX: usize = 32;

/// A message: JSON objects of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) payload: Vec<u8>,
}

impl Message {
    pub(super) fn new(topic: Arc<str>, payload: Vec<u8>) -> Self {
        Self { topic, payload }
    }

    /// Returns the objects without the array around them.
    fn objects(&self) -> &[u8] {
        let inner = self.payload.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
        inner.unwrap_or(&self.payload)
    }
}

/// Messages in order.
#[derive(Debug, Default)]
pub(super) struct Backlog(VecDeque<Message>);

impl Backlog {
    /// Adds a message; returns how many old ones had to go.
    pub(super) fn push(&mut self, message: Message) -> u64 {
        self.0.push_back(message);
        self.shorten()
    }

    /// Puts messages back before all others; returns how many old ones had to go.
    pub(super) fn put_back(&mut self, messages: impl DoubleEndedIterator<Item = Message>) -> u64 {
        messages.rev().for_each(|message| self.0.push_front(message));
        self.shorten()
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        self.0.pop_front()
    }

    /// Joins messages of the same topic into arrays: what an outage left behind is sent as back-fill.
    pub(super) fn join(&mut self) {
        if self.0.len() < 2 {
            return;
        }
        let mut groups: Vec<(Arc<str>, Vec<Message>)> = Vec::new();
        let mut slots: HashMap<Arc<str>, usize> = HashMap::new();
        for message in self.0.drain(..) {
            let slot = *slots.entry(message.topic.clone()).or_insert_with(|| {
                groups.push((message.topic.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[slot].1.push(message);
        }
        for (topic, messages) in groups {
            for part in messages.chunks(JOIN_MAX) {
                if let [single] = part {
                    self.0.push_back(single.clone());
                    continue;
                }
                let objects: Vec<_> = part.iter().map(Message::objects).collect();
                let payload = [b"[".as_slice(), &objects.join(b",".as_slice()), b"]"].concat();
                self.0.push_back(Message { topic: topic.clone(), payload });
            }
        }
    }

    fn shorten(&mut self) -> u64 {
        let excess = self.0.len().saturating_sub(BACKLOG_MAX);
        self.0.drain(..excess);
        excess as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, payload: &str) -> Message {
        Message::new(topic.into(), payload.as_bytes().to_vec())
    }

    #[test]
    fn joins_by_topic_and_keeps_order() {
        let mut backlog = Backlog::default();
        for (topic, payload) in [("a", "{1}"), ("b", "{2}"), ("a", "[{3},{4}]"), ("b", "{5}")] {
            assert_eq!(backlog.push(message(topic, payload)), 0);
        }
        backlog.join();
        assert_eq!(backlog.pop(), Some(message("a", "[{1},{3},{4}]")));
        assert_eq!(backlog.pop(), Some(message("b", "[{2},{5}]")));
        assert_eq!(backlog.pop(), None);
    }

    #[test]
    fn loses_the_oldest_when_full() {
        let mut backlog = Backlog::default();
        let lost: u64 = (0..BACKLOG_MAX + 3).map(|i| backlog.push(message("a", &i.to_string()))).sum();
        assert_eq!(lost, 3);
        assert_eq!(backlog.pop(), Some(message("a", "3")));
        assert_eq!(backlog.put_back([message("a", "0"), message("a", "1")].into_iter()), 1);
        assert_eq!(backlog.pop(), Some(message("a", "1")));
    }
}
