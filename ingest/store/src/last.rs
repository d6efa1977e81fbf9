//! The last point of a series, which is not always the one with the latest time: clocks run ahead, and are set back.
use crate::Point;
use ioc_model::time::SeriesOrder;

/// What a device said last of a property.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Last {
    /// As it is in history.
    pub point: Point,
    /// By how much the device's clock was set back since, in milliseconds.
    pub set_back_ms: i64,
}

impl Last {
    pub(crate) fn of(point: Point) -> Self {
        Self { point, set_back_ms: 0 }
    }

    /// Returns what is last once `point` has come.
    pub(crate) fn followed_by(self, point: Point) -> Self {
        let next = Self::of(point);
        if next.order().follows(self.order()) { next } else { self }
    }

    /// Follows a clock that was set back.
    pub(crate) fn set_back(&mut self, by_ms: i64) {
        self.set_back_ms = self.set_back_ms.saturating_add(by_ms);
    }

    /// Reports whether the point with the latest time says the same.
    pub(crate) fn is_plain(&self, newest: Option<Point>) -> bool {
        self.set_back_ms == 0 && newest.is_some_and(|newest| newest.ts_ms == self.point.ts_ms)
    }

    fn order(&self) -> SeriesOrder {
        SeriesOrder::new(self.point.ts_ms, self.point.arrival_ms()).put_back(self.set_back_ms)
    }
}
