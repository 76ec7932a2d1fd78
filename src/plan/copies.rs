//! Plans what copies of tables need: their source with its stream as long as they are not finished, a deploy of their own to
//! be finished in, and to catch up with each deploy before that.

use super::leaving::Fate;
use super::{Input, MigrationStep, Plan};
use crate::ledger::rows::TableRow;
use crate::ledger::state::State;
use crate::migration::Spec;
use crate::schema::Stream;

/// Adds what an applied copy does, unless it is finished or is about to be.
pub(super) fn catch_up(input: &Input<'_>, spec: &Spec, plan: &mut Plan) {
    let Some(from) = spec.copies.as_ref().filter(|_| state(input, &spec.id) == State::Applied)
    else {
        return;
    };
    if finish(input, &spec.id).is_none_or(|finish| !state(input, &finish.id).is_done()) {
        plan.migrations.push(MigrationStep::CatchUp { id: spec.id.clone(), from: from.clone() });
    }
}

/// Takes away the steps of copies that are finished in the same plan: that catches up too.
pub(super) fn without_finished(input: &Input<'_>, plan: &mut Plan) {
    let runs = |id: &str| {
        let is = |step: &MigrationStep| matches!(step, MigrationStep::Apply { id: other, .. } if other == id);
        plan.migrations.iter().any(is)
    };
    let is_finished = |id: &str| finish(input, id).is_some_and(|finish| runs(&finish.id));
    let finished: Vec<_> = input.specs.iter().filter(|spec| is_finished(&spec.id)).collect();
    plan.migrations.retain(|step| {
        !matches!(step, MigrationStep::CatchUp { id, .. } if finished.iter().any(|spec| spec.id == *id))
    });
}

/// What stands against finishing a copy.
pub(super) fn unready(input: &Input<'_>, spec: &Spec) -> Option<String> {
    let copy = spec.finishes.as_ref()?;
    let state = state(input, copy);
    (!state.is_done()).then(|| {
        format!(
            "migration {} finishes the copy of migration {copy}, which is {state}: first deploy that one alone, with code \
             that uses the new table (Migrations.Target: {copy}), or what the old code writes meanwhile is lost",
            spec.id
        )
    })
}

/// What the sources of copies lack that are made or followed.
pub(super) fn check_sources(input: &Input<'_>, plan: &Plan, objections: &mut Vec<String>) {
    for step in &plan.migrations {
        let (MigrationStep::Apply { id, .. } | MigrationStep::CatchUp { id, .. }) = step else {
            continue;
        };
        let spec = input.specs.iter().find(|spec| spec.id == *id);
        let Some(copy) = spec.and_then(|spec| copy_of(input, spec)) else { continue };
        let Some(from) = &copy.copies else { continue };
        objections.extend(missing_stream(input, &copy.id, from));
        let is_doomed = |leaving: &&super::Leaving| {
            leaving.table == *from && matches!(leaving.fate, Fate::Doomed { .. })
        };
        if plan.leaving.iter().any(|leaving| is_doomed(&leaving)) {
            objections.push(format!(
                "table {from} leaves the declaration and is the source of migration {}, which is not finished; keep it \
                 until the deploy after Migration::finish_copy",
                copy.id
            ));
        }
    }
}

/// The copy that a migration makes or finishes.
fn copy_of<'a>(input: &Input<'a>, spec: &'a Spec) -> Option<&'a Spec> {
    match &spec.finishes {
        Some(copy) => input.specs.iter().find(|spec| spec.id == *copy),
        None => Some(spec),
    }
}

fn missing_stream(input: &Input<'_>, id: &str, from: &str) -> Option<String> {
    let declared = input.desired.tables.iter().position(|declared| declared.table.name == from);
    let live = input.observed.tables.get(from).and_then(|live| live.table().stream);
    let wanted = Stream::NewAndOldImages;
    let stream = match declared.map(|position| &input.desired.tables[position].table) {
        None => live,
        Some(table) => table.stream.or_else(|| live.filter(|_| !goes(input, from))),
    };
    if stream == Some(wanted) {
        return None;
    }
    let place = match declared {
        Some(position) => format!("Tables[{position}].StreamSpecification"),
        None => "StreamSpecification".to_owned(),
    };
    let now = stream.unwrap_or(Stream::Off);
    Some(format!(
        "migration {id} copies from table {from} by its stream, which is {now}: set {place} to \
         {{ StreamViewType: {wanted} }} until the copy is finished"
    ))
}

/// Whether a stream that is not declared any more is to be turned off, since an earlier declaration has turned it on.
fn goes(input: &Input<'_>, table: &str) -> bool {
    let row = input.observed.ledger.tables.get(table);
    let last = row.and_then(TableRow::last_declaration).and_then(|table| table.stream);
    last.is_some_and(|stream| stream != Stream::Off)
}

fn finish<'a>(input: &Input<'a>, copy: &str) -> Option<&'a Spec> {
    input.specs.iter().find(|spec| spec.finishes.as_deref() == Some(copy))
}

fn state(input: &Input<'_>, id: &str) -> State {
    input.observed.ledger.migrations.get(id).map_or(State::Pending, |row| row.state)
}
