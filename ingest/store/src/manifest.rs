//! The list of segments that count: replaced as a whole, so a crash leaves the old or the new one.
//!
//! Text, one fact a line, the last line the crc32 of all before it. Version 2 has wide segments; directories of
//! version 1 are read.
use crate::{StoreError, segment::SegmentInfo};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

const FILE: &str = "manifest";
/// Format version that is written, and the newest that is read.
const VERSION: u32 = 2;
const TITLE: &str = "ioc-history-manifest";

/// What is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Length of a span in milliseconds.
    pub(crate) span_ms: i64,
    /// Journal offset up to which everything is in the segments.
    pub(crate) applied: u64,
    /// Number of the span up to which sealing by time has come.
    pub(crate) slot: i64,
    /// Event times before this are deleted and refused.
    pub(crate) horizon_ms: i64,
    /// Next file number.
    pub(crate) next_seq: u64,
    /// Number of the table of newest points; 0 is none.
    pub(crate) newest_seq: u64,
    /// Of two readings at the same time a later wide segment's holds, then an earlier wide one's, then that of the last
    /// segment of the span.
    pub(crate) segments: Vec<SegmentInfo>,
}

impl Manifest {
    pub(crate) fn new(span_ms: i64) -> Self {
        Self {
            span_ms,
            applied: 0,
            slot: i64::MIN,
            horizon_ms: i64::MIN,
            next_seq: 1,
            newest_seq: 0,
            segments: Vec::new(),
        }
    }

    /// Takes the next file number.
    pub(crate) fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Reads the manifest in `dir`; `None` when there is none yet.
    ///
    /// Errors: [`StoreError`] when it is unreadable, damaged or of a newer program.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        let version =
            text.lines().next().and_then(|line| line.strip_prefix(TITLE)?.trim().parse::<u32>().ok());
        match version {
            Some(found) if found > VERSION => {
                return Err(StoreError::Version { path, found, known: VERSION });
            }
            _ => {}
        }
        Self::parse(&text).map(Some).map_err(|what| StoreError::Manifest { path, what })
    }

    /// Replaces the manifest in `dir`, all or nothing, also through a crash. Also makes new names in `dir` durable.
    ///
    /// Errors: [`StoreError::Io`]; the old one holds then. Ends the process when it cannot be known which one holds.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE);
        let temporary = path.with_extension("tmp");
        let replace = || -> io::Result<()> {
            // The segments' names first: the manifest must not name a file that a crash takes away.
            File::open(dir)?.sync_all()?;
            let mut file = File::create(&temporary)?;
            file.write_all(self.print().as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        replace().map_err(StoreError::io("replace", path.clone()))?;
        if let Err(error) = File::open(dir).and_then(|dir| dir.sync_all()) {
            // We would see the new manifest and a restart perhaps the old one: files that either names could be
            // deleted or overwritten. A restart reads what is on disk.
            tracing::error!(path = %path.display(), %error, "history cannot be synced, so the process ends");
            std::process::abort();
        }
        Ok(())
    }

    fn print(&self) -> String {
        let Self { span_ms, applied, slot, horizon_ms, next_seq, newest_seq, segments } = self;
        let mut text = format!(
            "{TITLE} {VERSION}\nspan_ms {span_ms}\napplied {applied}\nslot {slot}\nhorizon_ms {horizon_ms}\n\
             next_seq {next_seq}\nnewest_seq {newest_seq}\n"
        );
        for SegmentInfo { seq, partition, readings, bytes } in segments {
            // Writing to a String cannot fail.
            let _ = match partition {
                Some(partition) => writeln!(text, "segment {seq} {partition} {readings} {bytes}"),
                None => writeln!(text, "wide {seq} {readings} {bytes}"),
            };
        }
        let crc = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "crc {crc:08x}");
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (body, crc) = text.trim_end().rsplit_once("crc ").ok_or("it has no checksum")?;
        if format!("{:08x}", crc32fast::hash(body.as_bytes())) != crc {
            return Err("its checksum does not match".to_owned());
        }
        let mut manifest = Self::new(0);
        for line in body.lines().skip(1) {
            manifest.take(line).ok_or_else(|| format!("line {line:?} is unknown"))?;
        }
        if manifest.span_ms <= 0 { Err("it has no span".to_owned()) } else { Ok(manifest) }
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "span_ms" => self.span_ms = rest.parse().ok()?,
            "applied" => self.applied = rest.parse().ok()?,
            "slot" => self.slot = rest.parse().ok()?,
            "horizon_ms" => self.horizon_ms = rest.parse().ok()?,
            "next_seq" => self.next_seq = rest.parse().ok()?,
            "newest_seq" => self.newest_seq = rest.parse().ok()?,
            "segment" | "wide" => {
                let mut fields = rest.split(' ');
                let seq = fields.next()?.parse().ok()?;
                let partition = if word == "segment" { Some(fields.next()?.parse().ok()?) } else { None };
                let readings = fields.next()?.parse().ok()?;
                let bytes = fields.next()?.parse().ok()?;
                self.segments.push(SegmentInfo { seq, partition, readings, bytes });
            }
            _ => return None,
        }
        Some(())
    }
}
