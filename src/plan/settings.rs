//! The steps of what a table has in each region for itself: how each reads, whether it is done, and what leads to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::changes::differs;
use crate::schema::{Destination, Insights, Policy, Precision, Recovery, Settings, Tags};

/// One change of the settings of a table in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Changes point-in-time recovery.
    Recovery(Recovery),
    /// Sends changes to a Kinesis stream.
    StartDestination {
        /// ARN of the stream.
        arn: String,
        /// How exact timestamps are; DynamoDB's default where it is not declared.
        precision: Option<Precision>,
    },
    /// Stops sending changes to a Kinesis stream.
    StopDestination {
        /// ARN of the stream.
        arn: String,
    },
    /// Changes how exact the timestamps in a Kinesis stream are.
    DestinationPrecision {
        /// ARN of the stream.
        arn: String,
        /// How exact.
        precision: Precision,
    },
    /// Changes contributor insights of the table, or of an index.
    Insights {
        /// Name of the index.
        index: Option<String>,
        /// What they are to be.
        to: Insights,
    },
    /// Puts a resource policy in place, or takes it away.
    Policy(Policy),
    /// Sets tags.
    Tag(Tags),
    /// Takes tags away that an earlier declaration had set.
    Untag(BTreeSet<String>),
    /// Turns deletion protection on or off.
    DeletionProtection(bool),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovery(recovery) => write!(f, "point-in-time recovery {recovery}"),
            Self::StartDestination { arn, precision } => {
                let to = Destination::Stream { arn: arn.clone(), precision: *precision };
                write!(f, "changes to {to}")
            }
            Self::StopDestination { arn } => write!(f, "no more changes to {arn}"),
            Self::DestinationPrecision { arn, precision } => {
                write!(f, "timestamps in {arn} by the {precision}")
            }
            Self::Insights { index: None, to } => write!(f, "contributor insights {to}"),
            Self::Insights { index: Some(index), to } => {
                write!(f, "index {index} contributor insights {to}")
            }
            Self::Policy(policy) => write!(f, "resource policy {policy}"),
            Self::Tag(tags) => {
                let keys: Vec<_> = tags.keys().map(String::as_str).collect();
                write!(f, "tag {}", keys.join(", "))
            }
            Self::Untag(keys) => {
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                write!(f, "untag {}", keys.join(", "))
            }
            Self::DeletionProtection(on) => {
                write!(f, "deletion protection {}", if *on { "on" } else { "off" })
            }
        }
    }
}

impl Setting {
    /// Whether the settings show that the step is done. What is not reported does not count as done.
    #[must_use]
    pub fn is_done(&self, live: &Settings) -> bool {
        match self {
            Self::Recovery(recovery) => live.recovery == Some(*recovery),
            Self::StartDestination { arn, precision } => {
                let to = Destination::Stream { arn: arn.clone(), precision: *precision };
                live.destination.as_ref().is_some_and(|live| to.is_met_by(live))
            }
            Self::StopDestination { arn } => {
                let live = live.destination.as_ref();
                live.is_some_and(|live| stream_of(live) != Some(arn))
            }
            Self::DestinationPrecision { arn, precision } => {
                let to = Destination::Stream { arn: arn.clone(), precision: Some(*precision) };
                live.destination == Some(to)
            }
            Self::Insights { index, to } => {
                insights_of(live, index.as_ref()).is_some_and(|live| to.is_met_by(live))
            }
            Self::Policy(policy) => live.policy.as_ref() == Some(policy),
            Self::Tag(tags) => live
                .tags
                .as_ref()
                .is_some_and(|live| tags.iter().all(|(key, value)| live.get(key) == Some(value))),
            Self::Untag(keys) => live
                .tags
                .as_ref()
                .is_some_and(|live| !keys.iter().any(|key| live.contains_key(key))),
            Self::DeletionProtection(on) => live.deletion_protection == Some(*on),
        }
    }

    /// Why a step that was accepted came to nothing.
    pub(super) fn failure(&self, live: &Settings) -> Option<String> {
        match self {
            Self::StartDestination { .. } => match live.destination.as_ref()? {
                Destination::Failed { reason, .. } => Some(reason.clone()),
                Destination::Off | Destination::Stream { .. } => None,
            },
            Self::Insights { index, to: Insights::On(_) } => {
                match insights_of(live, index.as_ref())? {
                    Insights::Failed(reason) => Some(reason.clone()),
                    Insights::Off | Insights::On(_) => None,
                }
            }
            _ => None,
        }
    }

    /// Whether the step turns something off that is wanted off and that nothing brings back: recovery loses its past,
    /// a stream the changes of meanwhile, others their rights.
    pub(super) fn turns_off(&self, want: &Settings) -> bool {
        match self {
            Self::Recovery(Recovery::Off)
            | Self::Policy(Policy::Off)
            | Self::DeletionProtection(false) => true,
            Self::StopDestination { .. } => want.destination == Some(Destination::Off),
            _ => false,
        }
    }
}

/// What leads from live settings to wanted ones, in order, all but deletion protection; what either side does not know
/// is left alone.
pub(super) fn changes(want: &Settings, live: &Settings) -> Vec<Setting> {
    let mut steps = Vec::new();
    if differs(want.recovery.as_ref(), live.recovery.as_ref()) {
        steps.extend(want.recovery.map(Setting::Recovery));
    }
    destination(want, live, &mut steps);
    steps.extend(insights(None, want.insights.as_ref(), live.insights.as_ref()));
    for (index, want) in &want.index_insights {
        steps.extend(insights(Some(index), Some(want), live.index_insights.get(index)));
    }
    if differs(want.policy.as_ref(), live.policy.as_ref()) {
        steps.extend(want.policy.clone().map(Setting::Policy));
    }
    if let (Some(want), Some(live)) = (&want.tags, &live.tags) {
        let missing = want.iter().filter(|(key, value)| live.get(*key) != Some(*value));
        let missing: BTreeMap<_, _> = missing.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !missing.is_empty() {
            steps.push(Setting::Tag(missing));
        }
    }
    steps
}

/// The change of deletion protection, which comes after all others.
pub(super) fn protection(want: &Settings, live: &Settings) -> Option<Setting> {
    let differs = differs(want.deletion_protection.as_ref(), live.deletion_protection.as_ref());
    want.deletion_protection.filter(|_| differs).map(Setting::DeletionProtection)
}

/// A table has one destination, so another stream comes by way of none.
fn destination(want: &Settings, live: &Settings, steps: &mut Vec<Setting>) {
    let (Some(want), Some(live)) = (&want.destination, &live.destination) else { return };
    if want.is_met_by(live) {
        return;
    }
    let live_stream = match live {
        Destination::Stream { arn, .. } => Some(arn),
        // What could not be turned on need not be turned off.
        Destination::Off | Destination::Failed { .. } => None,
    };
    match (want, live_stream) {
        (Destination::Stream { arn, precision: Some(precision) }, Some(live)) if arn == live => {
            steps.push(Setting::DestinationPrecision { arn: arn.clone(), precision: *precision });
        }
        (want, live) => {
            steps.extend(live.cloned().map(|arn| Setting::StopDestination { arn }));
            if let Destination::Stream { arn, precision } = want.clone() {
                steps.push(Setting::StartDestination { arn, precision });
            }
        }
    }
}

fn insights(
    index: Option<&String>,
    want: Option<&Insights>,
    live: Option<&Insights>,
) -> Option<Setting> {
    let (want, live) = (want?, live?);
    let to = || Setting::Insights { index: index.cloned(), to: want.clone() };
    (!want.is_met_by(live)).then(to)
}

fn insights_of<'a>(live: &'a Settings, index: Option<&String>) -> Option<&'a Insights> {
    match index {
        None => live.insights.as_ref(),
        Some(index) => live.index_insights.get(index),
    }
}

fn stream_of(destination: &Destination) -> Option<&String> {
    match destination {
        Destination::Stream { arn, .. } => Some(arn),
        Destination::Off | Destination::Failed { .. } => None,
    }
}
