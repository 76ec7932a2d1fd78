//! The expiring exclusive right to a scope: taken, renewed, asked for, lost, given back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::Ledger;
use super::rows::{ENTRY, FORMAT, RunRow, entry};
use crate::clock;
use crate::deadline::Deadline;
use crate::dynamo::{self, ItemWrite, WireItem, Written, patiently};
use crate::interrupt::Interrupt;

/// How long a lease lasts without renewal.
const LEASE: Duration = Duration::from_mins(1);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(20);
/// How far the clocks of two functions may be apart.
const SKEW: Duration = Duration::from_secs(5);
/// How often a waiter looks again.
const POLL: Duration = Duration::from_millis(500);

/// What is true of a lease as long as it is held. Of workers, who share a fence, none has it when one of them has given it
/// back.
pub(super) const HELD: &str = "#fence = :fence AND #invocation = :invocation";

/// The invocation by which workers hold a lease together.
const WORKERS: &str = "workers";

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run; equal for two deliveries of one event.
    pub run: String,
    /// The invocation; never equal.
    pub invocation: String,
}

/// What came of asking for a lease.
pub enum Acquired {
    /// It is held now; with the run's row as it was just before.
    Lease(Lease, Option<Box<RunRow>>),
    /// Another delivery of the same event has answered, or holds it and will answer.
    HeldByTwin,
    /// A later run has held it: this one came too late.
    Superseded(String),
}

/// A held lease; cheap to clone. Renewed in the background until all clones are dropped.
#[derive(Clone)]
pub struct Lease {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    holder: Holder,
    fence: u64,
    was_left: bool,
    lost: Arc<Mutex<Option<String>>>,
    renewal: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// What is looked at before a lease is taken.
struct Look {
    lease: Option<Seen>,
    run: Option<RunRow>,
    is_answered: bool,
}

pub(super) struct Seen {
    /// The run that holds it or held it last.
    pub(super) run: Option<String>,
    pub(super) holder: Option<Holder>,
    pub(super) fence: u64,
    pub(super) expires_at_ms: u64,
    version: String,
}

impl Seen {
    pub(super) fn read(row: &WireItem) -> Self {
        let text = |name: &str| row.get(name).and_then(|v| v.as_s().ok()).cloned();
        let number = |name: &str| {
            row.get(name).and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let run = text("run");
        let holder = run.clone().zip(text("invocation"));
        Self {
            run,
            holder: holder.map(|(run, invocation)| Holder { run, invocation }),
            fence: number("fence"),
            expires_at_ms: number("expires_at_ms"),
            version: text("version").unwrap_or_default(),
        }
    }

    /// Whether the workers of a run hold it together, or did. They are through when the run asks for it again.
    fn is_left_by(&self, run: &str) -> bool {
        let holder = self.holder.as_ref();
        holder.is_some_and(|holder| holder.invocation == WORKERS && holder.run == run)
    }

    pub(super) fn is_expired(&self) -> bool {
        let skew = u64::try_from(SKEW.as_millis()).unwrap_or(u64::MAX);
        self.expires_at_ms.saturating_add(skew) < clock::now_ms()
    }
}

impl Ledger {
    /// Takes the lease of the scope.
    ///
    /// A free or expired lease is taken. One that another run holds is taken too: CloudFormation sends a new
    /// request only after it gave up on the one before, whose worker then finds the fence raised and stops.
    /// One that another delivery of the same event holds is waited for until `deadline`, and none is taken for an event
    /// that is answered, on whatever record: a later run may hold it. A run that held the lease
    /// before, with the fence `held_before`, does not take it back from a later run: its event was delivered again
    /// after CloudFormation had gone on.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn acquire(
        &self,
        holder: Holder,
        held_before: Option<u64>,
        deadline: Deadline,
    ) -> Result<Acquired, dynamo::Error> {
        loop {
            let Look { lease: seen, run, is_answered } = self.look(&holder.run).await?;
            if is_answered {
                return Ok(Acquired::HeldByTwin);
            }
            let is_later = |seen: &&Seen| held_before.is_some_and(|fence| seen.fence > fence);
            let later = seen.as_ref().filter(is_later).and_then(|seen| seen.run.as_ref());
            if let Some(later) = later.filter(|run| **run != holder.run) {
                return Ok(Acquired::Superseded(format!("run {later} came after this one")));
            }
            let twin = seen.as_ref().is_some_and(|seen| {
                let twin = seen.holder.as_ref().is_some_and(|other| other.run == holder.run);
                twin && !seen.is_expired() && !seen.is_left_by(&holder.run)
            });
            if !twin && let Some(lease) = self.take(&holder, seen.as_ref()).await? {
                return Ok(Acquired::Lease(lease, run.map(Box::new)));
            }
            if !deadline.sleep(POLL).await {
                return Ok(Acquired::HeldByTwin);
            }
        }
    }

    /// Takes the lease if, or as soon as, nobody holds it; [`Acquired::HeldByTwin`] where somebody does until `deadline`.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn acquire_free(
        &self,
        holder: Holder,
        deadline: Deadline,
    ) -> Result<Acquired, dynamo::Error> {
        loop {
            let Look { lease: seen, run, .. } = self.look(&holder.run).await?;
            let is_held = seen.as_ref().is_some_and(|seen| {
                seen.holder.is_some() && !seen.is_expired() && !seen.is_left_by(&holder.run)
            });
            if !is_held && let Some(lease) = self.take(&holder, seen.as_ref()).await? {
                return Ok(Acquired::Lease(lease, run.map(Box::new)));
            }
            if !deadline.sleep(POLL).await {
                return Ok(Acquired::HeldByTwin);
            }
        }
    }

    /// The lease, the row of a run, and whether that is answered.
    async fn look(&self, run: &str) -> Result<Look, dynamo::Error> {
        let (answer, run) = (entry::answer(run), entry::run(run));
        let keys = [entry::LEASE, &answer, &run].map(|entry| self.key(entry));
        let rows = patiently(|| self.dynamo.get_items(&self.table, keys.to_vec())).await?;
        let find = |entry: &str| {
            rows.iter()
                .find(|row| row.get(ENTRY).and_then(|v| v.as_s().ok()).is_some_and(|e| e == entry))
        };
        Ok(Look {
            lease: find(entry::LEASE).map(Seen::read),
            run: find(&run).map(|row| self.parse(row.clone())).transpose()?,
            is_answered: find(&answer).is_some(),
        })
    }

    pub(super) async fn take(
        &self,
        holder: &Holder,
        seen: Option<&Seen>,
    ) -> Result<Option<Lease>, dynamo::Error> {
        // What is left to workers is no surprise to the slice that comes after them.
        let left = seen.filter(|seen| !seen.is_left_by(&holder.run));
        let left_by = left.and_then(|seen| seen.holder.as_ref());
        let was_left = left_by.is_some();
        if let Some(other) = left_by {
            tracing::warn!(superseded_run = other.run, "taking over the lease of an earlier run");
        }
        let fence = seen.map_or(0, |seen| seen.fence) + 1;
        let version = version(fence, 0);
        let mut write = ItemWrite {
            key: self.key(entry::LEASE),
            update: Some(
                "SET #run = :run, #invocation = :invocation, #fence = :fence, \
                 #expires = :expires, #version = :version, #format = :format"
                    .to_owned(),
            ),
            ..ItemWrite::default()
        };
        name_all(&mut write, &["run", "invocation", "fence", "version", "format"]);
        write.names.insert("#expires".to_owned(), "expires_at_ms".to_owned());
        write.values.extend([
            (":run".to_owned(), AttributeValue::S(holder.run.clone())),
            (":invocation".to_owned(), AttributeValue::S(holder.invocation.clone())),
            (":fence".to_owned(), number(fence)),
            (":expires".to_owned(), number(expiry())),
            (":version".to_owned(), AttributeValue::S(version)),
            (":format".to_owned(), number(FORMAT.into())),
        ]);
        write.condition = Some(match seen {
            None => "attribute_not_exists(#fence)".to_owned(),
            Some(seen) => {
                write.values.insert(":seen".to_owned(), AttributeValue::S(seen.version.clone()));
                "#version = :seen".to_owned()
            }
        });
        let written = patiently(|| self.dynamo.write_item(&self.table, write.clone())).await?;
        match written {
            Written::Done => Ok(Some(self.hold(holder.clone(), fence, was_left))),
            // A response that was lost leaves our own row behind: the write was done.
            Written::Conflict(Some(row)) if Seen::read(&row).holder.as_ref() == Some(holder) => {
                Ok(Some(self.hold(holder.clone(), Seen::read(&row).fence, was_left)))
            }
            Written::Conflict(_) => Ok(None),
        }
    }

    /// Joins the workers of a run that hold the lease together by this fence; `None` where they do not any more.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn join(&self, run: &str, fence: u64) -> Result<Option<Lease>, dynamo::Error> {
        let holder = Holder { run: run.to_owned(), invocation: WORKERS.to_owned() };
        let write = renewal(self, &holder, fence, 0);
        let written = patiently(|| self.dynamo.write_item(&self.table, write.clone())).await?;
        Ok(match written {
            Written::Done => Some(self.hold(holder, fence, false)),
            Written::Conflict(_) => None,
        })
    }

    fn hold(&self, holder: Holder, fence: u64, was_left: bool) -> Lease {
        let lost = Arc::new(Mutex::new(None));
        let renewal = renew(self.clone(), holder.clone(), fence, Arc::clone(&lost));
        let renewal = tokio::spawn(renewal.instrument(tracing::Span::current()));
        let ledger = self.clone();
        Lease { inner: Arc::new(Inner { ledger, holder, fence, was_left, lost, renewal }) }
    }
}

/// Renews the lease until it is lost.
async fn renew(ledger: Ledger, holder: Holder, fence: u64, lost: Arc<Mutex<Option<String>>>) {
    let mut renewed_at = tokio::time::Instant::now();
    for round in 1_u64.. {
        tokio::time::sleep(RENEWAL).await;
        let write = renewal(&ledger, &holder, fence, round);
        // Writes of this very run check the same row, so a single try can collide with them.
        let renewed = patiently(|| ledger.dynamo.write_item(&ledger.table, write.clone()));
        let error = match tokio::time::timeout(RENEWAL, renewed).await {
            Ok(Ok(Written::Done)) => {
                renewed_at = tokio::time::Instant::now();
                continue;
            }
            Ok(Ok(Written::Conflict(row))) => {
                return lose(&lost, &superseded(row.as_ref(), &holder.run));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer came".to_owned(),
        };
        if renewed_at.elapsed() + RENEWAL >= LEASE {
            return lose(&lost, &format!("the lease could not be renewed: {error}"));
        }
        tracing::warn!(error, "renewing the lease failed, trying again");
    }
}

/// The write that renews a lease of this holder.
fn renewal(ledger: &Ledger, holder: &Holder, fence: u64, round: u64) -> ItemWrite {
    let mut write = ItemWrite {
        key: ledger.key(entry::LEASE),
        update: Some("SET #expires = :expires, #version = :version".to_owned()),
        condition: Some(HELD.to_owned()),
        ..ItemWrite::default()
    };
    name_all(&mut write, &["invocation", "fence", "version"]);
    write.names.insert("#expires".to_owned(), "expires_at_ms".to_owned());
    write.values.extend([
        (":invocation".to_owned(), AttributeValue::S(holder.invocation.clone())),
        (":fence".to_owned(), number(fence)),
        (":expires".to_owned(), number(expiry())),
        (":version".to_owned(), AttributeValue::S(version(fence, round))),
    ]);
    write
}

fn lose(lost: &Mutex<Option<String>>, why: &str) {
    *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
}

impl Lease {
    /// The ledger it belongs to.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// The run that holds it.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.inner.holder.run
    }

    /// Fails where the lease is known to be lost. Workers call it before every batch and every control-plane call.
    ///
    /// # Errors
    /// [`Interrupt::LeaseLost`]
    pub fn check(&self) -> Result<(), Interrupt> {
        let lost = self.inner.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.clone().map_or(Ok(()), |why| Err(Interrupt::LeaseLost(why)))
    }

    /// The number that this holder writes with; it only grows.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.inner.fence
    }

    /// Whether the holder before has not given it back: it died, or was overtaken, and may have left something half done.
    #[must_use]
    pub fn was_left(&self) -> bool {
        self.inner.was_left
    }

    /// Asks the ledger whether the lease is still held. Called before what cannot be taken back.
    ///
    /// # Errors
    /// [`Interrupt::LeaseLost`], and what DynamoDB refuses.
    pub async fn confirm(&self) -> Result<(), Interrupt> {
        self.check()?;
        let row = patiently(|| self.inner.ledger.get(entry::LEASE)).await?;
        let Inner { holder, fence, .. } = &*self.inner;
        let is_held = row
            .as_ref()
            .map(Seen::read)
            .is_some_and(|seen| seen.fence == *fence && seen.holder.as_ref() == Some(holder));
        if is_held { Ok(()) } else { Err(self.lose(superseded(row.as_ref(), &holder.run))) }
    }

    /// The invocation that holds it.
    pub(super) fn invocation(&self) -> &str {
        &self.inner.holder.invocation
    }

    pub(super) fn lose(&self, why: String) -> Interrupt {
        lose(&self.inner.lost, &why);
        Interrupt::LeaseLost(why)
    }

    /// Leaves the lease to workers, who join it by its fence. Failing to leaves them nothing to do, and it expires.
    pub(crate) async fn leave_to_workers(self) {
        self.inner.renewal.abort();
        let Inner { ledger, holder, fence, .. } = &*self.inner;
        let mut write = renewal(ledger, holder, *fence, 0);
        write.update =
            Some("SET #expires = :expires, #version = :version, #invocation = :workers".to_owned());
        write.values.insert(":workers".to_owned(), AttributeValue::S(WORKERS.to_owned()));
        let written = patiently(|| ledger.dynamo.write_item(&ledger.table, write.clone())).await;
        match written {
            Ok(Written::Done) => {}
            Ok(Written::Conflict(row)) => {
                // A response that was lost leaves the lease as it was to be.
                let why = superseded(row.as_ref(), &holder.run);
                tracing::info!(why, "the lease is not left to workers, or was already");
            }
            Err(error) => tracing::warn!(%error, "the lease could not be left to workers"),
        }
    }

    /// Gives the lease back. Failing to is harmless: it expires.
    pub async fn release(self) {
        self.inner.renewal.abort();
        let mut write = ItemWrite {
            key: self.inner.ledger.key(entry::LEASE),
            update: Some("REMOVE #invocation SET #expires = :zero".to_owned()),
            condition: Some("#fence = :fence".to_owned()),
            ..ItemWrite::default()
        };
        name_all(&mut write, &["invocation", "fence"]);
        write.names.insert("#expires".to_owned(), "expires_at_ms".to_owned());
        write.values.extend([
            (":fence".to_owned(), number(self.inner.fence)),
            (":zero".to_owned(), number(0)),
        ]);
        let ledger = &self.inner.ledger;
        if let Err(error) = ledger.dynamo.write_item(&ledger.table, write).await {
            tracing::warn!(%error, "the lease could not be released; it expires by itself");
        }
    }
}

/// Why a run does not hold its lease any more, by the row as it is now.
pub(super) fn superseded(row: Option<&WireItem>, run: &str) -> String {
    match row.map(Seen::read).and_then(|seen| seen.run) {
        Some(own) if own == run => "another of its invocations ended it".to_owned(),
        Some(other) => format!("run {other} has taken over"),
        None => "the lease is gone".to_owned(),
    }
}

fn name_all(write: &mut ItemWrite, names: &[&str]) {
    for name in names {
        write.names.insert(format!("#{name}"), (*name).to_owned());
    }
}

fn expiry() -> u64 {
    clock::now_ms() + u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX)
}

fn version(fence: u64, round: u64) -> String {
    format!("{fence}.{round}")
}

pub(super) fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}
