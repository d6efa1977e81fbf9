//! Looking at the files of a store without opening it: nothing is created, renamed or deleted.
use crate::{
    Damage, StoreError, TimeRange,
    block::Block,
    lanes::device_at,
    manifest::Manifest,
    newest,
    segment::{self, Segment},
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Journal offset up to which everything is sealed.
    pub applied: u64,
    /// The highest device index that has a newest point; `None` when there is none, or their table is missing.
    pub newest_device: Option<u32>,
    /// Files that the manifest names, itself among them.
    pub files: Vec<PathBuf>,
    /// Segment files that are missing or shorter than they were.
    pub lacking: Vec<PathBuf>,
}

/// Reads the manifest of the store in `dir`; `None` when there is none.
///
/// Errors: [`StoreError`] when it is damaged or cannot be read.
pub fn outline(dir: &Path) -> Result<Option<Outline>, StoreError> {
    let Some(manifest) = Manifest::load(dir)? else { return Ok(None) };
    let segments = manifest.segments.iter().map(|info| (segment::path(dir, info.seq), info.bytes));
    let is_whole = |path: &Path, bytes| fs::metadata(path).is_ok_and(|found| found.len() >= bytes);
    let (present, lacking): (Vec<_>, Vec<_>) = segments.partition(|(path, bytes)| is_whole(path, *bytes));
    let mut files = vec![dir.join("manifest")];
    files.extend(present.into_iter().map(|(path, _)| path));
    let newest_path = newest::path(dir, manifest.newest_seq);
    if newest_path.exists() {
        files.push(newest_path);
    }
    let newest = newest::load(dir, manifest.newest_seq).unwrap_or_default().newest;
    Ok(Some(Outline {
        applied: manifest.applied,
        newest_device: newest.keys().map(|series| series.device.0).max(),
        files,
        lacking: lacking.into_iter().map(|(path, _)| path).collect(),
    }))
}

/// Reports whether `dir` holds segments, whatever names them.
pub fn has_segments(dir: &Path) -> bool {
    let files = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    files.into_iter().any(|file| file.path().extension().is_some_and(|extension| extension == "history"))
}

/// Has the store in `dir`, made when there is none, count everything up to journal offset `applied` as sealed, and forget
/// segments that are missing or cut short. For going on without what is lost; the store must not be open.
///
/// Errors: [`StoreError`].
pub fn go_on_from(dir: &Path, applied: u64, span_ms: i64) -> Result<(), StoreError> {
    let lacking = outline(dir)?.map(|outline| outline.lacking).unwrap_or_default();
    let mut manifest = Manifest::load(dir)?.unwrap_or_else(|| Manifest::new(span_ms));
    manifest.applied = manifest.applied.max(applied);
    manifest.segments.retain(|info| !lacking.contains(&segment::path(dir, info.seq)));
    manifest.save(dir)
}

/// Reads every block of the store in `dir` and checks its checksum; the store may be open elsewhere. Calls `progress` with
/// each file and its length in bytes before it is read.
///
/// Errors: [`StoreError`] when the manifest cannot be read.
pub fn check(dir: &Path, progress: &mut dyn FnMut(&Path, u64)) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    let Some(manifest) = Manifest::load(dir)? else { return Ok(damage) };
    damage.extend(check_newest(dir, manifest.newest_seq));
    for info in &manifest.segments {
        progress(&segment::path(dir, info.seq), info.bytes);
        let base_ms = info.partition.map_or(0, |partition| partition.saturating_mul(manifest.span_ms));
        let opened = segment::open(dir, *info, base_ms)?;
        let mut found = check_segment(&opened.segment, base_ms);
        if let Some((byte, what)) = opened.damage {
            found.push(Damage {
                path: opened.segment.path.clone(),
                byte,
                block: None,
                range: TimeRange::ALL,
                what,
            });
        }
        // Merged or deleted meanwhile: no longer part of history.
        let is_named =
            || Manifest::load(dir).is_ok_and(|now| now.is_some_and(|now| now.segments.contains(info)));
        if !found.is_empty() && is_named() {
            damage.append(&mut found);
        }
    }
    Ok(damage)
}

/// Checks the table of newest points, which a sealing replaces.
fn check_newest(dir: &Path, seq: u64) -> Option<Damage> {
    let is_whole = || seq == 0 || newest::load(dir, seq).is_some();
    let is_named = || Manifest::load(dir).is_ok_and(|now| now.is_some_and(|now| now.newest_seq == seq));
    (!is_whole() && is_named()).then(|| Damage {
        path: newest::path(dir, seq),
        byte: 0,
        block: None,
        range: TimeRange::ALL,
        what: "the table of newest readings is missing or damaged; nothing is lost: the next start makes it anew"
            .to_owned(),
    })
}

fn check_segment(segment: &Segment, base_ms: i64) -> Vec<Damage> {
    let Ok(file) = File::open(&segment.path) else { return Vec::new() };
    let mut damage = Vec::new();
    for entry in &segment.entries {
        let mut bytes = vec![0; entry.len as usize];
        let read: io::Result<()> = file.read_exact_at(&mut bytes, u64::from(entry.position));
        let checked = read
            .map_err(|error| error.to_string())
            .and_then(|()| Block::decode(&bytes, base_ms).map(|_| ()).map_err(str::to_owned));
        if let Err(what) = checked {
            damage.push(Damage {
                path: segment.path.clone(),
                byte: u64::from(entry.position),
                block: Some((entry.key.property, device_at(entry.key.group, 0))),
                range: TimeRange { from_ms: entry.earliest, to_ms: entry.latest.saturating_add(1) },
                what,
            });
        }
    }
    damage
}
