//! `plan`: what a deploy of these properties by this build would do, and make of a few items, or what stands against it.

use serde::Serialize;

use super::{Asked, CommandError, Hands};
use crate::desired::{Desired, Problem};
use crate::ledger::{Ledger, Snapshot};
use crate::observe;
use crate::plan::{self, Explanation, Input, Mode, Plan, Refused};
use crate::preview::{self, Preview};

/// A plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Planned {
    pending: bool,
    plan: Option<Explanation>,
    pub(super) refused: Vec<String>,
    sample: Option<Preview>,
    pub(super) text: String,
    markdown: String,
}

pub(super) async fn of(
    hands: &Hands,
    ledger: &Ledger,
    snapshot: Snapshot,
    asked: &Asked,
) -> Result<Planned, CommandError> {
    let specs = hands.migrator()?.specs();
    let desired = match Desired::read(&asked.properties) {
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
    match plan::plan(&input) {
        Ok(plan) => explained(hands, asked, &input, &plan).await,
        Err(Refused(objections)) => Ok(refused(objections)),
    }
}

async fn explained(
    hands: &Hands,
    asked: &Asked,
    input: &Input<'_>,
    plan: &Plan,
) -> Result<Planned, CommandError> {
    let mut explained = plan.explain(input);
    let hold = input.observed.ledger.meta.as_ref().and_then(|meta| meta.hold.as_ref());
    explained.notices.extend(hold.map(|hold| {
        format!("the scope is {hold}; deploys fail at once until the hold is lifted with resume")
    }));
    let (mut text, mut markdown) = (explained.to_string(), explained.markdown());
    let mut sample = None;
    if let Some(sampling) = asked.sample {
        let (dynamo, migrator) = (&hands.services.dynamo, hands.migrator()?);
        let preview =
            preview::preview(dynamo, migrator, plan, input, sampling, hands.budget).await?;
        text += &preview.to_string();
        markdown += &preview.markdown();
        sample = Some(preview);
    }
    let pending = explained.pending;
    Ok(Planned { pending, plan: Some(explained), refused: Vec::new(), sample, text, markdown })
}

fn refused(objections: Vec<String>) -> Planned {
    let refused = Refused(objections);
    Planned {
        pending: false,
        plan: None,
        text: refused.to_string(),
        markdown: refused.markdown(),
        sample: None,
        refused: refused.0,
    }
}
