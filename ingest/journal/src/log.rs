//! The port: what everybody outside needs of a durable, ordered record, whoever keeps it.
use crate::{AppendError, Batch, FollowError, Health, Held, JournalError, JournalMeters, Offset, WaitError};
use ioc_model::RecordKind;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// A log that is shared by all who append and follow.
pub type SharedLog = Arc<dyn Log>;

/// When a follower gets a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Once it is appended, on disk or not. Only for those who make ready and act when it is durable, or whose every result
    /// is itself appended to this log and acted upon by nobody before it is durable: records become durable in their order,
    /// so a result never is without its cause. What was so delivered may never become durable, when the log is closed
    /// without space; its offsets are then used again after the next opening. A log that is kept elsewhere does not offer
    /// this.
    Appended,
    /// Once it is durable.
    Durable,
}

/// A durable, ordered record of everything that was accepted. Synchronous; every method can be called from any thread.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Takes one record in, as [`Log::append`](trait.Log.html#method.append) does; `encode` is called at most once.
    ///
    /// Errors: [`AppendError::Full`] (again after the next progress), `TooLarge`, `Stopped`.
    fn append_with(
        &self,
        kind: RecordKind,
        encode: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<Offset, AppendError>;

    /// Reports whether what waits for the disk is at most half of what may. For callers that must know before they prepare
    /// a record whether it will be taken: after `true`, an append by each of a few threads finds room, as long as their
    /// records together are smaller than the other half.
    fn has_room(&self) -> bool;

    /// Returns the offset up to which everything is durable.
    fn durable(&self) -> Offset;

    /// Returns the oldest offset that is kept.
    fn first(&self) -> Offset;

    /// Has `listener` called with the durable offset after each commit and once when the log stops, in the order of these
    /// calls and before anyone who waits is woken. It must be cheap, must not call [`Log::close`] or `on_progress`, and must
    /// not hold the log, which would then never be dropped.
    fn on_progress(&self, listener: Box<dyn Fn(Offset) + Send + Sync>);

    /// Waits until `offset` is durable.
    ///
    /// Errors: [`WaitError::Timeout`], or [`WaitError::Stopped`] when the log was closed before.
    fn wait_durable(&self, offset: Offset, timeout: Duration) -> Result<(), WaitError>;

    /// Reports whether records can be made durable.
    fn health(&self) -> Health;

    /// Reports whether followers can have this visibility; [`Visibility::Durable`] always can be had.
    fn offers(&self, visibility: Visibility) -> bool;

    /// Returns a follower that delivers every record from `from` on; 0 is the oldest that is kept. Where records that
    /// checkpoints still needed are gone, it begins with the oldest that is kept. A visibility that is not offered is
    /// [`Visibility::Durable`].
    fn follow(&self, from: Offset, visibility: Visibility) -> Box<dyn Follow>;

    /// Keeps durably that the registered follower `name` has processed everything up to `offset` and needs it no more.
    /// What every registered follower has passed may be deleted.
    ///
    /// Errors: [`JournalError`] when it could not be kept, or the follower is not registered; the earlier checkpoint
    /// holds then.
    fn checkpoint(&self, name: &str, offset: Offset) -> Result<(), JournalError>;

    /// Returns the last offset kept by [`Log::checkpoint`] for this follower, the one before the oldest record that was
    /// kept when it was registered, or, where later ones are gone, the one before the oldest that is left; `None` when it
    /// is not registered.
    fn checkpoint_of(&self, name: &str) -> Option<Offset>;

    /// Returns what the slowest follower keeps from being deleted; `None` when that is nothing.
    fn held(&self) -> Option<Held>;

    /// Reports whether something that would be deleted stays until a follower that has processed everything up to `place`
    /// goes on.
    fn waits_for(&self, place: Offset) -> bool;

    /// Returns the files to back up, oldest first, each with the length of its committed part in bytes; none when the log
    /// is kept elsewhere. What lies behind that length may be half written.
    fn files(&self) -> Vec<(PathBuf, u64)>;

    /// Returns totals since the log was opened.
    fn meters(&self) -> JournalMeters;

    /// Takes no more records, makes the pending ones durable and ends. Followers get what is left and then
    /// [`FollowError::Closed`]. Closing again does nothing.
    ///
    /// Errors: [`JournalError`] when what was pending could not be written; nobody was told it was safe.
    fn close(&self) -> Result<(), JournalError>;
}

impl dyn Log {
    /// Takes one record in; `encode` appends its payload to the buffer and must do nothing else with it. Never waits for
    /// the disk. Returns the record's offset: it is safe when `durable()` has reached it.
    ///
    /// Errors: [`AppendError::Full`] (again after the next progress), `TooLarge`, `Stopped`.
    pub fn append(&self, kind: RecordKind, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Offset, AppendError> {
        let mut encode = Some(encode);
        self.append_with(kind, &mut |out| {
            if let Some(encode) = encode.take() {
                encode(out);
            }
        })
    }
}

/// Delivers records once and in order. Belongs to one thread; any number may follow a log at the same time.
pub trait Follow: Send {
    /// Returns the offset of the next record to be delivered.
    fn position(&self) -> Offset;

    /// Waits for the next batch; `None` when there is none within `timeout`.
    ///
    /// Errors: [`FollowError::Closed`] when the log is closed and everything was delivered, [`FollowError::Gone`] when the
    /// wanted records were deleted, or records that cannot be read.
    fn next(&mut self, timeout: Duration) -> Result<Option<Batch>, FollowError>;
}
