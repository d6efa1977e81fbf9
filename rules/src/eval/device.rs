//! Evaluation of what one device decides by itself: over its own windows, without labels. With a result comes until when
//! it holds if nothing arrives, so that time costs nothing where nothing can have changed.
use super::{
    clock::{self, Clock},
    functions, operators,
    outcome::Outcome,
    plan::{DeviceBinary, DeviceNode, Selectors},
    window::{Range, Window},
};
use crate::{
    lang::ast::{BinaryOp, ClockFunction},
    lang::vocabulary::{DEVICE_ONLINE, DEVICE_SILENT_SECONDS},
};
use ioc_model::PropertyId;
use std::cell::Cell;

/// Reporting periods that the newest value of a series counts for.
pub(crate) const LOOK_BACK_PERIODS: i64 = 3;
/// The connection state counts until it changes: devices do not repeat it.
const FOREVER_MS: i64 = i64::MAX / 4;

/// One property of one device.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) property: PropertyId,
    pub(crate) window: Window,
    /// It is known to have reported, even if no sample of it is at hand.
    pub(crate) once_reported: bool,
}

impl Series {
    /// What stands for the series when it yields no sample.
    fn without_sample(&self) -> Outcome {
        if self.once_reported || self.window.newest().is_some() { Outcome::Silent } else { Outcome::Nothing }
    }
}

/// Returns how old the newest value of a property may be, for a device with this reporting period.
pub(crate) fn look_back_ms(property: PropertyId, period_ms: i64) -> i64 {
    if property == DEVICE_ONLINE { FOREVER_MS } else { LOOK_BACK_PERIODS.saturating_mul(period_ms) }
}

/// One device at one instant, as one plan sees it.
pub(crate) struct View<'v> {
    /// The device's series.
    pub(crate) series: &'v [Series],
    /// Selectors of the plan.
    pub(crate) selectors: &'v Selectors,
    /// Which of the plan's selectors pick the device.
    pub(crate) selector_mask: u64,
    /// Reporting period of the device.
    pub(crate) period_ms: i64,
    /// When the device was last heard of.
    pub(crate) last_heard_ms: i64,
    /// How far the device's clock is behind: its windows end where it stands.
    pub(crate) behind_ms: i64,
    /// The city's clock.
    pub(crate) clock: &'v Clock,
    /// The instant, milliseconds since the epoch.
    pub(crate) at: i64,
    /// The next instant at which the result can differ although nothing arrives; see [`View::until`].
    pub(crate) wake: Cell<i64>,
}

/// What is asked of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Value,
    /// Only whether there is a value.
    Presence,
}

impl View<'_> {
    /// Evaluates a node, and notes in `wake` until when the result holds.
    pub(crate) fn eval(&self, node: &DeviceNode) -> Outcome {
        self.eval_for(node, Need::Value)
    }

    fn eval_for(&self, node: &DeviceNode, need: Need) -> Outcome {
        match node {
            DeviceNode::Number(value) => Outcome::Value(*value),
            DeviceNode::Clock(function) => {
                self.until(clock::next_change(*function, self.at));
                Outcome::Value(self.clock.value(*function, self.at))
            }
            DeviceNode::Latest(slot) => self.latest(*slot),
            DeviceNode::Over(function, slot, window_ms) => {
                let Some(series) = self.series_of(*slot) else { return Outcome::Nothing };
                let (range, end) = (self.range(series, *window_ms), self.window_end());
                if functions::moves_with_time(*function) && range.has(functions::samples_needed(*function)) {
                    self.until(self.at + 1);
                } else if let Some(oldest) = range.first() {
                    self.until((oldest.ts + self.behind_ms).saturating_add(*window_ms));
                }
                self.until_next_of(series, end);
                functions::apply(*function, range, end, *window_ms)
                    .map_or_else(|| series.without_sample(), Outcome::Value)
            }
            DeviceNode::Negate(operand) => self.eval(operand).map(|value| -value),
            DeviceNode::Abs(operand) => self.eval(operand).map(f64::abs),
            DeviceNode::Calendar(function, operand) => {
                self.eval(operand).map(|value| clock::calendar(*function, value))
            }
            DeviceNode::Binary(binary) if binary.op.is_comparison() => self.comparison(binary, need),
            DeviceNode::Binary(binary) => self.binary(binary, need),
        }
    }

    fn binary(&self, binary: &DeviceBinary, need: Need) -> Outcome {
        let right = if matches!(binary.op, BinaryOp::And | BinaryOp::Unless) { Need::Presence } else { need };
        let (left, right) = (self.eval_for(&binary.left, need), self.eval_for(&binary.right, right));
        match binary.op {
            BinaryOp::And => left.and(right),
            BinaryOp::Or => left.or(right),
            BinaryOp::Unless => left.unless(right),
            _ => apply(binary, left, right),
        }
    }

    /// What changes steadily and is compared with a number need not be looked at before it can have reached it.
    fn comparison(&self, binary: &DeviceBinary, need: Need) -> Outcome {
        let before = self.wake.get();
        let outcome = apply(binary, self.eval(&binary.left), self.eval(&binary.right));
        let is_steady = need == Need::Presence || binary.returns_bool || outcome == Outcome::Nothing;
        if is_steady && let Some(instant) = self.crossing(binary) {
            self.wake.set(before.min(instant));
        }
        outcome
    }

    /// Returns an instant before which a comparison of something that changes steadily with a number stays as it is.
    fn crossing(&self, binary: &DeviceBinary) -> Option<i64> {
        let (node, limit) = binary.against_number()?;
        let instant = match node {
            DeviceNode::Clock(ClockFunction::SunElevation) => self.clock.sun_reaches(limit, self.at),
            // A millisecond less, so that rounding matters nothing.
            DeviceNode::Latest(slot) if self.is_silence(*slot) => {
                self.last_heard_ms.saturating_add(((limit * 1e3) as i64).saturating_sub(1))
            }
            _ => return None,
        };
        (instant > self.at).then_some(instant)
    }

    fn latest(&self, slot: u8) -> Outcome {
        if self.is_silence(slot) {
            self.until(self.at + 1);
            return Outcome::Value((self.at - self.last_heard_ms).max(0) as f64 / 1e3);
        }
        let Some(series) = self.series_of(slot) else { return Outcome::Nothing };
        let look_back = look_back_ms(series.property, self.period_ms);
        self.until_next_of(series, self.at);
        match series.window.latest(self.at, look_back) {
            Some(sample) => {
                self.until(series.window.fresh_since(sample).saturating_add(look_back));
                Outcome::Value(sample.value)
            }
            None => series.without_sample(),
        }
    }

    /// Reports whether a selector asks for the virtual series of silence and picks this device.
    pub(crate) fn is_silence(&self, slot: u8) -> bool {
        self.selector_mask & (1 << slot) != 0
            && self
                .selectors
                .0
                .get(usize::from(slot))
                .is_some_and(|plan| plan.selector.property == DEVICE_SILENT_SECONDS)
    }

    /// Returns the series that a selector picks.
    pub(crate) fn series_of(&self, slot: u8) -> Option<&Series> {
        if self.selector_mask & (1 << slot) == 0 {
            return None;
        }
        let property = self.selectors.0.get(usize::from(slot))?.selector.property;
        self.series.iter().find(|series| series.property == property)
    }

    /// Returns the samples of a window that ends now, by the device's clock.
    pub(crate) fn range<'s>(&self, series: &'s Series, window_ms: i64) -> Range<'s> {
        series.window.range(self.window_end(), window_ms)
    }

    /// Returns what the device's clock shows, if it is known to be behind.
    fn window_end(&self) -> i64 {
        self.at.saturating_sub(self.behind_ms)
    }

    fn until(&self, instant: i64) {
        self.wake.set(self.wake.get().min(instant));
    }

    /// Notes when the first sample after `end` comes into view.
    fn until_next_of(&self, series: &Series, end: i64) {
        if let Some(ts) = series.window.next_after(end) {
            self.until(ts + (self.at - end));
        }
    }
}

/// Of a comparison, and of arithmetic.
fn apply(binary: &DeviceBinary, left: Outcome, right: Outcome) -> Outcome {
    left.both(right, |left, right| {
        let kept = if binary.keeps_right { right } else { left };
        operators::apply(binary.op, binary.returns_bool, left, right, kept)
    })
}
