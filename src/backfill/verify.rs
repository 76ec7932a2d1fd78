//! Looks at items after a run, all of them or some from all parts of the table, and stops at the first that is not right.

use futures::{StreamExt, TryStreamExt, stream};

use super::targets::Target;
use super::{Job, transform};
use crate::dynamo::patiently_alone;
use crate::interrupt::Interrupt;
use crate::item::Item;
use crate::migration::{Predicate, Sample, ask};

/// Parts of the table that are looked at, and how many at the same time.
const PARTS: u32 = 16;
const TOGETHER: usize = 4;
/// Items of a page.
const PAGE: usize = 4096;

pub(super) async fn verify(job: &Job, source: &Target) -> Result<(), Interrupt> {
    let Some((sample, predicate)) = &job.backfill.verify else { return Ok(()) };
    let (parts, each) = match sample {
        Sample::All => (PARTS, usize::MAX),
        Sample::Items(items) => {
            let parts = PARTS.min((*items).max(1));
            (parts, usize::try_from(items.div_ceil(parts)).unwrap_or(usize::MAX))
        }
    };
    let part = |part| look_at(job, source, predicate, (part, parts), each);
    let looked = stream::iter((0..parts).map(part)).buffer_unordered(TOGETHER);
    let looked: usize = looked.try_fold(0, |sum, more| async move { Ok(sum + more) }).await?;
    tracing::info!(table = source.name, items = looked, "verified");
    Ok(())
}

/// Looks at the first items of a part.
async fn look_at(
    job: &Job,
    source: &Target,
    predicate: &Predicate,
    part: (u32, u32),
    most: usize,
) -> Result<usize, Interrupt> {
    let (mut looked, mut start) = (0, None);
    loop {
        job.lease.check()?;
        if job.deadline.passed() {
            return Err(Interrupt::OutOfTime("done, and is not verified yet".to_owned()));
        }
        let limit = PAGE.min(most - looked);
        let page = || job.dynamo.scan_page(&source.name, part, start.clone(), limit);
        let page = patiently_alone(page).await?;
        for item in &page.items {
            ask(|| predicate(&Item::from(item.clone()))).map_err(|why| {
                let key = transform::describe(&source.keys, item);
                Interrupt::Failed(format!("verified, and item {key} is not right: {why}"))
            })?;
        }
        looked += page.items.len();
        start = page.next;
        if start.is_none() || looked >= most {
            return Ok(looked);
        }
    }
}
