//! The one way in: whoever feeds the engine owns the order of its inputs, so that no lock keeps it.
use super::{Directory, Stopped, api::Input, dispatch::Dispatcher};
use ioc_model::{DeviceIndex, Observation};
use std::sync::Arc;

/// Feeds one engine, from one thread at a time. Dropped, it ends the engine's queues: the threads evaluate what was offered and
/// end.
pub struct Feeder {
    dispatcher: Dispatcher,
    directory: Arc<dyn Directory>,
}

impl Feeder {
    pub(crate) fn new(dispatcher: Dispatcher, directory: Arc<dyn Directory>) -> Self {
        Self { dispatcher, directory }
    }

    /// Offers one input; waits while the queue of its shard is full.
    ///
    /// Errors: [`Stopped`]. For more than one input, [`Feeder::feed`] is cheaper.
    pub fn offer(&mut self, input: &Input) -> Result<(), Stopped> {
        let mut feed = self.feed();
        feed.offer(input);
        feed.flush()
    }

    /// Begins a batch of inputs; they are on their way when it is flushed or dropped. Rule sets that were handed over since
    /// the last time are in force for it.
    pub fn feed(&mut self) -> Feed<'_> {
        self.dispatcher.take_reloads();
        Feed { dispatcher: &mut self.dispatcher }
    }

    /// Puts rule sets in force that were handed over, although there is no input.
    ///
    /// Errors: [`Stopped`].
    pub fn take_reloads(&mut self) -> Result<(), Stopped> {
        self.feed().flush()
    }

    /// Looks the devices up again, between two inputs: new ones are taken in, labels are matched again, alerts of devices that
    /// are gone are cleared. A label change re-keys no open alert.
    ///
    /// Errors: [`Stopped`].
    pub fn devices_changed(&mut self) -> Result<(), Stopped> {
        let devices = Arc::new(self.directory.devices());
        self.dispatcher.take_reloads();
        self.dispatcher.devices_changed(&devices)
    }

    /// Notes that up to `now_ms`, in milliseconds since the epoch, devices could not be heard for a reason of ours, such as a
    /// full disk: from here on, between two inputs, silence counts only after two reporting periods, as after a start. Alerts
    /// that are firing stay as they are. Cheap; to be called again and again while the outage lasts, as time goes on meanwhile.
    /// Jumps of the wall clock are found out without it.
    pub fn outage_ended(&mut self, now_ms: i64) {
        self.dispatcher.outage_ended(now_ms);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.dispatcher.take_reloads();
        self.dispatcher.close();
    }
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feeder")
    }
}

/// A batch of inputs on its way in; sent when it is flushed or dropped.
pub struct Feed<'e> {
    dispatcher: &'e mut Dispatcher,
}

impl Feed<'_> {
    /// Adds an input.
    pub fn offer(&mut self, input: &Input) {
        match input {
            Input::Message { offset, committed_ms, device, arrival_ms, set_back_ms, observations } => {
                let (of, observations) = ((*device, *set_back_ms), observations.iter().copied());
                self.dispatcher.message((*offset, *committed_ms), of, *arrival_ms, observations);
            }
            Input::Presence { offset, committed_ms, presence } => {
                self.dispatcher.presence(*offset, *committed_ms, *presence);
            }
            Input::Other { offset } => self.other(*offset),
            Input::Tick { now_ms, monotonic_ms } => self.dispatcher.tick(*now_ms, *monotonic_ms),
        }
    }

    /// Adds a message without making an [`Input`] of it first: nothing is allocated per message. See [`Input::Message`].
    pub fn message(
        &mut self,
        offset: u64,
        committed_ms: i64,
        device: DeviceIndex,
        arrival_ms: i64,
        set_back_ms: Option<i64>,
        observations: impl Iterator<Item = Observation>,
    ) {
        let of = (device, set_back_ms);
        self.dispatcher.message((offset, committed_ms), of, arrival_ms, observations);
    }

    /// Adds a record that rules do not read.
    pub fn other(&mut self, offset: u64) {
        self.dispatcher.other(offset);
    }

    /// Sends what was added; waits while a shard's queue is full.
    ///
    /// Errors: [`Stopped`].
    pub fn flush(&mut self) -> Result<(), Stopped> {
        self.dispatcher.flush()
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        if self.dispatcher.flush().is_err() {
            tracing::debug!("inputs were fed to a rule engine that has stopped");
        }
    }
}

impl std::fmt::Debug for Feed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Feed")
    }
}
