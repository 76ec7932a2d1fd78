//! Whether a request leads on or back: CloudFormation does not mark the Update of a rollback.

use serde_json::Value;

use crate::desired::ledger_table;
use crate::ledger::rows::MetaRow;
use crate::plan::Mode;
use crate::request::{Envelope, RequestKind, properties_hash};
use crate::stacks::{Phase, Stacks};

/// How far a request leads, and what made that uncertain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) mode: Mode,
    pub(super) doubt: Option<String>,
}

/// What declarations and identities say of an Update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// As only a deploy does.
    LikeADeploy,
    /// As a deploy does; there are rollbacks that do so too.
    RatherLikeADeploy,
    /// As a rollback does; there are deploys that do so too.
    RatherLikeARollback,
}

/// Tells a rollback from a deploy. CloudFormation is asked where what the request brings leaves it open; where it does
/// not say, the request is taken for what it looks like.
pub(super) async fn way(
    stacks: &dyn Stacks,
    envelope: &Envelope,
    run: &str,
    meta: Option<&MetaRow>,
) -> Way {
    if envelope.kind == RequestKind::Create {
        return Way { mode: Mode::First, doubt: None };
    }
    let deploy = Way { mode: deploy(envelope), doubt: None };
    let looks = looks(envelope, run, meta);
    if looks == Looks::LikeADeploy {
        return deploy;
    }
    let way = match (stacks.status(&envelope.stack_id).await, looks) {
        (Ok(status), _) => match status.phase() {
            Phase::RollsBack => Way { mode: Mode::Superset, doubt: None },
            Phase::Ends | Phase::Goes => deploy,
        },
        (Err(unreadable), Looks::RatherLikeARollback) => Way {
            mode: Mode::Superset,
            doubt: Some(format!("taken for a rollback by its declarations: {unreadable}")),
        },
        (Err(unreadable), Looks::LikeADeploy | Looks::RatherLikeADeploy) => Way {
            doubt: Some(format!("taken for a deploy by its declarations: {unreadable}")),
            ..deploy
        },
    };
    if way.mode == Mode::Superset {
        tracing::info!("this is the way back to the declaration before");
    }
    way
}

/// How far a deploy leads. The Delete of the generation before carries the properties of before: one of another ledger
/// would clean up there, and take tables for its own that are declared here.
fn deploy(envelope: &Envelope) -> Mode {
    let keeps_its_ledger = |old: &Value| ledger_table(old) == ledger_table(&envelope.properties);
    if envelope.old_properties.as_ref().is_none_or(keeps_its_ledger) {
        Mode::Deploy
    } else {
        Mode::First
    }
}

/// What the old properties and the identity give away.
///
/// Of a deploy the old properties are the declaration that is committed. Of a rollback they are the one that is taken
/// back: it failed, and another is committed; or it succeeded, and the new properties are those before it. A team that
/// returns to its last but one declaration by a deploy of its own looks like the latter.
fn looks(envelope: &Envelope, run: &str, meta: Option<&MetaRow>) -> Looks {
    let (RequestKind::Update, Some(meta), Some(old)) =
        (&envelope.kind, meta, &envelope.old_properties)
    else {
        return Looks::LikeADeploy;
    };
    let (new, old) = (Some(properties_hash(&envelope.properties)), Some(properties_hash(old)));
    let from_failed = meta.committed == new
        && meta.committed != old
        // A deploy that was committed and could not be answered comes again with the old properties of before.
        && (meta.previous != old || meta.attempting == old);
    let from_succeeded = meta.previous == new && meta.committed == old;
    if from_failed || from_succeeded {
        return Looks::RatherLikeARollback;
    }
    let returns = new != old && (meta.committed == new || meta.previous == new);
    // CloudFormation holds an identity before the one that was answered last.
    let is_behind = envelope.generation() < meta.live() && meta.answered_by(run).is_none();
    if returns || is_behind { Looks::RatherLikeADeploy } else { Looks::LikeADeploy }
}
