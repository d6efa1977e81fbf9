//! Gives observations and connection states to the rule engine while they go to disk, and a tick every second in between, so
//! that data and time reach it in one order.
use super::Consumer;
use crate::clock::{monotonic_ms, now_ms};
use ioc_journal::{Batch, Health, Offset, Record, SharedLog};
use ioc_model::{Presence, RecordKind, message::MessageView};
use ioc_rules::{Engine, Feed, Feeder, Input};
use ioc_services::alerting::Written;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Time between ticks, in milliseconds.
const TICK_MS: i64 = 1000;

/// Notes that devices were registered or changed. Rules hear of it with the next tick: many that are registered one
/// after the other are looked up once. A device that speaks before is taken in when it does. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct RegistryChanged(Arc<AtomicBool>);

impl RegistryChanged {
    /// Notes it.
    pub fn tell(&self) {
        self.0.store(true, Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

/// Follows the log and feeds the rule engine.
pub struct Rules {
    engine: Arc<Engine>,
    feeder: Feeder,
    journal: SharedLog,
    written: Written,
    changed: RegistryChanged,
    taken: Offset,
    committed_ms: i64,
    next_tick_ms: i64,
    is_timeless: Box<dyn Fn(Offset) -> bool + Send>,
    /// Waits until its decisions are written down.
    decided: Option<Decided>,
    /// The engine has stopped by itself.
    failed: bool,
}

/// Records up to `through` are decided, by the first `decisions` of this process.
#[derive(Debug, Clone, Copy)]
struct Decided {
    through: Offset,
    decisions: u64,
}

impl Rules {
    /// Feeds `engine` from `journal`, behind the record `after`, which was committed at `committed_ms`. What it
    /// decides counts when it is `written`.
    pub fn new(
        (engine, feeder): (Arc<Engine>, Feeder),
        journal: SharedLog,
        written: Written,
        changed: RegistryChanged,
        (after, committed_ms): (Offset, i64),
    ) -> Self {
        Self {
            engine,
            feeder,
            journal,
            written,
            changed,
            taken: after,
            committed_ms,
            next_tick_ms: 0,
            is_timeless: Box::new(|_| false),
            decided: None,
            failed: false,
        }
    }

    /// Gives no tick while `is_timeless` says so of the last record that was taken: between the replay of a start and the
    /// rules that are in force from then on, nothing may be decided by time and the old ones.
    pub fn timeless_while(self, is_timeless: impl Fn(Offset) -> bool + Send + 'static) -> Self {
        Self { is_timeless: Box::new(is_timeless), ..self }
    }

    fn tick_if_due(&mut self) {
        let monotonic_ms = monotonic_ms();
        if (self.is_timeless)(self.taken) {
            return;
        }
        if monotonic_ms >= self.next_tick_ms {
            self.next_tick_ms = monotonic_ms + TICK_MS;
            if self.changed.take()
                && let Err(error) = self.feeder.devices_changed()
            {
                tracing::error!(%error, "rules do not see the changed registry");
            }
            // Devices that cannot get rid of what they have to say are not silent.
            if self.journal.health() != Health::Ok {
                self.feeder.outage_ended(now_ms());
            }
            // While catching up, time must not run ahead of the data: silence would be ours, not theirs.
            let caught_up = self.taken >= self.journal.durable();
            let now_ms = if caught_up { now_ms() } else { self.committed_ms };
            // A stopped engine was reported by `take`.
            let _ = self.feeder.offer(&Input::Tick { now_ms, monotonic_ms });
        }
    }
}

/// Gives the engine one record. What rules do not read only moves them on.
fn offer(feed: &mut Feed<'_>, record: &Record<'_>, committed_ms: i64) {
    let offset = record.offset;
    match record.kind {
        RecordKind::Message => {
            if let Ok(message) = MessageView::parse(record.payload)
                && let Some(device) = message.device
            {
                let (arrival_ms, observations) = (message.arrival_ms, message.observations());
                let set_back_ms = message.set_back_ms;
                return feed.message(offset, committed_ms, device, arrival_ms, set_back_ms, observations);
            }
        }
        RecordKind::Presence => {
            if let Ok(presence) = Presence::decode(record.payload) {
                return feed.offer(&Input::Presence { offset, committed_ms, presence });
            }
        }
        RecordKind::Transition | RecordKind::OperatorAction | RecordKind::AlertEvent => {}
    }
    feed.other(offset);
}

impl Consumer for Rules {
    fn take(&mut self, batch: &Batch) {
        let committed_ms = batch.committed_ms();
        (self.taken, self.committed_ms) = (batch.last(), committed_ms);
        let mut feed = self.feeder.feed();
        for record in batch.records() {
            offer(&mut feed, &record, committed_ms);
        }
        if let Err(error) = feed.flush()
            && !std::mem::replace(&mut self.failed, true)
        {
            tracing::error!(%error, "rules no longer see what devices send");
        }
    }

    fn has_failed(&self) -> bool {
        self.failed
    }

    fn idle(&mut self) {
        // A stopped engine was reported by `take`.
        let _ = self.feeder.take_reloads();
        self.tick_if_due();
    }

    fn checkpoint(&mut self, _taken: Offset) -> Option<Offset> {
        // In this order: what was decided up to there is then counted.
        let through = self.engine.processed();
        let decided = Decided { through, decisions: self.engine.meters().transitions };
        let is_written = |decided: &Decided| self.written.has(decided.decisions, &self.journal);
        if is_written(&decided) {
            self.decided = None;
            return Some(through);
        }
        // Under load something is always on its way; what was decided a while ago is there.
        let earlier = self.decided.take_if(|earlier| is_written(earlier));
        self.decided.get_or_insert(decided);
        earlier.map(|earlier| earlier.through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{defaults, followers::Wakeup};
    use ioc_alerts::AlertFold;
    use ioc_journal::{JournalConfig, Visibility};
    use ioc_model::{
        AlertId, Catalogue, DeviceIndex, Domain, Message, Observation, Origin, PropertyId, Quality,
    };
    use ioc_rules::{
        DeviceLabels, Directory, EngineConfig, PastSample, PastSamples, Place, RuleFile, RuleSet,
        TransitionSink, engine,
    };
    use ioc_services::alerting::{AlertThread, Archive};
    use std::{thread, time::Duration};

    const RULE: &str = "groups:
  - name: water
    rules:
      - alert: HighWater
        expr: water_level > 5
        labels: { severity: high, domain: environment }
        annotations: { summary_vi: Cao, summary_en: High }
";
    const GAUGE: DeviceIndex = DeviceIndex(0);
    const AT_MS: i64 = 1_760_313_600_000;

    /// A city with one gauge and no past.
    struct OneGauge;

    impl Directory for OneGauge {
        fn device(&self, _: DeviceIndex) -> Option<Arc<DeviceLabels>> {
            self.devices().pop()
        }

        fn devices(&self) -> Vec<Arc<DeviceLabels>> {
            let (id, kind) = ("WL-1".parse().unwrap(), "water-level");
            vec![Arc::new(DeviceLabels::new(
                GAUGE,
                id,
                Domain::from_static("environment"),
                kind,
                None,
                [],
                10_000,
            ))]
        }
    }

    impl PastSamples for OneGauge {
        fn samples(&self, _: DeviceIndex, _: PropertyId, _: i64, _: i64) -> Vec<PastSample> {
            Vec::new()
        }
    }

    fn engine(catalogue: Catalogue, out: Arc<dyn TransitionSink>) -> (Arc<Engine>, Feeder) {
        let rules = RuleSet::load(&[RuleFile { path: "water.yaml".into(), text: RULE.into() }], &catalogue);
        let config = EngineConfig {
            shards: 1,
            queue_batches: engine::QUEUE_BATCHES,
            flapping: ioc_model::share::Rate::UNLIMITED,
            new_id: Arc::new(|at_ms| AlertId::new(at_ms, 1)),
            place: Place { latitude: 16.46, longitude: 107.59, time_zone: jiff::tz::TimeZone::UTC },
            startup_ms: 0,
            resume_after: 0,
        };
        let (rules, catalogue, city) = (Arc::new(rules.unwrap()), Arc::new(catalogue), Arc::new(OneGauge));
        let (engine, feeder) =
            Engine::start(config, rules, catalogue, city.clone(), city, Vec::new(), 0, out).unwrap();
        (Arc::new(engine), feeder)
    }

    #[test]
    fn a_place_is_kept_only_when_what_was_decided_is_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = ioc_journal::open(JournalConfig::new(dir.path())).unwrap();
        let catalogue = Catalogue::from_toml(defaults::text("catalogue/catalogue.toml").unwrap()).unwrap();
        let level = catalogue.property("water_level").unwrap().id;
        let (out, decisions) = crossbeam_channel::unbounded();
        let (engine, feeder) = engine(catalogue, Arc::new(out));
        let archive = Archive { find: Box::new(|_| None), through: Box::new(|| 0) };
        let alerts =
            AlertThread::start(journal.clone(), AlertFold::default(), archive, Wakeup::default()).unwrap();
        let written = alerts.written();
        let (changed, start) = (RegistryChanged::default(), (0, 0));
        let engine_and_feeder = (Arc::clone(&engine), feeder);
        let mut rules = Rules::new(engine_and_feeder, journal.clone(), written.clone(), changed, start);
        let observation = Observation { property: level, ts_ms: AT_MS, value: 6.0, quality: Quality::GOOD };
        let message = Message {
            device: Some(GAUGE),
            arrival_ms: AT_MS,
            origin: Origin::Device,
            observations: vec![observation],
            rejected: None,
            set_back_ms: None,
        };
        let offset = journal.append(RecordKind::Message, |bytes| message.encode(bytes)).unwrap();
        let batch =
            journal.follow(offset, Visibility::Durable).next(Duration::from_secs(30)).unwrap().unwrap();
        rules.take(&batch);
        while engine.processed() < offset {
            thread::yield_now();
        }
        assert_eq!(decisions.len(), 1);
        assert_eq!(rules.checkpoint(offset), None, "the decision is on its way to the alert thread");

        assert!(alerts.emit(decisions.recv().unwrap()));
        journal.wait_durable(offset + 1, Duration::from_secs(30)).unwrap();
        while rules.checkpoint(offset).is_none() {
            thread::yield_now();
        }
        assert_eq!(rules.checkpoint(offset), Some(offset));
        drop(rules);
        engine.stop();
        alerts.close();
    }
}
