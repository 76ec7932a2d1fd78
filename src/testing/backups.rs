//! Backups with the data, and tables restored from them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::create::new_capacity;
use super::rejection::{Rejection, Result};
use super::schema;
use super::table::{Features, Status, Table};
use super::wire::{BillingMode, Tags, Throughput};

/// A backup.
#[derive(Debug)]
pub(super) struct Backup {
    arn: String,
    name: String,
    kind: Kind,
    created: Moment,
    ready: Moment,
    table: Table,
    items: Vec<Value>,
    /// The table that was last restored from it.
    target: Option<String>,
}

/// Who made a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    /// AWS does when a table with point-in-time recovery is deleted.
    System,
}

/// How long a backup that AWS made is kept.
const SYSTEM_EXPIRY: Duration = Duration::from_hours(35 * 24);

impl Account {
    pub(super) fn create_backup(&mut self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let backup = request["BackupName"].as_str().unwrap_or_default().to_owned();
        schema::check_name("BackupName", "backupName", &backup)?;
        self.check_key(self.backed_up_table(&name)?)?;
        let arn = self.make_backup(&name, backup, Kind::User, self.now)?;
        let mut details = self.backup_details(&self.backups[&arn]);
        details["BackupStatus"] = json!("CREATING");
        Ok(json!({ "BackupDetails": details }))
    }

    fn make_backup(&mut self, table: &str, name: String, kind: Kind, at: Moment) -> Result<String> {
        let items = self.engine.items(table)?;
        let milliseconds = (self.clock.timestamp(at) * 1000.0).round();
        let digits = match kind {
            Kind::User => self.dice.digits(),
            Kind::System => "00000000".to_owned(),
        };
        let arn = format!("{}/backup/{milliseconds:014}-{digits}", self.table_arn(table));
        let backup = Backup {
            arn: arn.clone(),
            name,
            kind,
            created: at,
            ready: at.plus(self.durations.backup),
            table: self.table(table)?.clone(),
            items,
            target: None,
        };
        self.backups.insert(arn.clone(), backup);
        Ok(arn)
    }

    /// Ends a table that was deleted. What was protected by point-in-time recovery is kept as a backup.
    pub(super) fn bury(&mut self, name: &str, at: Moment) -> Result<()> {
        if self.table(name)?.features.recovery.is_on() {
            self.make_backup(name, format!("{name}$DeletedTableBackup"), Kind::System, at)?;
        }
        self.tables.remove(name);
        self.engine.delete(name)
    }

    pub(super) fn describe_backup(&self, request: &Value) -> Result<Value> {
        let backup = self.backup(request)?;
        Ok(json!({ "BackupDescription": self.backup_description(backup) }))
    }

    pub(super) fn delete_backup(&mut self, request: &Value) -> Result<Value> {
        let backup = self.backup(request)?;
        if self.is_restoring(backup) {
            return Err(Rejection::backup_in_use(&backup.arn));
        }
        if backup.kind == Kind::System {
            return Err(Rejection::validation(
                "You are not allowed to delete the system backup of a deleted table",
            ));
        }
        let mut description = self.backup_description(backup);
        description["BackupDetails"]["BackupStatus"] = json!("DELETED");
        let arn = backup.arn.clone();
        self.backups.remove(&arn);
        Ok(json!({ "BackupDescription": description }))
    }

    pub(super) fn list_backups(&self, request: &Value) -> Result<Value> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Page {
            table_name: Option<String>,
            backup_type: Option<String>,
            limit: Option<usize>,
            exclusive_start_backup_arn: Option<String>,
        }
        let page: Page = read(request)?;
        let table = page.table_name.as_deref().map(|name| self.name_of(name));
        let wanted = page.backup_type.as_deref().unwrap_or("USER");
        let is_listed = |backup: &&Backup| {
            table.is_none_or(|name| backup.table.name == name)
                && (wanted == "ALL" || wanted == backup.kind.text())
        };
        let mut listed: Vec<_> = self.backups.values().filter(is_listed).collect();
        listed.sort_by_key(|backup| (backup.created, &backup.arn));
        if let Some(start) = &page.exclusive_start_backup_arn {
            let from = listed.iter().position(|backup| backup.arn == *start);
            listed.drain(..from.map_or(0, |at| at + 1));
        }
        let limit = page.limit.unwrap_or(100).clamp(1, 100);
        let shown = listed.iter().take(limit).map(|backup| self.backup_summary(backup));
        let mut answer = json!({ "BackupSummaries": shown.collect::<Vec<_>>() });
        if listed.len() > limit {
            answer["LastEvaluatedBackupArn"] = json!(listed[limit - 1].arn);
        }
        Ok(answer)
    }

    /// A table with the keys, the indexes and the items of the backup; its settings are those of a new table.
    pub(super) fn restore_table(&mut self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Restore {
            target_table_name: String,
            billing_mode_override: Option<BillingMode>,
            provisioned_throughput_override: Option<Throughput>,
            global_secondary_index_override: Option<Value>,
            local_secondary_index_override: Option<Value>,
        }
        let restore: Restore = read(request)?;
        let name = restore.target_table_name;
        schema::check_name("TargetTableName", "targetTableName", &name)?;
        if restore.global_secondary_index_override.is_some()
            || restore.local_secondary_index_override.is_some()
        {
            return Err(Rejection::validation(
                "the strict control plane restores all indexes as they were",
            ));
        }
        let backup = self.backup(request)?;
        if self.tables.contains_key(&name) {
            return Err(Rejection::table_already_exists(&name));
        }
        if self.is_restoring(backup) {
            return Err(Rejection::backup_in_use(&backup.arn));
        }
        let (arn, items) = (backup.arn.clone(), backup.items.clone());
        let mut table = self.restored(&backup.table.clone(), &name);
        if let Some(mode) = restore.billing_mode_override {
            let units = restore.provisioned_throughput_override.map(schema::throughput);
            table.billing = mode;
            table.capacity = new_capacity(units.transpose()?);
        }
        self.admit_operation(!table.indexes.is_empty())?;
        self.admit_mutation()?;
        let description = self.insert_table(table, self.durations.restore)?;
        self.engine.put_items(&name, &items)?;
        if let Some(backup) = self.backups.get_mut(&arn) {
            backup.target = Some(name);
        }
        Ok(json!({ "TableDescription": description }))
    }

    fn restored(&mut self, source: &Table, name: &str) -> Table {
        let is_on_demand = source.is_on_demand();
        Table {
            name: name.to_owned(),
            id: self.dice.uuid(),
            created: self.now,
            was_provisioned: !is_on_demand,
            on_demand_since: is_on_demand.then_some(self.now),
            stream: None,
            stream_arn: None,
            class: None,
            class_changed: None,
            protected: false,
            tags: Tags::new(),
            old_tags: None,
            features: Features::default(),
            flights: Vec::new(),
            uses: super::quotas::Uses::default(),
            unseen: self.unseen,
            ..source.clone()
        }
    }

    fn backup(&self, request: &Value) -> Result<&Backup> {
        let arn = request["BackupArn"].as_str().unwrap_or_default();
        self.backups.get(arn).ok_or_else(|| Rejection::backup_not_found(arn))
    }

    fn is_restoring(&self, backup: &Backup) -> bool {
        let target = backup.target.as_ref().and_then(|name| self.tables.get(name));
        target.is_some_and(|table| table.status() == Status::Creating)
    }

    fn backup_details(&self, backup: &Backup) -> Value {
        let mut details = json!({
            "BackupArn": backup.arn,
            "BackupName": backup.name,
            "BackupStatus": if self.now < backup.ready { "CREATING" } else { "AVAILABLE" },
            "BackupType": backup.kind.text(),
            "BackupSizeBytes": 0,
            "BackupCreationDateTime": self.clock.timestamp(backup.created),
        });
        if backup.kind == Kind::System {
            let expiry = backup.created.plus(SYSTEM_EXPIRY);
            details["BackupExpiryDateTime"] = json!(self.clock.timestamp(expiry));
        }
        details
    }

    fn backup_summary(&self, backup: &Backup) -> Value {
        let mut summary = self.backup_details(backup);
        summary["TableName"] = json!(backup.table.name);
        summary["TableId"] = json!(backup.table.id);
        summary["TableArn"] = json!(self.table_arn(&backup.table.name));
        summary
    }

    fn backup_description(&self, backup: &Backup) -> Value {
        let table = &backup.table;
        let units = table.capacity.provisioned;
        json!({
            "BackupDetails": self.backup_details(backup),
            "SourceTableDetails": {
                "TableName": table.name,
                "TableId": table.id,
                "TableArn": self.table_arn(&table.name),
                "TableCreationDateTime": self.clock.timestamp(table.created),
                "KeySchema": table.keys,
                "BillingMode": table.billing,
                "ItemCount": backup.items.len(),
                "TableSizeBytes": 0,
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": units.read, "WriteCapacityUnits": units.write,
                },
            },
        })
    }
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::System => "SYSTEM",
        }
    }
}
