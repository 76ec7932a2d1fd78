//! What is known of each kind of step: the call that it takes, how long that lasts, and what to mind.
//!
//! Durations, quotas and losses as measured by `aws-controllers-k8s/dynamodb-controller`, `docs/api-quirks`, on small
//! tables, and as AWS documents them.

use std::fmt;
use std::time::Duration;

use super::{Setting, TableStep};
use crate::schema::{Capacity, Insights, Policy, Recovery, Stream};

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The API operation.
    pub call: &'static str,
    /// How long it takes.
    pub takes: Takes,
    /// How long it may take before something is wrong; `None` where only the time of the deploy limits it.
    pub limit: Option<Duration>,
    /// What to mind.
    pub caution: Option<Caution>,
}

/// How long a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No time.
    NoTime,
    /// From so many seconds to so many.
    Seconds(u64, u64),
    /// As long as DynamoDB needs to read all items.
    ByItems,
    /// As long as what somebody else has begun.
    Unknown,
}

impl Takes {
    /// How long to wait at most between two looks.
    #[must_use]
    pub fn poll(self) -> Duration {
        Duration::from_secs(match self {
            Self::NoTime => 1,
            Self::Seconds(_, ..60) => 2,
            Self::Seconds(..) | Self::Unknown => 5,
            Self::ByItems => 30,
        })
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("at once"),
            Self::Seconds(least, most @ ..120) => write!(f, "{least} to {most} s"),
            Self::Seconds(least, most) => {
                write!(f, "{} to {} min", least / 60, most.div_ceil(60))
            }
            Self::ByItems => f.write_str("8 to 17 min without items, longer with them"),
            Self::Unknown => f.write_str("nobody knows how long"),
        }
    }
}

/// What to mind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caution {
    /// It cannot be taken back, for this reason.
    Irreversible(&'static str),
    /// DynamoDB allows few of it.
    Quota(&'static str),
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Irreversible(why) => write!(f, "irreversible: {why}"),
            Self::Quota(quota) => write!(f, "quota: {quota}"),
        }
    }
}

const MINUTE: u64 = 60;
const EXPIRY_QUOTA: Caution = Caution::Quota("one change an hour");

impl Facts {
    const fn of(call: &'static str, takes: Takes, limit_minutes: u64) -> Self {
        let limit = Some(Duration::from_secs(limit_minutes * MINUTE));
        Self { call, takes, limit, caution: None }
    }

    const fn mind(self, caution: Caution) -> Self {
        Self { caution: Some(caution), ..self }
    }

    const fn lose(self, what: &'static str) -> Self {
        self.mind(Caution::Irreversible(what))
    }

    const fn unlimited(self) -> Self {
        Self { limit: None, ..self }
    }
}

impl TableStep {
    /// What is known of the step.
    #[must_use]
    pub fn facts(&self) -> Facts {
        use Takes::{ByItems, NoTime, Seconds, Unknown};
        let update = |takes, limit| Facts::of("UpdateTable", takes, limit);
        match self {
            Self::Create(table) if table.global_indexes.is_empty() => {
                Facts::of("CreateTable", Seconds(2, 7), 10)
            }
            Self::Create(_) => Facts::of("CreateTable", Seconds(14, 22), 30),
            Self::Adopt => Facts::of("TagResource", NoTime, 5),
            Self::Settle { .. } => Facts::of("DescribeTable", Unknown, 1).unlimited(),
            Self::Billing { to: Capacity::OnDemand(_), .. } => update(Seconds(4, 172), 20)
                .mind(Caution::Quota("four switches to on demand in 24 hours")),
            Self::Billing { to: Capacity::Provisioned(_), .. } => update(Seconds(60, 98), 20),
            Self::Throughput { .. } => update(Seconds(1, 4), 10)
                .mind(Caution::Quota("four decreases a day, then one an hour")),
            Self::Limits(_) | Self::IndexLimits(..) => update(NoTime, 10),
            Self::CreateIndex { .. } => update(ByItems, 1).unlimited(),
            Self::DeleteIndex(_) => {
                update(Seconds(3, 5), 10).lose("the index has to be filled anew to come back")
            }
            Self::Stream(Stream::Off) => update(Seconds(4, 5), 5)
                .lose("a stream that is turned on again is another one, with another ARN"),
            Self::Stream(_) => update(Seconds(4, 5), 5),
            Self::Encryption(_) => update(Seconds(20, 30), 20)
                .mind(Caution::Quota("four changes in 24 hours, then one in six")),
            Self::Class(_) | Self::ReplicaClass { .. } => {
                update(Seconds(4, 6), 10).mind(Caution::Quota("two changes in 30 days"))
            }
            Self::Warm(_) | Self::IndexWarm(..) => update(Seconds(5 * MINUTE, 8 * MINUTE), 30)
                .lose("it can be raised and never lowered"),
            Self::TimeToLive { .. } => Facts::of("UpdateTimeToLive", NoTime, 10).mind(EXPIRY_QUOTA),
            Self::Setting(setting) | Self::ReplicaSetting { setting, .. } => setting.facts(),
            Self::Scale { .. } => Facts::of("PutScalingPolicy", NoTime, 5),
            Self::Unscale { .. } => Facts::of("DeregisterScalableTarget", NoTime, 5),
            Self::CreateReplica { .. } => update(Seconds(14, 12 * MINUTE), 1).unlimited(),
            Self::DeleteReplica(_) => update(Seconds(2 * MINUTE, 4 * MINUTE), 30)
                .lose("the replica has to be filled anew to come back"),
        }
    }
}

impl Setting {
    fn facts(&self) -> Facts {
        use Takes::{NoTime, Seconds};
        match self {
            Self::Recovery(recovery) => {
                let facts = Facts::of("UpdateContinuousBackups", Seconds(1, 6), 20);
                match recovery {
                    Recovery::Off => facts.lose("the past that it could restore is gone"),
                    Recovery::Days(_) => facts,
                }
            }
            Self::StartDestination { .. } => {
                Facts::of("EnableKinesisStreamingDestination", Seconds(10, 60), 20)
            }
            Self::StopDestination { .. } => {
                Facts::of("DisableKinesisStreamingDestination", Seconds(10, 60), 20)
                    .lose("changes until it is turned on again are not sent")
            }
            Self::DestinationPrecision { .. } => {
                Facts::of("UpdateKinesisStreamingDestination", Seconds(124, 152), 20)
            }
            Self::Insights { to, .. } => {
                let facts = Facts::of("UpdateContributorInsights", Seconds(5, 60), 20);
                match to {
                    Insights::Off => facts.lose("what they have gathered is gone"),
                    Insights::On(_) | Insights::Failed(_) => facts,
                }
            }
            Self::Policy(Policy::Off) => Facts::of("DeleteResourcePolicy", Seconds(1, 15), 10)
                .lose("whoever had rights by it has none"),
            Self::Policy(Policy::Document(_)) => Facts::of("PutResourcePolicy", Seconds(1, 15), 10),
            Self::Tag(_) => Facts::of("TagResource", Seconds(2, 3), 5),
            Self::Untag(_) => Facts::of("UntagResource", Seconds(2, 3), 5),
            Self::DeletionProtection(_) => Facts::of("UpdateTable", NoTime, 5),
        }
    }
}
