//! The Kinesis stream that a table's changes go to: one at a time, and checked only afterwards.

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::describe::insert;
use super::rejection::{Rejection, Result};
use super::table::{Status, Table};

/// A stream that was ever enabled; it stays listed when it is not any more.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    arn: String,
    goal: Goal,
    settled: Moment,
    precision: Option<String>,
}

/// Where the last change leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Active(Via),
    Disabled,
    Failed(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Enabling,
    Updating,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    stream_arn: String,
    #[serde(alias = "UpdateKinesisStreamingConfiguration")]
    enable_kinesis_streaming_configuration: Option<Configuration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    approximate_creation_date_time_precision: Option<String>,
}

impl Destination {
    fn status(&self, now: Moment) -> &'static str {
        match (&self.goal, now < self.settled) {
            (Goal::Active(Via::Enabling) | Goal::Failed(_), true) => "ENABLING",
            (Goal::Active(Via::Updating), true) => "UPDATING",
            (Goal::Active(_), false) => "ACTIVE",
            (Goal::Disabled, true) => "DISABLING",
            (Goal::Disabled, false) => "DISABLED",
            (Goal::Failed(_), false) => "ENABLE_FAILED",
        }
    }

    fn is_live(&self, now: Moment) -> bool {
        !matches!(self.status(now), "DISABLED" | "ENABLE_FAILED")
    }
}

impl Account {
    pub(super) fn enable_kinesis(&mut self, request: &Value) -> Result<Value> {
        let name = self.kinesis_table(request)?.name.clone();
        let request: Request = read(request)?;
        let now = self.now;
        let destinations = &self.tables[&name].features.kinesis;
        if destinations.iter().any(|destination| destination.is_live(now)) {
            return Err(invalid_state(
                "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation.",
            ));
        }
        let goal = self.enabled_or_why_not(&request.stream_arn);
        let enabled = Destination {
            arn: request.stream_arn,
            goal,
            settled: now.plus(self.durations.kinesis_enable),
            precision: request
                .enable_kinesis_streaming_configuration
                .and_then(|configuration| configuration.approximate_creation_date_time_precision),
        };
        let answer = outcome(&name, &enabled, now);
        let destinations = &mut self.at(&name).features.kinesis;
        destinations.retain(|destination| destination.arn != enabled.arn);
        destinations.push(enabled);
        Ok(answer)
    }

    /// A stream is taken whatever it is, and turns out to be none later.
    fn enabled_or_why_not(&self, arn: &str) -> Goal {
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", _, "kinesis", region, account, stream] if stream.starts_with("stream/") => {
                if region != self.region {
                    Goal::Failed(
                        "The kinesis Arn used to enable kinesis replication belongs to a stream which is not in the \
                         current region",
                    )
                } else if account != self.id {
                    Goal::Failed(
                        "The kinesis Arn used to enable kinesis replication belongs to a stream which is not in \
                         Active state",
                    )
                } else {
                    Goal::Active(Via::Enabling)
                }
            }
            _ => Goal::Failed("User does not have a permission to use kinesis stream"),
        }
    }

    pub(super) fn disable_kinesis(&mut self, request: &Value) -> Result<Value> {
        let name = self.kinesis_table(request)?.name.clone();
        let request: Request = read(request)?;
        let (now, settled) = (self.now, self.now.plus(self.durations.kinesis_disable));
        let destination = self.active_destination(&name, &request.stream_arn).ok_or_else(|| {
            invalid_state(
                "KinesisStreamingDestination must be ACTIVE to perform DISABLE operation.",
            )
        })?;
        destination.goal = Goal::Disabled;
        destination.settled = settled;
        Ok(outcome(&name, destination, now))
    }

    pub(super) fn update_kinesis(&mut self, request: &Value) -> Result<Value> {
        let name = self.kinesis_table(request)?.name.clone();
        let request: Request = read(request)?;
        let (now, settled) = (self.now, self.now.plus(self.durations.kinesis_update));
        let wanted = request
            .enable_kinesis_streaming_configuration
            .and_then(|configuration| configuration.approximate_creation_date_time_precision);
        let destination = self.active_destination(&name, &request.stream_arn).ok_or_else(|| {
            invalid_state(
                "Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state.",
            )
        })?;
        let wanted = wanted.unwrap_or_else(|| MILLISECOND.to_owned());
        if destination.precision.as_deref().unwrap_or(MILLISECOND) == wanted {
            return Err(invalid_state(&format!("Precision is already set to {wanted}.")));
        }
        destination.precision = Some(wanted);
        destination.goal = Goal::Active(Via::Updating);
        destination.settled = settled;
        Ok(outcome(&name, destination, now))
    }

    pub(super) fn describe_kinesis(&self, request: &Value) -> Result<Value> {
        let table = self.kinesis_table(request)?;
        let destinations = table.features.kinesis.iter().map(|destination| {
            let mut shown = json!({
                "StreamArn": destination.arn,
                "DestinationStatus": destination.status(self.now),
            });
            let why = match &destination.goal {
                Goal::Failed(why) if self.now >= destination.settled => Some(json!(why)),
                Goal::Failed(_) | Goal::Active(_) | Goal::Disabled => None,
            };
            insert(
                &mut shown,
                [
                    (
                        "ApproximateCreationDateTimePrecision",
                        destination.precision.as_ref().map(|precision| json!(precision)),
                    ),
                    ("DestinationStatusDescription", why),
                ],
            );
            shown
        });
        Ok(json!({
            "TableName": table.name,
            "KinesisDataStreamDestinations": destinations.collect::<Vec<_>>(),
        }))
    }

    fn active_destination(&mut self, table: &str, arn: &str) -> Option<&mut Destination> {
        let now = self.now;
        let mut destinations = self.at(table).features.kinesis.iter_mut();
        destinations
            .find(|destination| destination.arn == arn && destination.status(now) == "ACTIVE")
    }

    fn kinesis_table(&self, request: &Value) -> Result<&Table> {
        let name = self.table_name(request)?;
        let table = self.known_table(&name)?;
        if table.status() == Status::Deleting {
            return Err(invalid_state("the table is being deleted."));
        }
        Ok(table)
    }
}

const MILLISECOND: &str = "MILLISECOND";

fn outcome(table: &str, destination: &Destination, now: Moment) -> Value {
    let mut answer = json!({
        "TableName": table,
        "StreamArn": destination.arn,
        "DestinationStatus": destination.status(now),
    });
    if let Some(precision) = &destination.precision {
        answer["EnableKinesisStreamingConfiguration"] =
            json!({ "ApproximateCreationDateTimePrecision": precision });
    }
    answer
}

fn invalid_state(why: &str) -> Rejection {
    Rejection::validation(format!(
        "Table is not in a valid state to enable Kinesis Streaming Destination: {why}"
    ))
}
