//! What the packets of a connected client mean.
use crate::{
    Incoming, Taken, Verdict, acl,
    connection::{Blocked, Connection, OUT_BYTES_MAX, Stop},
    meters::{CloseReason, add},
    packet::{self, Frame, Malformed, Publish},
    subscriber::Subscriber,
    thread_context::ThreadContext,
};
use ioc_model::topic;
use std::borrow::Cow;

/// Bytes handled in one turn, and what a reading counts for among them: decoding takes longer than reading. Then the other
/// connections of the reactor have theirs.
const TURN_COST: usize = 96 * 1024;
const COST_OF_READING: usize = 64;

/// Counted locally while one buffer is handled, then added in one go.
#[derive(Default)]
struct Tally {
    publishes: [u64; 2],
    bytes: u64,
    readings: usize,
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Close(match malformed {
            Malformed::Protocol => CloseReason::ProtocolError,
            Malformed::TooLarge => CloseReason::PacketTooLarge,
            Malformed::Qos2 => CloseReason::Qos2,
        })
    }
}

/// What a topic name is to its publisher.
enum Topic<'a> {
    Own(&'a str),
    /// A valid name that is not the sender's own.
    Foreign(&'a str),
    /// No topic name at all; made printable.
    Invalid(Cow<'a, str>),
}

impl Topic<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Own(name) | Self::Foreign(name) => name,
            Self::Invalid(name) => name,
        }
    }
}

/// Reports whether a packet that was scanned needs nothing more.
fn is_answered_early(frame: &Frame<'_>) -> bool {
    match frame.kind() {
        packet::PINGREQ => packet::bare(frame).is_ok(),
        packet::PUBACK => packet::puback(frame).is_ok(),
        _ => false,
    }
}

impl Connection {
    /// Handles the complete packets at the start of `bytes`, of which `scanned` were looked through before; returns how
    /// many bytes they had and what stopped it, if not the end of the bytes.
    pub(crate) fn handle_packets(
        &mut self,
        thread: &ThreadContext,
        bytes: &[u8],
        scanned: usize,
    ) -> (usize, Option<Stop>) {
        let limits = &thread.shared.limits;
        let now_ns = thread.shared.now_ns();
        let mut tally = Tally::default();
        let mut used = 0;
        let stop = loop {
            if self.out.len() >= OUT_BYTES_MAX {
                break Some(Stop::Block(Blocked::Output));
            }
            let frame = match packet::frame(&bytes[used..], limits.packet_bytes_max) {
                Ok(Some(frame)) => frame,
                Ok(None) => break None,
                Err(malformed) => break Some(malformed.into()),
            };
            let is_open = used >= scanned || !is_answered_early(&frame);
            if is_open && let Err(stop) = self.handle_packet(thread, &frame, now_ns, &mut tally) {
                break Some(stop);
            }
            used += frame.whole.len();
            if used + tally.readings * COST_OF_READING >= TURN_COST {
                break Some(Stop::Block(Blocked::TurnEnded));
            }
        };
        let meters = &thread.shared.meters;
        add(&meters.publishes[0], tally.publishes[0]);
        add(&meters.publishes[1], tally.publishes[1]);
        add(&meters.publish_bytes, tally.bytes);
        match &stop {
            Some(Stop::Block(Blocked::Busy)) => add(&meters.busy_parks, 1),
            Some(Stop::Block(Blocked::Throttled(_))) => add(&meters.throttled, 1),
            _ => {}
        }
        (used, stop)
    }

    fn handle_packet(
        &mut self,
        thread: &ThreadContext,
        frame: &Frame<'_>,
        now_ns: u64,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        match frame.kind() {
            packet::PUBLISH => self.publish(thread, &packet::publish(frame)?, now_ns, tally),
            packet::PUBACK => {
                let packet_id = packet::puback(frame)?;
                if let Some(subscriber) = &mut self.subscriber {
                    subscriber.acknowledged(packet_id);
                }
                Ok(())
            }
            packet::SUBSCRIBE => {
                self.take_share(frame.whole.len(), now_ns)?;
                self.subscribe(thread, frame)
            }
            packet::UNSUBSCRIBE => {
                self.take_share(frame.whole.len(), now_ns)?;
                self.unsubscribe(thread, frame)
            }
            packet::PINGREQ => {
                packet::bare(frame)?;
                self.take_share(frame.whole.len(), now_ns)?;
                packet::put_pingresp(&mut self.out);
                Ok(())
            }
            packet::DISCONNECT => {
                packet::bare(frame)?;
                Err(Stop::Close(CloseReason::Disconnect))
            }
            _ => Err(Stop::Close(CloseReason::ProtocolError)),
        }
    }

    /// Slows down a credential that asks for more than its rate.
    fn take_share(&self, bytes: usize, now_ns: u64) -> Result<(), Stop> {
        if self.is_unpaced {
            self.session.allowance.charge_message(&self.session.rates, bytes, now_ns);
            return Ok(());
        }
        let taken = self.session.allowance.take(&self.session.rates, bytes, now_ns);
        taken.map_err(|wait| Stop::Block(Blocked::Throttled(Box::pin(tokio::time::sleep(wait)))))
    }

    fn publish(
        &mut self,
        thread: &ThreadContext,
        publish: &Publish<'_>,
        now_ns: u64,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let shared = &thread.shared;
        if publish.packet_id.is_some() && self.unacked >= shared.limits.inflight_max {
            return Err(Stop::Block(Blocked::InFlight));
        }
        let topic = self.classify(thread, publish.topic);
        let bytes = publish.topic.len() + publish.payload.len();
        self.take_share(bytes, now_ns)?;
        let published = shared.sink.try_publish(Incoming {
            principal: &self.session.principal,
            topic: topic.name(),
            payload: publish.payload,
            verdict: if matches!(topic, Topic::Own(_)) { Verdict::Ok } else { Verdict::TopicNotAllowed },
            retain: publish.retain,
            dup: publish.dup,
            connected_at: self.session.connected_at,
        });
        let Ok(Taken { offset, readings }) = published else {
            self.session.allowance.give_back(&self.session.rates, bytes);
            return Err(Stop::Block(Blocked::Busy));
        };
        self.session.allowance.charge_readings(&self.session.rates, readings, now_ns);
        tally.publishes[usize::from(publish.packet_id.is_some())] += 1;
        tally.bytes += publish.payload.len() as u64;
        tally.readings += readings as usize;
        if let Some(packet_id) = publish.packet_id {
            self.unacked += 1;
            thread.await_ack(offset, self.key, packet_id);
        }
        match topic {
            Topic::Own(_) => Ok(()),
            Topic::Foreign(name) => self.count_foreign(thread, name),
            Topic::Invalid(_) => Err(Stop::Close(CloseReason::TopicInvalid)),
        }
    }

    fn classify<'a>(&self, thread: &ThreadContext, topic: &'a [u8]) -> Topic<'a> {
        match std::str::from_utf8(topic) {
            Ok(name) if !topic::is_name(name) => {
                // Too long to be of use, and quarantine keeps topics whole.
                let end =
                    (0..=topic::TOPIC_LEN_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
                Topic::Invalid(Cow::Borrowed(&name[..end.unwrap_or(0)]))
            }
            Ok(name) if acl::may_publish(&*thread.shared.access, &self.session.principal, name) => {
                Topic::Own(name)
            }
            Ok(name) => Topic::Foreign(name),
            Err(_) => {
                let start = &topic[..topic.len().min(topic::TOPIC_LEN_MAX)];
                Topic::Invalid(String::from_utf8_lossy(start))
            }
        }
    }

    fn count_foreign(&mut self, thread: &ThreadContext, topic: &str) -> Result<(), Stop> {
        let shared = &thread.shared;
        self.foreign += 1;
        add(&shared.meters.foreign_topics, 1);
        let credential = &*self.session.principal.credential;
        if let Some(suppressed) = shared.log_limiters.foreign.of(credential).pass() {
            tracing::warn!(credential, ?topic, suppressed, "publish to a topic that is not the sender's own");
        }
        match self.foreign > shared.limits.foreign_topics_max {
            true => Err(Stop::Close(CloseReason::TopicNotAllowed)),
            false => Ok(()),
        }
    }

    fn subscribe(&mut self, thread: &ThreadContext, frame: &Frame<'_>) -> Result<(), Stop> {
        let shared = &thread.shared;
        let (packet_id, filters) = packet::subscribe(frame)?;
        self.session.allowance.charge_readings(
            &self.session.rates,
            u32::try_from(filters.len()).unwrap_or(u32::MAX),
            shared.now_ns(),
        );
        let mut granted = Vec::with_capacity(filters.len());
        for filter in &filters {
            let allowed = acl::may_subscribe(&*shared.access, &self.session.principal, &filter.path)
                && self.filters_with(&filter.path) <= shared.limits.subscriptions_max;
            granted.push(allowed.then(|| {
                let qos = (filter.qos as u8).min(1);
                let handle = &self.session.handle;
                let deliveries_max = shared.limits.subscriber_queue_max;
                self.subscriber
                    .get_or_insert_with(|| Box::new(Subscriber::new(handle.clone(), deliveries_max)))
                    .subscribe(&*shared.fanout, &filter.path, qos);
                qos
            }));
        }
        let denied = granted.iter().filter(|qos| qos.is_none()).count();
        add(&shared.meters.subscribe_denied, denied as u64);
        add(&shared.meters.subscribed, (granted.len() - denied) as u64);
        packet::put_suback(&mut self.out, packet_id, &granted);
        Ok(())
    }

    fn filters_with(&self, filter: &str) -> usize {
        self.subscriber.as_ref().map_or(1, |subscriber| subscriber.filters_with(filter))
    }

    fn unsubscribe(&mut self, thread: &ThreadContext, frame: &Frame<'_>) -> Result<(), Stop> {
        let (packet_id, filters) = packet::unsubscribe(frame)?;
        if let Some(subscriber) = &mut self.subscriber {
            for filter in &filters {
                subscriber.unsubscribe(&*thread.shared.fanout, filter);
            }
        }
        packet::put_unsuback(&mut self.out, packet_id);
        Ok(())
    }
}
