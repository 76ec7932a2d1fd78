//! What a person says of a migration: recorded in its row and nowhere else, since nothing has run.

use super::lease::Lease;
use super::rows::{JOURNAL_SHARDS, MigrationRow, entry};
use super::state::Event;
use super::write::{ROWS_PER_WRITE, RowWrite};
use crate::authoring::Source;
use crate::clock;
use crate::deadline::Deadline;
use crate::interrupt::Interrupt;

impl Lease {
    /// Records what a person says of a migration, with the words of `row` where they differ from those on record, and with the
    /// file that it counts as from now on, which an older build may have to take back.
    pub(crate) async fn repair(
        &self,
        row: &MigrationRow,
        event: Event,
        file: Option<&Source>,
    ) -> Result<MigrationRow, Interrupt> {
        let state = row.state.next(event).map_err(|error| {
            Interrupt::Failed(format!("migration {}: {error}; this is a bug", row.id))
        })?;
        let mut next = MigrationRow { state, ..row.clone() };
        // It ran when it ran, whoever says what that was.
        if event != Event::Identify {
            next.run = self.run().to_owned();
            crate::BUILD.clone_into(&mut next.build);
            next.finished_at = Some(clock::now());
            next.error = None;
        }
        let mut rows = vec![RowWrite::set(entry::migration(&next.id), &next)?];
        rows.extend(file.map(RowWrite::text).transpose()?);
        self.write(rows).await?;
        Ok(next)
    }

    /// Forgets the journal of a migration: its next run changes each item anew.
    pub(crate) async fn forget_journal(
        &self,
        prefix: &str,
        deadline: Deadline,
    ) -> Result<(), Interrupt> {
        for shard in 0..JOURNAL_SHARDS {
            loop {
                if deadline.passed() {
                    return Err(Interrupt::OutOfTime("its journal is being forgotten".to_owned()));
                }
                let rows = self.journal(prefix, shard, None, ROWS_PER_WRITE).await?;
                if rows.is_empty() {
                    break;
                }
                let partition = self.ledger().journal_shard(shard);
                let gone = rows.into_iter().map(|(entry, _)| RowWrite::Delete(entry));
                let gone = gone.map(|row| row.in_partition(partition.clone()));
                self.write(gone.collect()).await?;
            }
        }
        Ok(())
    }
}
