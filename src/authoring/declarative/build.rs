//! A document as a migration: changes become backfills, statements a function.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::document::{Act, Change, Document, Edit, How, Work};
use super::faults::Faults;
use super::statement::{self, Statement};
use super::syntax::Options;
use super::transform;
use crate::dynamo::Repeat;
use crate::item::Change as Outcome;
use crate::migration::{Backfill, Context, Guard, Loss, Migration, MigrationError};

/// The changes of one table that are made in one pass over it.
type Pass = Vec<Change>;

/// What goes wrong only where all of a document is known.
pub(super) fn check(document: &Document, faults: &Faults) {
    let Work::Changes(changes) = &document.work else { return };
    let passes = passes(changes);
    if document.how.guard == Some(Guard::Stamp) {
        for (position, pass) in passes.iter().enumerate() {
            if passes[..position].iter().any(|earlier| earlier[0].table == pass[0].table) {
                faults.add(
                    pass[0].at,
                    format!("{} is gone through a second time, and the stamp of the first is on its items", pass[0].table),
                    "put the changes of one table next to each other, or make two files",
                );
            }
        }
        if document.down.is_some() && attached(document).is_none() {
            faults.add(
                changes[0].at,
                "down is about other tables than the changes, or is statements, and guard: stamp goes by the stamp on each item",
                "change the same tables in down, or make two files",
            );
        }
    }
    let tables: BTreeSet<_> = changes.iter().map(|change| &change.table).collect();
    if document.how.verify.is_some() && tables.len() > 1 {
        let tables: Vec<_> = tables.into_iter().cloned().collect();
        faults.add(
            changes[0].at,
            format!("verify is about one table, and these are {}", tables.join(" and ")),
            "make a file for each table",
        );
    }
}

/// The migration of this id that a document describes.
pub(super) fn migration(id: &str, document: &Document, options: Options) -> Migration {
    let repeat = if options.is_idempotent { Repeat::AtWill } else { Repeat::WhereRefused };
    let attached = attached(document);
    let migration = match &document.work {
        Work::Changes(changes) => {
            let backfill = |pass: Pass| {
                let down = attached.as_ref().map(|all| of_table(all, &pass[0].table));
                backfill(pass, down, &document.how)
            };
            Migration::backfills(id.to_owned(), passes(changes).into_iter().map(backfill))
        }
        Work::Statements(statements) => {
            let statements: Arc<[Statement]> = statements.clone().into();
            let migration = Migration::new(id.to_owned(), move |cx| {
                let statements = Arc::clone(&statements);
                async move { statement::run(&cx, &statements, repeat).await }
            });
            if options.is_idempotent { migration.idempotent() } else { migration }
        }
    };
    let migration = migration.description(document.description.clone()).phase(document.phase);
    match (&document.down, attached) {
        (Some(down), None) => {
            let down = Arc::new(down.clone());
            migration.down(move |cx| {
                let down = Arc::clone(&down);
                async move { undo(&cx, &down, repeat).await }
            })
        }
        (Some(_), Some(_)) | (None, _) => migration,
    }
}

/// Tables that a document names beside those whose items it goes through.
pub(super) fn tables(document: &Document) -> Vec<String> {
    let of = |work: &Work| match work {
        Work::Statements(all) => all.iter().map(|one| one.table.clone()).collect::<Vec<_>>(),
        Work::Changes(all) => {
            let copied = all.iter().filter_map(|change| match &change.act {
                Act::CopyTo(copy) => Some(copy.table.clone()),
                Act::Edit(_) | Act::Delete => None,
            });
            copied.chain(all.iter().map(|change| change.table.clone())).collect()
        }
    };
    let all = of(&document.work).into_iter().chain(document.down.iter().flat_map(of));
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Neighbours of one table go together; a copy is all that becomes of an item.
fn passes(changes: &[Change]) -> Vec<Pass> {
    let is_copy = |change: &Change| matches!(change.act, Act::CopyTo(_));
    let mut passes: Vec<Pass> = Vec::new();
    for change in changes {
        match passes.last_mut() {
            Some(pass)
                if pass[0].table == change.table && !is_copy(&pass[0]) && !is_copy(change) =>
            {
                pass.push(change.clone());
            }
            _ => passes.push(vec![change.clone()]),
        }
    }
    passes
}

/// The changes of the way back where they are about the very tables that are gone through, once each: then they are the
/// way back of these passes. Otherwise they are passes of their own.
fn attached(document: &Document) -> Option<Vec<Change>> {
    let (Work::Changes(changes), Some(Work::Changes(down))) = (&document.work, &document.down)
    else {
        return None;
    };
    let passes = passes(changes);
    let tables: BTreeSet<_> = passes.iter().map(|pass| pass[0].table.as_str()).collect();
    let is_once = tables.len() == passes.len();
    let is_same = down.iter().all(|change| {
        tables.contains(change.table.as_str()) && !matches!(change.act, Act::CopyTo(_))
    });
    (is_once && is_same).then(|| down.clone())
}

fn of_table(changes: &[Change], table: &str) -> Vec<Change> {
    changes.iter().filter(|change| change.table == table).cloned().collect()
}

fn backfill(pass: Pass, down: Option<Vec<Change>>, how: &How) -> Backfill {
    let loss = loss(&pass, down.as_deref().unwrap_or_default());
    let table = pass[0].table.clone();
    let mut backfill = Backfill::new(table, move |item| transform::apply(&pass, item));
    if let Some(down) = down {
        backfill = backfill.down(move |item| match down.as_slice() {
            [] => Ok(Outcome::Keep),
            down => transform::apply(down, item),
        });
    }
    if let Some(guard) = how.guard {
        backfill = backfill.guard(guard);
    }
    if let Some(loss) = loss {
        backfill = backfill.takes_away(loss);
    }
    if let Some(cap) = how.pace.at_most {
        backfill = backfill.at_most(cap);
    }
    if let Some(segments) = how.pace.segments {
        backfill = backfill.segments(segments);
    }
    if let Some(concurrency) = how.pace.concurrency {
        backfill = backfill.concurrency(concurrency);
    }
    if let Some((sample, that)) = how.verify.clone() {
        backfill = backfill.verify(sample, move |item| transform::verify(&that, item));
    }
    backfill.max_failed_items(how.max_failed_items)
}

/// What these changes take away and the way back does not give back.
fn loss(pass: &[Change], back: &[Change]) -> Option<Loss> {
    if pass.iter().any(|change| matches!(change.act, Act::Delete)) {
        return Some(Loss::Items);
    }
    let edits = |changes: &'_ [Change]| -> Vec<Edit> {
        let edit = |change: &Change| match &change.act {
            Act::Edit(edit) => Some(edit.clone()),
            Act::Delete | Act::CopyTo(_) => None,
        };
        changes.iter().filter_map(edit).collect()
    };
    let given_back: BTreeSet<_> = edits(back)
        .iter()
        .flat_map(|edit| {
            let set = edit.set.iter().map(|setting| setting.path.value.to_string());
            set.chain(edit.rename.iter().map(|renaming| renaming.to.value.to_string()))
        })
        .collect();
    let removed: Vec<_> = edits(pass)
        .iter()
        .flat_map(|edit| edit.remove.iter().map(|path| path.value.to_string()))
        .filter(|path| !given_back.contains(path))
        .collect();
    (!removed.is_empty()).then_some(Loss::Attributes(removed))
}

async fn undo(cx: &Context, down: &Work, repeat: Repeat) -> Result<(), MigrationError> {
    match down {
        Work::Statements(statements) => statement::run(cx, statements, repeat).await,
        Work::Changes(changes) => {
            for (number, pass) in passes(changes).into_iter().enumerate() {
                let backfill = backfill(pass, None, &How::default());
                cx.run(&format!("back {}", number + 1), backfill).await?;
            }
            Ok(())
        }
    }
}
