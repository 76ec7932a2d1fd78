//! What about a migration a person has to decide: what is on record, what that leaves open, and the exact ways out.
//!
//! The plan refuses with these words, and `status` shows them: a migration is never silently run again or skipped.

use std::cmp::Ordering;
use std::fmt;

use serde::Serialize;

use crate::authoring::Language;
use crate::ledger::rows::{Hold, MigrationRow};
use crate::ledger::state::State;
use crate::ledger::{Place, Snapshot};
use crate::migration::Spec;
use crate::migrator::compare_ids;

/// A direct command as it is to be sent to the function; its `Display` is the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    tablewright: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    scope: String,
    by: &'static str,
    reason: &'static str,
}

impl Call {
    /// What stands for the words of whoever sends it.
    pub(crate) const BY: &'static str = "<you>";
    pub(crate) const REASON: &'static str = "<why>";

    /// A command that takes nothing but the scope.
    #[must_use]
    pub fn new(place: Place<'_>, verb: &'static str) -> Self {
        let is_named = place.ledger != crate::desired::DEFAULT_LEDGER_TABLE;
        Self {
            tablewright: verb,
            action: None,
            id: None,
            to: None,
            all: None,
            ledger: is_named.then(|| place.ledger.to_owned()),
            scope: place.scope.to_owned(),
            by: Self::BY,
            reason: Self::REASON,
        }
    }

    fn repair(place: Place<'_>, action: &'static str, id: &str) -> Self {
        let new = Self::new(place, "repair");
        Self { action: Some(action), id: Some(id.to_owned()), ..new }
    }

    /// Takes back what is newer than this migration, or everything.
    fn undo(place: Place<'_>, to: Option<&str>) -> Self {
        let (to, all) = (to.map(str::to_owned), to.is_none().then_some(true));
        Self { to, all, ..Self::new(place, "undo") }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayOut {
    /// When it is the right one, and what it does.
    pub means: String,
    /// The command to send, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Call>,
}

/// What a person has to decide; its `Display` is one sentence with all ways out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// What is on record, and what that leaves open.
    pub why: String,
    /// Each way out.
    pub ways_out: Vec<WayOut>,
}

impl Concern {
    fn new(why: String) -> Self {
        Self { why, ways_out: Vec::new() }
    }

    fn or(mut self, means: impl Into<String>) -> Self {
        self.ways_out.push(WayOut { means: means.into(), command: None });
        self
    }

    fn or_send(mut self, means: impl Into<String>, command: Call) -> Self {
        self.ways_out.push(WayOut { means: means.into(), command: Some(command) });
        self
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Either ", self.why)?;
        for (position, way) in self.ways_out.iter().enumerate() {
            let or = if position == 0 { "" } else { "; or " };
            write!(f, "{or}{}", way.means)?;
            if let Some(command) = &way.command {
                write!(f, ": {command}")?;
            }
        }
        Ok(())
    }
}

/// Most migrations that are named; an answer has room for 4,096 bytes, and its end is what to do.
const NAMED: usize = 10;

/// The beginning of an author's error, which can be of any length.
fn shortened(error: &str) -> String {
    const CHARACTERS_MAX: usize = 400;
    match error.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &error[..end]),
        None => error.to_owned(),
    }
}

/// What stands between a recorded migration and this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is newer than all that the build has.
    Newer,
    /// The build lacks it, and has newer ones.
    Missing,
    /// It is done, and has changed since.
    Changed,
    /// Part of it may be in place, and nothing says that running it again is right.
    HalfDone,
    /// It is done but for some items.
    ItemsFailed,
    /// Its state is one of a newer version of tablewright.
    Foreign,
}

impl Trouble {
    /// The trouble with a row, where there is any.
    #[must_use]
    pub fn of(specs: &[Spec], row: &MigrationRow) -> Option<Self> {
        let Some(spec) = specs.iter().find(|spec| spec.id == row.id) else {
            if matches!(row.state, State::Pending | State::Undone) {
                return None;
            }
            let newest = specs.last().map(|spec| spec.id.as_str());
            let is_newer =
                newest.is_none_or(|newest| compare_ids(&row.id, newest) == Ordering::Greater);
            return Some(if is_newer { Self::Newer } else { Self::Missing });
        };
        let is_changed = row.fingerprint != spec.fingerprint;
        match row.state {
            State::Pending | State::Undone => None,
            State::Baseline | State::Applied => is_changed.then_some(Self::Changed),
            State::AppliedWithErrors => Some(Self::ItemsFailed),
            State::Started | State::Paused | State::Failed | State::Undoing | State::UndoFailed => {
                (!is_changed && !spec.idempotent).then_some(Self::HalfDone)
            }
            State::Unknown => Some(Self::Foreign),
        }
    }
}

/// What a person has to decide about a recorded migration, in whatever mode.
#[must_use]
pub fn concern(
    place: Place<'_>,
    specs: &[Spec],
    ledger: &Snapshot,
    row: &MigrationRow,
) -> Option<Concern> {
    let spec = specs.iter().find(|spec| spec.id == row.id);
    let concern = match (Trouble::of(specs, row)?, spec) {
        (Trouble::Newer, _) => downgrade(place, specs, &[row]),
        (Trouble::Missing, _) => missing(row),
        (Trouble::Changed, Some(spec)) => changed(place, spec, row),
        (Trouble::HalfDone, Some(spec)) => half_done(place, specs, spec, ledger, row),
        (Trouble::ItemsFailed, _) => items_failed(place, row),
        (Trouble::Foreign, _) => foreign(row),
        (Trouble::Changed | Trouble::HalfDone, None) => return None,
    };
    Some(concern)
}

/// A deploy into a scope that somebody holds.
#[must_use]
pub fn held(place: Place<'_>, hold: &Hold) -> Concern {
    Concern::new(format!("the scope is {hold}; nothing was changed"))
        .or("wait until they lift the hold")
        .or_send("lift it, and deploy again", Call::new(place, "resume"))
}

/// A deploy of a build that is older than what the ledger has.
pub(super) fn downgrade(place: Place<'_>, specs: &[Spec], newer: &[&MigrationRow]) -> Concern {
    let newest = specs.last().map(|spec| spec.id.as_str());
    let here = newest.map_or_else(
        || "this build has no migrations".to_owned(),
        |newest| format!("the newest migration of this build is {newest}"),
    );
    let named = newer.iter().take(NAMED);
    let mut recorded: Vec<_> =
        named.map(|row| format!("{} ({}, by build {})", row.id, row.state, row.build)).collect();
    if newer.len() > NAMED {
        recorded.push(format!("and {} more", newer.len() - NAMED));
    }
    let why = format!("{here}, and the ledger has newer ones: {}", recorded.join(", "));
    let mut concern = Concern::new(why).or("deploy a build that has them");
    if newer.iter().any(|row| row.state.is_applied() || row.state.is_partial()) {
        let is_kept = |row: &&MigrationRow| row.journal || row.language != Language::Rust;
        let means = if newer.iter().all(is_kept) {
            "have them taken back first, by this build or by theirs"
        } else {
            "have the build that has them take them back first, before this one is deployed"
        };
        concern = concern.or_send(means, Call::undo(place, newest));
    }
    concern.or("set Migrations.Missing: allow, which leaves them as they are")
}

fn missing(row: &MigrationRow) -> Concern {
    let why = format!(
        "migration {} is {} in the ledger (by build {}) but missing from this build",
        row.id, row.state, row.build
    );
    Concern::new(why).or("put it back").or("set Migrations.Missing: allow")
}

fn changed(place: Place<'_>, spec: &Spec, row: &MigrationRow) -> Concern {
    let why = format!(
        "migration {} has changed since it was {}: {} on {} by build {}, now {}",
        row.id,
        row.state,
        row.fingerprint,
        row.finished_at.as_deref().unwrap_or("an unknown date"),
        row.build,
        spec.fingerprint
    );
    Concern::new(why)
        .or("undo the change, and put what is new into a migration of its own")
        .or_send(
            "say that both do the same, so that nothing has to run",
            Call::repair(place, "fingerprint", &row.id),
        )
}

fn foreign(row: &MigrationRow) -> Concern {
    let why = format!(
        "migration {} is in a state that only a newer version of tablewright knows",
        row.id
    );
    Concern::new(why).or("deploy that version").or("leave the migration alone until then")
}

fn items_failed(place: Place<'_>, row: &MigrationRow) -> Concern {
    let id = &row.id;
    let why = format!(
        "migration {id} is applied but for some items, whose keys and errors are in the ledger under failed#{id}#; \
         trying them again is safe, and each deploy does"
    );
    let again = Call { id: Some(id.clone()), ..Call::new(place, "retry-failed") };
    let mend = match row.language {
        Language::Rust => "mend the transform and raise its revision, then deploy",
        Language::Yaml | Language::JavaScript | Language::Unknown => "mend its file, then deploy",
    };
    Concern::new(why).or(mend).or_send("mend the items, then have them tried again", again).or_send(
        "say that the items are as they should be",
        Call::repair(place, "mark-applied", id),
    )
}

fn half_done(
    place: Place<'_>,
    specs: &[Spec],
    spec: &Spec,
    ledger: &Snapshot,
    row: &MigrationRow,
) -> Concern {
    let id = &row.id;
    let error = row.error.as_deref().map(|error| format!(" ({})", shortened(error)));
    let error = error.unwrap_or_default();
    let reached = ledger.reached.get(id).map(|reached| format!("; {reached}")).unwrap_or_default();
    let why = format!(
        "migration {id} is {} since {} by run {}, build {}{error}{reached}: part of it may be in place, and it does not \
         say that running it again is right. Look at the data",
        row.state,
        row.started_at.as_deref().unwrap_or("an unknown date"),
        row.run,
        row.build,
    );
    let mend = match spec.language {
        Language::Rust => {
            format!("mend the migration, then raise its revision (now {})", spec.fingerprint)
        }
        Language::Yaml | Language::JavaScript | Language::Unknown => "mend its file".to_owned(),
    };
    let concern = Concern::new(why)
        .or(format!("{mend} or declare it idempotent, and deploy: it runs again"))
        .or_send(
            "where the data is as it should be after it",
            Call::repair(place, "mark-applied", id),
        )
        .or_send(
            "where the data is as it was before it, so that it runs again from its start",
            Call::repair(place, "mark-rolled-back", id),
        );
    if !spec.reversible || !is_newest_touched(ledger, id) {
        return concern;
    }
    let before = specs.iter().rev().find(|spec| compare_ids(&spec.id, id) == Ordering::Less);
    let to = before.map(|spec| spec.id.as_str());
    concern.or_send("have its own way back take it back", Call::undo(place, to))
}

/// Whether nothing newer would be taken back together with this migration.
fn is_newest_touched(ledger: &Snapshot, id: &str) -> bool {
    let is_touched = |row: &&MigrationRow| row.state.is_applied() || row.state.is_partial();
    let mut touched = ledger.migrations.values().filter(is_touched);
    touched.all(|row| compare_ids(&row.id, id) != Ordering::Greater)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str) -> Spec {
        let migration = crate::Migration::new(id.to_owned(), |_| async { Ok(()) });
        migration.spec()
    }

    fn row(state: State) -> MigrationRow {
        let fingerprint = spec("2_b").fingerprint;
        MigrationRow { id: "2_b".to_owned(), state, fingerprint, ..MigrationRow::default() }
    }

    #[test]
    fn what_the_build_lacks_and_something_may_be_left_of_is_newer_or_missing() {
        let (older, younger) = ([spec("1_a")], [spec("1_a"), spec("3_c")]);
        for state in State::ALL {
            let is_touched = !matches!(state, State::Pending | State::Undone);
            for specs in [&[], older.as_slice()] {
                let expected = is_touched.then_some(Trouble::Newer);
                assert_eq!(Trouble::of(specs, &row(state)), expected, "{state}");
            }
            let expected = is_touched.then_some(Trouble::Missing);
            assert_eq!(Trouble::of(&younger, &row(state)), expected, "{state}");
        }
    }

    #[test]
    fn what_is_partial_needs_a_person_unless_somebody_has_said_that_it_may_run_again() {
        for state in State::ALL.into_iter().filter(|state| state.is_partial()) {
            let own = spec("2_b");
            let idempotent = Spec { idempotent: true, ..own.clone() };
            let revised = Spec { fingerprint: "another".to_owned(), ..own.clone() };
            assert_eq!(Trouble::of(&[own], &row(state)), Some(Trouble::HalfDone), "{state}");
            assert_eq!(Trouble::of(&[idempotent], &row(state)), None, "{state}");
            assert_eq!(Trouble::of(&[revised], &row(state)), None, "{state}");
        }
    }

    #[test]
    fn what_to_do_fits_an_answer_however_much_there_is_to_say() {
        let place = Place {
            ledger: "tablewright-ledger",
            scope: "6f1d2c80-8c1e-11f0-9b5a-0a58a9feac02/Data",
        };
        let error = Some("ä€😀".repeat(700));
        let failed = MigrationRow { error, ..row(State::Failed) };
        let many: Vec<_> = (0..500).map(|_| &failed).collect();
        let told = concern(place, &[spec("2_b")], &Snapshot::default(), &failed).unwrap();
        for told in [told, downgrade(place, &[], &many)] {
            assert!(told.to_string().len() < 3500, "{told}");
        }
    }

    #[test]
    fn every_concern_has_ways_out_and_every_command_names_its_scope() {
        let place = Place { ledger: "another-ledger", scope: "uuid/Data" };
        let changed = Spec { fingerprint: "another".to_owned(), ..spec("2_b") };
        let builds = [vec![], vec![spec("3_c")], vec![spec("2_b")], vec![changed]];
        for (specs, state) in builds.iter().flat_map(|specs| State::ALL.map(|state| (specs, state)))
        {
            let row = row(state);
            let told = concern(place, specs, &Snapshot::default(), &row);
            assert_eq!(told.is_some(), Trouble::of(specs, &row).is_some(), "{state}");
            let Some(told) = told else { continue };
            assert!(told.ways_out.len() > 1, "{told}");
            for command in told.ways_out.iter().filter_map(|way| way.command.as_ref()) {
                let mut event = serde_json::to_value(command).unwrap();
                assert!(crate::command::Command::read(&event).is_err(), "nobody has signed it");
                event["by"] = "ann".into();
                event["reason"] = "ticket 7".into();
                assert_eq!(
                    (&event["ledger"], &event["scope"]),
                    (&place.ledger.into(), &place.scope.into())
                );
                crate::command::Command::read(&event).unwrap();
            }
        }
    }
}
