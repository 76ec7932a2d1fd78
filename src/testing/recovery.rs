//! Continuous backups: point-in-time recovery, and the time in which it cannot be had yet.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::rejection::{Rejection, Result};
use super::table::{Status, Table};

const DEFAULT_DAYS: u32 = 35;

/// Continuous backups of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Recovery {
    /// From when on they can be had at all.
    available: Moment,
    /// For how many days, and since when.
    on: Option<(u32, Moment)>,
}

impl Recovery {
    pub(super) fn start(&mut self, available: Moment) {
        self.available = available;
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.is_some()
    }
}

impl Account {
    pub(super) fn update_continuous_backups(&mut self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Specification {
            point_in_time_recovery_enabled: bool,
            recovery_period_in_days: Option<i64>,
        }
        let name = self.table_name(request)?;
        let wanted: Specification = read(&request["PointInTimeRecoverySpecification"])?;
        let table = self.backed_up_table(&name)?;
        let current = table.features.recovery.on;
        let days = match (wanted.point_in_time_recovery_enabled, wanted.recovery_period_in_days) {
            (false, Some(_)) => {
                return Err(Rejection::validation(
                    "RecoveryPeriodInDays can only be set when PointInTimeRecoveryEnabled is true",
                ));
            }
            (false, None) => None,
            (true, None) => Some(current.map_or(DEFAULT_DAYS, |(days, _)| days)),
            (true, Some(days)) => Some(period(days)?),
        };
        let now = self.now;
        // Another period leaves what there is; turning it off loses it.
        let since = current.map_or(now, |(_, since)| since);
        self.at(&name).features.recovery.on = days.map(|days| (days, since));
        Ok(self.continuous_backups(&self.tables[&name]))
    }

    pub(super) fn describe_continuous_backups(&self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let table = self.tables.get(&name).filter(|table| table.status() != Status::Creating);
        let table = table.ok_or_else(|| Rejection::table_not_found(&name))?;
        Ok(self.continuous_backups(table))
    }

    /// A table that backups can be made of.
    pub(super) fn backed_up_table(&self, name: &str) -> Result<&Table> {
        let table = self.tables.get(name).filter(|table| table.status() != Status::Creating);
        let table = table.ok_or_else(|| Rejection::table_not_found(name))?;
        if self.now < table.features.recovery.available {
            return Err(Rejection::backups_unavailable(name));
        }
        Ok(table)
    }

    fn continuous_backups(&self, table: &Table) -> Value {
        let is_available = self.now >= table.features.recovery.available;
        let mut recovery = json!({ "PointInTimeRecoveryStatus": "DISABLED" });
        if let Some((days, since)) = table.features.recovery.on {
            let period = Duration::from_hours(24) * days;
            let first = since.max(self.now.before(period));
            let latest = since.max(self.now.before(Duration::from_mins(5)));
            recovery = json!({
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": days,
                "EarliestRestorableDateTime": self.clock.timestamp(first),
                "LatestRestorableDateTime": self.clock.timestamp(latest),
            });
        }
        json!({ "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": if is_available { "ENABLED" } else { "DISABLED" },
            "PointInTimeRecoveryDescription": recovery,
        }})
    }
}

fn period(days: i64) -> Result<u32> {
    let period = u32::try_from(days).ok().filter(|days| (1..=35).contains(days));
    period.ok_or_else(|| {
        Rejection::constraint(
            &format!("'{days}'"),
            "pointInTimeRecoverySpecification.recoveryPeriodInDays",
            "Member must have value between 1 and 35",
        )
    })
}
