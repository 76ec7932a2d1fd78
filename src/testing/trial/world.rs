//! The tables of a trial, filled, with a stack whose next deploy runs the migration.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::compare::differences;
use super::{Tables, Trial};
use crate::desired::ledger_table;
use crate::dynamo::{WireItem, chain};
use crate::ledger::rows::ENTRY;
use crate::testing::{ControlPlane, Fault, Stack, Trap};

/// Deploys until one succeeds, at most so many.
const DEPLOYS_MAX: usize = 8;
/// Longer than a lease, so that a dead run holds none any more.
const PAUSE: Duration = Duration::from_mins(2);

/// A filled plane of its own.
pub(super) struct World<'a> {
    trial: &'a Trial,
    plane: ControlPlane,
    stack: Stack,
    ledger: String,
    deploys: u64,
}

impl<'a> World<'a> {
    /// Makes the declared tables, puts the items, and has the next deploy run the migration.
    pub(super) async fn start(trial: &'a Trial) -> Result<Self, String> {
        let plane = ControlPlane::new();
        let mut stack = Stack::new(&plane);
        let specs = trial.migrator.specs();
        if specs.iter().all(|spec| spec.id != trial.id) {
            let ids: Vec<_> = specs.iter().map(|spec| spec.id.as_str()).collect();
            return Err(format!(
                "there is no migration {}; there are {}",
                trial.id,
                ids.join(", ")
            ));
        }
        let mut tables = trial.properties.clone();
        let older = specs.iter().take_while(|spec| spec.id != trial.id).last();
        if let Some(older) = older {
            tables["Migrations"] = json!({ "Target": older.id, "Baseline": older.id });
            stack.build(Ok(trial.migrator.clone()));
        } else if let Some(properties) = tables.as_object_mut() {
            properties.remove("Migrations");
        }
        let made = stack.deploy(&tables).await.answer;
        if !made.is_success() {
            return Err(made.reason().to_owned());
        }
        let ledger = ledger_table(&tables);
        stack.build(Ok(trial.migrator.clone()));
        let world = Self { trial, plane, stack, ledger, deploys: 0 };
        for (table, items) in &trial.before {
            for item in items {
                world.put(table, item).await?;
            }
        }
        Ok(world)
    }

    #[expect(clippy::disallowed_methods, reason = "what a trial begins with is no work of ours")]
    async fn put(&self, table: &str, item: &WireItem) -> Result<(), String> {
        let put = self.client().put_item().table_name(table).set_item(Some(item.clone()));
        let sent = put.send().await;
        sent.map(drop)
            .map_err(|error| format!("an item cannot be put into {table}: {}", chain(&error)))
    }

    /// A client that nothing hinders.
    fn client(&self) -> Client {
        self.plane.bystander()
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.plane.fault(fault);
    }

    /// The declaration with the one migration pending, another one each time.
    fn declaration(&mut self) -> Value {
        self.deploys += 1;
        let mut declaration = self.trial.properties.clone();
        declaration["Migrations"] =
            json!({ "Hash": self.deploys.to_string(), "Target": self.trial.id });
        declaration
    }

    pub(super) async fn deploy(&mut self) -> Result<(), String> {
        let declaration = self.declaration();
        let answer = self.stack.deploy(&declaration).await.answer;
        if answer.is_success() { Ok(()) } else { Err(answer.reason().to_owned()) }
    }

    /// Deploys, and again where that fails, as a person would.
    pub(super) async fn deploy_until_done(&mut self) -> Result<(), String> {
        let mut said = String::new();
        for _ in 0..DEPLOYS_MAX {
            match self.deploy().await {
                Ok(()) => return Ok(()),
                Err(why) => said = why,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("after {DEPLOYS_MAX} deploys: {said}"))
    }

    /// Deploys with a process that dies in the trap.
    pub(super) async fn deploy_into(&mut self, trap: &Trap) {
        self.stack.connect(trap.client(self.plane.config()));
        tokio::select! {
            biased;
            () = trap.crashed() => {}
            _ = self.deploy() => {}
        }
        self.stack.connect(self.plane.client());
        tokio::time::sleep(PAUSE).await;
    }

    /// Deploys, and has somebody else take the lease before this write of it. Returns whether there was such a write.
    pub(super) async fn deploy_and_lose_the_lease(&mut self, write: usize) -> bool {
        let (seen, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (client, ledger, noted) = (self.client(), self.ledger.clone(), Arc::clone(&taken));
        self.plane.watch(move |arrival| {
            let is_write = matches!(
                arrival.operation.as_str(),
                "BatchExecuteStatement"
                    | "UpdateItem"
                    | "PutItem"
                    | "DeleteItem"
                    | "TransactWriteItems"
            );
            let is_its_turn = is_write && seen.fetch_add(1, Ordering::SeqCst) == write;
            let (client, ledger, noted) = (client.clone(), ledger.clone(), Arc::clone(&noted));
            async move {
                if is_its_turn {
                    noted.store(true, Ordering::SeqCst);
                    raise_fence(&client, &ledger).await;
                }
            }
        });
        // How it ends does not matter: what the next deploy makes of it does.
        drop(self.deploy().await);
        self.plane.watch(|_| async {});
        tokio::time::sleep(PAUSE).await;
        taken.load(Ordering::SeqCst)
    }

    /// Has the ledger believe that the migration never ran.
    pub(super) async fn forget_that_it_ran(&self) -> Result<(), String> {
        self.command(json!({
            "tablewright": "repair",
            "action": "mark-rolled-back",
            "id": self.trial.id,
        }))
        .await
    }

    pub(super) async fn take_back(&self) -> Result<(), String> {
        self.command(json!({ "tablewright": "undo", "all": true })).await
    }

    async fn command(&self, mut command: Value) -> Result<(), String> {
        command["ledger"] = json!(self.ledger);
        command["by"] = json!("a trial");
        command["reason"] = json!("to see what comes of it");
        self.stack.command(command).await.map(drop).map_err(|error| error.to_string())
    }

    /// What all tables but the ledger hold, the items of each by their keys.
    pub(super) async fn items(&self) -> Tables {
        let mut tables = Tables::new();
        for table in self.tables() {
            let items = scan(&self.client(), &table).await;
            tables.insert(table, items);
        }
        tables
    }

    fn tables(&self) -> Vec<String> {
        let declared = self.trial.properties["Tables"].as_array();
        let named = declared.into_iter().flatten().filter_map(|table| table["TableName"].as_str());
        named.map(str::to_owned).collect()
    }

    /// A line for each difference, of the tables that are expected to hold something.
    pub(super) fn differences(&self, expected: &Tables, found: &Tables) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, expected) in expected {
            let Some(found) = found.get(table) else {
                lines.push(format!("table {table} is not declared"));
                continue;
            };
            lines.extend(differences(table, &self.keys(table), expected, found));
        }
        lines
    }

    fn keys(&self, table: &str) -> Vec<String> {
        let declared = self.trial.properties["Tables"].as_array();
        let declared = declared.into_iter().flatten().find(|one| one["TableName"] == table);
        let schema = declared.and_then(|declared| declared["KeySchema"].as_array());
        let names = schema.into_iter().flatten().filter_map(|key| key["AttributeName"].as_str());
        names.map(str::to_owned).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "it is what somebody else does")]
async fn raise_fence(client: &Client, ledger: &str) {
    let rows = scan(client, ledger).await;
    let is_lease = |row: &&WireItem| matches!(row.get(ENTRY), Some(AttributeValue::S(entry)) if entry == "lease");
    for row in rows.iter().filter(is_lease) {
        let key: HashMap<_, _> = ["scope", ENTRY]
            .iter()
            .filter_map(|name| row.get_key_value(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let update = client.update_item().table_name(ledger).set_key(Some(key));
        let update = update
            .update_expression("ADD fence :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        if let Err(error) = update.send().await {
            tracing::warn!(error = chain(&error), "the lease could not be taken");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what a trial looks at is no work of ours")]
async fn scan(client: &Client, table: &str) -> Vec<WireItem> {
    let (mut items, mut from) = (Vec::new(), None);
    loop {
        let scan = client.scan().table_name(table).consistent_read(true);
        let Ok(page) = scan.set_exclusive_start_key(from).send().await else { return items };
        from = page.last_evaluated_key;
        items.extend(page.items.unwrap_or_default());
        if from.is_none() {
            return items;
        }
    }
}
