//! The receiving half of a connection that subscribes: its filters, what waits for it, what it has not
//! acknowledged.
use crate::{
    fanout::{Delivery, Fanout, Mailbox, Message},
    handle::Handle,
    packet,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// QoS 1 messages that a subscriber may leave unacknowledged; more wait in its mailbox.
const UNACKNOWLEDGED_MAX: usize = 64;
/// Retained messages fetched at once.
const PAGE: usize = 64;

/// Only connections that subscribe have one.
pub(crate) struct Subscriber {
    mailbox: Arc<Mailbox>,
    /// Granted QoS by filter.
    filters: BTreeMap<Box<str>, u8>,
    /// Retained messages still to be sent, at most one entry per filter.
    replays: VecDeque<Replay>,
    /// Taken from the mailbox, and waiting for an acknowledgement of another.
    held: Option<Delivery>,
    unacknowledged: BTreeSet<u16>,
    last_id: u16,
}

/// Walks through the retained messages of one filter, page by page, so that a slow reader holds none back.
struct Replay {
    filter: Box<str>,
    qos: u8,
    after: Option<Box<str>>,
    page: VecDeque<Arc<Message>>,
}

impl Subscriber {
    pub(crate) fn new(handle: Arc<Handle>, deliveries_max: usize) -> Self {
        Self {
            mailbox: Arc::new(Mailbox::new(handle, deliveries_max)),
            filters: BTreeMap::new(),
            replays: VecDeque::new(),
            held: None,
            unacknowledged: BTreeSet::new(),
            last_id: 0,
        }
    }

    /// Returns how many filters there are if `filter` is added.
    pub(crate) fn filters_with(&self, filter: &str) -> usize {
        self.filters.len() + usize::from(!self.filters.contains_key(filter))
    }

    /// Enters a filter; its retained messages will follow.
    pub(crate) fn subscribe(&mut self, fanout: &dyn Fanout, filter: &str, qos: u8) {
        // Entered before the first page is read: what is published between is then live, not lost.
        fanout.subscribe(&self.mailbox, filter, qos);
        self.filters.insert(filter.into(), qos);
        self.replays.retain(|replay| *replay.filter != *filter);
        self.replays.push_back(Replay { filter: filter.into(), qos, after: None, page: VecDeque::new() });
    }

    /// Removes a filter.
    pub(crate) fn unsubscribe(&mut self, fanout: &dyn Fanout, filter: &str) {
        if self.filters.remove(filter).is_some() {
            fanout.unsubscribe(&self.mailbox, filter);
            self.replays.retain(|replay| *replay.filter != *filter);
        }
    }

    /// Removes all filters.
    pub(crate) fn leave(&mut self, fanout: &dyn Fanout) {
        for filter in std::mem::take(&mut self.filters).into_keys() {
            fanout.unsubscribe(&self.mailbox, &filter);
        }
    }

    /// Notes a PUBACK; one that was not asked for changes nothing.
    pub(crate) fn acknowledged(&mut self, packet_id: u16) {
        self.unacknowledged.remove(&packet_id);
    }

    /// Appends what waits to `out` until that holds `bytes_max`; returns the number of messages.
    pub(crate) fn deliver(&mut self, fanout: &dyn Fanout, out: &mut Vec<u8>, bytes_max: usize) -> u64 {
        let mut delivered = 0;
        while out.len() < bytes_max {
            let next = self.held.take().or_else(|| self.mailbox.take()).or_else(|| self.retained(fanout));
            let Some(delivery) = next else { break };
            // Fetched a while ago: what took its place, or ended it, came or comes as a live message.
            if delivery.retain && !fanout.is_retained(&delivery.message) {
                continue;
            }
            let packet_id = match delivery.qos {
                0 => None,
                _ if self.unacknowledged.len() >= UNACKNOWLEDGED_MAX => {
                    self.held = Some(delivery);
                    break;
                }
                _ => Some(self.next_id()),
            };
            let Message { topic, payload } = &*delivery.message;
            packet::put_publish(out, topic, payload, packet_id, delivery.retain);
            delivered += 1;
        }
        delivered
    }

    fn retained(&mut self, fanout: &dyn Fanout) -> Option<Delivery> {
        while let Some(replay) = self.replays.front_mut() {
            if replay.page.is_empty() {
                let page = fanout.retained(&replay.filter, replay.after.as_deref(), PAGE);
                replay.after = page.last().map(|message| message.topic.clone());
                replay.page = page.into();
            }
            match replay.page.pop_front() {
                Some(message) => return Some(Delivery { message, qos: replay.qos, retain: true }),
                None => self.replays.pop_front(),
            };
        }
        None
    }

    fn next_id(&mut self) -> u16 {
        // Ends: far fewer ids are in use than there are.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.unacknowledged.insert(self.last_id) {
                return self.last_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fanout::Table, packet::Frame};

    fn ids(mut bytes: &[u8]) -> Vec<(u16, bool)> {
        let mut found = Vec::new();
        while let Some(Frame { first, whole, .. }) = packet::frame(bytes, 4096).unwrap() {
            let frame = packet::frame(bytes, 4096).unwrap().unwrap();
            found.push((packet::publish(&frame).unwrap().packet_id.unwrap_or(0), first & 1 == 1));
            bytes = &bytes[whole.len()..];
        }
        found
    }

    #[test]
    fn the_window_opens_with_acknowledgements_and_nothing_is_lost() {
        let table = Table::new(1_000, Arc::default());
        for number in 0..100 {
            table.publish(&format!("a/{number:03}"), b"x", true);
        }
        let mut subscriber = Subscriber::new(Arc::new(Handle::new()), 1_000);
        subscriber.subscribe(&table, "a/#", 1);
        table.publish("a/live", b"y", false);
        let mut out = Vec::new();
        assert_eq!(subscriber.deliver(&table, &mut out, usize::MAX), UNACKNOWLEDGED_MAX as u64);
        assert_eq!(ids(&out)[0], (1, false), "the live message comes first");
        assert_eq!(ids(&out)[1], (2, true));
        out.clear();
        assert_eq!(subscriber.deliver(&table, &mut out, usize::MAX), 0);
        (1..=40).for_each(|id| subscriber.acknowledged(id));
        assert_eq!(subscriber.deliver(&table, &mut out, usize::MAX), 37);
        subscriber.leave(&table);
        assert_eq!(table.publish("a/live", b"y", false), 0);
    }

    /// However slowly a subscriber acknowledges: what it hears last of a topic is how the topic stands.
    #[test]
    fn a_retained_message_that_was_replaced_or_cleared_meanwhile_is_not_sent() {
        const TOPICS: usize = 2 * UNACKNOWLEDGED_MAX + 10;
        for acknowledged in [1, 7, UNACKNOWLEDGED_MAX as u16] {
            let table = Table::new(1_000, Arc::default());
            let topic = |number: usize| format!("a/{number:03}");
            (0..TOPICS).for_each(|number| _ = table.publish(&topic(number), b"firing", true));
            let mut subscriber = Subscriber::new(Arc::new(Handle::new()), 1_000);
            subscriber.subscribe(&table, "a/#", 1);
            let (mut heard, mut next_ack) = (BTreeMap::new(), 1_u16);
            for round in 0.. {
                let mut out = Vec::new();
                subscriber.deliver(&table, &mut out, usize::MAX);
                let mut bytes = &out[..];
                while let Some(frame) = packet::frame(bytes, 4096).unwrap() {
                    let publish = packet::publish(&frame).unwrap();
                    heard.insert(publish.topic.to_owned(), publish.payload.to_vec());
                    bytes = &bytes[frame.whole.len()..];
                }
                if round == 0 {
                    (0..TOPICS).step_by(2).for_each(|number| _ = table.publish(&topic(number), b"", true));
                    (1..TOPICS)
                        .step_by(4)
                        .for_each(|number| _ = table.publish(&topic(number), b"high", true));
                }
                if subscriber.unacknowledged.is_empty() {
                    break;
                }
                for _ in 0..acknowledged {
                    subscriber.acknowledged(next_ack);
                    next_ack += 1;
                }
            }
            for number in 0..TOPICS {
                let expected: &[u8] = match number % 4 {
                    0 | 2 => b"",
                    1 => b"high",
                    _ => b"firing",
                };
                let last = heard.get(topic(number).as_bytes()).map_or(&b""[..], Vec::as_slice);
                assert_eq!(last, expected, "{} after {acknowledged} at a time", topic(number));
            }
        }
    }

    #[test]
    fn packet_ids_in_use_are_skipped_and_zero_never_used() {
        let mut subscriber = Subscriber::new(Arc::new(Handle::new()), 1);
        subscriber.last_id = u16::MAX - 1;
        subscriber.unacknowledged.insert(1);
        assert_eq!([subscriber.next_id(), subscriber.next_id()], [u16::MAX, 2]);
    }
}
