//! The threads that work, apart from those that answer: a migration that blocks its own cannot keep the answer back.

use tokio::runtime::{Builder, Handle, Runtime};

/// Where the work of a handler runs.
#[derive(Debug)]
pub(super) enum Threads {
    /// On a runtime of its own, which ends with its handler, without waiting for what still blocks it.
    Apart(Option<Runtime>),
    /// On the runtime of whoever calls, whose time may be paused.
    #[cfg(feature = "testing")]
    Here,
}

impl Threads {
    pub(super) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tablewright-work")
            .enable_all()
            .build();
        Self::Apart(Some(runtime.expect("the process can start two threads")))
    }

    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::Apart(runtime) => {
                runtime.as_ref().expect("it is there until it is dropped").handle().clone()
            }
            #[cfg(feature = "testing")]
            Self::Here => Handle::current(),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        match self {
            Self::Apart(runtime) => {
                if let Some(runtime) = runtime.take() {
                    runtime.shutdown_background();
                }
            }
            #[cfg(feature = "testing")]
            Self::Here => {}
        }
    }
}
