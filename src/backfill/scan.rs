//! The readers: each takes a segment that nobody has, reads it page by page, and passes on what its items become.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::checkpoint::PageId;
use super::progress::add;
use super::queue::{Queued, Sender};
use super::stop::Stopped;
use super::targets::Target;
use super::transform::Verdict;
use super::{Pass, division, retry};
use crate::dynamo::{BATCH_MAX, Edit, Page, WireItem, key_of, size};
use crate::item::{Item, Put};

/// Bytes of changes that are passed on together, unless one has more.
const BUNDLE_BYTES: usize = 1 << 20;
/// Strongly consistent read units of a full page, a megabyte.
const PAGE_UNITS: f64 = 256.0;

/// The segments that nobody has taken.
#[derive(Debug)]
pub(super) struct Segments(pub(super) Mutex<VecDeque<u32>>);

impl Segments {
    fn take(&self) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Reads one segment after another, until there is none left or the run stops.
pub(super) async fn read(pass: Arc<Pass>, segments: Arc<Segments>, queue: Sender) {
    while !pass.stop.is_raised()
        && let Some(segment) = segments.take()
    {
        pass.active.fetch_add(1, Ordering::Relaxed);
        let outcome = read_segment(&pass, segment, &queue).await;
        pass.active.fetch_sub(1, Ordering::Relaxed);
        if outcome.is_err() {
            return;
        }
    }
}

/// Reads the next page while the items of one are transformed and written.
async fn read_segment(pass: &Pass, segment: u32, queue: &Sender) -> Result<(), Stopped> {
    let open_pages = Arc::new(Semaphore::new(division::OPEN_PAGES));
    let start = pass.positions.start_of(segment);
    let mut next = Some(fetch(pass, segment, start, &open_pages).await?);
    while let Some((page, permit)) = next.take() {
        let id = pass.positions.open(segment, page.next.clone(), page.items.len(), permit);
        let following = async {
            match page.next {
                Some(start) => fetch(pass, segment, Some(start), &open_pages).await.map(Some),
                None => Ok(None),
            }
        };
        let (handled, following) =
            tokio::join!(transform_page(pass, id, page.items, queue), following);
        handled?;
        next = following?;
    }
    Ok(())
}

async fn fetch(
    pass: &Pass,
    segment: u32,
    start: Option<WireItem>,
    open_pages: &Arc<Semaphore>,
) -> Result<(Page, OwnedSemaphorePermit), Stopped> {
    let permit = pass.stop.unless_raised(Arc::clone(open_pages).acquire_owned()).await?;
    let permit = permit.map_err(|_| Stopped)?;
    let (job, table) = (&pass.job, &pass.source.name);
    for tries in 0_u32.. {
        pass.may_read().await?;
        pass.stop.unless_raised(pass.paces.read.take(PAGE_UNITS)).await?;
        let request = job.dynamo.scan_page(
            table,
            (segment, pass.positions.count()),
            start.clone(),
            division::page_items(pass.readers),
        );
        match pass.stop.unless_raised(request).await? {
            Ok(page) => {
                pass.paces.read.settle(PAGE_UNITS, page.units.or_else(|| units_of(&page.items)));
                pass.tally.add_read_units(page.units);
                add(&pass.tally.read, page.items.len() as u64);
                return Ok((page, permit));
            }
            Err(error) if retry::is_worthwhile(&error) => {
                pass.paces.read.settle(PAGE_UNITS, Some(0.0));
                if error.class == crate::dynamo::Class::Throttled {
                    add(&pass.tally.throttled, 1);
                    pass.paces.read.throttled();
                }
                retry::tell(tries, &error, "reading a page again");
                pass.stop.unless_raised(tokio::time::sleep(retry::pause(tries))).await?;
            }
            Err(error) => return Err(pass.stop.raise(error.into())),
        }
    }
    Err(Stopped)
}

/// What a page takes where the engine does not say: a unit for each four kilobytes.
fn units_of(items: &[WireItem]) -> Option<f64> {
    let bytes: usize = items.iter().map(size).sum();
    u32::try_from(bytes.div_ceil(4096)).ok().map(f64::from)
}

async fn transform_page(
    pass: &Pass,
    page: PageId,
    items: Vec<WireItem>,
    queue: &Sender,
) -> Result<(), Stopped> {
    /// Transforms of a big page must not keep other tasks of the thread waiting.
    const YIELD_EVERY: Duration = Duration::from_millis(5);
    let mut yielded = Instant::now();
    let mut bundle = Bundle { pass, page, queue, changes: Vec::new(), bytes: 0 };
    for item in items {
        if pass.stop.is_raised() {
            return Err(Stopped);
        }
        let item = Item::from(item);
        match pass.rule().apply(&item) {
            Verdict::Keep => {}
            Verdict::Skip(reason) => {
                tracing::debug!(reason, "skipped");
                add(&pass.tally.skipped, 1);
            }
            Verdict::Edit(edit) => {
                let target = Arc::clone(&pass.source);
                bundle.add(target, edit.key.clone(), edit).await?;
            }
            Verdict::Put(puts) => {
                for (target, edit) in puts_of(pass, item.wire(), puts).await? {
                    let source = key_of(&pass.source.keys, item.wire());
                    bundle.add(target, source, edit).await?;
                }
            }
            Verdict::Fails(error) => pass.fail(item.wire(), &error).await?,
            Verdict::Refuses(error) => return Err(pass.refuse(item.wire(), &error)),
        }
        if yielded.elapsed() > YIELD_EVERY {
            tokio::task::yield_now().await;
            yielded = Instant::now();
        }
    }
    bundle.send().await?;
    pass.positions.done(page, false);
    Ok(())
}

/// The changes that put items; one without its key fails the item that it comes from.
pub(super) async fn puts_of(
    pass: &Pass,
    item: &WireItem,
    puts: Vec<Put>,
) -> Result<Vec<(Arc<Target>, Edit)>, Stopped> {
    let mut edits = Vec::new();
    for Put { table, item: wanted } in puts {
        let target = pass.targets.get(&table).await.map_err(|error| pass.stop.raise(error))?;
        let edit = Edit::make(&target.keys, wanted.wire());
        if edit.key.len() < target.keys.len() {
            let keys = target.keys.join(" and ");
            pass.fail(item, &format!("what it puts into {table} lacks its key, {keys}")).await?;
        } else {
            edits.push((target, edit));
        }
    }
    Ok(edits)
}

/// Changes of a page that are passed on together.
struct Bundle<'a> {
    pass: &'a Pass,
    page: PageId,
    queue: &'a Sender,
    /// Each with its table and the key of the item that it comes from.
    changes: Vec<(Arc<Target>, WireItem, Edit)>,
    bytes: usize,
}

impl Bundle<'_> {
    async fn add(
        &mut self,
        target: Arc<Target>,
        source: WireItem,
        edit: Edit,
    ) -> Result<(), Stopped> {
        self.bytes += edit.size();
        self.changes.push((target, source, edit));
        if self.changes.len() < BATCH_MAX && self.bytes < BUNDLE_BYTES {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Stopped> {
        let (changes, bytes) = (std::mem::take(&mut self.changes), std::mem::take(&mut self.bytes));
        if changes.is_empty() {
            return Ok(());
        }
        let Self { pass, page, queue, .. } = *self;
        let room = Arc::new(pass.stop.unless_raised(queue.room(bytes)).await?.ok_or(Stopped)?);
        pass.positions.expect(page, changes.len());
        let queued = changes.into_iter().map(|(target, source, edit)| {
            Queued::new(page, target, source, edit, Arc::clone(&room))
        });
        let sent = pass.stop.unless_raised(queue.send(queued.collect())).await?;
        if sent { Ok(()) } else { Err(Stopped) }
    }
}
