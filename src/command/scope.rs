//! Finds the scope that a command means: the one it names, the one of a stack, or the only one that the ledger knows.

use serde_json::Value;

use super::{Command, CommandError, Hands, Wanted};
use crate::desired::{self, DEFAULT_LEDGER_TABLE};
use crate::dynamo::{self, Class};
use crate::ledger::rows::ScopeRow;
use crate::ledger::{Ledger, Snapshot};
use crate::local::LocalStack;

impl Command {
    /// The scope, with what is on record of it.
    pub(super) async fn scope(&self, hands: &Hands) -> Result<(Ledger, Snapshot), CommandError> {
        let table = self.ledger.as_deref().unwrap_or(DEFAULT_LEDGER_TABLE);
        let ledger = self.find(hands, table).await?;
        let snapshot = ledger.snapshot().await?;
        if snapshot.meta.is_none() {
            let known = directory(hands, table).await?;
            return Err(CommandError::Refused(format!(
                "the ledger {table} knows no scope {}; it lists {}",
                ledger.scope(),
                list(&known)
            )));
        }
        Ok((ledger, snapshot))
    }

    /// The scope that a plan is for; of a ledger that knows none, one that is new. So is, where one may begin, a scope that is
    /// not known, and that of a stack which is not: it would be deployed [without CloudFormation](LocalStack).
    pub(super) async fn scope_of_a_plan(
        &self,
        hands: &Hands,
        properties: &Value,
        may_begin: bool,
    ) -> Result<(Ledger, Snapshot), CommandError> {
        let table = self.ledger.clone().unwrap_or_else(|| desired::ledger_table(properties));
        let known = directory_or_nothing(hands, &table).await?;
        let new = match &self.wanted {
            Wanted::Only if known.is_empty() => Some(String::new()),
            Wanted::Scope(scope) if may_begin => Some(scope.clone()),
            Wanted::Stack(stack)
                if may_begin && known.iter().all(|(_, row)| row.stack != *stack) =>
            {
                Some(LocalStack::named(stack).scope())
            }
            Wanted::Only | Wanted::Scope(_) | Wanted::Stack(_) => None,
        };
        let Some(scope) = new else {
            let command = Self { ledger: Some(table), ..self.clone() };
            return command.scope(hands).await;
        };
        let ledger = Ledger::new(hands.services.dynamo.clone(), table, scope);
        if ledger.scope().is_empty() {
            return Ok((ledger, Snapshot::default()));
        }
        let snapshot = match ledger.snapshot().await {
            Err(error) if error.class == Class::Missing => Snapshot::default(),
            snapshot => snapshot?,
        };
        Ok((ledger, snapshot))
    }

    async fn find(&self, hands: &Hands, table: &str) -> Result<Ledger, CommandError> {
        let of = |scope: &str| Ledger::new(hands.services.dynamo.clone(), table, scope);
        let stack = match &self.wanted {
            Wanted::Scope(scope) => return Ok(of(scope)),
            Wanted::Stack(stack) => Some(stack),
            Wanted::Only => None,
        };
        let known = directory(hands, table).await?;
        let is_meant =
            |(_, row): &&(String, ScopeRow)| stack.is_none_or(|stack| row.stack == *stack);
        let meant: Vec<_> = known.iter().filter(is_meant).cloned().collect();
        match (meant.as_slice(), stack) {
            ([(scope, _)], _) => Ok(of(scope)),
            ([], Some(stack)) => Err(CommandError::Refused(format!(
                "the ledger {table} knows no stack {stack}; it lists {}",
                list(&known)
            ))),
            ([], None) => Err(CommandError::Refused(format!(
                "the ledger {table} lists no scope: nothing was deployed with it, or all of it is deleted, or it was \
                 before scopes were listed; name it as scope (<stack uuid>/<logical id>), or another ledger"
            ))),
            (several, _) => Err(CommandError::Refused(format!(
                "the ledger {table} knows several scopes that may be meant, name one as scope: {}",
                list(several)
            ))),
        }
    }
}

async fn directory(hands: &Hands, table: &str) -> Result<Vec<(String, ScopeRow)>, CommandError> {
    Ledger::scopes(&hands.services.dynamo, table).await.map_err(|error| match error.class {
        Class::Missing => CommandError::Refused(format!(
            "there is no ledger table {table}; name the one that LedgerTable declares as ledger"
        )),
        _ => error.into(),
    })
}

async fn directory_or_nothing(
    hands: &Hands,
    table: &str,
) -> Result<Vec<(String, ScopeRow)>, dynamo::Error> {
    match Ledger::scopes(&hands.services.dynamo, table).await {
        Err(error) if error.class == Class::Missing => Ok(Vec::new()),
        known => known,
    }
}

fn list(scopes: &[(String, ScopeRow)]) -> String {
    let each = scopes.iter().map(|(scope, row)| format!("{scope} (stack {})", row.stack));
    let each: Vec<_> = each.collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
