//! The newest transitions in memory, and a number that tells sessions when there are more. A session keeps its
//! own place and reads at its own pace, so there is no queue per client and a slow one costs nobody anything;
//! who falls behind the ring reads on from the records. Transitions come here before they are on disk and are told when
//! they are, by a task beside the sessions: no thread in between has to wake up first.
use super::{commit_buffer::CommitBuffer, encoded::EncodedTransition, watermark::ProjectionWatermark};
use ioc_model::{Alert, AlertId};
use ioc_records::Sequenced;
use ioc_services::Wakeup;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
    sync::{Arc, RwLock, RwLockReadGuard},
    time::Duration,
};
use tokio::sync::watch;

/// Transitions kept in memory.
pub const RING_MAX: usize = 4096;

/// What a session finds when it asks for more.
#[derive(Debug)]
pub enum Since {
    /// These follow, in order; none is missing.
    Ring(Vec<EncodedTransition>),
    /// The ring no longer reaches back that far: read the records.
    Behind,
}

/// Holds the newest transitions for all sessions.
pub struct Hub {
    ring: RwLock<Ring>,
    last: watch::Sender<u64>,
    coming: CommitBuffer,
    recorded: ProjectionWatermark,
    /// Urges who keeps the records, when somebody reads them.
    wanted: Wakeup,
    /// Numbers that no transition here has: they may be those of another life of the data directory.
    passed_over: Option<RangeInclusive<u64>>,
}

struct Ring {
    /// Everything after this offset is in `items`.
    complete_after: u64,
    /// The newest offset that `items` and `open` reflect.
    last: u64,
    items: VecDeque<EncodedTransition>,
    /// Shared, so that a snapshot of many holds up nobody who publishes.
    open: BTreeMap<AlertId, Arc<Alert>>,
}

impl Ring {
    fn push(&mut self, item: EncodedTransition) {
        let alert = &item.transition.alert;
        if alert.is_open() {
            self.open.insert(alert.id, Arc::new(alert.clone()));
        } else {
            self.open.remove(&alert.id);
        }
        self.last = item.seq;
        self.items.push_back(item);
        if self.items.len() > RING_MAX {
            self.complete_after = self.items.pop_front().map_or(self.complete_after, |old| old.seq);
        }
    }
}

impl Hub {
    /// Makes a hub whose last transition is `last` and whose open alerts are `open`: older ones are in the records.
    /// Who waits for the records urges `wanted`.
    pub fn new(last: u64, open: impl IntoIterator<Item = Alert>, wanted: Wakeup) -> Self {
        let open = open.into_iter().map(|alert| (alert.id, Arc::new(alert))).collect();
        let ring = Ring { complete_after: last, last, items: VecDeque::new(), open };
        Self {
            ring: RwLock::new(ring),
            last: watch::Sender::new(last),
            coming: CommitBuffer::new(last),
            recorded: ProjectionWatermark::new(last),
            wanted,
            passed_over: None,
        }
    }

    /// Has it know the numbers that were passed over when a backup was put back or the journal was lost.
    #[must_use]
    pub fn passing_over(mut self, passed_over: Option<RangeInclusive<u64>>) -> Self {
        self.passed_over = passed_over;
        self
    }

    /// Reports whether whoever has everything up to `seq` may lack something before it, or have what is not: nothing here was
    /// ever told under that number.
    pub fn is_of_another_life(&self, seq: u64) -> bool {
        seq > self.told() || self.passed_over.as_ref().is_some_and(|passed_over| passed_over.contains(&seq))
    }

    /// Takes transitions, in order, that are on disk or on their way there: sessions get them when they are. The records
    /// may lack the newest, but no more of them than the ring holds, see [`Self::unrecorded`]: who falls behind the ring
    /// finds everything before it there.
    pub fn prepare(&self, transitions: impl IntoIterator<Item = Sequenced>) {
        let ready: Vec<_> = transitions.into_iter().map(EncodedTransition::from).collect();
        self.coming.add(ready);
    }

    /// Notes that everything up to `durable` is on disk. Costs next to nothing: the journal's writer calls it.
    pub fn committed(&self, durable: u64) {
        self.coming.reach(durable);
    }

    /// Tells what comes to disk, for ever.
    pub async fn tell(&self) {
        loop {
            self.coming.due().await;
            self.publish(self.coming.take());
        }
    }

    fn publish(&self, transitions: impl IntoIterator<Item = EncodedTransition>) {
        let mut last = None;
        let mut ring = self.ring.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for transition in transitions {
            last = Some(transition.seq);
            ring.push(transition);
        }
        drop(ring);
        if let Some(last) = last {
            self.last.send_replace(last);
        }
    }

    /// Notes that the records have every transition up to `through`.
    pub fn recorded(&self, through: u64) {
        self.recorded.reach(through);
    }

    /// Returns up to which transition the records are complete.
    pub fn recorded_through(&self) -> u64 {
        self.recorded.through()
    }

    /// Returns how many transitions were told, or are about to be, and not recorded.
    pub fn unrecorded(&self) -> usize {
        let (through, coming) = (self.recorded.through(), self.coming.len());
        let ring = self.read();
        coming + ring.items.len() - ring.items.partition_point(|item| item.seq <= through)
    }

    /// Waits until the records have everything that anybody was told, at most `patience`: who heard of an alert finds
    /// it there. Blocks.
    pub fn await_records(&self, patience: Duration) {
        self.await_record(self.told(), patience);
    }

    /// Waits until the records have the transition at `seq`, of which the caller knows, at most `patience`. Blocks.
    pub fn await_record(&self, seq: u64, patience: Duration) {
        if self.recorded.through() < seq {
            self.wanted.notify(seq);
            self.recorded.wait(seq, patience);
        }
    }

    /// Returns the offset of the newest transition.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Returns the offset of the newest transition that anybody can have been told: a session may have sent what was
    /// published a moment before [`Self::last`] changes.
    pub fn told(&self) -> u64 {
        self.read().last
    }

    /// Returns a receiver that changes with every publication.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Returns at most `limit` transitions after `seq`.
    pub fn since(&self, seq: u64, limit: usize) -> Since {
        let ring = self.read();
        if seq < ring.complete_after {
            return Since::Behind;
        }
        let start = ring.items.partition_point(|item| item.seq <= seq);
        Since::Ring(ring.items.iter().skip(start).take(limit).cloned().collect())
    }

    /// Returns at most `limit` transitions after `seq` of those that the ring has, for when nothing older is kept.
    pub fn oldest_page(&self, seq: u64, limit: usize) -> Vec<EncodedTransition> {
        self.read().items.iter().filter(|item| item.seq > seq).take(limit).cloned().collect()
    }

    /// Returns the open alerts and the offset of the newest transition that they reflect.
    pub fn snapshot(&self) -> (u64, Vec<Arc<Alert>>) {
        let ring = self.read();
        (ring.last, ring.open.values().cloned().collect())
    }

    /// Finds an open alert.
    pub fn open_alert(&self, id: AlertId) -> Option<Alert> {
        self.read().open.get(&id).map(|alert| Alert::clone(alert))
    }

    /// Calls `visit` with each open alert; keep it short, publication waits.
    pub fn for_each_open(&self, mut visit: impl FnMut(&Alert)) {
        self.read().open.values().for_each(|alert| visit(alert));
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_model::{Transition, TransitionKind};
    use ioc_services::fixtures::firing;

    fn transition(seq: u64) -> Sequenced {
        let transition =
            Transition { transition: TransitionKind::Firing, at: 0, by: None, cause: None, alert: firing() };
        Sequenced::new(seq, transition)
    }

    #[test]
    fn a_reader_sees_each_transition_once_and_in_order() {
        let hub = Hub::new(10, [], Wakeup::default());
        hub.publish([transition(12), transition(15)].map(EncodedTransition::from));
        let Since::Ring(found) = hub.since(10, 10) else { panic!("the ring reaches back") };
        assert_eq!(found.iter().map(|t| t.seq).collect::<Vec<_>>(), [12, 15]);
        let Since::Ring(found) = hub.since(12, 10) else { panic!("the ring reaches back") };
        assert_eq!(found.iter().map(|t| t.seq).collect::<Vec<_>>(), [15]);
        assert_eq!(hub.last(), 15);
        assert_eq!(hub.unrecorded(), 2);
        hub.recorded(12);
        assert_eq!((hub.unrecorded(), hub.recorded_through()), (1, 12));
    }

    #[test]
    fn a_place_in_another_life_of_the_directory_is_known_also_once_this_one_has_come_further() {
        let hub = Hub::new(15, [], Wakeup::default()).passing_over(Some(22..=1_000));
        let others =
            |hub: &Hub| [0, 15, 21, 22, 103, 1_000, 1_001, 1_040].map(|seq| hub.is_of_another_life(seq));
        assert_eq!(others(&hub), [false, false, true, true, true, true, true, true], "nothing told yet");
        hub.publish([transition(1_001), transition(1_040)].map(EncodedTransition::from));
        assert_eq!(others(&hub), [false, false, false, true, true, true, false, false]);
    }

    #[tokio::test]
    async fn what_is_not_on_disk_is_not_told() {
        let hub = Arc::new(Hub::new(10, [], Wakeup::default()));
        let telling = Arc::clone(&hub);
        let telling = tokio::spawn(async move { telling.tell().await });
        let mut watch = hub.watch();
        hub.prepare([transition(12), transition(15)]);
        hub.committed(11);
        tokio::task::yield_now().await;
        assert_eq!((hub.last(), hub.told(), hub.unrecorded()), (10, 10, 2));
        hub.committed(14);
        watch.changed().await.unwrap();
        assert_eq!((hub.last(), hub.unrecorded()), (12, 2));
        hub.committed(16);
        watch.changed().await.unwrap();
        // Late: it has been there for a while.
        hub.prepare([transition(16)]);
        watch.changed().await.unwrap();
        assert_eq!(hub.last(), 16);
        telling.abort();
    }

    #[test]
    fn who_fell_behind_the_ring_is_sent_to_the_records() {
        let hub = Hub::new(10, [], Wakeup::default());
        assert!(matches!(hub.since(9, 10), Since::Behind));
        hub.publish((11..).take(RING_MAX + 5).map(transition).map(EncodedTransition::from));
        assert!(matches!(hub.since(14, 10), Since::Behind));
        assert!(matches!(hub.since(15, 10), Since::Ring(_)));
    }
}
