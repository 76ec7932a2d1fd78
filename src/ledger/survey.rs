//! What a report tells of a migration of which only part may be in place: every row about its items, for people.

use super::Ledger;
use super::items::{map, read, read_checkpoint};
use super::rows::{CheckpointRow, FailedRow, ProgressRow, entry};
use crate::dynamo;

impl Ledger {
    /// How far the backfills of a migration have come, and each worker with its part, by the rest of their keys.
    pub(crate) async fn all_progress(
        &self,
        id: &str,
    ) -> Result<Vec<(String, ProgressRow)>, dynamo::Error> {
        let rows = self.rows_after(&entry::progress(&format!("{id}#"))).await?;
        Ok(rows.into_iter().map(|(rest, row)| (rest, read(row))).collect())
    }

    /// How far the segments of the backfills of a migration have come, by the rest of their keys.
    pub(crate) async fn all_positions(
        &self,
        id: &str,
    ) -> Result<Vec<(String, CheckpointRow)>, dynamo::Error> {
        let rows = self.rows_after(&entry::checkpoint(&format!("{id}#"))).await?;
        Ok(rows.into_iter().map(|(rest, row)| (rest, read_checkpoint(row))).collect())
    }

    /// The items of a migration that could not be handled.
    pub(crate) async fn all_failed(&self, id: &str) -> Result<Vec<FailedRow>, dynamo::Error> {
        let rows = self.rows_after(&entry::failed(&format!("{id}#"))).await?;
        let failed = |row| FailedRow { key: map(&row, "key"), ..read(row) };
        Ok(rows.into_iter().map(|(_, row)| failed(row)).collect())
    }
}
