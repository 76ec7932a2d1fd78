//! What a case leaves, compared with the model: items, copies, and what the ledger says of them.

use std::collections::BTreeSet;

use tablewright::Guard;

use super::case::{Aim, CHANGE, COPIES, Case, TABLE, key_text};
use super::model::{self, Course};
use super::run::{LEDGER, Run, SCOPE, Scene};
use super::writer::{Deed, Done};
use crate::support::{Item, text};

/// What there is in the end.
struct End<'a> {
    case: &'a Case,
    scene: &'a Scene,
    course: Course,
    items: Vec<Item>,
    copies: Vec<Item>,
    journal: Vec<Item>,
    failed: Vec<Item>,
}

impl Run {
    /// Compares what there is with what there may be.
    pub(super) async fn compare(&self) -> Result<(), String> {
        let scene = self.stage.scene.lock().await;
        let rows = self.all(LEDGER).await.into_iter();
        let is_journal =
            |row: &Item| row["scope"].as_s().unwrap().starts_with(&format!("{SCOPE}#journal#"));
        let end = End {
            case: &self.case,
            scene: &scene,
            course: self.course().await?,
            items: self.all(TABLE).await,
            copies: self.all(COPIES).await,
            journal: rows.filter(is_journal).collect(),
            failed: self.ledger(&format!("failed#{CHANGE}#")).await,
        };
        end.check_items()?;
        end.check_copies()?;
        end.check_failed(&self.state().await)?;
        self.check_ledger(&end).await
    }

    pub(super) async fn state(&self) -> String {
        let row = self.ledger(&format!("migration#{CHANGE}")).await;
        row.first().map(|row| row["state"].as_s().unwrap().clone()).unwrap_or_default()
    }

    async fn course(&self) -> Result<Course, String> {
        let attempts = self.ledger(&format!("attempt#{CHANGE}#")).await;
        let went_back = attempts.iter().any(|row| row["direction"] == text("down"));
        match self.state().await.as_str() {
            "undone" => Ok(Course::TakenBack),
            // It is applied as well where there was no item for which it would have been refused.
            "failed" | "applied" | "applied_with_errors" if self.case.aim == Aim::Refused => {
                Ok(Course::Refused)
            }
            "applied" | "applied_with_errors" if went_back => Ok(Course::AppliedAtLast),
            "applied" | "applied_with_errors" => Ok(Course::Applied),
            other => Err(format!("the migration is {other:?}")),
        }
    }

    /// The rows of the ledger whose entry begins so.
    pub(super) async fn ledger(&self, prefix: &str) -> Vec<Item> {
        let query = self.plane.bystander().query().table_name(LEDGER).consistent_read(true);
        let query = query
            .key_condition_expression("#scope = :scope AND begins_with(#entry, :prefix)")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":scope", text(SCOPE))
            .expression_attribute_values(":prefix", text(prefix));
        query.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap()
    }

    async fn all(&self, table: &str) -> Vec<Item> {
        let scan = self.plane.bystander().scan().table_name(table).into_paginator().items();
        scan.send().collect::<Result<_, _>>().await.unwrap()
    }

    /// Where nothing went wrong, nothing is left over, and the counts are exact.
    async fn check_ledger(&self, end: &End<'_>) -> Result<(), String> {
        let case = &self.case;
        if !case.stops.is_empty() || !case.faults.is_empty() {
            return Ok(());
        }
        let checkpoints = self.ledger("checkpoint#").await;
        let lease = self.ledger("lease").await.remove(0);
        let is_refused = end.course == Course::Refused;
        if (!checkpoints.is_empty() && !is_refused) || lease.contains_key("invocation") {
            return Err(format!("there is left over: {lease:?}, {checkpoints:?}"));
        }
        let attempts = self.ledger(&format!("attempt#{CHANGE}#")).await;
        if case.write_chance + case.crossing_chance > 0 || is_refused || attempts.len() > 2 {
            return Ok(());
        }
        let attempt = &attempts[0];
        let counted = ["read", "changed", "failed"].map(|name| {
            attempt.get(name).map_or(0, |count| count.as_n().unwrap().parse::<usize>().unwrap())
        });
        let expected = case.counts();
        if counted == expected {
            return Ok(());
        }
        Err(format!("read, changed and failed are {counted:?}, not {expected:?}"))
    }
}

impl End<'_> {
    fn record(&self, key: &str) -> &[Done] {
        self.scene.writer.record.get(key).map_or(&[], Vec::as_slice)
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        let all = self.case.items.iter().chain(&self.case.new_keys);
        all.map(key_text)
    }

    /// Each item is in a state that the model knows, and in the journal exactly if it has to be.
    fn check_items(&self) -> Result<(), String> {
        let of_the_table = self.journal.iter().filter(|row| row["table"] == text(TABLE));
        let journal: BTreeSet<_> =
            of_the_table.map(|row| key_text(row["key"].as_m().unwrap())).collect();
        let failed = self.failed_keys();
        for key in self.keys() {
            let find = |items: &[Item]| {
                let found = items.iter().find(|item| key_text(item) == key);
                found.cloned().map(model::normal)
            };
            let (before, after) = (find(&self.case.items), find(&self.items));
            let record = self.record(&key);
            let is_kept = journal.contains(&key);
            let mut ends = model::ends(self.case, self.course, before.clone(), record);
            // One that others changed again and again counts as an item that cannot be handled.
            ends.retain(|end| !end.is_due() || failed.contains(&key));
            if ends.iter().any(|end| end.item == after && end.is_kept() == is_kept) {
                continue;
            }
            let show = |item: &Option<Item>| model::show(item.as_ref());
            let ends: Vec<_> = ends.iter().map(|end| show(&end.item)).collect();
            return Err(format!(
                "{:?}, {:?}: item {key}, in the journal: {is_kept}\n  was {}\n  is {}\n  and not one of\n  {}\n  after {record:?}",
                self.course,
                self.case.guard,
                show(&before),
                show(&after),
                ends.join("\n  "),
            ));
        }
        Ok(())
    }

    /// There is a copy of each item that was there all the time, and of none that never was.
    fn check_copies(&self) -> Result<(), String> {
        let found: BTreeSet<_> = self.copies.iter().map(model::show_some).collect();
        let copy = |key: &String| model::show_some(&Case::copy(key));
        let known: Vec<_> = self.keys().collect();
        let possible: BTreeSet<_> = known.iter().map(copy).collect();
        let stays =
            |key: &&String| !self.record(key).iter().any(|done| matches!(done.deed, Deed::Delete));
        let initial: Vec<_> = self.case.items.iter().map(key_text).collect();
        let necessary: BTreeSet<_> = initial.iter().filter(stays).map(copy).collect();
        let is_right = match self.course {
            _ if !self.case.copies => found.is_empty(),
            Course::TakenBack => found.is_empty(),
            Course::Applied | Course::AppliedAtLast => {
                found.is_subset(&possible) && found.is_superset(&necessary)
            }
            Course::Refused => found.is_subset(&possible),
        };
        let journalled = self.journal.iter().filter(|row| row["table"] == text(COPIES)).count();
        let is_kept = self.case.guard == Some(Guard::Journal);
        if is_right && (!is_kept || journalled == found.len()) {
            return Ok(());
        }
        Err(format!(
            "{:?}, {:?}: {journalled} in the journal, copies {found:#?}, where {necessary:#?} have to be",
            self.course, self.case.guard
        ))
    }

    fn failed_keys(&self) -> BTreeSet<String> {
        self.failed.iter().map(|row| key_text(row["key"].as_m().unwrap())).collect()
    }

    /// Items that cannot be handled are on record, and the state says whether there are any.
    fn check_failed(&self, state: &str) -> Result<(), String> {
        let recorded = self.failed_keys();
        let untouched =
            self.case.items.iter().filter(|item| {
                self.case.is_poisoned(item) && self.record(&key_text(item)).is_empty()
            });
        let expected: BTreeSet<_> = untouched.map(key_text).collect();
        let is_right = match self.course {
            Course::Applied | Course::AppliedAtLast => {
                recorded.is_superset(&expected) && recorded.is_empty() == (state == "applied")
            }
            // A process may die between its last write and their removal.
            Course::TakenBack => recorded.is_empty() || !self.case.stops.is_empty(),
            Course::Refused => true,
        };
        if is_right {
            return Ok(());
        }
        Err(format!("{state}: {recorded:?} are on record as failed, and {expected:?} have to be"))
    }
}
