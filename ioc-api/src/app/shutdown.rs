//! Ends the center: devices first, then those who read, then those who write.
use super::{
    StartError,
    build::{Center, Threads},
};
use crate::{
    admin::Answering,
    data_dir::DataDir,
    followers::{Running as Follower, Stop},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// How long devices may take to get their last PUBACKs after a stop.
const BROKER_GRACE: Duration = Duration::from_secs(2);

/// What runs beside the threads once the start is complete.
pub(super) struct Started {
    /// Becomes true at the stop.
    pub(super) stopping: watch::Sender<bool>,
    /// Waits for readiness, and reads the certificate again.
    pub(super) starting: Vec<JoinHandle<()>>,
    /// The simulated devices of the demo.
    pub(super) devices: Option<JoinHandle<()>>,
    /// The web server.
    pub(super) serving: JoinHandle<()>,
    /// Tells sessions of transitions.
    pub(super) telling: JoinHandle<()>,
    /// The admin socket.
    pub(super) admin: JoinHandle<()>,
    /// Commands that are being answered.
    pub(super) answering: Answering,
}

impl Started {
    /// Ends everything, and returns once it has ended.
    ///
    /// Errors: [`StartError::Stop`], the journal could not write what was pending.
    pub(super) async fn stop(
        self,
        center: Center,
        threads: Threads,
        stop: &Stop,
        data: Arc<DataDir>,
    ) -> Result<(), StartError> {
        tracing::info!("stopping");
        self.stopping.send_replace(true);
        self.starting.iter().for_each(JoinHandle::abort);
        if let Some(devices) = self.devices {
            let _ = devices.await;
        }
        data.mark_stopping();
        // Here, not on a thread of its own: when none can be made, a stop must still be clean. Nothing else runs on this one.
        center.close(threads, stop)?;
        let _ = self.serving.await;
        self.telling.abort();
        self.admin.abort();
        let _ = self.admin.await;
        self.answering.end().await;
        drop(data);
        tracing::info!("stopped");
        Ok(())
    }
}

impl Center {
    /// Ends devices first: what they were promised is on disk; then those who read, then those who write.
    fn close(self, threads: Threads, stop: &Stop) -> Result<(), StartError> {
        self.broker.shutdown(BROKER_GRACE);
        self.ingress.flush_presence();
        self.memory.alerts.begin_shutdown();
        stop.stop();
        // Nobody waits for room in history any more; what it does not take is replayed.
        self.store.shutdown();
        threads.followers.into_iter().for_each(Follower::join);
        self.memory.engine.stop();
        self.memory.alerts.close();
        threads.others.into_iter().for_each(|thread| drop(thread.join()));
        self.journal.close().map_err(StartError::Stop)
    }
}
