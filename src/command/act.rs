//! The frame of every command that writes: a lease of its own, the record before it and after it, and what came of it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Act, Back, CommandError, Ended, Hands, Repair, Signed, hold, repair, retry, undo};
use crate::backfill::share::Extent;
use crate::clock;
use crate::desired::Desired;
use crate::execute::{Part, Run, Trail};
use crate::ledger::generations::Declaration;
use crate::ledger::rows::{CommandRow, CommandState, MigrationRow};
use crate::ledger::{Held, Holder, Lease, Ledger, Snapshot, Taken, Taking};
use crate::migrator::Migrator;
use crate::plan::{Call, Mode};

/// A command that acts, under its lease.
pub(super) struct Acting<'a> {
    pub(super) hands: &'a Hands,
    pub(super) lease: &'a Lease,
    pub(super) signed: &'a Signed,
    /// What was on record when the lease was taken.
    pub(super) snapshot: Snapshot,
    /// Whose the lease was.
    pub(super) held: Option<Held>,
}

/// What came of a command.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    #[serde(skip)]
    pub(super) ended: Ended,
    /// Where it is on record.
    command: String,
    /// What was done, in a sentence.
    said: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Outcome {
    pub(super) fn done(said: impl Into<String>) -> Self {
        let said = said.into();
        Self { ended: Ended::Done, command: String::new(), said, fields: Map::new() }
    }

    /// One that is not at its end for lack of time.
    pub(super) fn pending(said: impl Into<String>) -> Self {
        let said = format!("{}; send the command again to go on", said.into());
        Self { ended: Ended::Pending, ..Self::done(said) }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// Carries a command out.
pub(super) async fn carry_out(
    hands: &Hands,
    ledger: &Ledger,
    act: &Act,
    signed: &Signed,
) -> Result<Outcome, CommandError> {
    let (lease, held) = take_lease(hands, ledger, act).await?;
    tracing::info!(by = signed.by, reason = signed.reason, verb = act.name(), "acting by hand");
    let outcome = recorded(hands, &lease, held, act, signed).await;
    lease.release().await;
    outcome.map(|outcome| Outcome { command: hands.id.clone(), ..outcome })
}

async fn take_lease(
    hands: &Hands,
    ledger: &Ledger,
    act: &Act,
) -> Result<(Lease, Option<Held>), CommandError> {
    let holder = Holder { run: hands.id.clone(), invocation: hands.invocation.clone() };
    let taking = match act {
        Act::Unlock | Act::Pause => Taking::Over,
        Act::Resume | Act::Repair { .. } | Act::RetryFailed { .. } | Act::Undo(_) => Taking::IfFree,
    };
    match ledger.take_by_hand(&holder, taking).await? {
        Taken::Lease(lease, held) => Ok((lease, held)),
        Taken::Held(held) => {
            let verb = match held.until_ms {
                Some(_) => "unlock",
                // The next slice would take the lease again.
                None => "pause",
            };
            let stop = Call::new(ledger.place(), verb);
            Err(CommandError::Refused(format!(
                "{held}. Wait until it is done, or stop it with {stop}"
            )))
        }
    }
}

/// Acts between two writes of the command's row.
async fn recorded(
    hands: &Hands,
    lease: &Lease,
    held: Option<Held>,
    act: &Act,
    signed: &Signed,
) -> Result<Outcome, CommandError> {
    let row = CommandRow {
        verb: act.name().to_owned(),
        arguments: arguments(act).to_string(),
        by: signed.by.clone(),
        reason: signed.reason.clone(),
        build: crate::BUILD.to_owned(),
        started_at: clock::now(),
        ..CommandRow::default()
    };
    lease.set(hands.id.clone(), &row).await?;
    let snapshot = lease.ledger().snapshot().await?;
    let acting = Acting { hands, lease, signed, snapshot, held };
    let outcome = acting.act(act).await;
    let (state, said) = match &outcome {
        Ok(outcome) => match outcome.ended {
            Ended::Done => (CommandState::Done, outcome.said.clone()),
            Ended::Pending => (CommandState::Pending, outcome.said.clone()),
        },
        Err(error) => (CommandState::Failed, error.to_string()),
    };
    tracing::info!(?state, said, "acted by hand");
    let row = CommandRow { state, finished_at: Some(clock::now()), outcome: Some(said), ..row };
    if let Err(interrupt) = lease.set(hands.id.clone(), &row).await {
        tracing::warn!(%interrupt, "the end of the command is not on record");
    }
    outcome
}

/// What the event said beside the verb, the scope and the signature.
fn arguments(act: &Act) -> Value {
    match act {
        Act::Unlock | Act::Pause | Act::Resume => json!({}),
        Act::RetryFailed { id } => json!({ "id": id }),
        Act::Undo(Back::To(id)) => json!({ "to": id }),
        Act::Undo(Back::All) => json!({ "all": true }),
        Act::Repair { id, repair } => json!({ "id": id, "action": repair.name() }),
    }
}

impl Repair {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MarkApplied => "mark-applied",
            Self::MarkRolledBack => "mark-rolled-back",
            Self::Fingerprint => "fingerprint",
        }
    }
}

impl Acting<'_> {
    async fn act(&self, act: &Act) -> Result<Outcome, CommandError> {
        match act {
            Act::Unlock => Ok(self.unlocked()),
            Act::Pause => hold::pause(self).await,
            Act::Resume => hold::resume(self).await,
            Act::Repair { id, repair } => repair::repair(self, id, *repair).await,
            Act::RetryFailed { id } => retry::retry(self, id).await,
            Act::Undo(back) => undo::undo(self, back).await,
        }
    }

    /// Having taken the lease over has raised the fence, and giving it back frees the scope.
    fn unlocked(&self) -> Outcome {
        let said = match &self.held {
            Some(held) => format!("run {} has lost the lease and stops", held.run),
            None => "nobody held the lease".to_owned(),
        };
        Outcome::done(said).with("was", self.was())
    }

    /// Whose the lease was.
    pub(super) fn was(&self) -> Option<Value> {
        let held = self.held.as_ref()?;
        Some(json!({ "run": held.run, "fence": held.fence, "until": held.until() }))
    }

    /// The row of a migration, a new one where this build has it and nothing is on record.
    pub(super) fn row(&self, id: &str) -> Result<MigrationRow, CommandError> {
        if let Some(row) = self.snapshot.migrations.get(id) {
            return Ok(row.clone());
        }
        let migrator = self.hands.migrator()?;
        if migrator.get(id).is_some() {
            return Ok(MigrationRow { id: id.to_owned(), ..MigrationRow::default() });
        }
        let specs = migrator.specs();
        let mut known: Vec<_> = specs.iter().map(|spec| spec.id.as_str()).collect();
        known.extend(self.snapshot.migrations.keys().map(String::as_str));
        known.sort_by(|a, b| crate::migrator::compare_ids(a, b));
        known.dedup();
        Err(CommandError::Refused(format!(
            "migration {id} is neither in this build nor in the ledger, which have {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )))
    }

    /// What migrations are carried out with. No declaration is followed by hand.
    pub(super) fn run(&self) -> Result<Run, CommandError> {
        let migrator: &Arc<Migrator> = self.hands.migrator()?;
        let declaration = Declaration::new(json!({}));
        let desired = Desired::read(&declaration.properties).map_err(|_| {
            CommandError::Failed("an empty declaration does not parse; this is a bug".to_owned())
        })?;
        Ok(Run {
            id: self.hands.id.clone(),
            generation: self.snapshot.meta.as_ref().map_or(1, |meta| meta.live().max(1)),
            declaration,
            before: None,
            desired,
            migrator: Arc::clone(migrator),
            mode: Mode::Superset,
            part: Part::All,
            extent: Extent::Whole,
            longest: None,
            services: self.hands.services.clone(),
            lease: self.lease.clone(),
            trail: Trail::default(),
        })
    }
}
