//! The end of the resource: each table that we made goes or stays by its removal policy; everything else stays.

use std::time::Duration;

use crate::clock;
use crate::deadline::Deadline;
use crate::desired::RemovalPolicy;
use crate::dynamo::{Class, Dynamo, Status, patiently};
use crate::interrupt::Interrupt;
use crate::ledger::rows::{Origin, TableRow, entry};
use crate::ledger::{Lease, RowWrite};
use crate::observe::OWNER_TAG;
use crate::plan::Takes;

use super::wait::Wait;

const BACKUP_POLL: Duration = Duration::from_secs(2);
/// How long a table may take to go; an index or a key that is still being changed holds it up.
const GONE: Duration = Duration::from_mins(15);

/// Deletes what may be deleted; returns what became of each table.
///
/// A table goes only where its policy says so and three signs agree that it is ours: its ledger row, its identity
/// and its owner tag.
pub(crate) async fn delete_resource(
    dynamo: &Dynamo,
    lease: &Lease,
    deadline: Deadline,
) -> Result<Vec<String>, Interrupt> {
    let snapshot = lease.ledger().snapshot().await?;
    let mut outcomes = Vec::new();
    for row in snapshot.tables.values() {
        lease.check()?;
        let outcome = delete_table(dynamo, lease, row, deadline).await?;
        tracing::info!(table = row.name, "{outcome}");
        outcomes.push(format!("table {} {outcome}", row.name));
    }
    Ok(outcomes)
}

async fn delete_table(
    dynamo: &Dynamo,
    lease: &Lease,
    row: &TableRow,
    deadline: Deadline,
) -> Result<String, Interrupt> {
    let name = &row.name;
    if !row.declared {
        return Ok("stays: it had left the declaration before".to_owned());
    }
    if row.removal == RemovalPolicy::Retain {
        return Ok("stays (removal policy retain)".to_owned());
    }
    let Some(found) = patiently(|| dynamo.describe_table(name)).await? else {
        forget(lease, row).await?;
        return Ok("was gone already".to_owned());
    };
    let tags = patiently(|| dynamo.tags(name, &found.arn)).await?;
    let is_ours = row.origin == Origin::Created
        && row.table_id == found.id
        && tags.get(OWNER_TAG).map(String::as_str) == Some(lease.ledger().scope());
    if !is_ours {
        return Ok("stays: it was not made by this resource".to_owned());
    }
    if found.table.settings.deletion_protection == Some(true) {
        return Ok("stays: it is protected against deletion".to_owned());
    }
    let backup = match row.removal {
        RemovalPolicy::Snapshot => match back_up(dynamo, name, deadline).await? {
            Some(arn) => Some(arn),
            None => return Ok("stays: this engine has no backups to snapshot it".to_owned()),
        },
        RemovalPolicy::Delete | RemovalPolicy::Retain => None,
    };
    lease.confirm().await?;
    delete_and_wait(dynamo, name, found.id.as_deref(), deadline).await?;
    forget(lease, row).await?;
    Ok(match backup {
        Some(arn) => format!("deleted after the backup {arn}"),
        None => "deleted".to_owned(),
    })
}

async fn forget(lease: &Lease, row: &TableRow) -> Result<(), Interrupt> {
    lease.write(vec![RowWrite::Delete(entry::table(&row.name))]).await
}

/// Backs a table up and waits until the backup can be restored from; `None` where the engine has no backups.
async fn back_up(
    dynamo: &Dynamo,
    name: &str,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let backup = format!("tablewright-{name}-{}", clock::now_ms());
    let arn = match patiently(|| dynamo.create_backup(name, &backup)).await {
        Ok(arn) => arn,
        Err(error) if error.class == Class::Unsupported => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    while !patiently(|| dynamo.backup_available(name, &arn)).await? {
        if !deadline.sleep(BACKUP_POLL).await {
            return Err(Interrupt::OutOfTime(format!("the backup of table {name} is not ready")));
        }
    }
    Ok(Some(arn))
}

/// Deletes the table with this identity and waits until it is gone. A table that somebody makes under the same name
/// meanwhile has another one.
pub(crate) async fn delete_and_wait(
    dynamo: &Dynamo,
    name: &str,
    id: Option<&str>,
    deadline: Deadline,
) -> Result<(), Interrupt> {
    let mut wait = Wait::new(name, Takes::Seconds(4, 6), Some(GONE), deadline);
    loop {
        match patiently(|| dynamo.describe_table(name)).await? {
            None => return Ok(()),
            Some(found) if found.id.as_deref() != id => return Ok(()),
            Some(found) if found.status == Status::Deleting => wait.on("it is DELETING").await?,
            Some(_) => match dynamo.delete_table(name).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => wait.on(&error.message).await?,
                Err(error) => return Err(error.into()),
            },
        }
    }
}
