//! What `DescribeTable` and `ListTables` say.

use serde_json::{Map, Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::flights::Job;
use super::rejection::{Rejection, Result};
use super::replicas;
use super::table::{Capacity, Index, LocalIndex, Status, Table, Units};

impl Account {
    pub(super) fn describe_table(&mut self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let table = self.tables.get_mut(&name).ok_or_else(|| Rejection::no_table(&name))?;
        if table.unseen > 0 {
            table.unseen -= 1;
            return Err(Rejection::no_table(&name));
        }
        let table = &self.tables[&name];
        Ok(json!({ "Table": self.description(table) }))
    }

    pub(super) fn list_tables(&self, request: &Value) -> Result<Value> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Page {
            exclusive_start_table_name: Option<String>,
            limit: usize,
        }
        impl Default for Page {
            fn default() -> Self {
                Self { exclusive_start_table_name: None, limit: 100 }
            }
        }
        let page: Page = read(request)?;
        let after = page.exclusive_start_table_name.unwrap_or_default();
        let names: Vec<_> = self.tables.keys().filter(|name| **name > after).collect();
        let limit = page.limit.clamp(1, 100);
        let mut answer = json!({ "TableNames": &names[..names.len().min(limit)] });
        if names.len() > limit {
            answer["LastEvaluatedTableName"] = json!(names[limit - 1]);
        }
        Ok(answer)
    }

    /// A `TableDescription`.
    pub(super) fn description(&self, table: &Table) -> Value {
        let mut shown = json!({
            "TableName": table.name,
            "TableId": table.id,
            "TableArn": self.table_arn(&table.name),
            "TableStatus": self.status_text(table),
            "CreationDateTime": self.clock.timestamp(table.created),
            "KeySchema": table.keys,
            "AttributeDefinitions": table.attributes.iter()
                .map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind }))
                .collect::<Vec<_>>(),
            "ProvisionedThroughput": self.throughput(&table.capacity),
            "ItemCount": table.counted.0,
            "TableSizeBytes": table.counted.1,
            "DeletionProtectionEnabled": table.protected,
            "WarmThroughput": warm(&table.capacity, table.is_doing(|job| matches!(job, Job::Warm(_)))),
        });
        let fields = [
            ("BillingModeSummary", self.billing_summary(table)),
            ("OnDemandThroughput", limits(&table.capacity)),
            ("SSEDescription", self.encryption_description(table)),
            ("TableClassSummary", self.class_summary(table)),
            ("GlobalSecondaryIndexes", list(&table.indexes, |index| self.index(table, index))),
            (
                "LocalSecondaryIndexes",
                list(&table.local_indexes, |index| self.local_index(table, index)),
            ),
            ("GlobalTableVersion", replicas::shown(table).map(|_| json!("2019.11.21"))),
            ("Replicas", replicas::shown(table)),
            ("LatestStreamArn", table.stream_arn.as_ref().map(|arn| json!(arn))),
            ("LatestStreamLabel", table.stream_arn.as_ref().map(|arn| json!(label(arn)))),
            (
                "StreamSpecification",
                table.stream.map(|view| json!({ "StreamEnabled": true, "StreamViewType": view })),
            ),
        ];
        insert(&mut shown, fields);
        shown
    }

    /// A table without its key is neither coming nor going, and not usable either.
    fn status_text(&self, table: &Table) -> &'static str {
        match (table.status(), self.inaccessible_since(table)) {
            (Status::Active, Some(_)) => "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
            (status, _) => status.text(),
        }
    }

    fn billing_summary(&self, table: &Table) -> Option<Value> {
        let since = table.on_demand_since?;
        let mut summary = json!({ "BillingMode": table.billing });
        if table.status() != Status::Creating {
            summary["LastUpdateToPayPerRequestDateTime"] = json!(self.clock.timestamp(since));
        }
        Some(summary)
    }

    fn class_summary(&self, table: &Table) -> Option<Value> {
        let mut summary = json!({ "TableClass": table.class? });
        if let Some(changed) = table.class_changed {
            summary["LastUpdateDateTime"] = json!(self.clock.timestamp(changed));
        }
        Some(summary)
    }

    /// While the key is changed, the old one is shown, then the new one.
    fn encryption_description(&self, table: &Table) -> Option<Value> {
        let in_flight = table.flights.iter().find_map(|flight| match &flight.job {
            Job::Encryption { key, shown } => Some((key, *shown)),
            _ => None,
        });
        let (key, status) = match in_flight {
            Some((key, shown)) if self.now >= shown => (key, "UPDATING"),
            Some(_) => (&table.encryption, "UPDATING"),
            None if table.encryption.is_some() => (&table.encryption, "ENABLED"),
            None => return None,
        };
        let mut shown = json!({ "Status": status });
        if let Some(key) = key {
            shown["SSEType"] = json!("KMS");
            shown["KMSMasterKeyArn"] = json!(key);
        }
        if let Some(since) = self.inaccessible_since(table) {
            shown["InaccessibleEncryptionDateTime"] = json!(self.clock.timestamp(since));
        }
        Some(shown)
    }

    fn index(&self, table: &Table, index: &Index) -> Value {
        let status = table.index_status(&index.name);
        let is_warming =
            table.is_doing(|job| matches!(job, Job::IndexWarm(name, _) if *name == index.name));
        let mut shown = json!({
            "IndexName": index.name,
            "IndexArn": format!("{}/index/{}", self.table_arn(&table.name), index.name),
            "IndexStatus": status.text(),
            "KeySchema": index.keys,
            "Projection": index.projection,
            "ProvisionedThroughput": self.throughput(&index.capacity),
            "WarmThroughput": warm(&index.capacity, is_warming),
            "IndexSizeBytes": 0,
            "ItemCount": 0,
        });
        insert(
            &mut shown,
            [
                ("Backfilling", status.backfilling().map(Value::from)),
                ("OnDemandThroughput", limits(&index.capacity)),
            ],
        );
        shown
    }

    fn local_index(&self, table: &Table, index: &LocalIndex) -> Value {
        json!({
            "IndexName": index.name,
            "IndexArn": format!("{}/index/{}", self.table_arn(&table.name), index.name),
            "KeySchema": index.keys,
            "Projection": index.projection,
            "IndexSizeBytes": 0,
            "ItemCount": 0,
        })
    }

    fn throughput(&self, capacity: &Capacity) -> Value {
        let Units { read, write } = capacity.provisioned;
        let mut shown = json!({
            "ReadCapacityUnits": read,
            "WriteCapacityUnits": write,
            "NumberOfDecreasesToday": capacity.decreases.today(self.now, &self.clock),
        });
        let date = |moment: Moment| json!(self.clock.timestamp(moment));
        insert(
            &mut shown,
            [
                ("LastIncreaseDateTime", capacity.increased.map(date)),
                ("LastDecreaseDateTime", capacity.decreases.last.map(date)),
            ],
        );
        shown
    }
}

/// The part of a stream's ARN that tells it from earlier ones.
fn label(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn limits(capacity: &Capacity) -> Option<Value> {
    let mut shown = json!({});
    insert(
        &mut shown,
        [
            ("MaxReadRequestUnits", capacity.read_limit.map(Value::from)),
            ("MaxWriteRequestUnits", capacity.write_limit.map(Value::from)),
        ],
    );
    shown.as_object().is_some_and(|shown| !shown.is_empty()).then_some(shown)
}

fn warm(capacity: &Capacity, is_changing: bool) -> Value {
    json!({
        "ReadUnitsPerSecond": capacity.warm.read,
        "WriteUnitsPerSecond": capacity.warm.write,
        "Status": if is_changing { "UPDATING" } else { "ACTIVE" },
    })
}

fn list<T>(elements: &[T], shown: impl Fn(&T) -> Value) -> Option<Value> {
    (!elements.is_empty()).then(|| elements.iter().map(shown).collect())
}

/// Adds the fields that there are.
pub(super) fn insert<const N: usize>(shown: &mut Value, fields: [(&str, Option<Value>); N]) {
    let mut empty = Map::new();
    let shown = shown.as_object_mut().unwrap_or(&mut empty);
    for (name, value) in fields {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    }
}
