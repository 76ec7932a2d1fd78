//! `unlock`, `pause` and `resume`: who works on a scope, and whether anybody may.

use crate::args::Where;
use crate::exit::Ended;
use crate::session::Session;
use crate::signed::Signed;

/// Take the lease from whoever holds it, so that the next deploy need not wait
///
/// Whoever held it stops at its next write.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright unlock --reason 'the runner died'")]
pub(crate) struct Unlock {
    #[command(flatten)]
    by_hand: ByHand,
}

/// Stop what runs at a safe point, and have deploys wait until it is resumed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright pause --reason 'the application is slow'\n  \
    tablewright resume --reason 'it is not any more'")]
pub(crate) struct Pause {
    #[command(flatten)]
    by_hand: ByHand,
}

/// Let deploys go on again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright resume --reason 'the application has recovered'")]
pub(crate) struct Resume {
    #[command(flatten)]
    by_hand: ByHand,
}

#[derive(Debug, clap::Args)]
struct ByHand {
    #[command(flatten)]
    signed: Signed,
    #[command(flatten)]
    place: Where,
}

impl Unlock {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        self.by_hand.send(session, "unlock").await
    }
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        self.by_hand.send(session, "pause").await
    }
}

impl Resume {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        self.by_hand.send(session, "resume").await
    }
}

impl ByHand {
    async fn send(&self, session: &Session, verb: &str) -> Ended {
        let settings = session.settings()?;
        self.signed.send(session, &settings, self.place.event(verb, &settings)).await
    }
}
