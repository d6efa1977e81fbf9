//! What the engine should say, worked out the slow way: all samples ever, every expression from scratch with full
//! label sets, no index, no timetable, no partial results.
use super::{
    START,
    oracle_math::{absent, clock, filter, fold, map, number, over, pair},
};
use ioc_model::{
    Observation, PropertyId, Quality, TransitionKind,
    time::{ClockOffset, Placer, Placing},
};
use ioc_rules::{
    DeviceLabels, Input, NoData, Rule, RuleSet,
    lang::{
        ast::{
            Aggregate, Binary, CalendarFunction, ClockFunction, Expr, Grouping, Node, RangeFunction, Selector,
        },
        query::Scope,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) type Labels = Arc<BTreeMap<String, String>>;
/// `None`: silent.
pub(crate) type Vector = BTreeMap<Labels, Option<f64>>;

/// Rule, labels, what happened, when, withdrawn, no data.
pub(crate) type Said = (String, Labels, TransitionKind, i64, bool, bool);

#[derive(Clone, Copy, PartialEq)]
enum Life {
    Pending { since: i64 },
    Firing { calm: Option<i64>, no_data: bool },
}

pub(crate) struct Oracle<'a> {
    rules: &'a RuleSet,
    devices: Vec<Arc<DeviceLabels>>,
    labels: BTreeMap<u32, Labels>,
    /// By placed time: the value, and from when on it counts as the present one.
    samples: BTreeMap<(u32, PropertyId), BTreeMap<i64, (f64, i64)>>,
    heard: BTreeMap<u32, i64>,
    clocks: BTreeMap<u32, ClockOffset>,
    placers: BTreeMap<u32, Placer>,
    /// What came since the newest message of a device: property, placed time, value and from when on it counts.
    since: BTreeMap<u32, Vec<(PropertyId, i64, f64, i64)>>,
    lives: BTreeMap<(usize, Labels), Life>,
    late: BTreeMap<(usize, Option<u32>), bool>,
    round_ms: BTreeMap<usize, i64>,
    touched: BTreeSet<usize>,
    /// Timely and late observations since the last round of a rule.
    touches: BTreeMap<usize, (bool, bool)>,
    pub(crate) said: Vec<Said>,
}

/// What one evaluation says about one alert. `Some(Some(_))` is a value, `Some(None)` silence, `None` nothing.
#[derive(Clone, Copy)]
struct Seen {
    found: Option<Option<f64>>,
    recovered: Option<Option<Option<f64>>>,
    may_start: bool,
    at: i64,
}

type What = (TransitionKind, bool, bool);

fn live(rule: &Rule, life: Option<Life>, seen: Seen) -> (Option<Life>, Option<What>) {
    let at = seen.at;
    let is_true = matches!(seen.found, Some(Some(_)));
    let firing =
        (Some(Life::Firing { calm: None, no_data: false }), Some((TransitionKind::Firing, false, false)));
    match life {
        None if !(is_true && seen.may_start) => (None, None),
        None if rule.for_ms == 0 => firing,
        None => (Some(Life::Pending { since: at }), Some((TransitionKind::Pending, false, false))),
        Some(Life::Pending { since }) if is_true && at - since >= rule.for_ms => firing,
        Some(Life::Pending { .. }) if is_true => (life, None),
        Some(Life::Pending { .. }) => (None, Some((TransitionKind::Cleared, true, false))),
        Some(Life::Firing { calm, no_data }) => {
            let silent = seen.found == Some(None);
            let over = !is_true
                && match seen.recovered {
                    _ if silent && rule.no_data == NoData::Clear => true,
                    None => !silent,
                    Some(recovered) => matches!(recovered, Some(Some(_))),
                };
            let unknown = silent && !over && matches!(seen.recovered, None | Some(Some(None)));
            let calm = if over { Some(calm.unwrap_or(at)) } else { calm.filter(|_| unknown) };
            if over && calm.is_some_and(|calm| at - calm >= rule.keep_firing_ms) {
                return (None, Some((TransitionKind::Cleared, false, false)));
            }
            let what = (unknown != no_data).then_some((TransitionKind::Firing, false, unknown));
            (Some(Life::Firing { calm, no_data: unknown }), what)
        }
    }
}

const SILENCE: PropertyId = PropertyId(91);
const ONLINE: PropertyId = PropertyId(90);

impl<'a> Oracle<'a> {
    pub(crate) fn new(rules: &'a RuleSet, devices: Vec<Arc<DeviceLabels>>, taken_in_ms: i64) -> Self {
        let heard = devices.iter().map(|device| (device.index.0, taken_in_ms)).collect();
        let texts = |device: &DeviceLabels| {
            device.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        let labels = devices.iter().map(|device| (device.index.0, Arc::new(texts(device)))).collect();
        Self {
            rules,
            devices,
            labels,
            samples: BTreeMap::new(),
            heard,
            clocks: BTreeMap::new(),
            placers: BTreeMap::new(),
            since: BTreeMap::new(),
            lives: BTreeMap::new(),
            late: BTreeMap::new(),
            round_ms: BTreeMap::new(),
            touched: BTreeSet::new(),
            touches: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, input: &Input) {
        match input {
            Input::Message { device, arrival_ms, set_back_ms, observations, .. } => {
                let heard = self.heard.entry(device.0).or_insert(*arrival_ms);
                *heard = (*heard).max(*arrival_ms);
                let mut placing = Placing::alone(i64::MIN, *arrival_ms);
                if let Some(newest) = observations.iter().map(|observation| observation.ts_ms).max() {
                    self.clock_says(device.0, newest, *arrival_ms, *set_back_ms);
                    let offset_ms = self.clocks.get(&device.0).and_then(ClockOffset::usable_ms);
                    let placer = self.placers.entry(device.0).or_default();
                    placing = placer.take(newest, *arrival_ms, offset_ms);
                }
                if self.clocks.get(&device.0).is_some_and(ClockOffset::is_behind) {
                    self.remember(device.0, (*arrival_ms, placing), observations);
                }
                self.observed(device.0, (*arrival_ms, placing), observations, true);
            }
            Input::Presence { presence, .. } => {
                let value = f64::from(u8::from(presence.online));
                let observation =
                    Observation { property: ONLINE, ts_ms: presence.at_ms, value, quality: Quality::GOOD };
                let placing = Placing::alone(presence.at_ms, presence.at_ms);
                self.observed(presence.device.0, (presence.at_ms, placing), &[observation], false);
            }
            Input::Tick { now_ms, .. } => {
                for number in 0..self.rules.rules().len() {
                    self.round_ms.insert(number, *now_ms);
                    if self.is_fleet(number) {
                        self.settle_late(number);
                    }
                    self.evaluate(number, None, *now_ms, None);
                }
                self.touched.clear();
            }
            Input::Other { .. } => {}
        }
    }

    fn clock_says(&mut self, device: u32, event_ms: i64, arrival_ms: i64, set_back_ms: Option<i64>) {
        if let Some(by_ms) = set_back_ms {
            self.set_back(device, by_ms, event_ms);
        }
        let clock = self.clocks.entry(device).or_default();
        clock.follow(event_ms, arrival_ms, set_back_ms);
        if !clock.is_behind() {
            self.since.remove(&device);
        }
    }

    fn remember(&mut self, device: u32, (at, placing): (i64, Placing), observations: &[Observation]) {
        for observation in observations.iter().filter(|observation| observation.quality.is_measuring()) {
            let (placed, fresh) = placed(observation, at, placing);
            let since = self.since.entry(device).or_default();
            since.push((observation.property, placed, observation.value, fresh));
        }
    }

    /// Everything that the device sent before stands earlier, with what it counts for; what came since stands where it is.
    fn set_back(&mut self, device: u32, by_ms: i64, event_ms: i64) {
        let times = self.clocks.entry(device).or_default().since(by_ms, event_ms);
        let mut since = self.since.remove(&device).unwrap_or_default();
        since.retain(|(_, placed, ..)| times.contains(placed));
        let placer = self.placers.entry(device).or_default();
        placer.put_back(by_ms);
        since.iter().for_each(|(_, placed, ..)| placer.stands(*placed));
        for ((_, property), series) in
            self.samples.range_mut((device, PropertyId(0))..=(device, PropertyId(u16::MAX)))
        {
            let later: Vec<_> = since.iter().filter(|(of, ..)| of == property).collect();
            let before = std::mem::take(series).into_iter();
            let before = before.filter(|(ts, _)| later.iter().all(|(_, placed, ..)| placed != ts));
            *series = before.map(|(ts, counts)| (ts - by_ms, counts)).collect();
            later.into_iter().for_each(|(_, placed, value, fresh)| insert(series, *placed, *value, *fresh));
        }
    }

    fn is_fleet(&self, number: usize) -> bool {
        let rule = &self.rules.rules()[number];
        rule.query.expr.scope() != Scope::Device
            || rule.clear.as_ref().is_some_and(|clear| clear.expr.scope() == Scope::Fleet)
    }

    fn settle_late(&mut self, number: usize) {
        let (timely, late) = self.touches.remove(&number).unwrap_or_default();
        let known = self.late.entry((number, None)).or_default();
        *known = !timely && (*known || late);
    }

    fn observed(
        &mut self,
        device: u32,
        (at, placing): (i64, Placing),
        observations: &[Observation],
        a_message: bool,
    ) {
        for observation in observations.iter().filter(|observation| observation.quality.is_measuring()) {
            let series = self.samples.entry((device, observation.property)).or_default();
            let (placed, fresh) = placed(observation, at, placing);
            insert(series, placed, observation.value, fresh);
        }
        let labels = self.devices.iter().find(|known| known.index.0 == device).cloned().unwrap();
        for number in 0..self.rules.rules().len() {
            let rule = Arc::clone(&self.rules.rules()[number]);
            let selectors = selectors(&rule);
            let fleet = self.is_fleet(number);
            let read = |property: PropertyId| {
                selectors.iter().any(|s| s.property == property && s.picks(|name| labels.label(name)))
            };
            let of_rule: Vec<_> =
                observations.iter().filter(|o| o.quality.is_measuring() && read(o.property)).collect();
            let timely = of_rule.iter().any(|o| !o.quality.contains(Quality::LATE));
            let late = of_rule.iter().any(|o| o.quality.contains(Quality::LATE));
            if fleet {
                let touch = self.touches.entry(number).or_default();
                *touch = (touch.0 || timely, touch.1 || late);
                let named = |property: PropertyId| selectors.iter().any(|s| s.property == property);
                if observations.iter().any(|o| named(o.property)) {
                    self.touched.insert(number);
                }
            } else if !of_rule.is_empty() || (a_message && read(SILENCE)) {
                let timely = timely || (a_message && read(SILENCE));
                self.evaluate(number, Some(device), at, Some(timely));
            }
        }
        let due: Vec<_> = self
            .touched
            .iter()
            .copied()
            .filter(|number| at >= self.round_ms.get(number).copied().unwrap_or(i64::MIN / 2) + 100)
            .collect();
        for number in due {
            self.touched.remove(&number);
            self.round_ms.insert(number, at);
            self.settle_late(number);
            self.evaluate(number, None, at, None);
        }
    }

    /// Evaluates one rule, for one device or for all, and moves its alerts on.
    fn evaluate(&mut self, number: usize, device: Option<u32>, at: i64, arrived: Option<bool>) {
        let rule = Arc::clone(&self.rules.rules()[number]);
        let of_device =
            device.map(|device| self.devices.iter().find(|d| d.index.0 == device).unwrap().id.to_string());
        let concerns = |labels: &Labels| of_device.as_ref().is_none_or(|id| labels.get("device") == Some(id));
        if let (Some(device), Some(timely)) = (device, arrived) {
            self.late.insert((number, Some(device)), !timely);
        }
        let found = vector(self.eval(&rule.query.expr, at));
        let recovery = rule.clear.as_ref().map(|clear| vector(self.eval(&clear.expr, at)));
        let known = self.lives.keys().filter(|(of, _)| *of == number).map(|(_, labels)| labels.clone());
        let all: BTreeSet<Labels> =
            found.keys().cloned().chain(known).filter(|labels| concerns(labels)).collect();
        for labels in all {
            let index = labels.get("device").and_then(|id| self.devices.iter().find(|d| d.id.as_str() == id));
            let key = (number, index.map(|device| device.index.0).filter(|_| !self.is_fleet(number)));
            let may_start = !self.late.get(&key).copied().unwrap_or_default();
            let recovered = recovery.as_ref().map(|found| found.get(&labels).copied());
            let seen = Seen { found: found.get(&labels).copied(), recovered, may_start, at };
            self.step(number, &rule, labels, seen);
        }
    }

    fn step(&mut self, number: usize, rule: &Rule, labels: Labels, seen: Seen) {
        let key = (number, labels);
        let (next, what) = live(rule, self.lives.get(&key).copied(), seen);
        if let Some((kind, withdrawn, no_data)) = what {
            let mut labels = BTreeMap::clone(&key.1);
            labels.extend(rule.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())));
            self.said.push((rule.name.to_string(), Arc::new(labels), kind, seen.at, withdrawn, no_data));
        }
        match next {
            Some(life) => self.lives.insert(key, life),
            None => self.lives.remove(&key),
        };
    }

    fn eval(&self, expr: &Expr, at: i64) -> Result<f64, Vector> {
        Err(match &expr.node {
            Node::Number(value) => return Ok(*value),
            Node::Clock(ClockFunction::Time) => return Ok(at as f64 / 1e3),
            Node::Clock(function) => Vector::from([(Labels::default(), Some(clock(*function, at)))]),
            Node::Selector(selector) => self.each_picked(
                selector,
                |samples, device| {
                    let back = if selector.property == ONLINE { i64::MAX / 4 } else { 3 * device.period_ms };
                    let (_, (value, fresh)) = samples.range(..=at).next_back()?;
                    (*fresh > at - back).then_some(*value)
                },
                at,
            ),
            Node::OverRange(function, range) => self.each_picked(
                &range.selector,
                |samples, device| {
                    let clock = self.clocks.get(&device.index.0).and_then(ClockOffset::usable_ms);
                    let at = at - clock.map_or(0, |behind| behind.max(0) / 1_000 * 1_000);
                    let window: Vec<_> = samples
                        .range(at - range.window_ms + 1..=at)
                        .map(|(ts, (value, _))| (*ts, *value))
                        .collect();
                    over(*function, &window, at, range.window_ms)
                },
                at,
            ),
            Node::Negate(operand) => match self.eval(operand, at) {
                Ok(value) => return Ok(-value),
                Err(vector) => map(vector, |value| -value),
            },
            Node::Abs(operand) => map(vector(self.eval(operand, at)), f64::abs),
            Node::CalendarOf(function, operand) => {
                map(vector(self.eval(operand, at)), |value| match function {
                    CalendarFunction::Hour => clock(ClockFunction::Hour, value as i64 * 1000),
                    CalendarFunction::DayOfWeek => clock(ClockFunction::DayOfWeek, value as i64 * 1000),
                })
            }
            Node::Absent(operand) => absent(expr, &vector(self.eval(operand, at))),
            Node::AbsentOverTime(range) => {
                let count = Node::OverRange(RangeFunction::CountOverTime, range.clone());
                absent(expr, &vector(self.eval(&Expr { node: count, span: expr.span }, at)))
            }
            Node::Aggregate(aggregate) => self.aggregate(aggregate, at),
            Node::Binary(binary) => return self.binary(binary, at),
        })
    }

    fn aggregate(&self, aggregate: &Aggregate, at: i64) -> Vector {
        let mut groups: BTreeMap<Labels, Vec<Option<f64>>> = BTreeMap::new();
        for (labels, value) in vector(self.eval(&aggregate.operand, at)) {
            let kept = labels.iter().filter(|(name, _)| match &aggregate.grouping {
                Grouping::By(names) => names.iter().any(|known| **known == **name),
                Grouping::Without(names) => names.iter().all(|known| **known != **name),
            });
            let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            groups.entry(Arc::new(kept)).or_default().push(value);
        }
        groups.into_iter().map(|(labels, values)| (labels, fold(aggregate.op, &values))).collect()
    }

    fn binary(&self, binary: &Binary, at: i64) -> Result<f64, Vector> {
        let (left, right) = (self.eval(&binary.left, at), self.eval(&binary.right, at));
        match (left, right) {
            (Ok(left), Ok(right)) => Ok(number(binary.op, true, left, right, left).unwrap()),
            (Err(left), Ok(right)) => {
                Err(filter(left, |value| number(binary.op, binary.returns_bool, value, right, value)))
            }
            (Ok(left), Err(right)) => {
                Err(filter(right, |value| number(binary.op, binary.returns_bool, left, value, value)))
            }
            (Err(left), Err(right)) => {
                Err(pair(binary.op, binary.returns_bool, binary.matching, &left, &right))
            }
        }
    }

    fn each_picked(
        &self,
        selector: &Selector,
        value: impl Fn(&BTreeMap<i64, (f64, i64)>, &DeviceLabels) -> Option<f64>,
        at: i64,
    ) -> Vector {
        let mut found = Vector::new();
        for device in self.devices.iter().filter(|device| selector.picks(|name| device.label(name))) {
            let labels = Arc::clone(&self.labels[&device.index.0]);
            if selector.property == SILENCE {
                found.insert(labels, Some((at - self.heard[&device.index.0]) as f64 / 1e3));
            } else if let Some(samples) = self.samples.get(&(device.index.0, selector.property)) {
                found.insert(labels, value(samples, device));
            }
        }
        found
    }
}

/// Where an observation stands, and from when on it counts as the present value.
fn placed(observation: &Observation, at: i64, placing: Placing) -> (i64, i64) {
    let placed = placing.place(observation.ts_ms);
    (placed, if observation.quality.contains(Quality::LATE) { placed } else { at })
}

fn insert(series: &mut BTreeMap<i64, (f64, i64)>, placed: i64, value: f64, fresh: i64) {
    let before = series.get(&placed).map_or(i64::MIN, |(_, fresh)| *fresh);
    series.insert(placed, (value, fresh.max(before)));
}

fn selectors(rule: &Rule) -> Vec<Selector> {
    let queries = std::iter::once(&rule.query).chain(&rule.clear);
    queries.flat_map(|query| query.expr.reads()).map(|read| read.selector.clone()).collect()
}

fn vector(value: Result<f64, Vector>) -> Vector {
    match value {
        Ok(number) => Vector::from([(Labels::default(), Some(number))]),
        Err(vector) => vector,
    }
}

/// Seconds after the start, for messages of failed tests.
pub(crate) fn seconds(at: i64) -> f64 {
    (at - START) as f64 / 1e3
}
