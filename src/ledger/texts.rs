//! The texts of migration files: with them a build can take back what it does not have.

use super::rows::{TextRow, entry};
use super::{Ledger, RowWrite};
use crate::authoring::Source;
use crate::dynamo::{self, patiently};
use crate::interrupt::Interrupt;

impl RowWrite {
    /// The row that keeps a file.
    pub(super) fn text(source: &Source) -> Result<Self, Interrupt> {
        let Source { id, language, file, text } = source;
        let row = TextRow { language: *language, file: file.clone(), text: text.clone() };
        Self::set(entry::text(id), &row)
    }
}

impl Ledger {
    /// The file that a migration was read from when it last began; nothing where it was compiled.
    ///
    /// # Errors
    /// What DynamoDB refuses.
    pub(crate) async fn text(&self, id: &str) -> Result<Option<Source>, dynamo::Error> {
        let entry = entry::text(id);
        let Some(row) = patiently(|| self.get(&entry)).await? else { return Ok(None) };
        let TextRow { language, file, text } = self.parse(row)?;
        let file = format!("{file} as the ledger has it");
        Ok(Some(Source { id: id.to_owned(), language, file, text }))
    }
}
