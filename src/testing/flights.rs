//! What is in flight: changes that were accepted and end by themselves.

use super::clock::Moment;
use super::replicas::ReplicaJob;
use super::table::Units;
use super::wire::{Class, Tags};

/// A change that was accepted, and when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) job: Job,
    pub(super) until: Moment,
}

/// What is being done. A value is what the table gets when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    Creation,
    Deletion,
    Throughput(Units),
    Billing,
    Stream,
    Class(Class),
    /// The new key, and since when it is shown.
    Encryption {
        key: Option<String>,
        shown: Moment,
    },
    Warm(Units),
    IndexAllocation(String),
    IndexBackfill(String),
    IndexDeletion(String),
    IndexThroughput(String, Units),
    /// On-demand limits, or the throughput of an index in a billing switch: shown at once.
    IndexLimits(String),
    IndexWarm(String, Units),
    /// The tags that are written; none of them where some are removed.
    Tags(Tags),
    /// What is done to the replica in a region.
    Replica(String, ReplicaJob),
}

impl Job {
    /// Whether the table is `UPDATING` meanwhile. Many changes leave it `ACTIVE`.
    pub(super) fn is_update(&self) -> bool {
        match self {
            Self::Throughput(_)
            | Self::Billing
            | Self::Stream
            | Self::Class(_)
            | Self::IndexAllocation(_)
            | Self::IndexDeletion(_)
            | Self::Replica(
                _,
                ReplicaJob::Announcement | ReplicaJob::Update | ReplicaJob::Withdrawal,
            ) => true,
            Self::Creation
            | Self::Deletion
            | Self::Encryption { .. }
            | Self::Warm(_)
            | Self::IndexBackfill(_)
            | Self::IndexThroughput(..)
            | Self::IndexLimits(_)
            | Self::IndexWarm(..)
            | Self::Tags(_)
            | Self::Replica(_, ReplicaJob::Creation | ReplicaJob::Deletion | ReplicaJob::Remains) => {
                false
            }
        }
    }

    /// The index that is made or removed.
    pub(super) fn online_index(&self) -> Option<&str> {
        match self {
            Self::IndexAllocation(name) | Self::IndexBackfill(name) | Self::IndexDeletion(name) => {
                Some(name)
            }
            Self::Creation
            | Self::Deletion
            | Self::Throughput(_)
            | Self::Billing
            | Self::Stream
            | Self::Class(_)
            | Self::Encryption { .. }
            | Self::Warm(_)
            | Self::IndexThroughput(..)
            | Self::IndexLimits(_)
            | Self::IndexWarm(..)
            | Self::Tags(_)
            | Self::Replica(..) => None,
        }
    }
}
