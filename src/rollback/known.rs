//! A recorded migration as this build can take it back: as it has it itself, or from what the ledger keeps of it.

use std::sync::Arc;

use crate::authoring;
use crate::execute::Run;
use crate::interrupt::Interrupt;
use crate::ledger::rows::MigrationRow;
use crate::migration::{Migration, Phase, Spec, WayBack};

/// What is known of a recorded migration.
pub(super) enum Known {
    /// What ran, be it of this build or read from the text that the ledger keeps.
    Migration(Arc<Migration>),
    /// The journal that it has kept, and no more.
    Journal(Spec),
    /// Too little to take it back, for this reason.
    Nothing(String),
}

impl Known {
    pub(super) async fn of(run: &Run, row: &MigrationRow) -> Result<Self, Interrupt> {
        let own = run.migrator.get(&row.id);
        // A file that was changed since is not what ran.
        if let Some(own) =
            own.filter(|own| own.file.is_none() || own.spec().fingerprint == row.fingerprint)
        {
            return Ok(Self::Migration(Arc::clone(own)));
        }
        let text = run.lease.ledger().text(&row.id).await?;
        let recalled = text.map(|source| authoring::read(&source));
        Ok(match (recalled, own) {
            (Some(Ok(migration)), _) => Self::Migration(Arc::new(migration)),
            (_, Some(own)) => Self::Migration(Arc::clone(own)),
            (_, None) if row.journal => Self::Journal(of_journal(row)),
            (Some(Err(faults)), None) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                Self::Nothing(format!(
                    "is not in this build, which cannot read it either: {}",
                    faults.join("; ")
                ))
            }
            (None, None) => Self::Nothing("is not in this build and keeps no journal".to_owned()),
        })
    }

    /// What takes it back, with what it is, or why nothing does.
    pub(super) fn way_back(&self) -> Result<(Spec, WayBack<'_>), String> {
        match self {
            Self::Migration(migration) => match migration.way_back() {
                Some(way_back) => Ok((migration.spec(), way_back)),
                None => Err("has no way back".to_owned()),
            },
            Self::Journal(spec) => Ok((spec.clone(), WayBack::Journal)),
            Self::Nothing(why) => Err(why.clone()),
        }
    }
}

fn of_journal(row: &MigrationRow) -> Spec {
    Spec {
        id: row.id.clone(),
        description: row.description.clone(),
        fingerprint: row.fingerprint.clone(),
        language: row.language,
        phase: Phase::default(),
        tables: Vec::new(),
        copies: None,
        finishes: None,
        reversible: true,
        journal: true,
        idempotent: true,
        backfills: Vec::new(),
        offered: None,
    }
}
