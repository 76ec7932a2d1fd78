//! Tags: their checks, the lock that a write takes, and readers who see the tags from before.

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::flights::Job;
use super::quotas::Quotas;
use super::rejection::{Rejection, Result};
use super::table::Status;
use super::wire::{Tag, Tags};

impl Account {
    pub(super) fn tag_resource(&mut self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            resource_arn: String,
            tags: Vec<Tag>,
        }
        let request: Request = read(request)?;
        let name = self.tagged_table(&request.resource_arn)?;
        if request.tags.is_empty() {
            return Err(Rejection::validation("Atleast one Tag needs to be provided as Input."));
        }
        let added = checked(&request.tags)?;
        let mut tags = self.tables[&name].tags.clone();
        tags.extend(added.clone());
        check_count(&tags, &self.quotas)?;
        self.write_tags(&name, tags, added)
    }

    pub(super) fn untag_resource(&mut self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            resource_arn: String,
            tag_keys: Vec<String>,
        }
        let request: Request = read(request)?;
        let name = self.tagged_table(&request.resource_arn)?;
        if request.tag_keys.is_empty() {
            return Err(Rejection::validation(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        let mut tags = self.tables[&name].tags.clone();
        tags.retain(|key, _| !request.tag_keys.contains(key));
        self.write_tags(&name, tags, Tags::new())
    }

    /// A write that changes nothing is free. Any other takes the lock, and while that is held, only a write that
    /// contains what is being written is let in.
    fn write_tags(&mut self, name: &str, tags: Tags, written: Tags) -> Result<Value> {
        let table = self.table(name)?;
        if table.tags == tags {
            return Ok(json!({}));
        }
        let contains = |pending: &Tags| {
            !pending.is_empty()
                && pending.iter().all(|(key, value)| written.get(key) == Some(value))
        };
        if table.is_doing(|job| matches!(job, Job::Tags(pending) if !contains(pending))) {
            return Err(Rejection::limit(format!("Table tags are being updated: {name}")));
        }
        self.admit_mutation()?;
        let now = self.now;
        let (locked, lagging) =
            (now.plus(self.durations.tag_lock), now.plus(self.durations.tag_lag));
        let table = self.at(name);
        let old = std::mem::replace(&mut table.tags, tags);
        // Who read the tags from before an earlier write goes on reading those.
        let shown = table.old_tags.take().filter(|(_, until)| now < *until);
        table.old_tags = Some((shown.map_or(old, |(tags, _)| tags), lagging));
        table.start(Job::Tags(written), locked);
        Ok(json!({}))
    }

    pub(super) fn list_tags(&self, request: &Value) -> Result<Value> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Request {
            resource_arn: String,
        }
        let request: Request = read(request)?;
        let name = self.tagged_table(&request.resource_arn)?;
        let table = self.table(&name)?;
        let tags = match &table.old_tags {
            Some((tags, until)) if self.now < *until => tags,
            Some(_) | None => &table.tags,
        };
        let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
        Ok(json!({ "Tags": tags.collect::<Vec<_>>() }))
    }

    /// The service of tags knows a table only once it is `ACTIVE`, and forgets it as soon as it is `DELETING`.
    fn tagged_table(&self, arn: &str) -> Result<String> {
        let name =
            arn.strip_prefix(&self.arn_prefix()).and_then(|rest| rest.strip_prefix("table/"));
        let table = name.and_then(|name| self.tables.get(name));
        let known = table.filter(|table| match table.status() {
            Status::Creating | Status::Deleting => false,
            Status::Updating | Status::Active => true,
        });
        known
            .map(|table| table.name.clone())
            .ok_or_else(|| Rejection::no_resource(format!("ResourceArn: {arn} not found")))
    }
}

/// Tags by key, if each is as AWS allows.
pub(super) fn checked(tags: &[Tag]) -> Result<Tags> {
    let mut checked = Tags::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or("null");
        let value = tag.value.as_deref().unwrap_or("null");
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c);
        let has_key = tag.key.is_some() && (1..=128).contains(&key.chars().count());
        if !has_key || !key.chars().all(allowed) {
            return Err(Rejection::validation(format!(
                "The Tag Key provided is invalid, Key: {key}"
            )));
        }
        if key.starts_with("aws:") {
            return Err(Rejection::validation(format!(
                "Tag Key cannot be prefixed with aws:, Key: {key}"
            )));
        }
        let has_value = tag.value.is_some() && value.chars().count() <= 256;
        if !has_value || !value.chars().all(allowed) {
            return Err(Rejection::validation(format!(
                "The Tag Value provided is invalid, Value: {value}"
            )));
        }
        if checked.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Rejection::validation(format!(
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}"
            )));
        }
    }
    Ok(checked)
}

pub(super) fn check_count(tags: &Tags, quotas: &Quotas) -> Result<()> {
    if tags.len() <= quotas.tags {
        return Ok(());
    }
    Err(Rejection::validation(
        "Number of Tags exceed the current limit for the provided ResourceArn",
    ))
}
