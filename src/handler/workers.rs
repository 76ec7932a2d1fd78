//! The threads that work, apart from those that answer: a migration that blocks its own cannot keep the answer back.

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that ends with its handler, without waiting for what still blocks it.
#[derive(Debug)]
pub(super) struct Workers(Option<Runtime>);

impl Workers {
    pub(super) fn start() -> Self {
        let workers = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("tablewright-work")
            .enable_all()
            .build();
        Self(Some(workers.expect("the process can start two threads")))
    }

    pub(super) fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
