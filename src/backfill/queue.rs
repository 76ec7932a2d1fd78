//! Changes on their way from readers to writers: at most so many bytes of them, and handed out as full batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use super::checkpoint::PageId;
use super::targets::Target;
use crate::dynamo::{BATCH_MAX, Edit, Kind, WireItem};

/// Bytes of changes that wait or are being written.
const BYTES_MAX: usize = 16 << 20;
/// One permit stands for this many bytes.
const PERMIT: usize = 1 << 10;
/// Longest that a change waits for others to fill its batch up.
const LINGER: Duration = Duration::from_millis(100);
/// Most changes that one writer holds back because they were throttled.
const HELD_MAX: usize = 4 * BATCH_MAX;
/// Bundles that wait.
const BUNDLES_MAX: usize = 8;

/// A change to be written.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) page: PageId,
    pub(super) target: Arc<Target>,
    pub(super) edit: Edit,
    /// Key of the item that it comes from.
    pub(super) source: WireItem,
    /// How often others changed the item meanwhile.
    pub(super) contended: u32,
    /// How often it was sent in vain.
    pub(super) tries: u32,
    /// Not before this moment.
    pub(super) due: Instant,
    /// The bytes that its bundle takes up.
    pub(super) room: Arc<OwnedSemaphorePermit>,
}

impl Queued {
    pub(super) fn new(
        page: PageId,
        target: Arc<Target>,
        source: WireItem,
        edit: Edit,
        room: Arc<OwnedSemaphorePermit>,
    ) -> Self {
        let due = Instant::now();
        Self { page, target, edit, source, contended: 0, tries: 0, due, room }
    }

    /// Whether it puts an item beside the one that it comes from.
    pub(super) fn is_put(&self) -> bool {
        self.edit.kind == Kind::Make
    }
}

/// The readers' end. They pass changes on in bundles: one by one, tasks would do little else than wake each other.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::Sender<Vec<Queued>>,
    bytes: Arc<Semaphore>,
}

/// The writers' end. One of them fills its batch at a time, so that batches are full.
#[derive(Debug, Clone)]
pub(super) struct Receiver(Arc<Mutex<Incoming>>);

#[derive(Debug)]
struct Incoming {
    queue: mpsc::Receiver<Vec<Queued>>,
    /// What is left of the last bundle.
    rest: VecDeque<Queued>,
}

pub(super) fn channel() -> (Sender, Receiver) {
    let (sender, queue) = mpsc::channel(BUNDLES_MAX);
    let bytes = Arc::new(Semaphore::new(BYTES_MAX / PERMIT));
    let incoming = Incoming { queue, rest: VecDeque::new() };
    (Sender { queue: sender, bytes }, Receiver(Arc::new(Mutex::new(incoming))))
}

impl Sender {
    /// Waits until there is room for so many bytes. `None` where nobody writes any more.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = bytes.div_ceil(PERMIT).clamp(1, BYTES_MAX / PERMIT);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        Arc::clone(&self.bytes).acquire_many_owned(permits).await.ok()
    }

    /// Passes changes on; `false` where nobody writes any more.
    pub(super) async fn send(&self, bundle: Vec<Queued>) -> bool {
        self.queue.send(bundle).await.is_ok()
    }
}

impl Receiver {
    /// The next batch: what a writer held back and is due, filled up with what waits. Empty where nothing will come any
    /// more and nothing is held back.
    pub(super) async fn batch(&self, held: &mut Vec<Queued>, most: usize) -> Vec<Queued> {
        loop {
            let mut batch = take_due(held, most);
            let may_take_more = held.len() < HELD_MAX && batch.len() < most;
            if may_take_more {
                let is_idle = batch.is_empty() && held.is_empty();
                self.fill(&mut batch, most, is_idle).await;
            }
            let Some(next) = held.iter().map(|queued| queued.due).min() else { return batch };
            if !batch.is_empty() {
                return batch;
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Fills a batch up. A writer that has nothing else to do waits for the first, and a little for the others.
    async fn fill(&self, batch: &mut Vec<Queued>, most: usize, is_idle: bool) {
        if !is_idle {
            // Whoever waits there takes what comes.
            let Ok(mut incoming) = self.0.try_lock() else { return };
            while !incoming.fills(batch, most)
                && let Ok(bundle) = incoming.queue.try_recv()
            {
                incoming.rest.extend(bundle);
            }
            return;
        }
        let mut incoming = self.0.lock().await;
        let mut end = None;
        while !incoming.fills(batch, most) {
            let bundle = if batch.is_empty() {
                incoming.queue.recv().await
            } else {
                let end = *end.get_or_insert_with(|| Instant::now() + LINGER);
                timeout_at(end, incoming.queue.recv()).await.ok().flatten()
            };
            let Some(bundle) = bundle else { return };
            incoming.rest.extend(bundle);
        }
    }
}

impl Incoming {
    /// Moves what has come into a batch; whether that is full then.
    fn fills(&mut self, batch: &mut Vec<Queued>, most: usize) -> bool {
        let room = most.saturating_sub(batch.len()).min(self.rest.len());
        batch.extend(self.rest.drain(..room));
        batch.len() >= most
    }
}

fn take_due(held: &mut Vec<Queued>, most: usize) -> Vec<Queued> {
    let now = Instant::now();
    let mut batch = Vec::new();
    while batch.len() < most
        && let Some(position) = held.iter().position(|queued| queued.due <= now)
    {
        batch.push(held.remove(position));
    }
    batch
}
