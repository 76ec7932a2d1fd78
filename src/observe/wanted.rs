//! Which features of a table to ask for beside its description: each takes a request of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::plan::{Setting, TableStep};
use crate::schema::{AutoScaling, Capacity, Settings, Table};

/// A feature that an engine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// `DescribeTimeToLive`, `UpdateTimeToLive`
    TimeToLive,
    /// `DescribeContinuousBackups`, `UpdateContinuousBackups`
    Recovery,
    /// `DescribeKinesisStreamingDestination` and its like
    Destination,
    /// `DescribeContributorInsights`, `UpdateContributorInsights`
    Insights,
    /// `GetResourcePolicy` and its like
    Policy,
    /// `ListTagsOfResource` and its like
    Tags,
    /// Of a replica; a table's own comes with its description.
    DeletionProtection,
    /// Application Auto Scaling
    AutoScaling,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimeToLive => "time to live",
            Self::Recovery => "point-in-time recovery",
            Self::Destination => "Kinesis destinations",
            Self::Insights => "contributor insights",
            Self::Policy => "resource policies",
            Self::Tags => "tags",
            Self::DeletionProtection => "deletion protection",
            Self::AutoScaling => "auto scaling",
        })
    }
}

/// Which features of a table to ask for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Expiry of items.
    pub(super) time_to_live: bool,
    /// Its own settings.
    pub(super) settings: SettingsWanted,
    /// Settings of replicas by region.
    pub(super) replicas: BTreeMap<String, SettingsWanted>,
    /// What scales it.
    pub(super) scaling: ScalingWanted,
    /// Whether there is any item.
    pub(super) emptiness: bool,
    /// Indexes that are not waited for while they are being filled.
    pub(super) detached: BTreeSet<String>,
}

/// Which settings of a table in one region to ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingsWanted {
    pub(super) features: BTreeSet<Feature>,
    /// Indexes whose contributor insights to ask for.
    pub(super) index_insights: BTreeSet<String>,
}

/// Whether to ask what scales a table.
#[derive(Debug, Clone, Default)]
pub(super) enum ScalingWanted {
    /// No.
    #[default]
    No,
    /// Only where figures are not as declared: then it may have moved them.
    IfMoved(Figures),
    /// Yes, of these indexes too, should they be gone.
    Yes(BTreeSet<String>),
}

/// Declared figures of a table and of its indexes.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    table: Capacity,
    indexes: BTreeMap<String, Capacity>,
}

impl Figures {
    fn of(table: &Table) -> Self {
        let indexes = table.global_indexes.iter();
        let indexes = indexes.map(|(name, index)| (name.clone(), index.capacity)).collect();
        Self { table: table.capacity, indexes }
    }

    /// Whether a live table has other provisioned figures.
    pub(super) fn are_moved_in(&self, live: &Table) -> bool {
        let moved = |declared: Capacity, live: Capacity| {
            let both =
                matches!((declared, live), (Capacity::Provisioned(_), Capacity::Provisioned(_)));
            both && live.differs_from(declared)
        };
        let mut indexes = self.indexes.iter().filter_map(|(name, declared)| {
            Some((*declared, live.global_indexes.get(name)?.capacity))
        });
        moved(self.table, live.capacity) || indexes.any(|(declared, live)| moved(declared, live))
    }
}

impl Wanted {
    /// What has to be asked for to see whether a step is done.
    #[must_use]
    pub fn to_check(step: &TableStep) -> Self {
        let mut wanted = Self::default();
        match step {
            TableStep::TimeToLive { .. } => wanted.time_to_live = true,
            TableStep::Setting(setting) => wanted.settings = SettingsWanted::to_check(setting),
            TableStep::ReplicaSetting { region, setting } => {
                let mut settings = SettingsWanted::to_check(setting);
                if matches!(setting, Setting::DeletionProtection(_)) {
                    settings.features.insert(Feature::DeletionProtection);
                }
                wanted.replicas.insert(region.clone(), settings);
            }
            TableStep::Scale { index, .. } | TableStep::Unscale { index, .. } => {
                wanted.scaling = ScalingWanted::Yes(index.iter().cloned().collect());
            }
            TableStep::Create(_)
            | TableStep::Adopt
            | TableStep::Settle { .. }
            | TableStep::Billing { .. }
            | TableStep::Throughput { .. }
            | TableStep::Limits(_)
            | TableStep::IndexLimits(..)
            | TableStep::CreateIndex { .. }
            | TableStep::DeleteIndex(_)
            | TableStep::Stream(_)
            | TableStep::Encryption(_)
            | TableStep::Class(_)
            | TableStep::Warm(_)
            | TableStep::IndexWarm(..)
            | TableStep::CreateReplica { .. }
            | TableStep::ReplicaClass { .. }
            | TableStep::DeleteReplica(_) => {}
        }
        wanted
    }

    /// What has to be asked for to see whether a table may be deleted.
    #[must_use]
    pub fn to_delete() -> Self {
        let features = [Feature::Tags].into();
        let settings = SettingsWanted { features, ..SettingsWanted::default() };
        Self { settings, ..Self::default() }
    }

    /// What has to be asked for to compare a table with what is wanted of it. Tags always: they tell whose it is.
    #[must_use]
    pub fn by(want: &Table) -> Self {
        let mut settings = SettingsWanted::by(&want.settings);
        settings.features.insert(Feature::Tags);
        settings.features.remove(&Feature::DeletionProtection);
        let replicas = want.replicas.iter().flatten();
        Self {
            time_to_live: want.time_to_live.is_some(),
            settings,
            replicas: replicas
                .map(|(region, of)| (region.clone(), SettingsWanted::by(&of.settings)))
                .collect(),
            scaling: ScalingWanted::by(want),
            ..Self::default()
        }
    }

    /// The same, but that these indexes are being filled does not count as something that goes on.
    #[must_use]
    pub fn without_waiting_for(mut self, detached: BTreeSet<String>) -> Self {
        self.detached = detached;
        self
    }
}

impl SettingsWanted {
    fn to_check(setting: &Setting) -> Self {
        let mut wanted = Self::default();
        let feature = match setting {
            Setting::Recovery(_) => Feature::Recovery,
            Setting::StartDestination { .. }
            | Setting::StopDestination { .. }
            | Setting::DestinationPrecision { .. } => Feature::Destination,
            Setting::Insights { index: None, .. } => Feature::Insights,
            Setting::Insights { index: Some(index), .. } => {
                wanted.index_insights.insert(index.clone());
                return wanted;
            }
            Setting::Policy(_) => Feature::Policy,
            Setting::Tag(_) | Setting::Untag(_) => Feature::Tags,
            Setting::DeletionProtection(_) => return wanted,
        };
        wanted.features.insert(feature);
        wanted
    }

    /// What the settings manage.
    fn by(want: &Settings) -> Self {
        let managed = [
            (Feature::Recovery, want.recovery.is_some()),
            (Feature::Destination, want.destination.is_some()),
            (Feature::Insights, want.insights.is_some()),
            (Feature::Policy, want.policy.is_some()),
            (Feature::Tags, want.tags.is_some()),
            (Feature::DeletionProtection, want.deletion_protection.is_some()),
        ];
        let managed = managed.into_iter().filter(|(_, is_managed)| *is_managed);
        Self {
            features: managed.map(|(feature, _)| feature).collect(),
            index_insights: want.index_insights.keys().cloned().collect(),
        }
    }
}

impl ScalingWanted {
    fn by(want: &Table) -> Self {
        let is_managed = want.scaling != AutoScaling::default() || !want.index_scaling.is_empty();
        match want.capacity {
            _ if is_managed => Self::Yes(want.index_scaling.keys().cloned().collect()),
            Capacity::Provisioned(_) => Self::IfMoved(Figures::of(want)),
            Capacity::OnDemand(_) => Self::No,
        }
    }
}
