//! `report`: a scope in one HTML file that loads nothing.

use std::path::PathBuf;

use serde_json::json;

use crate::args::Where;
use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say};
use crate::session::Session;

/// Write a report of a scope: one HTML file for a person, a pull request or an archive
///
/// With its tables, its migrations on a time line, failed items by their keys, what a deploy of the declaration would do, and
/// how to go on. It shows no values of items.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright report                       # tablewright-report.html\n  \
    tablewright report --stack shop-prod --output shop-prod.html")]
pub(crate) struct Report {
    /// The file; one that is there is replaced
    #[arg(long, short, value_name = "FILE", default_value = "tablewright-report.html")]
    output: PathBuf,
    #[command(flatten)]
    place: Where,
}

impl Report {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let declaration = settings.declaration().map_err(Failure::Faults)?;
        // Without settings there is nothing that a deploy would do.
        let properties = settings.file.is_some().then_some(declaration);
        let event = self.place.event("status", &settings);
        let survey = session.survey(&settings, &event, properties).await?;
        let file = self.output.display().to_string();
        std::fs::write(&self.output, tablewright::report::html(&survey))
            .map_err(|error| Failure::failed(format!("{file}: {error}")))?;
        if session.global.json {
            render::json(&json!({ "tablewright": "report", "scope": survey.scope, "file": file }));
        } else {
            say(&file);
        }
        Ok(Done::Done)
    }
}
