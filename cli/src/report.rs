//! `report`: all that is known of a scope as one HTML file.

use std::path::PathBuf;
use std::time::Duration;

use tablewright::command::{Command, Hands};
use tablewright::deadline::Deadline;
use tablewright::report::html;

use crate::args::Where;
use crate::exit::{Done, Ended, Failure};
use crate::render::say;
use crate::session::Session;

/// Time of all reads together.
const LONGEST: Duration = Duration::from_hours(1);

/// Write all that is known of a scope into one HTML file that loads nothing
///
/// Its tables and indexes drawn, the migrations on a time line, what goes on, items that failed, what needs a person and the
/// commands for it. It reads, takes no lease and writes nothing but the file; of items it shows their keys alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright report                       # writes report.html\n  \
    tablewright report --plan --out shop.html\n  \
    tablewright report --stack shop-prod --out - > shop.html")]
pub(crate) struct Report {
    /// The file; - is the standard output
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Tells what a deploy of the declaration would do as well
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    place: Where,
}

impl Report {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let properties = match self.plan {
            true => Some(settings.declaration().map_err(Failure::Faults)?),
            false => None,
        };
        let services = session.services().await?;
        let migrator = session.migrator(&settings);
        let hands = Hands::new(services, migrator, "report", Deadline::after(LONGEST));
        let command = Command::read(&self.place.event("status", &settings))?;
        let survey = Box::pin(command.survey(&hands, properties)).await?;
        let page = html(&survey);
        let out = &self.out;
        if out.as_os_str() == "-" {
            say(page.trim_end());
            return Ok(Done::Done);
        }
        std::fs::write(out, page).map_err(|error| {
            Failure::failed(format!("the report cannot be written to {}: {error}", out.display()))
        })?;
        say(&format!("wrote {}", out.display()));
        Ok(Done::Done)
    }
}
