//! A small city for tests of the engine: a catalogue, devices, a past, and a way to run inputs to the end.
#![allow(dead_code, clippy::disallowed_types, reason = "each test file uses a part of it; tests may lock")]
use ioc_model::{
    AlertId, Catalogue, DeviceIndex, Domain, Observation, Presence, PropertyId, Quality, TransitionKind,
    presence::PresenceCause, share::Rate, time::ClockOffset,
};
use ioc_rules::{
    DeviceLabels, Directory, Engine, EngineConfig, Feeder, Input, PastReading, PastSample, PastSamples,
    Place, RestoredAlert, RuleFile, RuleSet, RuleTransition, as_it_came, engine::QUEUE_BATCHES,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) mod oracle;
mod oracle_math;

/// A Monday, 00:00 UTC.
pub(crate) const START: i64 = 1_760_313_600_000;
pub(crate) const LEVEL: PropertyId = PropertyId(1);
pub(crate) const POWER: PropertyId = PropertyId(31);
pub(crate) const COUNTER: PropertyId = PropertyId(38);
pub(crate) const ONLINE: PropertyId = PropertyId(90);

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::from_toml(
        r#"
        [domain.environment]
        title = { vi = "Môi trường", en = "Environment" }
        [domain.lighting]
        title = { vi = "Chiếu sáng", en = "Lighting" }
        [property.water_level]
        id = 1
        title = { vi = "Mực nước", en = "Water level" }
        [property.active_power]
        id = 31
        title = { vi = "Công suất", en = "Power" }
        [property.active_energy]
        id = 38
        title = { vi = "Điện năng", en = "Energy" }
        [kind.water-level]
        domain = "environment"
        reporting_period_s = 2
        properties = ["water_level"]
        title = { vi = "Trạm mực nước", en = "Water level station" }
        [kind.luminaire]
        domain = "lighting"
        reporting_period_s = 3
        properties = ["active_power", "active_energy"]
        title = { vi = "Đèn", en = "Luminaire" }
    "#,
    )
    .unwrap()
}

/// Builds a rule set from `(name, rest)`, where the rest is what follows `alert:` in YAML, indented by 8.
pub(crate) fn rules(entries: &[(&str, &str)]) -> RuleSet {
    let mut text = String::from("groups:\n  - name: test\n    rules:\n");
    for (name, rest) in entries {
        let mut annotations = String::new();
        let mut fields = String::new();
        for line in rest.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let of_annotation = line.starts_with("clear:") || line.starts_with("no_data:");
            let (target, indent) = if of_annotation { (&mut annotations, 10) } else { (&mut fields, 8) };
            target.push_str(&format!("{:indent$}{line}\n", ""));
        }
        let domain = if fields.contains("domain=") { "" } else { "          domain: environment\n" };
        text.push_str(&format!(
            "      - alert: {name}\n{fields}        labels:\n          severity: high\n{domain}        annotations:\n{annotations}\
             \x20         summary_vi: Giá trị {{{{ $value }}}} tại {{{{ $labels.device }}}}\n\
             \x20         summary_en: Value {{{{ $value }}}} at {{{{ $labels.device }}}}\n"
        ));
    }
    let file = RuleFile { path: "test.yaml".into(), text };
    RuleSet::load(std::slice::from_ref(&file), &catalogue())
        .unwrap_or_else(|errors| panic!("{}\n{errors:#?}", file.text))
}

pub(crate) struct Devices(pub(crate) Mutex<Vec<Arc<DeviceLabels>>>);

impl Directory for Devices {
    fn device(&self, index: DeviceIndex) -> Option<Arc<DeviceLabels>> {
        self.0.lock().unwrap().iter().find(|device| device.index == index).cloned()
    }
    fn devices(&self) -> Vec<Arc<DeviceLabels>> {
        self.0.lock().unwrap().clone()
    }
}

/// The device with this index: even ones are water levels `WL-n`, odd ones luminaires `LUM-n`; two wards.
pub(crate) fn device(index: u32) -> Arc<DeviceLabels> {
    let (id, domain, kind, period_ms) = match index % 2 {
        0 => (format!("WL-{index}"), Domain::from_static("environment"), "water-level", 2_000),
        _ => (format!("LUM-{index}"), Domain::from_static("lighting"), "luminaire", 3_000),
    };
    let ward = if index % 4 < 2 { "A" } else { "B" };
    let labels = [("street", "Le Loi")];
    Arc::new(DeviceLabels::new(
        DeviceIndex(index),
        id.parse().unwrap(),
        domain,
        kind,
        Some(ward),
        labels,
        period_ms,
    ))
}

pub(crate) fn fleet(count: u32) -> Arc<Devices> {
    Arc::new(Devices(Mutex::new((0..count).map(device).collect())))
}

/// History by series.
#[derive(Default)]
pub(crate) struct Past {
    /// By event time.
    pub(crate) series: Mutex<BTreeMap<(u32, u16), BTreeMap<i64, PastReading>>>,
    pub(crate) heard: Mutex<BTreeMap<u32, i64>>,
    pub(crate) clocks: Mutex<BTreeMap<u32, ClockOffset>>,
}

/// A reading whose arrival was not kept.
pub(crate) fn reading(event_ms: i64, value: f64) -> PastReading {
    PastReading { event_ms, arrival_ms: event_ms, value, quality: Quality::GOOD }
}

impl Past {
    /// Returns a history of one series, of readings with these times and values.
    pub(crate) fn of(
        device: u32,
        property: PropertyId,
        readings: impl IntoIterator<Item = (i64, f64)>,
    ) -> Self {
        let past = Self::default();
        let readings = readings.into_iter().map(|(ts_ms, value)| (ts_ms, reading(ts_ms, value))).collect();
        past.series.lock().unwrap().insert((device, property.0), readings);
        past
    }

    /// Adds what an input stores.
    pub(crate) fn record(&self, input: &Input) {
        let Input::Message { device, arrival_ms, set_back_ms, observations, .. } = input else { return };
        self.heard.lock().unwrap().insert(device.0, *arrival_ms);
        if let Some(newest_ms) = observations.iter().map(|observation| observation.ts_ms).max() {
            let mut clocks = self.clocks.lock().unwrap();
            clocks.entry(device.0).or_default().follow(newest_ms, *arrival_ms, *set_back_ms);
        }
        for observation in observations.iter().filter(|observation| observation.quality.is_measuring()) {
            let Observation { ts_ms: event_ms, value, quality, .. } = *observation;
            let mut series = self.series.lock().unwrap();
            let readings = series.entry((device.0, observation.property.0)).or_default();
            readings.insert(event_ms, PastReading { event_ms, arrival_ms: *arrival_ms, value, quality });
        }
    }
}

impl PastSamples for Past {
    fn samples(
        &self,
        device: DeviceIndex,
        property: PropertyId,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<PastSample> {
        let series = self.series.lock().unwrap();
        let readings = series.get(&(device.0, property.0)).into_iter().flatten();
        let mut samples = as_it_came(readings.map(|(_, reading)| *reading).collect());
        samples.retain(|sample| (from_ms..to_ms).contains(&sample.placed_ms));
        samples
    }
    fn last(&self, device: DeviceIndex, property: PropertyId) -> Option<PastSample> {
        let series = self.series.lock().unwrap();
        let samples = series.get(&(device.0, property.0))?.values().map(PastSample::alone);
        samples.max_by_key(|sample| sample.placed_ms)
    }
    fn clock(&self, device: DeviceIndex) -> Option<ClockOffset> {
        let offset_ms = self.clocks.lock().unwrap().get(&device.0)?.measured_ms()?;
        let mut clock = ClockOffset::default();
        clock.resume(offset_ms);
        Some(clock)
    }
    fn last_seen(&self, device: DeviceIndex) -> Option<i64> {
        self.heard.lock().unwrap().get(&device.0).copied()
    }
}

/// A running engine and what it says.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    /// `None` once the engine was stopped.
    feeder: Option<Feeder>,
    pub(crate) out: crossbeam_channel::Receiver<RuleTransition>,
    pub(crate) offset: u64,
}

pub(crate) struct Setup {
    pub(crate) rules: RuleSet,
    pub(crate) shards: usize,
    pub(crate) devices: Arc<Devices>,
    pub(crate) past: Arc<Past>,
    pub(crate) restored: Vec<RestoredAlert>,
    pub(crate) seed_to_ms: i64,
    pub(crate) startup_ms: i64,
    pub(crate) resume_after: u64,
    /// Transitions that may wait to be read; `None` for any number.
    pub(crate) out_room: Option<usize>,
    /// How often one device's alerts may end.
    pub(crate) flapping: Rate,
}

impl Setup {
    /// A fresh city that started long ago.
    pub(crate) fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            shards: 1,
            devices: fleet(8),
            past: Arc::default(),
            restored: Vec::new(),
            seed_to_ms: START,
            startup_ms: START - 3_600_000,
            resume_after: 0,
            out_room: None,
            flapping: Rate::UNLIMITED,
        }
    }

    pub(crate) fn start(self) -> Bench {
        let past: Arc<dyn PastSamples> = Arc::clone(&self.past) as _;
        self.start_with(past)
    }

    /// Starts with another past.
    pub(crate) fn start_with(self, past: Arc<dyn PastSamples>) -> Bench {
        let ids = AtomicU64::new(1);
        let config = EngineConfig {
            shards: self.shards,
            queue_batches: QUEUE_BATCHES,
            flapping: self.flapping,
            new_id: Arc::new(move |at| AlertId::new(at, u128::from(ids.fetch_add(1, Ordering::Relaxed)))),
            place: place(),
            startup_ms: self.startup_ms,
            resume_after: self.resume_after,
        };
        let (sender, out) =
            self.out_room.map_or_else(crossbeam_channel::unbounded, crossbeam_channel::bounded);
        let (engine, feeder) = Engine::start(
            config,
            Arc::new(self.rules),
            Arc::new(catalogue()),
            self.devices,
            past,
            self.restored,
            self.seed_to_ms,
            Arc::new(sender),
        )
        .unwrap();
        Bench { engine, feeder: Some(feeder), out, offset: self.resume_after }
    }
}

pub(crate) fn place() -> Place {
    let time_zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(7));
    Place { latitude: 16.46, longitude: 107.59, time_zone }
}

impl Bench {
    /// Offers one observation that arrives `seconds` after the start with that event time.
    pub(crate) fn feeder(&mut self) -> &mut Feeder {
        self.feeder.as_mut().unwrap()
    }

    /// Has everything that was offered evaluated, and ends the threads.
    pub(crate) fn stop(&mut self) {
        self.feeder = None;
        self.engine.stop();
    }

    pub(crate) fn observe(&mut self, seconds: f64, device: u32, property: PropertyId, value: f64) {
        let ts_ms = START + (seconds * 1e3) as i64;
        self.observe_as(seconds, device, Observation { property, ts_ms, value, quality: Quality::GOOD });
    }

    pub(crate) fn observe_as(&mut self, seconds: f64, device: u32, observation: Observation) {
        self.observe_stepped(seconds, device, observation, None);
    }

    /// The same, of a message that shows its device's clock set back.
    pub(crate) fn observe_stepped(
        &mut self,
        seconds: f64,
        device: u32,
        observation: Observation,
        set_back_ms: Option<i64>,
    ) {
        self.observe_all(seconds, device, vec![observation], set_back_ms);
    }

    /// Offers a message of several observations.
    pub(crate) fn observe_all(
        &mut self,
        seconds: f64,
        device: u32,
        observations: Vec<Observation>,
        set_back_ms: Option<i64>,
    ) {
        self.offset += 1;
        let arrival_ms = START + (seconds * 1e3) as i64;
        let (offset, device, committed_ms) = (self.offset, DeviceIndex(device), arrival_ms + 1);
        let input = Input::Message { offset, committed_ms, device, arrival_ms, set_back_ms, observations };
        self.feeder().offer(&input).unwrap();
    }

    /// Offers a connection state that changes `seconds` after the start.
    pub(crate) fn presence(&mut self, seconds: f64, device: u32, online: bool) {
        self.offset += 1;
        let at_ms = START + (seconds * 1e3) as i64;
        let presence =
            Presence { device: DeviceIndex(device), at_ms, online, cause: PresenceCause::Connected };
        let input = Input::Presence { offset: self.offset, committed_ms: at_ms + 1, presence };
        self.feeder().offer(&input).unwrap();
    }

    pub(crate) fn tick(&mut self, seconds: f64) {
        let now_ms = START + (seconds * 1e3) as i64;
        self.feeder().offer(&Input::Tick { now_ms, monotonic_ms: now_ms - START + 77 }).unwrap();
    }

    /// Ticks each second from `from` to `to`, both included.
    pub(crate) fn ticks(&mut self, from: u32, to: u32) {
        (from..=to).for_each(|second| self.tick(f64::from(second)));
    }

    /// Waits until everything is decided, and returns what was said since the last time.
    pub(crate) fn said(&mut self) -> Vec<RuleTransition> {
        // One more offset is reached only when everything before it is done, ticks included.
        self.offset += 1;
        let end = Input::Other { offset: self.offset };
        self.feeder().offer(&end).unwrap();
        let mut said = Vec::new();
        until("everything to be decided", || {
            said.extend(self.out.try_iter());
            self.engine.processed() >= self.offset
        });
        said.extend(self.out.try_iter());
        said
    }

    /// Everything up to a clean stop, as words: also what the shards say at their start, which waits for no input.
    #[allow(dead_code, reason = "not every test stops its engine")]
    pub(crate) fn last_words(mut self) -> Vec<String> {
        self.stop();
        self.out.try_iter().map(|transition| words(&transition)).collect()
    }

    /// The same, as words: rule, device or `-`, what happened, seconds after the start.
    pub(crate) fn words(&mut self) -> Vec<String> {
        self.said().iter().map(words).collect()
    }
}

pub(crate) fn words(transition: &RuleTransition) -> String {
    let device = transition.alert.device.as_ref().map_or("-", |device| device.as_str());
    let what = match transition.kind {
        TransitionKind::Cleared if transition.withdrawn_pending => "withdrawn",
        TransitionKind::Firing if transition.alert.no_data => "firing without data",
        kind => kind.as_str(),
    };
    let seconds = (transition.at_ms - START) as f64 / 1e3;
    format!("{} {device} {what} {seconds}", transition.alert.rule)
}

/// Waits until `condition` holds; a minute later it is taken never to.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited a minute in vain: {what}");
        std::thread::yield_now();
    }
}
