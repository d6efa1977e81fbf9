//! Going on without a part. What is there of it is set aside in `lost/`, never deleted.
use super::{DataDir, DataDirError, Fault, Found, Part, Problem, judge::reference, stamp};
use crate::clock::now_ms;
use ioc_files::durable::sync_parent;
use ioc_journal::{JournalConfig, Visibility};
use ioc_model::{RecordKind, message::MessageView};
use ioc_records::{changes, go_on_from, lose_devices, summarize};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Length of a span of history where there was none, in milliseconds; a store keeps the one it was made with.
const SPAN_MS: i64 = 2 * 3_600_000;

/// What going on without parts does, written down before it is begun: a process that ends meanwhile leaves a directory whose
/// parts do not belong together, and the next start finishes it.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    parts: Vec<Part>,
    /// Name of the directory in `lost/`.
    lost: String,
    stamp: stamp::Stamp,
    /// Whether there are records to be set aside, rather than none.
    has_records: bool,
    keeps_history: bool,
    /// Segments that are set aside; all of the journal where there is a first record of a new one.
    segments: Vec<PathBuf>,
    first: Option<u64>,
}

/// Name of the file that holds it.
const PLAN: &str = "accepting";

/// Goes on without the `accepted` parts, which are wrong as `problems` say.
///
/// Errors: [`DataDirError`]; what was set aside until then is in `lost/`, and the next start goes on with it.
pub(super) fn go_on(
    data: &DataDir,
    found: &Found,
    problems: &[Problem],
    accepted: &[Part],
) -> Result<(), DataDirError> {
    for part in accepted {
        let Some(problem) = problems.iter().find(|problem| problem.part == *part) else {
            // Damage within the journal shows when it is read, not before.
            match part {
                Part::Journal if is_journal_damaged(found) => continue,
                _ => return Err(DataDirError::NothingLost { path: data.path().to_owned(), part: *part }),
            }
        };
        tracing::warn!(part = %part, fault = %problem.what(), "going on without what is lost, as --accept-loss says");
    }
    let plan = Plan::draw(data, found, problems, accepted)?;
    let text = serde_json::to_vec(&plan).map_err(io::Error::from);
    let written = text.and_then(|text| ioc_files::durable::write_durably(&data.path().join(PLAN), &text));
    written.map_err(data.failed("write what is accepted to"))?;
    plan.carry_out(data)
}

/// Finishes what an earlier start began to go on without. Returns the parts.
///
/// Errors: as [`go_on`].
pub(super) fn finish(data: &DataDir) -> Result<Vec<Part>, DataDirError> {
    let text = match fs::read(data.path().join(PLAN)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(data.failed("read what is accepted in")(error)),
    };
    let plan: Plan = serde_json::from_slice(&text)
        .map_err(|error| data.failed("read the file `accepting` in")(error.into()))?;
    tracing::warn!("finishing what an earlier start with --accept-loss began");
    plan.carry_out(data)?;
    Ok(plan.parts)
}

impl Plan {
    fn draw(
        data: &DataDir,
        found: &Found,
        problems: &[Problem],
        accepted: &[Part],
    ) -> Result<Self, DataDirError> {
        let is_gap = |problem: &Problem| problem.part == Part::History && is_kept(&problem.fault, found);
        let (segments, first) = match accepted.contains(&Part::Journal) {
            true => lost_segments(found, problems),
            false => (Vec::new(), None),
        };
        Ok(Self {
            parts: accepted.to_vec(),
            lost: now_ms().to_string(),
            stamp: match reference(found) {
                Some(root) => root.stamp,
                None => stamp::Stamp::draw()?,
            },
            // Also a file without tables.
            has_records: data.records().exists(),
            keeps_history: problems.iter().any(is_gap),
            segments,
            first,
        })
    }

    /// Does it; what was done before is not done again.
    fn carry_out(&self, data: &DataDir) -> Result<(), DataDirError> {
        let lost = data.path().join("lost").join(&self.lost);
        let is_accepted = |part| self.parts.contains(&part);
        seam::step(data)?;
        if is_accepted(Part::Keys) {
            set_aside(data, &data.key(), &lost)?;
            data.secret_key()?;
        }
        if is_accepted(Part::Records) {
            self.lose_records(data, &lost)?;
        }
        if is_accepted(Part::History) && !self.keeps_history {
            set_aside(data, &data.store(), &lost)?;
        }
        self.lose_journal(data, &lost)?;
        // The parts that are new, or go on, are of this directory from here.
        let key = fs::read(data.key()).map(|key| stamp::fingerprint(&key)).unwrap_or(0);
        data.stamp_parts(&stamp::Root { stamp: self.stamp, previous: Some(0), key })?;
        seam::step(data)?;
        catch_up(data, is_accepted(Part::Records), &lost)?;
        seam::step(data)?;
        let plan = data.path().join(PLAN);
        let removed = fs::remove_file(&plan).and_then(|()| ioc_files::durable::sync_parent(&plan));
        removed.map_err(data.failed("finish what is accepted in"))
    }

    /// Sets the records aside, the file itself last: once it is there, what lies in the directory is new.
    fn lose_records(&self, data: &DataDir, lost: &Path) -> Result<(), DataDirError> {
        let is_new =
            if self.has_records { lost.join("records.sqlite").exists() } else { data.records().exists() };
        if !is_new {
            // Those that are new count from the beginning.
            set_aside(data, &data.path().join(changes::FILE), lost)?;
        }
        for suffix in ["-wal", "-shm", ""].into_iter().filter(|_| !is_new) {
            let mut path = data.records().into_os_string();
            path.push(suffix);
            set_aside(data, &PathBuf::from(path), lost)?;
        }
        Ok(())
    }

    fn lose_journal(&self, data: &DataDir, lost: &Path) -> Result<(), DataDirError> {
        for path in &self.segments {
            set_aside(data, path, &lost.join("journal"))?;
        }
        let Some(first) = self.first else { return Ok(()) };
        set_aside(data, &data.journal(), lost)?;
        ioc_files::durable::make_dir(&data.journal()).map_err(data.failed("create the journal of"))?;
        seam::step(data)?;
        // A segment without anything says which record comes next.
        let path = data.journal().join(format!("{first:020}.journal"));
        ioc_files::durable::write_durably(&path, b"").map_err(data.failed("begin the journal of"))?;
        seam::step(data)
    }
}

/// Ends the work after a number of steps, as a crash does.
pub(crate) mod seam {
    use super::{DataDir, DataDirError};
    #[cfg(test)]
    thread_local! {
        /// Steps until then.
        pub(crate) static STEPS: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
    }

    #[cfg(test)]
    pub(super) fn step(data: &DataDir) -> Result<(), DataDirError> {
        let left = STEPS.get();
        STEPS.set(left.map(|left| left.saturating_sub(1)));
        match left {
            Some(0) => Err(data.failed("go on in")(std::io::Error::other("cut off by the test"))),
            _ => Ok(()),
        }
    }

    #[cfg(not(test))]
    pub(super) fn step(_: &DataDir) -> Result<(), DataDirError> {
        Ok(())
    }
}

/// Reports whether history that is short of something is still worth keeping.
fn is_kept(fault: &Fault, found: &Found) -> bool {
    matches!(fault, Fault::Older(_) | Fault::Damaged(_)) && matches!(found.history, Some(Ok(_)))
}

fn is_journal_damaged(found: &Found) -> bool {
    let Some(Ok(journal)) = &found.journal else { return false };
    !ioc_journal::check(&journal.segments, true, &mut |_, _| ()).is_empty()
}

/// Returns damaged segments, with those before them; or where a journal begins that replaces the whole: beyond all that is
/// known.
fn lost_segments(found: &Found, problems: &[Problem]) -> (Vec<PathBuf>, Option<u64>) {
    let is_ours = !problems.iter().any(|problem| problem.part == Part::Journal);
    if is_ours && let Some(Ok(journal)) = &found.journal {
        let segments = &journal.segments;
        let is_whole = |from: usize| ioc_journal::check(&segments[from..], true, &mut |_, _| ()).is_empty();
        if let Some(good) = (1..segments.len()).find(|from| is_whole(*from)) {
            return (segments[..good].iter().map(|(path, _)| path.clone()).collect(), None);
        }
    }
    let known = |end: Option<u64>| end.unwrap_or(0);
    let ends = [
        known(found.journal.as_ref().and_then(|journal| Some(journal.as_ref().ok()?.last))),
        known(found.history.as_ref().and_then(|history| Some(history.as_ref().ok()?.applied))),
        known(found.records.as_ref().and_then(|records| Some(records.as_ref().ok()?.reach()))),
    ];
    (Vec::new(), Some(super::beyond(ends.into_iter().max().unwrap_or(0), now_ms()) + 1))
}

/// Has history and records go on where the journal begins, and gives devices that only history knows a name.
fn catch_up(data: &DataDir, records_lost: bool, lost: &Path) -> Result<(), DataDirError> {
    let journal = ioc_journal::inspect(&data.journal())?;
    let before = journal.first.saturating_sub(1);
    ioc_store::go_on_from(&data.store(), before, SPAN_MS)?;
    go_on_from(&data.records(), before)?;
    if !records_lost {
        return Ok(());
    }
    // The new records have nothing yet: alerts and rejected messages that the journal has are read again.
    set_aside(data, &data.journal().join("checkpoints"), lost)?;
    let in_history = ioc_store::outline(&data.store())?.and_then(|outline| outline.newest_device);
    let highest = in_history.max(highest_device(data, 0)?);
    let known = summarize(&data.records()).and_then(Result::ok).map_or(0, |records| records.devices);
    if let Some(highest) = highest.filter(|highest| *highest >= known) {
        lose_devices(&data.records(), known..=highest, now_ms())?;
    }
    Ok(())
}

/// Finds records that lack a device which has readings in the journal: history names only those that are sealed. Reads what
/// history has not sealed, which a start reads anyway. A journal or records with a problem of their own say nothing about
/// each other; a problem of any other part hides nothing here.
pub(super) fn lacks_devices(data: &DataDir, found: &Found, problems: &[Problem]) -> Option<Problem> {
    if problems.iter().any(|problem| matches!(problem.part, Part::Journal | Part::Records)) {
        return None;
    }
    let (Some(Ok(journal)), Some(Ok(records))) = (&found.journal, &found.records) else { return None };
    let is_history_sound = !problems.iter().any(|problem| problem.part == Part::History);
    let sealed = match &found.history {
        Some(Ok(history)) if is_history_sound => history.applied,
        _ => 0,
    };
    let is_any = !journal.segments.is_empty() && sealed < journal.last;
    // A journal that cannot be read is told by the start itself.
    let highest = is_any.then(|| highest_device(data, sealed + 1).ok().flatten()).flatten();
    highest.filter(|device| *device >= records.devices).map(|device| {
        let known = records.devices;
        let detail = format!("the journal has readings of device number {device}, they know {known} devices");
        Problem::new(Part::Records, Fault::Older(detail))
    })
}

/// Returns the highest device number in the journal from record `from` on; 0 is the oldest.
fn highest_device(data: &DataDir, from: u64) -> Result<Option<u32>, DataDirError> {
    let (journal, opened) = ioc_journal::open(JournalConfig::new(data.journal()))?;
    let mut follower = journal.follow(from, Visibility::Durable);
    let mut highest = None;
    while follower.position() <= opened.last {
        let Ok(Some(batch)) = follower.next(Duration::ZERO) else { break };
        for record in batch.records().filter(|record| record.kind == RecordKind::Message) {
            let device = MessageView::parse(record.payload).ok().and_then(|message| message.device);
            highest = highest.max(device.map(|device| device.0));
        }
    }
    journal.close()?;
    Ok(highest)
}

/// Moves `path` into the directory `lost`; nothing happens when it is not there, or was moved before.
fn set_aside(data: &DataDir, path: &Path, lost: &Path) -> Result<(), DataDirError> {
    let failed = |cause| DataDirError::Io { doing: "set aside", path: path.to_owned(), cause };
    let Some(name) = path.file_name() else { return Ok(()) };
    ioc_files::durable::make_dir(lost).map_err(failed)?;
    let target = lost.join(name);
    if fs::symlink_metadata(&target).is_ok() {
        return Ok(());
    }
    match fs::rename(path, &target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.and_then(|()| sync_parent(path)).and_then(|()| sync_parent(&target)).map_err(failed),
    }?;
    seam::step(data)
}
