//! Expiry of items: its states, and the interval in which it cannot be changed again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::rejection::{Rejection, Result};
use super::table::Status;

/// Expiry of a table's items.
#[derive(Debug, Clone, Default)]
pub(super) struct TimeToLive {
    attribute: Option<String>,
    changed: Option<Moment>,
    settled: Moment,
}

impl TimeToLive {
    /// That items expire by, where they do.
    pub(super) fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    pub(super) fn status(&self, now: Moment) -> &'static str {
        match (&self.attribute, now < self.settled) {
            (Some(_), true) => "ENABLING",
            (Some(_), false) => "ENABLED",
            (None, true) => "DISABLING",
            (None, false) => "DISABLED",
        }
    }
}

impl Account {
    pub(super) fn update_time_to_live(&mut self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Specification {
            enabled: bool,
            attribute_name: String,
        }
        let name = self.table_name(request)?;
        let wanted: Specification = read(&request["TimeToLiveSpecification"])?;
        let table = self.known_table(&name)?;
        if table.status() == Status::Deleting {
            return Err(Rejection::in_use(format!("Table is being deleted: {name}")));
        }
        self.check_key(table)?;
        if let Some(region) = table.incoming_replica() {
            return Err(Rejection::validation(format!(
                "Create/Update/Delete of replica is not allowed while the replica is being added to table with name: \
                 {name} in region {region}"
            )));
        }
        let current = &table.features.time_to_live;
        match (&current.attribute, wanted.enabled) {
            (Some(active), _) if *active != wanted.attribute_name => {
                return Err(Rejection::validation(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {active}"
                )));
            }
            (Some(_), true) => {
                return Err(Rejection::validation("TimeToLive is already enabled"));
            }
            (None, false) => {
                return Err(Rejection::validation("TimeToLive is already disabled"));
            }
            (Some(_), false) | (None, true) => {}
        }
        let again = current.changed.map(|last| last.plus(self.quotas.time_to_live_interval));
        if again.is_some_and(|again| self.now < again) {
            return Err(Rejection::validation(
                "Time to live has been modified multiple times within a fixed interval",
            ));
        }
        let (now, settled) = (self.now, self.now.plus(self.durations.time_to_live));
        self.at(&name).features.time_to_live = TimeToLive {
            attribute: wanted.enabled.then_some(wanted.attribute_name),
            changed: Some(now),
            settled,
        };
        Ok(json!({ "TimeToLiveSpecification": request["TimeToLiveSpecification"] }))
    }

    pub(super) fn describe_time_to_live(&self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let table = self.table(&name)?;
        let status = table.status();
        if matches!(status, Status::Creating | Status::Deleting) {
            let status = status.text();
            return Err(Rejection::validation(format!(
                "Cannot describe time to live while table is in {status} state: Current table state is {status}"
            )));
        }
        let mut shown = json!({ "TimeToLiveStatus": table.features.time_to_live.status(self.now) });
        if let Some(attribute) = &table.features.time_to_live.attribute {
            shown["AttributeName"] = json!(attribute);
        }
        Ok(json!({ "TimeToLiveDescription": shown }))
    }
}
