//! The sealing thread: frozen readings become segments, segments are merged and deleted. It alone changes the
//! manifest and the view.
use crate::{
    StoreError,
    inner::{Frozen, Inner, write},
    lanes::series_at,
    manifest::Manifest,
    merge,
    newest::{self, Newest, Table},
    seal,
    sealed::{View, lock},
    segment::{Segment, SegmentWriter},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
};

/// A wide segment is written again without what retention has passed when that is this part of it.
const EXPIRED_PART: u64 = 2;
/// More wide segments than this are merged before the next maintenance: none comes while the journal is replayed.
const WIDE_SOON: usize = 12;

pub(crate) struct Sealer {
    inner: Arc<Inner>,
    manifest: Manifest,
    /// Segments with a damaged block: merging would lose what a better reader may still find there.
    unmergeable: BTreeSet<u64>,
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
                    if self.inner.sealed.view().wide.len() > WIDE_SOON {
                        report(self.merge_wide());
                    }
                }
                Job::Maintain(now_ms) => report(self.maintain(now_ms)),
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

    /// Writes frozen readings to segments and publishes them.
    fn seal(&mut self, frozen: &Frozen) -> Result<(), StoreError> {
        #[cfg(test)]
        let gate = Arc::clone(&self.inner.gate);
        #[cfg(test)]
        let _held = lock(&gate);
        let mut manifest = self.manifest.clone();
        manifest.applied = frozen.applied;
        manifest.slot = frozen.slot.max(manifest.slot);
        let mut segments = Vec::new();
        let written = seal::write_segments(&self.inner, frozen, &mut manifest, &mut segments)
            .and_then(|()| self.write_newest(frozen, &mut manifest));
        if let Err(error) = written {
            // Nothing names them, and they must not take space: lack of it may be why.
            segments.iter().for_each(Segment::retire);
            return Err(error);
        }
        let mut view = View::clone(&self.inner.sealed.view());
        let added: Vec<Arc<Segment>> = segments.into_iter().map(Arc::new).collect();
        added.iter().for_each(|segment| view.add(Arc::clone(segment)));
        self.commit(manifest, view, &BTreeSet::new())
            .inspect_err(|_| added.iter().for_each(|segment| segment.retire()))?;
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
        let known = newest::load(dir, manifest.newest_seq).map(|table| table.newest);
        let mut newest = known.unwrap_or_else(|| newest::find(&self.inner.sealed).newest);
        update_newest(&mut newest, frozen);
        manifest.newest_seq = manifest.take_seq();
        newest::save(dir, manifest.newest_seq, &Table { newest, lasts: frozen.lasts.clone() })
    }

    /// Makes a change durable, then visible: the view becomes `view`, the segments numbered `removed` go.
    fn commit(
        &mut self,
        mut manifest: Manifest,
        view: View,
        removed: &BTreeSet<u64>,
    ) -> Result<(), StoreError> {
        let sealed = &self.inner.sealed;
        manifest.horizon_ms = self.inner.horizon.get();
        manifest.segments = view.segments().map(|segment| segment.info).collect();
        manifest.save(&self.inner.config.dir)?;
        let old_newest = self.manifest.newest_seq;
        if old_newest != manifest.newest_seq && old_newest != 0 {
            // Not needed any more; if it stays, the next start removes it.
            let _ = fs::remove_file(newest::path(&self.inner.config.dir, old_newest));
        }
        self.manifest = manifest;
        let before = sealed.view();
        before.segments().filter(|segment| removed.contains(&segment.info.seq)).for_each(|old| old.retire());
        sealed.swap(view);
        sealed.close_files(removed);
        Ok(())
    }

    fn maintain(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.delete_expired()?;
        let view = self.inner.sealed.view();
        for (partition, segments) in &view.partitions {
            let is_complete = self.inner.sealed.base_ms(partition.saturating_add(2)) <= now_ms;
            if self.is_mergeable(segments) && merge::is_span_due(segments, is_complete) {
                // Sealing comes first: memory is bounded, the number of segments can wait.
                if self.has_other_work() {
                    return Ok(());
                }
                self.merge(segments)?;
            }
        }
        self.merge_wide()
    }

    /// Merges wide segments as long as some are due and nothing waits to be sealed.
    fn merge_wide(&mut self) -> Result<(), StoreError> {
        while !self.has_other_work() {
            let view = self.inner.sealed.view();
            // Those behind one that cannot be merged; it stays where it is, for its readings hold over earlier ones.
            let start =
                view.wide.iter().rposition(|segment| !self.is_mergeable(std::slice::from_ref(segment)));
            let wide = &view.wide[start.map_or(0, |at| at + 1)..];
            let bytes: Vec<u64> = wide.iter().map(|segment| segment.info.bytes).collect();
            let due = merge::wide_due(&bytes).map(|range| &wide[range]);
            let Some(due) = due.or_else(|| self.half_expired(wide)) else { return Ok(()) };
            self.merge(due)?;
        }
        Ok(())
    }

    /// Returns a wide segment of which retention has passed half.
    fn half_expired<'w>(&self, wide: &'w [Arc<Segment>]) -> Option<&'w [Arc<Segment>]> {
        let horizon_ms = self.inner.horizon.get();
        let is_half_expired = |segment: &Arc<Segment>| {
            let expired = segment.entries.iter().filter(|entry| entry.latest < horizon_ms);
            let expired: u64 = expired.map(|entry| u64::from(entry.len)).sum();
            expired * EXPIRED_PART > segment.info.bytes
        };
        wide.iter().find(|segment| is_half_expired(segment)).map(std::slice::from_ref)
    }

    fn has_other_work(&self) -> bool {
        let queue = lock(&self.inner.queue);
        queue.stop || !queue.frozen.is_empty() && queue.failure.is_none()
    }

    fn is_mergeable(&self, segments: &[Arc<Segment>]) -> bool {
        segments.iter().all(|segment| !self.unmergeable.contains(&segment.info.seq))
    }

    /// Deletes the segments that are wholly before the horizon.
    fn delete_expired(&mut self) -> Result<(), StoreError> {
        let sealed = &self.inner.sealed;
        let horizon_ms = self.inner.horizon.get();
        let view = sealed.view();
        let is_expired = |segment: &Segment| match segment.info.partition {
            Some(partition) => sealed.base_ms(partition.saturating_add(1)) <= horizon_ms,
            // One without a readable index stays: nobody knows what is in it.
            None => segment.latest().is_some_and(|latest| latest < horizon_ms),
        };
        let expired: BTreeSet<u64> =
            view.segments().filter(|segment| is_expired(segment)).map(|segment| segment.info.seq).collect();
        if expired.is_empty() {
            return Ok(());
        }
        tracing::info!(segments = expired.len(), "history beyond retention is deleted");
        let mut after = View::clone(&view);
        after.remove(&expired);
        self.commit(self.manifest.clone(), after, &expired)
    }

    /// Replaces segments by one: all of a span, or neighbouring wide ones. Those that cannot be merged are left alone.
    fn merge(&mut self, segments: &[Arc<Segment>]) -> Result<(), StoreError> {
        match self.try_merge(segments) {
            Err(error @ (StoreError::DamagedInput | StoreError::SegmentTooLong)) => {
                let numbers: Vec<u64> = segments.iter().map(|segment| segment.info.seq).collect();
                tracing::error!(segments = ?numbers, %error, "these history segments are not merged");
                self.unmergeable.extend(numbers);
                Ok(())
            }
            Err(StoreError::ShutDown) => Ok(()),
            merged => merged,
        }
    }

    fn try_merge(&mut self, segments: &[Arc<Segment>]) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        let Some(first) = segments.first() else { return Ok(()) };
        let mut manifest = self.manifest.clone();
        let (dir, sealed) = (&inner.config.dir, &inner.sealed);
        let into = SegmentWriter::create(dir, manifest.take_seq(), first.info.partition, sealed.span_ms)?;
        let goes_on = || !lock(&inner.queue).stop;
        // What retention has passed in a span goes with the span, so that its segments agree.
        let horizon_ms = first.info.partition.map_or_else(|| inner.horizon.get(), |_| i64::MIN);
        let merged = merge::merge(sealed, segments, into, horizon_ms, goes_on)?;
        let removed: BTreeSet<u64> = segments.iter().map(|segment| segment.info.seq).collect();
        let mut view = View::clone(&sealed.view());
        let merged = Arc::new(merged);
        view.replace(&removed, &merged);
        self.commit(manifest, view, &removed).inspect_err(|_| merged.retire())
    }
}

fn report(maintained: Result<(), StoreError>) {
    if let Err(error) = maintained {
        tracing::error!(%error, cause = ?std::error::Error::source(&error), "history maintenance failed");
    }
}

fn update_newest(newest: &mut Newest, frozen: &Frozen) {
    for (group, chunk) in &frozen.chunks {
        for part in &chunk.parts {
            for runs in [&part.fresh, &part.corrections].into_iter().flatten() {
                for (lane, point) in
                    runs.iter().enumerate().filter_map(|(lane, run)| Some((lane, run.newest()?)))
                {
                    newest::keep(newest, series_at(*group, lane, part.property), point);
                }
            }
        }
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
