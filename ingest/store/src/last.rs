//! The last point of a series, which is not always the one with the latest time: clocks run ahead, and are set back.
use crate::Point;
use ioc_model::time::{SeriesOrder, SetBack};

/// What a device said last of a property.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Last {
    /// As it is in history.
    pub point: Point,
    /// By how much the device's clock was set back since.
    pub set_back: SetBack,
}

impl Last {
    pub(crate) fn of(point: Point) -> Self {
        Self { point, set_back: SetBack::default() }
    }

    /// Returns what is last once `point` has come.
    pub(crate) fn followed_by(self, point: Point) -> Self {
        let next = Self::of(point);
        if next.order().follows(self.order()) { next } else { self }
    }

    /// Returns which of both is last if nobody knows which one came first.
    pub(crate) fn followed_in_order_by(self, point: Point) -> Self {
        let next = Self::of(point);
        if next.order() >= self.order() { next } else { self }
    }

    /// Follows a clock that was set back.
    pub(crate) fn follow(&mut self, by_ms: i64) {
        self.set_back = self.set_back.and(by_ms);
    }

    /// Reports whether the point with the latest time says the same. That of a repetition does not: it has the arrival of the
    /// first.
    pub(crate) fn is_plain(&self, newest: Option<Point>) -> bool {
        self.set_back == SetBack::default() && newest == Some(self.point)
    }

    fn order(&self) -> SeriesOrder {
        self.set_back.of(SeriesOrder::new(self.point.ts_ms, self.point.arrival_ms()))
    }
}
