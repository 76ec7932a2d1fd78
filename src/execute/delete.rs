//! The end of tables: each that we made goes or stays by its removal policy; everything else stays.

use std::fmt;
use std::time::Duration;

use super::gone;
use super::wait::Wait;
use crate::clock;
use crate::deadline::Deadline;
use crate::desired::RemovalPolicy;
use crate::dynamo::{self, Class, Dynamo, Status, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{Origin, TableRow, entry};
use crate::ledger::{Lease, RowWrite, Snapshot};
use crate::observe::{self, OWNER_TAG};
use crate::plan::{Takes, has_only_own_replicas};
use crate::schema::{Capacity, Dimension, Table};
use crate::services::Services;

const BACKUP_POLL: Duration = Duration::from_secs(2);
/// How long a table may take to go; an index or a key that is still being changed holds it up.
const GONE: Duration = Duration::from_mins(15);

/// What became of a table that was to go.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It was deleted, and backed up before where its policy asks for that.
    Deleted { backup: Option<String> },
    /// It was not there any more.
    Gone,
    /// It stays, for a reason that trying again does not change.
    Stays(&'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted { backup: Some(arn) } => write!(f, "deleted after the backup {arn}"),
            Self::Deleted { backup: None } => f.write_str("deleted"),
            Self::Gone => f.write_str("was gone already"),
            Self::Stays(why) => write!(f, "stays: {why}"),
        }
    }
}

/// Ends the resource: deletes of its tables what may be deleted; returns what became of each.
pub(crate) async fn delete_resource(
    services: &Services,
    lease: &Lease,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let snapshot = lease.ledger().snapshot().await?;
    let mut outcomes = Vec::new();
    for row in snapshot.tables.values().filter(|row| row.deleted_at.is_none()) {
        lease.check()?;
        let end = if row.declared || row.is_doomed() {
            end(services, lease, row, deadline).await?
        } else {
            End::Stays("it had left the declaration before")
        };
        tracing::info!(table = row.name, "{end}");
        outcomes.push(format!("table {} {end}", row.name));
    }
    Ok(outcomes)
}

/// Deletes doomed tables, those first that were doomed first, and of them `most`; returns what became of each. What
/// keeps a table for good takes its doom away; what fails is recorded, and stands in the way of no other.
///
/// # Errors
/// Loss of the lease, and a ledger that cannot be written.
pub(super) async fn delete_doomed(
    services: &Services,
    lease: &Lease,
    snapshot: &Snapshot,
    most: u64,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let mut doomed: Vec<_> = snapshot.tables.values().filter(|row| row.is_doomed()).collect();
    doomed.sort_by_key(|row| (row.doomed, &row.name));
    let (mut outcomes, mut deleted) = (Vec::new(), 0);
    for row in doomed {
        lease.check()?;
        let name = &row.name;
        if deleted == most {
            outcomes.push(format!("table {name} waits: MaxTableDeletes allows {most} at a time"));
            continue;
        }
        let outcome = match end(services, lease, row, deadline).await {
            Ok(end) => {
                match &end {
                    End::Deleted { .. } => deleted += 1,
                    End::Gone => {}
                    End::Stays(why) => note(lease, name, None, why).await?,
                }
                format!("table {name} {end}")
            }
            Err(Interrupt::LeaseLost(why)) => return Err(Interrupt::LeaseLost(why)),
            Err(interrupt) => {
                note(lease, name, row.doomed, &interrupt.to_string()).await?;
                format!("table {name} is still there, the next deploy tries again: {interrupt}")
            }
        };
        tracing::info!("{outcome}");
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What the row of a doomed table gets when it is not deleted; the rest of it stays.
#[derive(serde::Serialize)]
struct Note<'a> {
    doomed: Option<u64>,
    failure: &'a str,
}

async fn note(
    lease: &Lease,
    name: &str,
    doomed: Option<u64>,
    failure: &str,
) -> Result<(), Interrupt> {
    lease.write(vec![RowWrite::set(entry::table(name), &Note { doomed, failure })?]).await
}

/// Deletes a table, unless something speaks against it.
///
/// It goes only where its policy says so and three signs agree that it is ours: its ledger row, its identity and its
/// owner tag.
async fn end(
    services: &Services,
    lease: &Lease,
    row: &TableRow,
    deadline: Deadline,
) -> Result<End, Interrupt> {
    let (dynamo, name) = (&services.dynamo, &row.name);
    let scope = lease.ledger().scope();
    if row.removal == RemovalPolicy::Retain {
        return Ok(End::Stays("its removal policy is retain"));
    }
    let Some(found) = patiently(|| dynamo.describe_table(name)).await? else {
        lease.write(vec![gone(row)?]).await?;
        return Ok(End::Gone);
    };
    if row.origin != Origin::Created || row.table_id != found.id {
        return Ok(End::Stays("it was not made by this resource"));
    }
    let mut row = row.clone();
    let mut backup = None;
    // One that is going already, by an earlier try or by somebody else's hand, can only be waited for.
    if found.status != Status::Deleting {
        let tags = observe::tags(dynamo, name, &found.arn).await?;
        // Where an engine keeps no tags, the row and the identity have to do.
        if tags.is_some_and(|tags| tags.get(OWNER_TAG).map(String::as_str) != Some(scope)) {
            return Ok(End::Stays("it was not made by this resource"));
        }
        if found.table.settings.deletion_protection == Some(true) {
            return Ok(End::Stays("it is protected against deletion"));
        }
        if !has_only_own_replicas(&row, &found.table) {
            return Ok(End::Stays("it has replicas that were not declared here"));
        }
        if row.removal == RemovalPolicy::Snapshot {
            backup = back_up(dynamo, lease, &mut row, deadline).await?;
            if backup.is_none() {
                return Ok(End::Stays("this engine has no backups to snapshot it"));
            }
        }
        lease.confirm().await?;
    }
    delete_and_wait(services, name, found.id.as_deref(), deadline).await?;
    lease.write(vec![gone(&row)?]).await?;
    Ok(End::Deleted { backup })
}

/// Backs a table up and waits until the backup can be restored from; `None` where the engine has no backups.
///
/// Its ARN is on record before it is waited for. A later try makes another one: this one may lack what was written
/// since.
async fn back_up(
    dynamo: &Dynamo,
    lease: &Lease,
    row: &mut TableRow,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let name = row.name.clone();
    let backup = format!("tablewright-{name}-{}", clock::now_ms());
    let arn = match patiently(|| dynamo.create_backup(&name, &backup)).await {
        Ok(arn) => arn,
        Err(error) if error.class == Class::Unsupported => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    row.backups.push(arn.clone());
    lease.write(vec![RowWrite::set(entry::table(&name), row)?]).await?;
    while !patiently(|| dynamo.backup_available(&name, &arn)).await? {
        if !deadline.sleep(BACKUP_POLL).await {
            return Err(Interrupt::OutOfTime(format!("the backup of table {name} is not ready")));
        }
    }
    tracing::info!(table = name, backup = arn, "backed up");
    Ok(Some(arn))
}

/// Deletes the table with this identity and waits until it is gone. What would outlive it goes before: its replicas,
/// and what scales it. A table that somebody makes under the same name meanwhile has another identity.
pub(crate) async fn delete_and_wait(
    services: &Services,
    name: &str,
    id: Option<&str>,
    deadline: Deadline,
) -> Result<(), Interrupt> {
    let dynamo = &services.dynamo;
    let mut wait = Wait::new(name, Takes::Seconds(4, 6), Some(GONE), deadline);
    let mut is_unscaled = false;
    loop {
        let found = match patiently(|| dynamo.describe_table(name)).await? {
            None => return Ok(()),
            Some(found) if found.id.as_deref() != id => return Ok(()),
            Some(found) if found.status == Status::Deleting => {
                wait.on("it is DELETING").await?;
                continue;
            }
            Some(found) => found,
        };
        if !is_unscaled {
            unscale(services, &found.table).await;
            is_unscaled = true;
        }
        let replica = found.table.replicas.iter().flatten().map(|(region, _)| region).next();
        let sent = match replica {
            Some(region) => dynamo.delete_replica(name, region).await,
            None => dynamo.delete_table(name).await,
        };
        match sent {
            Ok(()) => {}
            Err(error) if error.is_transient() => wait.on(&error.message).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends what scales a table that is to go: targets outlive it, and would scale the next one of its name. It stands in
/// nobody's way.
async fn unscale(services: &Services, table: &Table) {
    if matches!(table.capacity, Capacity::OnDemand(_)) {
        return;
    }
    let (scaler, name) = (&services.scaler, &table.name);
    let indexes = || table.global_indexes.keys().map(String::as_str);
    let ended = async {
        let scaling = patiently(|| scaler.of_table(name, indexes())).await?;
        let parts = std::iter::once((None, &scaling.table));
        let parts =
            parts.chain(scaling.indexes.iter().map(|(index, of)| (Some(index.as_str()), of)));
        for (index, of) in parts {
            for dimension in Dimension::ALL.into_iter().filter(|dimension| of.scales(*dimension)) {
                patiently(|| scaler.unscale(name, index, dimension)).await?;
            }
        }
        Ok::<(), dynamo::Error>(())
    };
    match ended.await {
        Err(error) if error.class == Class::Unsupported => {}
        Err(error) => tracing::warn!(table = name, %error, "auto scaling is left behind"),
        Ok(()) => {}
    }
}
