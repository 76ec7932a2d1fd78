//! The plane's own model of a table: the truth that `DescribeTable` tells and the rules are applied to.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Moment;
use super::flights::{Flight, Job};
use super::insights::Insights;
use super::kinesis::Destination;
use super::policy::ResourcePolicy;
use super::quotas::{Decreases, Uses};
use super::recovery::Recovery;
use super::replicas::Replica;
use super::time_to_live::TimeToLive;
use super::wire::{AttributeType, BillingMode, Class, Key, Projection, Tags, ViewType};

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) created: Moment,
    pub(super) keys: Vec<Key>,
    pub(super) attributes: BTreeMap<String, AttributeType>,
    pub(super) indexes: Vec<Index>,
    pub(super) local_indexes: Vec<LocalIndex>,
    pub(super) billing: BillingMode,
    /// Which billing modes it has had, and when it last became on-demand.
    pub(super) was_provisioned: bool,
    pub(super) on_demand_since: Option<Moment>,
    pub(super) capacity: Capacity,
    /// Items and bytes, as they were last counted.
    pub(super) counted: (u64, u64),
    pub(super) stream: Option<ViewType>,
    /// ARN of the newest stream, which outlives it.
    pub(super) stream_arn: Option<String>,
    /// ARN of the key; without one, AWS's own is used.
    pub(super) encryption: Option<String>,
    /// Known only once it was set.
    pub(super) class: Option<Class>,
    pub(super) class_changed: Option<Moment>,
    pub(super) protected: bool,
    pub(super) tags: Tags,
    /// What readers of tags still see, and until when.
    pub(super) old_tags: Option<(Tags, Moment)>,
    pub(super) features: Features,
    pub(super) flights: Vec<Flight>,
    pub(super) uses: Uses,
    /// How many more times `DescribeTable` does not know the table yet.
    pub(super) unseen: u32,
}

/// What has operations of its own and is not shown by `DescribeTable`, replicas apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Features {
    pub(super) time_to_live: TimeToLive,
    pub(super) recovery: Recovery,
    /// Of the table, and of indexes by name.
    pub(super) insights: BTreeMap<Option<String>, Insights>,
    pub(super) policy: ResourcePolicy,
    pub(super) kinesis: Vec<Destination>,
    pub(super) replicas: Vec<Replica>,
    /// A replica that was asked for and is not listed yet.
    pub(super) announced: Option<Replica>,
}

/// A global index.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
    pub(super) projection: Projection,
    pub(super) capacity: Capacity,
}

/// A local index.
#[derive(Debug, Clone)]
pub(super) struct LocalIndex {
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
    pub(super) projection: Projection,
}

/// Capacity of a table or of a global index.
#[derive(Debug, Clone, Default)]
pub(super) struct Capacity {
    /// 0/0 on demand.
    pub(super) provisioned: Units,
    pub(super) read_limit: Option<u64>,
    pub(super) write_limit: Option<u64>,
    pub(super) warm: Units,
    pub(super) increased: Option<Moment>,
    pub(super) decreases: Decreases,
}

/// Reads and writes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Units {
    pub(super) read: u64,
    pub(super) write: u64,
}

impl Units {
    /// What every on-demand table starts with.
    pub(super) const ON_DEMAND: Self = Self { read: 12_000, write: 4_000 };

    pub(super) fn is_below(self, other: Self) -> bool {
        self.read < other.read || self.write < other.write
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), write: self.write.max(other.write) }
    }
}

/// `TableStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Creating,
    Updating,
    Deleting,
    Active,
}

impl Status {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
        }
    }
}

/// `IndexStatus` with `Backfilling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexStatus {
    /// Together with its table.
    Creating,
    Allocating,
    Backfilling,
    Updating,
    Deleting,
    Active,
}

impl IndexStatus {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Creating | Self::Allocating | Self::Backfilling => "CREATING",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
        }
    }

    /// `Backfilling` is told only of an index that is added to a table.
    pub(super) fn backfilling(self) -> Option<bool> {
        match self {
            Self::Allocating => Some(false),
            Self::Backfilling => Some(true),
            Self::Creating | Self::Updating | Self::Deleting | Self::Active => None,
        }
    }
}

impl Table {
    pub(super) fn status(&self) -> Status {
        if self.is_doing(|job| *job == Job::Deletion) {
            Status::Deleting
        } else if self.is_doing(|job| *job == Job::Creation) {
            Status::Creating
        } else if self.is_doing(Job::is_update) {
            Status::Updating
        } else {
            Status::Active
        }
    }

    pub(super) fn index_status(&self, name: &str) -> IndexStatus {
        let of_index = self.flights.iter().find_map(|flight| match &flight.job {
            Job::Creation => Some(IndexStatus::Creating),
            Job::IndexAllocation(index) if index == name => Some(IndexStatus::Allocating),
            Job::IndexBackfill(index) if index == name => Some(IndexStatus::Backfilling),
            Job::IndexDeletion(index) if index == name => Some(IndexStatus::Deleting),
            Job::IndexThroughput(index, _) | Job::IndexLimits(index) if index == name => {
                Some(IndexStatus::Updating)
            }
            Job::Class(_) => Some(IndexStatus::Updating),
            _ => None,
        });
        of_index.unwrap_or(IndexStatus::Active)
    }

    /// The billing mode that it ends in, whatever is in flight.
    pub(super) fn is_on_demand(&self) -> bool {
        self.billing == BillingMode::PayPerRequest
    }

    pub(super) fn is_doing(&self, what: impl Fn(&Job) -> bool) -> bool {
        self.flights.iter().any(|flight| what(&flight.job))
    }

    pub(super) fn start(&mut self, job: Job, until: Moment) {
        self.flights.push(Flight { job, until });
    }

    /// Whether something is going on that counts as a table operation.
    pub(super) fn is_operating(&self) -> bool {
        self.status() != Status::Active || self.is_doing(|job| job.online_index().is_some())
    }

    pub(super) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    pub(super) fn index_mut(&mut self, name: &str) -> Option<&mut Index> {
        self.indexes.iter_mut().find(|index| index.name == name)
    }

    pub(super) fn has_index(&self, name: &str) -> bool {
        self.index(name).is_some() || self.local_indexes.iter().any(|index| index.name == name)
    }

    /// Forgets the types of attributes that no key uses any more.
    pub(super) fn prune_attributes(&mut self) {
        let keys = [&self.keys].into_iter();
        let keys = keys.chain(self.indexes.iter().map(|index| &index.keys));
        let keys = keys.chain(self.local_indexes.iter().map(|index| &index.keys));
        let used: BTreeSet<String> = keys.flatten().map(|key| key.attribute_name.clone()).collect();
        self.attributes.retain(|name, _| used.contains(name));
    }
}
