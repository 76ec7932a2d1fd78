//! The ordered list of migrations of one build, checked when it is built.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::authoring::{self, Fault, Source};
use crate::migration::{Backfill, Guard, Migration, Spec, TableCopy, Work};

/// An ordered list of migrations without duplicates.
#[derive(Debug, Clone, Default)]
pub struct Migrator {
    migrations: Vec<Arc<Migration>>,
}

impl Migrator {
    /// Starts a list.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What the planner needs to know of them, in order.
    #[must_use]
    pub fn specs(&self) -> Vec<Spec> {
        self.migrations.iter().map(|migration| migration.spec()).collect()
    }

    /// The same list with the migrations of a folder in their places; see [`authoring::folder`].
    ///
    /// # Errors
    /// As of [`Builder::build`].
    pub fn and_folder(self, path: impl AsRef<Path>) -> Result<Self, BuildError> {
        let migrations = self.migrations.into_iter().map(Arc::unwrap_or_clone).collect();
        Builder { migrations, ..Builder::default() }.folder(path).build()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Migration>> {
        self.migrations.iter().find(|migration| migration.id == id)
    }
}

/// Collects migrations in order.
#[derive(Debug, Default)]
pub struct Builder {
    migrations: Vec<Migration>,
    files: Vec<Source>,
    faults: Vec<Fault>,
}

impl Builder {
    /// Adds the next migration.
    #[must_use]
    pub fn migration(mut self, migration: Migration) -> Self {
        self.migrations.push(migration);
        self
    }

    /// Adds the migrations of a folder, which take their places among the others by their ids; see [`authoring::folder`].
    #[must_use]
    pub fn folder(mut self, path: impl AsRef<Path>) -> Self {
        match authoring::folder(path.as_ref()) {
            Ok(sources) => self.files.extend(sources),
            Err(faults) => self.faults.extend(faults),
        }
        self
    }

    /// Adds migration files, which take their places among the others by their ids.
    #[must_use]
    pub fn files(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.files.extend(sources);
        self
    }

    /// Checks ids, order and ways back, and reads the files.
    ///
    /// # Errors
    /// The first id that is malformed, given twice, or not after the one before it; a backfill with two ways back; a migration
    /// that finishes a copy which no earlier one makes; and before those, every fault of the files.
    pub fn build(mut self) -> Result<Migrator, BuildError> {
        check_order(&self.migrations)?;
        self.read_files()?;
        for migration in &self.migrations {
            let id = &migration.id;
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            if id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(fits) {
                return Err(BuildError::Malformed(id.to_string()));
            }
        }
        for migration in &self.migrations {
            let Work::Backfills(backfills) = &migration.work else { continue };
            let has_two_ways =
                |one: &&Backfill| one.guard == Some(Guard::Journal) && one.down.is_some();
            if let Some(backfill) = backfills.iter().find(has_two_ways) {
                let (id, table) = (migration.id.to_string(), backfill.table.clone());
                return Err(BuildError::TwoWaysBack { id, table });
            }
        }
        self.resolve_copies()?;
        Ok(Migrator { migrations: self.migrations.into_iter().map(Arc::new).collect() })
    }

    /// Puts the migrations of the files in their places.
    fn read_files(&mut self) -> Result<(), BuildError> {
        let mut faults = std::mem::take(&mut self.faults);
        for source in std::mem::take(&mut self.files) {
            let namesake = self.migrations.iter().find(|migration| migration.id == source.id);
            if let Some(namesake) = namesake {
                let other =
                    namesake.file.as_ref().map_or("a compiled migration", |file| &file.source.file);
                let problem = format!("its id {} is that of {other} as well", source.id);
                faults.push(Fault::new(&source.file, problem).fix("give it the next number"));
                continue;
            }
            match authoring::read(&source) {
                Ok(migration) => self.migrations.push(migration),
                Err(found) => faults.extend(found),
            }
        }
        self.migrations.sort_by(|a, b| compare_ids(&a.id, &b.id));
        if faults.is_empty() { Ok(()) } else { Err(BuildError::Files(faults)) }
    }

    /// Tells the migrations that finish a copy which one.
    fn resolve_copies(&mut self) -> Result<(), BuildError> {
        let mut copies: BTreeMap<String, Box<(Spec, TableCopy)>> = BTreeMap::new();
        for migration in &mut self.migrations {
            let (id, spec) = (migration.id.to_string(), migration.spec());
            match &mut migration.work {
                Work::Copy(copy) => drop(copies.insert(id, Box::new((spec, copy.clone())))),
                Work::FinishCopy { of, copy } => {
                    *copy = copies.remove(of);
                    if copy.is_none() {
                        return Err(BuildError::NothingToFinish { id, of: of.clone() });
                    }
                }
                Work::Function(_) | Work::Backfills(_) => {}
            }
        }
        Ok(())
    }
}

/// Checks that ids grow along a list.
fn check_order(migrations: &[Migration]) -> Result<(), BuildError> {
    for pair in migrations.windows(2) {
        let (before, after) = (pair[0].id.to_string(), pair[1].id.to_string());
        match compare_ids(&before, &after) {
            Ordering::Less => {}
            Ordering::Equal => return Err(BuildError::Duplicate(after)),
            Ordering::Greater => return Err(BuildError::Disorder { before, after }),
        }
    }
    Ok(())
}

/// Ids are part of ledger keys.
const ID_BYTES_MAX: usize = 128;

/// Why a list of migrations is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An id that cannot be used.
    #[error("migration id {0:?} is not 1 to {ID_BYTES_MAX} of a-z, A-Z, 0-9, '_', '-' and '.'")]
    Malformed(String),
    /// One id for two migrations.
    #[error("migration id {0} is given twice")]
    Duplicate(String),
    /// An id that does not come after the one before it.
    #[error(
        "migration {after} is listed after {before}, but its id comes before it; ids grow along the list"
    )]
    Disorder {
        /// The earlier one in the list.
        before: String,
        /// The one that follows it.
        after: String,
    },
    /// A migration that finishes a copy which is none, or which another one has finished.
    #[error(
        "migration {id} finishes the copy of migration {of}, which makes none; \
         name a copy that is listed before it and that no other migration finishes"
    )]
    NothingToFinish {
        /// Its id.
        id: String,
        /// The migration that it names.
        of: String,
    },
    /// Migration files that cannot be used.
    #[error("{}", one_line(.0))]
    Files(Vec<Fault>),
    /// A backfill that keeps a journal and has a transform for the way back as well.
    #[error(
        "migration {id} keeps a journal of table {table} and has a way back as well; \
         the journal takes it back, so leave the other away"
    )]
    TwoWaysBack {
        /// Its id.
        id: String,
        /// The table of the backfill.
        table: String,
    },
}

fn one_line(faults: &[Fault]) -> String {
    let each: Vec<_> = faults.iter().map(Fault::to_string).collect();
    each.join("; and ")
}

/// Compares ids by the number they begin with, then by their text: `9_x` comes before `10_x`.
#[must_use]
pub fn compare_ids(a: &str, b: &str) -> Ordering {
    let number = |id: &str| {
        let digits = id.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse::<u128>().ok()
    };
    number(a).cmp(&number(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(ids: &[&'static str]) -> Result<Migrator, BuildError> {
        let add = |builder: Builder, id: &&'static str| {
            builder.migration(Migration::new(*id, |_| async { Ok(()) }))
        };
        ids.iter().fold(Migrator::builder(), add).build()
    }

    #[test]
    fn a_growing_list_is_taken_in_order() {
        let specs = build(&["1_a", "2_b", "10_c"]).unwrap().specs();
        let ids: Vec<_> = specs.iter().map(|spec| spec.id.as_str()).collect();
        assert_eq!(ids, ["1_a", "2_b", "10_c"]);
    }

    #[test]
    fn duplicates_disorder_and_odd_ids_are_refused() {
        assert_eq!(
            build(&["0001_a", "0001_a"]).unwrap_err(),
            BuildError::Duplicate("0001_a".into())
        );
        assert!(matches!(build(&["0002_a", "0001_b"]).unwrap_err(), BuildError::Disorder { .. }));
        for odd in ["", "a b", "a#b", "ä"] {
            assert!(matches!(build(&[odd]).unwrap_err(), BuildError::Malformed(_)), "{odd:?}");
        }
    }
}
