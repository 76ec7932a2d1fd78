//! The steps of a table: each a change that DynamoDB accepts by itself, how it reads, and whether it is done.

use std::collections::BTreeMap;

use super::changes::{is_default_kms, same_shape};
use super::settings::Setting;
use crate::schema::{
    AttributeType, Capacity, Dimension, Encryption, Index, Limits, Range, Replica, Scaling, Stream,
    Table, TableClass, Throughput, TimeToLive, Warm,
};

/// Whether a new index is waited for until it can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completion {
    /// It is.
    #[default]
    Wait,
    /// It is filled on after the deploy.
    Detach,
}

/// One change of one table; each is one API call that DynamoDB accepts by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableStep {
    /// `CreateTable` with all that it takes; the rest follows as steps of their own.
    Create(Box<Table>),
    /// Takes a table over that nobody owns.
    Adopt,
    /// Waits until an earlier change, of this resource or of somebody else, is done.
    Settle {
        /// What is going on.
        reason: String,
    },
    /// Switches the billing mode, with the throughput of every index that stays.
    Billing {
        /// The mode it had.
        from: Capacity,
        /// The mode it gets.
        to: Capacity,
        /// Throughput of its indexes; empty on the way to on demand.
        indexes: BTreeMap<String, Capacity>,
    },
    /// Changes provisioned throughput.
    Throughput {
        /// Of the table.
        table: Option<Throughput>,
        /// Of indexes.
        indexes: BTreeMap<String, Capacity>,
    },
    /// Changes the on-demand limits of the table.
    Limits(Limits),
    /// Changes the on-demand limits of an index.
    IndexLimits(String, Limits),
    /// Adds a global index.
    CreateIndex {
        /// The index.
        index: Index,
        /// Types of the table's keys and of its own.
        attributes: BTreeMap<String, AttributeType>,
        /// Whether it is waited for.
        completion: Completion,
    },
    /// Removes a global index.
    DeleteIndex(String),
    /// Turns the stream on or off.
    Stream(Stream),
    /// Changes the encryption key.
    Encryption(Encryption),
    /// Changes the table class.
    Class(TableClass),
    /// Raises the warm throughput of the table.
    Warm(Warm),
    /// Raises the warm throughput of an index.
    IndexWarm(String, Warm),
    /// Turns expiry on or off; the attribute is the one that is or becomes active.
    TimeToLive {
        /// Attribute that holds the expiry.
        attribute: String,
        /// On or off.
        on: bool,
    },
    /// Changes what the table has in its region for itself.
    Setting(Setting),
    /// Has auto scaling move a figure of the table, or of an index: its range, then its policy.
    Scale {
        /// Name of the index.
        index: Option<String>,
        /// Which figure.
        dimension: Dimension,
        /// Within which range, and by what.
        range: Range,
    },
    /// Ends auto scaling of a figure.
    Unscale {
        /// Name of the index.
        index: Option<String>,
        /// Which figure.
        dimension: Dimension,
    },
    /// Makes a replica.
    CreateReplica {
        /// Its region.
        region: String,
        /// Its KMS key, where the table has one of its own.
        key: Option<String>,
        /// Its storage class; the table's where it is not declared.
        class: Option<TableClass>,
    },
    /// Changes the table class of a replica.
    ReplicaClass {
        /// Its region.
        region: String,
        /// The class.
        class: TableClass,
    },
    /// Changes what a replica has in its region for itself.
    ReplicaSetting {
        /// Its region.
        region: String,
        /// The change.
        setting: Setting,
    },
    /// Removes a replica, by its region.
    DeleteReplica(String),
}

impl TableStep {
    /// The step as a person reads it.
    #[must_use]
    pub fn line(&self, table: &str) -> String {
        let listed = |indexes: &BTreeMap<String, Capacity>| {
            let each = indexes.iter().map(|(name, capacity)| format!(", index {name} {capacity}"));
            each.collect::<String>()
        };
        match self {
            Self::Create(shape) => {
                let indexes = shape.global_indexes.len() + shape.local_indexes.len();
                let with = match indexes {
                    0 => String::new(),
                    1 => ", 1 index".to_owned(),
                    n => format!(", {n} indexes"),
                };
                format!("+ table {table}: create ({}, {}{with})", shape.keys, shape.capacity)
            }
            Self::Adopt => format!("~ table {table}: take over the existing table"),
            Self::Settle { reason } => format!("~ table {table}: wait, {reason}"),
            Self::Billing { from, to, indexes } => {
                format!("~ table {table}: billing {from} -> {to}{}", listed(indexes))
            }
            Self::Throughput { table: own, indexes } => {
                let own = own.map(|own| own.to_string()).unwrap_or_default();
                format!("~ table {table}: throughput {own}{}", listed(indexes))
            }
            Self::Limits(limits) => format!("~ table {table}: on demand{limits}"),
            Self::IndexLimits(index, limits) => {
                format!("~ table {table}: index {index} on demand{limits}")
            }
            Self::CreateIndex { index, completion, .. } => {
                let Index { name, keys, projection, .. } = index;
                let goes_on = match completion {
                    Completion::Wait => "",
                    Completion::Detach => ", not waited for",
                };
                format!("+ table {table}: index {name} ({keys}; {projection}){goes_on}")
            }
            Self::DeleteIndex(index) => format!("- table {table}: index {index}"),
            Self::Stream(stream) => format!("~ table {table}: stream {stream}"),
            Self::Encryption(encryption) => format!("~ table {table}: encryption {encryption}"),
            Self::Class(class) => format!("~ table {table}: class {class}"),
            Self::Warm(warm) => format!("~ table {table}: warm throughput {warm}"),
            Self::IndexWarm(index, warm) => {
                format!("~ table {table}: index {index} warm throughput {warm}")
            }
            Self::TimeToLive { attribute, on: true } => {
                format!("~ table {table}: time to live on {attribute}")
            }
            Self::TimeToLive { .. } => format!("~ table {table}: time to live off"),
            Self::Setting(setting) => format!("~ table {table}: {setting}"),
            Self::Scale { index, dimension, range } => {
                format!(
                    "~ table {table}: auto scaling of {}{dimension} {range}",
                    of(index.as_ref())
                )
            }
            Self::Unscale { index, dimension } => {
                format!("~ table {table}: auto scaling of {}{dimension} off", of(index.as_ref()))
            }
            Self::CreateReplica { region, .. } => format!("+ table {table}: replica in {region}"),
            Self::ReplicaClass { region, class } => {
                format!("~ table {table}: replica in {region} class {class}")
            }
            Self::ReplicaSetting { region, setting } => {
                format!("~ table {table}: replica in {region} {setting}")
            }
            Self::DeleteReplica(region) => format!("- table {table}: replica in {region}"),
        }
    }

    /// Whether a table shows that the step is done. What the table does not report does not count as done.
    #[must_use]
    pub fn is_done(&self, live: &Table) -> bool {
        let index_capacities = |indexes: &BTreeMap<String, Capacity>| {
            let done = |(name, capacity): (&String, &Capacity)| {
                let index = live.global_indexes.get(name);
                index.is_none_or(|index| !index.capacity.differs_from(*capacity))
            };
            indexes.iter().all(done)
        };
        match self {
            Self::Create(_) | Self::Adopt => false,
            // Only a settled table is asked.
            Self::Settle { .. } => true,
            Self::Billing { to, indexes, .. } => live.capacity == *to && index_capacities(indexes),
            Self::Throughput { table, indexes } => {
                let own = table.is_none_or(|own| live.capacity == Capacity::Provisioned(own));
                own && index_capacities(indexes)
            }
            Self::Limits(limits) => live.capacity == Capacity::OnDemand(*limits),
            Self::IndexLimits(name, limits) => {
                let index = live.global_indexes.get(name);
                index.is_none_or(|index| index.capacity == Capacity::OnDemand(*limits))
            }
            Self::CreateIndex { index, .. } => {
                live.global_indexes.get(&index.name).is_some_and(|live| same_shape(index, live))
            }
            Self::DeleteIndex(name) => !live.global_indexes.contains_key(name),
            Self::Stream(stream) => live.stream == Some(*stream),
            Self::Encryption(encryption) => {
                live.encryption.as_ref() == Some(encryption)
                    || is_default_kms(Some(encryption), live.encryption.as_ref())
            }
            Self::Class(class) => live.class == Some(*class),
            Self::Warm(warm) => live.warm.is_some_and(|live| warm.is_met_by(live)),
            Self::IndexWarm(name, warm) => {
                let index = live.global_indexes.get(name);
                index.and_then(|index| index.warm).is_some_and(|live| warm.is_met_by(live))
            }
            Self::TimeToLive { attribute, on } => {
                let is_on = live.time_to_live == Some(TimeToLive::On(attribute.clone()));
                live.time_to_live.is_some() && is_on == *on
            }
            Self::Setting(setting) => setting.is_done(&live.settings),
            Self::Scale { index, dimension, range } => {
                let live = live.scaling_of(index.as_deref(), *dimension);
                live.is_some_and(|live| Scaling::Between(range.clone()).is_met_by(live))
            }
            Self::Unscale { index, dimension } => {
                live.scaling_of(index.as_deref(), *dimension) == Some(&Scaling::Off)
            }
            Self::CreateReplica { region, .. } => replica(live, region).is_some(),
            Self::ReplicaClass { region, class } => {
                replica(live, region).is_some_and(|live| live.class == Some(*class))
            }
            Self::ReplicaSetting { region, setting } => {
                replica(live, region).is_some_and(|live| setting.is_done(&live.settings))
            }
            Self::DeleteReplica(region) => {
                live.replicas.as_ref().is_some_and(|live| !live.contains_key(region))
            }
        }
    }

    /// Why the step, which was accepted, did not lead to what it was to lead to; nothing but another try ends that.
    #[must_use]
    pub fn failure(&self, live: &Table) -> Option<String> {
        match self {
            Self::Setting(setting) => setting.failure(&live.settings),
            Self::ReplicaSetting { region, setting } => {
                setting.failure(&replica(live, region)?.settings)
            }
            _ => None,
        }
    }

    /// Whether the step turns a feature off that the wanted table is to be without.
    pub(super) fn turns_off(&self, want: &Table) -> bool {
        match self {
            Self::Stream(Stream::Off) => want.stream == Some(Stream::Off),
            Self::TimeToLive { on: false, .. } => want.time_to_live == Some(TimeToLive::Off),
            Self::Setting(setting) => setting.turns_off(&want.settings),
            Self::ReplicaSetting { region, setting } => {
                replica(want, region).is_some_and(|want| setting.turns_off(&want.settings))
            }
            _ => false,
        }
    }

    /// The index that has to be there for the step.
    pub(super) fn needs_index(&self) -> Option<&String> {
        match self {
            Self::Setting(Setting::Insights { index, .. })
            | Self::ReplicaSetting { setting: Setting::Insights { index, .. }, .. }
            | Self::Scale { index, .. } => index.as_ref(),
            _ => None,
        }
    }

    /// Whether the step changes figures of capacity, and nothing else.
    pub(super) fn is_of_figures(&self) -> bool {
        matches!(self, Self::Throughput { .. } | Self::Limits(_) | Self::IndexLimits(..))
    }

    /// Whether the step makes, changes or removes a replica.
    pub(super) fn is_of_replicas(&self) -> bool {
        matches!(
            self,
            Self::CreateReplica { .. } | Self::ReplicaClass { .. } | Self::DeleteReplica(_)
        )
    }

    /// Whether the step takes effect at once and loses nothing, so that a rollback may take it.
    pub(super) fn is_cheap(&self) -> bool {
        matches!(
            self,
            Self::Throughput { .. }
                | Self::Limits(_)
                | Self::IndexLimits(..)
                | Self::Setting(Setting::Tag(_))
                | Self::ReplicaSetting { setting: Setting::Tag(_), .. }
        )
    }
}

fn replica<'a>(table: &'a Table, region: &str) -> Option<&'a Replica> {
    table.replicas.as_ref()?.get(region)
}

/// Names the index that something is of, where it is one.
fn of(index: Option<&String>) -> String {
    index.map(|index| format!("index {index} ")).unwrap_or_default()
}
