//! `retry-failed`: items that a migration could not handle get a second chance.

use serde_json::json;

use crate::args::Where;
use crate::exit::Ended;
use crate::session::Session;
use crate::signed::Signed;

/// Run a migration again for the items alone that it could not handle
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright retry-failed 0004_split --reason 'the items are mended'")]
pub(crate) struct RetryFailed {
    /// Id of the migration
    id: String,
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    place: Where,
}

impl RetryFailed {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let mut event = self.place.event("retry-failed", &settings);
        event["id"] = json!(self.id);
        self.signed.send(session, &settings, event).await
    }
}
