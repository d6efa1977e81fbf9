//! Cutting the readings of 64 devices into blocks of a bounded size.
use crate::{
    Point, StoreError,
    block::{BlockKey, Lanes, bounds},
    lanes::LANES,
    segment::SegmentWriter,
};

/// Most readings in a block: what a look at one reading must decompress.
const READINGS_MAX: usize = 32_768;

/// Readings that wait to be written, by lane, each ascending in time.
#[derive(Debug)]
pub(crate) struct LaneBuffers {
    lanes: [Vec<Point>; LANES],
    readings: usize,
}

impl Default for LaneBuffers {
    fn default() -> Self {
        Self { lanes: std::array::from_fn(|_| Vec::new()), readings: 0 }
    }
}

impl LaneBuffers {
    /// Adds readings of a lane that are later than those it has.
    pub(crate) fn extend(&mut self, lane: usize, points: impl IntoIterator<Item = Point>) {
        let lane = &mut self.lanes[lane];
        let before = lane.len();
        lane.extend(points);
        self.readings += lane.len() - before;
    }

    /// Reports whether they fill a block.
    pub(crate) fn is_full(&self) -> bool {
        self.readings >= READINGS_MAX
    }

    /// Writes all readings as blocks of one key, in order of time, and forgets them.
    ///
    /// Errors: [`StoreError`] when a block cannot be compressed or written.
    pub(crate) fn flush(&mut self, key: BlockKey, segment: &mut SegmentWriter) -> Result<(), StoreError> {
        let lanes = self.lanes.each_ref().map(Vec::as_slice);
        let written = write(key, &lanes, segment);
        self.lanes.iter_mut().for_each(Vec::clear);
        self.readings = 0;
        written
    }
}

/// Writes a block, or halves the time that the readings cover until each part fits one.
fn write(key: BlockKey, lanes: &Lanes<'_>, segment: &mut SegmentWriter) -> Result<(), StoreError> {
    let Some((earliest, latest)) = bounds(lanes) else { return Ok(()) };
    let readings: usize = lanes.iter().map(|lane| lane.len()).sum();
    let length_ms = latest.abs_diff(earliest);
    if readings <= READINGS_MAX && length_ms <= u64::from(u32::MAX) {
        return segment.add(key, lanes);
    }
    let middle_ms = earliest.saturating_add_unsigned(length_ms / 2);
    let halves = lanes.map(|lane| lane.split_at(lane.partition_point(|point| point.ts_ms <= middle_ms)));
    write(key, &halves.map(|(early, _)| early), segment)?;
    write(key, &halves.map(|(_, late)| late), segment)
}
