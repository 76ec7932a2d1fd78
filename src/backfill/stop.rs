//! Why a backfill stops, said once and heard by all its tasks.

use tokio::sync::watch;

use crate::interrupt::Interrupt;

/// The reason to stop; the weightiest counts.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<Option<Interrupt>>);

/// The run has stopped; [`Stop`] knows why.
#[derive(Debug)]
pub(super) struct Stopped;

impl Stop {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(super) fn raise(&self, interrupt: Interrupt) -> Stopped {
        self.0.send_if_modified(|reason| {
            let weighs_more =
                reason.as_ref().is_none_or(|reason| interrupt.weight() > reason.weight());
            if weighs_more {
                *reason = Some(interrupt);
            }
            weighs_more
        });
        Stopped
    }

    /// Nothing more is read.
    pub(super) fn is_raised(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Nothing more is written either. Where only time has run out, what is read already is still written.
    pub(super) fn drops_writes(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|reason| !matches!(reason, Interrupt::OutOfTime(_)))
    }

    pub(super) fn reason(&self) -> Option<Interrupt> {
        self.0.borrow().clone()
    }

    /// Does something that may wait, unless or until the run stops.
    pub(super) async fn unless_raised<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let mut reason = self.0.subscribe();
        tokio::select! {
            biased;
            _ = reason.wait_for(Option::is_some) => Err(Stopped),
            done = work => Ok(done),
        }
    }
}
