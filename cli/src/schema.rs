//! `schema`: JSON Schemas of the files that people write, for their editors.

use crate::exit::{Done, Ended};
use crate::session::Session;
use crate::{render, settings, test};

/// Print the JSON Schema of a file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright schema settings > tablewright.schema.json\n  \
    # then, as the first line of tablewright.yaml:\n  \
    # yaml-language-server: $schema=./tablewright.schema.json")]
pub(crate) struct Schema {
    /// Which file
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// NNNN_name.yaml, a migration
    Migration,
    /// tablewright.yaml
    Settings,
    /// NNNN_name.test.yaml, what a migration is tried with
    Fixture,
}

impl Schema {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, _: &Session) -> Ended {
        let schema = match self.of {
            Of::Migration => tablewright::authoring::migration_schema(),
            Of::Settings => settings::schema(),
            Of::Fixture => test::fixture::schema(),
        };
        render::json(&schema);
        Ok(Done::Done)
    }
}
