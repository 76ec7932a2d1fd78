//! The management table: what a scope has done, who may act on it, and what was answered.

mod commands;
mod copies;
pub mod generations;
mod items;
mod lease;
mod parked;
mod repair;
pub mod rows;
pub mod state;
#[cfg(feature = "report")]
mod survey;
mod texts;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::commands::{Held, Segments};
pub(crate) use self::commands::{Taken, Taking};
pub(crate) use self::copies::Note;
pub use self::items::Reached;
pub use self::lease::{Acquired, Holder, Lease};
use self::rows::{AnswerRow, AnswerState, MetaRow, MigrationRow, RunRow, TableRow, entry};
pub(crate) use self::write::{Begun, Detail, RowWrite, Turn};
use crate::clock;
use crate::deadline::Deadline;
use crate::dynamo::{self, Class, Dynamo, ItemWrite, Status, WireItem, Written, patiently};
use crate::schema::{
    AttributeType, AutoScaling, Capacity, KeyElement, KeyRole, KeySchema, Limits, Recovery,
    Settings, Table,
};

/// The ledger of one scope; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    dynamo: Dynamo,
    table: String,
    scope: String,
}

/// Which ledger, and which scope in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The ledger table.
    pub ledger: &'a str,
    /// The scope.
    pub scope: &'a str,
}

/// What the planner needs to know of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The scope; `None` before its first run.
    pub meta: Option<MetaRow>,
    /// Migrations by id.
    pub migrations: BTreeMap<String, MigrationRow>,
    /// Tables by name.
    pub tables: BTreeMap<String, TableRow>,
    /// How far migrations have come of which only part may be in place, by their ids.
    pub reached: BTreeMap<String, Reached>,
}

/// What became of claiming the right to answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerClaim {
    /// It is ours; send this body.
    Send(String),
    /// Somebody else has answered, or is about to.
    Taken,
}

impl Ledger {
    /// The ledger of `scope` in `table`. Sends nothing.
    #[must_use]
    pub fn new(dynamo: Dynamo, table: impl Into<String>, scope: impl Into<String>) -> Self {
        Self { dynamo, table: table.into(), scope: scope.into() }
    }

    /// The same with connections of its own, for use on another runtime.
    pub(crate) fn apart(&self) -> Self {
        Self { dynamo: self.dynamo.apart(), ..self.clone() }
    }

    /// Name of the ledger table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The scope; also the value of the owner tag.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { ledger: &self.table, scope: &self.scope }
    }

    /// What leads to a run, and holds no secret: the input of an execution that goes on with it.
    pub(crate) fn address_of(&self, run: &str) -> Value {
        json!({ "ledger": self.table, "scope": self.scope, "run": run })
    }

    /// Makes the ledger table where there is none: on demand, protected against deletion, with point-in-time recovery.
    ///
    /// # Errors
    /// What DynamoDB refuses, and running out of time.
    pub async fn ensure_table(&self, deadline: Deadline) -> Result<(), dynamo::Error> {
        let mut created = false;
        let mut pause = Duration::from_millis(50);
        loop {
            match patiently(|| self.dynamo.describe_table(&self.table)).await? {
                Some(found) if found.status == Status::Active && found.unsettled.is_empty() => {
                    break;
                }
                Some(_) => {}
                None if created => {}
                None => {
                    let tags =
                        BTreeMap::from([("tablewright:ledger".to_owned(), "true".to_owned())]);
                    tracing::info!(ledger = self.table, "creating the ledger table");
                    let result = self.dynamo.create_table(&shape(&self.table), &tags).await;
                    match result {
                        Ok(()) => created = true,
                        Err(error) if error.class == Class::Exists || error.is_transient() => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            if !deadline.sleep(pause).await {
                return Err(dynamo::Error {
                    service: dynamo::Service::DynamoDb,
                    action: "CreateTable",
                    resource: self.table.clone(),
                    class: Class::Busy,
                    message: "the ledger table did not become ACTIVE in time".to_owned(),
                });
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        if created {
            self.protect().await;
        }
        Ok(())
    }

    /// Turns point-in-time recovery on, and expiry for old journals; the ledger works without them, so failing to is only
    /// said.
    async fn protect(&self) {
        let (dynamo, table) = (&self.dynamo, &self.table);
        let recovery = Recovery::Days(Recovery::DEFAULT_DAYS);
        if let Err(error) = patiently(|| dynamo.set_recovery(table, recovery)).await {
            tracing::warn!(ledger = table, %error, "the ledger has no point-in-time recovery");
        }
        if let Err(error) = patiently(|| dynamo.set_time_to_live(table, rows::EXPIRES, true)).await
        {
            tracing::warn!(ledger = table, %error, "old journals in the ledger do not expire");
        }
    }

    /// Reads what the planner needs: two queries, and one for each migration of which only part may be in place. A ledger
    /// that does not exist is an empty one.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn snapshot(&self) -> Result<Snapshot, dynamo::Error> {
        let mut snapshot = Snapshot::default();
        let last = |prefix: &str| format!("{prefix}{}", entry::LAST);
        let (rows, tables) = futures::try_join!(
            self.range_or_nothing(entry::META, last(entry::MIGRATION)),
            self.range_or_nothing(entry::TABLE, last(entry::TABLE)),
        )?;
        for row in rows {
            let key = row.get(rows::ENTRY).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
            if key == entry::META {
                snapshot.meta = Some(self.parse(row)?);
            } else if let Some(id) = key.strip_prefix(entry::MIGRATION) {
                snapshot.migrations.insert(id.to_owned(), self.parse(row)?);
            }
        }
        for row in tables {
            let row: TableRow = self.parse(row)?;
            snapshot.tables.insert(row.name.clone(), row);
        }
        for (id, _) in snapshot.migrations.iter().filter(|(_, row)| row.state.is_partial()) {
            snapshot.reached.insert(id.clone(), self.reached(id).await?);
        }
        Ok(snapshot)
    }

    async fn range_or_nothing(
        &self,
        from: &str,
        to: String,
    ) -> Result<Vec<WireItem>, dynamo::Error> {
        match patiently(|| self.range(from, &to)).await {
            Err(error) if error.class == Class::Missing => Ok(Vec::new()),
            result => result,
        }
    }

    /// Records that a run has begun. Returns the existing row of it where the same event was delivered before.
    ///
    /// # Errors
    /// [`Class::Missing`] where there is no ledger table; what DynamoDB refuses.
    pub async fn begin_run(
        &self,
        run: &str,
        row: &RunRow,
    ) -> Result<Option<RunRow>, dynamo::Error> {
        let existing = self.put_new(&entry::run(run), row).await?;
        existing.map(|existing| self.parse(existing)).transpose()
    }

    /// The answer to a run, claimed or given.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn answer(&self, run: &str) -> Result<Option<AnswerRow>, dynamo::Error> {
        let entry = entry::answer(run);
        let row = patiently(|| self.get(&entry)).await?;
        row.map(|row| self.parse(row)).transpose()
    }

    /// Claims the right to answer a run. One claim wins, however often it is made; one that is a minute old and not
    /// confirmed may be repeated, with the body that was claimed first.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn claim_answer(
        &self,
        run: &str,
        claim: &AnswerRow,
    ) -> Result<AnswerClaim, dynamo::Error> {
        let Some(existing) = self.put_new(&entry::answer(run), claim).await? else {
            return Ok(AnswerClaim::Send(claim.body.clone()));
        };
        let existing: AnswerRow = self.parse(existing)?;
        // The same claim, whose response was lost or whose maker is blocked, or one that nobody has made good.
        if existing == *claim || existing.is_abandoned() {
            return Ok(AnswerClaim::Send(existing.body));
        }
        Ok(AnswerClaim::Taken)
    }

    /// Records what became of an answer.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub async fn confirm_answer(&self, run: &str, state: AnswerState) -> Result<(), dynamo::Error> {
        let state = serde_dynamo::to_attribute_value(state).unwrap_or(AttributeValue::Null(true));
        let write = ItemWrite {
            key: self.key(&entry::answer(run)),
            update: Some("SET #state = :state, #at = :at".to_owned()),
            condition: None,
            names: [("#state", "state"), ("#at", "finished_at")]
                .map(|(key, name)| (key.to_owned(), name.to_owned()))
                .into(),
            values: [(":state", state), (":at", AttributeValue::S(clock::now()))]
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
        };
        patiently(|| self.dynamo.write_item(&self.table, write.clone())).await.map(drop)
    }

    /// Puts a row where there is none; returns the one that is there otherwise.
    async fn put_new(
        &self,
        entry: &str,
        row: &impl serde::Serialize,
    ) -> Result<Option<WireItem>, dynamo::Error> {
        let mut fields: WireItem =
            serde_dynamo::to_item(row).map_err(|error| self.unreadable(&error))?;
        fields.insert("format".to_owned(), AttributeValue::N(rows::FORMAT.to_string()));
        let mut write = ItemWrite {
            key: self.key(entry),
            condition: Some("attribute_not_exists(#entry)".to_owned()),
            ..ItemWrite::default()
        };
        write.names.insert("#entry".to_owned(), rows::ENTRY.to_owned());
        let set = SetExpression::of(fields);
        write.update = Some(set.text);
        write.names.extend(set.names);
        write.values.extend(set.values);
        match patiently(|| self.dynamo.write_item(&self.table, write.clone())).await? {
            Written::Done => Ok(None),
            Written::Conflict(Some(existing)) => Ok(Some(existing)),
            Written::Conflict(None) => patiently(|| self.get(entry)).await,
        }
    }

    async fn get(&self, entry: &str) -> Result<Option<WireItem>, dynamo::Error> {
        self.dynamo.get_item(&self.table, self.key(entry)).await
    }

    async fn range(&self, from: &str, to: &str) -> Result<Vec<WireItem>, dynamo::Error> {
        let partition = (rows::SCOPE, self.scope.as_str());
        self.dynamo.query_between(&self.table, partition, (rows::ENTRY, from, to)).await
    }

    fn key(&self, entry: &str) -> WireItem {
        WireItem::from([
            (rows::SCOPE.to_owned(), AttributeValue::S(self.scope.clone())),
            (rows::ENTRY.to_owned(), AttributeValue::S(entry.to_owned())),
        ])
    }

    fn parse<T: DeserializeOwned>(&self, row: WireItem) -> Result<T, dynamo::Error> {
        serde_dynamo::from_item(row).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &serde_dynamo::Error) -> dynamo::Error {
        dynamo::Error {
            service: dynamo::Service::DynamoDb,
            action: "Query",
            resource: self.table.clone(),
            class: Class::Permanent,
            message: format!(
                "a ledger row of {} is not in a form that this build knows: {error}",
                self.scope
            ),
        }
    }
}

/// An expression that sets fields and leaves all others as they are.
struct SetExpression {
    text: String,
    names: HashMap<String, String>,
    values: WireItem,
}

impl SetExpression {
    fn of(fields: WireItem) -> Self {
        let (mut sets, mut names, mut values) = (Vec::new(), HashMap::new(), WireItem::new());
        for (position, (name, value)) in fields.into_iter().enumerate() {
            sets.push(format!("#n{position} = :v{position}"));
            names.insert(format!("#n{position}"), name);
            values.insert(format!(":v{position}"), value);
        }
        Self { text: format!("SET {}", sets.join(", ")), names, values }
    }
}

/// The ledger table as it is made.
fn shape(name: &str) -> Table {
    let key = |name: &str, role| KeyElement { name: name.to_owned(), role };
    Table {
        name: name.to_owned(),
        keys: KeySchema(vec![key(rows::SCOPE, KeyRole::Hash), key(rows::ENTRY, KeyRole::Range)]),
        attributes: [rows::SCOPE, rows::ENTRY]
            .map(|name| (name.to_owned(), AttributeType::String))
            .into(),
        global_indexes: BTreeMap::new(),
        local_indexes: BTreeMap::new(),
        capacity: Capacity::OnDemand(Limits::default()),
        stream: None,
        encryption: None,
        warm: None,
        scaling: AutoScaling::default(),
        index_scaling: BTreeMap::new(),
        class: None,
        time_to_live: None,
        settings: Settings { deletion_protection: Some(true), ..Settings::default() },
        replicas: None,
    }
}
