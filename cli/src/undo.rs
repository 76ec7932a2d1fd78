//! `undo`: migrations are taken back, the newest first.

use serde_json::{Value, json};

use crate::args::Where;
use crate::ask;
use crate::exit::{Ended, Failure};
use crate::render::{complain, list, text};
use crate::session::Session;
use crate::settings::Settings;
use crate::signed::Signed;

/// Take migrations back, the newest first, all that are meant or none
///
/// Each goes back by its own way back, by the text that the ledger keeps of it, or by its journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright undo --to 0003_label --reason 'the label is wrong'     # 0003_label stays\n  \
    tablewright undo --all --yes --reason 'start over'")]
pub(crate) struct Undo {
    #[command(flatten)]
    back: Back,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Back {
    /// The newest migration that stays
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// Take all of them back
    #[arg(long)]
    all: bool,
}

impl Undo {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        if !self.yes {
            self.confirm(session, &settings).await?;
        }
        let mut event = self.place.event("undo", &settings);
        match &self.back.to {
            Some(to) => event["to"] = json!(to),
            None => event["all"] = json!(true),
        }
        self.signed.send(session, &settings, event).await
    }

    async fn confirm(&self, session: &Session, settings: &Settings) -> Result<(), Failure> {
        let status = self.place.event("status", settings);
        let status = session.command(settings, &status).await?;
        let rows = list(&status, "migrations");
        let stays = |row: &&Value| self.back.to.as_deref() == Some(text(row, "id"));
        let from = rows.iter().position(|row| stays(&row)).map_or(0, |stays| stays + 1);
        let is_touched =
            |row: &&Value| !matches!(text(row, "state"), "pending" | "undone" | "baseline");
        let meant: Vec<_> = rows[from..].iter().rev().filter(is_touched).collect();
        complain(&format!("Taken back in {}, the newest first:", text(&status, "scope")));
        for row in &meant {
            complain(&format!("  {}  {}", text(row, "id"), text(row, "description")));
        }
        if meant.is_empty() {
            complain("  none");
        }
        ask::confirm("Take them back?", false)
    }
}
