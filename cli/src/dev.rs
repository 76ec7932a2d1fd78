//! `dev`: a DynamoDB on this machine that has the tables and the migrations of a folder, and follows it.

mod changes;
mod engine;
mod round;

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use self::changes::Changes;
use self::engine::Engine;
use crate::exit::{Done, Ended, Failure};
use crate::render::{complain, style};
use crate::session::Session;
use crate::settings::Settings;

/// How often tables are kept, and what the engine notes of each call is thrown away.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// Where applications find DynamoDB, unless said.
const PORT: u16 = 8000;

/// Run DynamoDB here with the tables and migrations of the folder, and follow every change
///
/// A migration that has changed since it ran is taken back, as it was when it ran, and run again. The items are in memory and
/// gone when it ends, unless a folder is named that keeps them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright dev\n  \
    tablewright dev --seed seed.yaml --port 8001\n  \
    tablewright dev --persist .dynamodb      # goes on where it ended\n  \
    tablewright dev --strict                 # as slow and as strict as AWS\n\n\
    A seed has the items of each table, plain or in DynamoDB's JSON:\n  \
    orders:\n    \
    - { pk: '1', status: open }")]
pub(crate) struct Dev {
    /// The port on 127.0.0.1; by default 8000
    #[arg(long)]
    port: Option<u16>,
    /// Items that new tables begin with, YAML or JSON
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// A folder that keeps tables and items, for the next time
    #[arg(long, value_name = "DIR")]
    persist: Option<PathBuf>,
    /// Have changes take as long as in AWS, with its quotas
    #[arg(long)]
    strict: bool,
    /// Start over, with the seed, where a changed migration has no way back
    #[arg(long)]
    reset: bool,
}

impl Dev {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        // What is wrong with the settings now can be mended while it runs.
        let settings = session.settings();
        let dev = settings.as_ref().map(|settings| settings.dev.clone()).unwrap_or_default();
        let port = self.port.or(dev.port).unwrap_or(PORT);
        let persist = self
            .persist
            .clone()
            .or_else(|| Some(settings.as_ref().ok()?.resolve(dev.persist.as_deref()?)));
        let engine = Engine::start(port, self.strict || dev.strict, persist.as_deref()).await?;
        greet(&engine);
        let mut changes = Changes::new()?;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        'follow: loop {
            let round = async {
                changes.note();
                let settings = session.settings();
                let seed = self.seed_of(&settings);
                changes.look_at(session, settings.as_ref().ok(), seed.as_deref());
                let started = Instant::now();
                let ended = match settings {
                    Ok(settings) => {
                        round::run(session, &settings, &engine, seed.as_deref(), self.reset).await
                    }
                    Err(failure) => Err(failure),
                };
                tell(session, ended, started.elapsed());
            };
            tokio::select! {
                () = round => {}
                // What is half done is not kept: the next time begins before this round.
                _ = &mut interrupted => break 'follow,
            }
            loop {
                // What cannot be kept now is tried again, and is in memory still.
                let _ = crate::exit::code(engine.tidy().map(|()| Done::Done));
                tokio::select! {
                    () = changes.next() => break,
                    () = tokio::time::sleep(TIDY_EVERY) => {}
                    _ = &mut interrupted => {
                        engine.tidy()?;
                        break 'follow;
                    }
                }
            }
        }
        complain("stopped");
        Ok(Done::Done)
    }

    fn seed_of(&self, settings: &Result<Settings, Failure>) -> Option<PathBuf> {
        let settings = settings.as_ref().ok();
        let set = || {
            let settings = settings?;
            Some(settings.resolve(settings.dev.seed.as_deref()?))
        };
        self.seed.clone().or_else(set)
    }
}

fn greet(engine: &Engine) {
    let (strong, faint, endpoint) = (style::STRONG, style::FAINT, engine.endpoint());
    complain(&format!("DynamoDB listens on {strong}{endpoint}{strong:#}; for your application:"));
    complain(&format!(
        "{faint}  export AWS_ENDPOINT_URL_DYNAMODB={endpoint} AWS_REGION={} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local{faint:#}",
        tablewright::services::LOCAL_REGION
    ));
}

/// Says how a round ended; its faults are no reason to stop.
fn tell(session: &Session, ended: Ended, took: Duration) {
    let took = crate::render::duration(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let faint = style::FAINT;
    let said =
        if ended.is_ok() { format!("ready in {took}") } else { format!("not ready, after {took}") };
    let _ = crate::exit::code(ended);
    if !session.global.json {
        complain(&format!("{faint}{said}; waiting for changes, Ctrl-C ends it{faint:#}"));
    }
}
