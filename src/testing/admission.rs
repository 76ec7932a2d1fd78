//! What is refused while something else is in flight.

use super::concerns::{Concern, one_online_index};
use super::flights::Job;
use super::rejection::{Rejection, Result};
use super::replicas::ReplicaJob;
use super::table::Table;
use super::wire::BillingMode;

/// Whether the table can be deleted: whatever goes on with it must be over, also what leaves it `ACTIVE`.
pub(super) fn admit_deletion(table: &Table) -> Result<()> {
    let name = &table.name;
    let being_updated = format!("Table: {name} is in the process of being updated.");
    for flight in &table.flights {
        return Err(Rejection::in_use(match &flight.job {
            Job::Stream => "Cannot delete table while stream is being enabled/disabled.".to_owned(),
            Job::IndexAllocation(_)
            | Job::IndexBackfill(_)
            | Job::IndexDeletion(_)
            | Job::IndexThroughput(..)
            | Job::IndexLimits(_) => {
                "Cannot delete table while indexes are being created, updated, or deleted."
                    .to_owned()
            }
            Job::Tags(_) => format!("Table tags are being updated: {name}"),
            Job::Throughput(_)
            | Job::Billing
            | Job::Class(_)
            | Job::Encryption { .. }
            | Job::Warm(_)
            | Job::IndexWarm(..) => being_updated,
            Job::Replica(_, ReplicaJob::Remains) | Job::Creation | Job::Deletion => continue,
            Job::Replica(..) => return Err(Rejection::replicated_in_use()),
        }));
    }
    Ok(())
}

/// Whether the change is admitted beside what is in flight.
pub(super) fn admit(table: &Table, concern: &Concern) -> Result<()> {
    for flight in &table.flights {
        if let Some(refusal) = refusal(table, &flight.job, concern) {
            return Err(refusal);
        }
    }
    Ok(())
}

/// Which field collides with which job; a change is judged by both, not by the status of the table.
fn refusal(table: &Table, job: &Job, concern: &Concern) -> Option<Rejection> {
    match job {
        Job::Throughput(_) => while_iops(table, concern, None),
        Job::Billing => while_iops(table, concern, Some(table.billing)),
        Job::Stream => while_stream(table, concern),
        Job::Class(_) => while_class(table, concern),
        Job::Encryption { .. } => match concern {
            Concern::Encryption(_) => in_use("Server-Side Encryption is still being updated"),
            _ => None,
        },
        Job::IndexAllocation(index) => while_allocating(table, index, concern),
        Job::IndexBackfill(index) => match concern {
            Concern::IndexCreation(_) => Some(one_online_index()),
            Concern::IndexDeletion(name) if name != index => Some(one_online_index()),
            Concern::IndexChange(change) if change.index_name == *index => {
                in_use(index_busy("created", table, index))
            }
            Concern::Billing(mode) if *mode != table.billing => {
                in_use(iops_while_index("created", table, index))
            }
            _ => None,
        },
        Job::IndexDeletion(index) => while_deleting(table, index, concern),
        Job::IndexThroughput(index, _) | Job::IndexLimits(index) => match concern {
            Concern::IndexChange(change) if change.index_name == *index => {
                in_use(index_busy("updated", table, index))
            }
            Concern::IndexDeletion(name) if name == index => {
                in_use(index_busy("updated", table, index))
            }
            _ => None,
        },
        // Of tables with replicas, AWS does not say what is in the way.
        Job::Replica(_, job) if *job != ReplicaJob::Remains => Some(Rejection::replicated_in_use()),
        Job::Replica(..)
        | Job::Creation
        | Job::Deletion
        | Job::Warm(_)
        | Job::IndexWarm(..)
        | Job::Tags(_) => None,
    }
}

/// While throughput changes, or the billing mode to `switching`.
fn while_iops(
    table: &Table,
    concern: &Concern,
    switching: Option<BillingMode>,
) -> Option<Rejection> {
    let name = &table.name;
    let busy = || in_use(format!("Table IOPS are currently being updated. Table: {name}"));
    match concern {
        // The way back to on-demand is answered as if it were taken.
        Concern::Billing(BillingMode::PayPerRequest)
            if switching == Some(BillingMode::Provisioned) =>
        {
            None
        }
        Concern::Billing(_) | Concern::Throughput(_) | Concern::IndexChange(_) => busy(),
        Concern::Limits(_) => {
            in_use("OnDemandThroughput cannot be updated while BillingMode update is in progress")
        }
        Concern::Stream(_) => in_use(format!(
            "Can't enable or disable stream while table IOPS are being updated. Table: {name}"
        )),
        Concern::IndexCreation(_) | Concern::IndexDeletion(_) => in_use(format!(
            "Can't create or delete indexes while table IOPS are being updated. Table: {name}"
        )),
        Concern::Class(_) => in_use(format!(
            "Can't update table class while table IOPS are being updated. Table: {name}"
        )),
        Concern::Warm(_)
        | Concern::Encryption(_)
        | Concern::Protection(_)
        | Concern::Replicas(_) => None,
    }
}

fn while_stream(table: &Table, concern: &Concern) -> Option<Rejection> {
    let name = &table.name;
    match concern {
        Concern::Billing(_) | Concern::Throughput(_) | Concern::IndexChange(_) => in_use(format!(
            "Can't update table IOPS while stream status is being updated. Table: {name}"
        )),
        Concern::Limits(_) => {
            in_use("OnDemandThroughput cannot be updated while stream status update is in progress")
        }
        Concern::Stream(_) => {
            in_use(format!("Table stream status is currently being updated. Table: {name}"))
        }
        Concern::IndexCreation(_) | Concern::IndexDeletion(_) => {
            in_use("Can't create or delete an index when stream status is being updated.")
        }
        Concern::Class(_) => in_use(format!(
            "Can't update table class when stream status is being updated. Table: {name}"
        )),
        Concern::Warm(_)
        | Concern::Encryption(_)
        | Concern::Protection(_)
        | Concern::Replicas(_) => None,
    }
}

fn while_class(table: &Table, concern: &Concern) -> Option<Rejection> {
    let name = &table.name;
    let suffix = format!("when a table class update is in progress. Table: {name}");
    match concern {
        Concern::Billing(_) | Concern::Throughput(_) | Concern::IndexChange(_) => {
            in_use(format!("Can't update table IOPS {suffix}"))
        }
        Concern::Limits(_) => {
            in_use("OnDemandThroughput cannot be updated while TableClass update is in progress.")
        }
        Concern::Stream(_) => in_use(format!("Can't change stream status {suffix}")),
        Concern::IndexCreation(_) | Concern::IndexDeletion(_) => {
            in_use("Can't create or delete an index when a table class update is in progress.")
        }
        Concern::Class(_) => in_use(format!("Can't update table class {suffix}")),
        Concern::Warm(_)
        | Concern::Encryption(_)
        | Concern::Protection(_)
        | Concern::Replicas(_) => None,
    }
}

/// While a new index is given its resources.
fn while_allocating(table: &Table, index: &str, concern: &Concern) -> Option<Rejection> {
    match concern {
        Concern::Billing(_) | Concern::Throughput(_) => {
            in_use(iops_while_index("created", table, index))
        }
        Concern::Limits(_) => in_use(format!(
            "OnDemandThroughput cannot be updated while index creation is in progress for indexes: [{index}]"
        )),
        // A conflict of states that AWS reports as a failure of its own.
        Concern::Warm(_) => Some(Rejection::internal_error(
            "Table is under system maintenance, please try again later",
        )),
        Concern::Stream(_) => in_use("Can't change stream status when an index is being created"),
        Concern::IndexDeletion(name) if name == index => in_use(format!(
            "Index creation is in resource allocation phase. Retry deletion during backfilling phase or when the \
             index is active. Table: {} Index: {index}",
            table.name
        )),
        Concern::IndexCreation(_) | Concern::IndexDeletion(_) => Some(one_online_index()),
        Concern::IndexChange(change) if change.index_name == index => in_use(format!(
            "Index is being created but is not backfilling yet. Table: {} Index: {index}",
            table.name
        )),
        Concern::Class(_) => in_use(format!(
            "Can't update table class when an index is being created. Table: {}",
            table.name
        )),
        Concern::IndexChange(_)
        | Concern::Encryption(_)
        | Concern::Protection(_)
        | Concern::Replicas(_) => None,
    }
}

fn while_deleting(table: &Table, index: &str, concern: &Concern) -> Option<Rejection> {
    match concern {
        Concern::Billing(mode) if *mode == table.billing && *mode == BillingMode::PayPerRequest => {
            None
        }
        Concern::Billing(_) | Concern::Throughput(_) => {
            in_use(iops_while_index("deleted", table, index))
        }
        Concern::Limits(_) => in_use(format!(
            "OnDemandThroughput cannot be updated while index deletion is in progress for indexes: [{index}]"
        )),
        Concern::Stream(_) => in_use("Can't change stream status when an index is being deleted"),
        Concern::IndexChange(change) if change.index_name == index => {
            in_use(index_busy("deleted", table, index))
        }
        Concern::IndexCreation(new) if new.index_name == index => {
            in_use(index_busy("deleted", table, index))
        }
        Concern::IndexDeletion(name) if name == index => {
            in_use(index_busy("deleted", table, index))
        }
        Concern::IndexCreation(_) | Concern::IndexDeletion(_) => Some(one_online_index()),
        Concern::Class(_) => in_use(format!(
            "Can't update table class when an index is being deleted. Table: {}",
            table.name
        )),
        Concern::Warm(_)
        | Concern::IndexChange(_)
        | Concern::Encryption(_)
        | Concern::Protection(_)
        | Concern::Replicas(_) => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "each arm of the matrix is a refusal or none")]
fn in_use(state: impl AsRef<str>) -> Option<Rejection> {
    Some(Rejection::in_use(state))
}

fn index_busy(what: &str, table: &Table, index: &str) -> String {
    format!("Index is being {what}. Table: {} Index: {index}", table.name)
}

fn iops_while_index(what: &str, table: &Table, index: &str) -> String {
    format!(
        "Can't change table IOPS when an index is being {what}. Table: {} Indexes: [{index}]",
        table.name
    )
}
