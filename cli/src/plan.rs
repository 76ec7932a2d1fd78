//! `plan`: what a deploy would do, by reading alone.

use serde_json::{Value, json};

use crate::args::Where;
use crate::exit::{Done, Ended, Failure};
use crate::lines;
use crate::render::{self, say, style, text};
use crate::session::Session;
use crate::settings::Settings;

/// Show what a deploy of the declaration would do
///
/// It reads, takes no lease and writes nothing. The exit code is 3 where there is work, and 1 where the plan is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright plan                         # of the declaration in tablewright.yaml\n  \
    tablewright plan --stack shop-prod       # against another stack\n  \
    tablewright plan --sample 5 --redact     # and what would become of a few items\n  \
    tablewright plan --markdown > plan.md    # for a comment on a pull request\n  \
    tablewright plan --json | jq .plan.migrations")]
pub(crate) struct Plan {
    /// Try the pending migrations on up to so many items of each table, and show them before and after
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    sample: Option<u32>,
    /// Show types and sizes of those items instead of their values
    #[arg(long, requires = "sample")]
    redact: bool,
    /// Print it as Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    place: Where,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        session.sound_migrator(&settings)?;
        let mut event = event(&self.place, &settings)?;
        if let Some(items) = self.sample {
            event["sample"] = json!(items);
            event["redact"] = json!(self.redact);
        }
        let planned = session.command(&settings, &event).await?;
        if session.global.json {
            render::json(&planned);
            if is_refused(&planned) {
                return Err(Failure::failed(text(&planned, "text").trim_end()));
            }
        } else if self.markdown {
            say(text(&planned, "markdown").trim_end());
            if is_refused(&planned) {
                return Err(Failure::failed("the plan is refused"));
            }
        } else {
            show(&planned)?;
        }
        Ok(if has_work(&planned) { Done::Pending } else { Done::Done })
    }
}

/// The command that plans the declaration of the settings.
pub(crate) fn event(place: &Where, settings: &Settings) -> Result<Value, Failure> {
    let mut event = place.event("plan", settings);
    event["properties"] = settings.declaration().map_err(Failure::Faults)?.clone();
    event["may_begin"] = json!(true);
    Ok(event)
}

/// Prints a plan.
///
/// # Errors
/// Where it is refused, with each objection.
pub(crate) fn show(planned: &Value) -> Result<(), Failure> {
    if is_refused(planned) {
        return Err(Failure::failed(text(planned, "text").trim_end()));
    }
    for line in text(planned, "text").lines() {
        say(&coloured(&lines::in_text(line)));
    }
    Ok(())
}

pub(crate) fn is_refused(planned: &Value) -> bool {
    planned["plan"].is_null()
}

/// Whether there is something to do.
pub(crate) fn has_work(planned: &Value) -> bool {
    planned["pending"] == true
}

fn coloured(line: &str) -> String {
    let style = match line.chars().next() {
        Some('+') => style::GOOD,
        Some('~' | '!') => style::WARNING,
        Some('-') => style::ERROR,
        Some(' ') => style::FAINT,
        _ => style::STRONG,
    };
    format!("{style}{line}{style:#}")
}
