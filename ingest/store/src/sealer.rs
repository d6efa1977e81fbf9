//! The sealing thread: frozen readings become segments, segments are merged and deleted. It alone changes the
//! manifest and the view.
use crate::{
    Point, Series, StoreError,
    block::{BlockBuilder, BlockKey},
    head::{LANES, Runs},
    inner::{Frozen, Inner, write},
    manifest::Manifest,
    newest::{self, Newest},
    scan,
    sealed::{Sealed, View, lock},
    segment::{Segment, SegmentWriter},
};
use ioc_model::DeviceIndex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
};

/// A span with this many segments has them merged.
const MERGE_SEGMENTS: usize = 6;
/// A complete span has its segments merged when the smaller ones together have this part of the largest one.
const MERGE_PART: u64 = 8;

pub(crate) struct Sealer {
    inner: Arc<Inner>,
    manifest: Manifest,
    /// Spans with a damaged block: merging would lose what a better reader may still find there.
    unmergeable: BTreeSet<i64>,
}

enum Job {
    Seal(Arc<Frozen>),
    Maintain(i64),
    Stop,
}

impl Sealer {
    pub(crate) fn new(inner: Arc<Inner>, manifest: Manifest) -> Self {
        Self { inner, manifest, unmergeable: BTreeSet::new() }
    }

    pub(crate) fn run(mut self) {
        loop {
            match self.next_job() {
                Job::Stop => break,
                Job::Seal(frozen) => {
                    let sealed = self.seal(&frozen);
                    self.finish(&frozen, sealed);
                }
                Job::Maintain(now_ms) => {
                    if let Err(error) = self.maintain(now_ms) {
                        tracing::error!(%error, cause = ?std::error::Error::source(&error), "history maintenance failed");
                    }
                }
            }
        }
    }

    fn next_job(&self) -> Job {
        let mut queue = lock(&self.inner.queue);
        loop {
            if queue.stop {
                return Job::Stop;
            }
            if let (Some(frozen), None) = (queue.frozen.front(), &queue.failure) {
                return Job::Seal(Arc::clone(frozen));
            }
            if let Some(now_ms) = queue.maintain_ms.take() {
                return Job::Maintain(now_ms);
            }
            queue = self.inner.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, frozen: &Frozen, sealed: Result<(), StoreError>) {
        let mut queue = lock(&self.inner.queue);
        match sealed {
            Ok(()) => {
                queue.frozen.pop_front();
                queue.frozen_readings -= frozen.readings;
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "sealing failed; readings stay in memory and it is tried again");
                queue.failure = Some(format!("{error}: {cause}"));
            }
        }
        self.inner.progressed.notify_all();
    }

    /// Writes frozen readings to segments, one per span, and publishes them.
    fn seal(&mut self, frozen: &Frozen) -> Result<(), StoreError> {
        #[cfg(test)]
        let gate = Arc::clone(&self.inner.gate);
        #[cfg(test)]
        let _held = lock(&gate);
        let mut manifest = self.manifest.clone();
        manifest.applied = frozen.applied;
        manifest.slot = frozen.slot.max(manifest.slot);
        let mut segments = Vec::new();
        let written = self
            .write_segments(frozen, &mut manifest, &mut segments)
            .and_then(|()| self.write_newest(frozen, &mut manifest));
        if let Err(error) = written {
            // Nothing names them, and they must not take space: lack of it may be why.
            segments.iter().for_each(Segment::retire);
            return Err(error);
        }
        self.commit(manifest, segments, &BTreeSet::new())?;
        // The readings are in the view now: whoever looks at memory after this finds them there.
        self.inner.sealed_offset.store(frozen.applied, Ordering::Release);
        for (number, chunk) in &frozen.chunks {
            if let Some(group) = self.inner.group(*number) {
                write(&group).drop_frozen(chunk);
            }
        }
        Ok(())
    }

    fn write_newest(&self, frozen: &Frozen, manifest: &mut Manifest) -> Result<(), StoreError> {
        if frozen.chunks.is_empty() {
            return Ok(());
        }
        let dir = &self.inner.config.dir;
        let mut newest =
            newest::load(dir, manifest.newest_seq).unwrap_or_else(|| find_newest(&self.inner.sealed));
        update_newest(&mut newest, frozen);
        manifest.newest_seq = take_seq(manifest);
        newest::save(dir, manifest.newest_seq, &newest)
    }

    fn write_segments(
        &self,
        frozen: &Frozen,
        manifest: &mut Manifest,
        segments: &mut Vec<Segment>,
    ) -> Result<(), StoreError> {
        let mut columns: Vec<(BlockKey, &Runs)> = Vec::new();
        let mut partitions = BTreeSet::new();
        for (group, chunk) in &frozen.chunks {
            for (property, runs) in &chunk.columns {
                columns.push((BlockKey { property: *property, group: *group }, runs));
                for run in runs.iter() {
                    self.inner.add_partitions(run.len(), |at| run.ts(at), &mut partitions);
                }
            }
        }
        // By property first: a ward scan of one property then reads ahead in the file.
        columns.sort_by_key(|(key, _)| (key.property, key.group));
        for partition in partitions {
            segments.push(self.write_segment(partition, &columns, take_seq(manifest))?);
        }
        Ok(())
    }

    fn write_segment(
        &self,
        partition: i64,
        columns: &[(BlockKey, &Runs)],
        seq: u64,
    ) -> Result<Segment, StoreError> {
        let sealed = &self.inner.sealed;
        let base_ms = sealed.base_ms(partition);
        let mut segment = SegmentWriter::create(&self.inner.config.dir, seq, partition, sealed.span_ms)?;
        let mut block = BlockBuilder::default();
        for (key, runs) in columns {
            block.clear();
            for (lane, run) in runs.iter().enumerate() {
                let within = run.within(|ts_ms| sealed.partition(ts_ms), partition);
                block.push_lane(lane, run.points(within), base_ms);
            }
            if block.readings() > 0 {
                segment.add(*key, &block)?;
            }
        }
        segment.finish()
    }

    /// Makes a change durable, then visible: `added` come, the segments numbered `removed` go.
    fn commit(
        &mut self,
        mut manifest: Manifest,
        added: Vec<Segment>,
        removed: &BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let sealed = &self.inner.sealed;
        manifest.horizon_ms = self.inner.horizon.get();
        manifest.segments.retain(|info| !removed.contains(&info.seq));
        manifest.segments.extend(added.iter().map(|segment| segment.info));
        if let Err(error) = manifest.save(&self.inner.config.dir) {
            added.iter().for_each(Segment::retire);
            return Err(error);
        }
        let old_newest = self.manifest.newest_seq;
        if old_newest != manifest.newest_seq && old_newest != 0 {
            // Not needed any more; if it stays, the next start removes it.
            let _ = fs::remove_file(newest::path(&self.inner.config.dir, old_newest));
        }
        self.manifest = manifest;
        let before = sealed.view();
        let mut view = View { partitions: before.partitions.clone() };
        for segments in view.partitions.values_mut() {
            segments.retain(|segment| !removed.contains(&segment.info.seq));
        }
        for segment in added {
            view.partitions.entry(segment.info.partition).or_default().push(Arc::new(segment));
        }
        view.partitions.retain(|_, segments| !segments.is_empty());
        before.segments().filter(|segment| removed.contains(&segment.info.seq)).for_each(|old| old.retire());
        sealed.swap(view);
        sealed.close_files(removed);
        Ok(())
    }

    fn maintain(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.delete_expired()?;
        let due: Vec<i64> = self
            .inner
            .sealed
            .view()
            .partitions
            .iter()
            .filter(|(partition, segments)| self.is_merge_due(**partition, segments, now_ms))
            .map(|(partition, _)| *partition)
            .collect();
        for partition in due {
            // Sealing comes first: memory is bounded, the number of segments can wait.
            let queue = lock(&self.inner.queue);
            if queue.stop || !queue.frozen.is_empty() {
                break;
            }
            drop(queue);
            match self.merge(partition) {
                Err(error @ (StoreError::DamagedInput | StoreError::SegmentTooLong)) => {
                    tracing::error!(partition, %error, "history segments of this span are not merged");
                    self.unmergeable.insert(partition);
                }
                merged => merged?,
            }
        }
        Ok(())
    }

    /// Deletes the spans that are wholly before the horizon.
    fn delete_expired(&mut self) -> Result<(), StoreError> {
        let sealed = &self.inner.sealed;
        let horizon_ms = self.inner.horizon.get();
        let view = sealed.view();
        let expired: BTreeSet<u64> = view
            .partitions
            .iter()
            .take_while(|(partition, _)| sealed.base_ms(partition.saturating_add(1)) <= horizon_ms)
            .flat_map(|(_, segments)| segments.iter().map(|segment| segment.info.seq))
            .collect();
        if expired.is_empty() {
            return Ok(());
        }
        tracing::info!(segments = expired.len(), "history beyond retention is deleted");
        self.commit(self.manifest.clone(), Vec::new(), &expired)
    }

    fn is_merge_due(&self, partition: i64, segments: &[Arc<Segment>], now_ms: i64) -> bool {
        if segments.len() < 2 || self.unmergeable.contains(&partition) {
            return false;
        }
        let is_complete = self.inner.sealed.base_ms(partition.saturating_add(2)) <= now_ms;
        let total: u64 = segments.iter().map(|segment| segment.info.bytes).sum();
        let largest = segments.iter().map(|segment| segment.info.bytes).max().unwrap_or(0);
        segments.len() >= MERGE_SEGMENTS || is_complete && (total - largest) * MERGE_PART >= largest
    }

    /// Replaces the segments of a span by one.
    fn merge(&mut self, partition: i64) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let view = inner.sealed.view();
        let Some(old) = view.partitions.get(&partition) else { return Ok(()) };
        let mut manifest = self.manifest.clone();
        let seq = take_seq(&mut manifest);
        let mut segment = SegmentWriter::create(&inner.config.dir, seq, partition, inner.sealed.span_ms)?;
        let keys: BTreeMap<_, BlockKey> = old
            .iter()
            .flat_map(|segment| segment.entries.iter())
            .map(|entry| ((entry.key.property, entry.key.group), entry.key))
            .collect();
        let mut block = BlockBuilder::default();
        for key in keys.into_values() {
            merge_block(&inner.sealed, old, key, &mut block)?;
            segment.add(key, &block)?;
        }
        let removed = old.iter().map(|segment| segment.info.seq).collect();
        self.commit(manifest, vec![segment.finish()?], &removed)
    }
}

/// Combines the blocks that segments of one span have for `key`; of a time that several have the last holds.
fn merge_block(
    sealed: &Sealed,
    segments: &[Arc<Segment>],
    key: BlockKey,
    into: &mut BlockBuilder,
) -> Result<(), StoreError> {
    let mut blocks = Vec::new();
    for segment in segments {
        if let Some(entry) = segment.find(key) {
            blocks.push(sealed.read(segment, entry).map_err(|_| StoreError::DamagedInput)?);
        }
    }
    into.clear();
    let base_ms = segments.first().map_or(0, |segment| sealed.base_ms(segment.info.partition));
    let mut points: Vec<Point> = Vec::new();
    for lane in 0..LANES {
        points.clear();
        for block in &blocks {
            points.extend(block.points(block.lane(lane)));
        }
        scan::merge(&mut points);
        into.push_lane(lane, points.iter().copied(), base_ms);
    }
    Ok(())
}

fn take_seq(manifest: &mut Manifest) -> u64 {
    manifest.next_seq += 1;
    manifest.next_seq - 1
}

fn update_newest(newest: &mut Newest, frozen: &Frozen) {
    for (group, chunk) in &frozen.chunks {
        for (property, runs) in &chunk.columns {
            for (lane, run) in runs.iter().enumerate().filter(|(_, run)| run.len() > 0) {
                let device = DeviceIndex(group * LANES as u32 + lane as u32);
                keep_newest(newest, Series { device, property: *property }, run.point(run.len() - 1));
            }
        }
    }
}

/// Finds the newest points by reading all segments: when their table is missing or damaged.
pub(crate) fn find_newest(sealed: &Sealed) -> Newest {
    let mut newest = Newest::new();
    for segment in sealed.view().segments() {
        for entry in &segment.entries {
            // An unreadable block is reported and has no newest points.
            let Ok(block) = sealed.read(segment, entry) else { continue };
            for lane in 0..LANES {
                let device = DeviceIndex(entry.key.group * LANES as u32 + lane as u32);
                if let Some(last) = block.points(block.lane(lane)).last() {
                    keep_newest(&mut newest, Series { device, property: entry.key.property }, last);
                }
            }
        }
    }
    newest
}

fn keep_newest(newest: &mut Newest, series: Series, point: Point) {
    let kept = newest.entry(series).or_insert(point);
    if point.ts_ms >= kept.ts_ms {
        *kept = point;
    }
}

/// Renames the segments in a directory without a manifest: nothing says what is in them, but they may be all that is
/// left of history.
///
/// Errors: [`StoreError::Io`].
pub(crate) fn set_lost_aside(dir: &Path) -> Result<(), StoreError> {
    let mut renamed = 0;
    for entry in fs::read_dir(dir).map_err(StoreError::io("read directory", dir))? {
        let path = entry.map_err(StoreError::io("read directory", dir))?.path();
        if path.extension().is_some_and(|extension| extension == "history") {
            fs::rename(&path, free_lost_name(&path)).map_err(StoreError::io("rename to .lost", &path))?;
            renamed += 1;
        }
    }
    if renamed > 0 {
        tracing::warn!(
            dir = %dir.display(),
            renamed,
            "history has segments but no manifest: they are renamed to *.lost and history begins anew; to have them \
             back, stop the program, move away all in this directory that is not *.lost, put the manifest back from \
             a backup and take .lost off the names; to go on without them, delete the *.lost files"
        );
    }
    Ok(())
}

/// Returns the name with `.lost` behind it, more than once when an earlier loss has taken that name.
fn free_lost_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    loop {
        name.push(".lost");
        // A name too long to be there ends this; renaming says so.
        if !Path::new(&name).exists() {
            return name.into();
        }
    }
}

/// Removes files that a crash left and the manifest does not name.
///
/// Errors: [`StoreError::Io`].
pub(crate) fn remove_strays(dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let known: BTreeSet<u64> = manifest.segments.iter().map(|info| info.seq).collect();
    for entry in fs::read_dir(dir).map_err(StoreError::io("read directory", dir))? {
        let path = entry.map_err(StoreError::io("read directory", dir))?.path();
        let seq = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let is_stray = match path.extension().and_then(|extension| extension.to_str()) {
            Some("tmp") => true,
            Some("history") => seq.is_some_and(|seq| !known.contains(&seq)),
            Some("newest") => seq.is_some_and(|seq| seq != manifest.newest_seq),
            _ => false,
        };
        if is_stray {
            fs::remove_file(&path).map_err(StoreError::io("remove stray", &path))?;
        }
    }
    Ok(())
}
