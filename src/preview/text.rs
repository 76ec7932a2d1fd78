//! A preview as people read it, as text and as a part of a comment of a pull request.

use std::fmt;

use super::{
    AttributeDifference, Difference, DifferenceKind, ItemError, Preview, PreviewedBackfill,
    PreviewedMigration,
};
use crate::plan::markdown::fenced;

impl Preview {
    /// The preview in GitHub's Markdown: a fold that holds its text.
    #[must_use]
    pub fn markdown(&self) -> String {
        let items = self.items;
        format!(
            "\n<details>\n<summary>What a sample of {items} items a table becomes</summary>\n\n{}\n\n</details>\n",
            fenced(&self.to_string(), "text")
        )
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A sample of {} items a table; nothing was written.", self.items)?;
        self.migrations.iter().try_for_each(|migration| write!(f, "{migration}"))
    }
}

impl fmt::Display for PreviewedMigration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = self.unknown {
            writeln!(f, "? migration {}: {why}", self.id)?;
        }
        for backfill in &self.backfills {
            write!(f, "> migration {}, table {}: ", self.id, backfill.table)?;
            write!(f, "{backfill}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PreviewedBackfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.changed, "changed"),
            (self.deleted, "deleted"),
            (self.put, "put"),
            (self.kept, "kept"),
            (self.skipped, "skipped"),
            (self.failed, "failed"),
            (self.refused, "refused"),
        ];
        write!(f, "{} read", self.read)?;
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        counts.clone().try_for_each(|(count, what)| write!(f, ", {count} {what}"))?;
        writeln!(f)?;
        self.differences.iter().try_for_each(|difference| write!(f, "{difference}"))?;
        self.errors.iter().try_for_each(|error| write!(f, "{error}"))
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, items, error } = self;
        match items {
            0 | 1 => writeln!(f, "  ! {key}: {error}"),
            items => writeln!(f, "  ! {key} and {} more: {error}", items - 1),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, table, key, attributes } = self;
        match kind {
            DifferenceKind::Changed => writeln!(f, "  ~ {key}")?,
            DifferenceKind::Deleted => writeln!(f, "  - {key}")?,
            DifferenceKind::Put => writeln!(f, "  + {table} {key}")?,
        }
        attributes.iter().try_for_each(|attribute| writeln!(f, "      {attribute}"))
    }
}

impl fmt::Display for AttributeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {}: {after}", self.name),
            (Some(before), None) => write!(f, "- {}: {before}", self.name),
            (Some(before), Some(after)) => write!(f, "~ {}: {before} -> {after}", self.name),
            (None, None) => f.write_str(&self.name),
        }
    }
}
