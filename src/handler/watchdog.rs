//! Answers what nobody else has answered in time, from a thread, a runtime and connections of its own: whatever blocks the
//! others does not block it.

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::reply::{Claim, Reply};
use super::{Invocation, Verdict};
use crate::answer::Sender;
use crate::deadline::Deadline;
use crate::execute::Trail;
use crate::ledger::Ledger;
use crate::request::Envelope;

/// The thread that watches; it ends with its handler.
#[derive(Debug)]
pub(super) struct Watchdog {
    requests: mpsc::UnboundedSender<(Watched, Disarmed)>,
}

/// A request that has to be answered, and what that takes.
pub(super) struct Watched {
    pub(super) envelope: Arc<Envelope>,
    pub(super) run: String,
    pub(super) ledger: Ledger,
    pub(super) sender: Sender,
    pub(super) trail: Trail,
    pub(super) invocation: Invocation,
    /// What this delivery answers, whoever of it says so first.
    pub(super) claim: Claim,
    /// When it is answered by the handler itself at the latest.
    pub(super) hard: Deadline,
}

/// A request is watched as long as this lives.
#[derive(Debug)]
pub(super) struct Armed(
    #[expect(dead_code, reason = "it tells by being dropped")] oneshot::Sender<()>,
);

/// Completes when its other end is dropped.
type Disarmed = oneshot::Receiver<()>;

impl Watchdog {
    pub(super) fn start() -> Self {
        let (requests, armed) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("tablewright-watchdog".to_owned());
        let watching = thread.spawn(move || watch(armed));
        drop(watching.expect("the process can start a thread"));
        Self { requests }
    }

    /// Watches a request until what this returns is dropped.
    pub(super) fn arm(&self, request: Watched) -> Armed {
        let (armed, disarmed) = oneshot::channel();
        if self.requests.send((request, disarmed)).is_err() {
            tracing::error!(
                "the watchdog is gone: a request that blocks everything is not answered"
            );
        }
        Armed(armed)
    }
}

/// Watches what comes, side by side; a request that has a watcher panic leaves the others theirs.
fn watch(mut armed: mpsc::UnboundedReceiver<(Watched, Disarmed)>) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the process can open an event queue").block_on(async {
        while let Some((request, disarmed)) = armed.recv().await {
            let span =
                tracing::info_span!("run", run = request.run, scope = request.envelope.scope());
            tokio::spawn(request.watch(disarmed).instrument(span));
        }
    });
}

impl Watched {
    async fn watch(self, disarmed: Disarmed) {
        tokio::select! {
            _ = disarmed => {}
            () = self.too_late().reached() => self.answer().await,
        }
    }

    /// Halfway between the moment at which the handler answers at the latest and the end.
    fn too_late(&self) -> Deadline {
        let end = self.invocation.deadline;
        end.earlier_by(end.remaining().saturating_sub(self.hard.remaining()) / 2)
    }

    /// Answers with clients of its own: the connections of all others belong to runtimes that may be blocked.
    async fn answer(&self) {
        tracing::error!("nobody has answered in time, so the watchdog does");
        let sender = match self.sender.apart() {
            Ok(sender) => sender,
            Err(error) => {
                return tracing::error!(%error, "not answered: no HTTPS client can be made");
            }
        };
        let reply = Reply {
            sender: &sender,
            envelope: &self.envelope,
            run: &self.run,
            ledger: &self.ledger.apart(),
            deadline: self.invocation.deadline,
            claim: &self.claim,
        };
        let verdict = Verdict::failed(format!(
            "the function did not answer in time: something blocks it, and it may still be at work. \
             Done so far: {}. Deploying again goes on from there",
            self.trail
        ));
        let Some(answer) = verdict.answer(&self.run, &self.invocation.log_stream) else { return };
        // It is logged where it fails, and whoever delivers the event again sends it again.
        drop(reply.answer(answer.body(&self.envelope)).await);
    }
}
