//! Readings of one series brought in order.
use crate::Point;

/// Readings in order of time that are taken from the front.
pub(crate) struct Ordered {
    points: Vec<Point>,
    taken: usize,
}

impl Ordered {
    pub(crate) fn new(mut points: Vec<Point>) -> Self {
        merge(&mut points);
        Self { points, taken: 0 }
    }

    /// Takes the readings before `to_ms`.
    pub(crate) fn until(&mut self, to_ms: i64) -> &[Point] {
        let rest = &self.points[self.taken..];
        let count = rest.partition_point(|point| point.ts_ms < to_ms);
        self.taken += count;
        &rest[..count]
    }
}

/// Sorts points by time and keeps the last of each time: later sources stand behind earlier ones.
pub(crate) fn merge(points: &mut Vec<Point>) {
    if points.is_sorted_by(|a, b| a.ts_ms < b.ts_ms) {
        return;
    }
    points.sort_by_key(|point| point.ts_ms);
    let mut kept = 0;
    for at in 0..points.len() {
        if points.get(at + 1).is_none_or(|next| next.ts_ms != points[at].ts_ms) {
            points[kept] = points[at];
            kept += 1;
        }
    }
    points.truncate(kept);
}
