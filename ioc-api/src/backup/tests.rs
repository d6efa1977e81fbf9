//! Data directories that were really worked on, backed up, taken apart and put together again.
use super::*;
use crate::{
    admin::open_foundation,
    clock::now_ms,
    config::Config,
    data_dir::{DataDirError, Holder, Part},
    followers::{NAMES, history::HistoryFollower, registrations},
};
use ioc_identity::Principal;
use ioc_ingest::{Ledger, NewDevice};
use ioc_journal::{JournalConfig, SharedLog};
use ioc_model::{DeviceIndex, Domain, Message, Observation, Origin, PropertyId, Quality, RecordKind};
use ioc_services::{Foundation, Services};
use ioc_store::{SharedHistory, StoreConfig, TimeRange};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Readings of each device in one life.
const READINGS: i64 = 20;

/// What was acknowledged: values by device and time.
type Acknowledged = BTreeMap<(String, i64), f64>;

/// The parts of a running center that keep something on disk.
struct Center {
    data: Arc<DataDir>,
    services: Services,
    foundation: Foundation,
    journal: SharedLog,
    store: SharedHistory,
    property: PropertyId,
}

impl Center {
    fn start(path: &Path, accepted: &[Part]) -> Result<Self, DataDirError> {
        let data = DataDir::open_as(path, Holder::Server)?;
        data.begin(accepted)?;
        let config = Config { data_dir: path.to_owned(), ..Config::default() };
        let foundation = open_foundation(&data, &config, now_ms()).unwrap();
        let journal = JournalConfig {
            segment_bytes: 2_000,
            keep_bytes: 4_000,
            followers: registrations(),
            ..JournalConfig::new(data.journal())
        };
        let (journal, opened) = ioc_journal::open(journal).unwrap();
        let store = ioc_store::open(StoreConfig::new(data.store())).unwrap();
        let mut settle =
            HistoryFollower::new(store.clone(), Arc::new(Ledger::default()), journal.clone(), opened.last);
        let from = crate::app::recover::oldest_of(&journal, store.replay_from());
        crate::app::recover::replay(&journal, from, opened.last, &mut settle, &Default::default()).unwrap();
        let property = foundation.catalogue.property("water_level").unwrap().id;
        let services = Services::build(foundation.clone(), || ());
        Ok(Self { data: Arc::new(data), services, foundation, journal, store, property })
    }

    fn add(&self, id: &str) {
        let device = NewDevice {
            id: id.parse().unwrap(),
            domain: Domain::from_static("environment"),
            kind: "water-level".to_owned(),
            lat: 16.46,
            lon: 107.59,
            parent: None,
            labels: BTreeMap::new(),
        };
        self.services.devices.add(&Principal::cli("test"), device, now_ms()).unwrap();
    }

    fn devices(&self) -> Vec<(String, DeviceIndex)> {
        let devices = self.foundation.registry.devices();
        devices.iter().map(|device| (device.id.to_string(), device.index)).collect()
    }

    /// Takes in readings of every device from `begin` on, one a record, as the ingress does.
    fn acknowledge(&self, begin: i64, acknowledged: &mut Acknowledged) {
        for (id, index) in self.devices() {
            for ts_ms in begin..begin + READINGS {
                let value = f64::from(ioc_hash(&id)) + (ts_ms % 1000) as f64;
                let observation =
                    Observation { property: self.property, ts_ms, value, quality: Quality::GOOD };
                let observations = vec![observation];
                let message = Message {
                    device: Some(index),
                    arrival_ms: ts_ms,
                    origin: Origin::Device,
                    observations,
                    rejected: None,
                    set_back_ms: None,
                };
                let offset = self.journal.append(RecordKind::Message, |out| message.encode(out)).unwrap();
                self.journal.wait_durable(offset, PATIENCE).unwrap();
                acknowledged.insert((id.clone(), ts_ms), value);
            }
        }
    }

    /// Has history and records take in what the journal has, and, when told to, lets go of it.
    fn follow(&self, seals: bool) {
        let last = self.journal.durable();
        let mut settle =
            HistoryFollower::new(self.store.clone(), Arc::new(Ledger::default()), self.journal.clone(), 0);
        crate::app::recover::replay(
            &self.journal,
            self.journal.first(),
            last,
            &mut settle,
            &Default::default(),
        )
        .unwrap();
        if seals {
            self.store.seal().unwrap();
        }
        let records = &self.foundation.records;
        records.apply_alert_events(&[], last).unwrap();
        records.append_quarantine(&[], last, 10).unwrap();
        let safe = records.sync_projections().unwrap();
        for name in NAMES {
            let place = if name == "store" { self.store.replay_from() - 1 } else { safe };
            self.journal.checkpoint(name, place).unwrap();
        }
    }

    fn stop(self) {
        self.store.shutdown();
        self.journal.close().unwrap();
    }

    /// What history shows, by the names of the devices.
    fn shown(&self) -> Acknowledged {
        let mut shown = Acknowledged::new();
        for (id, device) in self.devices() {
            let series = ioc_store::Series { device, property: self.property };
            let points = self.store.raw(series, TimeRange::ALL, usize::MAX).unwrap();
            shown.extend(points.into_iter().map(|point| ((id.clone(), point.ts_ms), point.value)));
        }
        shown
    }
}

/// A number that differs from device to device.
fn ioc_hash(id: &str) -> u32 {
    id.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 100_000 * 1000
}

/// A directory with two lives and a backup between them, and one of somebody else.
struct Cases {
    place: tempfile::TempDir,
    acknowledged: Acknowledged,
}

impl Cases {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let begin = now_ms() - 3_600_000;
        let mut acknowledged = Acknowledged::new();
        let (ours, other) = (place.path().join("ours"), place.path().join("other"));
        let center = Center::start(&ours, &[]).unwrap();
        ["WL-0", "WL-1"].iter().for_each(|id| center.add(id));
        center.acknowledge(begin, &mut acknowledged);
        center.follow(true);
        Source::running(Arc::clone(&center.data), center.journal.clone())
            .back_up(&place.path().join("backup"), &mut |_| ())
            .unwrap();
        // The same start goes on: its epoch alone does not tell old from new.
        center.add("WL-2");
        center.acknowledge(begin + 1_000, &mut acknowledged);
        center.follow(true);
        center.acknowledge(begin + 2_000, &mut acknowledged);
        center.follow(false);
        assert!(center.journal.first() > 1, "the journal has let go of something");
        center.stop();
        // As it was, without the numbers that a restore passes over.
        let manifest = Manifest::load(&place.path().join("backup")).unwrap().unwrap();
        for entry in &manifest.files {
            let aged = place.path().join("aged").join(&entry.path);
            fs::create_dir_all(aged.parent().unwrap()).unwrap();
            copy(&place.path().join("backup/objects").join(&entry.sha256), &aged);
        }
        let foreign = Center::start(&other, &[]).unwrap();
        ["X-0", "X-1", "X-2", "X-3"].iter().for_each(|id| foreign.add(id));
        let mut theirs = Acknowledged::new();
        foreign.acknowledge(begin, &mut theirs);
        foreign.follow(true);
        foreign.acknowledge(begin + 1_000, &mut theirs);
        foreign.follow(false);
        foreign.stop();
        Self { place, acknowledged }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A copy of our directory with these parts tampered with.
    fn tamper(&self, name: &str, changes: &[(Part, Change)]) -> PathBuf {
        let path = self.path(name);
        copy(&self.path("ours"), &path);
        for (part, change) in changes {
            files_of(*part).iter().for_each(|file| self.change(&path, file, *change));
        }
        path
    }

    fn change(&self, path: &Path, file: &str, change: Change) {
        remove(&path.join(file));
        let from = match change {
            Change::Removed => return,
            Change::Aged => self.path("aged").join(file),
            Change::Swapped => self.path("other").join(file),
        };
        if from.exists() {
            copy(&from, &path.join(file));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Removed,
    Aged,
    Swapped,
}

const CHANGES: [Change; 3] = [Change::Removed, Change::Aged, Change::Swapped];

fn files_of(part: Part) -> &'static [&'static str] {
    match part {
        Part::Journal => &["journal"],
        Part::History => &["store"],
        Part::Records => &["records.sqlite", "records.sqlite-wal", "records.sqlite-shm"],
        Part::Keys => &["token.key"],
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

/// Asserts that nothing is shown that was not acknowledged as just that; with `all` that all of it is.
fn assert_right(center: &Center, acknowledged: &Acknowledged, all: bool, case: &str) {
    let shown = center.shown();
    for (key, value) in &shown {
        let is_lost = key.0.starts_with("lost-");
        assert!(is_lost || acknowledged.get(key) == Some(value), "{case}: {key:?} shows {value}");
    }
    assert!(!all || shown == *acknowledged, "{case}: {} of {}", shown.len(), acknowledged.len());
}

/// Starts and says what is wrong; asserts that a start shows all that was acknowledged.
fn start(cases: &Cases, name: &str, changes: &[(Part, Change)]) -> Vec<Part> {
    start_at(cases, cases.tamper(name, changes), changes, format!("{changes:?}"))
}

fn start_at(cases: &Cases, path: PathBuf, changes: &[(Part, Change)], case: String) -> Vec<Part> {
    let refused = match Center::start(&path, &[]) {
        Ok(center) => {
            assert_right(&center, &cases.acknowledged, true, &case);
            center.stop();
            Vec::new()
        }
        Err(DataDirError::Parts { problems, path }) => {
            let text = DataDirError::Parts { problems: problems.clone(), path: path.clone() }.to_string();
            assert_eq!(text.lines().count(), problems.len(), "{text}");
            for (line, problem) in text.lines().zip(&problems) {
                assert!(line.contains(problem.part.name()), "{line}");
                assert!(line.contains(&format!("`--accept-loss {}`", problem.part)), "{line}");
                assert!(line.contains("`ioc restore BACKUP"), "{line}");
            }
            problems.iter().map(|problem| problem.part).collect()
        }
        Err(other) => panic!("{case}: {other}"),
    };
    for part in &refused {
        assert!(changes.iter().any(|(changed, _)| changed == part), "{case}: {part} is as it was");
    }
    if !refused.is_empty() {
        accept(cases, &path, &refused, &case);
    }
    remove(&path);
    refused
}

/// Goes on without the parts; what is shown then is right, and a new device shows nothing.
fn accept(cases: &Cases, path: &Path, parts: &[Part], case: &str) {
    let center = Center::start(path, parts).unwrap_or_else(|error| panic!("{case}, accepted: {error}"));
    assert_right(&center, &cases.acknowledged, false, case);
    center.add("NEW-1");
    assert!(!center.shown().keys().any(|(id, _)| id == "NEW-1"), "{case}: a new device has readings");
    let mut more = Acknowledged::new();
    center.acknowledge(now_ms(), &mut more);
    center.follow(true);
    center.stop();
    let center = Center::start(path, &[]).unwrap_or_else(|error| panic!("{case}, the next start: {error}"));
    let shown = center.shown();
    assert!(more.iter().all(|(key, value)| shown.get(key) == Some(value)), "{case}: what came after is lost");
    center.stop();
}

#[test]
fn each_part_that_is_removed_aged_or_swapped_is_found() {
    use Change::{Aged, Removed, Swapped};
    let cases = Cases::new();
    assert_eq!(start(&cases, "whole", &[]), []);
    for part in Part::ALL {
        for change in CHANGES {
            let refused = start(&cases, "single", &[(part, change)]);
            let expected = match (part, change) {
                // The key is drawn once: that of the backup is the same.
                (Part::Keys, Aged) => Vec::new(),
                (_, Removed | Aged | Swapped) => vec![part],
            };
            assert_eq!(refused, expected, "{part} {change:?}");
        }
    }
}

#[test]
fn each_pair_that_is_removed_aged_or_swapped_is_found() {
    let cases = Cases::new();
    for (number, first) in Part::ALL.into_iter().enumerate() {
        for second in &Part::ALL[number + 1..] {
            for (change, other) in CHANGES.into_iter().flat_map(|one| CHANGES.map(|other| (one, other))) {
                let refused = start(&cases, "pair", &[(first, change), (*second, other)]);
                assert!(!refused.is_empty(), "{first} {change:?} and {second} {other:?} start");
            }
        }
    }
}

#[test]
fn an_identity_that_is_not_that_of_the_parts_blames_none_that_is_as_it_was() {
    let cases = Cases::new();
    for identity in CHANGES {
        let path = cases.tamper("identity", &[]);
        cases.change(&path, "identity", identity);
        assert_eq!(start_at(&cases, path, &[], format!("identity {identity:?}")), []);
        for (part, change) in Part::ALL.into_iter().flat_map(|part| CHANGES.map(|change| (part, change))) {
            let path = cases.tamper("identity", &[(part, change)]);
            cases.change(&path, "identity", identity);
            let case = format!("identity {identity:?}, {part} {change:?}");
            let refused = start_at(&cases, path, &[(part, change)], case.clone());
            let expected = if (part, change) == (Part::Keys, Change::Aged) { vec![] } else { vec![part] };
            assert_eq!(refused, expected, "{case}");
        }
    }
}

#[test]
fn a_part_that_cannot_be_opened_is_not_damaged_and_no_loss_of_it_is_accepted() {
    let cases = Cases::new();
    let files =
        [("records.sqlite", Part::Records), ("token.key", Part::Keys), ("store/manifest", Part::History)];
    for (file, part) in files {
        let path = cases.tamper("closed", &[]);
        remove(&path.join(file));
        // For the superuser, who runs tests, every file can be opened: a link that leads nowhere, or a directory.
        match part {
            Part::Records => fs::create_dir(path.join(file)).unwrap(),
            _ => std::os::unix::fs::symlink(path.join(file), path.join(file)).unwrap(),
        }
        for accepted in [&[][..], &[part]] {
            let error = Center::start(&path, accepted).err().unwrap_or_else(|| panic!("{file} starts"));
            let is_told = match &error {
                DataDirError::Closed { part: closed, .. } => *closed == part && part != Part::Records,
                DataDirError::Shape { .. } => part == Part::Records,
                _ => false,
            };
            assert!(is_told, "{file}: {error}");
            assert!(!error.to_string().contains("--accept-loss"), "{error}");
            let is_there = fs::symlink_metadata(path.join(file)).is_ok();
            assert!(is_there && !path.join("lost").exists(), "{file} was touched");
        }
        remove(&path);
    }
}

#[test]
fn a_full_disk_is_told_as_one() {
    let cause = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let path = PathBuf::from("data");
    let records = |code| ioc_records::RecordsError::Database {
        doing: "reading the records",
        source: rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None),
    };
    use rusqlite::ffi;
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_WRITE] {
        assert!(records(code).is_of_the_disk() && records(code).is_full(), "{code}");
    }
    assert!(records(ffi::SQLITE_CANTOPEN).is_of_the_disk() && !records(ffi::SQLITE_CANTOPEN).is_full());
    assert!(!records(ffi::SQLITE_CORRUPT).is_of_the_disk() && !records(ffi::SQLITE_NOTADB).is_of_the_disk());
    let texts = [
        DataDirError::Io { doing: "write", path: path.clone(), cause: cause() }.to_string(),
        DataDirError::Closed { path: path.clone(), part: Part::Records, cause: String::new(), is_full: true }
            .to_string(),
        DataDirError::from(records(ffi::SQLITE_FULL)).to_string(),
        ioc_records::RecordsError::File { path, cause: cause() }.to_string(),
    ];
    for text in texts {
        assert!(text.contains("free space") && !text.contains("readable"), "{text}");
    }
}

#[test]
fn a_missing_part_that_was_set_aside_is_named() {
    let cases = Cases::new();
    let path = cases.tamper("aside", &[(Part::Records, Change::Removed)]);
    let aside = path.join("lost/1700000000000/records.sqlite");
    fs::create_dir_all(aside.parent().unwrap()).unwrap();
    fs::copy(cases.path("ours").join("records.sqlite"), &aside).unwrap();
    let text = Center::start(&path, &[]).err().unwrap().to_string();
    assert!(text.contains(&format!("set aside earlier: {}", aside.display())), "{text}");
}

#[test]
fn a_directory_of_an_earlier_version_gets_its_identity_and_keeps_everything() {
    let cases = Cases::new();
    let strip = |path: &Path| {
        ["identity", "journal/identity", "store/identity"].iter().for_each(|file| remove(&path.join(file)));
        let records = rusqlite::Connection::open(path.join("records.sqlite")).unwrap();
        records.execute("DELETE FROM meta WHERE key LIKE 'identity%'", []).unwrap();
    };
    let path = cases.tamper("old", &[]);
    strip(&path);
    let center = Center::start(&path, &[]).unwrap();
    assert_right(&center, &cases.acknowledged, true, "old");
    center.stop();
    // What can be told without an identity still is.
    for part in [Part::Journal, Part::History, Part::Records, Part::Keys] {
        let path = cases.tamper("old-without", &[]);
        strip(&path);
        files_of(part).iter().for_each(|file| remove(&path.join(file)));
        let error = Center::start(&path, &[]).err().unwrap_or_else(|| panic!("{part} is not missed"));
        assert!(error.to_string().contains(part.name()), "{part}: {error}");
        remove(&path);
    }
}

#[test]
fn what_can_be_made_anew_is() {
    let cases = Cases::new();
    let removals = ["identity", "journal/checkpoints", "rules.json", "catalogue.json"];
    let damage = |path: &Path| fs::write(path, "\u{0}garbage").unwrap();
    for file in ["journal/identity", "store/identity"] {
        for content in ["", "\u{0}garbage", "ioc-identity 2\n"] {
            let path = cases.tamper("stamp", &[]);
            fs::write(path.join(file), content).unwrap();
            for is_whole in [false, true] {
                let found = crate::data_dir::stamp::is_damaged(path.join(file).parent().unwrap());
                assert_eq!(found, !is_whole, "{file}");
                let center = Center::start(&path, &[]).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert_right(&center, &cases.acknowledged, true, file);
                center.stop();
            }
            remove(&path);
        }
        // Of another directory it is still told, by the stamp of another part or by how far it goes.
        let part = if file.starts_with("journal") { Part::Journal } else { Part::History };
        let path = cases.tamper("stamp", &[(part, Change::Swapped), (Part::Records, Change::Removed)]);
        fs::write(path.join(file), "").unwrap();
        assert!(Center::start(&path, &[]).is_err(), "{file} of another directory");
        remove(&path);
    }
    for file in removals {
        for is_removed in [true, false] {
            let path = cases.tamper("rebuilt", &[]);
            match is_removed {
                true => remove(&path.join(file)),
                false => damage(&path.join(file)),
            }
            for _start in 0..2 {
                let center = Center::start(&path, &[]).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert_right(&center, &cases.acknowledged, true, file);
                center.stop();
            }
            remove(&path);
        }
    }
}

#[test]
fn a_process_that_ends_while_the_parts_get_a_new_epoch_refuses_nothing() {
    use crate::data_dir::stamp::{self, Root};
    let cases = Cases::new();
    let before = stamp::read(&cases.path("ours")).unwrap().unwrap();
    for written in 0..=3 {
        for rounds in [1, 2] {
            let path = cases.tamper("cut", &[]);
            let mut root = before;
            for _ in 0..rounds {
                // A second start that ends there as well settles the first one before.
                let next =
                    Root { stamp: root.stamp.next().unwrap(), previous: Some(root.stamp.mark), ..root };
                stamp::write_root(&path, &next).unwrap();
                let parts = [path.join("journal"), path.join("store")];
                parts.iter().take(written).for_each(|part| stamp::write(part, &next.stamp).unwrap());
                if written == 3 {
                    let records = path.join("records.sqlite");
                    ioc_records::write_identity(&records, &next.stamp, next.key).unwrap();
                }
                if written < 3 {
                    root = before;
                    break;
                }
                root = next;
            }
            let center = Center::start(&path, &[]).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_right(&center, &cases.acknowledged, true, "cut");
            center.stop();
            remove(&path);
            let _ = root;
        }
    }
}

#[test]
fn a_loss_that_is_accepted_though_nothing_is_lost_is_refused() {
    let cases = Cases::new();
    for part in Part::ALL {
        let path = cases.tamper("unlost", &[]);
        let error = Center::start(&path, &[part]).err().unwrap().to_string();
        assert!(error.contains("nothing is wrong with"), "{error}");
        let center = Center::start(&path, &[]).unwrap();
        assert_right(&center, &cases.acknowledged, true, "unlost");
        center.stop();
        remove(&path);
    }
}

#[test]
fn a_backup_under_way_and_what_comes_meanwhile() {
    let place = tempfile::tempdir().unwrap();
    let (path, target) = (place.path().join("data"), place.path().join("backup"));
    let mut acknowledged = Acknowledged::new();
    let center = Center::start(&path, &[]).unwrap();
    center.add("WL-0");
    let source = Source::running(Arc::clone(&center.data), center.journal.clone());
    let begin = now_ms() - 3_600_000;
    for round in 0..4 {
        center.acknowledge(begin + round * 1_000, &mut acknowledged);
        center.follow(round % 2 == 1);
        let before = acknowledged.clone();
        let mut later = Acknowledged::new();
        let manifest = std::thread::scope(|scope| {
            let making = scope.spawn(|| source.back_up(&target, &mut |_| ()).unwrap());
            let mut at = begin + round * 1_000 + 100;
            while !making.is_finished() {
                center.acknowledge(at, &mut later);
                center.follow(at % 40 == 0);
                at += READINGS;
            }
            making.join().unwrap()
        });
        acknowledged.extend(later);
        assert!(manifest.copied_bytes <= manifest.bytes());
        let elsewhere = place.path().join(format!("elsewhere-{round}"));
        super::restore(&target, &elsewhere, false, &mut |_| ()).unwrap();
        let restored = Center::start(&elsewhere, &[]).unwrap();
        let shown = restored.shown();
        assert!(before.iter().all(|(key, value)| shown.get(key) == Some(value)), "round {round}");
        assert_right(&restored, &acknowledged, false, "restored");
        restored.stop();
    }
    let again = source.back_up(&target, &mut |_| ()).unwrap();
    let third = source.back_up(&target, &mut |_| ()).unwrap();
    assert_eq!(third.files.len(), again.files.len());
    // The records and the identity change with each backup.
    let changed =
        third.files.iter().filter(|entry| entry.path == "records.sqlite" || entry.path.ends_with("identity"));
    let changed: u64 = changed.map(|entry| entry.bytes).sum();
    assert!(third.copied_bytes <= changed, "what is there already is not copied: {third:?}");
    let listed: std::collections::BTreeSet<&str> =
        third.files.iter().map(|entry| entry.sha256.as_str()).collect();
    assert_eq!(fs::read_dir(target.join("objects")).unwrap().count(), listed.len());
    assert!(!path.join("backup.staging").exists());
    center.stop();
}

#[test]
fn a_backup_is_checked_before_anything_is_touched() {
    let cases = Cases::new();
    let (backup, target) = (cases.path("backup"), cases.path("target"));
    let refuse = |replace| super::restore(&backup, &target, replace, &mut |_| ()).unwrap_err().to_string();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("letter"), "dear").unwrap();
    assert!(refuse(false).contains("is not empty; add --replace"));
    let manifest = Manifest::load(&backup).unwrap().unwrap();
    for entry in &manifest.files {
        let object = backup.join("objects").join(&entry.sha256);
        let whole = fs::read(&object).unwrap();
        for damaged in [None, Some(&whole[..whole.len() / 2]), Some(&[&whole[..], b"x"].concat()[..])] {
            match damaged {
                None => fs::remove_file(&object).unwrap(),
                Some(bytes) => fs::write(&object, bytes).unwrap(),
            }
            if damaged.is_none_or(|bytes| bytes != whole) {
                let text = refuse(true);
                assert!(text.contains("is damaged"), "{}: {text}", entry.path);
            }
            fs::write(&object, &whole).unwrap();
        }
    }
    assert_eq!(fs::read_to_string(target.join("letter")).unwrap(), "dear");
    let restored = super::restore(&backup, &target, true, &mut |_| ()).unwrap();
    assert_eq!(fs::read_to_string(restored.replaced.unwrap().join("letter")).unwrap(), "dear");
    Center::start(&target, &[]).unwrap().stop();
    assert!(super::restore(&cases.path("aged"), &cases.path("nowhere"), false, &mut |_| ()).is_err());
}

#[test]
fn a_damaged_object_of_a_backup_is_mended_by_the_next() {
    let cases = Cases::new();
    let backup = cases.path("again");
    let data = Arc::new(DataDir::open(&cases.path("ours")).unwrap());
    let source = Source::stopped(data);
    source.back_up(&backup, &mut |_| ()).unwrap();
    // Those that are still of use: the records and the identity change with each backup.
    source.back_up(&backup, &mut |_| ()).unwrap();
    let manifest = Manifest::load(&backup).unwrap().unwrap();
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        |bytes| bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.push(0),
    ];
    for (entry, damage) in manifest.files.iter().zip(damages.iter().cycle()) {
        let object = backup.join("objects").join(&entry.sha256);
        let mut bytes = fs::read(&object).unwrap();
        damage(&mut bytes);
        fs::write(&object, bytes).unwrap();
    }
    let mended = source.back_up(&backup, &mut |_| ()).unwrap();
    assert!(mended.copied_bytes > 0);
    super::restore(&backup, &cases.path("restored"), false, &mut |_| ()).unwrap();
    let center = Center::start(&cases.path("restored"), &[]).unwrap();
    assert_right(&center, &cases.acknowledged, true, "restored from a mended backup");
    center.stop();
}

#[test]
fn what_is_restored_goes_on_with_numbers_of_no_other_life() {
    let cases = Cases::new();
    let backup = cases.path("backup");
    let known = Manifest::load(&backup).unwrap().unwrap().journal_last;
    let begin = now_ms() - 1_800_000;
    let mut lives: Vec<std::ops::RangeInclusive<u64>> = Vec::new();
    let ours = Center::start(&cases.path("ours"), &[]).unwrap();
    lives.push(known + 1..=ours.journal.durable());
    assert_eq!(ours.foundation.records.passed_over().unwrap(), None);
    ours.stop();
    for name in ["second", "third"] {
        super::restore(&backup, &cases.path(name), false, &mut |_| ()).unwrap();
        let center = Center::start(&cases.path(name), &[]).unwrap();
        assert_right(&center, &cases.acknowledged, false, name);
        let first = center.journal.durable() + 1;
        let mut more = Acknowledged::new();
        center.acknowledge(begin, &mut more);
        center.follow(true);
        let life = first..=center.journal.durable();
        let passed_over = center.foundation.records.passed_over().unwrap().unwrap();
        for other in &lives {
            assert!(other.end() < life.start(), "{name} has {life:?}, another {other:?}");
            assert!(
                passed_over.contains(other.start()) && passed_over.contains(other.end()),
                "{passed_over:?}"
            );
        }
        assert!(!passed_over.contains(&known) && !passed_over.contains(life.start()), "{passed_over:?}");
        lives.push(life);
        center.stop();
        // And is read as any other from then on.
        let center = Center::start(&cases.path(name), &[]).unwrap();
        let shown = center.shown();
        assert!(more.iter().all(|(key, value)| shown.get(key) == Some(value)), "{name}, the next start");
        let source = Source::running(Arc::clone(&center.data), center.journal.clone());
        assert_eq!(source.check(&mut |_| ()).unwrap().problems, []);
        source.back_up(&cases.path("of-it"), &mut |_| ()).unwrap();
        super::restore(&cases.path("of-it"), &cases.path("again"), false, &mut |_| ()).unwrap();
        center.stop();
        let again = Center::start(&cases.path("again"), &[]).unwrap();
        let shown = again.shown();
        assert!(
            more.iter().all(|(key, value)| shown.get(key) == Some(value)),
            "{name}, backed up and restored"
        );
        again.stop();
        ["of-it", "again"].iter().for_each(|name| remove(&cases.path(name)));
    }
}

#[test]
fn a_restore_that_was_cut_off_leaves_nothing_behind_and_no_empty_directory() {
    let cases = Cases::new();
    let (backup, target) = (cases.path("backup"), cases.path("data"));
    let (replaced, building) = (cases.path("data.replaced-1"), cases.path("data.restoring-1"));
    let refuse = || DataDir::open(&target).unwrap_err().to_string();
    fs::create_dir(&building).unwrap();
    fs::write(building.join("token.key"), "secret").unwrap();
    assert!(refuse().contains("data.restoring-1 lies beside it") && refuse().contains("restore again"));
    copy(&cases.path("ours"), &replaced);
    assert!(refuse().contains("data.replaced-1 lies beside it") && refuse().contains("move that back"));
    assert!(!target.exists());
    let restored = super::restore(&backup, &target, false, &mut |_| ()).unwrap();
    assert_eq!(restored.replaced, None);
    assert!(!building.exists() && replaced.exists());
    Center::start(&target, &[]).unwrap().stop();
}

#[test]
fn a_start_while_a_restore_runs_waits_for_it() {
    use ioc_files::durable::seam::AT_STEP;
    let cases = Cases::new();
    let (backup, target) = (cases.path("backup"), cases.path("data"));
    for is_empty_there in [false, true] {
        remove(&target);
        if is_empty_there {
            fs::create_dir(&target).unwrap();
        }
        let (waits, waiting) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let mut server = None;
            let mut told = Vec::new();
            let mut at_progress = |_: &Progress| {
                if server.is_some() {
                    return;
                }
                told.push(DataDir::open(&target).unwrap_err().to_string());
                let (waits, target) = (waits.clone(), &target);
                server = Some(scope.spawn(move || {
                    AT_STEP.set(Some(Box::new(move || {
                        let _ = waits.send(());
                    })));
                    DataDir::open_as(target, Holder::Server).and_then(|data| data.begin(&[]))
                }));
                // It has seen that one is under way.
                waiting.recv().unwrap();
            };
            super::restore(&backup, &target, false, &mut at_progress).unwrap();
            let server = server.unwrap();
            server.join().unwrap().unwrap();
            assert!(told[0].contains("is being restored at this moment"), "{told:?}");
        });
        let center = Center::start(&target, &[]).unwrap();
        assert_eq!(center.devices().len(), 2, "what was restored");
        center.stop();
    }
}

#[test]
fn a_link_to_a_data_directory_stays_one() {
    let cases = Cases::new();
    let (backup, link) = (cases.path("backup"), cases.path("link"));
    std::os::unix::fs::symlink(cases.path("ours"), &link).unwrap();
    let restored = super::restore(&backup, &link, true, &mut |_| ()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let replaced = restored.replaced.unwrap();
    assert!(replaced.file_name().unwrap().to_string_lossy().starts_with("ours.replaced-"), "{replaced:?}");
    let (before, after) = (Center::start(&replaced, &[]).unwrap(), Center::start(&link, &[]).unwrap());
    assert_eq!((before.devices().len(), after.devices().len()), (3, 2));
    assert_right(&before, &cases.acknowledged, true, "replaced");
    before.stop();
    after.stop();
}

#[test]
fn a_backup_without_a_part_is_told_as_that() {
    let cases = Cases::new();
    let (backup, target) = (cases.path("backup"), cases.path("target"));
    let whole = Manifest::load(&backup).unwrap().unwrap();
    for (prefix, part) in
        [("records.sqlite", Part::Records), ("token.key", Part::Keys), ("journal/", Part::Journal)]
    {
        let mut lacking = whole.clone();
        lacking.files.retain(|entry| !entry.path.starts_with(prefix));
        lacking.save(&backup).unwrap();
        let text = super::restore(&backup, &target, false, &mut |_| ()).unwrap_err().to_string();
        let expected = format!("this backup lacks {}", part.name());
        assert!(text.contains(&expected) && text.contains("use another backup"), "{text}");
        assert!(!text.contains("--replace") && !target.exists(), "{text}");
    }
}

#[test]
fn records_that_lack_a_device_with_unsealed_readings_are_older() {
    let place = tempfile::tempdir().unwrap();
    let (path, aside) = (place.path().join("data"), place.path().join("records.sqlite"));
    let mut acknowledged = Acknowledged::new();
    let center = Center::start(&path, &[]).unwrap();
    center.add("A");
    ioc_records::copy(&path.join("records.sqlite"), &aside).unwrap();
    center.add("B");
    center.acknowledge(now_ms() - 3_600_000, &mut acknowledged);
    center.stop();
    files_of(Part::Records).iter().for_each(|file| remove(&path.join(file)));
    copy(&aside, &path.join("records.sqlite"));
    // Which alone would tell.
    remove(&path.join("changes"));
    let text = Center::start(&path, &[]).err().unwrap().to_string();
    assert!(text.contains("older than the rest") && text.contains("device number 1, they know 1"), "{text}");
    let center = Center::start(&path, &[Part::Records]).unwrap();
    center.add("C");
    assert!(!center.shown().keys().any(|(id, _)| id == "C"), "a new device has readings");
    center.stop();
}

/// Copies `path` to numbered directories in `place` at each step of `work` that changes it: what a process that ends there
/// leaves. Returns how many.
fn at_each_step(path: &Path, place: &Path, work: impl FnOnce()) -> usize {
    use ioc_files::durable::seam::AT_STEP;
    use std::{cell::RefCell, rc::Rc};
    let states: Rc<RefCell<Vec<_>>> = Rc::default();
    let (from, to, seen) = (path.to_owned(), place.to_owned(), Rc::clone(&states));
    AT_STEP.set(Some(Box::new(move || {
        if !from.exists() {
            return;
        }
        let state: Vec<_> = listing(&from).into_iter().map(|(path, bytes, _)| (path, bytes)).collect();
        let mut seen = seen.borrow_mut();
        if seen.last() != Some(&state) {
            copy(&from, &to.join(seen.len().to_string()));
            seen.push(state);
        }
    })));
    work();
    AT_STEP.set(None);
    states.borrow().len()
}

#[test]
fn a_first_start_or_command_that_is_cut_off_anywhere_is_completed() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data");
    let start = || {
        let center = Center::start(&path, &[]).unwrap();
        center.add("A");
        center.stop();
    };
    let command = || {
        let data = DataDir::open(&path).unwrap();
        data.verify().unwrap();
        let foundation = open_foundation(&data, &Config::default(), now_ms()).unwrap();
        drop(Services::build(foundation, || ()));
    };
    for (name, work) in [("start", &start as &dyn Fn()), ("command", &command)] {
        let states = place.path().join(name);
        remove(&path);
        let count = at_each_step(&path, &states, work);
        let mut without_tables = 0;
        for number in 0..count {
            let state = states.join(number.to_string());
            let files: Vec<_> = listing(&state).into_iter().map(|(path, bytes, _)| (path, bytes)).collect();
            let case = format!("{name} ended at step {number} of {count}: {files:?}");
            let records = state.join("records.sqlite");
            let has_bytes = fs::metadata(&records).is_ok_and(|found| found.len() > 0);
            without_tables += usize::from(has_bytes && ioc_records::summarize(&records).is_none());
            if number % 2 == 0 {
                let verified = DataDir::open(&state).and_then(|data| data.verify());
                verified.unwrap_or_else(|error| panic!("{case}, then a command: {error}"));
            }
            let center = Center::start(&state, &[]).unwrap_or_else(|error| panic!("{case}: {error}"));
            center.stop();
        }
        assert!(count > 20 && without_tables > 0, "{name}: {count} states, {without_tables} without tables");
    }
}

#[test]
fn a_file_of_somebody_else_is_no_first_start() {
    for name in ["letter.new", "records.sqlite", "identity.new"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("LOCK"), "").unwrap();
        fs::write(dir.path().join("FORMAT.new"), "").unwrap();
        fs::write(dir.path().join(name), "dear").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Foreign { .. })), "{name}");
    }
}

/// What lies at the records' place: the file and its log, each a part of its own after a kill.
#[test]
fn records_and_their_log_that_do_not_belong_together_are_found() {
    let cases = Killed::new();
    let changes =
        [None, Some(Moment::Removed), Some(Moment::BeforeLast), Some(Moment::SameStart), Some(Moment::Other)];
    let whole = cases.path("whole");
    copy(&cases.path("ours"), &whole);
    cases.assert_starts(&whole, "as it was killed");
    for (file, log) in changes.into_iter().flat_map(|one| changes.map(|other| (one, other))) {
        if (file, log) == (None, None) {
            continue;
        }
        let case = format!("file {file:?}, log {log:?}");
        let path = cases.path("case");
        copy(&cases.path("ours"), &path);
        for (name, change) in [("records.sqlite", file), ("records.sqlite-wal", log)] {
            let Some(change) = change else { continue };
            remove(&path.join(name));
            if let Some(from) =
                change.directory().map(|from| cases.path(from).join(name)).filter(|from| from.exists())
            {
                copy(&from, &path.join(name));
            }
        }
        let verified = DataDir::open(&path).unwrap().verify();
        match verified {
            Err(DataDirError::Parts { problems, .. }) => {
                // For more than one reason, perhaps.
                let mut parts: Vec<Part> = problems.iter().map(|problem| problem.part).collect();
                parts.dedup();
                assert_eq!(parts, [Part::Records], "{case}");
                let data = Arc::new(DataDir::open(&path).unwrap());
                let report = Source::stopped(data).check(&mut |_| ()).unwrap();
                assert!(!report.ok, "{case}: `ioc check --data` says all is well");
                let started = Center::start(&path, &[]).err().map(|error| error.to_string());
                assert!(started.is_some_and(|text| text.contains("--accept-loss records")), "{case}");
                let center = Center::start(&path, &parts).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_right(&center, &cases.acknowledged, false, &case);
                center.add("NEW-1");
                assert!(!center.shown().keys().any(|(id, _)| id == "NEW-1"), "{case}");
                center.stop();
            }
            Err(error) => panic!("{case}: {error}"),
            Ok(()) => panic!("{case} is taken for whole"),
        }
        remove(&path);
    }
}

/// Where a file of the records comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Removed,
    /// The start before the last one.
    BeforeLast,
    /// The last start, early in it.
    SameStart,
    Other,
}

impl Moment {
    fn directory(self) -> Option<&'static str> {
        match self {
            Self::Removed => None,
            Self::BeforeLast => Some("before"),
            Self::SameStart => Some("early"),
            Self::Other => Some("other"),
        }
    }
}

/// Directories as a kill leaves them, with a log beside the records.
struct Killed {
    place: tempfile::TempDir,
    acknowledged: Acknowledged,
}

impl Killed {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let begin = now_ms() - 3_600_000;
        let mut acknowledged = Acknowledged::new();
        let center = Center::start(&path("data"), &[]).unwrap();
        center.add("A");
        center.acknowledge(begin, &mut acknowledged);
        center.follow(true);
        copy(&path("data"), &path("before"));
        center.stop();
        let center = Center::start(&path("data"), &[]).unwrap();
        center.add("B");
        center.acknowledge(begin + 1_000, &mut acknowledged);
        center.follow(false);
        copy(&path("data"), &path("early"));
        // Each time the log begins anew.
        for round in 2..6 {
            center.add(&format!("C-{round}"));
            center.acknowledge(begin + round * 1_000, &mut acknowledged);
            center.follow(round % 2 == 0);
        }
        center.add("D");
        copy(&path("data"), &path("ours"));
        center.stop();
        let other = Center::start(&path("other"), &[]).unwrap();
        ["X-0", "X-1", "X-2"].iter().for_each(|id| other.add(id));
        other.acknowledge(begin, &mut Acknowledged::new());
        other.follow(true);
        other.add("X-3");
        copy(&path("other"), &path("other-killed"));
        other.stop();
        remove(&path("other"));
        fs::rename(path("other-killed"), path("other")).unwrap();
        for name in ["before", "early", "ours", "other"] {
            let log = fs::metadata(path(name).join("records.sqlite-wal")).map_or(0, |found| found.len());
            assert!(log > 0, "{name} has a log beside its records");
        }
        Self { place, acknowledged }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn assert_starts(&self, path: &Path, case: &str) {
        let center = Center::start(path, &[]).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_right(&center, &self.acknowledged, true, case);
        assert!(center.devices().iter().any(|(id, _)| id == "D"), "{case}: the last change is there");
        center.stop();
    }
}

#[test]
fn records_that_lack_a_device_are_found_whatever_else_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let (path, aside) = (place.path().join("data"), place.path().join("records.sqlite"));
    let mut acknowledged = Acknowledged::new();
    let center = Center::start(&path, &[]).unwrap();
    center.add("A");
    center.follow(true);
    ioc_records::copy(&path.join("records.sqlite"), &aside).unwrap();
    center.add("B");
    center.acknowledge(now_ms() - 3_600_000, &mut acknowledged);
    center.stop();
    files_of(Part::Records).iter().for_each(|file| remove(&path.join(file)));
    copy(&aside, &path.join("records.sqlite"));
    // Which alone would tell.
    remove(&path.join("changes"));
    let others = [Part::Keys, Part::History];
    let losses = (0..4).map(|bits| others.iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1));
    for lost in losses {
        let lost: Vec<Part> = lost.map(|(_, part)| *part).collect();
        let case = place.path().join("case");
        copy(&path, &case);
        lost.iter().flat_map(|part| files_of(*part)).for_each(|file| remove(&case.join(file)));
        let command = DataDir::open(&case).unwrap().verify().unwrap_err().to_string();
        assert!(command.contains("device number 1, they know 1"), "{lost:?}: {command}");
        let needed: Vec<Part> = match Center::start(&case, &[]).err().unwrap() {
            DataDirError::Parts { problems, .. } => problems.iter().map(|problem| problem.part).collect(),
            other => panic!("{lost:?}: {other}"),
        };
        assert!(needed.contains(&Part::Records), "{lost:?}: {needed:?}");
        let others: Vec<Part> = needed.iter().copied().filter(|part| *part != Part::Records).collect();
        let text =
            Center::start(&case, &others).err().unwrap_or_else(|| panic!("{others:?} start")).to_string();
        assert!(text.contains("device number 1, they know 1"), "{others:?}: {text}");
        let center = Center::start(&case, &needed).unwrap_or_else(|error| panic!("{needed:?}: {error}"));
        center.add("C");
        assert!(!center.shown().keys().any(|(id, _)| id == "C"), "{lost:?}: a new device has readings");
        center.stop();
        remove(&case);
    }
}

#[test]
fn an_accepted_loss_that_was_cut_off_is_finished() {
    use crate::data_dir::accept::seam::STEPS;
    let cases = Cases::new();
    for parts in Part::ALL.iter().map(std::slice::from_ref).chain([&Part::ALL[..]]) {
        // Parts that are all of another directory belong together.
        let change = if parts.len() > 1 { Change::Removed } else { Change::Swapped };
        let mut ended = None;
        for steps in 0..40 {
            let changes: Vec<_> = parts.iter().map(|part| (*part, change)).collect();
            let path = cases.tamper("cut-off", &changes);
            let case = format!("{parts:?} cut off after {steps} steps");
            STEPS.set(Some(steps));
            let cut = Center::start(&path, parts);
            STEPS.set(None);
            if let Ok(center) = cut {
                center.stop();
                remove(&path);
                ended = Some(steps);
                break;
            }
            assert!(path.join("accepting").exists(), "{case}");
            accept(&cases, &path, if steps % 2 == 0 { parts } else { &[] }, &case);
            assert!(!path.join("accepting").exists());
            remove(&path);
        }
        assert!(ended.is_some_and(|steps| steps >= 3), "{parts:?}: {ended:?}");
    }
}

#[test]
fn a_list_that_leads_elsewhere_is_refused() {
    let cases = Cases::new();
    let backup = cases.path("backup");
    let manifest = Manifest::load(&backup).unwrap().unwrap();
    for path in ["../outside", "/etc/outside", "journal/../../outside", ""] {
        let mut hostile = manifest.clone();
        hostile.files[0].path = path.to_owned();
        hostile.save(&backup).unwrap();
        let error = super::restore(&backup, &cases.path("t"), false, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("cannot be a file of a backup"), "{error}");
    }
    assert!(!cases.path("t").exists());
}

#[test]
fn a_place_that_is_no_place_for_a_backup_is_refused() {
    let cases = Cases::new();
    let data = Arc::new(DataDir::open(&cases.path("ours")).unwrap());
    let source = Source::stopped(Arc::clone(&data));
    let refuse = |target: &Path| source.back_up(target, &mut |_| ()).unwrap_err().to_string();
    assert!(refuse(&data.path().join("store/backup")).contains("lies in the data directory"));
    assert!(refuse(&cases.path("aged")).contains("holds other files and no backup"));
    let other = Arc::new(DataDir::open(&cases.path("other")).unwrap());
    Source::stopped(other).back_up(&cases.path("theirs"), &mut |_| ()).unwrap();
    assert!(refuse(&cases.path("theirs")).contains("is a backup of another data directory"));
}

#[test]
fn a_check_names_file_and_place_of_each_damage() {
    let cases = Cases::new();
    let check = |path: &Path| {
        let data = Arc::new(DataDir::open(path).unwrap());
        let mut told = 0;
        let report = Source::stopped(data).check(&mut |_| told += 1).unwrap();
        assert!(told > 0);
        report
    };
    assert_eq!(check(&cases.path("ours")).problems, []);
    let damages: [(&str, &str, usize); 3] =
        [("journal", "journal", 200), ("store", "history", 80), ("records.sqlite", "records", 4_096 + 8)];
    for (place, part, byte) in damages {
        let path = cases.tamper("damaged", &[]);
        let file = match path.join(place).is_dir() {
            true => largest(&path.join(place)),
            false => path.join(place),
        };
        let mut bytes = fs::read(&file).unwrap();
        bytes[byte..byte + 8].fill(0xa5);
        fs::write(&file, bytes).unwrap();
        let report = check(&path);
        let found = report.problems.iter().find(|fault| fault.part == part);
        let found = found.unwrap_or_else(|| panic!("{part}: {report:?}"));
        assert!(!report.ok && found.file.as_deref() == Some(&*file.display().to_string()), "{found:?}");
        assert!(part == "records" || found.byte.is_some(), "{found:?}");
        remove(&path);
    }
}

#[test]
fn a_check_names_each_flipped_bit_of_the_small_files() {
    let cases = Cases::new();
    let newest = fs::read_dir(cases.path("ours/store")).unwrap().map(|file| file.unwrap().path());
    let newest =
        newest.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "newest")).unwrap();
    let newest = format!("store/{}", newest.file_name().unwrap().to_str().unwrap());
    let files = ["identity", "journal/identity", "store/identity", "journal/checkpoints", &newest];
    for file in files {
        let whole = fs::read(cases.path("ours").join(file)).unwrap();
        for byte in [0, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
            let path = cases.tamper("flipped", &[]);
            let mut flipped = whole.clone();
            flipped[byte] ^= 1;
            fs::write(path.join(file), flipped).unwrap();
            let data = Arc::new(DataDir::open(&path).unwrap());
            let report = Source::stopped(data).check(&mut |_| ()).unwrap();
            let named = path.join(file).display().to_string();
            let is_named = report.problems.iter().any(|fault| fault.file.as_ref() == Some(&named));
            assert!(is_named && !report.ok, "{file} at {byte}: {report:?}");
            remove(&path);
        }
    }
}

#[test]
fn records_of_the_same_start_that_lack_a_change_are_older() {
    let place = tempfile::tempdir().unwrap();
    let (path, aside) = (place.path().join("data"), place.path().join("records.sqlite"));
    let center = Center::start(&path, &[]).unwrap();
    center.add("A");
    ioc_records::copy(&path.join("records.sqlite"), &aside).unwrap();
    center.services.credentials.rotate(&Principal::cli("test"), &"A".parse().unwrap(), now_ms()).unwrap();
    center.stop();
    files_of(Part::Records).iter().for_each(|file| remove(&path.join(file)));
    copy(&aside, &path.join("records.sqlite"));
    for _ in 0..2 {
        let text = Center::start(&path, &[]).err().unwrap().to_string();
        assert!(
            text.contains("older than the rest") && text.contains("changes of people, devices"),
            "{text}"
        );
    }
    Center::start(&path, &[Part::Records]).unwrap().stop();
    let center = Center::start(&path, &[]).unwrap();
    center.add("B");
    center.stop();
    // The file alone is made anew.
    remove(&path.join("changes"));
    Center::start(&path, &[]).unwrap().stop();
    assert!(ioc_records::changes::read(&path).unwrap().is_some_and(|count| count > 0));
}

#[test]
fn a_part_that_lived_on_elsewhere_is_newer_and_not_foreign() {
    let cases = Cases::new();
    let copied = cases.tamper("lived-on", &[]);
    Center::start(&copied, &[]).unwrap().stop();
    for part in [Part::Journal, Part::History, Part::Records] {
        let path = cases.tamper("mixed", &[]);
        for file in files_of(part) {
            remove(&path.join(file));
            if copied.join(file).exists() {
                copy(&copied.join(file), &path.join(file));
            }
        }
        let text = Center::start(&path, &[]).err().unwrap().to_string();
        assert!(text.contains("newer than the rest: it is from epoch"), "{part}: {text}");
        remove(&path);
    }
}

#[test]
fn damage_is_told_with_one_way_out() {
    let cases = Cases::new();
    let path = cases.tamper("damaged", &[]);
    fs::write(path.join("store/manifest"), "ioc-history-manifest 2\n").unwrap();
    let text = Center::start(&path, &[]).err().unwrap().to_string();
    assert!(text.contains("manifest is damaged: it has no checksum"), "{text}");
    assert_eq!(text.matches("restore").count(), 1, "{text}");
    let backup = cases.path("backup");
    let list = fs::read(backup.join("manifest.json")).unwrap();
    fs::write(backup.join("manifest.json"), &list[..list.len() / 2]).unwrap();
    let error = super::restore(&backup, &cases.path("t"), false, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("manifest.json: it is cut off; without this list"), "{error}");
}

/// As on a file system that takes no writes: for the superuser, who runs tests, every directory can be written.
#[test]
fn a_directory_that_is_only_read_is_checked_and_backed_up() {
    use ioc_files::durable::seam::READ_ONLY;
    let cases = Cases::new();
    // Once with a log beside the records, as after a crash.
    for has_log in [false, true] {
        let path = cases.tamper("read-only", &[]);
        let log = path.join("records.sqlite-wal");
        let keeping = has_log.then(|| {
            let records = rusqlite::Connection::open(path.join("records.sqlite")).unwrap();
            records.pragma_update(None, "journal_mode", "WAL").unwrap();
            records.execute("UPDATE devices SET lat = lat + 1", []).unwrap();
            records
        });
        assert_eq!(fs::metadata(&log).is_ok_and(|found| found.len() > 0), has_log);
        remove(&path.join("LOCK"));
        let before = listing(&path);
        READ_ONLY.set(Some(path.clone()));
        let data = Arc::new(DataDir::open_to_read(&path).unwrap());
        assert!(!data.is_locked(), "nobody can hold it");
        data.verify().unwrap();
        let source = Source::stopped(data);
        assert_eq!(source.check(&mut |_| ()).unwrap().problems, []);
        let backup = cases.path("read");
        let manifest = source.back_up(&backup, &mut |_| ()).unwrap();
        READ_ONLY.set(None);
        assert_eq!(listing(&path), before, "nothing was written");
        assert!(!backup.join("objects/reading").exists());
        drop(keeping);
        super::restore(&backup, &cases.path("again"), false, &mut |_| ()).unwrap();
        assert!(manifest.files.iter().any(|entry| entry.path == "records.sqlite"));
        let center = Center::start(&cases.path("again"), &[]).unwrap();
        assert_right(&center, &cases.acknowledged, true, "from a directory that is only read");
        center.stop();
        ["read-only", "read", "again"].iter().for_each(|name| remove(&cases.path(name)));
    }
}

/// Every file with its length and time of change.
fn listing(directory: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::metadata(&path).unwrap();
        match found.is_dir() {
            true => files.extend(listing(&path)),
            false => files.push((path, found.len(), found.modified().unwrap())),
        }
    }
    files.sort();
    files
}

/// The oldest of the large files: the newest of the journal may be torn.
fn largest(directory: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "journal" || kind == "history"));
    files.sort();
    files.remove(0)
}
