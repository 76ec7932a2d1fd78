//! Contributor insights of tables and of global indexes, and the CloudWatch rules that they use up.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::{Account, read};
use super::clock::Moment;
use super::rejection::{Rejection, Result};
use super::table::{IndexStatus, Status, Table};
use super::wire::KeyType;

/// Insights of a table or of one of its indexes.
#[derive(Debug, Clone)]
pub(super) struct Insights {
    goal: Goal,
    mode: Mode,
    settled: Moment,
}

/// Where a change leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Enabled,
    Disabled,
    /// There were no rules left.
    Failed,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Mode {
    #[default]
    AccessedAndThrottledKeys,
    ThrottledKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    index_name: Option<String>,
    contributor_insights_action: Option<Action>,
    contributor_insights_mode: Option<Mode>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Action {
    Enable,
    Disable,
}

impl Account {
    pub(super) fn update_contributor_insights(&mut self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let Request { index_name, contributor_insights_action, contributor_insights_mode } =
            read(request)?;
        let action = contributor_insights_action
            .ok_or_else(|| Rejection::missing_member("contributorInsightsAction"))?;
        let table = self.insights_table(&name, index_name.as_deref())?;
        self.check_key(table)?;
        if let Some(index) = &index_name
            && table.index_status(index) != IndexStatus::Active
        {
            return Err(Rejection::validation(
                "Table or Index is not in a valid state to update Key Access Insights: IndexStatus must be ACTIVE to \
                 enable ContributorInsights.",
            ));
        }
        let current = table.features.insights.get(&index_name);
        let mode = contributor_insights_mode.unwrap_or_default();
        let is_settled = current.is_none_or(|current| self.now >= current.settled);
        let goal = current.map_or(Goal::Disabled, |current| current.goal);
        let changes = match action {
            Action::Disable => goal != Goal::Disabled,
            // Without a mode it goes back to the default one.
            Action::Enable => {
                goal != Goal::Enabled || current.is_some_and(|current| current.mode != mode)
            }
        };
        if is_settled && changes {
            self.change_insights(&name, index_name.as_ref(), action, mode);
        }
        let table = &self.tables[&name];
        Ok(self.insights(table, index_name.as_ref(), table.features.insights.get(&index_name)))
    }

    fn change_insights(&mut self, name: &str, index: Option<&String>, action: Action, mode: Mode) {
        let goal = match action {
            Action::Disable => Goal::Disabled,
            Action::Enable if self.has_rules_for(name, index, mode) => Goal::Enabled,
            Action::Enable => Goal::Failed,
        };
        let time = match action {
            Action::Enable => self.durations.insights_enable,
            Action::Disable => self.durations.insights_disable,
        };
        let settled = self.now.plus(time);
        let changed = Insights { goal, mode, settled };
        self.at(name).features.insights.insert(index.cloned(), changed);
    }

    /// Whether the account's rules suffice, with those that this table or index has already.
    fn has_rules_for(&self, name: &str, index: Option<&String>, mode: Mode) -> bool {
        let of_table = |table: &Table| -> usize {
            let enabled = table.features.insights.iter().filter(|(other, insights)| {
                insights.goal == Goal::Enabled && (table.name != name || other.as_ref() != index)
            });
            enabled.map(|(index, insights)| rules(table, index.as_ref(), insights.mode)).sum()
        };
        let used: usize = self.tables.values().map(of_table).sum();
        let wanted = self.tables.get(name).map_or(0, |table| rules(table, index, mode));
        used + wanted <= self.quotas.insights_rules
    }

    pub(super) fn describe_contributor_insights(&self, request: &Value) -> Result<Value> {
        let name = self.table_name(request)?;
        let Request { index_name, .. } = read(request)?;
        let table = self.insights_table(&name, index_name.as_deref())?;
        Ok(self.insights(table, index_name.as_ref(), table.features.insights.get(&index_name)))
    }

    /// Lists what is not disabled, of one table or of all.
    pub(super) fn list_contributor_insights(&self, request: &Value) -> Result<Value> {
        let only = match request["TableName"].as_str() {
            Some(_) => Some(self.table_name(request)?),
            None => None,
        };
        if let Some(name) = &only {
            self.known_table(name)?;
        }
        let tables = self.tables.values();
        let tables = tables.filter(|table| only.as_ref().is_none_or(|only| table.name == *only));
        let listed = tables.flat_map(|table| {
            let insights = table.features.insights.iter();
            let insights = insights.filter(|(_, insights)| {
                insights.goal != Goal::Disabled || self.now < insights.settled
            });
            insights.map(|(index, insights)| self.insights(table, index.as_ref(), Some(insights)))
        });
        Ok(json!({ "ContributorInsightsSummaries": listed.collect::<Vec<_>>() }))
    }

    fn insights(
        &self,
        table: &Table,
        index: Option<&String>,
        insights: Option<&Insights>,
    ) -> Value {
        let mut shown = json!({ "TableName": table.name, "ContributorInsightsStatus": "DISABLED" });
        if let Some(index) = index {
            shown["IndexName"] = json!(index);
        }
        let Some(insights) = insights else { return shown };
        shown["ContributorInsightsMode"] = json!(insights.mode);
        shown["LastUpdateDateTime"] = json!(self.clock.timestamp(insights.settled.min(self.now)));
        let status = match (insights.goal, self.now < insights.settled) {
            (Goal::Enabled | Goal::Failed, true) => "ENABLING",
            (Goal::Enabled, false) => "ENABLED",
            (Goal::Disabled, true) => "DISABLING",
            (Goal::Disabled, false) => "DISABLED",
            (Goal::Failed, false) => {
                shown["FailureException"] = json!({
                    "ExceptionName": "LimitExceededException",
                    "ExceptionDescription": "The number of Contributor Insights rules exceeds the quota of the account",
                });
                "FAILED"
            }
        };
        shown["ContributorInsightsStatus"] = json!(status);
        shown
    }

    /// The table as far as its insights can be had; a new index is not known at first.
    fn insights_table(&self, name: &str, index: Option<&str>) -> Result<&Table> {
        let table = self.known_table(name)?;
        if table.status() == Status::Deleting {
            return Ok(table);
        }
        let Some(index) = index else { return Ok(table) };
        let is_known =
            table.index(index).is_some() && table.index_status(index) != IndexStatus::Allocating;
        if is_known {
            return Ok(table);
        }
        Err(Rejection::no_resource(format!("Index: {index} not found for table: {name}")))
    }
}

/// Two rules for a key of one attribute, four where there is a sort key; half of them for throttled keys alone.
fn rules(table: &Table, index: Option<&String>, mode: Mode) -> usize {
    let keys = match index {
        Some(index) => table.index(index).map(|index| &index.keys),
        None => Some(&table.keys),
    };
    let has_sort_key =
        keys.is_some_and(|keys| keys.iter().any(|key| key.key_type == KeyType::Range));
    let kinds = if has_sort_key { 2 } else { 1 };
    match mode {
        Mode::AccessedAndThrottledKeys => 2 * kinds,
        Mode::ThrottledKeys => kinds,
    }
}
