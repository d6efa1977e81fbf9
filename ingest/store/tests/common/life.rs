//! Random lives of a history against a map: late, duplicate and corrected readings, sealing, merging, restarts. Knows the
//! port alone.
use super::{Oracle, apply_set_back, compare, observation};
use ioc_model::{DeviceIndex, Observation, Quality};
use ioc_store::{ApplyOutcome, ApplyOutcomes, Batch, SharedHistory, TimeRange};
use proptest::prelude::*;
use std::path::Path;

/// Opens what was kept in a directory.
pub(crate) type Open = fn(&Path) -> SharedHistory;

/// Two groups of 64 are touched.
const DEVICES: [u32; 4] = [0, 1, 63, 64];
/// And some more are asked for.
pub(crate) const ASKED: [u32; 7] = [0, 1, 2, 63, 64, 65, 200];
pub(crate) const PROPERTIES: u16 = 2;
pub(crate) const END_MS: i64 = 6_000;

/// How far scattered readings lie from the others: thousands of spans.
pub(crate) const FAR_MS: i64 = 3_000_000;

/// Property, time, value, quality.
pub(crate) type Reading = (u16, i64, u8, u8);

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Journal records that are applied together; with some, their device's clock turns out to be set back.
    Apply(Vec<(usize, Vec<Reading>, Option<i64>)>),
    /// Time passes: spans are sealed, segments merged.
    Maintain(i64),
    Seal,
    /// The process ends and starts: the journal is replayed from where the store says.
    Restart,
    /// The same, but the journal is replayed from further back.
    RestartFromStart,
    Compare(i64, i64, usize),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let reading = (0..PROPERTIES, -500..END_MS, 0..4u8, prop_oneof![4 => Just(0u8), 1 => any::<u8>()]);
    // Few distinct times: duplicates and corrections are frequent.
    let coarse = (0..PROPERTIES, (0..12i64).prop_map(|n| n * 500), 0..3u8, Just(0u8));
    // Over thousands of spans; some of them again and again, with other values.
    let scattered = (0..PROPERTIES, -FAR_MS..FAR_MS, 0..3u8, Just(0u8));
    let far = (0..PROPERTIES, (-6..6i64).prop_map(|n| n * FAR_MS / 6), 0..3u8, Just(0u8));
    let readings = prop_oneof![
        prop::collection::vec(reading, 0..12),
        prop::collection::vec(coarse, 1..20),
        prop::collection::vec(prop_oneof![scattered, far], 1..30),
        // In order, as devices usually send.
        (0..PROPERTIES, 0..END_MS, 1..20usize).prop_map(|(property, start, n)| {
            (0..n).map(|i| (property, start + i as i64 * 10, 1, 0)).collect()
        }),
    ];
    let set_back = prop_oneof![9 => Just(None), 1 => (1..3 * END_MS).prop_map(Some)];
    let records = prop::collection::vec((0..DEVICES.len(), readings, set_back), 1..5);
    prop_oneof![
        12 => records.prop_map(Step::Apply),
        2 => (0..3 * END_MS).prop_map(Step::Maintain),
        1 => Just(Step::Seal),
        1 => Just(Step::Restart),
        1 => Just(Step::RestartFromStart),
        2 => (-600..END_MS + 600, -600..END_MS + 600, 1..50usize)
            .prop_map(|(a, b, n)| Step::Compare(a.min(b), a.max(b), n)),
        1 => (-FAR_MS..FAR_MS, -FAR_MS..FAR_MS, 1..50usize)
            .prop_map(|(a, b, n)| Step::Compare(a.min(b), a.max(b), n)),
    ]
}

/// One record as the journal has it, with what became of it.
pub(crate) type Logged = (u32, Vec<Observation>, Option<i64>, Vec<ApplyOutcome>);

/// Our own clock is put back at times.
fn arrival_ms(offset: u64) -> i64 {
    END_MS + offset as i64 * 7 - offset as i64 / 23 * 15_000
}

pub(crate) struct Life {
    pub(crate) dir: tempfile::TempDir,
    open: Open,
    pub(crate) store: SharedHistory,
    pub(crate) oracle: Oracle,
    pub(crate) journal: Vec<Logged>,
}

impl Life {
    pub(crate) fn new(open: Open) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        Self { dir, open, store, oracle: Oracle::default(), journal: Vec::new() }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Apply(records) => self.apply_all(&records),
            Step::Maintain(now_ms) => self.store.maintain(now_ms),
            Step::Seal => self.store.seal().unwrap(),
            Step::Restart => self.restart(u64::MAX),
            Step::RestartFromStart => self.restart(1),
            Step::Compare(from_ms, to_ms, n) => {
                compare(&self.store, &self.oracle, &ASKED, PROPERTIES, TimeRange::new(from_ms, to_ms), n);
            }
        }
    }

    pub(crate) fn apply(&mut self, device: usize, readings: &[Reading]) {
        self.apply_all(&[(device, readings.to_vec(), None)]);
    }

    fn apply_all(&mut self, records: &[(usize, Vec<Reading>, Option<i64>)]) {
        let mut batch = Batch::default();
        let before = self.journal.len();
        for (device, readings, set_back_ms) in records {
            let device = DEVICES[*device];
            let observations: Vec<_> = readings
                .iter()
                .map(|(property, ts_ms, value, quality)| Observation {
                    quality: Quality(*quality),
                    ..observation(*property, *ts_ms, f64::from(*value) * 0.1)
                })
                .collect();
            let offset = self.journal.len() as u64 + 1;
            batch.push(offset, DeviceIndex(device), arrival_ms(offset), observations.iter().copied());
            if let Some(by_ms) = *set_back_ms {
                self.oracle.set_back(device, by_ms);
                batch.set_back(by_ms);
            }
            let expected = self.oracle.apply(device, arrival_ms(offset), &observations);
            self.journal.push((device, observations, *set_back_ms, expected));
        }
        let mut outcomes = ApplyOutcomes::default();
        self.store.apply(&batch, &mut outcomes);
        let expected: Vec<_> =
            self.journal[before..].iter().map(|(_, _, _, expected)| &expected[..]).collect();
        assert_eq!(outcomes.records().collect::<Vec<_>>(), expected);
    }

    pub(crate) fn restart(&mut self, from: u64) {
        self.store.shutdown();
        self.store = (self.open)(self.dir.path());
        let replay_from = self.store.replay_from();
        let from = replay_from.min(from);
        for (index, (device, observations, set_back_ms, before)) in self.journal.iter().enumerate() {
            let offset = index as u64 + 1;
            let outcomes = match offset >= from {
                true => apply_set_back(
                    &self.store,
                    offset,
                    *device,
                    arrival_ms(offset),
                    observations,
                    *set_back_ms,
                ),
                false => Vec::new(),
            };
            if offset >= replay_from {
                assert_eq!(&outcomes, before, "a replayed record means what it meant the first time");
            }
        }
        assert_eq!(self.store.damage(), []);
    }
}

/// Runs one life to its end: what was applied, what came of it, and every query are as in a map, over restarts too.
pub(crate) fn run(open: Open, steps: Vec<Step>) {
    let mut life = Life::new(open);
    steps.into_iter().for_each(|step| life.step(step));
    let all = TimeRange::new(-1_000, END_MS + 1_000);
    let far = TimeRange::new(-FAR_MS - 1, FAR_MS + 1);
    let compare_with = |life: &Life, range| compare(&life.store, &life.oracle, &ASKED, PROPERTIES, range, 7);
    compare_with(&life, all);
    compare_with(&life, far);
    life.restart(u64::MAX);
    compare_with(&life, all);
    life.store.seal().unwrap();
    life.restart(u64::MAX);
    assert_eq!(life.store.replay_from(), life.journal.len() as u64 + 1);
    compare_with(&life, all);
    compare_with(&life, far);
}
