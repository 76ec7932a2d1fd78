//! `repair`: a person says what the data is like, and the ledger takes their word for it.

use serde_json::json;

use crate::args::Where;
use crate::ask;
use crate::exit::{Ended, Failure};
use crate::render::{complain, list, text};
use crate::session::Session;
use crate::settings::Settings;
use crate::signed::Signed;

/// Say what a migration has come to, where the ledger cannot know
///
/// Nothing is done to any item: the ledger takes your word for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright repair mark-applied 0004_split --reason 'finished by hand'\n  \
    tablewright repair mark-rolled-back 0004_split --reason 'taken back by hand'\n  \
    tablewright repair fingerprint 0004_split --reason 'only a comment has changed'")]
pub(crate) struct Repair {
    /// What is said of it
    action: Action,
    /// Its id
    id: String,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Action {
    /// All of it is in place
    MarkApplied,
    /// Nothing of it is in place
    MarkRolledBack,
    /// What has run is what it is now
    Fingerprint,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::MarkApplied => "mark-applied",
            Self::MarkRolledBack => "mark-rolled-back",
            Self::Fingerprint => "fingerprint",
        }
    }

    /// What follows from it.
    fn means(self) -> &'static str {
        match self {
            Self::MarkApplied => "it counts as applied, and never runs again",
            Self::MarkRolledBack => "it counts as undone, and runs with the next deploy",
            Self::Fingerprint => "what it is now counts as what has run",
        }
    }
}

impl Repair {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        if !self.yes {
            self.confirm(session, &settings).await?;
        }
        let mut event = self.place.event("repair", &settings);
        event["action"] = json!(self.action.name());
        event["id"] = json!(self.id);
        self.signed.send(session, &settings, event).await
    }

    async fn confirm(&self, session: &Session, settings: &Settings) -> Result<(), Failure> {
        let status = self.place.event("status", settings);
        let status = session.command(settings, &status).await?;
        let row = list(&status, "migrations").iter().find(|row| text(row, "id") == self.id);
        let state = row.map_or("not on record", |row| text(row, "state"));
        complain(&format!(
            "Migration {} in {} is {state}; after this {}.",
            self.id,
            text(&status, "scope"),
            self.action.means()
        ));
        ask::confirm("Go on?", false)
    }
}
