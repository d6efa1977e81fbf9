//! What the engine's threads meet at. In tests with `--cfg loom` these are the model checker's, which runs a test in every
//! order of its threads that the memory model allows.
#[cfg(all(test, loom))]
mod queue;

#[cfg(not(all(test, loom)))]
pub(crate) use {
    crossbeam_channel::{Receiver, Sender, bounded},
    std::{
        sync::atomic,
        thread::{Builder, JoinHandle, Thread, park},
    },
};

#[cfg(all(test, loom))]
pub(crate) use {
    loom::{
        sync::atomic,
        thread::{JoinHandle, Thread, park},
    },
    queue::{Receiver, Sender, bounded},
};

/// Starts threads as the standard library's does; the checker's own gives them 32 KiB of stack, which evaluation exceeds.
#[cfg(all(test, loom))]
pub(crate) struct Builder(loom::thread::Builder);

#[cfg(all(test, loom))]
impl Builder {
    /// Bytes of stack.
    const STACK: usize = 1 << 20;

    pub(crate) fn new() -> Self {
        Self(loom::thread::Builder::new().stack_size(Self::STACK / size_of::<usize>()))
    }

    pub(crate) fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    pub(crate) fn spawn<T: Send + 'static>(
        self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> std::io::Result<JoinHandle<T>> {
        self.0.spawn(body)
    }
}
