//! Replicas in other regions, as the table's own region sees them.

use serde_json::{Value, json};

use super::account::Account;
use super::clock::Moment;
use super::describe::insert;
use super::flights::Job;
use super::rejection::{Rejection, Result};
use super::table::Table;
use super::wire::{self, BillingMode, Class, ReplicaUpdate, ViewType};

/// A replica.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    region: String,
    key: Option<String>,
    class: Option<Class>,
    state: State,
    created: Moment,
    /// When another replica was last made from it.
    source: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Creating,
    Updating,
    Active,
    Deleting,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Updating => "UPDATING",
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}

/// What is done to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReplicaJob {
    /// It is not listed yet.
    Announcement,
    Creation,
    Update,
    /// The table is still `UPDATING`.
    Withdrawal,
    Deletion,
    /// It is not listed any more, but its table is still there.
    Remains,
}

const SOURCE: &str = "Replica cannot be deleted because it has acted as a source region for new replica(s) being added \
                      to the table in the last 24 hours.";

impl Table {
    /// The replica that is just being added.
    pub(super) fn incoming_replica(&self) -> Option<&str> {
        self.flights.iter().find_map(|flight| match &flight.job {
            Job::Replica(region, ReplicaJob::Creation) => Some(region.as_str()),
            _ => None,
        })
    }

    fn replica_mut(&mut self, region: &str) -> Option<&mut Replica> {
        self.features.replicas.iter_mut().find(|replica| replica.region == region)
    }
}

impl Account {
    pub(super) fn check_replicas(&self, table: &Table, updates: &[ReplicaUpdate]) -> Result<()> {
        let actions = updates.iter().map(action).collect::<Result<Vec<_>>>()?;
        let online = actions.iter().filter(|action| !matches!(action, Action::Update(_))).count();
        if online > 1 {
            return Err(Rejection::validation(
                "Update table operation with more than one create or delete replica actions not allowed",
            ));
        }
        for action in actions {
            match action {
                Action::Create(replica) => self.check_replica_creation(table, replica)?,
                Action::Update(replica) => Self::check_replica_update(table, replica)?,
                Action::Delete(replica) => self.check_replica_deletion(table, replica)?,
            }
        }
        Ok(())
    }

    fn check_replica_creation(&self, table: &Table, replica: &wire::Replica) -> Result<()> {
        let (name, region) = (&table.name, &replica.region_name);
        self.check_region(region)?;
        let remains = Job::Replica(region.clone(), ReplicaJob::Remains);
        if has_replica(table, region) || table.is_doing(|job| *job == remains) {
            return Err(Rejection::validation(format!(
                "Failed to create a the new replica of table with name: ‘{name}’ because one or more replicas already \
                 existed as tables."
            )));
        }
        match (&table.encryption, &replica.key) {
            (Some(_), None) | (None, Some(_)) => {
                return Err(Rejection::validation(
                    "KMSMasterKeyId must be specified for each replica.",
                ));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if table.billing == BillingMode::PayPerRequest {
            return Ok(());
        }
        if !self.scales_writes(name, None) {
            return Err(Rejection::validation(
                "Table write capacity should either be Pay-Per-Request or AutoScaled.",
            ));
        }
        if table.indexes.iter().all(|index| self.scales_writes(name, Some(&index.name))) {
            Ok(())
        } else {
            Err(Rejection::validation(
                "GSI write capacity should either be Pay-Per-Request or AutoScaled.",
            ))
        }
    }

    fn check_region(&self, region: &str) -> Result<()> {
        if region == self.region {
            return Err(Rejection::validation(
                "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or \
                 UpdateTable as required.",
            ));
        }
        let parts: Vec<_> = region.split('-').collect();
        let is_region = parts.len() >= 3 && region == region.to_lowercase();
        if is_region {
            return Ok(());
        }
        Err(Rejection::validation(format!(
            "Region {region} is not supported. The latest version of global tables are only supported in the following \
             regions: [eu-west-1, us-east-1, us-west-2]"
        )))
    }

    fn check_replica_update(table: &Table, replica: &wire::Replica) -> Result<()> {
        check_member(table, &replica.region_name)?;
        if replica.key.is_some() {
            return Err(Rejection::validation("KMSMasterKeyId of a replica cannot be updated."));
        }
        let changes = replica.table_class_override.is_some()
            || replica.provisioned_throughput_override.is_some()
            || replica.on_demand_throughput_override.is_some()
            || replica.global_secondary_indexes.is_some();
        if changes {
            return Ok(());
        }
        Err(Rejection::validation(
            "There are no actions specified in the Replica Update Action of the request.",
        ))
    }

    fn check_replica_deletion(&self, table: &Table, replica: &wire::Replica) -> Result<()> {
        let region = &replica.region_name;
        if *region == self.region {
            return self.check_region(region);
        }
        check_member(table, region)?;
        let found = table.features.replicas.iter().find(|replica| replica.region == *region);
        let source = found.and_then(|replica| replica.source);
        if source.is_some_and(|at| self.now < at.plus(self.quotas.replica_source_interval)) {
            return Err(Rejection::validation(SOURCE));
        }
        Ok(())
    }

    /// A table that replicas were lately made from cannot be deleted.
    pub(super) fn check_sources(&self, table: &Table) -> Result<()> {
        let is_recent =
            |created: Moment| self.now < created.plus(self.quotas.replica_source_interval);
        if table.features.replicas.iter().any(|replica| is_recent(replica.created)) {
            return Err(Rejection::validation(SOURCE));
        }
        Ok(())
    }

    pub(super) fn change_replicas(&mut self, name: &str, updates: &[ReplicaUpdate]) -> Result<()> {
        for update in updates {
            match action(update)? {
                Action::Create(replica) => self.announce_replica(name, replica)?,
                Action::Update(replica) => self.update_replica(name, replica),
                Action::Delete(replica) => {
                    let until = self.now.plus(self.durations.replica_withdraw);
                    let job = Job::Replica(replica.region_name.clone(), ReplicaJob::Withdrawal);
                    self.at(name).start(job, until);
                }
            }
        }
        Ok(())
    }

    /// The service turns the stream on that it needs.
    fn announce_replica(&mut self, name: &str, replica: &wire::Replica) -> Result<()> {
        let until = self.now.plus(self.durations.replica_announce);
        if self.table(name)?.stream.is_none() {
            let arn = self.engine.set_stream(name, Some(ViewType::NewAndOldImages))?;
            let arn = arn.map(|arn| self.own_arn(&arn));
            let table = self.at(name);
            table.stream = Some(ViewType::NewAndOldImages);
            table.stream_arn = arn;
        }
        let now = self.now;
        let table = self.at(name);
        table.features.announced = Some(Replica {
            region: replica.region_name.clone(),
            key: replica.key.clone(),
            class: replica.table_class_override,
            state: State::Creating,
            created: now,
            source: None,
        });
        table.start(Job::Replica(replica.region_name.clone(), ReplicaJob::Announcement), until);
        Ok(())
    }

    fn update_replica(&mut self, name: &str, update: &wire::Replica) {
        let until = self.now.plus(self.durations.replica_update);
        let region = update.region_name.clone();
        let table = self.at(name);
        if let Some(replica) = table.replica_mut(&region) {
            replica.state = State::Updating;
            replica.class = update.table_class_override.or(replica.class);
        }
        table.start(Job::Replica(region, ReplicaJob::Update), until);
    }

    pub(super) fn finish_replica(
        &mut self,
        name: &str,
        region: String,
        job: &ReplicaJob,
        at: Moment,
    ) -> Result<()> {
        let creation = if self.engine.has_items(name)? {
            self.durations.replica_create_with_items
        } else {
            self.durations.replica_create
        };
        let (deletion, remains) = (self.durations.replica_delete, self.durations.replica_remains);
        let table = self.at(name);
        match job {
            ReplicaJob::Announcement => {
                table.features.replicas.extend(table.features.announced.take());
                table.start(Job::Replica(region, ReplicaJob::Creation), at.plus(creation));
            }
            ReplicaJob::Creation | ReplicaJob::Update => {
                if let Some(replica) = table.replica_mut(&region) {
                    replica.state = State::Active;
                }
            }
            ReplicaJob::Withdrawal => {
                if let Some(replica) = table.replica_mut(&region) {
                    replica.state = State::Deleting;
                }
                table.start(Job::Replica(region, ReplicaJob::Deletion), at.plus(deletion));
            }
            ReplicaJob::Deletion => {
                table.features.replicas.retain(|replica| replica.region != region);
                table.start(Job::Replica(region, ReplicaJob::Remains), at.plus(remains));
            }
            ReplicaJob::Remains => {}
        }
        Ok(())
    }

    /// Has a replica be the source of another, which only another region can do.
    pub(super) fn mark_source(&mut self, table: &str, region: &str) {
        self.now = self.clock.now();
        let now = self.now;
        let replica = self.tables.get_mut(table).and_then(|table| table.replica_mut(region));
        if let Some(replica) = replica {
            replica.source = Some(now);
        }
    }
}

/// What `DescribeTable` says about replicas.
pub(super) fn shown(table: &Table) -> Option<Value> {
    let replicas = table.features.replicas.iter().map(|replica| {
        let mut shown = json!({
            "RegionName": replica.region,
            "ReplicaStatus": replica.state.text(),
        });
        insert(
            &mut shown,
            [
                ("KMSMasterKeyId", replica.key.as_ref().map(|key| json!(key))),
                (
                    "ReplicaTableClassSummary",
                    replica.class.map(|class| json!({ "TableClass": class })),
                ),
            ],
        );
        shown
    });
    let replicas: Vec<_> = replicas.collect();
    (!replicas.is_empty()).then(|| json!(replicas))
}

enum Action<'a> {
    Create(&'a wire::Replica),
    Update(&'a wire::Replica),
    Delete(&'a wire::Replica),
}

fn action(update: &ReplicaUpdate) -> Result<Action<'_>> {
    match (&update.create, &update.update, &update.delete) {
        (Some(replica), None, None) => Ok(Action::Create(replica)),
        (None, Some(replica), None) => Ok(Action::Update(replica)),
        (None, None, Some(replica)) => Ok(Action::Delete(replica)),
        (None, None, None) => Err(Rejection::validation(
            "There are no actions specified in the Replica Update Action of the request.",
        )),
        _ => Err(Rejection::validation(
            "Update table operation with more than one type of replica actions not allowed.",
        )),
    }
}

fn has_replica(table: &Table, region: &str) -> bool {
    table.features.replicas.iter().any(|replica| replica.region == region)
}

fn check_member(table: &Table, region: &str) -> Result<()> {
    if has_replica(table, region) {
        return Ok(());
    }
    Err(Rejection::validation(format!(
        "Update global table operation failed because one or more replicas were not part of the global table. Please \
         retry the request without these replicas: [{region}]."
    )))
}
