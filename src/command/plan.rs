//! `plan`: what a deploy of these properties by this build would do, or everything that stands against it.

use serde::Serialize;
use serde_json::Value;

use super::{CommandError, Hands};
use crate::desired::{Desired, Problem};
use crate::ledger::{Ledger, Snapshot};
use crate::observe;
use crate::plan::{self, Explanation, Input, Mode, Refused};

/// A plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Planned {
    plan: Option<Explanation>,
    refused: Vec<String>,
    text: String,
}

pub(super) async fn of(
    hands: &Hands,
    ledger: &Ledger,
    snapshot: Snapshot,
    properties: &Value,
) -> Result<Planned, CommandError> {
    let specs = hands.migrator()?.specs();
    let desired = match Desired::read(properties) {
        Ok(desired) => desired,
        Err(problems) => return Ok(refused(problems.iter().map(Problem::to_string).collect())),
    };
    let mode = if snapshot.meta.is_some() { Mode::Deploy } else { Mode::First };
    let observed = observe::observe(&hands.services, snapshot, &desired, &specs).await?;
    let input = Input {
        desired: &desired,
        specs: &specs,
        observed: &observed,
        place: ledger.place(),
        run: hands.id(),
        mode,
    };
    Ok(match plan::plan(&input) {
        Ok(plan) => {
            let explained = plan.explain(&input);
            let text = explained.to_string();
            Planned { plan: Some(explained), refused: Vec::new(), text }
        }
        Err(Refused(objections)) => refused(objections),
    })
}

fn refused(objections: Vec<String>) -> Planned {
    Planned { plan: None, text: Refused(objections.clone()).to_string(), refused: objections }
}
