//! The check at each start, and how the parts get the identity that it goes by.
use super::{
    DataDir, DataDirError, Found, Part, Problem, accept, judge,
    judge::reference,
    stamp::{self, Root, Stamp, fingerprint},
};
use ioc_records::write_identity;
use std::{fs, io, path::Path};

/// Where a backup holds files while it copies them.
pub const STAGING: &str = "backup.staging";

impl DataDir {
    /// Checks that the parts belong together, and gives a new directory, or one of an earlier version, its identity.
    /// Changes nothing else. For commands; a server calls [`DataDir::begin`].
    ///
    /// Errors: [`DataDirError::Parts`] says what is missing, older or foreign, and each way out with what it costs.
    pub fn verify(&self) -> Result<(), DataDirError> {
        if self.is_read_only() {
            return self.refuse(judge(&self.look()?));
        }
        accept::finish(self)?;
        let found = self.look()?;
        // With the count of changes no device can be missing; without it the journal is read.
        let problems = if found.changes.is_some() { judge(&found) } else { self.judge_closely(&found) };
        self.refuse(problems)?;
        match reference(&found).filter(|root| root.previous != Some(0)) {
            Some(root) if found.root.map(|found| found.stamp) == Some(root.stamp) => Ok(()),
            // The file at the top was lost, or is older than the parts, which agree.
            Some(root) => self.stamp_parts(&Root { previous: Some(0), key: self.fingerprint()?, ..root }),
            None => self.adopt(&found),
        }
    }

    /// Checks that the parts belong together, goes on without those whose loss is `accepted`, and begins a new epoch.
    ///
    /// Errors: [`DataDirError::Parts`] as [`DataDir::verify`].
    pub fn begin(&self, accepted: &[Part]) -> Result<(), DataDirError> {
        // What a backup left that was cut off keeps files on disk that nobody needs.
        let _ = fs::remove_dir_all(self.path().join(STAGING));
        let finished = accept::finish(self)?;
        let accepted: Vec<Part> = accepted.iter().copied().filter(|part| !finished.contains(part)).collect();
        let found = self.look()?;
        let problems = self.judge_closely(&found);
        let open: Vec<Problem> =
            problems.iter().filter(|problem| !accepted.contains(&problem.part)).cloned().collect();
        self.refuse(open)?;
        if !accepted.is_empty() {
            accept::go_on(self, &found, &problems, &accepted)?;
            // Without those parts more may show.
            self.refuse(self.judge_closely(&self.look()?))?;
        }
        self.verify()?;
        if let Err(error) = self.next_epoch() {
            // On a full disk, say: devices wait then and people can sign in. Parts with either mark belong together.
            tracing::warn!(error = %crate::admin::chain(&error), "the parts of the data directory get no new epoch");
        }
        Ok(())
    }

    /// Gives every part the identity of the next epoch: what is older than it is known to be. May be called while the
    /// parts are in use.
    ///
    /// Errors: a part that cannot be written; the epoch before, or the new one, holds then.
    pub fn next_epoch(&self) -> Result<(), DataDirError> {
        let Some(before) = self.look_briefly()? else { return Ok(()) };
        if before.previous.is_some() {
            // A process ended while the parts got this one: no part may be two behind.
            self.stamp_parts(&before)?;
        }
        let root =
            Root { stamp: before.stamp.next()?, previous: Some(before.stamp.mark), key: self.fingerprint()? };
        self.stamp_parts(&root)
    }

    /// Judges what is there, and reads what the journal has beyond history, whatever else is wrong.
    fn judge_closely(&self, found: &Found) -> Vec<Problem> {
        let mut problems = judge(found);
        problems.extend(accept::lacks_devices(self, found, &problems));
        problems
    }

    fn look(&self) -> Result<Found, DataDirError> {
        Found::look(self)
    }

    /// Returns the identity alone.
    fn look_briefly(&self) -> Result<Option<Root>, DataDirError> {
        stamp::read(self.path()).map_err(self.failed("read the identity of"))
    }

    fn refuse(&self, problems: Vec<Problem>) -> Result<(), DataDirError> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(DataDirError::Parts { path: self.path().to_owned(), problems }),
        }
    }

    /// Gives the parts an identity: the one that they agree about, or a new one.
    pub(super) fn adopt(&self, found: &Found) -> Result<(), DataDirError> {
        self.secret_key()?;
        let stamp = match reference(found) {
            Some(root) => root.stamp,
            None => Stamp::draw()?,
        };
        self.stamp_parts(&Root { stamp, previous: Some(0), key: self.fingerprint()? })
    }

    /// Writes `root` into every part; until the last has it, the file at the top says what is under way.
    pub(super) fn stamp_parts(&self, root: &Root) -> Result<(), DataDirError> {
        let write = |path: &Path, root: &Root| {
            stamp::write_root(path, root).map_err(self.failed("write identity to"))
        };
        write(self.path(), root)?;
        for part in [self.journal(), self.store()] {
            ioc_files::durable::make_dir(&part).map_err(self.failed("create parts of"))?;
            stamp::write(&part, &root.stamp).map_err(self.failed("write identity to"))?;
        }
        write_identity(&self.records(), &root.stamp, root.key)?;
        write(self.path(), &Root { previous: None, ..*root })
    }

    fn fingerprint(&self) -> Result<u64, DataDirError> {
        fs::read(self.key()).map(|key| fingerprint(&key)).map_err(self.failed("read the key of"))
    }

    pub(super) fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> DataDirError {
        let path = self.path().to_owned();
        move |cause| DataDirError::Io { doing, path: path.clone(), cause }
    }
}
