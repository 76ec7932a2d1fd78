//! `CreateTable` and `DeleteTable`.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, read};
use super::admission;
use super::clock::Moment;
use super::flights::Job;
use super::policy::ResourcePolicy;
use super::rejection::{Rejection, Result};
use super::schema;
use super::table::{Capacity, Features, Index, LocalIndex, Status, Table, Units};
use super::tags;
use super::wire::{self, BillingMode};

impl Account {
    pub(super) fn create_table(&mut self, request: &Value) -> Result<Value> {
        let request: wire::CreateTable = read(request)?;
        let table = self.new_table(&request)?;
        if let Some(existing) = self.tables.get(&table.name) {
            return Err(match existing.status() {
                Status::Creating => {
                    Rejection::in_use(format!("Table is being created: {}", table.name))
                }
                Status::Updating | Status::Deleting | Status::Active => {
                    Rejection::table_exists(&table.name)
                }
            });
        }
        let has_indexes = !table.indexes.is_empty() || !table.local_indexes.is_empty();
        self.admit_operation(has_indexes)?;
        self.admit_mutation()?;
        let time = if table.indexes.is_empty() {
            self.durations.create
        } else {
            self.durations.create_with_indexes
        };
        let mut description = self.insert_table(table, time)?;
        without_warm_throughput(&mut description);
        Ok(json!({ "TableDescription": description }))
    }

    /// Adds a table that was checked, to be `ACTIVE` after `time`. Returns its description.
    pub(super) fn insert_table(&mut self, mut table: Table, time: Duration) -> Result<Value> {
        let stream = self.engine.create(&table, &table.name)?;
        table.stream_arn = stream.map(|arn| self.own_arn(&arn));
        table.start(Job::Creation, self.now.plus(time));
        let description = self.description(&table);
        self.tables.insert(table.name.clone(), table);
        Ok(description)
    }

    /// Checks a request as AWS does and makes the table of it.
    fn new_table(&mut self, request: &wire::CreateTable) -> Result<Table> {
        let name = request.table_name.clone().unwrap_or_default();
        schema::check_name("TableName", "tableName", &name)?;
        if request.vector_indexes.is_some() {
            return Err(Rejection::validation("the strict control plane has no vector indexes"));
        }
        let attributes = schema::attributes(request)?;
        schema::check_table_keys(&request.key_schema)?;
        let billing = request.billing_mode.unwrap_or(BillingMode::Provisioned);
        let capacity = table_capacity(request, billing)?;
        let local_indexes = local_indexes(request, &self.quotas)?;
        let indexes = global_indexes(request, billing, &self.quotas)?;
        let names = indexes.iter().map(|index| &index.name);
        schema::check_distinct(names.chain(local_indexes.iter().map(|index| &index.name)))?;
        let projections = indexes.iter().map(|index| &index.projection);
        let projections = projections.chain(local_indexes.iter().map(|index| &index.projection));
        schema::check_projected(projections, &self.quotas)?;
        let stream = match &request.stream_specification {
            Some(stream) => schema::first_stream(stream)?,
            None => None,
        };
        let tags = tags::checked(request.tags.as_deref().unwrap_or_default())?;
        tags::check_count(&tags, &self.quotas)?;
        let mut features = Features::default();
        if let Some(policy) = &request.resource_policy {
            features.policy = ResourcePolicy::first(policy, &self.clock, self.now)?;
        }
        let encryption = match &request.encryption {
            Some(encryption) => self.encryption_key(encryption)?,
            None => None,
        };
        Ok(Table {
            name,
            id: self.dice.uuid(),
            created: self.now,
            keys: request.key_schema.clone(),
            attributes,
            indexes,
            local_indexes,
            billing,
            was_provisioned: billing == BillingMode::Provisioned,
            on_demand_since: (billing == BillingMode::PayPerRequest).then_some(self.now),
            capacity,
            counted: (0, 0),
            stream,
            stream_arn: None,
            encryption,
            class: request.table_class,
            class_changed: None,
            protected: request.deletion_protection_enabled.unwrap_or(false),
            tags,
            old_tags: None,
            features,
            flights: Vec::new(),
            uses: super::quotas::Uses::default(),
            unseen: self.unseen,
        })
    }

    pub(super) fn delete_table(&mut self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let table = self.steady_table(&name)?;
        if table.protected {
            return Err(Rejection::validation(
                "Resource cannot be deleted as it is currently protected against deletion. \
                 Disable deletion protection first.",
            ));
        }
        admission::admit_deletion(table)?;
        if table.features.policy.is_pending(self.now, self.durations.policy_pending) {
            return Err(Rejection::in_use(format!(
                "Table: {name} has a pending resource-based policy update."
            )));
        }
        self.check_sources(table)?;
        self.admit_mutation()?;
        let until = self.now.plus(self.durations.delete);
        let table = self.at(&name);
        table.flights.clear();
        table.start(Job::Deletion, until);
        Ok(json!({ "TableDescription": self.description(&self.tables[&name]) }))
    }
}

fn table_capacity(request: &wire::CreateTable, billing: BillingMode) -> Result<Capacity> {
    let throughput = request.provisioned_throughput.map(schema::throughput).transpose()?;
    match (billing, throughput) {
        (BillingMode::PayPerRequest, Some(_)) => {
            return Err(Rejection::invalid(schema::NO_THROUGHPUT));
        }
        (BillingMode::Provisioned, None) => {
            return Err(Rejection::invalid(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ));
        }
        (BillingMode::PayPerRequest, None) | (BillingMode::Provisioned, Some(_)) => {}
    }
    let mut capacity = new_capacity(throughput);
    if let Some(limits) = &request.on_demand_throughput {
        if billing == BillingMode::Provisioned && !limits.is_empty() {
            let member = schema::first_limit(limits);
            return Err(Rejection::invalid(format!(
                "{member} for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED."
            )));
        }
        schema::check_first_limits(limits, "table")?;
        capacity.limit(limits);
    }
    if let Some(warm) = &request.warm_throughput {
        capacity.warm = schema::first_warm(*warm, capacity.warm, "table", billing)?;
    }
    Ok(capacity)
}

/// What a table or an index starts with, provisioned or on demand.
pub(super) fn new_capacity(throughput: Option<Units>) -> Capacity {
    Capacity {
        provisioned: throughput.unwrap_or_default(),
        warm: throughput.unwrap_or(Units::ON_DEMAND),
        ..Capacity::default()
    }
}

fn global_indexes(
    request: &wire::CreateTable,
    billing: BillingMode,
    quotas: &super::Quotas,
) -> Result<Vec<Index>> {
    let Some(indexes) = &request.global_secondary_indexes else { return Ok(Vec::new()) };
    if indexes.is_empty() {
        return Err(Rejection::invalid("List of GlobalSecondaryIndexes is empty"));
    }
    if indexes.len() > quotas.global_indexes {
        return Err(Rejection::invalid(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {}",
            quotas.global_indexes
        )));
    }
    indexes.iter().map(|index| schema::global_index(index, billing)).collect()
}

fn local_indexes(request: &wire::CreateTable, quotas: &super::Quotas) -> Result<Vec<LocalIndex>> {
    let Some(indexes) = &request.local_secondary_indexes else { return Ok(Vec::new()) };
    if indexes.is_empty() {
        return Err(Rejection::invalid("List of LocalSecondaryIndexes is empty"));
    }
    if indexes.len() > quotas.local_indexes {
        return Err(Rejection::invalid(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {}",
            quotas.local_indexes
        )));
    }
    indexes.iter().map(|index| schema::local_index(index, &request.key_schema)).collect()
}

/// The answer to `CreateTable` does not tell the warm throughput yet.
fn without_warm_throughput(description: &mut Value) {
    if let Some(description) = description.as_object_mut() {
        description.remove("WarmThroughput");
        let indexes = description.get_mut("GlobalSecondaryIndexes").and_then(Value::as_array_mut);
        for index in indexes.into_iter().flatten().filter_map(Value::as_object_mut) {
            index.remove("WarmThroughput");
        }
    }
}

impl Capacity {
    /// Takes other provisioned throughput; what it was warm for it stays warm for.
    pub(super) fn provision(&mut self, units: Units, at: Moment) {
        if self.provisioned.is_below(units) {
            self.increased = Some(at);
        }
        self.provisioned = units;
        self.warm = self.warm.max(units);
    }

    /// Sets or, by -1, clears each limit that is given.
    pub(super) fn limit(&mut self, limits: &wire::Limits) {
        let figure = |limit: i64| u64::try_from(limit).ok();
        if let Some(limit) = limits.max_read_request_units {
            self.read_limit = figure(limit);
        }
        if let Some(limit) = limits.max_write_request_units {
            self.write_limit = figure(limit);
        }
    }
}
