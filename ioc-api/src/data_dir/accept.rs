//! Going on without a part. What is there of it is set aside in `lost/`, never deleted.
use super::{DataDir, DataDirError, Fault, Found, Part, Problem, judge::reference, stamp};
use crate::{
    clock::now_ms,
    records::{go_on_from, lose_devices, summarize},
};
use ioc_journal::{Journal, JournalConfig};
use ioc_model::{RecordKind, message::MessageView};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How far a journal that begins anew lies beyond every record that is known of: more than can have been accepted since.
const BEYOND: u64 = 1_000_000_000;
/// Length of a span of history where there was none, in milliseconds; a store keeps the one it was made with.
const SPAN_MS: i64 = 2 * 3_600_000;

/// Goes on without the `accepted` parts, which are wrong as `problems` say.
///
/// Errors: [`DataDirError`]; what was set aside until then is in `lost/`.
pub(super) fn go_on(
    data: &DataDir,
    found: &Found,
    problems: &[Problem],
    accepted: &[Part],
) -> Result<(), DataDirError> {
    let lost = data.path().join("lost").join(now_ms().to_string());
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
    let is_accepted = |part| accepted.contains(&part);
    if is_accepted(Part::Keys) {
        set_aside(&data.key(), &lost)?;
        data.secret_key()?;
    }
    if is_accepted(Part::Records) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = data.records().into_os_string();
            path.push(suffix);
            set_aside(&PathBuf::from(path), &lost)?;
        }
    }
    let is_gap = |problem: &&Problem| problem.part == Part::History && is_kept(&problem.fault, found);
    if is_accepted(Part::History) && problems.iter().find(is_gap).is_none() {
        set_aside(&data.store(), &lost)?;
    }
    if is_accepted(Part::Journal) {
        lose_journal(data, found, problems, &lost)?;
    }
    // The parts that are new, or go on, are of this directory from here.
    let root = match reference(found) {
        Some(root) => stamp::Root { previous: Some(0), ..root },
        None => stamp::Root { stamp: stamp::Stamp::draw()?, previous: Some(0), key: 0 },
    };
    let key = fs::read(data.key()).map(|key| stamp::fingerprint(&key)).unwrap_or(0);
    data.stamp_parts(&stamp::Root { key, ..root })?;
    catch_up(data, is_accepted(Part::Records), &lost)
}

/// Reports whether history that is short of something is still worth keeping.
fn is_kept(fault: &Fault, found: &Found) -> bool {
    matches!(fault, Fault::Older(_) | Fault::Damaged(_)) && matches!(found.history, Some(Ok(_)))
}

fn is_journal_damaged(found: &Found) -> bool {
    let Some(Ok(journal)) = &found.journal else { return false };
    !ioc_journal::check(&journal.segments, true, &mut |_, _| ()).is_empty()
}

/// Sets damaged segments aside, with those before them; or the whole journal, which then begins beyond all that is known.
fn lose_journal(
    data: &DataDir,
    found: &Found,
    problems: &[Problem],
    lost: &Path,
) -> Result<(), DataDirError> {
    let is_ours = !problems.iter().any(|problem| problem.part == Part::Journal);
    if is_ours && let Some(Ok(journal)) = &found.journal {
        let segments = &journal.segments;
        let is_whole = |from: usize| ioc_journal::check(&segments[from..], true, &mut |_, _| ()).is_empty();
        let good = (1..segments.len()).find(|from| is_whole(*from));
        for (path, _) in &segments[..good.unwrap_or(segments.len())] {
            set_aside(path, &lost.join("journal"))?;
        }
        if good.is_some() {
            return Ok(());
        }
    }
    set_aside(&data.journal(), lost)?;
    let known = |end: Option<u64>| end.unwrap_or(0);
    let ends = [
        known(found.journal.as_ref().and_then(|journal| Some(journal.as_ref().ok()?.last))),
        known(found.history.as_ref().and_then(|history| Some(history.as_ref().ok()?.applied))),
        known(found.records.as_ref().and_then(|records| Some(records.as_ref().ok()?.reach()))),
    ];
    let first = ends.into_iter().max().unwrap_or(0) + BEYOND;
    super::files::make_dir(&data.journal()).map_err(data.failed("create the journal of"))?;
    // A segment without anything says which record comes next.
    let path = data.journal().join(format!("{first:020}.journal"));
    super::files::write_durably(&path, b"").map_err(data.failed("begin the journal of"))
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
    set_aside(&data.journal().join("checkpoints"), lost)?;
    let in_history = ioc_store::outline(&data.store())?.and_then(|outline| outline.newest_device);
    let highest = in_history.max(highest_device(data, 0)?);
    let known = summarize(&data.records()).and_then(Result::ok).map_or(0, |records| records.devices);
    if let Some(highest) = highest.filter(|highest| *highest >= known) {
        lose_devices(&data.records(), known..=highest, now_ms())?;
    }
    Ok(())
}

/// Finds records that lack a device which has readings in the journal: history names only those that are sealed. Reads what
/// history has not sealed, which a start reads anyway.
pub(super) fn lacks_devices(data: &DataDir, found: &Found) -> Option<Problem> {
    let (Some(Ok(journal)), Some(Ok(records))) = (&found.journal, &found.records) else { return None };
    let sealed = match &found.history {
        Some(Ok(history)) => history.applied,
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
    let (journal, opened) = Journal::open(JournalConfig::new(data.journal()))?;
    let mut follower = journal.follow(from);
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

/// Moves `path` into the directory `lost`; nothing happens when it is not there.
fn set_aside(path: &Path, lost: &Path) -> Result<(), DataDirError> {
    let failed = |cause| DataDirError::Io { doing: "set aside", path: path.to_owned(), cause };
    let Some(name) = path.file_name() else { return Ok(()) };
    super::files::make_dir(lost).map_err(failed)?;
    match fs::rename(path, lost.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}
