//! What one AWS account has in one region, and the way of a call to the operation that serves it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::autoscaling::Scaling;
use super::backups::Backup;
use super::clock::{Clock, Moment};
use super::durations::Durations;
use super::engine::{self, Engine};
use super::faults::Dice;
use super::flights::{Flight, Job};
use super::kms::Keys;
use super::quotas::{Limiter, Quotas};
use super::rejection::{Rejection, Result};
use super::table::{Status, Table};

/// The services that the plane speaks for, told apart by the prefix of `X-Amz-Target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    DynamoDb,
    Streams,
    Autoscaling,
    Kms,
}

impl Service {
    /// Splits a target like `DynamoDB_20120810.CreateTable`.
    pub(super) fn of(target: &str) -> Option<(Self, &str)> {
        let (prefix, operation) = target.split_once('.')?;
        let service = match prefix {
            "DynamoDB_20120810" => Self::DynamoDb,
            "DynamoDBStreams_20120810" => Self::Streams,
            "AnyScaleFrontendService" => Self::Autoscaling,
            "TrentService" => Self::Kms,
            _ => return None,
        };
        Some((service, operation))
    }
}

/// An account's tables and all that belongs to them.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) clock: Arc<Clock>,
    pub(super) durations: Durations,
    pub(super) quotas: Quotas,
    /// How often `DescribeTable` does not know a new table.
    pub(super) unseen: u32,
    /// Most items that a page looks at.
    pub(super) page_items: Option<u32>,
    pub(super) dice: Dice,
    pub(super) engine: Engine,
    /// The moment of the call that is being served.
    pub(super) now: Moment,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) backups: BTreeMap<String, Backup>,
    pub(super) keys: Keys,
    pub(super) scaling: Scaling,
    pub(super) limiter: Limiter,
}

impl Account {
    /// Serves one call: the body of the answer, or why not.
    pub(super) fn call(&mut self, service: Service, operation: &str, body: &str) -> Result<String> {
        self.now = self.clock.now();
        self.settle()?;
        let has_items = matches!(service, Service::DynamoDb | Service::Streams);
        if has_items && engine::OPERATIONS.contains(&operation) {
            return self.item_call(operation, body);
        }
        let request: Value = serde_json::from_str(body)
            .map_err(|error| Rejection::serialization(error.to_string()))?;
        let answer = match service {
            Service::DynamoDb => self.serve(operation, &request)?,
            Service::Streams => return Err(Rejection::unknown_operation()),
            Service::Autoscaling => self.serve_autoscaling(operation, &request)?,
            Service::Kms => self.serve_kms(operation, &request)?,
        };
        Ok(answer.to_string())
    }

    fn serve(&mut self, operation: &str, request: &Value) -> Result<Value> {
        match operation {
            "CreateTable" => self.create_table(request),
            "UpdateTable" => self.update_table(request),
            "DeleteTable" => self.delete_table(request),
            "DescribeTable" => self.describe_table(request),
            "ListTables" => self.list_tables(request),
            "UpdateTimeToLive" => self.update_time_to_live(request),
            "DescribeTimeToLive" => self.describe_time_to_live(request),
            "UpdateContinuousBackups" => self.update_continuous_backups(request),
            "DescribeContinuousBackups" => self.describe_continuous_backups(request),
            "TagResource" => self.tag_resource(request),
            "UntagResource" => self.untag_resource(request),
            "ListTagsOfResource" => self.list_tags(request),
            "CreateBackup" => self.create_backup(request),
            "DescribeBackup" => self.describe_backup(request),
            "ListBackups" => self.list_backups(request),
            "DeleteBackup" => self.delete_backup(request),
            "RestoreTableFromBackup" => self.restore_table(request),
            "UpdateContributorInsights" => self.update_contributor_insights(request),
            "DescribeContributorInsights" => self.describe_contributor_insights(request),
            "ListContributorInsights" => self.list_contributor_insights(request),
            "GetResourcePolicy" => self.get_resource_policy(request),
            "PutResourcePolicy" => self.put_resource_policy(request),
            "DeleteResourcePolicy" => self.delete_resource_policy(request),
            "EnableKinesisStreamingDestination" => self.enable_kinesis(request),
            "DisableKinesisStreamingDestination" => self.disable_kinesis(request),
            "UpdateKinesisStreamingDestination" => self.update_kinesis(request),
            "DescribeKinesisStreamingDestination" => self.describe_kinesis(request),
            "DescribeLimits" => Ok(json!({
                "AccountMaxReadCapacityUnits": 80_000,
                "AccountMaxWriteCapacityUnits": 80_000,
                "TableMaxReadCapacityUnits": 40_000,
                "TableMaxWriteCapacityUnits": 40_000,
            })),
            "DescribeEndpoints" => {
                let address = format!("dynamodb.{}.amazonaws.com", self.region);
                Ok(json!({ "Endpoints": [{ "Address": address, "CachePeriodInMinutes": 1440 }] }))
            }
            _ => Err(Rejection::unknown_operation()),
        }
    }

    /// Carries out what has become due since the last call, in the order in which it did.
    fn settle(&mut self) -> Result<()> {
        while let Some((table, flight)) = self.next_due() {
            self.finish(&table, flight)?;
        }
        Ok(())
    }

    fn next_due(&mut self) -> Option<(String, Flight)> {
        let due = self.tables.values().flat_map(|table| {
            let flights = table.flights.iter().enumerate();
            flights.map(|(at, flight)| (flight.until, table.name.clone(), at))
        });
        let (_, name, at) =
            due.filter(|(until, ..)| *until <= self.now).min_by_key(|(until, ..)| *until)?;
        let flight = self.tables.get_mut(&name)?.flights.remove(at);
        Some((name, flight))
    }

    fn finish(&mut self, name: &str, flight: Flight) -> Result<()> {
        let Some(table) = self.tables.get_mut(name) else { return Ok(()) };
        match flight.job {
            Job::Creation => {
                table.unseen = 0;
                table.features.recovery.start(flight.until.plus(self.durations.backups_enabling));
            }
            Job::Deletion => self.bury(name, flight.until)?,
            Job::Throughput(units) => table.capacity.provision(units, flight.until),
            Job::Class(class) => {
                table.class = Some(class);
                table.class_changed = Some(flight.until);
            }
            Job::Encryption { key, .. } => table.encryption = key,
            Job::Warm(units) => table.capacity.warm = units,
            Job::IndexAllocation(index) => {
                let until = flight.until.plus(self.durations.index_backfill);
                table.start(Job::IndexBackfill(index), until);
            }
            Job::IndexBackfill(index) => self.engine.add_index(&self.tables[name], &index)?,
            Job::IndexDeletion(index) => {
                table.indexes.retain(|kept| kept.name != index);
                table.features.insights.remove(&Some(index));
                table.prune_attributes();
            }
            Job::IndexThroughput(index, units) => {
                if let Some(index) = table.index_mut(&index) {
                    index.capacity.provision(units, flight.until);
                }
            }
            Job::IndexWarm(index, units) => {
                if let Some(index) = table.index_mut(&index) {
                    index.capacity.warm = units;
                }
            }
            Job::Replica(region, job) => {
                self.finish_replica(name, region, &job, flight.until)?;
            }
            Job::Billing | Job::Stream | Job::IndexLimits(_) | Job::Tags(_) => {}
        }
        Ok(())
    }

    // What many operations need.

    pub(super) fn table_arn(&self, name: &str) -> String {
        format!("{}table/{name}", self.arn_prefix())
    }

    pub(super) fn arn_prefix(&self) -> String {
        format!("arn:aws:dynamodb:{}:{}:", self.region, self.id)
    }

    /// The table that a request names, by its name or by its ARN.
    pub(super) fn table_name(&self, request: &Value) -> Result<String> {
        let named =
            request["TableName"].as_str().ok_or_else(|| Rejection::missing_member("tableName"))?;
        Ok(self.name_of(named).to_owned())
    }

    pub(super) fn name_of<'a>(&self, name_or_arn: &'a str) -> &'a str {
        let in_arn = name_or_arn.strip_prefix(&self.arn_prefix());
        let in_arn = in_arn.and_then(|rest| rest.strip_prefix("table/"));
        in_arn.map_or(name_or_arn, |rest| rest.split('/').next().unwrap_or(rest))
    }

    pub(super) fn table(&self, name: &str) -> Result<&Table> {
        self.tables.get(name).ok_or_else(|| Rejection::no_table(name))
    }

    /// A table that a change may be made to, as far as it is neither coming nor going.
    pub(super) fn steady_table(&self, name: &str) -> Result<&Table> {
        let table = self.table(name)?;
        match table.status() {
            Status::Creating => Err(Rejection::in_use(format!("Table is being created: {name}"))),
            Status::Deleting => Err(Rejection::in_use(format!("Table is being deleted: {name}"))),
            Status::Updating | Status::Active => Ok(table),
        }
    }

    /// A table that the operations of features know: they learn of a new one late.
    pub(super) fn known_table(&self, name: &str) -> Result<&Table> {
        let table = self.table(name)?;
        if table.status() == Status::Creating { Err(Rejection::no_table(name)) } else { Ok(table) }
    }

    /// The table of a name that is known to be there.
    pub(super) fn at(&mut self, name: &str) -> &mut Table {
        self.tables.get_mut(name).expect("the caller has looked the table up in the same call")
    }

    /// Counts a change of the account against its rate.
    pub(super) fn admit_mutation(&mut self) -> Result<()> {
        self.limiter.admit(self.now, &self.quotas)
    }

    /// Counts a table operation against how many may go on at once.
    pub(super) fn admit_operation(&self, with_indexes: bool) -> Result<()> {
        let limit =
            if with_indexes { self.quotas.operations_with_indexes } else { self.quotas.operations };
        let going_on = self.tables.values().filter(|table| table.is_operating()).count();
        if going_on < limit {
            return Ok(());
        }
        Err(Rejection::limit(format!("Only {limit} table operations can be done simultaneously")))
    }
}

/// Reads a request into its type.
pub(super) fn read<T: DeserializeOwned>(request: &Value) -> Result<T> {
    T::deserialize(request).map_err(|error| Rejection::serialization(error.to_string()))
}
