//! Which features of a table to ask for beside its description: each takes a request of its own.

use std::collections::BTreeSet;
use std::fmt;

use crate::plan::{Setting, TableStep};
use crate::schema::{Settings, Table};

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
        })
    }
}

/// Which features of a table to ask for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Expiry of items.
    pub(super) time_to_live: bool,
    /// Settings, all but deletion protection, which comes with the description.
    pub(super) settings: BTreeSet<Feature>,
    /// Indexes whose contributor insights to ask for.
    pub(super) index_insights: BTreeSet<String>,
    /// Whether there is any item.
    pub(super) emptiness: bool,
    /// Indexes that are not waited for while they are being filled.
    pub(super) detached: BTreeSet<String>,
}

impl Wanted {
    /// What has to be asked for to see whether a step is done.
    #[must_use]
    pub fn to_check(step: &TableStep) -> Self {
        let mut wanted = Self::default();
        match step {
            TableStep::TimeToLive { .. } => wanted.time_to_live = true,
            TableStep::Setting(setting) => wanted.ask_to_check(setting),
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
            | TableStep::IndexWarm(..) => {}
        }
        wanted
    }

    fn ask_to_check(&mut self, setting: &Setting) {
        let feature = match setting {
            Setting::Recovery(_) => Feature::Recovery,
            Setting::StartDestination { .. }
            | Setting::StopDestination { .. }
            | Setting::DestinationPrecision { .. } => Feature::Destination,
            Setting::Insights { index: None, .. } => Feature::Insights,
            Setting::Insights { index: Some(index), .. } => {
                self.index_insights.insert(index.clone());
                return;
            }
            Setting::Policy(_) => Feature::Policy,
            Setting::Tag(_) | Setting::Untag(_) => Feature::Tags,
            Setting::DeletionProtection(_) => return,
        };
        self.settings.insert(feature);
    }

    /// What has to be asked for to see whether a table may be deleted.
    #[must_use]
    pub fn to_delete() -> Self {
        Self { settings: [Feature::Tags].into(), ..Self::default() }
    }

    /// What has to be asked for to compare a table with what is wanted of it. Tags always: they tell whose it is.
    #[must_use]
    pub fn by(want: &Table) -> Self {
        let mut settings = features(&want.settings);
        settings.insert(Feature::Tags);
        Self {
            time_to_live: want.time_to_live.is_some(),
            settings,
            index_insights: want.settings.index_insights.keys().cloned().collect(),
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

/// The features that settings manage.
fn features(want: &Settings) -> BTreeSet<Feature> {
    let managed = [
        (Feature::Recovery, want.recovery.is_some()),
        (Feature::Destination, want.destination.is_some()),
        (Feature::Insights, want.insights.is_some()),
        (Feature::Policy, want.policy.is_some()),
        (Feature::Tags, want.tags.is_some()),
    ];
    managed.into_iter().filter_map(|(feature, is_managed)| is_managed.then_some(feature)).collect()
}
