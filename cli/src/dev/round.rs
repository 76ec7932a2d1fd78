//! One round of `dev`: takes back what has changed, brings the tables to shape, and runs what is pending.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tablewright::Migrator;
use tablewright::local::LocalStack;
use tablewright::migrator::BuildError;
use tablewright::services::Services;

use super::engine::Engine;
use crate::exit::{Done, Ended, Failure};
use crate::render::{complain, list, style, text};
use crate::session::{Session, obey, refused};
use crate::settings::Settings;
use crate::{lines, plan, render, signed};

/// Name of the stack, where the settings name none.
const STACK: &str = "dev";

/// What a round works with.
struct Round<'a> {
    services: Services,
    stack: LocalStack,
    migrator: Result<Arc<Migrator>, BuildError>,
    properties: Value,
    ledger: Option<String>,
    engine: &'a Engine,
}

/// Runs a round.
pub(super) async fn run(
    session: &Session,
    settings: &Settings,
    engine: &Engine,
    seed: Option<&Path>,
    may_start_over: bool,
) -> Ended {
    let migrator = session.migrator(settings).map_err(refused)?;
    let mut properties = settings.declaration().map_err(Failure::Faults)?.clone();
    // Everything is new here, and a migration that is taken as done would never be seen to run.
    if properties["Migrations"]["Baseline"].is_null() {
        properties["Migrations"]["Baseline"] = json!("none");
    }
    let round = Round {
        services: engine.services(),
        stack: LocalStack::named(settings.stack.as_deref().unwrap_or(STACK)),
        migrator: Ok(migrator),
        properties,
        ledger: settings.ledger(),
        engine,
    };
    let undone = round.take_back(may_start_over).await?;
    if let (Some(seed), false) = (seed, round.status().await?.is_object()) {
        round.make_tables_and_seed(seed).await?;
    }
    let deployed = round.deploy(session).await?;
    if session.global.json {
        let round = json!({ "tablewright": "dev", "undone": undone, "answer": deployed });
        render::say(&round.to_string());
    }
    Ok(Done::Done)
}

impl Round<'_> {
    fn event(&self, verb: &str) -> Value {
        let mut event = json!({ "tablewright": verb, "scope": self.stack.scope() });
        if let Some(ledger) = &self.ledger {
            event["ledger"] = json!(ledger);
        }
        event
    }

    async fn obey(&self, event: &Value) -> Result<Value, Failure> {
        obey(&self.services, &self.migrator, event).await
    }

    /// Where the scope stands; `null` where it has not begun.
    async fn status(&self) -> Result<Value, Failure> {
        let ledger = self.ledger.as_deref().unwrap_or(tablewright::desired::DEFAULT_LEDGER_TABLE);
        let tables = self.engine.tables();
        if !tables.iter().any(|table| table == ledger) {
            return Ok(Value::Null);
        }
        self.obey(&self.event("status")).await
    }

    /// Takes back the oldest migration that is not any more what has run, and all after it.
    async fn take_back(&self, may_start_over: bool) -> Result<Vec<String>, Failure> {
        let status = self.status().await?;
        let rows = list(&status, "migrations");
        let specs = self.migrator.as_ref().map(|migrator| migrator.specs()).unwrap_or_default();
        let is_changed = |row: &Value| {
            let spec = specs.iter().find(|spec| spec.id == text(row, "id"));
            let is_same = spec.is_some_and(|spec| spec.fingerprint == text(row, "fingerprint"));
            !is_same && !matches!(text(row, "state"), "pending" | "undone" | "baseline")
        };
        let Some(first) = rows.iter().position(is_changed) else { return Ok(Vec::new()) };
        let id = text(&rows[first], "id");
        let mut undo = self.event("undo");
        match first.checked_sub(1) {
            Some(before) => undo["to"] = rows[before]["id"].clone(),
            None => undo["all"] = json!(true),
        }
        undo["by"] = json!(signed::whoever());
        undo["reason"] = json!(format!("{id} has changed"));
        match self.obey(&undo).await {
            Ok(done) => {
                let undone = list(&done, "undone").iter().filter_map(Value::as_str);
                let undone: Vec<_> = undone.map(str::to_owned).collect();
                for id in &undone {
                    complain(&format!("- {id}: taken back"));
                }
                Ok(undone)
            }
            Err(_) if may_start_over => {
                complain(&format!("migration {id} has changed and has no way back: starting over"));
                self.engine.start_over();
                Ok(Vec::new())
            }
            Err(Failure::Failed(why)) => Err(Failure::Failed(format!(
                "migration {id} has changed since it ran, and cannot be taken back: {why}. \
                 Put it back as it was and write the next one, or start over with tablewright dev --reset"
            ))),
            Err(other) => Err(other),
        }
    }

    /// Makes the tables before any migration runs, so that migrations find the seed.
    async fn make_tables_and_seed(&self, seed: &Path) -> Result<(), Failure> {
        let mut properties = self.properties.clone();
        if let Some(fields) = properties.as_object_mut() {
            fields.remove("Migrations");
        }
        let none = Migrator::builder().build().map(Arc::new);
        self.apply(&none, &properties).await?;
        let seeded = self.engine.seed(seed).inspect_err(|_| {
            // The next round begins with the seed again.
            self.engine.start_over();
        })?;
        complain(&format!("+ {} of {}", render::counted(seeded, "item"), seed.display()));
        Ok(())
    }

    /// Shows what is done, does it, and shows what came of it.
    async fn deploy(&self, session: &Session) -> Result<Value, Failure> {
        let mut event = self.event("plan");
        event["properties"] = self.properties.clone();
        event["may_begin"] = json!(true);
        let planned = self.obey(&event).await?;
        if !session.global.json {
            plan::show(&planned)?;
        }
        let answer = self.apply(&self.migrator, &self.properties).await?;
        self.tell_attempts(text(&answer["Data"], "RunId")).await?;
        let notices = answer["Reason"].as_str().unwrap_or_default();
        if !notices.is_empty() {
            let warning = style::WARNING;
            complain(&format!("{warning}!{warning:#} {}", lines::in_text(notices)));
        }
        Ok(answer)
    }

    async fn apply(
        &self,
        migrator: &Result<Arc<Migrator>, BuildError>,
        properties: &Value,
    ) -> Result<Value, Failure> {
        let by = signed::whoever();
        let applied = self.stack.apply(&self.services, migrator, properties, &by).await;
        let deployed = applied.map_err(|error| Failure::failed(error.to_string()))?;
        if deployed.answer.is_success() {
            Ok(deployed.answer.0)
        } else {
            Err(Failure::failed(deployed.answer.reason()))
        }
    }

    /// How many items each migration of a run has changed.
    async fn tell_attempts(&self, run: &str) -> Result<(), Failure> {
        let history = self.obey(&self.event("history")).await?;
        let of_run = |entry: &&Value| text(entry, "what") == "attempt" && text(entry, "run") == run;
        for entry in list(&history, "entries").iter().rev().filter(of_run) {
            let good = style::GOOD;
            let outcome = text(entry, "outcome").replace('_', " ");
            let counts = match (entry["changed"].as_u64(), entry["read"].as_u64()) {
                (Some(changed), Some(read)) => format!(", {changed} of {read} items changed"),
                _ => String::new(),
            };
            complain(&format!("{good}{}{good:#}: {outcome}{counts}", text(entry, "migration")));
        }
        Ok(())
    }
}
