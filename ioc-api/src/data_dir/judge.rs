//! Whether what is there belongs together: by the identity that the parts carry, and by how far each goes.
use super::{
    examine::{Found, History},
    parts::{Fault, Part, Problem},
    stamp::{Root, Stamp},
};
use ioc_journal::Inspection;
use ioc_records::RecordsSummary;
use std::cmp::Ordering;

/// Returns what keeps a directory from being used; empty when its parts belong together, or are new.
pub fn judge(found: &Found) -> Vec<Problem> {
    if found.is_empty() && found.root.is_none_or(|root| root.previous == Some(0)) {
        return Vec::new();
    }
    let mut problems: Vec<Problem> = Part::ALL.into_iter().filter_map(|part| fault_of(found, part)).collect();
    problems.extend(ends(found, &problems));
    problems
}

/// Returns the identity that the parts must have: that of the file at the top, or, where that is missing, of another
/// directory or an older copy, the one that most of the parts carry. `None` for a directory that was made before there were
/// identities.
pub(super) fn reference(found: &Found) -> Option<Root> {
    let directory = directory(found)?;
    let root = found.root.filter(|root| root.stamp.directory == directory);
    let ours = stamps(found).filter(|stamp| stamp.directory == directory);
    let carriers = |stamp: Stamp| stamps(found).filter(|other| *other == stamp).count();
    let common = ours.max_by_key(|stamp| (carriers(*stamp), stamp.epoch));
    let (Some(root), Some(common)) = (root, common) else {
        return root.or(common.map(|stamp| Root { stamp, previous: None, key: 0 }));
    };
    let fitting = stamps(found).filter(|stamp| misfit(&root, *stamp).is_none()).count();
    let is_newer = common.epoch > root.stamp.epoch && carriers(common) > fitting;
    match misfit(&root, common).is_some() && (carriers(common) == PARTS || is_newer) {
        // The file at the top is an older copy, or the parts are and agree.
        true => Some(Root { stamp: common, previous: None, key: root.key }),
        false => Some(root),
    }
}

/// How many parts carry a stamp of their own.
const PARTS: usize = 3;

fn stamps(found: &Found) -> impl Iterator<Item = Stamp> {
    [found.journal_stamp, found.history_stamp, found.records_stamp()].into_iter().flatten()
}

/// Returns the directory that most of what is there is of. The key has a say through the fingerprints of it.
fn directory(found: &Found) -> Option<u64> {
    let key = found.key.as_ref().and_then(|key| key.as_ref().ok()).copied();
    let by_root = found.root.filter(|root| key == Some(root.key)).map(|root| root.stamp.directory);
    let by_records =
        records_of(found).filter(|records| key == Some(records.key)).and_then(|found| found.stamp);
    let root = found.root.map(|root| root.stamp.directory);
    let votes: Vec<u64> = stamps(found)
        .map(|stamp| stamp.directory)
        .chain(root)
        .chain(by_root)
        .chain(by_records.map(|stamp| stamp.directory))
        .collect();
    let count = |directory: u64| votes.iter().filter(|vote| **vote == directory).count();
    // Where they are even, the file at the top decides, unless the key is not the one that it names.
    let is_doubted = found.root.is_some_and(|root| root.key != 0 && key.is_some_and(|key| key != root.key));
    votes.iter().copied().max_by_key(|vote| (count(*vote), (Some(*vote) == root) != is_doubted))
}

fn records_of(found: &Found) -> Option<&RecordsSummary> {
    found.records.as_ref()?.as_ref().ok()
}

fn fault_of(found: &Found, part: Part) -> Option<Problem> {
    let root = reference(found);
    let fault = match part {
        Part::Journal => match &found.journal {
            Some(Err(why)) => Some(Fault::Damaged(why.clone())),
            journal => stamped(root, journal.is_some(), found.journal_stamp, needs_journal(found))
                .filter(|_| !is_stamp_made_anew(found, root, part)),
        },
        Part::History => match &found.history {
            Some(Err(why)) => Some(Fault::Damaged(why.clone())),
            Some(Ok(history)) if !history.lacking.is_empty() => Some(lacking(history)),
            history => {
                let is_there = history.is_some() || found.history_stamp.is_some();
                stamped(root, is_there, found.history_stamp, needs_history(found))
                    .filter(|fault| !is_replayed(found, fault) && !is_stamp_made_anew(found, root, part))
            }
        },
        Part::Records => match &found.records {
            Some(Err(why)) => Some(Fault::Damaged(why.clone())),
            records => stamped(root, records.is_some(), found.records_stamp(), needs_records(found))
                .or_else(|| base_fault(root, records_of(found)?)),
        },
        Part::Keys => key_fault(found, root),
    };
    fault.map(|fault| Problem::new(part, fault))
}

/// Judges a part by its stamp. `is_needed` decides where nothing has a stamp yet.
fn stamped(root: Option<Root>, is_there: bool, stamp: Option<Stamp>, is_needed: bool) -> Option<Fault> {
    let Some(root) = root else { return (!is_there && is_needed).then_some(Fault::Missing) };
    match stamp {
        Some(stamp) => misfit(&root, stamp),
        // The directory was being made, or got its identity, when the process ended.
        None if root.previous == Some(0) => (!is_there && is_needed).then_some(Fault::Missing),
        None if is_there => Some(Fault::Foreign),
        None => Some(Fault::Missing),
    }
}

/// Judges the records' file without its log, which is played back over whatever file lies there: what both say together is
/// what the log says.
fn base_fault(root: Option<Root>, records: &RecordsSummary) -> Option<Fault> {
    let base = records.base?;
    let is_other = |stamp: Stamp| records.stamp.is_some_and(|ours| ours.directory != stamp.directory);
    let unfit = || {
        let detail = "records.sqlite is not the file that its log, records.sqlite-wal, goes on from; put the one back that \
                      belongs to the other";
        Fault::Older(detail.to_owned())
    };
    match (root, base.stamp) {
        (_, Some(stamp)) if is_other(stamp) => Some(Fault::Foreign),
        // An earlier version did not bring each identity into the file.
        _ if !base.is_marked => None,
        (Some(root), Some(stamp)) => misfit(&root, stamp).or_else(|| (!base.fits).then(unfit)),
        (Some(_), None) if records.stamp.is_some() => Some(unfit()),
        _ => (!base.fits).then(unfit),
    }
}

/// Reports whether only the file with the stamp of a part is damaged, and the next start writes it anew: where all others
/// carry the one that holds. How far the part goes is judged all the same.
fn is_stamp_made_anew(found: &Found, root: Option<Root>, part: Part) -> bool {
    let (is_damaged, others) = match part {
        Part::Journal => (found.is_stamp_damaged[0], [found.history_stamp, found.records_stamp()]),
        Part::History => (found.is_stamp_damaged[1], [found.journal_stamp, found.records_stamp()]),
        Part::Records | Part::Keys => return false,
    };
    let Some(root) = root else { return false };
    is_damaged && others.into_iter().all(|stamp| stamp.is_some_and(|stamp| misfit(&root, stamp).is_none()))
}

fn misfit(root: &Root, stamp: Stamp) -> Option<Fault> {
    if stamp.directory != root.stamp.directory {
        return Some(Fault::Foreign);
    }
    if stamp.mark == root.stamp.mark || root.previous == Some(stamp.mark) {
        return None;
    }
    let detail = format!(
        "it is from epoch {} of this directory, which is at {} (it grows with each start and each backup)",
        stamp.epoch, root.stamp.epoch
    );
    match stamp.epoch.cmp(&root.stamp.epoch) {
        Ordering::Less => Some(Fault::Older(detail)),
        Ordering::Greater => Some(Fault::Newer(detail)),
        // Two copies of the directory have lived on.
        Ordering::Equal => Some(Fault::Foreign),
    }
}

fn lacking(history: &History) -> Fault {
    let named = history.lacking.first().map(|path| path.display().to_string()).unwrap_or_default();
    Fault::Damaged(format!(
        "{} of its segment files are missing or cut short, {named} first",
        history.lacking.len()
    ))
}

/// Reports whether history that is missing or older is made anew from the journal, which has all that it lacks.
fn is_replayed(found: &Found, fault: &Fault) -> bool {
    let Some(Ok(journal)) = &found.journal else { return false };
    let applied = match &found.history {
        Some(Ok(history)) => history.applied,
        _ => 0,
    };
    let is_ours = match fault {
        Fault::Missing => true,
        Fault::Older(_) => applied <= journal.last,
        Fault::Newer(_) | Fault::Foreign | Fault::Damaged(_) => false,
    };
    is_ours && applied + 1 >= journal.first && fault_of(found, Part::Journal).is_none()
}

fn needs_journal(found: &Found) -> bool {
    let history = matches!(&found.history, Some(Ok(history)) if history.applied > 0);
    let records = matches!(&found.records, Some(Ok(records)) if records.reach() > 0);
    history || records
}

fn needs_history(found: &Found) -> bool {
    matches!(&found.journal, Some(Ok(journal)) if journal.first > 1)
}

fn needs_records(found: &Found) -> bool {
    let journal = matches!(&found.journal, Some(Ok(journal)) if journal.last > 0);
    journal || matches!(&found.history, Some(Ok(history)) if history.applied > 0)
}

fn key_fault(found: &Found, root: Option<Root>) -> Option<Fault> {
    let records = records_of(found);
    let named = root.map_or(0, |root| root.key);
    // While the parts get a new identity, the file at the top has the new key's before the records.
    let is_said = |records: &&RecordsSummary| match (root, records.stamp) {
        (Some(root), Some(stamp)) if root.key == 0 => stamp.directory == root.stamp.directory,
        (Some(root), stamp) if root.key != 0 => root.previous.is_none() && stamp == Some(root.stamp),
        _ => true,
    };
    let said = records.filter(is_said).map_or(0, |records| records.key);
    let known = [named, said].map(|key| (key != 0).then_some(key));
    match &found.key {
        Some(Err(why)) => Some(Fault::Damaged(why.clone())),
        Some(Ok(key)) => known.iter().flatten().any(|known| known != key).then_some(Fault::Foreign),
        None => {
            let is_needed = known != [None; 2] || records.is_some_and(|records| records.credentials > 0);
            is_needed.then_some(Fault::Missing)
        }
    }
}

/// Compares how far the parts go that are in order by themselves.
fn ends(found: &Found, problems: &[Problem]) -> Vec<Problem> {
    let is_sound = |part| !problems.iter().any(|problem| problem.part == part);
    let empty = Inspection { first: 1, last: 0, segments: Vec::new(), places: Default::default() };
    let journal = match &found.journal {
        Some(Ok(journal)) => journal,
        _ => &empty,
    };
    let history = match &found.history {
        Some(Ok(history)) if is_sound(Part::History) => Some(history),
        _ => None,
    };
    let records = match &found.records {
        Some(Ok(records)) if is_sound(Part::Records) => Some(records),
        _ => None,
    };
    let mut more = Vec::new();
    if is_sound(Part::Journal) {
        more.extend(journal_ends(journal, history, records));
        if more.is_empty() {
            more.extend(history.and_then(|history| history_ends(journal, history)));
            more.extend(records.and_then(|records| records_ends(journal, records)));
        }
    }
    if let (Some(noted), Some(records)) = (found.changes, records)
        && noted > records.changes
        && found.root.zip(records.stamp).is_none_or(|(root, stamp)| misfit(&root, stamp).is_none())
    {
        let detail = format!(
            "they know {} changes of people, devices and credentials, {noted} were made",
            records.changes
        );
        more.push(Problem::new(Part::Records, Fault::Older(detail)));
    }
    if let (Some(history), Some(records)) = (history, records)
        && history.newest_device.is_some_and(|device| device >= records.devices)
    {
        let detail = format!(
            "history has readings of device number {}, they know {} devices",
            history.newest_device.unwrap_or(0),
            records.devices
        );
        more.push(Problem::new(Part::Records, Fault::Older(detail)));
    }
    more
}

/// Finds a journal that ends before what others have taken from it.
fn journal_ends(
    journal: &Inspection,
    history: Option<&History>,
    records: Option<&RecordsSummary>,
) -> Option<Problem> {
    let history = history.map_or(0, |history| history.applied);
    let records = records.map_or(0, RecordsSummary::reach);
    let places = journal.places.values().copied().max().unwrap_or(0);
    let (who, reach) =
        [("history has", history), ("the records have", records), ("its followers have", places)]
            .into_iter()
            .max_by_key(|(_, reach)| *reach)?;
    let detail = format!("it ends at record {}, {who} taken in records up to {reach}", journal.last);
    (reach > journal.last).then(|| Problem::new(Part::Journal, Fault::Older(detail)))
}

/// Finds history that lacks records which the journal no longer has.
fn history_ends(journal: &Inspection, history: &History) -> Option<Problem> {
    let detail = format!(
        "it ends at record {}, the journal begins with {}, and what lies between is in neither",
        history.applied, journal.first
    );
    (history.applied + 1 < journal.first).then(|| Problem::new(Part::History, Fault::Older(detail)))
}

/// Finds records that lack what the journal no longer has, or what they had when they last said so.
fn records_ends(journal: &Inspection, records: &RecordsSummary) -> Option<Problem> {
    let said =
        ["alerts", "quarantine"].into_iter().filter_map(|name| journal.places.get(name)).max().copied();
    let detail = match said.filter(|said| *said > records.ends()) {
        Some(said) => format!("they end at record {}, and were once at {said}", records.ends()),
        None if records.ends() + 1 < journal.first => {
            format!("they end at record {}, the journal begins with {}", records.ends(), journal.first)
        }
        None => return None,
    };
    Some(Problem::new(Part::Records, Fault::Older(detail)))
}
