//! Messages from us to subscribers: alerts to apps, commands to devices.
//!
//! # Why not rumqttd's router
//! It was the first candidate. Read and measured, it can lose messages of a slow link silently when its log
//! rolls over, panics on three sequences that a client can cause, never frees filters, grants the wrong QoS,
//! deletes a retained message on a non-retained empty one, and costs tens of kilobytes per link. What is
//! needed here is small: few filters with wildcards, bounded queues, bounded retained messages. So the table
//! below does it, without a thread, and behind [`Fanout`], so that another can take its place. What would
//! change our mind: sessions that outlive a connection, shared subscriptions and QoS 2 in a sound router.
//!
//! # Queues
//! Each subscribing connection has a [`Mailbox`] of [`crate::Limits::subscriber_queue_max`] messages. When it
//! is full the connection is closed and counted: it reconnects, and the retained messages bring it up to
//! date. Nothing is dropped silently and no publisher waits.
use crate::{
    handle::Handle,
    meters::{BrokerMeters, CloseReason, add},
};
use ioc_model::topic;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst},
    },
};

/// One message, shared by all who get it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: Box<str>,
    pub(crate) payload: Box<[u8]>,
}

/// A message for one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    /// 0 or 1.
    pub(crate) qos: u8,
    /// Set on a message that was retained before the subscription.
    pub(crate) retain: bool,
}

/// What waits for one subscribing connection.
#[derive(Debug)]
pub(crate) struct Mailbox {
    handle: Arc<Handle>,
    deliveries_max: usize,
    deliveries: Mutex<VecDeque<Delivery>>,
    /// Whether a look inside may be worth the lock.
    any: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new(handle: Arc<Handle>, deliveries_max: usize) -> Self {
        Self { handle, deliveries_max, deliveries: Mutex::default(), any: AtomicBool::new(false) }
    }

    fn deliveries(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, delivery: Delivery) {
        let mut deliveries = self.deliveries();
        if deliveries.len() >= self.deliveries_max {
            drop(deliveries);
            self.handle.close(CloseReason::SlowSubscriber);
            return;
        }
        deliveries.push_back(delivery);
        // Stored and read under or after the lock; the flag only saves taking it in vain.
        self.any.store(true, SeqCst);
        drop(deliveries);
        self.handle.wake();
    }

    /// Takes the oldest delivery.
    pub(crate) fn take(&self) -> Option<Delivery> {
        if !self.any.load(SeqCst) {
            return None;
        }
        let mut deliveries = self.deliveries();
        let delivery = deliveries.pop_front();
        if deliveries.is_empty() {
            self.any.store(false, SeqCst);
        }
        delivery
    }
}

/// Brings messages to subscribers.
pub(crate) trait Fanout: Send + Sync {
    /// Enters or replaces the subscription of `mailbox` to a valid `filter`; `qos` is 0 or 1.
    fn subscribe(&self, mailbox: &Arc<Mailbox>, filter: &str, qos: u8);

    /// Removes a subscription, if there is one.
    fn unsubscribe(&self, mailbox: &Arc<Mailbox>, filter: &str);

    /// Puts one copy into each mailbox with a matching filter, with the highest granted QoS of these, and
    /// returns their number. With `retain` the message is kept for later subscribers; an empty one clears.
    fn publish(&self, topic: &str, payload: &[u8], retain: bool) -> usize;

    /// Returns up to `max` retained messages that `filter` matches, by topic, from the first after `after`.
    fn retained(&self, filter: &str, after: Option<&str>, max: usize) -> Vec<Arc<Message>>;

    /// Reports whether a message is still the retained one of its topic.
    fn is_retained(&self, message: &Arc<Message>) -> bool;
}

type Subscribers = Vec<(Arc<Mailbox>, u8)>;

/// Filters without wildcards in a map (each device has one for its commands), the others in a list (apps).
/// One lock, held for one lookup and the pushes.
#[derive(Debug)]
pub(crate) struct Table {
    meters: Arc<BrokerMeters>,
    retained_max: usize,
    state: Mutex<FanoutState>,
}

#[derive(Debug, Default)]
struct FanoutState {
    exact: HashMap<Box<str>, Subscribers>,
    wild: BTreeMap<Box<str>, Subscribers>,
    retained: BTreeMap<Box<str>, Arc<Message>>,
}

impl Table {
    pub(crate) fn new(retained_max: usize, meters: Arc<BrokerMeters>) -> Self {
        Self { meters, retained_max, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, FanoutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retain(&self, state: &mut FanoutState, message: &Arc<Message>) {
        if message.payload.is_empty() {
            state.retained.remove(&message.topic);
        } else if state.retained.len() >= self.retained_max && !state.retained.contains_key(&message.topic) {
            add(&self.meters.retained_refused, 1);
        } else {
            state.retained.insert(message.topic.clone(), Arc::clone(message));
        }
        self.meters.retained.store(state.retained.len() as u64, Relaxed);
    }
}

fn is_wild(filter: &str) -> bool {
    filter.contains(['+', '#'])
}

fn enter(subscribers: &mut Subscribers, mailbox: &Arc<Mailbox>, qos: u8) {
    match subscribers.iter_mut().find(|(other, _)| Arc::ptr_eq(other, mailbox)) {
        Some((_, granted)) => *granted = qos,
        None => subscribers.push((Arc::clone(mailbox), qos)),
    }
}

/// Returns what every topic that `filter` matches begins with.
fn literal_prefix(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    // `a/#` matches `a` too.
    filter[..end].strip_suffix('/').unwrap_or(&filter[..end])
}

impl Fanout for Table {
    fn subscribe(&self, mailbox: &Arc<Mailbox>, filter: &str, qos: u8) {
        let state = &mut *self.state();
        let subscribers = match is_wild(filter) {
            true => state.wild.entry(filter.into()).or_default(),
            false => state.exact.entry(filter.into()).or_default(),
        };
        enter(subscribers, mailbox, qos);
    }

    fn unsubscribe(&self, mailbox: &Arc<Mailbox>, filter: &str) {
        let state = &mut *self.state();
        let subscribers = match is_wild(filter) {
            true => state.wild.get_mut(filter),
            false => state.exact.get_mut(filter),
        };
        let Some(subscribers) = subscribers else { return };
        subscribers.retain(|(other, _)| !Arc::ptr_eq(other, mailbox));
        if subscribers.is_empty() {
            state.wild.remove(filter);
            state.exact.remove(filter);
        }
    }

    fn publish(&self, topic: &str, payload: &[u8], retain: bool) -> usize {
        let message = Arc::new(Message { topic: topic.into(), payload: payload.into() });
        let mut state = self.state();
        if retain {
            self.retain(&mut state, &message);
        }
        let mut receivers = state.exact.get(topic).cloned().unwrap_or_default();
        for (_, subscribers) in state.wild.iter().filter(|(filter, _)| topic::matches(filter, topic)) {
            for (mailbox, qos) in subscribers {
                match receivers.iter_mut().find(|(other, _)| Arc::ptr_eq(other, mailbox)) {
                    Some((_, highest)) => *highest = (*highest).max(*qos),
                    None => receivers.push((Arc::clone(mailbox), *qos)),
                }
            }
        }
        // Under the lock, so that two publishes reach everyone in the same order.
        for (mailbox, qos) in &receivers {
            mailbox.put(Delivery { message: Arc::clone(&message), qos: *qos, retain: false });
        }
        receivers.len()
    }

    fn retained(&self, filter: &str, after: Option<&str>, max: usize) -> Vec<Arc<Message>> {
        let prefix = literal_prefix(filter);
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let state = self.state();
        let candidates = state.retained.range::<str, _>((from, Bound::Unbounded));
        candidates
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .filter(|(topic, _)| topic::matches(filter, topic))
            .map(|(_, message)| Arc::clone(message))
            .take(max)
            .collect()
    }

    fn is_retained(&self, message: &Arc<Message>) -> bool {
        self.state().retained.get(&message.topic).is_some_and(|known| Arc::ptr_eq(known, message))
    }
}

#[cfg(test)]
mod tests;
